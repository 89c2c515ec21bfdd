"""Tallies and shares that guards and readings stand on: gaps, running months, cadence, punctuality, activation."""

from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime, timedelta
from typing import NamedTuple

from domain import events as e
from domain.partnership import Matter, Measure, Meeting, Partnership, Promise, Seen, Sla, SlaMonth, Term, due_day
from domain.policy import Policy
from domain.types import SIDES, STAGES, Side, Stage, midnight, month_start

CAPPED = 1e12
"""The ratio shown where the base is zero."""


class Gap(NamedTuple):
    """A promise measured, or revised, otherwise than promised; `ratio` is measured / base."""

    at: datetime
    seen: tuple[Seen, ...]
    subject: str
    kind: e.PromiseKind
    ratio: float


# --- promises --------------------------------------------------------------------------------------------------------


def _ratio(value: float, base: float) -> float:
    return min(value / base, CAPPED) if base else (CAPPED if value else 1.0)


def badness(promise: Promise, ratio: float) -> float:
    """How far a ratio is on the bad side, 1.0 = kept: a client's budget is bad when small, a partner's when large."""
    if promise.kind == "budget" and promise.side == "client":
        return _ratio(1.0, ratio)
    return ratio


def missed(promise: Promise, value: float) -> bool:
    """Whether a value is worse than first promised."""
    if promise.kind in ("delay", "budget"):
        return badness(promise, _ratio(value, promise.promised)) > 1.0
    return value < promise.promised


def gaps(state: Partnership, until: datetime) -> Iterator[Gap]:
    """Every measure of every known promise against the value first promised, dated when both were true."""
    for key, promise in state.promises.items():
        if promise.made is None:
            continue
        for measure in promise.measures:
            at = max(measure.at, promise.made.at)
            if at <= until:
                yield _gap(key, promise, measure, at, _ratio(measure.value, promise.promised))


def news(state: Partnership, until: datetime, shows: Callable[[Gap], bool]) -> Iterator[Gap]:
    """Measures that show something against the value in force (D3) and are worse than the last one measured.

    Where the last one had shown it already, the new one must be as much worse again: 66 days then 68 is no news.
    """
    for key, promise in state.promises.items():
        if promise.made is None:
            continue
        last: Measure | None = None
        for measure in promise.measures:
            if measure.revised or measure.at > until:
                continue
            at = max(measure.at, promise.made.at)
            base = _in_force(state, promise, measure.at)
            gap = _gap(key, promise, measure, at, _ratio(measure.value, base))
            known = last is not None and shows(_gap(key, promise, last, at, _ratio(last.value, base)))
            if known and last is not None:
                gap = _gap(key, promise, measure, at, _ratio(measure.value, last.value))
            if shows(gap) and (last is None or _worse(promise, measure.value, last.value)):
                yield gap
            last = measure


def _worse(promise: Promise, value: float, than: float) -> bool:
    grows = promise.kind == "delay" or (promise.kind == "budget" and promise.side == "partner")
    return value > than if grows else value < than


def _gap(key: str, promise: Promise, measure: Measure, at: datetime, ratio: float) -> Gap:
    made = promise.made or Seen(at, 0)
    return Gap(at, (made, Seen(measure.at, measure.version)), f"promise/{key}", promise.kind, badness(promise, ratio))


def _in_force(state: Partnership, promise: Promise, at: datetime) -> float:
    """The value that a measure of this day is held against: the last revision or renegotiated budget before it."""
    base, since = promise.promised, None
    for measure in promise.measures:
        if measure.revised and measure.at <= at:
            base, since = measure.value, measure.at
    if promise.kind == "budget":
        for budget in state.budgets:
            if budget.at <= at and budget.currency == promise.unit and (since is None or budget.at >= since):
                base = float(budget.amount)
    return base


# --- threats and matters ---------------------------------------------------------------------------------------------


def open_threats(state: Partnership, until: datetime) -> list[tuple[Side, Seen]]:
    """Threats without a later withdrawal by the same side."""
    found: list[tuple[Side, Seen]] = []
    for side in SIDES:
        withdrawn = [each.at for each in state.moments.get(f"threat.withdrawn/{side}", ()) if each.at <= until]
        last = max(withdrawn, default=None)
        found += [
            (side, each)
            for each in state.moments.get(f"termination.threatened/{side}", ())
            if each.at <= until and (last is None or each.at > last)
        ]
    return found


def open_matters(state: Partnership, kind: str, until: datetime) -> dict[str, Matter]:
    """Matters of a kind that were opened and not yet closed."""
    return {
        key: matter
        for key, matter in state.matters.get(kind, {}).items()
        if matter.opened is not None
        and matter.opened.at <= until
        and (matter.closed is None or matter.closed.at > until)
    }


def overdue_promises(state: Partnership, until: datetime) -> dict[str, Promise]:
    """Promises past their due date that nobody has measured."""
    return {
        key: promise
        for key, promise in state.promises.items()
        if promise.made is not None
        and promise.made.at <= until
        and promise.due_on is not None
        and midnight(promise.due_on) + timedelta(days=1) <= until
        and not any(not measure.revised and measure.at <= until for measure in promise.measures)
    }


def unmatched(state: Partnership) -> list[str]:
    """What facts named and no fact has opened yet, as `kind/id`."""
    found = [f"promise/{key}" for key, promise in state.promises.items() if promise.made is None]
    found += [f"invoice/{key}" for key, invoice in state.invoices.items() if invoice.issued is None]
    found += [f"incident/{key}" for key, incident in state.incidents.items() if incident.raised is None]
    found += [f"sla/{key}" for key, sla in state.slas.items() if sla.months and not sla.terms]
    for kind, known in state.matters.items():
        found += [f"{kind}/{key}" for key, matter in known.items() if matter.opened is None]
    return sorted(found)


