"""Valid bodies of every fact, made from what the types themselves say: minimal and full."""

from typing import Any

from msgspec import inspect

from domain.events import FACTS, Event

CHOSEN: dict[str, dict[str, Any]] = {
    "promise.made": {"unit": "EUR", "kind": "budget", "promised": 1_000},
    "contract.signed": {"starts_on": "2020-02-01", "ends_on": "2023-02-01", "amount": 500, "currency": "EUR"},
    "sla.measured": {"met": 3, "total": 4},
    "change.prepared": {"teams_ready": 1, "teams_affected": 2},
}
"""What one field alone cannot know of the others."""
CHOSEN |= dict.fromkeys(("contract.amended", "contract.renewed"), CHOSEN["contract.signed"])
PATTERNED = {r"^\d{4}-(0[1-9]|1[0-2])$": "2024-03", "^[A-Z]{3}$": "EUR"}


def body_of(kind: str, *, full: bool) -> dict[str, Any]:
    """A body that is accepted: with the required fields only, or with all of them."""
    fields = {name: example(info.type) for name, info in fields_of(FACTS[kind]).items() if full or info.required}
    chosen = {name: value for name, value in CHOSEN.get(kind, {}).items() if name in fields}
    return {"type": kind, **fields, **chosen}


def fields_of(kind: type[Event]) -> dict[str, inspect.Field]:
    """The fields of a type by their names in JSON."""
    info = inspect.type_info(kind)
    assert isinstance(info, inspect.StructType)
    return {field.encode_name: field for field in info.fields}


def example(info: inspect.Type) -> Any:
    """A value that a field takes."""
    match info:
        case inspect.Metadata():
            return example(info.type)
        case inspect.UnionType():
            return example(
                next(each for each in info.types if not isinstance(each, inspect.NoneType | inspect.StructType))
            )
        case inspect.LiteralType():
            return info.values[0]
        case inspect.VarTupleType():
            many = max(info.min_length or 0, 1)
            return [example(info.item_type)] * many
        case inspect.StrType():
            return PATTERNED[info.pattern] if info.pattern else "élan n° 1"
        case inspect.BoolType():
            return True
        case inspect.IntType():
            return info.ge or 0
        case inspect.FloatType():
            return 0.5
        case inspect.DateType():
            return "2020-03-01"
    message = f"No example for {info}."
    raise TypeError(message)
