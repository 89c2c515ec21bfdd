"""What time owes a partnership: missed meetings, overdue invoices, and transitions that only time brings.

Silence is a fact. Each is dated at the instant it fell due and carries a claim, so that no second node writes it again.
"""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import NamedTuple

from domain import events as e
from domain import guards
from domain.automatic import allowed, automatic
from domain.machine import SEPARATED, SEPARATING
from domain.partnership import Partnership
from domain.partnership.values import due_day, silence_key
from domain.policy import Policy
from domain.types import midnight

LAST_DAY = date(9_000, 1, 1)
"""Nothing is observed from later on; it keeps the calendar's end away from what is computed."""

BREAKS_SILENCE = (
    e.CadenceAgreed, e.MeetingHeld, e.MeetingMissed, e.InvoiceIssued, e.InvoicePaid, e.InvoiceOverdue,
)  # fmt: skip
"""The facts that change which silence falls due next."""


class Owed(NamedTuple):
    """A fact of silence; sorts by the instant it fell due."""

    at: datetime
    claim: str
    data: e.MeetingMissed | e.InvoiceOverdue


def silence(state: Partnership, policy: Policy, written: frozenset[str] = frozenset()) -> Owed | None:
    """The first missed meeting or overdue invoice that is not yet written, whenever it falls due.

    `written` holds claims that are not owed again, beside those that were retracted (D13).
    """
    if state.opened is None or state.state in (SEPARATING, SEPARATED):
        return None
    start = midnight(min(state.observed_since, LAST_DAY)) if state.observed_since else state.opened.at
    owed = [*_meetings(state, policy, start, written), *_invoices(state, policy, start, written)]
    return min(owed, key=lambda each: (each.at, each.claim), default=None)


def _meetings(state: Partnership, policy: Policy, start: datetime, written: frozenset[str]) -> Iterator[Owed]:
    # Nobody expected a meeting while a separation lasted.
    resumed = (spell.entered_at for spell in reversed(state.spells) if spell.trigger == "reconcile")
    start = max(start, next(resumed, start))
    for level, agreed in state.cadences.items():
        every = timedelta(days=agreed[-1].every_days)
        tolerance = every * policy.meeting_tolerance
        due = max(agreed[-1].at.date(), state.last_met.get(level, date.min)) + every
        if (behind := start - midnight(due) - tolerance) >= timedelta():
            due += every * (behind // every + 1)
        while (claim := silence_key(missed := _missed(level, due))) in written or claim in state.forgiven:
            due += every
        yield Owed(midnight(due) + tolerance, claim, missed)


def _missed(level: str, due: date) -> e.MeetingMissed:
    return e.MeetingMissed(level=level, due_on=due)  # type: ignore[arg-type]  # levels come from facts


def _invoices(state: Partnership, policy: Policy, start: datetime, written: frozenset[str]) -> Iterator[Owed]:
    for key in state.awaited:
        due = due_day(state.invoices[key], policy.payment_days, policy.payment_days_at_most)
        at = midnight(due) + timedelta(days=1)
        if at > start:
            claim = silence_key(overdue := e.InvoiceOverdue(invoice=key))
            if claim not in written and claim not in state.forgiven:
                yield Owed(at, claim, overdue)


class Dues(NamedTuple):
    """What time will bring to a state that hears no more: the first silence, and the next automatic transition."""

    silence: Owed | None
    alarm: datetime | None

    @property
    def at(self) -> datetime | None:
        """The first instant of both."""
        instants = [each for each in (self.silence and self.silence.at, self.alarm) if each is not None]
        return min(instants, default=None)


def next_alarm(state: Partnership, policy: Policy) -> datetime | None:
    """The next instant at which time alone brings a transition; the newest one where a transition is overdue."""
    instants = []
    for trigger in automatic(state, policy):
        found = guards.judge(guards.Case(state=state, policy=policy, now=state.newest, trigger=trigger))
        if allowed(trigger, found):
            instants.append(state.newest)
        instants += [finding.at for _, finding in found if not finding.met and finding.at is not None]
    return min(instants, default=None)


def dues(state: Partnership, policy: Policy) -> Dues:
    """What time will bring; computed once for a state and a policy."""
    known = state.__dict__.get("dues")
    if known is not None and known[0] == state.version and known[1] is policy:
        kept: Dues = known[2]
        return kept
    found = Dues(silence(state, policy), next_alarm(state, policy)) if state.opened else Dues(None, None)
    keep(state, policy, found)
    return found


def keep(state: Partnership, policy: Policy, found: Dues) -> None:
    """Remember what time will bring to a state; it is no part of what was recorded."""
    state.__dict__["dues"] = (state.version, policy, found)


def next_due(state: Partnership, policy: Policy) -> datetime | None:
    """The next instant at which time alone may change something; what the clock sleeps until."""
    return dues(state, policy).at
