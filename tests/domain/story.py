"""Given, when, then: a partnership's story told in steps, on a clock that is passed in.

    story = given(opened("2020-01-10"), on("2020-01-10", promise("p1", "delay", 30)))
    outcome = when(story, on("2020-06-01", measured("p1", 60)))
    then(outcome).enters("power_struggle", on="2020-06-01", by="delay_doubled")

Every step checks what always holds: the given state is untouched, and folding the log gives the decided state.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any

import msgspec
from msgspec import Struct, field

from domain import commands as c
from domain import events as e
from domain.audit import Divergence, redecide
from domain.audit import Step as Redecided
from domain.decide import Decided, Decision, Situation, decide, explain, needs_past
from domain.errors import DomainError
from domain.guards import Finding
from domain.partnership import Partnership, fold
from domain.policy import POLICY_1, Policy

NOW = datetime(2030, 1, 1, tzinfo=UTC)

_bytes = msgspec.msgpack.Encoder().encode


def at(when: str | datetime) -> datetime:
    """An instant from its short form; a date alone is its midnight in UTC."""
    if isinstance(when, datetime):
        return when
    instant = datetime.fromisoformat(when)
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def day(when: str | datetime) -> date:
    """A date from its short form."""
    return at(when).date()


class Story(Struct):
    """What has happened so far: the log and the state, under a policy."""

    policy: Policy = POLICY_1
    policy_version: int = 1
    now: datetime = NOW
    state: Partnership = field(default_factory=Partnership)
    log: list[e.Happened] = field(default_factory=list)
    decided: list[datetime | None] = field(default_factory=list)

    def decide(self, command: c.Command, now: datetime | None = None) -> Decision:
        """Decide without taking the outcome in."""
        past = (lambda: list(self.log)) if needs_past(self.state, command) else None
        situation = Situation(
            policy=self.policy, policy_version=self.policy_version, now=now or self.now, past=past, ids="evt_{}".format
        )
        return decide(self.state, command, situation)

    def do(self, command: c.Command, now: datetime | None = None) -> Decision:
        """Decide and go on from the outcome."""
        before = _bytes(self.state)
        decision = self.decide(command, now)
        assert _bytes(self.state) == before, "a decision has touched the state that it was given"
        for version, each in enumerate(decision.events, self.state.version + 1):
            self.log.append(e.Happened(version, f"evt_{version}", each.occurred_at, each.data))
            self.decided.append(each.decided_at)
        self.state = decision.state
        assert fold(self.log) == self.state, "folding the log gives another state"
        assert decision.refused == any(isinstance(each.data, e.TransitionRefused) for each in decision.events)
        return decision

    def divergences(self, *, strict: bool = True) -> list[Divergence]:
        """What an audit of the log finds; the state that it comes to is the story's."""
        steps = [
            Redecided(each, decided_at, self.policy_version)
            for each, decided_at in zip(self.log, self.decided, strict=True)
        ]
        state, found = redecide(steps, {self.policy_version: self.policy}, strict=strict)
        assert state == self.state
        return found

    def folded(self) -> Partnership:
        """The state that the log comes to."""
        return fold(self.log)

    def decide_step(self, step: "Step") -> Decision:
        """What a step would decide, without going on from it."""
        return step(Story(self.policy, self.policy_version, self.now, self.state, list(self.log), list(self.decided)))

    def version(self, kind: str | type[e.Event], nth: int = 0) -> int:
        """The version of the nth event of a type (-1: the newest)."""
        name = kind if isinstance(kind, str) else kind.type
        return [each.version for each in self.log if each.data.type == name][nth]

    def path(self) -> list[tuple[str, str]]:
        """The spells as (state, day of entry)."""
        return [(spell.state, spell.entered_at.date().isoformat()) for spell in self.state.spells]

    def finding(self, code: str, when: str | datetime, trigger: str, **said: Any) -> Finding:
        """What one guard says at an instant."""
        return dict(explain(self.state, trigger, self.policy, at(when), **said))[code]


Step = Callable[[Story], Decision]


class Outcome(Struct):
    """What came of a step: a decision, or the error that it raised."""

    story: Story
    before: Partnership
    decision: Decision | None = None
    error: DomainError | None = None


def given(*steps: Step, policy: Policy = POLICY_1, now: str | datetime = NOW) -> Story:
    """A story up to now; each step must be possible."""
    story = Story(policy=policy, now=at(now))
    for step in steps:
        step(story)
    assert story.divergences() == [], "an audit finds the story otherwise"
    return story


