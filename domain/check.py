"""What a fact must be to be recorded: units, money, dates, and openings that happen once."""

from domain import events as e
from domain.errors import DomainError
from domain.partnership import OPENS, Partnership, Promise, fingerprint

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
            raise DomainError("wrong_unit", f"teams_ready {data.teams_ready} exceeds teams_affected {data.teams_affected}.")
        case _:
            pass


def _check_promise(state: Partnership, data: e.PromiseMade) -> None:
    if data.kind in MEASURABLE and data.promised <= 0:
        raise DomainError(
            "unmeasurable_promise", f"A promise of kind {data.kind} needs a value above 0 to be measured; {data.promised} was sent."
        )
    if data.kind == "budget" and not (len(data.unit) == 3 and data.unit.isascii() and data.unit.isupper()):  # noqa: PLR2004
        raise DomainError("wrong_unit", f"The unit of a budget is its ISO 4217 currency such as EUR; {data.unit!r} was sent.")
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
            "wrong_unit", f"Promise {promise!r} counts in {known!r}, not {given!r}; a ratio needs the same unit: convert and send again."
        )


def _check_contract(data: e.ContractSigned) -> None:
    if (data.amount is None) != (data.currency is None):
        raise DomainError("incomplete_money", "amount and currency go together; send both or neither.")
    if data.ends_on is not None and data.ends_on < data.starts_on:
        raise DomainError("wrong_dates", f"ends_on {data.ends_on} lies before starts_on {data.starts_on}; swap or correct them.")


def opening_of(state: Partnership, data: e.Event) -> int | None:
    """The version of the first event when this opens again what it opened; 409 when the content differs."""
    known = _known_opening(state, data)
    if known is None:
        return None
    opening, version, name = known
    if opening == fingerprint(data):
        return version
    raise DomainError(
        "already_recorded",
        f"{name} was recorded already, with other content; use another id, or retract the first one.",
        version=version,
    )


def _known_opening(state: Partnership, data: e.Event) -> tuple[int, int, str] | None:
    match data:
        case e.PromiseMade():
            known, key = state.promises.get(data.promise), f"Promise {data.promise!r}"
            opened = known.made if known else None
        case e.InvoiceIssued():
            known, key = state.invoices.get(data.invoice), f"Invoice {data.invoice!r}"  # type: ignore[assignment]
            opened = known.issued if known else None  # type: ignore[attr-defined]
        case e.IncidentRaised():
            known, key = state.incidents.get(data.incident), f"Incident {data.incident!r}"  # type: ignore[assignment]
            opened = known.raised if known else None  # type: ignore[attr-defined]
        case _:
            kind, name = OPENS.get(type(data), ("contract", "contract") if type(data) is e.ContractSigned else ("", ""))
            if not kind:
                return None
            key = f"{kind.capitalize()} {getattr(data, name)!r}"
            known = state.matters.get(kind, {}).get(getattr(data, name))  # type: ignore[assignment]
            opened = known.opened if known else None  # type: ignore[attr-defined]
    if known is None or opened is None or not known.opening:
        return None
    return known.opening, opened.version, key


def routed(kind: str) -> str:
    """The route that records a type which is no fact of its own."""
    return e.ROUTED.get(kind, "no route: the system writes it")
