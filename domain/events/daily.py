"""Facts of the daily run: invoices, advice, moods, incidents, crises and shocks."""

from typing import Annotated, ClassVar

from msgspec import Meta

from domain.events.base import Event, Parts
from domain.types import Currency, Day, Identifier, Money, Prose, Side, Words


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
