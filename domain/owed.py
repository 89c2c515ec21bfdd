"""What time owes a partnership: missed meetings, overdue invoices, and transitions that only time brings.

Silence is a fact. Each is dated at the instant it fell due and carries a claim, so that no second node writes it again.
"""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import NamedTuple

from domain import events as e
from domain import guards
from domain.machine import SEPARATED, SEPARATING, TABLE
from domain.partnership import Invoice, Partnership, due_day
from domain.policy import Policy
from domain.types import midnight


class Owed(NamedTuple):
    """A fact of silence; sorts by the instant it fell due."""

    at: datetime
    claim: str
    data: e.MeetingMissed | e.InvoiceOverdue


def silence(state: Partnership, policy: Policy, written: frozenset[str] = frozenset()) -> Owed | None:
    """The first missed meeting or overdue invoice that is not yet written, whenever it falls due.

    `written` holds claims that were written before, retracted or not: those are not owed again (D13).
    """
    if state.opened is None or state.state in (SEPARATING, SEPARATED):
        return None
    start = midnight(state.observed_since) if state.observed_since else state.opened.at
    owed = [each for each in _meetings(state, policy, start, written)]
    owed += [each for each in _invoices(state, policy, start) if each.claim not in written]
    return min(owed, key=lambda each: (each.at, each.claim), default=None)


def _meetings(state: Partnership, policy: Policy, start: datetime, written: frozenset[str]) -> Iterator[Owed]:
    for level, agreed in state.cadences.items():
        every = agreed[-1].every_days
        known = [each.day for each in state.meetings.get(level, ())]
        due = max([agreed[-1].at.date(), *known]) + timedelta(days=every)
        tolerance = timedelta(days=every * policy.meeting_tolerance)
        while (at := midnight(due) + tolerance) <= start or _claim(level, due) in written:
            due += timedelta(days=every)
        yield Owed(at, _claim(level, due), e.MeetingMissed(level=level, due_on=due))  # type: ignore[arg-type]


def _claim(level: str, due: date) -> str:
    return f"meeting.missed/{level}/{due}"


def _invoices(state: Partnership, policy: Policy, start: datetime) -> Iterator[Owed]:
    for key, invoice in state.invoices.items():
        if invoice.paid is None and invoice.overdue is None and invoice.issued is not None:
            at = _overdue_at(invoice, policy)
            if at > start:
                yield Owed(at, f"invoice.overdue/{key}", e.InvoiceOverdue(invoice=key))


def _overdue_at(invoice: Invoice, policy: Policy) -> datetime:
    """The midnight after the due day."""
    return midnight(due_day(invoice, policy.payment_days, policy.payment_days_at_most)) + timedelta(days=1)


def automatic(state: Partnership, policy: Policy) -> tuple[str, ...]:
    """The triggers that facts decide from here, in their order."""
    return tuple(trigger for trigger in policy.automatic if (trigger, state.state) in TABLE)


def next_due(state: Partnership, policy: Policy) -> datetime | None:
    """The next instant at which time alone may change something; what the clock sleeps until."""
    if state.opened is None:
        return None
    instants = []
    if (first := silence(state, policy)) is not None:
        instants.append(first.at)
    for trigger in automatic(state, policy):
        case = guards.Case(state=state, policy=policy, now=state.newest, trigger=trigger)
        instants += [found.at for _, found in guards.judge(case) if not found.met and found.at is not None]
    return min(instants, default=None)
