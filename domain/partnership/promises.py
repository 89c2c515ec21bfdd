"""How promises, realities and what both sides said or signed change the state."""

from msgspec.structs import replace

from domain import events as e
from domain.partnership.evolving import evolves, rule
from domain.partnership.matters import contract_seen
from domain.partnership.state import Partnership
from domain.partnership.values import (
    KEPT_MEASURES,
    KEPT_MOMENTS,
    Budget,
    Measure,
    Promise,
    Reality,
    Seen,
    fingerprint,
    sorted_in,
)

BySide = (
    e.TerminationThreatened | e.ThreatWithdrawn | e.ConstraintAcknowledged | e.SelfReviewRecorded | e.KnowledgeMapped
    | e.CommitmentFormalised | e.ReferenceGranted | e.ReferenceWithdrawn
)  # fmt: skip


@evolves(e.PromiseMade, changes=("promises",))
def _made(state: Partnership, fact: e.PromiseMade, seen: Seen) -> None:
    known = state.promises.get(fact.promise) or Promise()
    state.promises[fact.promise] = replace(
        known, made=seen, side=fact.side, kind=fact.kind, promised=fact.promised, unit=fact.unit, due_on=fact.due_on,
        opening=fingerprint(fact),
    )  # fmt: skip


@evolves(e.PromiseMeasured, changes=("promises",))
def _measured(state: Partnership, fact: e.PromiseMeasured, seen: Seen) -> None:
    _measure(state, fact.promise, fact.unit, Measure(seen.at, seen.version, fact.actual, revised=False))


@evolves(e.PromiseRevised, changes=("promises",))
def _revised(state: Partnership, fact: e.PromiseRevised, seen: Seen) -> None:
    _measure(state, fact.promise, fact.unit, Measure(seen.at, seen.version, fact.promised, revised=True))


def _measure(state: Partnership, promise: str, unit: str | None, measure: Measure) -> None:
    known = state.promises.get(promise) or Promise()
    units = known.units if unit is None or unit in known.units else (*known.units, unit)
    measures = sorted_in(known.measures, measure, KEPT_MEASURES)
    state.promises[promise] = replace(known, measures=measures, units=units)


@evolves(e.RealityDiscovered, changes=("promises",))
def _reality(state: Partnership, fact: e.RealityDiscovered, seen: Seen) -> None:
    reality = Reality(seen.at, seen.version, fact.about, fact.rework_share or 0.0, fact.concealed)
    state.realities = sorted_in(state.realities, reality, KEPT_MOMENTS)
    if fact.promise is not None:
        state.promises.setdefault(fact.promise, Promise())


def _moment(state: Partnership, key: str, seen: Seen) -> None:
    state.moments[key] = sorted_in(state.moments.get(key, ()), seen, KEPT_MOMENTS)


@evolves(e.BudgetRenegotiated, changes=("moments",))
def _budget(state: Partnership, fact: e.BudgetRenegotiated, seen: Seen) -> None:
    _moment(state, fact.type, seen)
    state.budgets = sorted_in(state.budgets, Budget(seen.at, seen.version, fact.amount, fact.currency), KEPT_MOMENTS)


@evolves(
    e.TerminationThreatened, e.ThreatWithdrawn, e.ConstraintAcknowledged, e.SelfReviewRecorded, e.KnowledgeMapped,
    e.CommitmentFormalised, e.ReferenceGranted, e.ReferenceWithdrawn, changes=("moments",),
)  # fmt: skip
def _moment_of_a_side(state: Partnership, fact: BySide, seen: Seen) -> None:
    _moment(state, f"{fact.type}/{fact.side}", seen)


@evolves(
    e.PrioritiesAgreed, e.TradeoffDecided, e.TestimonyGiven, e.ExitPlanRecorded, e.CultureAgreed,
    e.ReadjustmentPlanned, e.MirrorReviewed, changes=("moments",),
)  # fmt: skip
def _plain_moment(state: Partnership, fact: e.Event, seen: Seen) -> None:
    _moment(state, fact.type, seen)


@evolves(e.ContractSigned, e.ContractRenewed, changes=("moments", "contracts"))
def _contract(state: Partnership, fact: e.ContractSigned, seen: Seen) -> None:
    _moment(state, "contract/start", contract_seen(state, fact, seen))


@evolves(e.InnovationDelivered, changes=("moments",))
def _innovation(state: Partnership, fact: e.InnovationDelivered, seen: Seen) -> None:
    _moment(state, f"{fact.type}/{'joint' if fact.joint else 'alone'}", seen)


@evolves(e.HandoverCompleted, changes=("moments",))
def _handover(state: Partnership, fact: e.HandoverCompleted, seen: Seen) -> None:
    _moment(state, f"{fact.type}/{fact.step}", seen)


for _kind in (
    e.ImperfectionAccepted, e.ProcessDocumented, e.HoursInvested, e.KnowledgeTransferred, e.PulseAnswered,
    e.LeadershipChanged, e.PartyAcquired, e.TechnologyRetired, e.StrategyChanged,
):  # fmt: skip
    # These move no guard: they count by their colour and are kept by the log.
    rule(_kind, None)
