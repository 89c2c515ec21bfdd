"""What every event has: a written-out name, a version of its shape, and its place once it is recorded."""

from datetime import datetime
from typing import Annotated, ClassVar

from msgspec import Meta, Struct

from domain.types import Side

Parts = Annotated[tuple[Side, ...], Meta(max_length=2)]
Instant = Annotated[datetime, Meta(tz=True)]
"""With its zone, or it is not read."""


class Event(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Something that happened, in the past tense; `type` is its written-out name, `schema` the version of its shape."""

    type: ClassVar[str]
    schema: ClassVar[int] = 1


class Happened(Struct, frozen=True, gc=False):
    """A recorded event as the fold takes it: its version in the stream, id, instant and content."""

    version: int
    id: str
    occurred_at: Instant
    data: Event
