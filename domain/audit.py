"""The audit of one partnership: every stored decision taken again, on the state that it was taken on, and compared.

Pure: a stream's steps in, what diverges out. Nothing that was recorded is believed but the facts.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import get_args

from msgspec import Struct

from domain import events as e
from domain import machine
from domain.automatic import allowed, automatic, consult, moment, next_move
from domain.ending import ending
from domain.guards import Case, Finding, judge, verdict
from domain.partnership import Partnership, Seen, copy, evolve, fold
from domain.policy import POLICY_1, Policy
from domain.types import SIDES, Side

MARKED: dict[str, type[e.Event]] = {"separate": e.SeparationDecided, "reconcile": e.SeparationRevoked}
"""Triggers that write a fact of their own before the transition: their guards saw the state before it."""
ASKERS: tuple[Side | None, ...] = (None, *SIDES)
REASONS: tuple[str | None, ...] = (None, *get_args(e.SeparationReason))


class Step(Struct, frozen=True, gc=False):
    """One event of a stream as the audit takes it."""

    happened: e.Happened
    decided_at: datetime | None
    in_force: int
    """The version of the policy in force at the event's position."""


class Divergence(Struct, frozen=True, kw_only=True):
    """What is recorded otherwise than it comes out."""

    version: int
    code: str
    expected: str
    found: str


def redecide(
    steps: Iterable[Step], policies: Mapping[int, Policy], *, strict: bool = False
) -> tuple[Partnership, list[Divergence]]:
    """The state after a whole stream, and where its decisions diverge."""
    again = Redecision(policies, strict=strict)
    for step in steps:
        again.take(step)
    return again.state, again.end()


