"""The log's tables in SQLite's words: what is asked of them, and what a batch writes into them."""

from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from events.batch import Batch
from events.codec import EPOCH, MICROSECOND, Lived, from_microseconds, microseconds, named, read_happened
from events.envelope import RecordedEvent
from events.rows import grouped
from events.store import Head, KeyRecord, Page, RowChange, Snapshot, Value

HEAD = "SELECT position, recorded_at FROM heads WHERE organisation = ?"
VERSION = "SELECT max(version) FROM events WHERE organisation = ? AND stream = ?"
PLACE = "SELECT position FROM events WHERE organisation = ? AND stream = ? AND version = ?"
HOLDER = "SELECT stream FROM claims WHERE organisation = ? AND name = ?"
RECALL = """
    SELECT digest, status, stream, position, count FROM idempotency WHERE organisation = ? AND scope = ? AND key = ?
"""
VERSIONS = """
    SELECT value, coalesce((SELECT max(version) FROM events WHERE organisation = ?1 AND stream = value), 0)
    FROM json_each(?2)
"""
HOLDERS = """
    SELECT name, stream FROM json_each(?2) AS asked CROSS JOIN claims ON organisation = ?1 AND name = asked.value
"""
REMEMBERED = """
    SELECT scope, idempotency.key, digest, status, stream, position, count
    FROM json_each(?2) AS asked CROSS JOIN idempotency
    ON organisation = ?1 AND scope = asked.value ->> 0 AND idempotency.key = asked.value ->> 1
"""
SNAPSHOT = "SELECT version, fold, state FROM snapshots WHERE organisation = ? AND stream = ?"
EVENTS = """
    SELECT position, stream, version, type, schema, id, occurred_at, recorded_at, entry
    FROM events {index} WHERE organisation = ? AND {condition}
"""
BY_IDS = EVENTS.format(index="", condition="id IN (SELECT value FROM json_each(?))")
BY_POSITION = EVENTS.format(index="", condition="position > ? ORDER BY position LIMIT ?")
BY_STREAM = EVENTS.format(index="", condition="stream = ? AND version > ? {types} ORDER BY version LIMIT ?")
HISTORY = """
    SELECT type, schema, entry FROM events WHERE organisation = ? AND stream = ? AND version > ? ORDER BY version LIMIT ?
"""
BY_TYPE = EVENTS.format(index="INDEXED BY events_by_type", condition="type = ? AND position > ?")

ADD_EVENT = """
    INSERT INTO events (organisation, position, stream, version, type, schema, id, occurred_at, recorded_at, entry)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
PUT_BACK = """
    INSERT INTO events (organisation, position, stream, version, type, schema, id, occurred_at, recorded_at, entry)
    SELECT ?1, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
      CAST(value ->> 8 AS BLOB)
    FROM json_each(?2)
"""
MOVE_HEAD = """
    INSERT INTO heads (organisation, position, recorded_at) VALUES (?, ?, ?)
    ON CONFLICT (organisation) DO UPDATE SET position = excluded.position, recorded_at = excluded.recorded_at
"""
FREE = "DELETE FROM claims WHERE organisation = ? AND name = ?"
TAKE = """
    INSERT INTO claims (organisation, name, stream) VALUES (?, ?, ?)
    ON CONFLICT (organisation, name) DO UPDATE SET stream = excluded.stream
"""
REMEMBER = """
    INSERT INTO idempotency (organisation, scope, key, digest, status, stream, position, count)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""
SAVE_SNAPSHOT = """
    INSERT INTO snapshots (organisation, stream, version, fold, state) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (organisation, stream) DO UPDATE
    SET version = excluded.version, fold = excluded.fold, state = excluded.state
    WHERE excluded.version >= snapshots.version OR excluded.fold <> snapshots.fold
"""


class Cursor(Protocol):
    """Rows to come."""

    def fetchone(self) -> Any:  # noqa: ANN401 (a row or nothing, as the driver has it)
        """The next row."""

    def __iter__(self) -> Iterator[Any]: ...


