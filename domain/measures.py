"""Tallies and shares that guards and readings stand on: gaps, running months, cadence, punctuality, activation."""

from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime
from typing import NamedTuple

from domain import events as e
from domain.partnership import Partnership, Seen
from domain.partnership.colours import counted
from domain.partnership.matters import MATTERS, matters
from domain.partnership.values import Matter, Measure, Meeting, Promise, Sla, SlaMonth, Term, due_day
from domain.policy import Policy
from domain.types import SIDES, STAGES, Side, Stage, month_index, month_start

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


def _ratio(promise: Promise, value: float, base: float) -> float:
    """Value / base; turned round for a client's budget, which is bad when small (D16).

    Nine digits are kept, so that a ratio of two decimal fractions meets the threshold that it is written as.
    """
    if promise.kind == "budget" and promise.side == "client":
        value, base = base, value
    if base == 0:
        return CAPPED if value else 1.0
    return min(round(value / base, 9), CAPPED)


def _small_is_bad(promise: Promise) -> bool:
    return promise.kind not in ("delay", "budget")


def missed(promise: Promise, value: float) -> bool:
    """Whether a value is worse than first promised."""
    ratio = _ratio(promise, value, promise.promised)
    return ratio < 1.0 if _small_is_bad(promise) else ratio > 1.0


def gaps(state: Partnership, until: datetime) -> Iterator[Gap]:
    """Every measure of every known promise against the value first promised, dated when both were true."""
    for key, promise in state.promises.items():
        if promise.made is None:
            continue
        for measure in promise.measures:
            gap = _gap(key, promise, promise.made, measure, promise.promised)
            if gap.at <= until:
                yield gap


def news(state: Partnership, until: datetime, shows: Callable[[Gap], bool]) -> Iterator[Gap]:
    """Measures that show something against the value in force (D3) and are worse than the last one measured.

    Where the last one had shown it already, the new one must be as much worse again: 66 days then 68 is no news.
    """
    for key, promise in state.promises.items():
        made = promise.made
        if made is None:
            continue
        last: Measure | None = None
        for measure in promise.measures:
            if measure.revised or measure.at > until:
                continue
            base = _in_force(state, promise, made, measure.at)
            if last is not None and shows(_gap(key, promise, made, last, base)):
                base = last.value
            gap = _gap(key, promise, made, measure, base)
            if gap.at <= until and shows(gap) and (last is None or _worse(promise, measure.value, last.value)):
                yield gap
            last = measure


def _worse(promise: Promise, value: float, than: float) -> bool:
    ratio = _ratio(promise, value, than)
    return ratio < 1.0 if _small_is_bad(promise) else ratio > 1.0


def _gap(key: str, promise: Promise, made: Seen, measure: Measure, base: float) -> Gap:
    seen = (made, Seen(measure.at, measure.version))
    return Gap(max(seen).at, seen, f"promise/{key}", promise.kind, _ratio(promise, measure.value, base))


def _in_force(state: Partnership, promise: Promise, made: Seen, at: datetime) -> float:
    """The value that a measure of this day is held against: what was last promised, revised or renegotiated before."""
    base, since = promise.promised, made.at
    for measure in promise.measures:
        if measure.revised and measure.at <= at:
            base, since = measure.value, max(measure.at, since)
    if promise.kind == "budget":
        for budget in state.budgets:
            if since <= budget.at <= at and budget.currency == promise.unit:
                base = float(budget.amount)
    return base


def overdue_promises(state: Partnership, until: datetime) -> dict[str, Promise]:
    """Promises past their due date that nobody has measured."""
    return {
        key: promise
        for key, promise in state.promises.items()
        if promise.made is not None
        and promise.made.at <= until
        and promise.due_on is not None
        and promise.due_on < until.date()
        and not any(not measure.revised and measure.at <= until for measure in promise.measures)
    }


def verified(state: Partnership, until: datetime) -> bool:
    """Whether any promise was ever measured."""
    return any(
        not measure.revised and measure.at <= until
        for promise in state.promises.values()
        if promise.made is not None and promise.made.at <= until
        for measure in promise.measures
    )


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
        for key, matter in matters(state, kind).items()
        if matter.opened is not None
        and matter.opened.at <= until
        and (matter.closed is None or matter.closed.at > until)
    }


def unmatched(state: Partnership) -> list[str]:
    """What facts named and no fact has opened yet, as `kind/id`."""
    found = [f"promise/{key}" for key, promise in state.promises.items() if promise.made is None]
    found += [f"invoice/{key}" for key, invoice in state.invoices.items() if invoice.issued is None]
    found += [f"incident/{key}" for key, incident in state.incidents.items() if incident.raised is None]
    found += [f"sla/{key}" for key, sla in state.slas.items() if sla.months and not sla.terms]
    for kind in MATTERS:
        found += [f"{kind}/{key}" for key, matter in matters(state, kind).items() if matter.opened is None]
    return sorted(found)


# --- SLAs ------------------------------------------------------------------------------------------------------------


