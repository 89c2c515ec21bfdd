"""What a guard is asked and what it answers, and the register of all guards with their remedies."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from msgspec import Struct, field

from domain.events import Event, Figure, Verdict
from domain.partnership import Partnership, Seen
from domain.partnership.values import between
from domain.policy import Policy
from domain.types import SIDES, Side

EVIDENCE_LIMIT = 20


class Case(Struct, frozen=True, kw_only=True):
    """What a guard judges: a partnership under a policy at an instant, and what the asker said."""

    state: Partnership
    policy: Policy
    now: datetime
    trigger: str
    side: Side | None = None
    reason: str | None = None
    memo: dict[str, Any] = field(default_factory=dict)
    """What several guards of one case would find anew; says nothing that the other fields do not."""

    @property
    def since(self) -> datetime:
        """The entry into the current spell."""
        return self.state.entered

    def news(self, seen: Seen) -> bool:
        """Whether the current spell saw this first; the opening's honeymoon has answered nothing before it.

        At the very instant of the entry the log's order tells what came after it (D18).
        """
        return self.state.first_spell or seen > self.state.last_entry


class Finding(Struct, frozen=True):
    """What a guard found; `at` is when it became true by itself, possibly in the future."""

    met: bool
    actual: Figure
    required: Figure
    evidence: tuple[Seen, ...] = ()
    at: datetime | None = None


class Remedy(Struct, frozen=True):
    """What would meet a guard, one sentence a language."""

    en: str
    fr: str


Guard = Callable[[Case], Finding]
GUARD: dict[str, Guard] = {}
REMEDIES: dict[str, Remedy] = {}
READS: dict[str, frozenset[type[Event]]] = {}
"""Guard -> the types of events that can change its finding: no other fact makes it worth asking again."""


def guard(en: str, fr: str, *, reads: tuple[type[Event], ...] = ()) -> Callable[[Guard], Guard]:
    """Register a guard under its own name, with its remedy in both languages and the events that it reads."""

    def register(function: Guard) -> Guard:
        name = function.__name__
        GUARD[name], REMEDIES[name], READS[name] = function, Remedy(en, fr), frozenset(reads)
        return function

    return register


def judge(case: Case) -> list[tuple[str, Finding]]:
    """Every guard of the case's trigger, never only the first."""
    return [(code, GUARD[code](case)) for code in case.policy.guards[case.trigger]]


def verdict(code: str, finding: Finding) -> Verdict:
    """A finding as it is recorded: rounded figures, at most 20 versions and how many there were."""
    versions = sorted({seen.version for seen in finding.evidence})
    return Verdict(
        code=code, met=finding.met, actual=_figure(finding.actual), required=_figure(finding.required),
        evidence=tuple(versions[-EVIDENCE_LIMIT:]), count=len(versions) if len(versions) > EVIDENCE_LIMIT else None,
    )  # fmt: skip


def _figure(figure: Figure) -> Figure:
    if not isinstance(figure, float):
        return figure
    rounded = round(figure, 4)
    return int(rounded) if rounded == int(rounded) else rounded


# --- findings that several guards share ----------------------------------------------------------------------------


def met(actual: Figure, required: Figure, evidence: tuple[Seen, ...] = ()) -> Finding:
    """A guard that is met."""
    return Finding(met=True, actual=actual, required=required, evidence=evidence)


def unmet(actual: Figure, required: Figure, evidence: tuple[Seen, ...] = ()) -> Finding:
    """A guard that is not met, and that time alone will not meet."""
    return Finding(met=False, actual=actual, required=required, evidence=evidence)


def earliest(case: Case, found: Iterable[tuple[Seen, float, tuple[Seen, ...]]], required: float) -> Finding:
    """Met by the earliest of dated findings (when, figure, evidence), which is the one shown."""
    dated = sorted(found, key=lambda each: each[0])
    if not dated:
        return unmet(0, required)
    first, figure, _ = dated[0]
    evidence = tuple(seen for _, _, seens in dated for seen in seens)
    return Finding(first.at <= case.now, figure, required, evidence, max(first.at, case.since))


def moments(case: Case, *keys: str) -> list[Seen]:
    """The moments of these kinds up to now, in order."""
    known = case.state.moments
    return sorted(seen for key in keys for seen in known.get(key, ()) if seen.at <= case.now)


def since_entering(case: Case, key: str) -> Finding:
    """At least one moment of a kind since entering the stage."""
    found = between(case.state.moments.get(key, ()), case.since, case.now)
    return Finding(bool(found), len(found), 1, tuple(found))


def both_sides(case: Case, key: str, start: datetime | None = None) -> Finding:
    """One mark a side, from start (or ever) up to now."""
    marks = {
        side: [seen for seen in moments(case, f"{key}/{side}") if start is None or seen.at >= start] for side in SIDES
    }
    sides = [side for side, found in marks.items() if found]
    evidence = tuple(seen for found in marks.values() for seen in found[-1:])
    return Finding(len(sides) == len(SIDES), " and ".join(sides) or "nobody", "client and partner", evidence)
