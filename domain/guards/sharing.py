"""What must be shared before power is: the guards of `share_power`."""

from datetime import timedelta

from domain import events as e
from domain import measures as m
from domain.guards.case import Case, Finding, both_sides, guard, since_entering, unmet
from domain.partnership import Seen


@guard(
    "Renegotiate a real budget and record budget.renegotiated.",
    "Renégociez un vrai budget et enregistrez budget.renegotiated.",
    reads=(e.BudgetRenegotiated,),
)
def budget_renegotiated(case: Case) -> Finding:
    """A budget renegotiated since entering the stage."""
    return since_entering(case, "budget.renegotiated")


@guard(
    "Agree on the priorities and record priorities.agreed.",
    "Convenez des priorités et enregistrez priorities.agreed.",
    reads=(e.PrioritiesAgreed,),
)
def priorities_agreed(case: Case) -> Finding:
    """Priorities agreed since entering the stage."""
    return since_entering(case, "priorities.agreed")


@guard(
    "Decide what is kept and what is given up and record tradeoff.decided.",
    "Décidez de ce qui est gardé et abandonné et enregistrez tradeoff.decided.",
    reads=(e.TradeoffDecided,),
)
def tradeoff_decided(case: Case) -> Finding:
    """A trade-off decided since entering the stage."""
    return since_entering(case, "tradeoff.decided")


@guard(
    "Each side acknowledges a constraint of the other: record constraint.acknowledged for client and partner.",
    "Chaque partie reconnaît une contrainte de l'autre : enregistrez constraint.acknowledged pour client et partner.",
    reads=(e.ConstraintAcknowledged,),
)
def constraints_acknowledged(case: Case) -> Finding:
    """Both sides acknowledged a constraint; it stands through relapses."""
    return both_sides(case, "constraint.acknowledged")


@guard(
    "Each side records what it did wrong itself: self_review.recorded for client and partner within the last 180 days.",
    "Chaque partie note sa propre part : self_review.recorded pour client et partner dans les 180 derniers jours.",
    reads=(e.SelfReviewRecorded,),
)
def self_reviews(case: Case) -> Finding:
    """Both sides reviewed themselves within 180 days: each owns 100 % of its own part."""
    return both_sides(case, "self_review.recorded", case.now - timedelta(days=case.policy.self_review_days))


@guard(
    "The side that threatened withdraws it: record threat.withdrawn.",
    "La partie qui a menacé retire sa menace : enregistrez threat.withdrawn.",
    reads=(e.TerminationThreatened, e.ThreatWithdrawn),
)
def no_threat_open(case: Case) -> Finding:
    """No threat is open."""
    found = tuple(seen for _, seen in m.open_threats(case.state, case.now))
    return Finding(not found, len(found), 0, found)


@guard(
    "Negotiate at least one SLA, and every imposed one under its own id: record sla.negotiated.",
    "Négociez au moins un SLA, et chaque SLA imposé sous son identifiant : enregistrez sla.negotiated.",
    reads=(e.SlaNegotiated, e.SlaImposed, e.SlaWithdrawn),
)
def sla_negotiated(case: Case) -> Finding:
    """At least one SLA in force, and none that was only imposed."""
    required = "at least 1 negotiated, 0 imposed"
    terms = [term for _, term in m.slas_in_force(case.state, case.now).values()]
    if not terms:
        return unmet("no SLA in force", required)
    imposed = sum(term.how == "imposed" for term in terms)
    evidence = tuple(Seen(term.at, term.version) for term in terms)
    return Finding(not imposed, f"{len(terms) - imposed} negotiated, {imposed} imposed", required, evidence)
