"""The guards: pure predicates that explain themselves. The routine that explains is the routine that decides.

A guard takes a case and finds: met, actual against required, the events behind it, and, for what facts or time alone
decide, the instant at which it became (or will become) true. Policies name guards by code; a guard whose meaning
changes gets a new code, the old one stays.
"""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from msgspec import Struct

from domain import measures as m
from domain.events import Figure, Verdict
from domain.partnership import Partnership, Seen, between
from domain.policy import Policy
from domain.types import SIDES, Side, months_before, whole_days

EVIDENCE_LIMIT = 20


class Case(Struct, frozen=True, kw_only=True):
    """What a guard judges: a partnership under a policy at an instant, and what the asker said."""

    state: Partnership
    policy: Policy
    now: datetime
    trigger: str
    side: Side | None = None
    reason: str | None = None

    @property
    def since(self) -> datetime:
        """The entry into the current spell."""
        return self.state.entered

    def news(self, at: datetime) -> bool:
        """Whether an instant lies in the current spell; the opening's honeymoon has answered nothing before it."""
        return self.state.first_spell or at > self.since


class Finding(Struct, frozen=True):
    """What a guard found; `at` is when it became true by itself, possibly in the future."""

    met: bool
    actual: Figure
    required: Figure
    evidence: tuple[Seen, ...] = ()
    at: datetime | None = None


class Remedy(Struct, frozen=True):
    """What would meet a guard, one sentence a language."""

    en: str
    fr: str


Guard = Callable[[Case], Finding]
GUARD: dict[str, Guard] = {}
REMEDIES: dict[str, Remedy] = {}


def _guard(en: str, fr: str) -> Callable[[Guard], Guard]:
    """Register a guard under its own name with its remedy in both languages."""

    def register(function: Guard) -> Guard:
        GUARD[function.__name__] = function
        REMEDIES[function.__name__] = Remedy(en, fr)
        return function

    return register


def judge(case: Case) -> list[tuple[str, Finding]]:
    """Every guard of the case's trigger, never only the first."""
    return [(code, GUARD[code](case)) for code in case.policy.guards[case.trigger]]


def verdict(code: str, finding: Finding) -> Verdict:
    """A finding as it is recorded: rounded figures, at most 20 versions and how many there were."""
    versions = sorted({seen.version for seen in finding.evidence})
    return Verdict(
        code=code, met=finding.met, actual=_figure(finding.actual), required=_figure(finding.required),
        evidence=tuple(versions[-EVIDENCE_LIMIT:]), count=len(versions) if len(versions) > EVIDENCE_LIMIT else None,
    )  # fmt: skip


def _figure(figure: Figure) -> Figure:
    if not isinstance(figure, float):
        return figure
    rounded = round(figure, 4)
    return int(rounded) if rounded == int(rounded) else rounded


def _earliest(case: Case, found: Iterable[tuple[datetime, float, tuple[Seen, ...]]], required: float) -> Finding:
    """Met by the earliest of dated findings; the worst figure is shown."""
    dated = sorted(found, key=lambda each: each[0])
    if not dated:
        return Finding(False, 0, required)
    evidence = tuple(seen for _, _, seens in dated for seen in seens)
    at = dated[0][0]
    return Finding(at <= case.now, dated[0][1], required, evidence, max(at, case.since))


# --- what ends an illusion: face_reality and relapse -------------------------------------------------------------------


def _gaps(case: Case, shows: Callable[[m.Gap], bool]) -> list[m.Gap]:
    """Gaps of the current spell: against the first promise in the honeymoon, only news in a relapse (D3)."""
    if case.trigger == "relapse":
        found = list(m.news(case.state, case.now, shows))
    else:
        found = [gap for gap in m.gaps(case.state, case.now) if shows(gap)]
    return [gap for gap in found if case.news(gap.at)]