class Database(Protocol):
    """A connection, as far as the log needs one."""

    def execute(self, sql: str, parameters: Sequence[Value], /) -> Cursor:
        """Run one statement."""

    def executemany(self, sql: str, parameters: Iterable[Sequence[Value]], /) -> Cursor:
        """Run one statement with many rows of values."""


class Log:
    """Everything that is asked of the log, on one connection."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def head(self, organisation: str) -> Head:
        """The end of the log."""
        row = self._database.execute(HEAD, (organisation,)).fetchone()
        return Head(row[0], from_microseconds(row[1])) if row else Head(0, None)

    def version(self, organisation: str, stream: str) -> int:
        """The version of a stream."""
        return self._database.execute(VERSION, (organisation, stream)).fetchone()[0] or 0

    def holder(self, organisation: str, claim: str) -> str | None:
        """The stream that holds a claim."""
        row = self._database.execute(HOLDER, (organisation, claim)).fetchone()
        return row[0] if row else None

    def recall(self, organisation: str, scope: str, key: str) -> KeyRecord | None:
        """What is remembered of an idempotency key."""
        row = self._database.execute(RECALL, (organisation, scope, key)).fetchone()
        return _key_record(row) if row else None

    def snapshot(self, organisation: str, stream: str) -> Snapshot | None:
        """The snapshot of a stream."""
        row = self._database.execute(SNAPSHOT, (organisation, stream)).fetchone()
        return Snapshot(stream=stream, version=row[0], fold=row[1], state=row[2]) if row else None

    def versions(self, organisation: str, streams: Collection[str]) -> dict[str, int]:
        """The versions of streams, 0 for a new one."""
        return dict(self._database.execute(VERSIONS, (organisation, _listed(streams))))

    def holders(self, organisation: str, claims: Collection[str]) -> dict[str, str]:
        """The streams that hold claims."""
        return dict(self._database.execute(HOLDERS, (organisation, _listed(claims))))

    def remembered(self, organisation: str, keys: Collection[tuple[str, str]]) -> dict[tuple[str, str], KeyRecord]:
        """What is remembered of idempotency keys, each a scope and a key."""
        rows = self._database.execute(REMEMBERED, (organisation, _listed(keys)))
        return {(row[0], row[1]): _key_record(row[2:]) for row in rows}

    def found(self, organisation: str, ids: Collection[str]) -> dict[str, RecordedEvent]:
        """The events with these ids."""
        return {event.id: event for event in self._events(BY_IDS, organisation, _listed(ids))}

    def span(self, organisation: str, position: int, count: int) -> tuple[RecordedEvent, ...]:
        """So many events from a position on."""
        return self._events(BY_POSITION, organisation, position - 1, count)

    def stream(
        self, organisation: str, stream: str, *, after: int, limit: int, types: Sequence[str]
    ) -> tuple[RecordedEvent, ...]:
        """The events of one stream with versions above `after`."""
        names = named(types)
        wanted = f"AND type IN ({', '.join('?' * len(names))})" if types else ""
        return self._events(BY_STREAM.format(types=wanted), organisation, stream, after, *names, limit)

    def history(self, organisation: str, stream: str, *, after: int, limit: int) -> tuple[Lived, ...]:
        """One stream as the fold takes it."""
        rows = self._database.execute(HISTORY, (organisation, stream, after, limit))
        return tuple([read_happened(kind, schema, entry) for kind, schema, entry in rows])

    def page(self, organisation: str, *, after: int, limit: int, types: Sequence[str], stream: str | None) -> Page:
        """The events above a position.

        The head is asked first: what comes in meanwhile is then left for the next page, never skipped.
        """
        end = self.head(organisation).position
        if stream is not None:
            version = self._versions_up_to(organisation, stream, after)
            events = self.stream(organisation, stream, after=version, limit=limit, types=types)
        elif types:
            events = self._of_types(organisation, after, limit, named(types))
        else:
            events = self._events(BY_POSITION, organisation, after, limit)
        last = events[-1].position if events else after
        return Page(events, last if len(events) >= limit else max(end, last))

    def _of_types(self, organisation: str, after: int, limit: int, names: Sequence[str]) -> tuple[RecordedEvent, ...]:
        """Each type's own range of the index, merged: a filter without hits reads nothing."""
        if not names:
            return ()
        sql = " UNION ALL ".join([BY_TYPE] * len(names)) + " ORDER BY position LIMIT ?"
        ranges: list[Value] = [value for name in names for value in (organisation, name, after)]
        return self._events(sql, *ranges, limit)

    def _versions_up_to(self, organisation: str, stream: str, position: int) -> int:
        """How many of a stream's events stand at or before a position; versions are dense, so halving finds it."""

        def place(version: int) -> int:
            return int(self._database.execute(PLACE, (organisation, stream, version)).fetchone()[0])

        versions = range(1, self.version(organisation, stream) + 1) if position else range(0)
        return bisect_right(versions, position, key=place)

    def _events(self, sql: str, *values: Value) -> tuple[RecordedEvent, ...]:
        return tuple(map(_recorded, self._database.execute(sql, values)))


