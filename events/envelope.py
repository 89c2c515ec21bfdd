"""The envelope around a fact: what is asked to be written, and what the log holds."""

from datetime import datetime
from typing import Literal

from msgspec import Struct

Trust = Literal["signed", "shared_secret", "echo_token", "none"]


class Context(Struct, frozen=True, kw_only=True):
    """Who says it and on what grounds; the same for all events of one append. `actor` is an opaque id."""

    actor: str
    source: str | None = None
    trust: Trust | None = None
    correlation_id: str | None = None
    causation_id: str | None = None


class NewEvent(Struct, frozen=True, kw_only=True):
    """One event that wants to be written: `data` is a domain event, opaque to all but the codec."""

    id: str
    data: Struct
    occurred_at: datetime
    decided_at: datetime | None = None
    side: str | None = None


class RecordedEvent(Struct, frozen=True, kw_only=True):
    """One event of the log: its place, its columns, and the entry bytes that are hashed and exported as they are."""

    position: int
    stream: str
    version: int
    type: str
    schema: int
    id: str
    occurred_at: datetime
    recorded_at: datetime
    entry: bytes
