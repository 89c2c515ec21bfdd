"""The language of the demo: a story is a list of parts, and each part turns a day into dated facts.

A day is written `2005-03-14`, or `-30 12`: the 12th of the month thirty months before the telling, or `today`. What
falls on a weekend happens on the Monday after, and what would lie ahead of the telling is left out.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby
from operator import itemgetter

from msgspec import Struct

from domain import commands as c
from domain import events as e
from domain.types import Side, month_index, month_start

MOST_FACTS = 100
"""The facts of one command, as in an array that is posted."""

OFFICE_OPENS = time(8, tzinfo=UTC)
BETWEEN_FACTS = timedelta(minutes=5)
SATURDAY = 5


class Ask(Struct, frozen=True):
    """A transition that people asked for."""

    trigger: str
    side: Side = "client"
    reason: str | None = None
    text: str | None = None


Step = e.Event | Ask
Dated = Callable[[date], Step]
"""A step that names its own day, or one counted from it."""

Line = tuple[date, Step]
Part = Callable[[date], Iterable[Line]]
"""What a part tells when the telling happens on a day."""


class Story(Struct, frozen=True, kw_only=True):
    """One partnership of the client; time's silence counts from the opening, or from `observed_in` days on."""

    partner: str
    opened: str
    parts: tuple[Part, ...]
    critical: bool = False
    links: tuple[tuple[str, str, str], ...] = ()
    observed_in: int | None = None


# --- days -----------------------------------------------------------------------------------------------------------


def when(day: str, today: date) -> date:
    """The day that a story names."""
    if day == "today":
        return today
    if day.startswith("-"):
        months, number = day.split()
        named = month_start(month_index(today) + int(months)).date().replace(day=int(number))
    else:
        named = date.fromisoformat(day)
    return _working(named)


def _working(day: date) -> date:
    return day if day.weekday() < SATURDAY else day + timedelta(days=7 - day.weekday())


def _months(first: str, last: str, today: date, every: int = 1) -> Iterator[int]:
    """Month indexes from one day's month to another's."""
    return iter(range(month_index(when(first, today)), month_index(when(last, today)) + 1, every))


def _day_of(month: int, number: int) -> date:
    return _working(month_start(month).date().replace(day=number))


# --- parts ----------------------------------------------------------------------------------------------------------


def on(day: str, *steps: Step | Dated) -> Part:
    """What happened on one day, in this order."""

    def part(today: date) -> Iterable[Line]:
        at = when(day, today)
        return [(at, step if isinstance(step, (e.Event, Ask)) else step(at)) for step in steps]

    return part


def meetings(
    level: e.Level, every_days: int, first: str, last: str, *, people: tuple[str, ...], missed: Collection[int] = ()
) -> Part:
    """Meetings on the same weekday, those of some numbers excepted: nobody tells them, silence does."""

    def part(today: date) -> Iterable[Line]:
        start, end, step = when(first, today), when(last, today), timedelta(days=every_days // 7 * 7)
        days = (start + number * step for number in range((end - start) // step + 1) if number not in missed)
        return [(day, e.MeetingHeld(level=level, on_date=day, hours=2, attendees=people)) for day in days]

    return part


def invoices(
    name: str, amount: int, first: str, last: str, *, every: int = 3, late: Collection[int] = (),
    unpaid: Collection[int] = (),
) -> Part:  # fmt: skip
    """An invoice of so many euros every few months, paid within 22 to 28 days, or 50, or never."""

    def part(today: date) -> Iterable[Line]:
        for number, month in enumerate(_months(first, last, today, every)):
            issued = _day_of(month, 2)
            paid = _working(issued + timedelta(days=50 if number in late else 22 + number % 5))
            key = f"{name}-{month // 12}-{month % 12 + 1:02}"
            if paid <= today:
                yield issued, e.InvoiceIssued(invoice=key, amount=amount * 100, currency="EUR")
                if number not in unpaid:
                    yield paid, e.InvoicePaid(invoice=key, paid_on=paid)

    return part


def sla_months(sla: str, target: float, total: int, first: str, last: str, *, missed: Collection[int] = ()) -> Part:
    """A month's attainment on the 3rd of the next one: above the target, or five points below it."""

    def part(today: date) -> Iterable[Line]:
        for number, month in enumerate(_months(first, last, today)):
            handled = total + month * 7 % 13
            failed = handled * (1.05 - target) + 1 if number in missed else handled * (1 - target) * (number % 4) / 4
            named = f"{month // 12}-{month % 12 + 1:02}"
            measured = e.SlaMeasured(sla=sla, month=named, met=handled - int(failed), total=handled)
            yield _day_of(month + 1, 3), measured

    return part


def hours(side: Side, amount: float, first: str, last: str, *, every: int = 6) -> Part:
    """Hours invested in the relation every few months, in turn on build, training, documentation and steering."""
    kinds: tuple[str, ...] = ("build", "training", "build", "documentation", "strategic")

    def part(today: date) -> Iterable[Line]:
        for number, month in enumerate(_months(first, last, today, every)):
            day, kind = _day_of(month, 16), kinds[number % len(kinds)]
            yield day, e.HoursInvested(side=side, hours=amount, on_date=day, kind=kind)  # type: ignore[arg-type]

    return part


def pulses(side: Side, scores: str, first: str, *, every: int = 12) -> Part:
    """How a side felt about the other, one digit a time, every few months."""

    def part(today: date) -> Iterable[Line]:
        begun = month_index(when(first, today))
        for number, score in enumerate(scores):
            yield _day_of(begun + number * every, 20), e.PulseAnswered(side=side, score=int(score))

    return part


def incidents(name: str, first: str, last: str, *, every: int = 4) -> Part:
    """An incident every few months, resolved the day after."""

    def part(today: date) -> Iterable[Line]:
        for number, month in enumerate(_months(first, last, today, every)):
            raised, key = _day_of(month, 9), f"{name}-{number + 1}"
            yield raised, e.IncidentRaised(incident=key, priority=2 + number % 3)
            yield _working(raised + timedelta(days=1)), e.IncidentResolved(incident=key, within_sla=number % 6 != 5)  # noqa: PLR2004

    return part


# --- telling --------------------------------------------------------------------------------------------------------


def lines(story: Story, today: date) -> list[Line]:
    """Everything that has happened by the day of telling, in order of time."""
    told = [line for part in story.parts for line in part(today)]
    return sorted((line for line in told if line[0] <= today), key=itemgetter(0))


def opening(story: Story, client: str, today: date) -> c.OpenPartnership:
    """The command that begins a story."""
    day = when(story.opened, today)
    since = day if story.observed_in is None else today + timedelta(days=story.observed_in)
    return c.OpenPartnership(
        client=client, partner=story.partner, critical=story.critical, links=story.links,
        opened_at=datetime.combine(day, OFFICE_OPENS), observed_since=since,
    )  # fmt: skip


def dated(story: Story, today: date) -> Iterator[tuple[datetime | None, Step]]:
    """The lines with their instants, a few minutes apart, so that order tells what came of what; today's are now."""
    for day, of_day in groupby(lines(story, today), key=itemgetter(0)):
        for number, (_, step) in enumerate(of_day, 1):
            yield None if day == today else datetime.combine(day, OFFICE_OPENS) + number * BETWEEN_FACTS, step


def commands(story: Story, client: str, today: date) -> Iterator[c.Command]:
    """A story as commands: its opening, arrays of facts, and the transitions between them."""
    yield opening(story, client, today)
    facts: list[c.Fact] = []
    for at, step in dated(story, today):
        if facts and (isinstance(step, Ask) or len(facts) == MOST_FACTS):
            yield c.RecordFacts(tuple(facts))
            facts = []
        if isinstance(step, Ask):
            yield asked(step, at)
        else:
            facts.append(c.Fact(step, at))
    if facts:
        yield c.RecordFacts(tuple(facts))


def asked(step: Ask, at: datetime | None) -> c.AskTransition:
    """The command that asks for a transition."""
    return c.AskTransition(trigger=step.trigger, side=step.side, reason=step.reason, text=step.text, occurred_at=at)
