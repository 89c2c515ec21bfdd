"""What can happen: every fact of a partnership's life, and what the system writes about it.

A fact's `occurred_at` stands in its entry, not here. Optional means absent: an event field's only default is None.
Names and fields are for ever; a changed shape is a new schema number and an upcaster (events/upcasters.py).
"""

from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta, Struct

from domain.policy import Policy
from domain.types import (
    Count,
    Currency,
    Day,
    Ending,
    Hours,
    Identifier,
    Money,
    Month,
    Name,
    Outcome,
    Prose,
    Quantity,
    Share,
    Side,
    Stage,
    Words,
    WordsList,
)

Parts = Annotated[tuple[Side, ...], Meta(max_length=2)]
Level = Literal["operational", "tactical", "strategic"]
SeparationReason = Literal[
    "technology", "strategy", "acquisition", "performance", "breach", "cost", "insolvency", "mutual", "other"
]
HandoverStep = Literal[
    "data_returned", "knowledge_transferred", "access_revoked", "invoices_settled", "legacy_preserved", "thanks_given"
]
PromiseKind = Literal["delay", "budget", "seniority", "named_staff", "integration", "process", "term", "other"]


class Event(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Something that happened, in the past tense; `type` is its written-out name, `schema` the version of its shape."""

    type: ClassVar[str]
    schema: ClassVar[int] = 1


# --- the partnership and its contracts ---------------------------------------------------------------------------


class PartnershipOpened(Event, frozen=True, kw_only=True):
    type: ClassVar = "partnership.opened"
    client: Words
    partner: Words
    critical: bool
    observed_since: Day | None = None


class ContractSigned(Event, frozen=True, kw_only=True):
    type: ClassVar = "contract.signed"
    contract: Identifier
    starts_on: Day
    ends_on: Day | None = None
    notice_days: Count | None = None
    amount: Money | None = None
    currency: Currency | None = None


class ContractAmended(ContractSigned, frozen=True, kw_only=True):
    type: ClassVar = "contract.amended"


class ContractRenewed(ContractSigned, frozen=True, kw_only=True):
    type: ClassVar = "contract.renewed"


class ContractNoticeGiven(Event, frozen=True, kw_only=True):
    type: ClassVar = "contract.notice_given"
    contract: Identifier
    side: Side
    effective_on: Day


# --- promises and reality ----------------------------------------------------------------------------------------


class PromiseMade(Event, frozen=True, kw_only=True):
    type: ClassVar = "promise.made"
    promise: Identifier
    side: Side
    kind: PromiseKind
    promised: Quantity
    unit: Identifier
    due_on: Day | None = None
    evidence: Literal["none", "declared", "verified"]
    text: Prose


class PromiseRevised(Event, frozen=True, kw_only=True):
    type: ClassVar = "promise.revised"
    promise: Identifier
    promised: Quantity
    unit: Identifier | None = None
    reason: Prose


class PromiseMeasured(Event, frozen=True, kw_only=True):
    type: ClassVar = "promise.measured"
    promise: Identifier
    actual: Quantity
    unit: Identifier | None = None


class RealityDiscovered(Event, frozen=True, kw_only=True):
    type: ClassVar = "reality.discovered"
    side: Side
    about: Literal["legacy", "staffing", "integration", "process", "other"]
    text: Prose
    promise: Identifier | None = None
    rework_share: Share | None = None
    concealed: bool


class DemandRaised(Event, frozen=True, kw_only=True):
    type: ClassVar = "demand.raised"
    demand: Identifier
    side: Side
    text: Prose


class DemandRefused(Event, frozen=True, kw_only=True):
    type: ClassVar = "demand.refused"
    demand: Identifier
    side: Side
    reason: Prose


class TerminationThreatened(Event, frozen=True, kw_only=True):
    type: ClassVar = "termination.threatened"
    side: Side
    text: Prose | None = None


class ThreatWithdrawn(Event, frozen=True, kw_only=True):
    type: ClassVar = "threat.withdrawn"
    side: Side


class DisputeOpened(Event, frozen=True, kw_only=True):
    type: ClassVar = "dispute.opened"
    dispute: Identifier
    side: Side
    subject: Prose


class DisputeSettled(Event, frozen=True, kw_only=True):
    type: ClassVar = "dispute.settled"
    dispute: Identifier
    own_parts: Parts


# --- readjustment and shared power -------------------------------------------------------------------------------


class ReadjustmentPlanned(Event, frozen=True, kw_only=True):
    type: ClassVar = "readjustment.planned"
    on_date: Day
    text: Prose | None = None


class ImperfectionAccepted(Event, frozen=True, kw_only=True):
    type: ClassVar = "imperfection.accepted"
    side: Side


class ConstraintAcknowledged(Event, frozen=True, kw_only=True):
    type: ClassVar = "constraint.acknowledged"
    side: Side
    of: Literal["margin", "budget", "organisation", "other"]


class BudgetRenegotiated(Event, frozen=True, kw_only=True):
    type: ClassVar = "budget.renegotiated"
    amount: Money
    currency: Currency


class PrioritiesAgreed(Event, frozen=True, kw_only=True):
    type: ClassVar = "priorities.agreed"
    items: WordsList


class TradeoffDecided(Event, frozen=True, kw_only=True):
    type: ClassVar = "tradeoff.decided"
    kept: Words
    given_up: Words


class SelfReviewRecorded(Event, frozen=True, kw_only=True):
    type: ClassVar = "self_review.recorded"
    side: Side
    own_part: Prose
    improvement: Prose


class ContactDesignated(Event, frozen=True, kw_only=True):
    type: ClassVar = "contact.designated"
    side: Side
    person: Name
    role: Words | None = None


class ContactTrained(Event, frozen=True, kw_only=True):
    type: ClassVar = "contact.trained"
    side: Side
    person: Name


class ContactRemoved(Event, frozen=True, kw_only=True):
    type: ClassVar = "contact.removed"
    side: Side
    person: Name


class ProcessDocumented(Event, frozen=True, kw_only=True):
    type: ClassVar = "process.documented"
    process: Identifier
    in_scope_total: Count | None = None


class ChangePrepared(Event, frozen=True, kw_only=True):
    type: ClassVar = "change.prepared"
    change: Identifier
    teams_ready: Count
    teams_affected: Count


class ExpertTimeRequested(Event, frozen=True, kw_only=True):
    type: ClassVar = "expert_time.requested"
    request: Identifier
    hours: Hours


class ExpertTimeGranted(Event, frozen=True, kw_only=True):
    type: ClassVar = "expert_time.granted"
    request: Identifier
    hours: Hours


class HoursInvested(Event, frozen=True, kw_only=True):
    type: ClassVar = "hours.invested"
    side: Side
    hours: Hours
    on_date: Day
    kind: Literal["operational", "tactical", "strategic", "training", "documentation", "build", "other"]


class KnowledgeTransferred(Event, frozen=True, kw_only=True):
    type: ClassVar = "knowledge.transferred"
    side: Side
    subject: Words


# --- the rules of the game ---------------------------------------------------------------------------------------


class SlaNegotiated(Event, frozen=True, kw_only=True):
    type: ClassVar = "sla.negotiated"
    sla: Identifier
    metric: Words
    target: Share
    side: Side | None = None


class SlaImposed(Event, frozen=True, kw_only=True):
    type: ClassVar = "sla.imposed"
    sla: Identifier
    metric: Words
    target: Share
    side: Side


class SlaMeasured(Event, frozen=True, kw_only=True):
    type: ClassVar = "sla.measured"
    sla: Identifier
    month: Month
    met: Count
    total: Count


class SlaWithdrawn(Event, frozen=True, kw_only=True):
    type: ClassVar = "sla.withdrawn"
    sla: Identifier


class CultureAgreed(Event, frozen=True, kw_only=True):
    type: ClassVar = "culture.agreed"
    channel: Words | None = None
    testing: Words | None = None
    delivery_calendar: Words | None = None
    working_hours: Words | None = None


class CadenceAgreed(Event, frozen=True, kw_only=True):
    type: ClassVar = "cadence.agreed"
    level: Level
    every_days: Literal[7, 30, 91]


class MeetingHeld(Event, frozen=True, kw_only=True):
    type: ClassVar = "meeting.held"
    level: Level
    on_date: Day
    hours: Hours | None = None
    attendees: Annotated[tuple[Name, ...], Meta(max_length=100)] | None = None


class MeetingMissed(Event, frozen=True, kw_only=True):
    type: ClassVar = "meeting.missed"
    level: Level
    due_on: Day


# --- the daily run -----------------------------------------------------------------------------------------------


class InvoiceIssued(Event, frozen=True, kw_only=True):
    type: ClassVar = "invoice.issued"
    invoice: Identifier
    amount: Money
    currency: Currency
    due_on: Day | None = None


class InvoicePaid(Event, frozen=True, kw_only=True):
    type: ClassVar = "invoice.paid"
    invoice: Identifier
    paid_on: Day


class InvoiceOverdue(Event, frozen=True, kw_only=True):
    type: ClassVar = "invoice.overdue"
    invoice: Identifier


class AdviceGiven(Event, frozen=True, kw_only=True):
    type: ClassVar = "advice.given"
    advice: Identifier
    text: Prose


class AdviceAnswered(Event, frozen=True, kw_only=True):
    type: ClassVar = "advice.answered"
    advice: Identifier
    accepted: bool
    reason: Prose | None = None


class PulseAnswered(Event, frozen=True, kw_only=True):
    type: ClassVar = "pulse.answered"
    side: Side
    score: Annotated[int, Meta(ge=1, le=5)]


class IncidentRaised(Event, frozen=True, kw_only=True):
    type: ClassVar = "incident.raised"
    incident: Identifier
    priority: Annotated[int, Meta(ge=1, le=5)]


class IncidentResolved(Event, frozen=True, kw_only=True):
    type: ClassVar = "incident.resolved"
    incident: Identifier
    within_sla: bool | None = None


class IncidentReopened(Event, frozen=True, kw_only=True):
    type: ClassVar = "incident.reopened"
    incident: Identifier


class CrisisOpened(Event, frozen=True, kw_only=True):
    type: ClassVar = "crisis.opened"
    crisis: Identifier
    severity: Annotated[int, Meta(ge=1, le=3)]
    text: Prose | None = None


class CrisisOvercome(Event, frozen=True, kw_only=True):
    type: ClassVar = "crisis.overcome"
    crisis: Identifier
    own_parts: Parts


class CrisisFailed(Event, frozen=True, kw_only=True):
    type: ClassVar = "crisis.failed"
    crisis: Identifier


class LeadershipChanged(Event, frozen=True, kw_only=True):
    type: ClassVar = "leadership.changed"
    side: Side


class PartyAcquired(Event, frozen=True, kw_only=True):
    type: ClassVar = "party.acquired"
    side: Side
    by: Words


class TechnologyRetired(Event, frozen=True, kw_only=True):
    type: ClassVar = "technology.retired"
    subject: Words


class StrategyChanged(Event, frozen=True, kw_only=True):
    type: ClassVar = "strategy.changed"
    side: Side
    text: Prose


# --- commitment, maturity, separation ----------------------------------------------------------------------------


class KnowledgeMapped(Event, frozen=True, kw_only=True):
    type: ClassVar = "knowledge.mapped"
    side: Side
    strengths: Prose
    weaknesses: Prose


class CommitmentFormalised(Event, frozen=True, kw_only=True):
    type: ClassVar = "commitment.formalised"
    side: Side
    text: Prose


class InnovationDelivered(Event, frozen=True, kw_only=True):
    type: ClassVar = "innovation.delivered"
    text: Prose
    joint: bool


class TestimonyGiven(Event, frozen=True, kw_only=True):
    __test__: ClassVar = False
    type: ClassVar = "testimony.given"
    where: Words


class ReferenceGranted(Event, frozen=True, kw_only=True):
    type: ClassVar = "reference.granted"
    side: Side


class ReferenceWithdrawn(Event, frozen=True, kw_only=True):
    type: ClassVar = "reference.withdrawn"
    side: Side


class MirrorReviewed(Event, frozen=True, kw_only=True):
    """Answers in the article's order: partners changed and why, what kind of client, invest or consume, whose fault."""

    type: ClassVar = "mirror.reviewed"
    answers: Annotated[tuple[Prose, ...], Meta(min_length=4, max_length=4)]


class ExitPlanRecorded(Event, frozen=True, kw_only=True):
    type: ClassVar = "exit_plan.recorded"
    tested_on: Day | None = None
    alternatives: WordsList | None = None


class SeparationDecided(Event, frozen=True, kw_only=True):
    type: ClassVar = "separation.decided"
    reason: SeparationReason
    side: Side
    text: Prose | None = None


class SeparationRevoked(Event, frozen=True, kw_only=True):
    type: ClassVar = "separation.revoked"
    side: Side


class HandoverCompleted(Event, frozen=True, kw_only=True):
    type: ClassVar = "handover.completed"
    step: HandoverStep


class FactRetracted(Event, frozen=True, kw_only=True):
    type: ClassVar = "fact.retracted"
    event: Identifier
    reason: Prose


# --- written by the system only ----------------------------------------------------------------------------------

Figure = int | float | str


class Verdict(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """What one guard saw: figures, and the versions of its evidence (at most 20; `count` when there were more)."""

    code: str
    met: bool
    actual: Figure
    required: Figure
    evidence: tuple[int, ...]
    count: int | None = None


class StageEntered(Event, frozen=True, kw_only=True):
    """A transition: `cause` and `decided_on` are versions of this stream, `policy` the version decided under."""

    type: ClassVar = "stage.entered"
    stage: Stage
    outcome: Outcome | None = None
    left: str
    trigger: str
    policy: int
    guards: tuple[Verdict, ...]
    cause: int
    decided_on: int
    forced: bool | None = None
    reason: Prose | None = None
    ending: Ending | None = None
    respectful: bool | None = None
    separated_from: Stage | None = None


class TransitionRefused(Event, frozen=True, kw_only=True):
    type: ClassVar = "transition.refused"
    trigger: str
    policy: int
    guards: tuple[Verdict, ...]
    decided_on: int


class PathSpell(Struct, frozen=True, gc=False, omit_defaults=True):
    """One stay of a path as `stage.reassessed` tells it."""

    state: str
    entered_at: str
    trigger: str | None = None


class StageReassessed(Event, frozen=True, kw_only=True):
    """A late or retracted fact would have changed the path: both paths, from the first spell that differs."""

    type: ClassVar = "stage.reassessed"
    because: int
    recorded: tuple[PathSpell, ...]
    otherwise: tuple[PathSpell, ...]


class PolicyAdopted(Event, frozen=True, kw_only=True):
    type: ClassVar = "policy.adopted"
    version: int
    policy: Policy


class LinkAdded(Event, frozen=True, kw_only=True):
    type: ClassVar = "link.added"
    system: Identifier
    kind: Identifier
    external_id: Identifier


class LinkRemoved(LinkAdded, frozen=True, kw_only=True):
    type: ClassVar = "link.removed"


class KeyCreated(Event, frozen=True, kw_only=True):
    type: ClassVar = "key.created"
    key: Identifier
    name: Words | None = None
    scopes: tuple[str, ...]
    side: Side | None = None
    partnerships: tuple[Identifier, ...] | None = None
    expires_at: str | None = None


class KeyChanged(Event, frozen=True, kw_only=True):
    type: ClassVar = "key.changed"
    key: Identifier
    name: Words | None = None
    expires_at: str | None = None


class KeyLimited(Event, frozen=True, kw_only=True):
    type: ClassVar = "key.limited"
    key: Identifier
    requests_per_minute: Count | None = None


class KeyRotated(Event, frozen=True, kw_only=True):
    type: ClassVar = "key.rotated"
    key: Identifier
    overlap_until: str | None = None


class KeyRevoked(Event, frozen=True, kw_only=True):
    type: ClassVar = "key.revoked"
    key: Identifier


class SourceCreated(Event, frozen=True, kw_only=True):
    type: ClassVar = "source.created"
    source: Identifier
    connector: Identifier
    name: Words
    settings: dict[str, Any]


class SourceChanged(Event, frozen=True, kw_only=True):
    type: ClassVar = "source.changed"
    source: Identifier
    name: Words | None = None
    settings: dict[str, Any] | None = None


class SourceSecretsRotated(Event, frozen=True, kw_only=True):
    type: ClassVar = "source.secrets_rotated"
    source: Identifier


class SourceWatched(Event, frozen=True, kw_only=True):
    type: ClassVar = "source.watched"
    source: Identifier
    silence_after: Annotated[int, Meta(ge=60, le=31_536_000)] | None = None  # seconds; absent: it is watched no more


class SourceRemoved(Event, frozen=True, kw_only=True):
    type: ClassVar = "source.removed"
    source: Identifier


class ConnectorAdded(Event, frozen=True, kw_only=True):
    type: ClassVar = "connector.added"
    connector: Identifier
    digest: str


class ConnectorRemoved(Event, frozen=True, kw_only=True):
    type: ClassVar = "connector.removed"
    connector: Identifier


class SubscriptionCreated(Event, frozen=True, kw_only=True):
    type: ClassVar = "subscription.created"
    subscription: Identifier


class SubscriptionChanged(Event, frozen=True, kw_only=True):
    type: ClassVar = "subscription.changed"
    subscription: Identifier


class SubscriptionRemoved(Event, frozen=True, kw_only=True):
    type: ClassVar = "subscription.removed"
    subscription: Identifier


class PersonErased(Event, frozen=True, kw_only=True):
    type: ClassVar = "person.erased"
    person: Identifier


class TextErased(Event, frozen=True, kw_only=True):
    type: ClassVar = "text.erased"
    event: Identifier


class OverrideRequested(Event, frozen=True, kw_only=True):
    type: ClassVar = "override.requested"
    override: Identifier
    to: str
    reason: Prose
    by: Identifier


class OverrideApproved(Event, frozen=True, kw_only=True):
    type: ClassVar = "override.approved"
    override: Identifier


class LogForked(Event, frozen=True, kw_only=True):
    type: ClassVar = "log.forked"
    at: int
    reason: Words


class LogKeyAdded(Event, frozen=True, kw_only=True):
    type: ClassVar = "log.key_added"
    key: Words


class Happened(Struct, frozen=True, gc=False):
    """A recorded event as the fold takes it: its version in the stream, id, instant and content."""

    version: int
    id: str
    occurred_at: datetime
    data: Event


def _every(base: type[Event]) -> list[type[Event]]:
    found = []
    for kind in base.__subclasses__():
        found += [kind, *_every(kind)]
    return found


ALL: dict[str, type[Event]] = {kind.type: kind for kind in _every(Event)}

SYSTEM_PREFIXES = (
    "stage.", "transition.", "policy.", "link.", "key.", "source.", "connector.", "subscription.", "person.",
    "override.", "log.", "text.",
)  # fmt: skip
ROUTED: dict[str, str] = {
    "partnership.opened": "POST /v1/partnerships",
    "separation.decided": "POST /v1/partnerships/{id}/transitions with trigger `separate`",
    "separation.revoked": "POST /v1/partnerships/{id}/transitions with trigger `reconcile`",
    "stage.entered": "POST /v1/partnerships/{id}/transitions",
    "transition.refused": "POST /v1/partnerships/{id}/transitions",
    "policy.adopted": "POST /v1/policies",
    "link.added": "PUT /v1/partnerships/{id}/links/{system}/{kind}/{external_id}",
    "link.removed": "DELETE /v1/partnerships/{id}/links/{system}/{kind}/{external_id}",
}
FACTS: dict[str, type[Event]] = {
    name: kind for name, kind in ALL.items() if not name.startswith(SYSTEM_PREFIXES) and name not in ROUTED
}
