"""Whether the bytes of an entry are those that the log would write of it."""

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import inspect

from domain.events import ALL
from events.codec import INTEGER_LIMIT, Entry, canonical, holds_odd_number, read_entry

_write = msgspec.json.Encoder(order="sorted").encode


def read_written(kind: str, schema: int, raw: bytes) -> tuple[Entry, bool]:
    """An entry of a type, its data as the event or as plain values, and whether the log would write these bytes of it.

    Raises UnreadableError where it is no entry.
    """
    if (read := _typed(kind, schema)) is not None:
        try:
            entry = read(raw)
            if _write(entry) == raw and _is_plain(raw):
                return entry, True
        except ValueError:
            pass  # no entry, or its data of another shape, which is for others to say
    entry = read_entry(raw)
    return entry, is_as_written(entry, raw)


def is_as_written(entry: Entry, raw: bytes) -> bool:
    """Whether the log would write an entry that was read in these bytes.

    One that holds more than was read is looked at as a whole.
    """
    plain = _is_plain(raw) and not holds_odd_number([entry.data])
    try:
        written = _write(entry) if plain else canonical(entry, lambda _: entry.data)
        return written == raw or canonical(msgspec.json.decode(raw)) == raw
    except ValueError:
        return False


def _is_plain(raw: bytes) -> bool:
    """Whether nothing in it needs a second look but numbers: no name beyond ASCII, no escaped NUL."""
    return raw.isascii() and (b"\\" not in raw or b"\\u0000" not in raw)


@lru_cache(maxsize=512)
def _typed(kind: str, schema: int) -> Callable[[bytes], Entry] | None:
    """Reads entries of a type with their event; None where that may hold odd numbers, or is not of today's shape."""
    event = ALL.get(kind)
    if event is None or schema != event.schema or not _is_steady(inspect.type_info(event)):
        return None
    typed = msgspec.defstruct(
        "Typed", [("data", event)], bases=(Entry,), frozen=True, gc=False, kw_only=True, omit_defaults=True
    )
    decode: Any = msgspec.json.Decoder(typed).decode
    return decode  # type: ignore[no-any-return]  # a struct made at run time


def _is_steady(told: inspect.Type) -> bool:
    """Whether values of a type hold no number but integers within the limit."""
    match told:
        case inspect.IntType(ge=least, le=most):
            return least is not None and most is not None and least >= -INTEGER_LIMIT and most <= INTEGER_LIMIT
        case inspect.FloatType() | inspect.AnyType():
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
