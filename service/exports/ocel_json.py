"""OCEL 2.0 as JSON: the tables of the relational form, told row by row; every value is a text."""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from itertools import islice

import msgspec

from service.exports.attributes import Type, Value, declared
from service.exports.extract import TOLD, Extract, Json
from service.exports.ocel import OBJECTS
from service.exports.ocel_sqlite import Tables, event_table, object_table, tables

AT_ONCE = 500
"""Events or objects a piece."""

EVENTS = "SELECT ocel_id, ocel_type FROM event ORDER BY rowid"
OBJECTS_OF_ALL = "SELECT ocel_id, ocel_type FROM object ORDER BY rowid"
OF_EVENT = "SELECT ocel_object_id, ocel_qualifier FROM event_object WHERE ocel_event_id = ? ORDER BY rowid"
OF_OBJECT = "SELECT ocel_target_id, ocel_qualifier FROM object_object WHERE ocel_source_id = ? ORDER BY rowid"


async def ocel_json(extract: Extract) -> AsyncIterator[bytes]:
    """The document, some objects or events at a time."""
    with tables("", extract.opener is not None) as found:
        await found.fill(extract)
        for piece in Document(found).pieces():
            yield piece


class Document:
    """The JSON of filled tables."""

    def __init__(self, found: Tables) -> None:
        self._database = found.database
        self._events = {name: declared(kind, personal=found.personal) for name, kind in TOLD.items()}

    def pieces(self) -> Iterator[bytes]:
        """The document from its beginning to its end."""
        yield b'{"objectTypes":' + msgspec.json.encode(_types(OBJECTS))
        yield b',"eventTypes":' + msgspec.json.encode(_types(self._events))
        yield b',"objects":['
        yield from _listed(self._object(*row) for row in self._database.execute(OBJECTS_OF_ALL))
        yield b'],"events":['
        yield from _listed(self._event(*row) for row in self._database.execute(EVENTS))
        yield b"]}\n"

    def _object(self, identifier: str, kind: str) -> Json:
        fields = OBJECTS[kind]
        names = ", ".join(f'"{name}"' for name in fields)
        sql = f"SELECT ocel_time, {names} FROM {object_table(kind)} WHERE ocel_id = ? ORDER BY ocel_time, rowid"  # noqa: S608  # our own names
        said = [
            {"name": name, "time": at, "value": value}
            for at, *values in self._database.execute(sql, (identifier,))
            for name, value in _texts(fields, values)
        ]
        return {
            "id": identifier,
            "type": kind,
            "attributes": said,
            "relationships": self._related(OF_OBJECT, identifier),
        }

    def _event(self, identifier: str, kind: str) -> Json:
        fields = self._events[kind]
        names = ", ".join(f'"{name}"' for name in fields)
        sql = f"SELECT ocel_time, {names} FROM {event_table(kind)} WHERE ocel_id = ?"  # noqa: S608  # as above
        at, *values = self._database.execute(sql, (identifier,)).fetchone()
        said = [{"name": name, "value": value} for name, value in _texts(fields, values)]
        related = self._related(OF_EVENT, identifier)
        return {"id": identifier, "type": kind, "time": at, "attributes": said, "relationships": related}

    def _related(self, sql: str, identifier: str) -> list[Json]:
        return [
            {"objectId": other, "qualifier": qualifier}
            for other, qualifier in self._database.execute(sql, (identifier,))
        ]


def _types(kinds: Mapping[str, Mapping[str, Type]]) -> list[Json]:
    return [
        {"name": name, "attributes": [{"name": each, "type": form} for each, form in fields.items()]}
        for name, fields in kinds.items()
    ]


def _texts(fields: Mapping[str, Type], values: Iterable[Value | None]) -> Iterator[tuple[str, str]]:
    for (name, kind), value in zip(fields.items(), values, strict=True):
        if value is not None:
            yield name, str(bool(value)).lower() if kind == "boolean" else str(value)


def _listed(found: Iterator[Json]) -> Iterator[bytes]:
    """The items of an array, some at a time."""
    comma = b""
    while some := [msgspec.json.encode(each) for each in islice(found, AT_ONCE)]:
        yield comma + b",\n".join(some)
        comma = b",\n"
