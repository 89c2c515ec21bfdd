"""The door between domain events and entry bytes: RFC 8785 canonical JSON, written once and never again.

Entry: v, id, stream, version, type, schema, occurred_at, recorded_at, decided_at?, actor, side?, source?, trust?,
correlation_id?, causation_id?, data. Absent, never null. The position is not inside: it is the leaf index + 1.
"""

import math
import re
from datetime import UTC, datetime
from functools import cache
from typing import Any

import msgspec
from msgspec import Struct

from domain.events import ALL, Event, Happened
from events.envelope import Context, NewEvent, RecordedEvent
from events.upcasters import upcast

FORMAT = 1
INTEGER_LIMIT = 2**53 - 1
SMALLEST, LARGEST = 1e-5, 1e15

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_long_number = re.compile(rb"\d{16}").search
_encoder = msgspec.json.Encoder(order="sorted")


class Entry(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One entry as it stands in the log; `data` is a domain event when written, plain values when read."""

    v: int
    id: str
    stream: str
    version: int
    type: str
    schema: int
    occurred_at: datetime
    recorded_at: datetime
    decided_at: datetime | None = None
    actor: str
    side: str | None = None
    source: str | None = None
    trust: str | None = None
    correlation_id: str | None = None
    causation_id: str | None = None
    data: Any


class UncanonicalError(ValueError):
    """A value has no place in canonical bytes; the message says which and why."""


def encode_entry(event: NewEvent, context: Context, stream: str, version: int, recorded_at: datetime) -> RecordedEvent:
    """Write an event's bytes at its place in a stream; the position is filled in by the store.

    Raises UncanonicalError for a NUL, a lone surrogate, a number beyond the canonical range.
    """
    data = event.data
    if not isinstance(data, Event):
        message = f"{type(data).__name__} is no domain event."
        raise TypeError(message)
    entry = Entry(
        v=FORMAT, id=event.id, stream=stream, version=version, type=data.type, schema=data.schema,
        occurred_at=event.occurred_at, recorded_at=recorded_at, decided_at=event.decided_at,
        actor=context.actor, side=event.side, source=context.source, trust=context.trust,
        correlation_id=context.correlation_id, causation_id=context.causation_id, data=data,
    )  # fmt: skip
    return RecordedEvent(
        position=0, stream=stream, version=version, type=data.type, schema=data.schema, id=event.id,
        occurred_at=event.occurred_at, recorded_at=recorded_at, entry=canonical(entry),
    )  # fmt: skip


def canonical(value: object) -> bytes:
    """RFC 8785 bytes of a value made of structs, dicts, lists, text, numbers, dates and UTC instants."""
    try:
        raw = _encoder.encode(value)
    except UnicodeEncodeError as error:
        message = "Text holds a lone surrogate, which is not a character; send valid Unicode."
        raise UncanonicalError(message) from error
    if b"\\u0000" in raw and _holds_nul(msgspec.json.decode(raw)):
        message = "Text holds the character U+0000; remove it."
        raise UncanonicalError(message)
    # Only a number that RFC 8785 writes otherwise needs the slow way: integral floats and exponents.
    return _encoder.encode(_plain(msgspec.json.decode(raw))) if _suspicious(raw) else raw


def _suspicious(raw: bytes) -> bool:
    """Whether some number may not be canonical: an integral float, an exponent, 16 digits in a row."""
    return b".0" in raw or b"e-" in raw or b"e+" in raw or b"-0" in raw or _long_number(raw) is not None


def _holds_nul(value: object) -> bool:
    match value:
        case str():
            return "\0" in value
        case dict():
            return any(_holds_nul(key) or _holds_nul(item) for key, item in value.items())
        case list():
            return any(map(_holds_nul, value))
        case _:
            return False


def _plain(value: Any) -> Any:
    match value:
        case dict():
            return {key: _plain(item) for key, item in value.items()}
        case list():
            return [_plain(item) for item in value]
        case bool():
            return value
        case int() if abs(value) > INTEGER_LIMIT:
            message = f"{value} is beyond the integers that every reader keeps exact (2^53 - 1); send it as text."
            raise UncanonicalError(message)
        case float():
            return _number(value)
        case _:
            return value


def _number(value: float) -> int | float:
    if not math.isfinite(value) or (value != 0 and not SMALLEST <= abs(value) < LARGEST):
        message = f"{value} is outside the numbers that are kept (0, or from 0.00001 to below 10^15)."
        raise UncanonicalError(message)
    return int(value) if value == int(value) else value


def decode_data(kind: str, schema: int, data: Any) -> Event:
    """A stored event's data as today's struct, upcast where it was written in an older shape."""
    today = ALL[kind]
    return msgspec.convert(upcast(kind, schema, data, today.schema), today)


@cache
def _reader(kind: str) -> msgspec.json.Decoder[Any]:
    folded = msgspec.defstruct("Folded", [("data", ALL[kind])], frozen=True)
    return msgspec.json.Decoder(folded)


def decode(event: RecordedEvent) -> Event:
    """The domain event inside an entry."""
    if event.schema == ALL[event.type].schema:
        found: Event = _reader(event.type).decode(event.entry).data
        return found
    return decode_data(event.type, event.schema, msgspec.json.decode(event.entry)["data"])


def happened(event: RecordedEvent) -> Happened:
    """An entry as the fold takes it."""
    return Happened(event.version, event.id, event.occurred_at, decode(event))


def read_entry(raw: bytes) -> Entry:
    """Every field of an entry, its data as plain values."""
    return msgspec.json.decode(raw, type=Entry)


def microseconds(instant: datetime) -> int:
    """An instant as integer microseconds since 1970 (the form of every time column)."""
    delta = instant - EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds
