"""The door between domain events and entry bytes: RFC 8785 canonical JSON, written once and never again.

Entry: v, id, stream, version, type, schema, occurred_at, recorded_at, decided_at?, actor, side?, source?, trust?,
correlation_id?, causation_id?, data. Absent, never null. The position is not inside: it is the leaf index + 1.
"""

import math
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from domain.events import ALL, Event, Happened, Instant
from events.envelope import Context, NewEvent, RecordedEvent
from events.upcasters import upcast

T = TypeVar("T")

FORMAT = 1
INTEGER_LIMIT = 2**53 - 1
SMALLEST, LARGEST = 1e-5, 1e15

Lived = Happened
"""An entry as the fold takes it, by a name of the log's own: only this module knows the domain."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

_encoder = msgspec.json.Encoder(order="sorted")


class Entry(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One entry as it stands in the log; `data` is a domain event when written, plain values when read."""

    v: int
    id: str
    stream: str
    version: int
    type: str
    schema: int
    occurred_at: Instant
    recorded_at: Instant
    decided_at: Instant | None = None
    actor: str
    side: str | None = None
    source: str | None = None
    trust: str | None = None
    correlation_id: str | None = None
    causation_id: str | None = None
    data: Any


_read_entry = msgspec.json.Decoder(Entry).decode
_read_fields = msgspec.json.Decoder(dict[str, Any]).decode
UNREADABLE = (ValueError, LookupError, TypeError)
"""What reading bytes may raise that hold no such entry: a type that nobody knows, a step of an old shape that stumbles."""


class UncanonicalError(ValueError):
    """A value has no place in canonical bytes; the message says which and why."""


class UnreadableError(ValueError):
    """The bytes of an entry hold no entry, or no data of its type; the message says why. A log writes none such."""


def encode_entry(
    event: NewEvent, context: Context, stream: str, version: int, recorded_at: datetime, position: int = 0
) -> RecordedEvent:
    """Write an event's bytes at its place in a stream.

    Raises UncanonicalError for a NUL, a lone surrogate, a number beyond the canonical range, a time without zone.
    """
    data = event.data
    if not isinstance(data, Event):
        message = f"{type(data).__name__} is no domain event."
        raise TypeError(message)
    occurred_at = _utc(event.occurred_at)
    entry = Entry(
        v=FORMAT, id=event.id, stream=stream, version=version, type=data.type, schema=data.schema,
        occurred_at=occurred_at, recorded_at=recorded_at, decided_at=event.decided_at and _utc(event.decided_at),
        actor=context.actor, side=event.side, source=context.source, trust=context.trust,
        correlation_id=context.correlation_id, causation_id=context.causation_id, data=data,
    )  # fmt: skip
    return RecordedEvent(
        position=position, stream=stream, version=version, type=data.type, schema=data.schema, id=event.id,
        occurred_at=occurred_at, recorded_at=recorded_at, entry=canonical(entry, _data_of),
    )  # fmt: skip


def canonical(value: object, doubtful: Callable[[bytes], object] = msgspec.json.decode) -> bytes:
    """RFC 8785 bytes of a value made of structs, dicts, lists, text, numbers, dates and UTC instants.

    `doubtful` reads from the encoder's bytes the part where numbers and names may need a second look.
    """
    try:
        raw = _encoder.encode(value)
    except UnicodeEncodeError as error:
        message = "Text holds a lone surrogate, which is not a character; send valid Unicode."
        raise UncanonicalError(message) from error
    if b"\\u0000" in raw and _holds_nul(msgspec.json.decode(raw)):
        message = "Text holds the character U+0000; remove it."
        raise UncanonicalError(message)
    if b"null" in raw:
        _refuse_nonfinite(msgspec.to_builtins(value))
    part = doubtful(raw)
    if not raw.isascii():
        _refuse_foreign_names(part)
    return _encoder.encode(_plain(msgspec.json.decode(raw))) if holds_odd_number([part]) else raw


class _Body(Struct):
    data: Any


_body = msgspec.json.Decoder(_Body)


def _data_of(raw: bytes) -> object:
    return _body.decode(raw).data