def _shock(case: Case, shows: Callable[[m.Gap], bool], required: float) -> Finding:
    return _earliest(case, ((gap.at, gap.ratio, gap.seen) for gap in _gaps(case, shows)), required)


@_guard(
    "Nothing to do: a measured delay of at least the policy's multiple of the promised one brings this.",
    "Rien à faire : un délai mesuré d'au moins le multiple prévu du délai promis l'entraîne.",
)
def delay_doubled(case: Case) -> Finding:
    """A measured delay at least twice the promised one."""
    least = case.policy.delay_doubled
    return _shock(case, lambda gap: gap.kind == "delay" and gap.ratio >= least, least)


@_guard(
    "Nothing to do: a budget blown by the policy's ratio brings this.",
    "Rien à faire : un budget dépassé du rapport prévu l'entraîne.",
)
def budget_blown(case: Case) -> Finding:
    """A budget at least 1.30 times the promised one (for the client: at most the promise / 1.30)."""
    least = case.policy.budget_blown
    return _shock(case, lambda gap: gap.kind == "budget" and gap.ratio >= least, least)


@_guard(
    "Nothing to do: a staff half as senior as promised brings this.",
    "Rien à faire : une équipe moitié moins expérimentée que promis l'entraîne.",
)
def seniority_halved(case: Case) -> Finding:
    """Seniority at most half of what was promised."""
    most = case.policy.seniority_halved
    return _shock(case, lambda gap: gap.kind == "seniority" and gap.ratio <= most, most)


@_guard(
    "Nothing to do: a discovery that forces half of the work to be redone brings this.",
    "Rien à faire : une découverte qui oblige à reprendre la moitié du travail l'entraîne.",
)
def rework_half(case: Case) -> Finding:
    """A reality that means redoing at least half."""
    least = case.policy.rework_half
    found = [
        (each.at, each.rework_share, (Seen(each.at, each.version),))
        for each in case.state.realities
        if each.rework_share >= least and each.at <= case.now and case.news(each.at)
    ]
    return _earliest(case, found, least)


@_guard(
    "Nothing to do: several lesser breaches close to each other bring this.",
    "Rien à faire : plusieurs manquements mineurs rapprochés l'entraînent.",
)
def lesser_breaches(case: Case) -> Finding:
    """Two lesser breaches on different matters within 180 days."""
    need, window = case.policy.lesser_breaches, timedelta(days=case.policy.lesser_breaches_days)
    dated = sorted(_lesser(case))
    best: tuple[Seen, ...] = ()
    for number, (at, _, _) in enumerate(dated):
        near = {subject: seen for when, subject, seen in dated[: number + 1] if when >= at - window}
        evidence = tuple(seen for seens in near.values() for seen in seens)
        if len(near) >= need:
            return Finding(at <= case.now, len(near), need, evidence, max(at, case.since))
        best = max(best, evidence, key=len)
    return Finding(False, min(len(best), need - 1), need, best)


def _lesser(case: Case) -> list[tuple[datetime, str, tuple[Seen, ...]]]:
    policy = case.policy

    def shows(gap: m.Gap) -> bool:
        match gap.kind:
            case "delay":
                return gap.ratio >= policy.lesser_delay
            case "budget":
                return gap.ratio >= policy.lesser_budget
            case kind:
                return kind == "named_staff" and gap.ratio < 1.0

    found = [(gap.at, gap.subject, gap.seen) for gap in _gaps(case, shows)]
    return found + [
        (each.at, f"reality/{each.version}", (Seen(each.at, each.version),))
        for each in case.state.realities
        if each.about in ("legacy", "process") and each.at <= case.now and case.news(each.at)
    ]


@_guard(
    "Nothing to do: an open threat to end the contract brings this.",
    "Rien à faire : une menace de résiliation non retirée l'entraîne.",
)
def threat_open(case: Case) -> Finding:
    """A threat of this spell that nobody has withdrawn."""
    open_ones = [seen for _, seen in m.open_threats(case.state, case.now) if case.news(seen.at)]
    found = ((seen.at, float(len(open_ones)), (seen,)) for seen in open_ones)
    return _earliest(case, found, 1)


