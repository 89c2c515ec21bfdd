"""The life of a partnership, decided event by event, as logs are filled with."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import count

from domain import commands as c
from domain import events as e
from domain.decide import Decided, Situation, decide
from domain.partnership import Partnership
from domain.policy import POLICY_1
from domain.types import SIDES

LENGTH = 200
ROUND = 10
"""So many facts of the daily run belong together: an incident and its end, an invoice and its payment."""
TEXT = "Two of the five interfaces that were promised are documented; the others live in the heads of people who left."


class Life:
    """A partnership that is told facts, and keeps the events that followed."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.state = Partnership()
        self.events: list[Decided] = []

    def do(self, command: c.Command) -> None:
        """Decide a command and keep what follows."""
        situation = Situation(policy=POLICY_1, policy_version=1, now=self.now)
        decision = decide(self.state, command, situation)
        self.events += decision.events
        self.state = decision.state

    def tell(self, at: datetime, *facts: e.Event) -> None:
        """Record facts of one instant."""
        self.do(c.RecordFacts(tuple(c.Fact(fact, at) for fact in facts)))


def life(now: datetime, length: int = LENGTH) -> Life:
    """A life of so many events: a promise broken, a struggle, a peace, then the daily run; no debts to time."""
    told = Life(now)
    begin = now - timedelta(days=600)
    struggle(told, begin)
    peace(told, begin + timedelta(days=120))
    for fact in daily(begin + timedelta(days=160), timedelta(days=400) / length):
        if len(told.events) >= length:
            return told
        told.tell(fact[0], fact[1])
    return told


def struggle(told: Life, at: datetime) -> None:
    """Opened, promised, signed, and found to take twice as long."""
    told.do(c.OpenPartnership(client="Client", partner="Partner", opened_at=at, observed_since=at.date()))
    promise = partial(e.PromiseMade, side="partner", evidence="declared", text=TEXT)
    told.tell(at, promise(promise="p1", kind="delay", promised=30, unit="days"))
    told.tell(at, promise(promise="p2", kind="seniority", promised=8, unit="years"))
    told.tell(at, e.ContractSigned(contract="c1", starts_on=at.date(), amount=120_000_00, currency="EUR"))
    told.tell(at + timedelta(days=70), e.PromiseMeasured(promise="p1", actual=66))


def peace(told: Life, at: datetime) -> None:
    """What sharing the power takes, and sharing it."""
    told.tell(at, e.BudgetRenegotiated(amount=150_000_00, currency="EUR"))
    told.tell(at, e.PrioritiesAgreed(items=("payments", "audit")))
    told.tell(at, e.TradeoffDecided(kept="payments", given_up="the old portal"))
    for side in SIDES:
        told.tell(at, e.SelfReviewRecorded(side=side, own_part=TEXT, improvement=TEXT))
        told.tell(at, e.ConstraintAcknowledged(side=side, of="margin"))
    told.tell(at, e.SlaNegotiated(sla="s1", metric="availability", target=0.9))
    told.do(c.AskTransition(trigger="share_power", occurred_at=at + timedelta(days=20)))


def daily(at: datetime, every: timedelta, begin: int = 1) -> Iterator[tuple[datetime, e.Event]]:
    """The daily run for ever: incidents and their ends, hours, invoices and their payment, advice, pulses, SLAs."""
    for number in count(begin):
        moment = at + number * every
        yield moment, _fact(number, moment.date())


def _fact(number: int, day: date) -> e.Event:
    round_, place = divmod(number, ROUND)
    match place:
        case 0 | 4:
            return e.IncidentRaised(incident=f"INC{round_}-{place}", priority=3)
        case 1 | 5:
            return e.IncidentResolved(incident=f"INC{round_}-{place - 1}", within_sla=True)
        case 2:
            return e.InvoiceIssued(invoice=f"F{round_}", amount=4_200_00, currency="EUR")
        case 3:
            return e.InvoicePaid(invoice=f"F{round_}", paid_on=day)
        case 6:
            return e.AdviceGiven(advice=f"A{round_}", text=TEXT)
        case 7:
            return e.AdviceAnswered(advice=f"A{round_}", accepted=True)
        case 8 if round_ % 3:
            return e.PulseAnswered(side="client", score=4)
        case 8:
            return e.SlaMeasured(sla="s1", month=f"{day.year}-{day.month:02}", met=97, total=100)
        case _:
            return e.HoursInvested(side="client", hours=3.5, on_date=day, kind="operational")


def today() -> datetime:
    """The instant that lives end at."""
    return datetime.now(UTC).replace(microsecond=0)