def holds_odd_number(values: Iterable[Any]) -> bool:
    """Whether some number among decoded values is refused, or is written otherwise than the encoder does."""
    for item in values:
        kind = type(item)
        if kind is str or kind is bool:
            continue
        if kind is int:
            if not -INTEGER_LIMIT <= item <= INTEGER_LIMIT:
                return True
        elif kind is float:
            if item == int(item) or not SMALLEST <= abs(item) < LARGEST:
                return True
        elif (kind is dict and holds_odd_number(item.values())) or (kind is list and holds_odd_number(item)):
            return True
    return False


def _refuse_foreign_names(value: object) -> None:
    """Beyond ASCII, RFC 8785 sorts names by UTF-16 units and the encoder by code points."""
    match value:
        case dict():
            for name, item in value.items():
                if not name.isascii():
                    raise UncanonicalError(f"The name {name!r} is not ASCII; only texts may hold other characters.")
                _refuse_foreign_names(item)
        case list():
            for item in value:
                _refuse_foreign_names(item)
        case _:
            pass


def _utc(instant: datetime) -> datetime:
    if instant.tzinfo is UTC:
        return instant
    if instant.utcoffset() is None:
        raise UncanonicalError(f"{instant} has no zone; send it with one, as in {instant.isoformat()}Z.")
    return instant.astimezone(UTC)


def _refuse_nonfinite(value: object) -> None:
    """The encoder writes them as null."""
    match value:
        case float() if not math.isfinite(value):
            raise UncanonicalError(f"{value} is no number.")
        case dict():
            for item in value.values():
                _refuse_nonfinite(item)
        case list() | tuple():
            for item in value:
                _refuse_nonfinite(item)
        case _:
            pass


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


def _plain(value: object) -> object:
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


def decode_data(kind: str, schema: int, data: dict[str, Any]) -> Event:
    """A stored event's data as today's struct, upcast where it was written in an older shape."""
    today = ALL[kind]
    return msgspec.convert(upcast(kind, schema, data, today.schema), today)


def _reader(kind: str) -> Callable[[bytes], Happened]:
    """Reads an entry of today's schema into what the fold takes, in one go; msgspec passes over the other fields."""
    read = msgspec.defstruct("Read", [("data", ALL[kind])], bases=(Happened,), frozen=True, gc=False)
    decode_one: Any = msgspec.json.Decoder(read).decode
    _READERS[kind, ALL[kind].schema] = decode_one
    return decode_one  # type: ignore[no-any-return]  # a struct made at run time


_READERS: dict[tuple[str, int], Callable[[bytes], Happened]] = {}
"""Filled as types are met: making all of them would slow the start."""


def decode(event: RecordedEvent) -> Event:
    """The domain event inside an entry."""
    return happened(event).data


def happened(event: RecordedEvent) -> Happened:
    """An entry as the fold takes it."""
    return read_happened(event.type, event.schema, event.entry)


def read_happened(kind: str, schema: int, entry: bytes) -> Happened:
    """The bytes of an entry as the fold takes them, upcast where they were written in an older shape.

    Raises UnreadableError.
    """
    try:
        if (read := _READERS.get((kind, schema))) is not None:
            return read(entry)
        if schema == ALL[kind].schema:
            return _reader(kind)(entry)
        old = _read_entry(entry)
        return Happened(old.version, old.id, old.occurred_at, decode_data(kind, schema, old.data))
    except UNREADABLE as error:
        raise UnreadableError(str(error)) from error


def read_entry(raw: bytes) -> Entry:
    """Every field of an entry, its data as plain values. Raises UnreadableError."""
    return _read(_read_entry, raw)


def read_fields(raw: bytes) -> dict[str, Any]:
    """An entry as plain values, instants as text. Raises UnreadableError."""
    return _read(_read_fields, raw)


def _read(decode_one: Callable[[bytes], T], raw: bytes) -> T:
    try:
        return decode_one(raw)
    except UNREADABLE as error:
        raise UnreadableError(str(error)) from error


def microseconds(instant: datetime) -> int:
    """An instant as integer microseconds since 1970 (the form of every time column)."""
    return (instant - EPOCH) // MICROSECOND


def from_microseconds(column: int) -> datetime:
    """The instant that a time column holds."""
    return EPOCH + column * MICROSECOND


def named(types: Iterable[str]) -> tuple[str, ...]:
    """The event types that are meant, each once; `sla.*` means every type of that family."""
    found: dict[str, None] = {}
    for name in types:
        family = name.removesuffix("*")
        found.update(dict.fromkeys([name] if family == name else [known for known in ALL if known.startswith(family)]))
    return tuple(found)
