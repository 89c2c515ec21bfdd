"""Facts of commitment, maturity and separation, and the taking back of a fact."""

from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from domain.events.base import Event
from domain.types import Day, Identifier, Prose, Side, Words, WordsList

SeparationReason = Literal[
    "technology", "strategy", "acquisition", "performance", "breach", "cost", "insolvency", "mutual", "other"
]
HandoverStep = Literal[
    "data_returned", "knowledge_transferred", "access_revoked", "invoices_settled", "legacy_preserved", "thanks_given"
]


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