@_guard(
    "Nothing to do: two years with a known gap bring this; measure the promises to know.",
    "Rien à faire : deux ans avec un écart connu l'entraînent ; mesurez les promesses pour savoir.",
)
def honeymoon_over(case: Case) -> Finding:
    """730 days in the stage and at least one known gap."""
    over = case.since + timedelta(days=case.policy.honeymoon_days)
    gaps = [(gap.at, gap.seen) for gap in _gaps(case, _any_gap)]
    gaps += [(each.at, (Seen(each.at, each.version),)) for each in case.state.realities if each.at <= case.now]
    known = sorted((at, seen) for at, seen in gaps if case.news(at))
    days = whole_days(case.since, case.now)
    if not known:
        return Finding(False, f"{days} days, no known gap", f"{case.policy.honeymoon_days} days and a gap")
    at = max(over, known[0][0])
    return Finding(at <= case.now, days, case.policy.honeymoon_days, known[0][1], at)


def _any_gap(gap: m.Gap) -> bool:
    return gap.ratio > 1.0 if gap.kind in ("delay", "budget") else gap.ratio < 1.0


@_guard(
    "Nothing to do: a reality that was concealed brings this.",
    "Rien à faire : une réalité dissimulée l'entraîne.",
)
def reality_concealed(case: Case) -> Finding:
    """A concealed reality that came to light in this spell."""
    found = [
        (each.at, 1.0, (Seen(each.at, each.version),))
        for each in case.state.realities
        if each.concealed and each.at <= case.now and case.news(each.at)
    ]
    return _earliest(case, found, 1)


@_guard(
    "Nothing to do: meetings missed running while the SLA is missed running bring this.",
    "Rien à faire : des réunions manquées de suite alors que le SLA est manqué de suite l'entraînent.",
)
def meetings_and_sla_missed(case: Case) -> Finding:
    """Two meetings missed running (one level) and an SLA missed two months running, all inside the spell.

    A relapse of power sharing only (DOMAIN 4).
    """
    need = f"{case.policy.missed_meetings_running} meetings and {case.policy.relapse_sla_months} months"
    if case.state.state != "power_sharing":
        return Finding(False, "asked in power sharing only", need)
    meetings = _missed_running(case, case.policy.missed_meetings_running)
    months = _sla_missed_running(case, case.policy.relapse_sla_months)
    actual = f"{len(meetings)} meetings and {len(months)} months"
    if not meetings or not months:
        return Finding(False, actual, need, (*meetings, *months))
    at = max(seen.at for seen in (*meetings, *months))
    return Finding(at <= case.now, actual, need, (*meetings, *months), at)


def _missed_running(case: Case, need: int) -> tuple[Seen, ...]:
    for level in case.state.meetings.values():
        latest = [each for each in level if case.since < each.at <= case.now][-need:]
        if len(latest) == need and not any(each.held for each in latest):
            return tuple(Seen(each.at, each.version) for each in latest)
    return ()


def _sla_missed_running(case: Case, need: int) -> tuple[Seen, ...]:
    """The months of the first SLA in force that was missed so many months running, wholly inside the spell."""
    for sla, term in m.slas_in_force(case.state, case.now).values():
        latest = m.running(m.months_of(sla, case.now, case.since), need)
        target = m.negotiated_target(sla, case.now)
        if latest and not any(m.attained(month, target if target is not None else term.target) for month in latest):
            return tuple(Seen(month.at, month.version) for month in latest)
    return ()


# --- what loosens and fades ----------------------------------------------------------------------------------------------


