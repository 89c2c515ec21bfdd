"""OCEL 2.0 in the relational form: a table a type of events and of objects, as the standard names them."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from service.exports.attributes import Type, Value, attributes, declared
from service.exports.extract import TOLD, Extract, Life, Told
from service.exports.ocel import EVENTS, OBJECTS, OPENINGS, Thing, things
from service.views import instant

BEGINNING = "1970-01-01T00:00:00Z"
"""The time of what holds from an object's beginning."""

CACHE_KB = 32_000
"""What SQLite may keep of the file in memory."""

COLUMNS: Mapping[Type, str] = {
    "string": "TEXT", "integer": "INTEGER", "float": "REAL", "boolean": "BOOLEAN", "time": "TIMESTAMP",
}  # fmt: skip
TABLES = """
CREATE TABLE event_map_type (ocel_type TEXT PRIMARY KEY, ocel_type_map TEXT NOT NULL UNIQUE);
CREATE TABLE object_map_type (ocel_type TEXT PRIMARY KEY, ocel_type_map TEXT NOT NULL UNIQUE);
CREATE TABLE event (
  ocel_id TEXT PRIMARY KEY, ocel_type TEXT NOT NULL,
  FOREIGN KEY (ocel_type) REFERENCES event_map_type (ocel_type)
);
CREATE TABLE object (
  ocel_id TEXT PRIMARY KEY, ocel_type TEXT NOT NULL,
  FOREIGN KEY (ocel_type) REFERENCES object_map_type (ocel_type)
);
CREATE TABLE event_object (
  ocel_event_id TEXT NOT NULL, ocel_object_id TEXT NOT NULL, ocel_qualifier TEXT NOT NULL,
  PRIMARY KEY (ocel_event_id, ocel_object_id, ocel_qualifier),
  FOREIGN KEY (ocel_event_id) REFERENCES event (ocel_id),
  FOREIGN KEY (ocel_object_id) REFERENCES object (ocel_id)
);
CREATE TABLE object_object (
  ocel_source_id TEXT NOT NULL, ocel_target_id TEXT NOT NULL, ocel_qualifier TEXT NOT NULL,
  PRIMARY KEY (ocel_source_id, ocel_target_id, ocel_qualifier),
  FOREIGN KEY (ocel_source_id) REFERENCES object (ocel_id),
  FOREIGN KEY (ocel_target_id) REFERENCES object (ocel_id)
);
"""
OF_EVENT = (
    "CREATE TABLE {table} (ocel_id TEXT PRIMARY KEY, ocel_time TIMESTAMP NOT NULL, {columns},"
    " FOREIGN KEY (ocel_id) REFERENCES event (ocel_id))"
)
OF_OBJECT = (
    "CREATE TABLE {table} (ocel_id TEXT NOT NULL, ocel_time TIMESTAMP NOT NULL, ocel_changed_field TEXT, {columns},"
    " PRIMARY KEY (ocel_id, ocel_time, ocel_changed_field), FOREIGN KEY (ocel_id) REFERENCES object (ocel_id))"
)


async def write_ocel_sqlite(extract: Extract, path: Path) -> None:
    """Fill an empty file."""
    with tables(str(path), extract.opener is not None) as found:
        await found.fill(extract)


@contextmanager
def tables(path: str, personal: bool) -> Iterator["Tables"]:  # noqa: FBT001  # an export is one or the other
    """The tables in a file; without a name, in one that nobody sees and that is gone with the process."""
    with closing(sqlite3.connect(path, isolation_level=None, cached_statements=512)) as database:
        # Written once, synced when it is whole: a journal would only be a second file to leave behind.
        database.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA foreign_keys = ON;")
        database.execute(f"PRAGMA cache_size = -{CACHE_KB}")
        database.execute("BEGIN")
        found = Tables(database, personal=personal)
        found.create()
        yield found
        database.execute("COMMIT")


