"""What a fact must be to be recorded: units, money, dates, and openings that happen once."""

import re

from domain import events as e
from domain.errors import DomainError
from domain.partnership import Partnership
from domain.partnership.matters import OPENS, matters
from domain.partnership.values import Incident, Invoice, Matter, Promise, Seen, fingerprint

CURRENCY = re.compile("[A-Z]{3}")
MEASURABLE = ("delay", "budget", "seniority", "named_staff")


def check_fact(state: Partnership, data: e.Event) -> None:
    """Refuse a fact that could never be true, with one sentence; state is only read."""
    if data.type in e.ROUTED or data.type not in e.FACTS:
        route = e.ROUTED.get(data.type, "no route: the system writes it")
        raise DomainError("wrong_route", f"{data.type} is not recorded as a fact; use {route}.")
    match data:
        case e.PromiseMade():
            _check_promise(state, data)
        case e.PromiseMeasured() | e.PromiseRevised():
            _check_unit(state, data)
        case e.ContractSigned():
            _check_contract(data)
        case e.SlaMeasured() if data.met > data.total:
            raise DomainError("wrong_unit", f"met {data.met} exceeds total {data.total}; met counts among the total.")
        case e.ChangePrepared() if data.teams_ready > data.teams_affected:
            raise DomainError(
                "wrong_unit", f"teams_ready {data.teams_ready} exceeds teams_affected {data.teams_affected}."
            )
        case _:
            pass


def _check_promise(state: Partnership, data: e.PromiseMade) -> None:
    if data.kind in MEASURABLE and data.promised <= 0:
        raise DomainError(
            "unmeasurable_promise",
            f"A promise of kind {data.kind} needs a value above 0 to be measured; {data.promised} was sent.",
        )
    if data.kind == "budget" and not CURRENCY.fullmatch(data.unit):
        raise DomainError(
            "wrong_unit", f"The unit of a budget is its ISO 4217 currency such as EUR; {data.unit!r} was sent."
        )
    known = state.promises.get(data.promise) or Promise()
    for unit in known.units:
        _same_unit(data.promise, data.unit, unit)


def _check_unit(state: Partnership, data: e.PromiseMeasured | e.PromiseRevised) -> None:
    known = state.promises.get(data.promise)
    if known is None or data.unit is None:
        return
    for unit in (known.unit, *known.units):
        if unit:
            _same_unit(data.promise, unit, data.unit)


def _same_unit(promise: str, known: str, given: str) -> None:
    if known != given:
        raise DomainError(
            "wrong_unit",
            f"Promise {promise!r} counts in {known!r}, not {given!r}; a ratio needs one unit: convert and send again.",
        )


def _check_contract(data: e.ContractSigned) -> None:
    if (data.amount is None) != (data.currency is None):
        raise DomainError("incomplete_money", "amount and currency go together; send both or neither.")
    if data.ends_on is not None and data.ends_on < data.starts_on:
        raise DomainError(
            "wrong_dates", f"ends_on {data.ends_on} lies before starts_on {data.starts_on}; swap or correct them."
        )


def opening_of(state: Partnership, data: e.Event) -> int | None:
    """The version of the first event when this opens again what it opened; 409 when the content differs."""
    first, opening, name = _first_opening(state, data)
    if first is None or not opening:
        return None
    if opening == fingerprint(data):
        return first.version
    raise DomainError(
        "already_recorded",
        f"{name} was recorded already, with other content; use another id, or retract the first one.",
        version=first.version,
    )


def _first_opening(state: Partnership, data: e.Event) -> tuple[Seen | None, bytes, str]:
    """What opened this id before: when, its fingerprint, and what to call it."""
    match data:
        case e.PromiseMade():
            promise = state.promises.get(data.promise) or Promise()
            return promise.made, promise.opening, f"Promise {data.promise!r}"
        case e.InvoiceIssued():
            invoice = state.invoices.get(data.invoice) or Invoice()
            return invoice.issued, invoice.opening, f"Invoice {data.invoice!r}"
        case e.IncidentRaised():
            incident = state.incidents.get(data.incident) or Incident()
            return incident.raised, incident.opening, f"Incident {data.incident!r}"
        case _ if kind := OPENS.get(type(data)):
            key = getattr(data, kind)
            matter = matters(state, kind).get(key) or Matter()
            return matter.opened, matter.opening, f"{kind.capitalize()} {key!r}"
        case _:
            return None, b"", ""
