"""The history of a partnership: its spells, the stages that overlapped them, and what deserves a flag.

It reads what was recorded and never decides anew.
"""

from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from itertools import zip_longest
from typing import NamedTuple

from msgspec import Struct

from domain import measures
from domain.machine import HONEYMOON, split
from domain.partnership import Partnership
from domain.partnership.matters import matters
from domain.partnership.values import Promise
from domain.policy import Policy
from domain.types import SIDES, STAGES, Outcome, Stage, midnight, whole_days


class Stay(Struct, frozen=True, kw_only=True):
    """One stay in a stage; `left_at` is absent while it lasts, and `days` then run to the instant that was asked."""

    stage: Stage
    outcome: Outcome | None
    entered_at: datetime
    left_at: datetime | None
    days: int
    trigger: str | None
    cause: int
    policy: int | None
    telescoped: bool
    forced: bool


class Overlap(NamedTuple):
    """A time in which a stage was alive beside the authoritative one; without an end while it lasts."""

    stage: Stage
    start: datetime
    end: datetime | None


Interval = tuple[datetime, datetime | None]


# --- spells --------------------------------------------------------------------------------------------------------


def spells(state: Partnership, until: datetime, policy: Policy) -> tuple[Stay, ...]:
    """Every stay that began by an instant, in the log's order; one under 30 days that has ended is telescoped."""
    known = [spell for spell in state.spells if spell.entered_at <= until]
    found = []
    for spell, left_at in zip_longest(known, [spell.entered_at for spell in known[1:]]):
        stage, outcome = split(spell.state)
        stay = (left_at or until) - spell.entered_at
        found.append(
            Stay(
                stage=stage, outcome=outcome, entered_at=spell.entered_at, left_at=left_at,
                days=whole_days(spell.entered_at, left_at or until), trigger=spell.trigger, cause=spell.cause,
                policy=spell.policy, forced=spell.forced,
                telescoped=left_at is not None and stay < timedelta(days=policy.telescoped_days),
            )
        )  # fmt: skip
    return tuple(found)


def flags(state: Partnership, policy: Policy, now: datetime) -> tuple[str, ...]:
    """What deserves attention: a honeymoon of two years in which no promise was measured (D14)."""
    if state.state != HONEYMOON or state.opened is None:
        return ()
    long = now >= state.entered + timedelta(days=policy.honeymoon_days)
    return ("unverified_honeymoon",) if long and not measures.verified(state, now) else ()


# --- overlaps ------------------------------------------------------------------------------------------------------


def overlaps(state: Partnership, policy: Policy, until: datetime) -> tuple[Overlap, ...]:
    """When stages other than the authoritative one were alive: by open matters, or by activation (DOMAIN 2, D15)."""
    if state.opened is None or until < state.opened.at:
        return ()
    alive: dict[Stage, list[Interval]] = {stage: [] for stage in STAGES}
    alive["honeymoon"] += _overdue(state, until)
    alive["power_struggle"] += [*_matters(state, until), *_threats(state, until)]
    for stage, intervals in zip(STAGES, _active(state, policy, until), strict=True):
        alive[stage] += intervals
    return tuple(sorted(_beside(state, alive, until), key=lambda each: (each.start, STAGES.index(each.stage))))


def _beside(state: Partnership, alive: dict[Stage, list[Interval]], until: datetime) -> Iterator[Overlap]:
    """What is left of each stage's life where it was not the authoritative one."""
    ends = [spell.entered_at for spell in state.spells[1:]]
    reigns = [(split(spell.state)[0], spell.entered_at, end) for spell, end in zip_longest(state.spells, ends)]
    for stage, intervals in alive.items():
        others = [(start, end) for reigning, start, end in reigns if reigning != stage and start <= until]
        for start, end in _common(_merged(others), _merged(intervals)):
            if start <= until and (end is None or end > start):
                yield Overlap(stage, start, None if end is None or end > until else end)