@_guard(
    "Nothing to do: fewer than half of the meetings held over two quarters bring this.",
    "Rien à faire : moins de la moitié des réunions tenues sur deux trimestres l'entraînent.",
)
def cadence_lapsed(case: Case) -> Finding:
    """Held / due below 0.50 over two quarters inside the spell."""
    months, least = case.policy.loosen_cadence_months, case.policy.loosen_cadence_share
    whole = months_before(case.since, -months)
    known = m.meetings(case.state, case.since, case.now)
    instants = [whole, *(each.at for each in known if not each.held and each.at > whole)]
    for at in instants:
        window = [each for each in known if months_before(at, months) < each.at <= at]
        share = m.held_share(window)
        if share is not None and share < least:
            return Finding(at <= case.now, share, least, tuple(Seen(each.at, each.version) for each in window), at)
    share = m.held_share(m.meetings(case.state, months_before(case.now, months), case.now))
    return Finding(False, "no meeting was due" if share is None else share, least)


@_guard(
    "Nothing to do: an SLA missed three months running brings this.",
    "Rien à faire : un SLA manqué trois mois de suite l'entraîne.",
)
def sla_missed(case: Case) -> Finding:
    """An SLA missed three months running inside the spell."""
    need = case.policy.loosen_sla_months
    months = _sla_missed_running(case, need)
    at = max((seen.at for seen in months), default=None)
    return Finding(at is not None and at <= case.now, len(months), need, months, at)


@_guard(
    "Nothing to do: a reference that is withdrawn brings this.",
    "Rien à faire : une référence retirée l'entraîne.",
)
def reference_withdrawn(case: Case) -> Finding:
    """A reference withdrawn since entering."""
    withdrawn = [
        seen
        for side in SIDES
        for seen in case.state.moments.get(f"reference.withdrawn/{side}", ())
        if seen.at <= case.now and case.news(seen.at)
    ]
    return _earliest(case, ((seen.at, float(len(withdrawn)), (seen,)) for seen in withdrawn), 1)


@_guard(
    "Nothing to do: two years without a testimony, a reference or a joint innovation bring this.",
    "Rien à faire : deux ans sans témoignage, référence ni innovation commune l'entraînent.",
)
def renown_faded(case: Case) -> Finding:
    """24 months in maturity without a testimony, a reference or a joint innovation; a pause does not count."""
    entered, pause = _maturity(case.state)
    shown = [seen for seen in _renown(case) if seen.at <= case.now]
    last = max((seen.at for seen in shown), default=entered)
    base = max(last, entered) + (pause if last < case.since else timedelta())
    at = max(months_before(base, -case.policy.fade_months), case.since)
    months = (case.now - base).days // 30
    return Finding(at <= case.now, f"{max(months, 0)} months", f"{case.policy.fade_months} months", tuple(shown[-1:]), at)


def _renown(case: Case) -> list[Seen]:
    keys = ("testimony.given", "innovation.delivered/joint", *(f"reference.granted/{side}" for side in SIDES))
    return sorted(seen for key in keys for seen in case.state.moments.get(key, ()))


def _maturity(state: Partnership) -> tuple[datetime, timedelta]:
    """The entry into maturity, and how long the separations since then paused it."""
    entered, pause = state.entered, timedelta()
    spells = state.spells
    for number in range(len(spells) - 1, 1, -1):
        if spells[number].trigger != "reconcile" or spells[number - 2].state != spells[number].state:
            break
        pause += spells[number].entered_at - spells[number - 1].entered_at
        entered = spells[number - 2].entered_at
    return entered, pause


# --- what people decide: share_power -------------------------------------------------------------------------------------


def _since_entering(case: Case, key: str) -> Finding:
    found = between(case.state.moments.get(key, ()), case.since, case.now)
    return Finding(bool(found), len(found), 1, tuple(found))


