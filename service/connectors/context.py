"""What a compiled value is given, the words that all of them share, and what can be wrong with one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from service.connectors.model import Json, Setting, SettingType

Where = tuple[str | int, ...]

# Whatever odd data can make JMESPath, numbers or dates raise; an item that does is failed, its neighbours are not.
ODD = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)
_SHOWN = 200


class Unmappable(Exception):
    """An item that cannot be turned into facts, and why; caught where the item is mapped."""


class FieldError(Exception):
    """A field of a connector file that cannot work; `where` leads to it."""

    def __init__(self, where: Where, message: str) -> None:
        super().__init__(message)
        self.where = where


@dataclass(frozen=True, slots=True)
class Names:
    """What values may refer to: the file's settings and the `let`s written above."""

    settings: Mapping[str, Setting]
    lets: Mapping[str, "Compute"]


@dataclass(slots=True)
class Context:
    """One item and what surrounds it; `known` keeps the `let`s that were already computed."""

    item: Json
    body: Json
    headers: Mapping[str, str]
    settings: Mapping[str, Json]
    source: str
    received_at: datetime
    digest: str
    known: dict[str, Json] = field(default_factory=dict)


Compute = Callable[[Context], Json]


def empty(value: Json) -> bool:
    """Senders write "nothing" as null, as a missing key or as an empty string."""
    return value is None or value == ""


def shown(value: Json) -> str:
    """A value for a message, cut."""
    try:
        text = msgspec.json.encode(value).decode()
    except ODD:
        text = "something nested too deeply"
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."


def key_text(value: Json) -> str:
    """A scalar as text: how maps, templates and links see it."""
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, bool | int | float):
        return msgspec.json.encode(value).decode()
    raise Unmappable(f"{shown(value)} is no text or number: expected a single value")


def declared(name: str, types: Sequence[SettingType], names: Names, where: Where) -> None:
    """Refuse the name of a setting that is not there, or is of another type."""
    if name not in names.settings or names.settings[name].type not in types:
        raise FieldError(where, f"there is no setting {name!r} of type {' or '.join(types)}")
