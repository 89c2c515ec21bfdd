"""What the system writes around the stages: policies, links, keys, sources, erasures, overrides, the log itself."""

from typing import Annotated, Any, ClassVar

from msgspec import Meta

from domain.events.base import Event
from domain.policy import Policy
from domain.types import Count, Identifier, Prose, Side, Words


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
