"""What happens in the demo's stories, in few words: facts, and facts that count from their own day."""

from datetime import timedelta
from typing import Literal

from domain import events as e
from domain.types import Side
from service.demo.telling import Dated

CENTS = 100

About = Literal["legacy", "staffing", "integration", "process", "other"]


# --- contracts and promises -----------------------------------------------------------------------------------------


def signed(contract: str, years: int, euros: int) -> Dated:
    """A contract that starts the same day."""
    return lambda day: e.ContractSigned(
        contract=contract, starts_on=day, ends_on=day + timedelta(days=365 * years), notice_days=180,
        amount=euros * CENTS, currency="EUR",
    )  # fmt: skip


def renewed(contract: str, years: int, euros: int) -> Dated:
    """A contract that goes on."""
    return lambda day: e.ContractRenewed(
        contract=contract,
        starts_on=day,
        ends_on=day + timedelta(days=365 * years),
        amount=euros * CENTS,
        currency="EUR",
    )


def notice(contract: str, side: Side) -> Dated:
    """Half a year's notice."""
    return lambda day: e.ContractNoticeGiven(contract=contract, side=side, effective_on=day + timedelta(days=180))


def promise(
    name: str, side: Side, kind: e.PromiseKind, promised: str, text: str, *, due_in: int | None = None
) -> Dated:
    """A promise of so many of something, such as `270 days`; nobody proved it."""
    amount, unit = promised.split(maxsplit=1)
    return lambda day: e.PromiseMade(
        promise=name, side=side, kind=kind, promised=float(amount) * (CENTS if unit == "EUR" else 1), unit=unit,
        text=text, due_on=None if due_in is None else day + timedelta(days=due_in),
        evidence="none" if side == "client" else "declared",
    )  # fmt: skip


def measured(name: str, actual: float) -> e.Event:
    """What a promise came to."""
    return e.PromiseMeasured(promise=name, actual=actual)


def spent(name: str, euros: int) -> e.Event:
    """What a promised budget came to."""
    return e.PromiseMeasured(promise=name, actual=euros * CENTS)


def found_out(
    side: Side, about: About, promised: str, text: str, *, rework: float | None = None, hidden: bool = False
) -> e.Event:
    """A reality of one side that was otherwise than promised."""
    return e.RealityDiscovered(
        side=side, about=about, promise=promised, text=text, rework_share=rework, concealed=hidden
    )


# --- quarrels -------------------------------------------------------------------------------------------------------


def demand(name: str, side: Side, text: str) -> e.Event:
    """A demand."""
    return e.DemandRaised(demand=name, side=side, text=text)


def refusal(name: str, side: Side, reason: str) -> e.Event:
    """A demand that the other side refused."""
    return e.DemandRefused(demand=name, side=side, reason=reason)


def threat(side: Side, text: str) -> e.Event:
    """A threat to end it."""
    return e.TerminationThreatened(side=side, text=text)


def dispute(name: str, side: Side, subject: str) -> e.Event:
    """A dispute that a side opened."""
    return e.DisputeOpened(dispute=name, side=side, subject=subject)


def settled(name: str) -> e.Event:
    """A dispute settled, each side with its own part recorded."""
    return e.DisputeSettled(dispute=name, own_parts=("client", "partner"))


def crisis(name: str, severity: int, text: str) -> e.Event:
    """A crisis."""
    return e.CrisisOpened(crisis=name, severity=severity, text=text)


def overcome(name: str) -> e.Event:
    """A crisis overcome, each side with its own part recorded."""
    return e.CrisisOvercome(crisis=name, own_parts=("client", "partner"))


# --- sharing and building -------------------------------------------------------------------------------------------


def readjustment(days: int, text: str) -> Dated:
    """A planned look at what was promised, some days ahead."""
    return lambda day: e.ReadjustmentPlanned(on_date=day + timedelta(days=days), text=text)


def real_budget(euros: int, *priorities: str, kept: str, given_up: str) -> tuple[e.Event, ...]:
    """A real budget, with real priorities and a real trade-off."""
    return (
        e.BudgetRenegotiated(amount=euros * CENTS, currency="EUR"),
        e.PrioritiesAgreed(items=priorities),
        e.TradeoffDecided(kept=kept, given_up=given_up),
    )


def constraints() -> tuple[e.Event, ...]:
    """The client sees that the partner needs a margin, the partner that the client cannot double its budget."""
    return (
        e.ConstraintAcknowledged(side="client", of="margin"),
        e.ConstraintAcknowledged(side="partner", of="budget"),
    )


def own_part(side: Side, part: str, improvement: str) -> e.Event:
    """A side's look into the mirror."""
    return e.SelfReviewRecorded(side=side, own_part=part, improvement=improvement)


def negotiated(sla: str, target: float, metric: str) -> e.Event:
    """An SLA on the partner's counter-proposal."""
    return e.SlaNegotiated(sla=sla, metric=metric, target=target, side="partner")


def imposed(sla: str, target: float, metric: str) -> e.Event:
    """An SLA that the client imposed."""
    return e.SlaImposed(sla=sla, metric=metric, target=target, side="client")


def contact(side: Side, person: str, role: str) -> e.Event:
    """A designated contact."""
    return e.ContactDesignated(side=side, person=person, role=role)


def knows(side: Side, strengths: str, weaknesses: str) -> e.Event:
    """What a side knows of the other."""
    return e.KnowledgeMapped(side=side, strengths=strengths, weaknesses=weaknesses)


def commits(side: Side, text: str) -> e.Event:
    """A side signs for itself."""
    return e.CommitmentFormalised(side=side, text=text)


def invented(text: str) -> e.Event:
    """Something new, built together."""
    return e.InnovationDelivered(text=text, joint=True)


def told(where: str) -> e.Event:
    """A testimony."""
    return e.TestimonyGiven(where=where)


def handed_over(*steps: e.HandoverStep) -> tuple[e.Event, ...]:
    """Steps of a handover."""
    return tuple(e.HandoverCompleted(step=step) for step in steps)
