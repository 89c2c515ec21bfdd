"""How a separation is decided, completed, taken back: guards of `separate`, `complete_separation`, `reconcile`."""

from typing import get_args

from domain import events as e
from domain.guards.case import Case, Finding, guard, met, moments
from domain.partnership import Seen
from domain.partnership.values import between

REASONS: tuple[str, ...] = get_args(e.SeparationReason)


@guard(
    f"Say why: give one of the reasons ({', '.join(REASONS)}).",
    f"Dites pourquoi : donnez un des motifs ({', '.join(REASONS)}).",
)
def reason_given(case: Case) -> Finding:
    """A reason is given, and one of those that there are."""
    return Finding(case.reason in REASONS, case.reason or "none", "a reason")


@guard(
    "The partnership is critical: record how you would leave it (exit_plan.recorded).",
    "Le partenariat est critique : décrivez comment en sortir (exit_plan.recorded).",
    reads=(e.ExitPlanRecorded,),
)
def exit_plan_recorded(case: Case) -> Finding:
    """An exit plan, where the partnership is critical."""
    found = tuple(moments(case, "exit_plan.recorded"))
    if not case.state.critical:
        return met("not critical", "an exit plan if critical", found)
    return Finding(bool(found), len(found), 1, found)


def _step(case: Case, step: str) -> Finding:
    """A handover step since the current separation was decided; nothing to hand over without a contract (D10)."""
    if "contract/start" not in case.state.moments:
        return met("no contract was ever signed", step)
    decided = case.state.separation
    start = decided.at if decided else case.since
    found = between(case.state.moments.get(f"handover.completed/{step}", ()), start, case.now)
    return Finding(bool(found), "completed" if found else "open", step, tuple(found))


HANDOVER = (e.HandoverCompleted, e.ContractSigned, e.ContractRenewed)


@guard(
    "Give the data back: record handover.completed with step data_returned.",
    "Restituez les données : enregistrez handover.completed avec step data_returned.",
    reads=HANDOVER,
)
def data_returned(case: Case) -> Finding:
    """The data came back."""
    return _step(case, "data_returned")


@guard(
    "Close the accesses: record handover.completed with step access_revoked.",
    "Fermez les accès : enregistrez handover.completed avec step access_revoked.",
    reads=HANDOVER,
)
def access_revoked(case: Case) -> Finding:
    """Accesses are closed."""
    return _step(case, "access_revoked")


@guard(
    "Settle the invoices: record handover.completed with step invoices_settled.",
    "Soldez les factures : enregistrez handover.completed avec step invoices_settled.",
    reads=HANDOVER,
)
def invoices_settled(case: Case) -> Finding:
    """Invoices are settled."""
    return _step(case, "invoices_settled")


@guard(
    "The partnership is critical: record handover.completed with step knowledge_transferred.",
    "Le partenariat est critique : enregistrez handover.completed avec step knowledge_transferred.",
    reads=HANDOVER,
)
def knowledge_transferred(case: Case) -> Finding:
    """Knowledge was transferred, where the partnership is critical."""
    if not case.state.critical:
        return met("not critical", "knowledge_transferred if critical")
    return _step(case, "knowledge_transferred")


@guard(
    "Only the side that decided to separate can take it back: ask with that side.",
    "Seule la partie qui a décidé la séparation peut y revenir : demandez avec cette partie.",
)
def asked_by_decider(case: Case) -> Finding:
    """The side that decided to separate asks."""
    decided = case.state.separation
    if decided is None:
        return met(case.side or "nobody", "either side (the separation was forced)")
    return Finding(case.side == decided.side, case.side or "nobody", decided.side, (Seen(decided.at, decided.version),))