def _both_sides(case: Case, key: str, start: datetime | None = None) -> Finding:
    """One mark a side, from start (or ever) up to now."""
    by_side = {
        side: [seen for seen in case.state.moments.get(f"{key}/{side}", ()) if seen.at <= case.now and (start is None or seen.at >= start)]
        for side in SIDES
    }
    sides = [side for side, found in by_side.items() if found]
    evidence = tuple(seen for found in by_side.values() for seen in found[-1:])
    return Finding(len(sides) == len(SIDES), " and ".join(sides) or "nobody", "client and partner", evidence)


@_guard(
    "Renegotiate a real budget and record budget.renegotiated.",
    "Renégociez un vrai budget et enregistrez budget.renegotiated.",
)
def budget_renegotiated(case: Case) -> Finding:
    """A budget renegotiated since entering the stage."""
    return _since_entering(case, "budget.renegotiated")


@_guard(
    "Agree on the priorities and record priorities.agreed.",
    "Convenez des priorités et enregistrez priorities.agreed.",
)
def priorities_agreed(case: Case) -> Finding:
    """Priorities agreed since entering the stage."""
    return _since_entering(case, "priorities.agreed")


@_guard(
    "Decide what is kept and what is given up and record tradeoff.decided.",
    "Décidez de ce qui est gardé et abandonné et enregistrez tradeoff.decided.",
)
def tradeoff_decided(case: Case) -> Finding:
    """A trade-off decided since entering the stage."""
    return _since_entering(case, "tradeoff.decided")


@_guard(
    "Each side acknowledges a constraint of the other: record constraint.acknowledged for client and partner.",
    "Chaque partie reconnaît une contrainte de l'autre : enregistrez constraint.acknowledged pour client et partner.",
)
def constraints_acknowledged(case: Case) -> Finding:
    """Both sides acknowledged a constraint; it stands through relapses."""
    return _both_sides(case, "constraint.acknowledged")


@_guard(
    "Each side records what it did wrong itself: self_review.recorded for client and partner within the last 180 days.",
    "Chaque partie note sa propre part : self_review.recorded pour client et partner dans les 180 derniers jours.",
)
def self_reviews(case: Case) -> Finding:
    """Both sides reviewed themselves within 180 days: each owns 100 % of its own part."""
    return _both_sides(case, "self_review.recorded", case.now - timedelta(days=case.policy.self_review_days))


@_guard(
    "The side that threatened withdraws it: record threat.withdrawn.",
    "La partie qui a menacé retire sa menace : enregistrez threat.withdrawn.",
)
def no_threat_open(case: Case) -> Finding:
    """No threat is open."""
    found = tuple(seen for _, seen in m.open_threats(case.state, case.now))
    return Finding(not found, len(found), 0, found)


@_guard(
    "Negotiate at least one SLA, and every imposed one under its own id: record sla.negotiated.",
    "Négociez au moins un SLA, et chaque SLA imposé sous son identifiant : enregistrez sla.negotiated.",
)
def sla_negotiated(case: Case) -> Finding:
    """At least one SLA in force, and none that was only imposed."""
    terms = [term for _, term in m.slas_in_force(case.state, case.now).values()]
    evidence = tuple(Seen(term.at, term.version) for term in terms)
    imposed = sum(term.how == "imposed" for term in terms)
    actual = f"{len(terms) - imposed} negotiated, {imposed} imposed" if terms else "no SLA in force"
    return Finding(bool(terms) and not imposed, actual, "at least 1 negotiated, 0 imposed", evidence)


# --- what people decide: commit --------------------------------------------------------------------------------------------


@_guard(
    "Each side signs for itself: record commitment.formalised for client and partner.",
    "Chaque partie signe pour elle-même : enregistrez commitment.formalised pour client et partner.",
)
def commitment_formalised(case: Case) -> Finding:
    """Both sides formalised their commitment."""
    return _both_sides(case, "commitment.formalised")


