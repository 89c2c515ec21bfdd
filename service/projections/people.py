"""People: which events name whom, and who was erased; who they are is for the vault alone to say."""

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from domain import events as e
from domain.types import Sealed
from events.codec import microseconds
from events.envelope import RecordedEvent
from events.store import Put, RowChange, Value
from service.personal import personal_fields
from service.projections import Query, Row

TABLES = ("person_events", "erased")
NAMING: tuple[type[e.Event], ...] = tuple(kind for kind in e.ALL.values() if "person" in personal_fields(kind).values())
"""The types of events that name people."""
LISTED: tuple[type[e.Event], ...] = (*NAMING, e.PersonErased, e.TextErased)
"""The events that `project` answers to."""

DDL = """
CREATE TABLE person_events (
  organisation TEXT NOT NULL,
  person TEXT NOT NULL,
  position INTEGER NOT NULL,
  PRIMARY KEY (organisation, person, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE erased (
  organisation TEXT NOT NULL,
  holder TEXT NOT NULL,
  erased_at INTEGER NOT NULL,
  position INTEGER NOT NULL,
  PRIMARY KEY (organisation, holder)
) STRICT;
ALTER TABLE inbox ADD COLUMN purged_at TEXT;
"""


class Person(Struct, frozen=True):
    """A person as the log knows one: an id, and where it stands."""

    id: str
    events: int
    first_position: int | None
    last_position: int | None
    erased_at: int | None


def project(organisation: str, recorded: RecordedEvent, data: e.Event) -> Sequence[RowChange]:
    """What an event says of people."""
    match data:
        case e.PersonErased(person=holder) | e.TextErased(event=holder):
            values: dict[str, Value] = {"erased_at": microseconds(recorded.recorded_at), "position": recorded.position}
            return [Put("erased", {"organisation": organisation, "holder": holder}, values)]
        case _:
            return [
                Put("person_events", {"organisation": organisation, "person": each, "position": recorded.position}, {})
                for each in sorted(people_in(data))
            ]


def people_in(data: e.Event) -> set[str]:
    """The ids of the people whom an event names."""
    found: set[str] = set()
    for name, kind in personal_fields(type(data)).items():
        if kind == "person":
            value = getattr(data, name)
            values = value if isinstance(value, tuple) else (value,)
            found.update(each.p for each in values if isinstance(each, Sealed))
    return found


_PEOPLE = """
    SELECT id, count(position), min(position), max(position), max(erased_at) FROM (
      SELECT person AS id, position, NULL AS erased_at FROM person_events WHERE organisation = ?1
      UNION ALL
      SELECT holder, NULL, erased_at FROM erased WHERE organisation = ?1 AND holder LIKE 'per\\_%' ESCAPE '\\'
    ) WHERE {condition} GROUP BY id ORDER BY id LIMIT ?3
"""


async def list_people(query: Query, organisation: str, after: str, limit: int) -> list[Person]:
    """The people of an organisation by their ids, erased ones among them."""
    return [_person(row) for row in await query(_PEOPLE.format(condition="id > ?2"), (organisation, after, limit))]


async def find_person(query: Query, organisation: str, person: str) -> Person | None:
    """One person."""
    rows = await query(_PEOPLE.format(condition="id = ?2"), (organisation, person, 1))
    return _person(rows[0]) if rows else None


def _person(row: Row) -> Person:
    return msgspec.convert(dict(zip(Person.__struct_fields__, row, strict=True)), Person)


async def positions_of(query: Query, organisation: str, person: str) -> list[int]:
    """The positions of the events that name a person."""
    sql = "SELECT position FROM person_events WHERE organisation = ? AND person = ? ORDER BY position"
    return [int(str(row[0])) for row in await query(sql, (organisation, person))]


async def erased(query: Query, organisation: str, holder: str) -> tuple[int, int] | None:
    """(when in microseconds, position) of the erasure of a person or of an event's text."""
    sql = "SELECT erased_at, position FROM erased WHERE organisation = ? AND holder = ?"
    rows = await query(sql, (organisation, holder))
    return (int(str(rows[0][0])), int(str(rows[0][1]))) if rows else None


async def all_erased(query: Query) -> list[tuple[str, str]]:
    """(organisation, holder) of everything that was ever erased."""
    return [(str(row[0]), str(row[1])) for row in await query("SELECT organisation, holder FROM erased")]