def when(story: Story, step: Step) -> Outcome:
    """One more step, whatever comes of it."""
    before = story.state
    try:
        return Outcome(story, before, decision=step(story))
    except DomainError as error:
        return Outcome(story, before, error=error)


class then:  # noqa: N801  # a word of the sentence, as given and when
    """What must have come of a step."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        self.story = outcome.story

    @property
    def decision(self) -> Decision:
        assert self.outcome.decision is not None, f"it failed: {self.outcome.error}"
        return self.outcome.decision

    def written(self) -> list[str]:
        """The types of the events that were written."""
        return [each.data.type for each in self.decision.events]

    def wrote(self, *types: str) -> "then":
        assert self.written() == list(types)
        return self

    def entries(self) -> list[Decided]:
        return [each for each in self.decision.events if isinstance(each.data, e.StageEntered)]

    def enters(
        self, state: str, *, on: str | None = None, trigger: str | None = None, by: str | None = None,
        cause: int | None = None,
    ) -> "then":  # fmt: skip
        """The last entry: the state, its day, its trigger, a guard that was met, the version of its cause."""
        assert self.entries(), f"no stage was entered; written: {self.written()}"
        entry = self.entries()[-1]
        entered = entry.data
        assert isinstance(entered, e.StageEntered)
        assert self.story.state.state == state
        assert on is None or entry.occurred_at == at(on)
        assert trigger is None or entered.trigger == trigger
        met = [verdict.code for verdict in entered.guards if verdict.met]
        assert by is None or by in met, f"{by} is not among {met}"
        assert cause is None or entered.cause == cause
        return self

    def stays(self, state: str | None = None) -> "then":
        """No stage was entered."""
        assert not self.entries(), f"entered {self.story.state.state}"
        assert state is None or self.story.state.state == state
        return self

    def is_refused(self, *unmet: str) -> "then":
        """Refused because of exactly these guards."""
        assert self.decision.refused
        refused = self.decision.events[-1].data
        assert isinstance(refused, e.TransitionRefused)
        assert {verdict.code for verdict in refused.guards if not verdict.met} == set(unmet)
        return self

    def fails(self, code: str, *, index: int | None = None, says: str = "") -> "then":
        error = self.outcome.error
        assert error is not None, "it did not fail"
        assert (error.code, error.index) == (code, index)
        assert says in error.message
        assert self.story.state is self.outcome.before
        return self


# --- steps -----------------------------------------------------------------------------------------------------------


def opened(when: str, *, critical: bool = False, observed_since: str | None = None) -> Step:
    since = day(observed_since) if observed_since else None
    command = c.OpenPartnership(
        client="Client", partner="Partner", critical=critical, opened_at=at(when), observed_since=since
    )
    return lambda story: story.do(command)


def on(when: str | datetime, *facts: e.Event) -> Step:
    """Facts of one instant, recorded one by one; answers the last decision."""

    def step(story: Story) -> Decision:
        decisions = [story.do(c.RecordFacts((c.Fact(fact, at(when)),))) for fact in facts]
        return decisions[-1]

    return step


def together(when: str | datetime, *facts: e.Event) -> Step:
    """Facts of one instant in one array."""
    return lambda story: story.do(c.RecordFacts(tuple(c.Fact(fact, at(when)) for fact in facts)))


def asked(
    trigger: str, when: str | datetime, *, side: Any = "client", reason: str | None = None, text: str | None = None
) -> Step:
    command = c.AskTransition(trigger=trigger, side=side, reason=reason, text=text, occurred_at=at(when))
    return lambda story: story.do(command)


def ticked(when: str | datetime) -> Step:
    """The clock looks at the partnership."""
    return lambda story: story.do(c.Tick(), at(when))


def retracted(version: int, when: str | datetime) -> Step:
    fact = e.FactRetracted(event=f"evt_{version}", reason="It was wrong.")
    return lambda story: story.do(c.RecordFacts((c.Fact(fact, at(when)),)))


_overrides = (f"ovr_{number}" for number in count(1))


def forced(to: str, when: str | datetime) -> Step:
    """A transition that one actor asks to force and another approves."""

    def step(story: Story) -> Decision:
        override = next(_overrides)
        story.do(c.RequestOverride(override=override, to=to, reason="It must be.", by="key_1"), at(when))
        return story.do(c.ApproveOverride(override=override, by="key_2"), at(when))

    return step


def chain(*steps: Step) -> Step:
    """Several steps as one."""

    def step(story: Story) -> Decision:
        return [each(story) for each in steps][-1]

    return step


def later(when: str | datetime, days: float) -> datetime:
    """So many days after."""
    return at(when) + timedelta(days=days)


# --- facts -----------------------------------------------------------------------------------------------------------


def promise(key: str, kind: Any, promised: float, *, side: Any = "partner", due_on: str | None = None) -> e.PromiseMade:
    units = {"delay": "days", "seniority": "years", "budget": "EUR", "named_staff": "people"}
    return e.PromiseMade(
        promise=key, side=side, kind=kind, promised=promised, unit=units.get(kind, "points"),
        due_on=day(due_on) if due_on else None, evidence="none", text="They said so.",
    )  # fmt: skip


def measured(key: str, actual: float, unit: str | None = None) -> e.PromiseMeasured:
    return e.PromiseMeasured(promise=key, actual=actual, unit=unit)


def revised(key: str, value: float) -> e.PromiseRevised:
    return e.PromiseRevised(promise=key, promised=value, reason="We learned.")


def reality(
    about: Any = "other", *, rework: float | None = None, concealed: bool = False, side: Any = "client"
) -> e.RealityDiscovered:
    return e.RealityDiscovered(side=side, about=about, text="So it is.", rework_share=rework, concealed=concealed)


def contract(starts_on: str, key: str = "c1") -> e.ContractSigned:
    return e.ContractSigned(contract=key, starts_on=day(starts_on))


def threat(side: Any = "client") -> e.TerminationThreatened:
    return e.TerminationThreatened(side=side)


def withdrawal(side: Any = "client") -> e.ThreatWithdrawn:
    return e.ThreatWithdrawn(side=side)


def negotiated(sla: str = "s1", target: float = 0.9) -> e.SlaNegotiated:
    return e.SlaNegotiated(sla=sla, metric="availability", target=target)


def imposed(sla: str = "s1", target: float = 0.9, side: Any = "client") -> e.SlaImposed:
    return e.SlaImposed(sla=sla, metric="availability", target=target, side=side)


def month(name: str, met: int, sla: str = "s1", total: int = 100) -> e.SlaMeasured:
    return e.SlaMeasured(sla=sla, month=name, met=met, total=total)


def held(when: str | datetime, level: Any = "operational") -> e.MeetingHeld:
    return e.MeetingHeld(level=level, on_date=day(when))


def missed(when: str | datetime, level: Any = "operational") -> e.MeetingMissed:
    return e.MeetingMissed(level=level, due_on=day(when))


def cadence(every_days: Any = 30, level: Any = "operational") -> e.CadenceAgreed:
    return e.CadenceAgreed(level=level, every_days=every_days)


def budget(amount: int = 100) -> e.BudgetRenegotiated:
    return e.BudgetRenegotiated(amount=amount, currency="EUR")


def priorities() -> e.PrioritiesAgreed:
    return e.PrioritiesAgreed(items=("The warehouse first.",))


def tradeoff() -> e.TradeoffDecided:
    return e.TradeoffDecided(kept="quality", given_up="haste")


def review(side: Any) -> e.SelfReviewRecorded:
    return e.SelfReviewRecorded(side=side, own_part="We were late to answer.", improvement="We answer within a day.")


def constraint(side: Any) -> e.ConstraintAcknowledged:
    return e.ConstraintAcknowledged(side=side, of="margin")


def formalised(side: Any) -> e.CommitmentFormalised:
    return e.CommitmentFormalised(side=side, text="We stay.")


def mapped(side: Any) -> e.KnowledgeMapped:
    return e.KnowledgeMapped(side=side, strengths="They listen.", weaknesses="They hesitate.")


def dispute(key: str = "d1", side: Any = "client") -> e.DisputeOpened:
    return e.DisputeOpened(dispute=key, side=side, subject="An invoice.")


def settled(key: str = "d1", *parts: Any) -> e.DisputeSettled:
    return e.DisputeSettled(dispute=key, own_parts=parts)


def crisis(key: str = "k1") -> e.CrisisOpened:
    return e.CrisisOpened(crisis=key, severity=1)


def overcome(key: str = "k1", *parts: Any) -> e.CrisisOvercome:
    return e.CrisisOvercome(crisis=key, own_parts=parts)


def issued(key: str, amount: int = 100, *, currency: str = "EUR", due_on: str | None = None) -> e.InvoiceIssued:
    return e.InvoiceIssued(invoice=key, amount=amount, currency=currency, due_on=day(due_on) if due_on else None)


def paid(key: str, when: str) -> e.InvoicePaid:
    return e.InvoicePaid(invoice=key, paid_on=day(when))


def step_done(step: Any) -> e.HandoverCompleted:
    return e.HandoverCompleted(step=step)


def spoken() -> e.TestimonyGiven:
    return e.TestimonyGiven(where="A conference.")


def reference(side: Any = "client") -> e.ReferenceGranted:
    return e.ReferenceGranted(side=side)


def innovation(*, joint: bool = True) -> e.InnovationDelivered:
    return e.InnovationDelivered(text="Something new.", joint=joint)


def incident(key: str = "i1") -> e.IncidentRaised:
    return e.IncidentRaised(incident=key, priority=3)


def peace() -> tuple[e.Event, ...]:
    """What `share_power` asks to be done again in every struggle."""
    return (budget(), priorities(), tradeoff(), review("client"), review("partner"))


# --- lives: the facts that bring a partnership where it is -------------------------------------------------------------

OPENED, STRUGGLED, SHARED, COMMITTED, MATURED = "2020-01-01", "2020-06-01", "2020-09-01", "2021-09-01", "2023-03-01"


def honeymoon(*, critical: bool = False, signed: bool = True, observed_since: str | None = None) -> Step:
    """Opened on 2020-01-01 with two promises, and a contract a month later."""
    steps = [
        opened(OPENED, critical=critical, observed_since=observed_since),
        on(OPENED, promise("p1", "delay", 30), promise("p2", "seniority", 8)),
        *([on("2020-02-01", contract("2020-02-01"))] if signed else []),
    ]
    return chain(*steps)


def struggling(**how: Any) -> Step:
    """In the power struggle since 2020-06-01."""
    return chain(honeymoon(**how), on(STRUGGLED, measured("p1", 66)))


def sharing(**how: Any) -> Step:
    """Sharing power since 2020-09-01, with one negotiated SLA and a monthly meeting."""
    agreed = (constraint("client"), constraint("partner"), negotiated(), cadence(30))
    return chain(struggling(**how), on("2020-08-01", *peace(), *agreed), asked("share_power", SHARED))


def regular(first: str, last: str, met: int = 95) -> Step:
    """Every 28 days a meeting, every month an SLA report."""

    def step(story: Story) -> Decision:
        when, decision = at(first), None
        while when <= at(last):
            decision = on(when, held(when))(story)
            when += timedelta(days=28)
        months = {(at(first) + timedelta(days=n)).strftime("%Y-%m") for n in range((at(last) - at(first)).days)}
        for name in sorted(months):
            decision = on(_month_after(name), month(name, met))(story)
        assert decision is not None
        return decision

    return step


def _month_after(name: str) -> datetime:
    year, number = int(name[:4]), int(name[5:])
    return datetime(year + number // 12, number % 12 + 1, 1, 9, tzinfo=UTC)


def ready_to_commit(**how: Any) -> Step:
    """All that `commit` asks for, short of asking on 2021-09-01."""
    signed = (formalised("client"), formalised("partner"), mapped("client"), mapped("partner"))
    return chain(
        sharing(**how),
        regular("2020-09-15", "2021-07-31"),
        on("2021-08-20", held("2021-08-20"), crisis(), overcome("k1", "client", "partner"), *signed),
    )


def committed(**how: Any) -> Step:
    """Committed since 2021-09-01."""
    return chain(ready_to_commit(**how), asked("commit", COMMITTED))


def ready_to_mature(**how: Any) -> Step:
    """All that `mature` asks for, short of asking on 2023-03-01."""
    return chain(
        committed(**how), regular("2021-09-15", "2023-02-27"), on("2023-02-28", spoken(), innovation(), reference())
    )


def mature(**how: Any) -> Step:
    """Mature since 2023-03-01."""
    return chain(ready_to_mature(**how), asked("mature", MATURED))


def separating(life: Step, when: str, reason: str = "strategy", side: Any = "client") -> Step:
    """A life, and the decision to part."""
    return chain(life, asked("separate", when, reason=reason, side=side))


HANDOVER = ("data_returned", "access_revoked", "invoices_settled")
RESPECT = ("legacy_preserved", "thanks_given")


def handed_over(when: str, *steps: str) -> Step:
    return on(when, *(step_done(step) for step in steps or HANDOVER))
