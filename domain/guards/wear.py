"""What loosens and fades: the guards of `loosen` and `fade`, all of it inside the current spell."""

from bisect import bisect_right
from datetime import datetime, timedelta
from itertools import accumulate, islice, takewhile
from typing import NamedTuple

from domain import events as e
from domain import measures as m
from domain.guards.case import Case, Finding, earliest, guard, moments, unmet
from domain.partnership import Partnership, Seen
from domain.partnership.values import Meeting, Sla, SlaMonth, Term
from domain.types import SIDES, midnight, month_index, months_before, whole_months

SLA = (e.SlaNegotiated, e.SlaImposed, e.SlaMeasured, e.SlaWithdrawn)
RENOWN = ("testimony.given", "innovation.delivered/joint", *(f"reference.granted/{side}" for side in SIDES))
LAST_MONTH = 9_998 * 12
"""No calendar goes much further; a month said to lie beyond is never over."""


class Missed(NamedTuple):
    """An SLA's months that were missed running, and when that became true."""

    at: datetime
    months: tuple[Seen, ...]


def inside(case: Case, meeting: Meeting) -> bool:
    """Whether a meeting was due and dated inside the spell."""
    return case.since < meeting.at <= case.now and midnight(meeting.day) >= case.since


def missed_meetings(case: Case, need: int) -> tuple[Seen, ...]:
    """The latest meetings of a level when so many running were missed."""
    for _, level in sorted(case.state.meetings.items()):
        recent = takewhile(lambda each: each.at > case.since, reversed(level))
        latest = list(islice((each for each in recent if inside(case, each)), need))
        if len(latest) == need and not any(each.held for each in latest):
            return tuple(Seen(each.at, each.version) for each in reversed(latest))
    return ()


def sla_missed_running(case: Case, need: int) -> Missed | None:
    """The earliest of the SLAs in force that was missed so many months running, wholly inside the spell."""
    found = [_missed(case, sla, term, need) for sla, term in m.slas_in_force(case.state, case.now).values()]
    return min((missed for missed in found if missed), default=None)


def _missed(case: Case, sla: Sla, term: Term, need: int) -> Missed | None:
    """By the latest months that are over; else by those that were measured before their end, when that comes."""
    target = m.negotiated_target(sla, case.now)
    months = [each for each in m.months_since(sla, case.since, case.now) if each.month < LAST_MONTH]
    over = sum(each.month < month_index(case.now) for each in months)
    for end in range(over, len(months) + 1):
        latest = m.running(months[:end], need)
        if latest and not any(m.attained(month, term.target if target is None else target) for month in latest):
            return Missed(max(map(m.known_at, latest)), _seen(latest))
    return None


def _seen(months: list[SlaMonth]) -> tuple[Seen, ...]:
    return tuple(Seen(month.at, month.version) for month in months)


@guard(
    "Nothing to do: fewer than half of the meetings held over two quarters bring this.",
    "Rien à faire : moins de la moitié des réunions tenues sur deux trimestres l'entraînent.",
    reads=(e.MeetingHeld, e.MeetingMissed),
)
def cadence_lapsed(case: Case) -> Finding:
    """Held / due below 0.50 over two quarters inside the spell, seen when they are full and at each missed meeting."""
    months, least = case.policy.loosen_cadence_months, case.policy.loosen_cadence_share
    known = [each for each in m.meetings(case.state, case.since, case.now) if inside(case, each)]
    dated = [each.at for each in known]
    held = [0, *accumulate(each.held for each in known)]
    whole = months_before(case.since, -months)
    for at in [whole, *(each.at for each in known if not each.held and each.at > whole)]:
        start, end = bisect_right(dated, months_before(at, months)), bisect_right(dated, at)
        if start < end and (share := (held[end] - held[start]) / (end - start)) < least:
            evidence = tuple(Seen(each.at, each.version) for each in known[start:end])
            return Finding(at <= case.now, share, least, evidence, at)
    share_now = m.held_share(known[bisect_right(dated, months_before(case.now, months)) :])
    return unmet("no meeting was due" if share_now is None else share_now, least)


@guard(
    "Nothing to do: an SLA missed three months running brings this.",
    "Rien à faire : un SLA manqué trois mois de suite l'entraîne.",
    reads=SLA,
)
def sla_missed(case: Case) -> Finding:
    """An SLA missed three months running inside the spell."""
    need = case.policy.loosen_sla_months
    missed = sla_missed_running(case, need)
    if missed is None:
        return unmet(0, need)
    return Finding(missed.at <= case.now, len(missed.months), need, missed.months, missed.at)


@guard(
    "Nothing to do: a reference that is withdrawn brings this.",
    "Rien à faire : une référence retirée l'entraîne.",
    reads=(e.ReferenceWithdrawn,),
)
def reference_withdrawn(case: Case) -> Finding:
    """A reference withdrawn since entering."""
    found = [seen for seen in moments(case, *(f"reference.withdrawn/{side}" for side in SIDES)) if case.news(seen)]
    return earliest(case, ((seen, float(len(found)), (seen,)) for seen in found), 1)


@guard(
    "Nothing to do: two years without a testimony, a reference or a joint innovation bring this.",
    "Rien à faire : deux ans sans témoignage, référence ni innovation commune l'entraînent.",
    reads=(e.TestimonyGiven, e.ReferenceGranted, e.InnovationDelivered),
)
def renown_faded(case: Case) -> Finding:
    """24 months in maturity without a testimony, a reference or a joint innovation; a pause does not count."""
    need = case.policy.fade_months
    entered, pauses = _maturity(case.state)
    shown = moments(case, *RENOWN)
    last = max([entered, *(seen.at for seen in shown)])
    base = last + sum((end - max(start, last) for start, end in pauses if end > last), timedelta())
    at = max(months_before(base, -need), case.since)
    months = whole_months(base, case.now)
    return Finding(at <= case.now, f"{months} months", f"{need} months", tuple(shown[-1:]), at)


def _maturity(state: Partnership) -> tuple[datetime, list[tuple[datetime, datetime]]]:
    """The entry into maturity, and the separations since then that were taken back."""
    entered, pauses = state.entered, []
    spells = list(state.spells)
    while len(spells) > 2 and spells[-1].trigger == "reconcile" and spells[-3].state == spells[-1].state:  # noqa: PLR2004
        pauses.append((spells[-2].entered_at, spells[-1].entered_at))
        entered = spells[-3].entered_at
        spells = spells[:-2]
    return entered, pauses
