"""What ends an illusion: the guards of `face_reality`, and those that throw back into the struggle (`relapse`)."""

from collections.abc import Callable
from datetime import datetime, timedelta

from domain import events as e
from domain import measures as m
from domain.guards.case import Case, Finding, earliest, guard, unmet
from domain.guards.wear import SLA, missed_meetings, sla_missed_running
from domain.machine import POWER_SHARING
from domain.partnership import Seen
from domain.partnership.values import Reality
from domain.types import whole_days

PROMISES = (e.PromiseMade, e.PromiseRevised, e.PromiseMeasured, e.BudgetRenegotiated)


def _shaken(case: Case) -> bool:
    """Whether shocks count here: a commitment falls only by a threat or by what was concealed (DOMAIN 4)."""
    return case.trigger != "relapse" or case.state.state == POWER_SHARING


def _gaps(case: Case, shows: Callable[[m.Gap], bool]) -> list[m.Gap]:
    """Gaps of the current spell: against the first promise in the honeymoon, only news in a relapse (D3)."""
    if not _shaken(case):
        return []
    if case.trigger == "relapse":
        return [gap for gap in m.news(case.state, case.now, shows) if case.news(max(gap.seen))]
    if "gaps" not in case.memo:
        case.memo["gaps"] = [gap for gap in m.gaps(case.state, case.now) if case.news(max(gap.seen))]
    return [gap for gap in case.memo["gaps"] if shows(gap)]


def _shock(case: Case, shows: Callable[[m.Gap], bool], required: float) -> Finding:
    return earliest(case, ((max(gap.seen), gap.ratio, gap.seen) for gap in _gaps(case, shows)), required)


def _realities(case: Case, shows: Callable[[Reality], bool]) -> list[Seen]:
    """Realities of the current spell that show something."""
    known = ((Seen(each.at, each.version), each) for each in case.state.realities if each.at <= case.now)
    return [seen for seen, each in known if shows(each) and case.news(seen)]


@guard(
    "Nothing to do: a measured delay of at least the policy's multiple of the promised one brings this.",
    "Rien à faire : un délai mesuré d'au moins le multiple prévu du délai promis l'entraîne.",
    reads=PROMISES,
)
def delay_doubled(case: Case) -> Finding:
    """A measured delay at least twice the promised one."""
    least = case.policy.delay_doubled
    return _shock(case, lambda gap: gap.kind == "delay" and gap.ratio >= least, least)


@guard(
    "Nothing to do: a budget blown by the policy's ratio brings this.",
    "Rien à faire : un budget dépassé du rapport prévu l'entraîne.",
    reads=PROMISES,
)
def budget_blown(case: Case) -> Finding:
    """A budget at least 1.30 times the promised one (for the client: at most the promise / 1.30)."""
    least = case.policy.budget_blown
    return _shock(case, lambda gap: gap.kind == "budget" and gap.ratio >= least, least)


@guard(
    "Nothing to do: a staff half as senior as promised brings this.",
    "Rien à faire : une équipe moitié moins expérimentée que promis l'entraîne.",
    reads=PROMISES,
)
def seniority_halved(case: Case) -> Finding:
    """Seniority at most half of what was promised."""
    most = case.policy.seniority_halved
    return _shock(case, lambda gap: gap.kind == "seniority" and gap.ratio <= most, most)


@guard(
    "Nothing to do: a discovery that forces half of the work to be redone brings this.",
    "Rien à faire : une découverte qui oblige à reprendre la moitié du travail l'entraîne.",
    reads=(e.RealityDiscovered,),
)
def rework_half(case: Case) -> Finding:
    """A reality that means redoing at least half."""
    least = case.policy.rework_half
    shares = {Seen(each.at, each.version): each.rework_share for each in case.state.realities}
    found = _realities(case, lambda reality: reality.rework_share >= least) if _shaken(case) else []
    return earliest(case, ((seen, shares[seen], (seen,)) for seen in found), least)


