"""The transitions that facts and time bring: which triggers are asked, what they answer, and when it happened."""

from collections.abc import Collection, Mapping
from datetime import datetime
from functools import lru_cache

from msgspec import Struct

from domain import machine
from domain.events import Event
from domain.guards import READS, Case, Finding, judge
from domain.partnership import Partnership, Seen
from domain.policy import AUTOMATIC, GUARDS, Policy

ORDER = (*AUTOMATIC, "share_power")
"""The order in which triggers are asked, whatever order a policy names them in (D7)."""

STIRRING = frozenset(kind for trigger in ORDER for code in GUARDS[trigger] for kind in READS[code])
"""Facts that can bring a transition under some policy; no other fact can change a path."""


class Move(Struct, frozen=True, kw_only=True):
    """An automatic transition that is due: what was found, when it happened and what brought it."""

    trigger: str
    target: str
    found: list[tuple[str, Finding]]
    at: datetime
    cause: Seen


def automatic(state: Partnership, policy: Policy) -> tuple[str, ...]:
    """The triggers that facts decide from here, in their order."""
    return _automatic(state.state, policy.automatic)


@lru_cache(maxsize=1_024)
def _automatic(state: str, switched: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(each for each in ORDER if each in switched and (each, state) in machine.TABLE)


def stirred(state: Partnership, policy: Policy) -> Mapping[type[Event], tuple[str, ...]]:
    """Type of event -> the automatic triggers that it may bring from here; other facts change no finding."""
    return _stirred(state.state, policy.automatic, tuple(policy.guards.items()))


@lru_cache(maxsize=1_024)
def _stirred(
    state: str, switched: tuple[str, ...], guards: tuple[tuple[str, tuple[str, ...]], ...]
) -> Mapping[type[Event], tuple[str, ...]]:
    triggers = _automatic(state, switched)
    reads = {trigger: {kind for code in codes for kind in READS[code]} for trigger, codes in guards}
    kinds = {kind for trigger in triggers for kind in reads[trigger]}
    return {kind: tuple(each for each in triggers if kind in reads[each]) for kind in kinds}


def next_move(
    state: Partnership, policy: Policy, horizon: datetime, cause: Seen, triggers: Collection[str]
) -> Move | None:
    """The first of these triggers that is allowed at an instant; `cause` is what has just happened."""
    for trigger in triggers:
        found = judge(Case(state=state, policy=policy, now=horizon, trigger=trigger))
        target = consult(state, policy, trigger, found, state.came_from)
        if target is not None:
            at, brought = moment(trigger, found, cause)
            return Move(trigger=trigger, target=target, found=found, at=max(at, state.entered), cause=brought)
    return None


def allowed(trigger: str, found: Collection[tuple[str, Finding]]) -> bool:
    """Whether the findings suffice: any of them, or all, as the trigger has it."""
    holds = [finding.met for _, finding in found]
    return any(holds) if machine.TRIGGERS[trigger].needs == "any" else all(holds)


def consult(
    state: Partnership, policy: Policy, trigger: str, found: Collection[tuple[str, Finding]], came_from: str | None
) -> str | None:
    """Ask the machine where a trigger leads; it is not troubled where no guard could let it pass."""
    if not allowed(trigger, found):
        return None
    holds = {code: finding.met for code, finding in found}
    return machine.ask(policy.guards, trigger, state.state, holds, came_from)


def moment(trigger: str, found: Collection[tuple[str, Finding]], cause: Seen) -> tuple[datetime, Seen]:
    """When an automatic transition happened, and what brought it (D2)."""
    met = [finding for _, finding in found if finding.met]
    if machine.TRIGGERS[trigger].needs == "all":
        return max([cause.at, *(seen.at for finding in met for seen in finding.evidence)]), cause
    first = min(met, key=lambda finding: finding.at or cause.at)
    at = first.at or cause.at
    return at, max((seen for seen in first.evidence if seen.at <= at), default=cause)
