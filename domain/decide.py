"""The decision: a partnership, a command, a policy and an instant in; events out, or one clear error.

Pure: the given state is never touched. First comes what time owes up to the command's own instant, then the command,
then the automatic transitions that follow from it, each at most once a fact.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from msgspec import Struct, field

from domain import commands as c
from domain import events as e
from domain import machine, measures
from domain.check import check_fact, opening_of
from domain.errors import DomainError
from domain.guards import Case, Finding, judge, verdict
from domain.owed import automatic, silence
from domain.partnership import Partnership, Refusal, Seen, copy, evolve, fold, link_key
from domain.path import path, reassess
from domain.policy import Policy
from domain.types import Ending, Side

TOLERANCE = timedelta(minutes=5)
"""How far ahead of the clock a fact may be dated."""

OWED_AT_MOST = 700
"""How many facts of silence one command settles; the clock goes on with the rest."""


class Decided(Struct, frozen=True, kw_only=True):
    """One event of a decision; its version is the stream's version + its place (from 1)."""

    data: e.Event
    occurred_at: datetime
    decided_at: datetime | None = None


class Decision(Struct, kw_only=True):
    """What follows from a command: events with the state after them, or the first event of a repetition.

    `repeated` are versions of events that already say the same; `refused` tells that a transition was not allowed;
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


def decide(state: Partnership, command: c.Command, situation: Situation) -> Decision:
    """Decide a command. Raises DomainError when it cannot be; a refused transition is a decision, not an error."""
    return _Deciding(state, situation).run(command)


def needs_past(state: Partnership, command: c.Command) -> bool:
    """Whether the whole stream must be at hand: a retraction, or a fact dated before the current spell."""
    if not isinstance(command, c.RecordFacts) or state.since is None:
        return False
    newest = state.since if not state.first_spell else None
    for fact in command.facts:
        if isinstance(fact.data, e.FactRetracted):
            return True
        if fact.occurred_at is not None and newest is not None and fact.occurred_at <= newest:
            return True
        # An earlier fact of the same array may begin a new spell.
        newest = max(newest or state.since, fact.occurred_at or state.since)
    return False


class _Deciding:
    """One decision in the making: the draft of the state and the events so far."""

    def __init__(self, state: Partnership, situation: Situation) -> None:
        self.draft = copy(state)
        self.before = state.version
        self.at_hand = situation
        self.decision = Decision(state=self.draft)

    def run(self, command: c.Command) -> Decision:
        match command:
            case c.OpenPartnership():
                self.open(command)
            case c.RecordFacts():
                self.record(command.facts)
            case c.AskTransition():
                self.ask(command)
            case c.RequestOverride():
                self.request_override(command)
            case c.ApproveOverride():
                self.approve_override(command)
            case c.AddLink():
                self.add_link(command)
            case c.RemoveLink():
                self.remove_link(command)
            case c.Tick():
                self.settle(self.at_hand.now)
        self.decision.state = self.draft
        return self.decision

    # --- appending -----------------------------------------------------------------------------------------------

    def add(self, data: e.Event, at: datetime, decided_at: datetime | None = None) -> Seen:
        """Append an event and take it into the draft; its version is known before it is recorded."""
        version = self.draft.version + 1
        self.decision.events.append(Decided(data=data, occurred_at=at, decided_at=decided_at))
        evolve(self.draft, e.Happened(version, self.at_hand.ids(version), at, data))
        return Seen(at, version)

    def instant(self, given: datetime | None, index: int | None = None) -> datetime:
        """When a thing happened: as given, else now; refused when it lies ahead."""
        if given is not None and given > self.at_hand.now + TOLERANCE:
            raise DomainError(
                "future_time",
                f"occurred_at {given.isoformat()} lies in the future (the clock here says {self.at_hand.now.isoformat()});"
                " a fact has happened: send it when it has.",
                index=index,
            )
        return given or self.at_hand.now

    # --- commands ------------------------------------------------------------------------------------------------

    def open(self, command: c.OpenPartnership) -> None:
        at = self.instant(command.opened_at)
        since = command.observed_since or self.at_hand.now.date()
        opened = e.PartnershipOpened(
            client=command.client, partner=command.partner, critical=command.critical, observed_since=since
        )
        self.add(opened, at)
        for link in command.links:
            self.add_link(c.AddLink(*link), at)

    def record(self, facts: Sequence[c.Fact]) -> None:
        for index, fact in enumerate(facts):
            at = self.instant(fact.occurred_at, index if len(facts) > 1 else None)
            try:
                self.record_one(fact.data, at)
            except DomainError as error:
                error.index = index
                raise

    def record_one(self, data: e.Event, at: datetime) -> None:
        check_fact(self.draft, data)
        if (first := opening_of(self.draft, data)) is not None:
            self.decision.repeated.append(first)
            return
        if at > self.draft.newest:
            self.settle(at)
        late = at <= self.draft.entered and not self.draft.first_spell
        if isinstance(data, e.FactRetracted):
            self.retract(data, at)
            return
        seen = self.add(data, at)
        self.follow(max(at, self.draft.newest), seen)
        if late:
            self.reassess(seen)

    def retract(self, data: e.FactRetracted, at: datetime) -> None:
        past = self.history()
        target = next((each for each in past if each.id == data.event), None)
        if target is None:
            raise DomainError("unknown_event", f"Event {data.event!r} is not in this partnership; name one of its facts by id.")
        if target.data.type not in e.FACTS or isinstance(target.data, e.FactRetracted):
            raise DomainError(
                "not_retractable",
                f"Event {data.event!r} is a {target.data.type}, which follows from facts; retract the fact that caused it.",
            )
        already = [each for each in past if isinstance(each.data, e.FactRetracted) and each.data.event == data.event]
        if already:
            self.decision.repeated.append(already[0].version)
            return
        seen = self.add(data, at)
        self.draft = fold(self.history())
        self.follow(self.draft.newest, seen)
        self.reassess(seen)

    def history(self) -> list[e.Happened]:
        """The recorded stream and what this decision has added to it."""
        if self.at_hand.past is None:
            message = "This decision needs the stream's past."
            raise RuntimeError(message)
        fresh = [
            e.Happened(version, self.at_hand.ids(version), each.occurred_at, each.data)
            for version, each in enumerate(self.decision.events, self.before + 1)
        ]
        return [*self.at_hand.past(), *fresh]

    def reassess(self, because: Seen) -> None:
        """Tell both paths when a late or retracted fact would have changed the one that was taken."""
        if self.at_hand.past is None:
            return
        recorded, otherwise = reassess(path(self.draft), self.history(), self.at_hand.policy)
        if otherwise and otherwise != self.draft.reassessed:
            reassessed = e.StageReassessed(because=because.version, recorded=recorded, otherwise=otherwise)
            self.add(reassessed, max(because.at, self.draft.entered))

    def add_link(self, command: c.AddLink, at: datetime | None = None) -> None:
        claim = link_key(command.system, command.kind, command.external_id)
        if claim in self.draft.links:
            self.decision.repeated.append(self.draft.links[claim])
            return
        added = e.LinkAdded(system=command.system, kind=command.kind, external_id=command.external_id)
        self.add(added, at or self.at_hand.now)
        self.decision.takes.append(f"link/{claim}")

    def remove_link(self, command: c.RemoveLink) -> None:
        claim = link_key(command.system, command.kind, command.external_id)
        if claim not in self.draft.links:
            raise DomainError(
                "unknown_link",
                f"This partnership has no link {command.system}/{command.kind}/{command.external_id}; see its `links`.",
            )
        removed = e.LinkRemoved(system=command.system, kind=command.kind, external_id=command.external_id)
        self.add(removed, self.at_hand.now)
        self.decision.frees.append(f"link/{claim}")

    # --- transitions ---------------------------------------------------------------------------------------------

    def ask(self, command: c.AskTransition) -> None:
        if command.trigger not in machine.TRIGGERS:
            known = ", ".join(machine.TRIGGERS)
            raise DomainError("unknown_trigger", f"Trigger {command.trigger!r} does not exist; one of {known} does.")
        at = self.instant(command.occurred_at)
        if at > self.draft.newest:
            self.settle(at)
        source = self.draft.state
        if (command.trigger, source) not in machine.TABLE:
            raise DomainError(
                "transition_impossible",
                f"No arrow {command.trigger!r} leaves {source}; from here: {', '.join(self.leaving()) or 'none'}.",
            )
        if at < self.draft.entered:
            raise DomainError(
                "before_stage_entry",
                f"occurred_at {at.isoformat()} lies before the entry into {source} ({self.draft.entered.isoformat()});"
                " a transition cannot leave a stage before it was entered.",
            )
        self.answer(command, at, source)

    def leaving(self) -> list[str]:
        """The triggers that leave the current state."""
        return sorted({trigger for trigger, source in machine.TABLE if source == self.draft.state})

    def answer(self, command: c.AskTransition, at: datetime, source: str) -> None:
        case = Case(
            state=self.draft, policy=self.at_hand.policy, now=at, trigger=command.trigger, side=command.side,
            reason=command.reason,
        )  # fmt: skip
        found = judge(case)
        target = self.consult(command.trigger, found, self.return_to())
        if target is None:
            self.refuse(command.trigger, found, at)
            return
        cause = self.mark(command, at, found)
        self.enter(target, source, command.trigger, found, at, cause)
        self.follow(max(at, self.draft.newest), cause)

    def refuse(self, trigger: str, found: Sequence[tuple[str, Finding]], at: datetime) -> None:
        guards = tuple(verdict(*each) for each in found)
        self.decision.refused = True
        known: Refusal | None = self.draft.refusals.get(trigger)
        same = known is not None and known.guards == guards and abs(at - known.decided_at) < timedelta(hours=24)
        if same and known is not None and not self.decision.events:
            self.decision.repeated.append(known.version)
        refused = e.TransitionRefused(
            trigger=trigger, policy=self.at_hand.policy_version, guards=guards, decided_on=self.draft.version
        )
        self.add(refused, at, decided_at=at)

    def mark(self, command: c.AskTransition, at: datetime, found: Sequence[tuple[str, Finding]]) -> Seen:
        """The fact that a human transition writes itself, or the newest evidence: what brought the spell."""
        if command.trigger == "separate":
            reason: e.SeparationReason = command.reason  # type: ignore[assignment]  # checked at the door
            return self.add(e.SeparationDecided(reason=reason, side=command.side, text=command.text), at)
        if command.trigger == "reconcile":
            return self.add(e.SeparationRevoked(side=command.side), at)
        seen = [each for _, finding in found for each in finding.evidence]
        return max(seen, default=self.last_entry())

    def last_entry(self) -> Seen:
        spell = self.draft.spells[-1]
        return Seen(spell.entered_at, spell.version)

    def return_to(self) -> str | None:
        """Where `reconcile` leads: back, or into the struggle when performance or a breach was the reason."""
        separation = self.draft.separation
        hard = separation is not None and separation.reason in ("performance", "breach")
        return machine.POWER_STRUGGLE if hard else self.draft.came_from

    def consult(self, trigger: str, found: Sequence[tuple[str, Finding]], came_from: str | None) -> str | None:
        """Ask the machine; the compiled table has said already that such an arrow exists."""
        holds = {code: finding.met for code, finding in found}
        if machine.TRIGGERS[trigger].needs == "any" and not any(holds.values()):
            return None
        return machine.ask(self.at_hand.policy.guards, trigger, self.draft.state, holds, came_from)

    def enter(
        self, target: str, source: str, trigger: str, found: Sequence[tuple[str, Finding]], at: datetime, cause: Seen,
        *, saw: datetime | None = None, forced: c.RequestOverride | None = None,
    ) -> None:  # fmt: skip
        """Write a transition; `saw` is the `now` of its guards where that is later than its own instant."""
        stage, outcome = machine.split(target)
        ending, respectful = self.ending(at) if target == machine.SEPARATED else (None, None)
        came_from = self.draft.came_from if source == machine.SEPARATING else source
        over = outcome in ("separating", "separated")
        self.add(
            e.StageEntered(
                stage=stage, outcome=outcome, left=source, trigger=trigger, policy=self.at_hand.policy_version,
                guards=tuple(verdict(*each) for each in found), cause=cause.version, decided_on=self.draft.version,
                forced=True if forced else None, reason=forced.reason if forced else None, ending=ending,
                respectful=respectful, separated_from=machine.split(came_from)[0] if over and came_from else None,
            ),
            at, decided_at=saw or at,
        )  # fmt: skip

    def ending(self, at: datetime) -> tuple[Ending, bool | None]:
        """How it ended, fixed at `separated` (D11)."""
        state, separation = self.draft, self.draft.separation
        start = separation.at if separation else state.entered
        reason = separation.reason if separation else "other"

        def done(step: str) -> bool:
            return any(start <= seen.at <= at for seen in state.moments.get(f"handover.completed/{step}", ()))

        threat = bool(measures.open_threats(state, at))
        built = bool(state.moments.get("contract/start"))
        respectful: bool | None = (done("legacy_preserved") or not built) and done("thanks_given") and not threat
        if not done("thanks_given") and not threat and reason in ("acquisition", "strategy", "technology"):
            respectful = None
        if state.came_from == machine.HONEYMOON:
            return "stillborn", respectful
        hard = reason in ("performance", "breach") and respectful is not True
        return ("exploded" if state.came_from == machine.POWER_STRUGGLE or threat or hard else "parted"), respectful

    # --- overrides -----------------------------------------------------------------------------------------------

    def request_override(self, command: c.RequestOverride) -> None:
        self.forceable(command.to)
        asked = e.OverrideRequested(override=command.override, to=command.to, reason=command.reason, by=command.by)
        self.add(asked, self.at_hand.now)

    def forceable(self, to: str) -> None:
        legal = machine.legal_targets(self.draft.state, self.draft.came_from)
        if to not in machine.STATES:
            raise DomainError("unknown_stage", f"{to!r} is no state; one of {', '.join(machine.STATES)} is.")
        if to not in legal:
            raise DomainError(
                "transition_impossible",
                f"No arrow joins {self.draft.state} and {to}; from here one may force {', '.join(sorted(legal))}.",
            )

    def approve_override(self, command: c.ApproveOverride) -> None:
        asked = self.draft.overrides.get(command.override)
        if asked is None:
            raise DomainError("unknown_override", f"Override {command.override!r} is not waiting here.")
        if asked.by == command.by:
            raise DomainError("same_actor", "A forced transition needs two actors; another key than the requester's approves.")
        self.forceable(asked.to)
        now, source = max(self.at_hand.now, self.draft.entered), self.draft.state
        cause = self.add(e.OverrideApproved(override=command.override), now)
        forced = c.RequestOverride(override=command.override, to=asked.to, reason=asked.reason, by=asked.by)
        self.enter(asked.to, source, machine.trigger_between(source, asked.to), [], now, cause, forced=forced)
        self.follow(now, cause)

    # --- what follows --------------------------------------------------------------------------------------------

    def follow(self, horizon: datetime, cause: Seen) -> None:
        """Automatic transitions to their end: asked in their order, asked again after each, each at most once."""
        fired: set[str] = set()
        while (moved := self.follow_once(horizon, cause, fired)) is not None:
            fired.add(moved)

    def follow_once(self, horizon: datetime, cause: Seen, fired: set[str]) -> str | None:
        for trigger in automatic(self.draft, self.at_hand.policy):
            if trigger in fired:
                continue
            case = Case(state=self.draft, policy=self.at_hand.policy, now=horizon, trigger=trigger)
            found = judge(case)
            target = self.consult(trigger, found, self.draft.came_from)
            if target is not None:
                at, brought = self.moment(trigger, found, cause)
                self.enter(target, self.draft.state, trigger, found, at, brought, saw=horizon)
                return trigger
        return None

    def moment(self, trigger: str, found: Sequence[tuple[str, Finding]], cause: Seen) -> tuple[datetime, Seen]:
        """When an automatic transition happened, and what brought it: never before the stage was entered (D2)."""
        met = [finding for _, finding in found if finding.met]
        if machine.TRIGGERS[trigger].needs == "any":
            first = min(met, key=lambda finding: finding.at or cause.at)
            at = first.at or cause.at
            brought = max((seen for seen in first.evidence if seen.at <= at), default=cause)
        else:
            at, brought = max([cause.at, *(seen.at for finding in met for seen in finding.evidence)]), cause
        return max(at, self.draft.entered), brought

    def settle(self, until: datetime) -> None:
        """Append what time owes up to an instant, in order: silence, and what it and the passing of time bring."""
        written: set[str] = set()
        for _ in range(OWED_AT_MOST):
            owed = silence(self.draft, self.at_hand.policy, frozenset(written))
            if owed is None or owed.at > until:
                break
            self.follow(owed.at, self.last_entry())
            if self.draft.state in (machine.SEPARATING, machine.SEPARATED):
                break
            written.add(owed.claim)
            self.decision.takes.append(f"clock/{owed.claim}")
            seen = self.add(owed.data, owed.at)
            self.follow(owed.at, seen)
        else:
            return
        self.follow(until, self.last_entry())


def explain(state: Partnership, trigger: str, policy: Policy, now: datetime, side: Side | None = None, reason: str | None = None) -> list[tuple[str, Finding]]:
    """What every guard of a trigger says, without asking for anything."""
    return judge(Case(state=state, policy=policy, now=now, trigger=trigger, side=side, reason=reason))