@guard(
    "Nothing to do: several lesser breaches close to each other bring this.",
    "Rien à faire : plusieurs manquements mineurs rapprochés l'entraînent.",
    reads=(*PROMISES, e.RealityDiscovered),
)
def lesser_breaches(case: Case) -> Finding:
    """Two lesser breaches on different matters within 180 days."""
    need, window = case.policy.lesser_breaches, timedelta(days=case.policy.lesser_breaches_days)
    dated = sorted(_lesser(case))
    most, best = 0, tuple[Seen, ...]()
    for number, (last, _, _) in enumerate(dated):
        near = {subject: seen for when, subject, seen in dated[: number + 1] if when.at >= last.at - window}
        evidence = tuple(seen for seens in near.values() for seen in seens)
        if len(near) >= need:
            return Finding(last.at <= case.now, len(near), need, evidence, max(last.at, case.since))
        if len(near) > most:
            most, best = len(near), evidence
    return unmet(most, need, best)


def _lesser(case: Case) -> list[tuple[Seen, str, tuple[Seen, ...]]]:
    found = [(max(gap.seen), gap.subject, gap.seen) for gap in _gaps(case, lambda gap: _shows_lesser(case, gap))]
    realities = _realities(case, lambda reality: _shaken(case) and reality.about in ("legacy", "process"))
    return found + [(seen, f"reality/{seen.version}", (seen,)) for seen in realities]


def _shows_lesser(case: Case, gap: m.Gap) -> bool:
    match gap.kind:
        case "delay":
            return gap.ratio >= case.policy.lesser_delay
        case "budget":
            return gap.ratio >= case.policy.lesser_budget
        case kind:
            return kind == "named_staff" and gap.ratio < 1.0


@guard(
    "Nothing to do: an open threat to end the contract brings this.",
    "Rien à faire : une menace de résiliation non retirée l'entraîne.",
    reads=(e.TerminationThreatened, e.ThreatWithdrawn),
)
def threat_open(case: Case) -> Finding:
    """A threat of this spell that nobody has withdrawn."""
    found = [seen for _, seen in m.open_threats(case.state, case.now) if case.news(seen)]
    return earliest(case, ((seen, float(len(found)), (seen,)) for seen in found), 1)


@guard(
    "Nothing to do: two years with a known gap bring this; measure the promises to know.",
    "Rien à faire : deux ans avec un écart connu l'entraînent ; mesurez les promesses pour savoir.",
    reads=(*PROMISES, e.RealityDiscovered),
)
def honeymoon_over(case: Case) -> Finding:
    """730 days in the stage and at least one known gap."""
    need, days = case.policy.honeymoon_days, whole_days(case.since, case.now)
    known = [(max(gap.seen), gap.seen) for gap in _gaps(case, _any_gap)]
    known += [(seen, (seen,)) for seen in _realities(case, lambda _: True)]
    if not known:
        return unmet(f"{days} days, no known gap", f"{need} days and a gap")
    first, evidence = min(known)
    at = max(case.since + timedelta(days=need), first.at)
    return Finding(at <= case.now, days, need, evidence, at)


def _any_gap(gap: m.Gap) -> bool:
    return gap.ratio > 1.0 if gap.kind in ("delay", "budget") else gap.ratio < 1.0


@guard(
    "Nothing to do: a reality that was concealed brings this.",
    "Rien à faire : une réalité dissimulée l'entraîne.",
    reads=(e.RealityDiscovered,),
)
def reality_concealed(case: Case) -> Finding:
    """A concealed reality that came to light in this spell."""
    found = _realities(case, lambda reality: reality.concealed)
    return earliest(case, ((seen, 1.0, (seen,)) for seen in found), 1)


@guard(
    "Nothing to do: meetings missed running while the SLA is missed running bring this.",
    "Rien à faire : des réunions manquées de suite alors que le SLA est manqué de suite l'entraînent.",
    reads=(e.MeetingHeld, e.MeetingMissed, *SLA),
)
def meetings_and_sla_missed(case: Case) -> Finding:
    """Two meetings missed running (one level) and an SLA missed two months running, all inside the spell.

    A relapse of power sharing only (DOMAIN 4).
    """
    need = f"{case.policy.missed_meetings_running} meetings and {case.policy.relapse_sla_months} months"
    if case.state.state != POWER_SHARING:
        return unmet("asked in power sharing only", need)
    meetings = missed_meetings(case, case.policy.missed_meetings_running)
    missed = sla_missed_running(case, case.policy.relapse_sla_months)
    months = missed.months if missed else ()
    actual = f"{len(meetings)} meetings and {len(months)} months"
    if not meetings or missed is None:
        return unmet(actual, need, (*meetings, *months))
    at: datetime = max(missed.at, *(seen.at for seen in meetings))
    return Finding(at <= case.now, actual, need, (*meetings, *months), at)