def event_table(kind: str) -> str:
    """The name of the table of a type of events, quoted."""
    return f'"event_{EVENTS[kind]}"'


def object_table(kind: str) -> str:
    """The name of the table of a type of objects, quoted."""
    return f'"object_{kind.capitalize()}"'


class Tables:
    """The tables of one export, on one connection."""

    def __init__(self, database: sqlite3.Connection, *, personal: bool) -> None:
        self.database = database
        self.personal = personal

    def create(self) -> None:
        """Make the tables; a type has one, whether anything of it happened or not."""
        for statement in TABLES.split(";"):
            self.database.execute(statement)
        for name, kind in TOLD.items():
            self.database.execute("INSERT INTO event_map_type VALUES (?, ?)", (name, EVENTS[name]))
            columns = _columns(declared(kind, personal=self.personal))
            self.database.execute(OF_EVENT.format(table=event_table(name), columns=columns))
        for name, fields in OBJECTS.items():
            self.database.execute("INSERT INTO object_map_type VALUES (?, ?)", (name, name.capitalize()))
            self.database.execute(OF_OBJECT.format(table=object_table(name), columns=_columns(fields)))

    async def fill(self, extract: Extract) -> None:
        """Write every event with its objects."""
        async for life in extract.lives():
            async for page in life.pages:
                for told in page:
                    self._add(told, life)

    def _add(self, told: Told, life: Life) -> None:
        entry = told.entry
        self.database.execute("INSERT INTO event VALUES (?, ?)", (entry.id, entry.type))
        found = {name: value for name, _, value in attributes(told, personal=self.personal)}
        self._insert(event_table(entry.type), {"ocel_id": entry.id, "ocel_time": instant(entry.occurred_at), **found})
        for thing in things(told, life):
            self._take(thing, opening=entry.type in OPENINGS, at=instant(entry.occurred_at))
            row = (entry.id, thing.id, thing.qualifier)
            self.database.execute("INSERT OR IGNORE INTO event_object VALUES (?, ?, ?)", row)

    def _take(self, thing: Thing, *, opening: bool, at: str) -> None:
        """What an event says of an object, which is new or known."""
        table = object_table(thing.type)
        if self.database.execute("INSERT OR IGNORE INTO object VALUES (?, ?)", (thing.id, thing.type)).rowcount:
            self._insert(table, {"ocel_id": thing.id, "ocel_time": BEGINNING})
        for other, qualifier in thing.parts:
            self.database.execute("INSERT OR IGNORE INTO object_object VALUES (?, ?, ?)", (thing.id, other, qualifier))
        if thing.values and not (opening and self._begin(table, thing)):
            for name, value in thing.values.items():
                self._insert(table, {"ocel_id": thing.id, "ocel_time": at, "ocel_changed_field": name, name: value})

    def _begin(self, table: str, thing: Thing) -> bool:
        """Whether the object has this beginning, now or before."""
        given = ", ".join(f'"{name}" = ?' for name in thing.values)
        same = " AND ".join(f'coalesce("{name}", ?) = ?' for name in thing.values)
        sql = f"UPDATE {table} SET {given} WHERE ocel_id = ? AND ocel_changed_field IS NULL AND {same}"  # noqa: S608  # our own names
        twice = [value for value in thing.values.values() for _ in range(2)]
        return bool(self.database.execute(sql, (*thing.values.values(), thing.id, *twice)).rowcount)

    def _insert(self, table: str, row: Mapping[str, Value]) -> None:
        """A row; of two changes of one field at one instant the later stays."""
        names = ", ".join(f'"{name}"' for name in row)
        marks = ", ".join("?" * len(row))
        self.database.execute(f"INSERT OR REPLACE INTO {table} ({names}) VALUES ({marks})", tuple(row.values()))  # noqa: S608  # as above


def _columns(fields: Mapping[str, Type]) -> str:
    return ", ".join(f'"{name}" {COLUMNS[kind]}' for name, kind in fields.items())