def _merged(intervals: Iterable[Interval]) -> list[Interval]:
    """The same times without overlaps or seams, in order."""
    merged: list[Interval] = []
    for start, end in sorted(intervals, key=lambda each: each[0]):
        if merged and (merged[-1][1] is None or start <= merged[-1][1]):
            known = merged[-1][1]
            merged[-1] = (merged[-1][0], None if known is None or end is None else max(known, end))
        else:
            merged.append((start, end))
    return merged


def _common(these: list[Interval], those: list[Interval]) -> Iterator[Interval]:
    """The times that both lists cover, in one sweep."""
    first = second = 0
    while first < len(these) and second < len(those):
        (start, end), (begin, finish) = these[first], those[second]
        last = end if finish is None else finish if end is None else min(end, finish)
        if last is None or max(start, begin) < last:
            yield max(start, begin), last
        if finish is None or (end is not None and end <= finish):
            first += 1
        else:
            second += 1


# --- life by open matters --------------------------------------------------------------------------------------------


def _overdue(state: Partnership, until: datetime) -> Iterator[Interval]:
    """Promises from the end of their due day until somebody measured them."""
    for promise in state.promises.values():
        if promise.made is not None and promise.due_on is not None and promise.due_on < until.date():
            start = max(midnight(promise.due_on + timedelta(days=1)), promise.made.at)
            yield from _open(start, _first_measure(promise, until), until)


def _first_measure(promise: Promise, until: datetime) -> datetime | None:
    return next((each.at for each in promise.measures if not each.revised and each.at <= until), None)


def _matters(state: Partnership, until: datetime) -> Iterator[Interval]:
    """Disputes and crises from their opening to their end."""
    for kind in ("dispute", "crisis"):
        for matter in matters(state, kind).values():
            if matter.opened is not None:
                yield from _open(matter.opened.at, matter.closed.at if matter.closed else None, until)


def _threats(state: Partnership, until: datetime) -> Iterator[Interval]:
    """Threats until the same side withdrew them."""
    for side in SIDES:
        withdrawn = [seen.at for seen in state.moments.get(f"threat.withdrawn/{side}", ())]
        for threat in state.moments.get(f"termination.threatened/{side}", ()):
            yield from _open(threat.at, next((at for at in withdrawn if at >= threat.at), None), until)


def _open(start: datetime, end: datetime | None, until: datetime) -> Iterator[Interval]:
    if end is not None and end > until:
        end = None
    if start <= until and (end is None or start < end):
        yield start, end


# --- life by activation ----------------------------------------------------------------------------------------------


def _active(state: Partnership, policy: Policy, until: datetime) -> list[list[Interval]]:
    """Per stage, when the coloured facts of the sliding window made it active; one sweep of the days.

    Each time lasts for the calm days beyond its end, so that a shorter pause is none.
    """
    today, window = until.toordinal(), policy.activation_days
    days = measures.coloured_days(state, 1, today)
    found: list[list[Interval]] = [[] for _ in STAGES]
    counts, total, before, began = [0] * 5, 0, [False] * 5, [0] * 5
    for day in sorted({*days, *(day + window for day in days)}):
        if day > today:
            break
        for stage, number in days.get(day, ()):
            counts[stage] += number
            total += number
        for stage, number in days.get(day - window, ()):
            counts[stage] -= number
            total -= number
        least = measures.active_from(total, policy)
        active = [count >= least for count in counts]
        for stage in _turned(before, active):
            if active[stage]:
                began[stage] = day
            else:
                found[stage].append((_midnight(began[stage]), _midnight(day + policy.overlap_calm_days)))
        before = active
    for stage in _turned([False] * 5, before):
        found[stage].append((_midnight(began[stage]), None))
    return found


def _turned(before: list[bool], after: list[bool]) -> list[int]:
    """The places that differ."""
    return [] if before == after else [n for n in range(len(after)) if before[n] != after[n]]


def _midnight(day: int) -> datetime:
    return midnight(date.fromordinal(day))
