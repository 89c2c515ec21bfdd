"""What a commitment rests on: the guards of `commit`, and the cadence that `mature` asks for too."""

from datetime import timedelta

from domain import events as e
from domain import measures as m
from domain.guards.case import Case, Finding, both_sides, guard, met, unmet
from domain.guards.wear import SLA
from domain.partnership import Seen
from domain.partnership.matters import matters
from domain.partnership.values import Sla
from domain.types import SIDES, months_before

CRISES = (e.CrisisOpened, e.CrisisOvercome, e.CrisisFailed)
DISPUTES = (e.DisputeOpened, e.DisputeSettled)


@guard(
    "Each side signs for itself: record commitment.formalised for client and partner.",
    "Chaque partie signe pour elle-même : enregistrez commitment.formalised pour client et partner.",
    reads=(e.CommitmentFormalised,),
)
def commitment_formalised(case: Case) -> Finding:
    """Both sides formalised their commitment."""
    return both_sides(case, "commitment.formalised")


@guard(
    "Reach every negotiated SLA target three months running (or five of the last six) and record sla.measured.",
    "Atteignez chaque objectif de SLA négocié trois mois de suite (ou cinq sur six) et enregistrez sla.measured.",
    reads=SLA,
)
def sla_kept(case: Case) -> Finding:
    """Every SLA in force reached its negotiated target in the latest 3 months running, or in 5 of the last 6."""
    policy = case.policy
    required = f"{policy.sla_months_running} months running or {policy.sla_months_kept} of {policy.sla_months_window}"
    found = [_kept(case, key, sla, required) for key, (sla, _) in m.slas_in_force(case.state, case.now).items()]
    if not found:
        return unmet("no SLA in force", required)
    _, worst = min(found, key=lambda each: (each[1].met, each[0]))
    return worst


def _kept(case: Case, key: str, sla: Sla, required: str) -> tuple[int, Finding]:
    """How many of the last months one SLA was kept, and whether that is enough."""
    policy = case.policy
    target = m.negotiated_target(sla, case.now)
    start = months_before(case.now, policy.sla_months_window + 1)
    months = m.months_over(sla, start, case.now)[-policy.sla_months_window :]
    kept = [month for month in months if target is not None and m.attained(month, target)]
    latest = m.running(months, policy.sla_months_running)
    enough = (bool(latest) and all(month in kept for month in latest)) or len(kept) >= policy.sla_months_kept
    evidence = tuple(Seen(month.at, month.version) for month in months)
    return len(kept), Finding(enough, f"{key}: {len(kept)} of {len(months)} months kept", required, evidence)


@guard(
    "Agree a cadence (cadence.agreed) and hold at least 80 % of its meetings (meeting.held).",
    "Convenez d'un rythme (cadence.agreed) et tenez au moins 80 % de ses réunions (meeting.held).",
    reads=(e.CadenceAgreed, e.MeetingHeld, e.MeetingMissed),
)
def cadence_kept(case: Case) -> Finding:
    """Held / due at least 0.80, over 6 months for `commit` and 12 for `mature`."""
    policy = case.policy
    months, least = policy.cadence_months, policy.cadence_share
    if case.trigger == "mature":
        months = policy.mature_cadence_months
    agreed = [Seen(each.at, each.version) for level in case.state.cadences.values() for each in level]
    if not any(seen.at <= case.now for seen in agreed):
        return unmet("no cadence agreed", least)
    known = m.meetings(case.state, months_before(case.now, months), case.now)
    share = m.held_share(known)
    if share is None:
        return unmet("no meeting held or due", least, tuple(agreed))
    return Finding(share >= least, share, least, tuple(Seen(each.at, each.version) for each in known))


@guard(
    "Overcome a crisis together (crisis.overcome), or stay 24 months without one.",
    "Surmontez une crise ensemble (crisis.overcome), ou restez 24 mois sans crise.",
    reads=CRISES,
)
def crisis_survived(case: Case) -> Finding:
    """At least one crisis overcome, or 24 months in the stage and none opened."""
    crises = case.state.crises.values()
    overcome = [each.closed for each in crises if each.closed and not each.failed and each.closed.at <= case.now]
    required = f"1 overcome or {case.policy.crisis_free_months} months without"
    if overcome:
        return met(f"{len(overcome)} overcome", required, tuple(overcome))
    opened = [each.opened for each in crises if each.opened and case.since <= each.opened.at <= case.now]
    calm = case.now >= months_before(case.since, -case.policy.crisis_free_months)
    return Finding(calm and not opened, f"0 overcome, {len(opened)} opened", required, tuple(opened))


@guard(
    "Each side maps the strengths and weaknesses of the other: record knowledge.mapped for client and partner.",
    "Chaque partie décrit les forces et faiblesses de l'autre : enregistrez knowledge.mapped pour client et partner.",
    reads=(e.KnowledgeMapped,),
)
def knowledge_mapped(case: Case) -> Finding:
    """Both sides mapped what they know of each other."""
    return both_sides(case, "knowledge.mapped")


@guard(
    "When a dispute is settled or a crisis overcome, record the own part of each side in own_parts.",
    "Quand un litige est réglé ou une crise surmontée, notez la part de chaque partie dans own_parts.",
    reads=(*CRISES, *DISPUTES),
)
def own_parts_recorded(case: Case) -> Finding:
    """Each side recorded its own part in at least 0.80 of the closed disputes and crises."""
    closed = [
        (matter.closed, matter.own_parts)
        for kind in ("dispute", "crisis")
        for matter in matters(case.state, kind).values()
        if matter.closed and matter.closed.at <= case.now and not matter.failed
    ]
    least = case.policy.own_parts_share
    if not closed:
        return met("no dispute or crisis closed", least)
    worst = min(sum(side in own_parts for _, own_parts in closed) / len(closed) for side in SIDES)
    return Finding(worst >= least, worst, least, tuple(seen for seen, _ in closed))


@guard(
    "Pay at least 95 % of the amounts by their due day (invoice.paid).",
    "Payez au moins 95 % des montants à l'échéance (invoice.paid).",
    reads=(e.InvoiceIssued, e.InvoicePaid, e.InvoiceOverdue),
)
def payments_punctual(case: Case) -> Finding:
    """At least 0.95 by amount over 12 months; the worst currency counts."""
    least = case.policy.punctual_share
    start = months_before(case.now, case.policy.punctual_months)
    # A day is over before it counts against anyone.
    end = (case.now - timedelta(days=1)).date()
    found = m.punctuality(case.state, case.policy, start.date(), end)
    shares = [found.punctual[currency] / amount for currency, amount in found.due.items() if amount]
    if not shares:
        return met("no invoice fell due", least)
    return Finding(min(shares) >= least, min(shares), least, found.evidence)


def _none_open(case: Case, kind: str) -> Finding:
    found = tuple(each.opened for each in m.open_matters(case.state, kind, case.now).values() if each.opened)
    return Finding(not found, len(found), 0, found)


@guard(
    "Settle the open disputes: record dispute.settled.",
    "Réglez les litiges ouverts : enregistrez dispute.settled.",
    reads=DISPUTES,
)
def no_dispute_open(case: Case) -> Finding:
    """No dispute is open."""
    return _none_open(case, "dispute")


@guard(
    "Overcome the open crises: record crisis.overcome.",
    "Surmontez les crises ouvertes : enregistrez crisis.overcome.",
    reads=CRISES,
)
def no_crisis_open(case: Case) -> Finding:
    """No crisis is open (D17)."""
    return _none_open(case, "crisis")
