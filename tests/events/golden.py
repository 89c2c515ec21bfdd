"""One entry of each event type and schema, as written on the day the shape was made.

`python -m tests.events.golden` writes the files that are missing; a file that exists is never written again.
"""

import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec
from msgspec import inspect

from domain.events import ALL, Event
from domain.types import Sealed
from events.codec import encode_entry
from events.envelope import Context, NewEvent

FOLDER = Path(__file__).parents[1] / "golden"
CONTEXT = Context(
    actor="key_golden", source="src_golden", trust="signed", correlation_id="cor_golden", causation_id="cau_golden"
)
OCCURRED = datetime(2026, 2, 28, 23, 59, 59, 120_000, tzinfo=UTC)
DECIDED = datetime(2026, 3, 1, 0, 0, 0, 1, tzinfo=UTC)
RECORDED = datetime(2026, 3, 1, 0, 0, 1, tzinfo=UTC)
PATTERNS = {r"^\d{4}-(0[1-9]|1[0-2])$": "2026-02", r"^[A-Z]{3}$": "EUR"}


def golden(kind: str, schema: int) -> Path:
    return FOLDER / f"{kind}.{schema}.json"


def example(kind: type[Event]) -> Event:
    """An event with every field filled, optional ones too."""
    return msgspec.convert(_fields(inspect.type_info(kind)), kind)


def entry(data: Event) -> bytes:
    new = NewEvent(id=f"evt_{data.type}", data=data, occurred_at=OCCURRED, decided_at=DECIDED, side="partner")
    return encode_entry(new, CONTEXT, "partnership-par_golden", 7, RECORDED).entry


def _fields(kind: inspect.StructType) -> dict[str, Any]:
    return {field.encode_name: _value(field.type, field.name) for field in kind.fields}


def _value(kind: inspect.Type, name: str) -> Any:
    match kind:
        case inspect.Metadata():
            return _value(kind.type, name)
        case inspect.UnionType():
            return _value(min(kind.types, key=_preference), name)
        case inspect.StructType():
            return {"p": f"per_{name}", "c": "c2VhbGVk"} if kind.cls is Sealed else _fields(kind)
        case inspect.VarTupleType():
            return tuple([_value(kind.item_type, name)] * max(kind.min_length or 0, 2))
        case inspect.DictType():
            return {"first": _value(kind.value_type, name)}
        case _:
            return PLAIN[type(kind)](kind, name)


PLAIN: dict[type[inspect.Type], Callable[[Any, str], Any]] = {
    inspect.LiteralType: lambda kind, name: kind.values[0],
    inspect.StrType: lambda kind, name: PATTERNS[kind.pattern] if kind.pattern else f"{name} – é",
    inspect.IntType: lambda kind, name: max(kind.ge or 0, 3),
    inspect.FloatType: lambda kind, name: 0.25 if kind.le == 1 else 2.5,
    inspect.BoolType: lambda kind, name: True,
    inspect.DateType: lambda kind, name: date(2026, 2, 28),
    inspect.AnyType: lambda kind, name: {"deep": [1, 2.5, "text", True]},
}


def _preference(kind: inspect.Type) -> int:
    """A sealed value rather than the name itself, anything rather than nothing."""
    kind = kind.type if isinstance(kind, inspect.Metadata) else kind
    order = (inspect.StructType, inspect.FloatType, inspect.StrType)
    return (
        99 if isinstance(kind, inspect.NoneType) else next((n for n, k in enumerate(order) if isinstance(kind, k)), 9)
    )


def write_missing() -> list[Path]:
    FOLDER.mkdir(exist_ok=True)
    missing = {golden(name, kind.schema): kind for name, kind in ALL.items() if not golden(name, kind.schema).exists()}
    for path, kind in missing.items():
        path.write_bytes(entry(example(kind)) + b"\n")
    return list(missing)


if __name__ == "__main__":
    for path in write_missing():
        sys.stdout.write(f"{path}\n")