@_guard(
    "Reach every negotiated SLA target three months running (or five of the last six) and record sla.measured.",
    "Atteignez chaque objectif de SLA négocié trois mois de suite (ou cinq des six derniers) et enregistrez sla.measured.",
)
def sla_kept(case: Case) -> Finding:
    """Every SLA in force reached its negotiated target in the latest 3 months running, or in 5 of the last 6."""
    policy = case.policy
    required = f"{policy.sla_months_running} months running or {policy.sla_months_kept} of {policy.sla_months_window}"
    in_force = m.slas_in_force(case.state, case.now)
    if not in_force:
        return Finding(False, "no SLA in force", required)
    start = months_before(case.now, policy.sla_months_window + 1)
    worst: tuple[int, Finding] | None = None
    for key, (sla, _) in sorted(in_force.items()):
        target = m.negotiated_target(sla, case.now)
        months = m.months_of(sla, case.now, start)[-policy.sla_months_window :]
        kept = [month for month in months if target is not None and m.attained(month, target)]
        latest = m.running(months, policy.sla_months_running)
        met = (bool(latest) and all(month in kept for month in latest)) or len(kept) >= policy.sla_months_kept
        evidence = tuple(Seen(month.at, month.version) for month in months)
        finding = Finding(met, f"{key}: {len(kept)} of {len(months)} months kept", required, evidence)
        if not met:
            return finding
        worst = min(worst or (len(kept), finding), (len(kept), finding), key=lambda each: each[0])
    return worst[1] if worst else Finding(False, "no SLA in force", required)


def _cadence(case: Case, months: int) -> Finding:
    least = case.policy.cadence_share
    agreed = [Seen(each.at, each.version) for level in case.state.cadences.values() for each in level]
    if not any(seen.at <= case.now for seen in agreed):
        return Finding(False, "no cadence agreed", least)
    known = m.meetings(case.state, months_before(case.now, months), case.now)
    share = m.held_share(known)
    evidence = tuple(Seen(each.at, each.version) for each in known)
    if share is None:
        return Finding(False, "no meeting held or due", least, tuple(agreed))
    return Finding(share >= least, share, least, evidence)


@_guard(
    "Agree a cadence (cadence.agreed) and hold at least 80 % of its meetings (meeting.held).",
    "Convenez d'un rythme (cadence.agreed) et tenez au moins 80 % de ses réunions (meeting.held).",
)
def cadence_kept(case: Case) -> Finding:
    """Held / due at least 0.80, over 6 months for `commit` and 12 for `mature`."""
    longer = case.trigger == "mature"
    return _cadence(case, case.policy.mature_cadence_months if longer else case.policy.cadence_months)


@_guard(
    "Overcome a crisis together (crisis.overcome), or stay 24 months without one.",
    "Surmontez une crise ensemble (crisis.overcome), ou restez 24 mois sans crise.",
)
def crisis_survived(case: Case) -> Finding:
    """At least one crisis overcome, or 24 months in the stage and none opened."""
    crises = case.state.matters.get("crisis", {}).values()
    overcome = [each.closed for each in crises if each.closed and not each.failed and each.closed.at <= case.now]
    required = f"1 overcome or {case.policy.crisis_free_months} months without"
    if overcome:
        return Finding(True, f"{len(overcome)} overcome", required, tuple(overcome))
    opened = [each.opened for each in crises if each.opened and case.since <= each.opened.at <= case.now]
    calm = case.now >= months_before(case.since, -case.policy.crisis_free_months)
    return Finding(calm and not opened, f"0 overcome, {len(opened)} opened", required, tuple(opened))


@_guard(
    "Each side maps the strengths and weaknesses of the other: record knowledge.mapped for client and partner.",
    "Chaque partie décrit les forces et faiblesses de l'autre : enregistrez knowledge.mapped pour client et partner.",
)
def knowledge_mapped(case: Case) -> Finding:
    """Both sides mapped what they know of each other."""
    return _both_sides(case, "knowledge.mapped")