def in_force(sla: Sla, until: datetime) -> Term | None:
    """What an SLA says at an instant; None before it was said and after it was withdrawn."""
    said = [term for term in sla.terms if term.at <= until]
    return said[-1] if said and said[-1].how != "withdrawn" else None


def slas_in_force(state: Partnership, until: datetime) -> dict[str, tuple[Sla, Term]]:
    """Every SLA in force with its current terms, by id."""
    return {key: (sla, term) for key, sla in sorted(state.slas.items()) if (term := in_force(sla, until)) is not None}


def negotiated_target(sla: Sla, until: datetime) -> float | None:
    """The target last negotiated; an imposed one does not replace it."""
    said = [term.target for term in sla.terms if term.at <= until and term.how == "negotiated"]
    return said[-1] if said else None


def months_since(sla: Sla, since: datetime, until: datetime) -> list[SlaMonth]:
    """Months wholly after an instant that were measured by another, over or not."""
    first = month_index(since)
    if since > month_start(first):
        first += 1
    return [month for month in sla.months if month.month >= first and month.total > 0 and month.at <= until]


def months_over(sla: Sla, since: datetime, until: datetime) -> list[SlaMonth]:
    """Months wholly between two instants that were measured by the later one: a month counts when it is over."""
    return [month for month in months_since(sla, since, until) if month.month < month_index(until)]


def known_at(month: SlaMonth) -> datetime:
    """When a month's attainment became true: measured, and the month over."""
    return max(month.at, month_start(month.month + 1))


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
    return sorted(each for level in state.meetings.values() for each in level if start < each.at <= end)


def held_share(known: Iterable[Meeting]) -> float | None:
    """Held / due, None where nothing was due."""
    held = [each.held for each in known]
    return sum(held) / len(held) if held else None


# --- payments --------------------------------------------------------------------------------------------------------


class Punctuality(NamedTuple):
    """Per currency: the amounts that fell due and those paid by their due day; with the invoices behind them."""

    due: dict[str, int]
    punctual: dict[str, int]
    evidence: tuple[Seen, ...]


def punctuality(state: Partnership, policy: Policy, start: date, end: date) -> Punctuality:
    """Payments of what fell due after start and up to end."""
    found = Punctuality({}, {}, ())
    evidence: list[Seen] = []
    for invoice in state.invoices.values():
        if invoice.issued is None:
            continue
        day = due_day(invoice, policy.payment_days, policy.payment_days_at_most)
        if start < day <= end:
            in_time = invoice.paid_on is not None and invoice.paid_on <= day
            _add(found, invoice.currency, invoice.amount, invoice.amount if in_time else 0)
            evidence.append(invoice.paid or invoice.overdue or invoice.issued)
    for ordinal, rows in state.punctuality.items():
        if start.toordinal() < ordinal <= end.toordinal():
            for currency, punctual, late in rows:
                _add(found, currency, punctual + late, punctual)
    return found._replace(evidence=tuple(evidence))


def _add(found: Punctuality, currency: str, due: int, punctual: int) -> None:
    found.due[currency] = found.due.get(currency, 0) + due
    found.punctual[currency] = found.punctual.get(currency, 0) + punctual


# --- activation and overlaps -----------------------------------------------------------------------------------------


def coloured_days(state: Partnership, first: int, last: int) -> dict[int, list[tuple[int, int]]]:
    """Day -> (stage, coloured facts), from a first to a last day; measures are coloured by what they showed (D15)."""
    if last - first < len(state.colours):
        days = {day: counted(state.colours[day]) for day in range(first, last + 1) if day in state.colours}
    else:
        days = {day: counted(counts) for day, counts in state.colours.items() if first <= day <= last}
    for promise in state.promises.values():
        for measure in promise.measures:
            day = measure.at.toordinal()
            if not measure.revised and promise.made is not None and first <= day <= last:
                days.setdefault(day, []).append((1 if missed(promise, measure.value) else 0, 1))
    return days


def activation(state: Partnership, policy: Policy, now: datetime) -> tuple[dict[Stage, float], list[int]]:
    """Per stage, its share of the coloured facts of the last 180 days, and the counts behind it."""
    today = now.toordinal()
    counts = [0] * 5
    for day in coloured_days(state, today - policy.activation_days + 1, today).values():
        for stage, number in day:
            counts[stage] += number
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


def active_from(total: int, policy: Policy) -> float:
    """How many of so many coloured facts make a stage active: enough of them, and enough at all (D15)."""
    return max(policy.overlap_facts, policy.overlap_share * total - 1e-9)


def overlapping(state: Partnership, policy: Policy, now: datetime) -> list[Stage]:
    """Stages that are alive beside the authoritative one."""
    _, counts = activation(state, policy, now)
    least = active_from(sum(counts), policy)
    alive = {stage for stage, count in zip(STAGES, counts, strict=True) if count >= least}
    return [stage for stage in STAGES if stage in alive | open_stages(state, now) and stage != state.stage]
