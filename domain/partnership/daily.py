"""How the daily run changes the state: invoices, incidents, SLAs, meetings, contacts."""

from msgspec.structs import replace

from domain import events as e
from domain.partnership.evolving import evolves
from domain.partnership.state import Partnership
from domain.partnership.values import (
    KEPT_CLOSED,
    KEPT_MEETINGS,
    KEPT_MOMENTS,
    KEPT_MONTHS,
    Cadence,
    Incident,
    Invoice,
    Meeting,
    Seen,
    Sla,
    SlaMonth,
    Term,
    due_day,
    fingerprint,
    sorted_in,
)
from domain.types import parse_month, person

MOST = 2 * KEPT_CLOSED
"""So many incidents or invoices are kept before the oldest that are done with are forgotten."""
_NO_INCIDENT, _NO_INVOICE = Incident(), Invoice()

# --- invoices ----------------------------------------------------------------------------------------------------


@evolves(e.InvoiceIssued, changes=("invoices", "awaited", "punctuality"))
def _issued(state: Partnership, fact: e.InvoiceIssued, seen: Seen) -> None:
    known = state.invoices.get(fact.invoice, _NO_INVOICE)
    state.invoices[fact.invoice] = replace(
        known, issued=seen, amount=fact.amount, currency=fact.currency, due_on=fact.due_on, opening=fingerprint(fact)
    )
    if known.paid is None and known.overdue is None:
        state.awaited[fact.invoice] = seen.version
    if len(state.invoices) > MOST:
        _forget_invoices(state)


@evolves(e.InvoicePaid, changes=("invoices", "awaited", "punctuality"))
def _paid(state: Partnership, fact: e.InvoicePaid, seen: Seen) -> None:
    known = state.invoices.get(fact.invoice, _NO_INVOICE)
    state.awaited.pop(fact.invoice, None)
    if known.paid is None or seen < known.paid:
        state.invoices[fact.invoice] = replace(known, paid=seen, paid_on=fact.paid_on)
        if len(state.invoices) > MOST:
            _forget_invoices(state)


@evolves(e.InvoiceOverdue, changes=("invoices", "awaited"))
def _overdue(state: Partnership, fact: e.InvoiceOverdue, seen: Seen) -> None:
    known = state.invoices.get(fact.invoice, _NO_INVOICE)
    state.awaited.pop(fact.invoice, None)
    if known.overdue is None or seen < known.overdue:
        state.invoices[fact.invoice] = replace(known, overdue=seen)


def _forget_invoices(state: Partnership) -> None:
    """Keep the newest settled invoices whole and the older ones as tallies a day and currency: (punctual, late)."""
    settled = [(due_day(each), key) for key, each in state.invoices.items() if each.issued and each.paid_on]
    for due, key in sorted(settled)[:-KEPT_CLOSED]:
        invoice = state.invoices.pop(key)
        late = invoice.paid_on is not None and invoice.paid_on > due
        _tally(state, due.toordinal(), invoice, late=late)


def _tally(state: Partnership, day: int, invoice: Invoice, *, late: bool) -> None:
    rows = {currency: (punctual, overdue) for currency, punctual, overdue in state.punctuality.get(day, ())}
    punctual, overdue = rows.get(invoice.currency, (0, 0))
    rows[invoice.currency] = (punctual, overdue + invoice.amount) if late else (punctual + invoice.amount, overdue)
    state.punctuality[day] = tuple((currency, *row) for currency, row in sorted(rows.items()))


# --- incidents ---------------------------------------------------------------------------------------------------


@evolves(e.IncidentRaised, changes=("incidents",))
def _raised(state: Partnership, fact: e.IncidentRaised, seen: Seen) -> None:
    known = state.incidents.get(fact.incident, _NO_INCIDENT)
    state.incidents[fact.incident] = replace(known, raised=seen, priority=fact.priority, opening=fingerprint(fact))
    if len(state.incidents) > MOST:
        _forget_incidents(state)


