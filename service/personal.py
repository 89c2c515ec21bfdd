"""Which fields of a fact are personal, and how they are sealed before the log and opened at the edge (RULINGS 1)."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any, Literal, Protocol

import msgspec
from msgspec import inspect
from msgspec.structs import replace

from domain.events import ALL, Event
from domain.types import Sealed

Kind = Literal["person", "prose"]
ERASED = "[erased]"
"""What a reader sees where the key is gone."""


class Opener(Protocol):
    """Whatever opens sealed values: the vault."""

    async def fetch_keys(self, organisation: str, holders: Sequence[str]) -> None:
        """Bring keys to hand."""
        ...

    def open(self, organisation: str, event_id: str, field: str, sealed: Sealed) -> str:
        """The text of a sealed value whose key was fetched."""
        ...


@cache
def personal_fields(kind: type[Event]) -> Mapping[str, Kind]:
    """The personal fields of a type and what they hold: people's names, or free text."""
    info = inspect.type_info(kind)
    if not isinstance(info, inspect.StructType):
        return {}
    found = {field.encode_name: _personal(field.type) for field in info.fields}
    return {name: kind for name, kind in found.items() if kind is not None}


def _personal(info: inspect.Type) -> Kind | None:
    if isinstance(info, inspect.Metadata):
        marked: Kind | None = (info.extra or {}).get("personal")
        return marked or _personal(info.type)
    if isinstance(info, inspect.UnionType):
        return next((kind for each in info.types if (kind := _personal(each)) is not None), None)
    if isinstance(info, inspect.VarTupleType):
        return _personal(info.item_type)
    return None


def personal_texts(data: Event) -> list[tuple[str, Kind, str]]:
    """(field, kind, text) of every personal text in a fact, as sent."""
    found = []
    for name, kind in personal_fields(type(data)).items():
        value = getattr(data, name)
        for each in value if isinstance(value, tuple) else (value,):
            if isinstance(each, str):
                found.append((name, kind, each))  # noqa: PERF401  # two loops deep, a comprehension hides which
    return found


def holds_sealed(data: Event) -> bool:
    """Whether some personal value came in already sealed, which only the log may hold."""
    values = (getattr(data, name) for name in personal_fields(type(data)))
    return any(
        isinstance(each, Sealed) for value in values for each in (value if isinstance(value, tuple) else (value,))
    )


def seal_fields(data: Event, seal: Callable[[str, Kind, str], Sealed]) -> Event:
    """The fact with every personal text sealed by `seal(field, kind, text)`."""
    sealed: dict[str, Any] = {}
    for name, kind in personal_fields(type(data)).items():
        value = getattr(data, name)
        if isinstance(value, tuple):
            sealed[name] = tuple(seal(name, kind, each) if isinstance(each, str) else each for each in value)
        elif isinstance(value, str):
            sealed[name] = seal(name, kind, value)
    return replace(data, **sealed) if sealed else data


def open_fields(kind: str, data: dict[str, Any], unseal: Callable[[str, Sealed], str]) -> dict[str, Any]:
    """A stored event's data with every personal value opened by `unseal(field, sealed)`."""
    opened = dict(data)
    for name in personal_fields(ALL[kind]):
        value = opened.get(name)
        if isinstance(value, list):
            opened[name] = [unseal(name, msgspec.convert(each, Sealed)) for each in value]
        elif isinstance(value, dict):
            opened[name] = unseal(name, msgspec.convert(value, Sealed))
    return opened


async def open_all(
    opener: Opener, organisation: str, told: Sequence[tuple[str, str, dict[str, Any]]]
) -> list[dict[str, Any]]:
    """The data of events, each told as (type, event id, data), with every personal value opened."""
    await opener.fetch_keys(organisation, [holder for _, _, data in told for holder in _holders(data)])
    return [open_fields(kind, data, partial(opener.open, organisation, event)) for kind, event, data in told]


def _holders(data: dict[str, Any]) -> list[str]:
    """The keys that the sealed values of an entry name."""
    values = [each for value in data.values() for each in (value if isinstance(value, list) else (value,))]
    return [each["p"] for each in values if isinstance(each, dict) and each.keys() == {"p", "c"}]
