"""Facts of readjustment and shared power, and of the rules of the game."""

from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from domain.events.base import Event
from domain.types import (
    Count,
    Currency,
    Day,
    Hours,
    Identifier,
    Money,
    Month,
    Name,
    Prose,
    Share,
    Side,
    Words,
    WordsList,
)

Level = Literal["operational", "tactical", "strategic"]


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