# --- SLAs ------------------------------------------------------------------------------------------------------------


def in_force(sla: Sla, until: datetime) -> Term | None:
    """What an SLA says at an instant; None before it was said and after it was withdrawn."""
    said = [term for term in sla.terms if term.at <= until]
    return said[-1] if said and said[-1].how != "withdrawn" else None


def slas_in_force(state: Partnership, until: datetime) -> dict[str, tuple[Sla, Term]]:
    """Every SLA in force with its current terms."""
    return {key: (sla, term) for key, sla in state.slas.items() if (term := in_force(sla, until)) is not None}


def negotiated_target(sla: Sla, until: datetime) -> float | None:
    """The target last negotiated; an imposed one does not replace it."""
    said = [term.target for term in sla.terms if term.at <= until and term.how == "negotiated"]
    return said[-1] if said else None


def months_of(sla: Sla, until: datetime, since: datetime | None = None) -> list[SlaMonth]:
    """Measured months known by an instant, wholly after `since` where that is given."""
    return [
        month
        for month in sla.months
        if month.at <= until and month.total > 0 and (since is None or month_start(month.month) >= since)
    ]


def running(months: list[SlaMonth], count: int) -> list[SlaMonth]:
    """The latest months when they follow each other without a hole; otherwise none."""
    latest = months[-count:]
    whole = len(latest) == count and latest[-1].month - latest[0].month == count - 1
    return latest if whole else []


def attained(month: SlaMonth, target: float) -> bool:
    """Whether a month reached the target."""
    return month.met >= target * month.total - 1e-9


# --- cadence ---------------------------------------------------------------------------------------------------------


def meetings(state: Partnership, start: datetime, end: datetime) -> list[Meeting]:
    """Meetings held or missed after start and up to end, of all levels, in order."""
    found = [each for level in state.meetings.values() for each in level if start < each.at <= end]
    return sorted(found)


def held_share(known: Iterable[Meeting]) -> float | None:
    """Held / due, None where nothing was due."""
    known = list(known)
    return sum(each.held for each in known) / len(known) if known else None


# --- payments --------------------------------------------------------------------------------------------------------


class Punctuality(NamedTuple):
    """Per currency: the amounts that fell due and those paid by their due day; with the invoices behind them."""

    due: dict[str, int]
    punctual: dict[str, int]
    evidence: tuple[Seen, ...]


def punctuality(state: Partnership, policy: Policy, start: date, end: date) -> Punctuality:
    """Payments of what fell due after start and up to end."""
    due: dict[str, int] = {}
    punctual: dict[str, int] = {}
    evidence: list[Seen] = []
    for invoice in state.invoices.values():
        if invoice.issued is None:
            continue
        day = due_day(invoice, policy.payment_days, policy.payment_days_at_most)
        if start < day <= end:
            due[invoice.currency] = due.get(invoice.currency, 0) + invoice.amount
            if invoice.paid_on is not None and invoice.paid_on <= day:
                punctual[invoice.currency] = punctual.get(invoice.currency, 0) + invoice.amount
            evidence.append(invoice.paid or invoice.overdue or invoice.issued)
    for ordinal, rows in state.punctuality.items():
        if start.toordinal() < ordinal <= end.toordinal():
            for currency, in_time, late in rows:
                due[currency] = due.get(currency, 0) + in_time + late
                punctual[currency] = punctual.get(currency, 0) + in_time
    return Punctuality(due, punctual, tuple(evidence))


# --- activation and overlaps -----------------------------------------------------------------------------------------


def coloured_days(state: Partnership) -> dict[int, list[int]]:
    """Day -> coloured facts per stage; measures take theirs from what they showed (D15)."""
    days = {day: list(counts) for day, counts in state.colours.items()}
    for promise in state.promises.values():
        for measure in promise.measures:
            if not measure.revised and promise.made is not None:
                colour = 1 if missed(promise, measure.value) else 0
                days.setdefault(measure.at.toordinal(), [0] * 5)[colour] += 1
    return days


def activation(state: Partnership, policy: Policy, now: datetime) -> tuple[dict[Stage, float], list[int]]:
    """Per stage, its share of the coloured facts of the last 180 days, and the counts behind it."""
    today = now.toordinal()
    counts = [0] * 5
    for day, row in coloured_days(state).items():
        if today - policy.activation_days < day <= today:
            counts = [total + each for total, each in zip(counts, row, strict=True)]
    total = sum(counts)
    return {stage: (counts[n] / total if total else 0.0) for n, stage in enumerate(STAGES)}, counts


def open_stages(state: Partnership, now: datetime) -> set[Stage]:
    """Stages with open matters: promises past due (1), disputes, threats and crises (2)."""
    found: set[Stage] = set()
    if overdue_promises(state, now):
        found.add("honeymoon")
    if open_matters(state, "dispute", now) or open_matters(state, "crisis", now) or open_threats(state, now):
        found.add("power_struggle")
    return found


def overlapping(state: Partnership, policy: Policy, now: datetime) -> list[Stage]:
    """Stages that are alive beside the authoritative one."""
    shares, counts = activation(state, policy, now)
    active = {
        stage
        for stage, count in zip(STAGES, counts, strict=True)
        if count >= policy.overlap_facts and shares[stage] >= policy.overlap_share
    }
    return [stage for stage in STAGES if stage in active | open_stages(state, now) and stage != state.stage]