def _listed(values: Collection[str] | Collection[tuple[str, str]]) -> str:
    return msgspec.json.encode(values).decode()


def _key_record(row: tuple[Any, ...]) -> KeyRecord:
    digest, status, stream, position, count = row
    return KeyRecord(digest=digest, status=status, stream=stream, position=position, count=count)


def _recorded(row: tuple[Any, ...]) -> RecordedEvent:
    position, stream, version, kind, schema, id_, occurred_at, recorded_at, entry = row
    return RecordedEvent(
        position=position, stream=stream, version=version, type=kind, schema=schema, id=id_,
        occurred_at=EPOCH + occurred_at * MICROSECOND, recorded_at=EPOCH + recorded_at * MICROSECOND, entry=entry,
    )  # fmt: skip


def write_down(database: Database, decided: Batch) -> None:
    """What a decided batch leaves in the log's tables and in the read models'."""
    database.executemany(ADD_EVENT, map(_columns, decided.written))
    moved = [(name, log.position, microseconds(log.recorded_at)) for name, log in decided.logs.items() if log.moved]
    database.executemany(MOVE_HEAD, moved)
    for (organisation, name), stream in decided.claims.items():
        if stream is None:
            database.execute(FREE, (organisation, name))
        else:
            database.execute(TAKE, (organisation, name, stream))
    kept = [
        (organisation, key.scope, key.key, record.digest, record.status, record.stream, record.position, record.count)
        for organisation, key, record in decided.keys
    ]
    database.executemany(REMEMBER, kept)
    change_rows(database, decided.rows)


def put_back(
    database: Database, organisation: str, entries: str, head: tuple[int, int], claims: Mapping[str, str | None]
) -> None:
    """Entries as they were recorded elsewhere, the position and time of the last of them, and claims, held or free.

    The entries are a JSON list of their rows: the columns but the first, the entry itself as text. One statement takes all
    of them, so that Python's lock is free meanwhile and the next ones can be looked at.
    """
    database.execute(PUT_BACK, (organisation, entries))
    database.execute(MOVE_HEAD, (organisation, *head))
    database.executemany(FREE, [(organisation, name) for name, stream in claims.items() if stream is None])
    database.executemany(TAKE, [(organisation, name, stream) for name, stream in claims.items() if stream is not None])


def change_rows(database: Database, rows: Iterable[RowChange]) -> None:
    """Apply row changes in their order."""
    for sql, values in grouped(rows):
        database.executemany(sql, values)


def _columns(written: tuple[str, RecordedEvent]) -> tuple[Value, ...]:
    organisation, event = written
    return (
        organisation, event.position, event.stream, event.version, event.type, event.schema, event.id,
        microseconds(event.occurred_at), microseconds(event.recorded_at), event.entry,
    )  # fmt: skip
