"""The decision without any economy: every trigger asked after every fact and at every instant, on whole copies.

What `decide` leaves out because it cannot change anything, this does; both must write the same events.
"""

from datetime import UTC, datetime

from domain import commands as c
from domain import events as e
from domain import machine
from domain.automatic import ORDER, allowed
from domain.check import check_fact, opening_of
from domain.decide import Decided, Situation
from domain.guards import Case, judge, verdict
from domain.owed import silence
from domain.partnership import Partnership, Seen, copy, evolve


class Plain:
    """One decision on facts or on time, step by step."""

    def __init__(self, state: Partnership, situation: Situation) -> None:
        self.state = copy(state)
        self.at_hand = situation
        self.events: list[Decided] = []

    def run(self, command: c.RecordFacts | c.Tick) -> list[Decided]:
        if isinstance(command, c.Tick):
            self.settle(self.at_hand.now)
            return self.events
        for fact in command.facts:
            at = fact.occurred_at.astimezone(UTC) if fact.occurred_at else self.at_hand.now
            check_fact(self.state, fact.data)
            if opening_of(self.state, fact.data) is None:
                self.record(fact.data, at)
        return self.events

    def record(self, data: e.Event, at: datetime) -> None:
        if at > self.state.newest:
            self.settle(at)
        seen = self.add(data, at)
        self.follow(max(at, self.state.newest), seen)

    def settle(self, until: datetime) -> None:
        if self.state.opened is None:
            return
        for _ in range(700):
            owed = silence(self.state, self.at_hand.policy)
            if owed is None or owed.at > until:
                self.follow(until, self.state.last_entry)
                return
            horizon = max(owed.at, self.state.newest)
            self.follow(horizon, self.state.last_entry)
            self.follow(horizon, self.add(owed.data, owed.at))

    def follow(self, horizon: datetime, cause: Seen) -> None:
        fired: set[str] = set()
        while moved := self.follow_once(horizon, cause, fired):
            fired.add(moved)

    def follow_once(self, horizon: datetime, cause: Seen, fired: set[str]) -> str | None:
        state, policy = self.state, self.at_hand.policy
        for trigger in ORDER:
            if trigger in fired or trigger not in policy.automatic or (trigger, state.state) not in machine.TABLE:
                continue
            found = judge(Case(state=state, policy=policy, now=horizon, trigger=trigger))
            if allowed(trigger, found):
                self.enter(trigger, found, horizon, cause)
                return trigger
        return None

    def enter(self, trigger, found, horizon: datetime, cause: Seen) -> None:
        met = [finding for _, finding in found if finding.met]
        if machine.TRIGGERS[trigger].needs == "any":
            first = min(met, key=lambda finding: finding.at or cause.at)
            at = first.at or cause.at
            brought = max((seen for seen in first.evidence if seen.at <= at), default=cause)
        else:
            at, brought = max([cause.at, *(seen.at for finding in met for seen in finding.evidence)]), cause
        stage, outcome = machine.split(machine.target(trigger, self.state.state))
        entered = e.StageEntered(
            stage=stage, outcome=outcome, left=self.state.state, trigger=trigger, policy=self.at_hand.policy_version,
            guards=tuple(verdict(*each) for each in found), cause=brought.version, decided_on=self.state.version,
        )  # fmt: skip
        self.add(entered, max(at, self.state.entered), decided_at=horizon)

    def add(self, data: e.Event, at: datetime, decided_at: datetime | None = None) -> Seen:
        version = self.state.version + 1
        self.events.append(Decided(data=data, occurred_at=at, decided_at=decided_at))
        evolve(self.state, e.Happened(version, f"evt_{version}", at, data))
        return Seen(at, version)