@_guard(
    "When a dispute is settled or a crisis overcome, record the own part of each side in own_parts.",
    "Quand un litige est réglé ou une crise surmontée, notez la part de chaque partie dans own_parts.",
)
def own_parts_recorded(case: Case) -> Finding:
    """Each side recorded its own part in at least 0.80 of the closed disputes and crises."""
    closed = [
        matter
        for kind in ("dispute", "crisis")
        for matter in case.state.matters.get(kind, {}).values()
        if matter.closed and matter.closed.at <= case.now and not matter.failed
    ]
    least = case.policy.own_parts_share
    if not closed:
        return Finding(True, "no dispute or crisis closed", least)
    worst = min(sum(side in matter.own_parts for matter in closed) / len(closed) for side in SIDES)
    return Finding(worst >= least, worst, least, tuple(matter.closed for matter in closed if matter.closed))


@_guard(
    "Pay at least 95 % of the amounts by their due day (invoice.paid).",
    "Payez au moins 95 % des montants à l'échéance (invoice.paid).",
)
def payments_punctual(case: Case) -> Finding:
    """At least 0.95 by amount over 12 months; the worst currency counts."""
    least = case.policy.punctual_share
    start = months_before(case.now, case.policy.punctual_months)
    # A day is over before it counts against anyone.
    end = (case.now - timedelta(days=1)).date()
    found = m.punctuality(case.state, case.policy, start.date(), end)
    if not any(found.due.values()):
        return Finding(True, "no invoice fell due", least)
    worst = min(found.punctual.get(currency, 0) / amount for currency, amount in found.due.items() if amount)
    return Finding(worst >= least, worst, least, found.evidence)


def _none_open(case: Case, kind: str) -> Finding:
    found = tuple(each.opened for each in m.open_matters(case.state, kind, case.now).values() if each.opened)
    return Finding(not found, len(found), 0, found)


@_guard(
    "Settle the open disputes: record dispute.settled.",
    "Réglez les litiges ouverts : enregistrez dispute.settled.",
)
def no_dispute_open(case: Case) -> Finding:
    """No dispute is open."""
    return _none_open(case, "dispute")


@_guard(
    "Overcome the open crises: record crisis.overcome.",
    "Surmontez les crises ouvertes : enregistrez crisis.overcome.",
)
def no_crisis_open(case: Case) -> Finding:
    """No crisis is open (D17)."""
    return _none_open(case, "crisis")


# --- what people decide: mature ----------------------------------------------------------------------------------------------


@_guard(
    "Wait: the first contract must be three years old.",
    "Patientez : le premier contrat doit avoir trois ans.",
)
def partnership_age(case: Case) -> Finding:
    """At least 3 years since the first contract."""
    years = case.policy.partnership_years
    contracts = case.state.moments.get("contract/start", ())
    if not contracts or contracts[0].at > case.now:
        return Finding(False, "no contract signed", f"{years} years")
    age = whole_days(contracts[0].at, case.now)
    met = months_before(contracts[0].at, -12 * years) <= case.now
    return Finding(met, f"{age} days", f"{years} years", (contracts[0],))


@_guard(
    "Wait: twelve months in commitment are needed.",
    "Patientez : douze mois d'engagement sont nécessaires.",
)
def time_in_commitment(case: Case) -> Finding:
    """At least 12 months in commitment."""
    months = case.policy.commitment_months
    met = months_before(case.since, -months) <= case.now
    return Finding(met, f"{whole_days(case.since, case.now)} days", f"{months} months")


@_guard(
    "Speak of it together: record testimony.given or reference.granted.",
    "Témoignez ensemble : enregistrez testimony.given ou reference.granted.",
)
def made_public(case: Case) -> Finding:
    """A testimony, or a reference that stands."""
    found = [seen for seen in case.state.moments.get("testimony.given", ()) if seen.at <= case.now]
    for side in SIDES:
        withdrawn = [seen.at for seen in case.state.moments.get(f"reference.withdrawn/{side}", ()) if seen.at <= case.now]
        last = max(withdrawn, default=None)
        granted = case.state.moments.get(f"reference.granted/{side}", ())
        found += [seen for seen in granted if seen.at <= case.now and (last is None or seen.at > last)]
    return Finding(bool(found), len(found), 1, tuple(found))