@evolves(e.IncidentResolved, e.IncidentReopened, changes=("incidents",))
def _incident_moved(state: Partnership, fact: e.IncidentResolved | e.IncidentReopened, seen: Seen) -> None:
    known = state.incidents.get(fact.incident, _NO_INCIDENT)
    if known.last is None or known.last <= seen:
        state.incidents[fact.incident] = replace(known, last=seen, resolved=type(fact) is e.IncidentResolved)
        if len(state.incidents) > MOST:
            _forget_incidents(state)


def _forget_incidents(state: Partnership) -> None:
    done = [(each.last, key) for key, each in state.incidents.items() if each.raised and each.last and each.resolved]
    for _, key in sorted(done)[:-KEPT_CLOSED]:
        del state.incidents[key]


# --- SLAs --------------------------------------------------------------------------------------------------------


@evolves(e.SlaNegotiated, changes=("slas",))
def _negotiated(state: Partnership, fact: e.SlaNegotiated, seen: Seen) -> None:
    _term(state, fact.sla, Term(seen.at, seen.version, "negotiated", fact.target))


@evolves(e.SlaImposed, changes=("slas",))
def _imposed(state: Partnership, fact: e.SlaImposed, seen: Seen) -> None:
    _term(state, fact.sla, Term(seen.at, seen.version, "imposed", fact.target))


@evolves(e.SlaWithdrawn, changes=("slas",))
def _withdrawn(state: Partnership, fact: e.SlaWithdrawn, seen: Seen) -> None:
    _term(state, fact.sla, Term(seen.at, seen.version, "withdrawn", 0.0))


def _term(state: Partnership, sla: str, term: Term) -> None:
    known = state.slas.get(sla) or Sla()
    state.slas[sla] = replace(known, terms=sorted_in(known.terms, term, KEPT_MOMENTS))


@evolves(e.SlaMeasured, changes=("slas",))
def _sla_measured(state: Partnership, fact: e.SlaMeasured, seen: Seen) -> None:
    known = state.slas.get(fact.sla) or Sla()
    measured, months = SlaMonth(parse_month(fact.month), seen.at, seen.version, fact.met, fact.total), known.months
    if months and months[-1].month >= measured.month:
        same = [each for each in months if each.month == measured.month]
        measured = max([*same, measured])
        months = tuple(each for each in months if each.month != measured.month)
    state.slas[fact.sla] = replace(known, months=sorted_in(months, measured, KEPT_MONTHS))


# --- meetings and contacts -----------------------------------------------------------------------------------------


@evolves(e.CadenceAgreed, changes=("cadences",))
def _cadence(state: Partnership, fact: e.CadenceAgreed, seen: Seen) -> None:
    known = state.cadences.get(fact.level, ())
    state.cadences[fact.level] = sorted_in(known, Cadence(seen.at, seen.version, fact.every_days), KEPT_MOMENTS)


@evolves(e.MeetingHeld, e.MeetingMissed, changes=("meetings", "last_met"))
def _meeting(state: Partnership, fact: e.MeetingHeld | e.MeetingMissed, seen: Seen) -> None:
    held = isinstance(fact, e.MeetingHeld)
    # A day ahead of the fact itself would silence the clock until then.
    day = min(fact.on_date if isinstance(fact, e.MeetingHeld) else fact.due_on, seen.at.date())
    meeting = Meeting(seen.at, seen.version, day, held)
    state.meetings[fact.level] = sorted_in(state.meetings.get(fact.level, ()), meeting, KEPT_MEETINGS)
    if day > state.last_met.get(fact.level, day.min):
        state.last_met[fact.level] = day


@evolves(e.ContactDesignated, e.ContactTrained, e.ContactRemoved, changes=("contacts",))
def _contact(state: Partnership, fact: e.ContactDesignated | e.ContactTrained | e.ContactRemoved, seen: Seen) -> None:
    key = f"{fact.side}/{person(fact.person)}"
    known = state.contacts.get(key)
    if known is None or known[0] <= seen.at:
        state.contacts[key] = (seen.at, not isinstance(fact, e.ContactRemoved))
