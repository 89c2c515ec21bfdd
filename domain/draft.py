"""A decision in the making: the events so far, the state after them, and the automatic transitions that follow."""

from collections.abc import Callable, Sequence
from datetime import datetime

from msgspec import Struct, field

from domain import events as e
from domain import machine
from domain.automatic import automatic, next_move, stirred
from domain.ending import ending
from domain.guards import Finding, verdict
from domain.owed import BREAKS_SILENCE, Dues, dues, keep, silence
from domain.partnership import CONTAINERS, Partnership, Seen, evolve_apart, share
from domain.policy import Policy
from domain.types import Prose

OWED_AT_MOST = 700
"""How many facts of silence one command settles; the clock goes on with the rest."""


class Decided(Struct, frozen=True, kw_only=True):
    """One event of a decision; its version is the stream's version + its place (from 1)."""

    data: e.Event
    occurred_at: datetime
    decided_at: datetime | None = None


class Decision(Struct, kw_only=True):
    """What follows from a command: events with the state after them, or the first event of a repetition.

    `repeated` are versions of events that already say the same; `refused` tells that a transition was not allowed. A
    refusal that repeats one is in both: who asks knows whether it is the same actor, and then answers from the first.
    `takes` and `frees` are the claims of links and of the clock's facts.
    """

    state: Partnership
    events: list[Decided] = field(default_factory=list)
    repeated: list[int] = field(default_factory=list)
    refused: bool = False
    takes: list[str] = field(default_factory=list)
    frees: list[str] = field(default_factory=list)


class Situation(Struct, frozen=True, kw_only=True):
    """What a decision is taken on: the policy and its version, the wall clock, and the stream where it is needed."""

    policy: Policy
    policy_version: int
    now: datetime
    past: Callable[[], Sequence[e.Happened]] | None = None
    ids: Callable[[int], str] = "pending_{}".format


class Draft:
    """A state that events are appended to; the state it started from is never touched."""

    def __init__(self, state: Partnership, situation: Situation) -> None:
        self.before = state
        self.at_hand = situation
        self.state = share(state)
        self.decision = Decision(state=self.state)
        self._owned: set[str] = set()
        self._dues: Dues | None = None

    def decided(self) -> Decision:
        """The decision as it stands, with what is known of its state's future."""
        self.decision.state = self.state
        if self._dues is not None:
            keep(self.state, self.at_hand.policy, self._dues)
        return self.decision

    # --- appending ---------------------------------------------------------------------------------------------------

    def add(self, data: e.Event, at: datetime, decided_at: datetime | None = None) -> Seen:
        """Append an event and take it into the state; its version is known before it is recorded."""
        version = self.state.version + 1
        self.decision.events.append(Decided(data=data, occurred_at=at, decided_at=decided_at))
        evolve_apart(self.state, e.Happened(version, self.at_hand.ids(version), at, data), self._owned)
        self._dues = self._dues_after(type(data))
        return Seen(at, version)

    def replace_state(self, state: Partnership) -> None:
        """Go on from a state that was folded anew."""
        self.state = state
        self._owned = set(CONTAINERS)
        self._dues = None

    def history(self) -> list[e.Happened]:
        """The recorded stream and what this decision has added to it."""
        if self.at_hand.past is None:
            message = "This decision needs the stream's past."
            raise RuntimeError(message)
        fresh = [
            e.Happened(version, self.at_hand.ids(version), each.occurred_at, each.data)
            for version, each in enumerate(self.decision.events, self.before.version + 1)
        ]
        return [*self.at_hand.past(), *fresh]

    # --- what time owes ------------------------------------------------------------------------------------------------

    @property
    def dues(self) -> Dues:
        """What time will bring to the state as it stands."""
        if self._dues is None:
            state = self.state if self.decision.events else self.before
            self._dues = dues(state, self.at_hand.policy)
        return self._dues

    def _dues_after(self, kind: type[e.Event]) -> Dues | None:
        """What time will bring after an event, or None where that must be asked anew."""
        policy = self.at_hand.policy
        if self._dues is None or kind in (e.StageEntered, e.PartnershipOpened) or kind in stirred(self.state, policy):
            return None
        if kind in BREAKS_SILENCE:
            return Dues(silence(self.state, policy), self._dues.alarm)
        return self._dues

    def _alarmed(self, until: datetime) -> bool:
        """Whether time brings a transition by an instant."""
        return self.dues.alarm is not None and self.dues.alarm <= until

    def settle(self, until: datetime) -> None:
        """Append what time owes up to an instant, in order: silence, and what it and the passing of time bring."""
        for _ in range(OWED_AT_MOST):
            owed = self.dues.silence
            if owed is None or owed.at > until:
                break
            horizon = max(owed.at, self.state.newest)
            if self._alarmed(horizon):
                self.follow(horizon, self.state.last_entry)
            self.decision.takes.append(f"clock/{owed.claim}")
            self.bring(owed.data, owed.at, horizon)
        else:
            return
        if self._alarmed(until):
            self.follow(until, self.state.last_entry)

    # --- what follows --------------------------------------------------------------------------------------------------

    def bring(self, fact: e.Event, at: datetime, horizon: datetime) -> Seen:
        """Append a fact and what follows: only triggers that it may bring are asked, unless time brings others."""
        behind = self._alarmed(horizon)
        seen = self.add(fact, at)
        if behind:
            self.follow(horizon, seen)
        elif triggers := stirred(self.state, self.at_hand.policy).get(type(fact)):
            self.follow(horizon, seen, triggers)
        return seen

    def follow(self, horizon: datetime, cause: Seen, triggers: tuple[str, ...] | None = None) -> None:
        """Automatic transitions to their end: asked in their order, asked again after each, each at most once."""
        policy = self.at_hand.policy
        fired: set[str] = set()
        if triggers is None:
            triggers = automatic(self.state, policy)
        while (move := next_move(self.state, policy, horizon, cause, triggers)) is not None:
            self.enter(move.target, move.trigger, move.found, move.at, move.cause, saw=horizon)
            fired.add(move.trigger)
            triggers = tuple(each for each in automatic(self.state, policy) if each not in fired)

    def enter(
        self, target: str, trigger: str, found: Sequence[tuple[str, Finding]], at: datetime, cause: Seen,
        *, saw: datetime | None = None, forced: Prose | None = None,
    ) -> None:  # fmt: skip
        """Write a transition; `saw` is the `now` of its guards where that is later than its own instant."""
        source = self.state.state
        stage, outcome = machine.split(target)
        over = outcome in ("separating", "separated")
        came_from = source if source not in (machine.SEPARATING, machine.SEPARATED) else self.state.came_from
        how, respectful = ending(self.state, at) if target == machine.SEPARATED else (None, None)
        entered = e.StageEntered(
            stage=stage, outcome=outcome, left=source, trigger=trigger, policy=self.at_hand.policy_version,
            guards=tuple(verdict(*each) for each in found), cause=cause.version, decided_on=self.state.version,
            forced=True if forced else None, reason=forced, ending=how, respectful=respectful,
            separated_from=machine.split(came_from)[0] if over and came_from else None,
        )  # fmt: skip
        self.add(entered, at, decided_at=saw or at)
