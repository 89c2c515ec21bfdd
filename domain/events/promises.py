"""Facts of the partnership, its contracts, and what was promised against what is real."""

from typing import ClassVar, Literal

from domain.events.base import Event, Parts
from domain.types import Count, Currency, Day, Identifier, Money, Prose, Quantity, Share, Side, Words

PromiseKind = Literal["delay", "budget", "seniority", "named_staff", "integration", "process", "term", "other"]


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