class Redecision:
    """A stream taken again, event by event: the state so far, and what diverges.

    With `strict`, it also asks after every fact which transition should have followed.
    """

    def __init__(self, policies: Mapping[int, Policy], *, strict: bool = False) -> None:
        self.state = Partnership()
        self.found: list[Divergence] = []
        self._strict = strict
        self._policies = policies
        self.history: list[e.Happened] = []
        self._unmarked: Partnership | None = None
        self._fired: set[str] = set()
        self._waiting: list[Divergence] = []

    def take(self, step: Step) -> None:
        """Take the next event: its decision is compared, then it changes the state."""
        if not isinstance(step.happened.data, e.StageEntered):
            self.found += self._waiting
        self._waiting = []
        self._check(step)
        horizon = self._horizon(step.happened) if self._strict else None
        self.evolve(step.happened)
        if horizon is not None:
            self._waiting = self._due(step, horizon)

    def end(self) -> list[Divergence]:
        """Everything that diverges, now that nothing follows any more."""
        self.found += self._waiting
        self._waiting = []
        return self.found

    def evolve(self, happened: e.Happened) -> None:
        """Take the next event only for what it does to the state: enough for a fact, unless every one is asked about."""
        self.history.append(happened)
        kind = type(happened.data)
        if kind is e.FactRetracted:
            self.state = fold(self.history)
            return
        if kind is e.SeparationDecided or kind is e.SeparationRevoked:
            self._unmarked = copy(self.state)
        evolve(self.state, happened)

    def _check(self, step: Step) -> None:
        """Take a stored decision again."""
        data = step.happened.data
        if isinstance(data, e.StageEntered):
            self._tell(step, data.policy, data.decided_on)
            self._check_entered(step, data)
        elif isinstance(data, e.TransitionRefused):
            self._tell(step, data.policy, data.decided_on)
            self._check_refused(step, data)

    def _differs(self, version: int, code: str, expected: object, found: object) -> None:
        if expected != found:
            self.found.append(Divergence(version=version, code=code, expected=str(expected), found=str(found)))

    def _tell(self, step: Step, policy: int, decided_on: int) -> None:
        version = step.happened.version
        self._differs(version, "policy", step.in_force, policy)
        self._differs(version, "decided_on", self.state.version, decided_on)

    # --- transitions -------------------------------------------------------------------------------------------------

    def _check_entered(self, step: Step, data: e.StageEntered) -> None:
        version, at, state = step.happened.version, step.happened.occurred_at, self.state
        if state.opened is None:
            self._differs(version, "opened", "a partnership that was opened", "none")
            return
        self._differs(version, "left", state.state, data.left)
        target = machine.name(data.stage, data.outcome)
        if not 0 < data.cause <= len(self.history):
            self._differs(version, "cause", f"an event from 1 to {len(self.history)}", data.cause)
        elif data.forced:
            self._check_forced(step, data, target)
        else:
            self._check_taken(step, data, target)
        how, respectful = ending(state, at) if target == machine.SEPARATED else (None, None)
        self._differs(version, "ending", how, data.ending)
        self._differs(version, "respectful", respectful, data.respectful)
        over = data.outcome in ("separating", "separated")
        came = state.state if state.state not in (machine.SEPARATING, machine.SEPARATED) else state.came_from
        self._differs(version, "separated_from", machine.split(came)[0] if over and came else None, data.separated_from)

    def _check_forced(self, step: Step, data: e.StageEntered, target: str) -> None:
        version, state = step.happened.version, self.state
        cause = self.history[data.cause - 1].data
        just_before = isinstance(cause, e.OverrideApproved) and data.cause == len(self.history)
        self._differs(
            version, "override", "approved just before", "approved just before" if just_before else cause.type
        )
        legal = machine.legal_targets(state.state, state.returns_to, state.left_into_this)
        if target not in legal:
            self._differs(version, "target", f"one of {', '.join(sorted(legal))}", target)
        self._differs(version, "guards", (), data.guards)

    def _check_taken(self, step: Step, data: e.StageEntered, target: str) -> None:
        version, policy = step.happened.version, self._policies.get(data.policy, POLICY_1)
        if (data.trigger, self.state.state) not in machine.TABLE:
            self._differs(version, "arrow", f"an arrow that leaves {self.state.state}", data.trigger)
            return
        if step.decided_at is None:
            self._differs(version, "decided_at", "the instant of the decision", "none")
            return
        seen, mark = self.state, self.history[-1].data
        side: Side | None = None
        reason: str | None = None
        if data.trigger in MARKED:
            if not isinstance(mark, MARKED[data.trigger]):
                self._differs(version, "cause", MARKED[data.trigger].type, mark.type)
                return
            seen = self._unmarked or seen
            side, reason = getattr(mark, "side", None), getattr(mark, "reason", None)
        by_itself = data.trigger in policy.automatic
        case = Case(state=seen, policy=policy, now=step.decided_at, trigger=data.trigger, side=side, reason=reason)
        found = judge(case)
        self._check_guards(version, found, data.guards)
        came_from = seen.came_from if by_itself else seen.returns_to
        self._differs(
            version, "target", consult(seen, policy, data.trigger, found, came_from) or "no transition", target
        )
        if by_itself and allowed(data.trigger, found):
            cause = self.history[data.cause - 1]
            at, brought = moment(data.trigger, found, Seen(cause.occurred_at, cause.version))
            self._differs(version, "occurred_at", max(at, seen.entered), step.happened.occurred_at)
            self._differs(version, "cause", brought.version, data.cause)

    def _check_guards(
        self, version: int, found: Sequence[tuple[str, Finding]], recorded: tuple[e.Verdict, ...]
    ) -> None:
        expected = tuple(verdict(*each) for each in found)
        self._differs(version, "guards", [each.code for each in expected], [each.code for each in recorded])
        for ours, theirs in zip(expected, recorded, strict=False):
            if ours.code == theirs.code and ours != theirs:
                self._differs(version, f"guard {ours.code}", ours, theirs)

    def _check_refused(self, step: Step, data: e.TransitionRefused) -> None:
        """Who asked, and with which reason, is not in a refusal: it stands when some asker would have been told the same."""
        version, policy = step.happened.version, self._policies.get(data.policy, POLICY_1)
        if self.state.opened is None or step.decided_at is None or data.trigger not in machine.TRIGGERS:
            self._differs(version, "refusal", "a trigger that was asked of an open partnership", data.trigger)
            return
        closest: Sequence[tuple[str, Finding]] = ()
        for side in ASKERS:
            for reason in REASONS:
                case = Case(
                    state=self.state, policy=policy, now=step.decided_at, trigger=data.trigger, side=side, reason=reason
                )
                found = judge(case)
                closest = closest or found
                if tuple(verdict(*each) for each in found) == data.guards:
                    if allowed(data.trigger, found):
                        self._differs(version, "refusal", "allowed", "refused")
                    return
        self._check_guards(version, closest, data.guards)

    # --- what should have followed -----------------------------------------------------------------------------------

    def _horizon(self, happened: e.Happened) -> datetime | None:
        """The `now` that guards see after an event which may bring a transition; None after any other."""
        data, state = happened.data, self.state
        if state.opened is None or not (data.type in e.FACTS or isinstance(data, e.StageEntered)):
            return None
        if not isinstance(data, e.StageEntered):
            self._fired.clear()
        return max(happened.occurred_at, state.newest)

    def _due(self, step: Step, horizon: datetime) -> list[Divergence]:
        """The transition that should come next, as a divergence unless the next event is one."""
        data, policy = step.happened.data, self._policies.get(step.in_force, POLICY_1)
        if isinstance(data, (e.SeparationDecided, e.SeparationRevoked)):
            return []  # the transition that wrote it comes next, whatever facts would bring
        if isinstance(data, e.StageEntered):
            self._fired.add(data.trigger)
        triggers = tuple(each for each in automatic(self.state, policy) if each not in self._fired)
        move = next_move(self.state, policy, horizon, Seen(step.happened.occurred_at, step.happened.version), triggers)
        if move is None:
            return []
        return [
            Divergence(
                version=step.happened.version,
                code="missing",
                expected=f"{move.trigger} to {move.target}",
                found="no transition",
            )
        ]
