"""Whether the bytes of entries are those that the log would write of them: many of a type at one look, or each alone."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import inspect

from domain.events import ALL
from events.codec import INTEGER_LIMIT, Entry, canonical, holds_odd_number

_writer = msgspec.json.Encoder(order="sorted")


def read_alike(kind: str, schema: int, entries: Sequence[bytes]) -> list[Entry] | None:
    """Entries of one type with their events; None where one of them needs a look of its own.

    That is where the log would not write these very bytes, and for types that may hold odd numbers or names beyond ASCII.
    """
    if (reader := _reader(kind, schema)) is None:
        return None
    lines = b"\n".join(entries)
    try:
        found: list[Entry] = reader.decode_lines(lines)
        # No line that is written holds a line break, so each entry is the line of its own.
        return found if _writer.encode_lines(found) == lines + b"\n" and not _holds_nul(lines) else None
    except ValueError:
        return None


def is_as_written(entry: Entry, raw: bytes) -> bool:
    """Whether the log would write an entry that was read in these bytes.

    One that holds more than was read is looked at as a whole.
    """
    plain = raw.isascii() and not _holds_nul(raw) and not holds_odd_number([entry.data])
    try:
        written = _writer.encode(entry) if plain else canonical(entry, lambda _: entry.data)
        return written == raw or canonical(msgspec.json.decode(raw)) == raw
    except ValueError:
        return False


def _holds_nul(raw: bytes) -> bool:
    """Whether there may be a NUL, which is written in no other way."""
    return b"\\" in raw and b"\\u0000" in raw


@lru_cache(maxsize=512)
def _reader(kind: str, schema: int) -> Any:  # noqa: ANN401  # a decoder of a struct made at run time
    """Reads entries of a type with their event; None where that holds what needs a second look, or is not of today's shape."""
    event = ALL.get(kind)
    if event is None or schema != event.schema or not _is_steady(inspect.type_info(event)):
        return None
    typed = msgspec.defstruct(
        "Typed", [("data", event)], bases=(Entry,), frozen=True, gc=False, kw_only=True, omit_defaults=True
    )
    return msgspec.json.Decoder(typed)


def _is_steady(told: inspect.Type) -> bool:
    """Whether values of a type hold no number but integers within the limit, and no names but those of their fields."""
    match told:
        case inspect.IntType(ge=least, le=most):
            return least is not None and most is not None and least >= -INTEGER_LIMIT and most <= INTEGER_LIMIT
        case inspect.FloatType() | inspect.DictType() | inspect.AnyType():
            return False
        case _:
            return all(_is_steady(each) for each in _inside(told))


def _inside(told: inspect.Type) -> Iterator[inspect.Type]:
    """The types that a type is made of: of its fields, its items, its alternatives."""
    for value in msgspec.structs.asdict(told).values():
        for each in value if isinstance(value, tuple) else (value,):
            part = each.type if isinstance(each, inspect.Field) else each
            if isinstance(part, inspect.Type):
                yield part