@_guard(
    "Deliver something new together: record innovation.delivered with joint = true.",
    "Innovez ensemble : enregistrez innovation.delivered avec joint = true.",
)
def innovated_together(case: Case) -> Finding:
    """At least one joint innovation."""
    found = [seen for seen in case.state.moments.get("innovation.delivered/joint", ()) if seen.at <= case.now]
    return Finding(bool(found), len(found), 1, tuple(found))


# --- what people decide: separation --------------------------------------------------------------------------------------------


@_guard(
    "Say why: give one of the reasons (technology, strategy, acquisition, performance, breach, cost, insolvency, mutual, other).",
    "Dites pourquoi : donnez un des motifs (technology, strategy, acquisition, performance, breach, cost, insolvency, mutual, other).",
)
def reason_given(case: Case) -> Finding:
    """A reason is given."""
    return Finding(case.reason is not None, case.reason or "none", "a reason")


@_guard(
    "The partnership is critical: record how you would leave it (exit_plan.recorded).",
    "Le partenariat est critique : décrivez comment en sortir (exit_plan.recorded).",
)
def exit_plan_recorded(case: Case) -> Finding:
    """An exit plan, where the partnership is critical."""
    found = tuple(seen for seen in case.state.moments.get("exit_plan.recorded", ()) if seen.at <= case.now)
    if not case.state.critical:
        return Finding(True, "not critical", "an exit plan if critical", found)
    return Finding(bool(found), len(found), 1, found)


def _step(case: Case, step: str) -> Finding:
    """A handover step since the current separation was decided; nothing to hand over without a contract (D10)."""
    if not case.state.moments.get("contract/start"):
        return Finding(True, "no contract was ever signed", step)
    decided = case.state.separation
    start = decided.at if decided else case.since
    found = between(case.state.moments.get(f"handover.completed/{step}", ()), start, case.now)
    return Finding(bool(found), "completed" if found else "open", step, tuple(found))


@_guard(
    "Give the data back: record handover.completed with step data_returned.",
    "Restituez les données : enregistrez handover.completed avec step data_returned.",
)
def data_returned(case: Case) -> Finding:
    """The data came back."""
    return _step(case, "data_returned")


@_guard(
    "Close the accesses: record handover.completed with step access_revoked.",
    "Fermez les accès : enregistrez handover.completed avec step access_revoked.",
)
def access_revoked(case: Case) -> Finding:
    """Accesses are closed."""
    return _step(case, "access_revoked")


@_guard(
    "Settle the invoices: record handover.completed with step invoices_settled.",
    "Soldez les factures : enregistrez handover.completed avec step invoices_settled.",
)
def invoices_settled(case: Case) -> Finding:
    """Invoices are settled."""
    return _step(case, "invoices_settled")


@_guard(
    "The partnership is critical: record handover.completed with step knowledge_transferred.",
    "Le partenariat est critique : enregistrez handover.completed avec step knowledge_transferred.",
)
def knowledge_transferred(case: Case) -> Finding:
    """Knowledge was transferred, where the partnership is critical."""
    if not case.state.critical:
        return Finding(True, "not critical", "knowledge_transferred if critical")
    return _step(case, "knowledge_transferred")


@_guard(
    "Only the side that decided to separate can take it back: ask with that side.",
    "Seule la partie qui a décidé la séparation peut y revenir : demandez avec cette partie.",
)
def asked_by_decider(case: Case) -> Finding:
    """The side that decided to separate asks."""
    decided = case.state.separation
    if decided is None:
        return Finding(True, case.side or "nobody", "either side (the separation was forced)")
    return Finding(case.side == decided.side, case.side or "nobody", decided.side, (Seen(decided.at, decided.version),))


