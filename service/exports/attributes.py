"""An event as flat attributes, with the types that process mining tools know."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Literal

import msgspec
from msgspec import inspect

from domain.events import Event
from service.exports.extract import TOLD, Json, Told
from service.personal import personal_fields
from service.views import instant

Type = Literal["string", "integer", "float", "boolean", "time"]
Value = str | int | float | bool

ENVELOPE: Mapping[str, Type] = {
    "position": "integer", "version": "integer", "recorded_at": "time", "actor": "string", "by_side": "string",
    "source": "string", "trust": "string",
}  # fmt: skip
"""What is told of every event, beside its own fields."""

PLAIN: Mapping[type[inspect.Type], Type] = {
    inspect.BoolType: "boolean", inspect.IntType: "integer", inspect.FloatType: "float",
}  # fmt: skip


@cache
def declared(kind: type[Event], *, personal: bool) -> Mapping[str, Type]:
    """The attributes that events of a type may have; free text is among them only where personal values are opened."""
    info = inspect.type_info(kind)
    kept = {} if personal else {name for name, what in personal_fields(kind).items() if what == "prose"}
    fields = info.fields if isinstance(info, inspect.StructType) else ()
    return {**ENVELOPE, **{each.encode_name: _type(each.type) for each in fields if each.encode_name not in kept}}


def _type(info: inspect.Type) -> Type:
    match info:
        case inspect.Metadata():
            return _type(info.type)
        case inspect.UnionType():
            return _type(next(each for each in info.types if not isinstance(each, inspect.NoneType)))
        case inspect.LiteralType() if all(isinstance(each, int) for each in info.values):
            return "integer"
        case _:
            return PLAIN.get(type(info), "string")


def attributes(told: Told, *, personal: bool) -> Iterator[tuple[str, Type, Value]]:
    """(name, type, value) of what is known of an event; lists are JSON, a person is a pseudonym unless opened."""
    values = {**_envelope(told), **told.data}
    for name, kind in declared(TOLD[told.entry.type], personal=personal).items():
        if (value := values.get(name)) is not None:
            yield name, kind, typed(kind, _flat(name, value))


def _envelope(told: Told) -> Json:
    entry = told.entry
    return {
        "position": told.position, "version": entry.version, "recorded_at": instant(entry.recorded_at),
        "actor": entry.actor, "by_side": entry.side, "source": entry.source, "trust": entry.trust,
    }  # fmt: skip


def typed(kind: Type, value: Value) -> Value:
    """A value in the form that its type has: whole numbers stand in the log without a fraction."""
    return float(value) if kind == "float" else value


def _flat(name: str, value: object) -> Value:
    match value:
        case str() | int() | float():
            return value
        case {"p": str(pseudonym)}:
            return pseudonym
        case list():
            shown = (
                [each["code"] for each in value if each["met"]]
                if name == "guards"
                else [_flat("", each) for each in value]
            )
            return msgspec.json.encode(shown).decode()
        case _:
            return msgspec.json.encode(value).decode()
