"""The log in one SQLite file: one writing connection under an OS lock, a few short read-only ones beside it."""

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, NoReturn, Self, TypeVar

import aiosqlite

from events.batch import Batch
from events.codec import Lived, microseconds
from events.envelope import RecordedEvent
from events.lock import FileLock
from events.migrations import Migration, in_order, read_migrations
from events.store import (
    Append,
    Failed,
    Head,
    KeyRecord,
    Page,
    Projection,
    Replayed,
    Result,
    RowChange,
    Snapshot,
    StoreError,
    Value,
)
from events.tables import SAVE_SNAPSHOT, Log, change_rows, write_down

T = TypeVar("T")

LOG_STEPS = read_migrations("events.migrations")
"""The steps that make the log's own tables."""

BUSY_SECONDS = 5.0
"""How long another process may hold the file before it counts as unavailable."""

PRAGMAS: dict[str, int | str] = {
    "journal_mode": "wal",
    "synchronous": 2,  # FULL: what was answered survives a power cut
    "foreign_keys": 1,
    "recursive_triggers": 1,  # or INSERT OR REPLACE would delete past the trigger
    "journal_size_limit": 64 * 2**20,
    "wal_autocheckpoint": 4_000,
    "cache_size": -32_000,
    "temp_store": 2,
    "trusted_schema": 0,
    "secure_delete": 1,  # what is deleted is overwritten: an erased key must not lie on in a free page
}
UNKNOWN = {"SQLITE_IOERR_FSYNC", "SQLITE_IOERR_DIR_FSYNC"}
FULL = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}
AWAY = {
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_PERM, sqlite3.SQLITE_NOMEM,
}  # fmt: skip

logger = logging.getLogger(__name__)


class Connection(aiosqlite.Connection):
    """One connection with its thread; `run` is the only way in, a whole piece of work at a hop."""

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        super().__init__(connect, iter_chunk_size=64)
        self._thread.daemon = True  # a process that dies without closing must not hang on it

    async def opened(self) -> Self:
        """Itself, once connected."""
        try:
            await self
        except BaseException:
            self._thread.join()  # it is ending, and would otherwise answer an event loop that may be closed by then
            raise
        return self

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do one piece of work on the connection's thread, errors of the file named.

        A caller that is cancelled meanwhile changes nothing: the thread finishes what it began.
        """
        found: T = await self._execute(lambda: self._work(work))  # type: ignore[no-untyped-call]
        return found

    def transact(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run work in one transaction, on the connection's thread; rolled back and ready again after any error."""
        step = "BEGIN IMMEDIATE"
        try:
            self._conn.execute(step)
            found = work(self._conn)
            step = "COMMIT"
            self._conn.execute(step)
            return found
        except BaseException as error:
            self._recover(error)
            if step == "COMMIT" and getattr(error, "sqlite_errorname", "") in UNKNOWN:
                raise StoreError("outcome_unknown", "The disk did not confirm the commit; repeat it.") from error
            raise

    def _work(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with _named_errors():
            return work(self._conn)

    def _recover(self, error: BaseException) -> None:
        """Leave the transaction; a connection that met a failing disk is not trusted again."""
        with contextlib.suppress(sqlite3.Error):
            if self._conn.in_transaction:
                self._conn.execute("ROLLBACK")
        if _primary(error) == sqlite3.SQLITE_IOERR or self._conn.in_transaction:
            replacement = self._connector()
            with contextlib.suppress(sqlite3.Error):
                self._conn.close()
            self._connection = replacement


def _primary(error: BaseException) -> int:
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


@contextmanager
def _named_errors() -> Iterator[None]:
    """What the file or disk did, as StoreError; mistakes in SQL or rows stay what they are."""
    try:
        yield
    except sqlite3.Error as error:
        code = _primary(error)
        if code in FULL:
            raise StoreError("disk_full", f"The disk took no more ({error}); make room and repeat.") from error
        if code in AWAY:
            raise StoreError("unavailable", f"The database cannot be used now: {error}.") from error
        raise


def _refuse_writing() -> NoReturn:
    raise StoreError("locked", "The database was opened for reading only.")


class SqliteFile:
    """Tables in one SQLite file: one writing connection under an OS lock, a few short read-only ones beside it."""

    steps: ClassVar[Sequence[Migration]] = ()
    """The migrations that every file of this kind has."""
    holds = "the tables"
    marker = "migrations"
    """A table by which a file of this kind is known."""

    def __init__(
        self, writer: Connection | None, readers: Sequence[Connection], lock: FileLock | None,
        clock: Callable[[], datetime], projections: Sequence[Projection] = (),
    ) -> None:  # fmt: skip
        self._writer = writer
        self._all_readers = readers
        self._readers: asyncio.LifoQueue[Connection] = asyncio.LifoQueue()
        for reader in readers:
            self._readers.put_nowait(reader)
        self._lock = lock
        self._clock = clock
        self._projections = tuple(projections)

    @classmethod
    async def open(
        cls, path: Path | str, *, migrations: Sequence[Migration] = (), clock: Callable[[], datetime],
        projections: Sequence[Projection] = (), read_connections: int = 2, busy_seconds: float = BUSY_SECONDS,
    ) -> Self:  # fmt: skip
        """Open for writing, apply this kind's and the given migrations; StoreError `locked` beside another writer."""
        path = _absolute(path)
        lock = FileLock(path)
        lock.take()
        opened: list[Connection] = []
        try:
            opened.append(await Connection(partial(_connect_writer, path, busy_seconds)).opened())
            await opened[0].run(partial(_migrate, steps=in_order([*cls.steps, *migrations]), clock=clock))
            opened += await cls._open_readers(path, read_connections, busy_seconds)
        except BaseException:
            await _close(reversed(opened))
            lock.release()
            raise
        return cls(opened[0], opened[1:], lock, clock, projections)

    @classmethod
    async def open_readonly(
        cls, path: Path | str, *, read_connections: int = 1, busy_seconds: float = BUSY_SECONDS
    ) -> Self:
        """Open for reading only, also beside a live writer; nothing is locked, created or migrated."""
        readers = await cls._open_readers(_absolute(path), read_connections, busy_seconds)
        return cls(None, readers, None, _refuse_writing)

    @classmethod
    async def _open_readers(cls, path: Path, count: int, busy_seconds: float) -> list[Connection]:
        connect = partial(_connect_reader, path, busy_seconds, cls.marker, cls.holds)
        readers: list[Connection] = []
        try:
            for _ in range(count):
                readers.append(await Connection(connect).opened())  # noqa: PERF401 (those already open are closed below)
        except BaseException:
            await _close(readers)
            raise
        return readers

    async def close(self) -> None:
        """Finish what runs, fold the write-ahead log into the file, give the lock back."""
        await _close(self._all_readers)
        if self._writer:
            await self._writer.close()
        if self._lock:
            self._lock.release()

    @property
    def writer(self) -> Connection:
        """The one writing connection; StoreError `locked` where the store was opened for reading."""
        if self._writer is None:
            _refuse_writing()
        return self._writer

    @property
    def lock(self) -> FileLock:
        """The lock held beside the file."""
        if self._lock is None:
            _refuse_writing()
        return self._lock

    async def write(self, rows: Sequence[RowChange]) -> None:
        """Change rows durably outside any event, in one transaction."""
        writer = self.writer
        await writer.run(lambda _: writer.transact(partial(change_rows, rows=rows)))

    async def alone(self, work: Callable[[Any], T]) -> T:
        """Do a piece of work on the database in one transaction, while every writer waits."""
        writer = self.writer
        return await writer.run(lambda _: writer.transact(work))

    async def forget(self) -> None:
        """Leave nothing of what was deleted in the write-ahead log; deleted pages are overwritten (`secure_delete`).

        Raises StoreError `unavailable` while a reader of another process holds the file.
        """
        row = await self.writer.run(lambda database: database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone())
        if row[0]:
            raise StoreError("unavailable", "Another process reads the file; what was deleted is still in its log.")

    async def copy(self, path: Path) -> None:
        """Write the tables as they stand now into a new file of their own, whole and beside a live writer."""
        await self._read(lambda database: database.execute("VACUUM INTO ?", (str(path),)))

    async def query(self, sql: str, parameters: Sequence[Value] = (), /) -> list[tuple[Any, ...]]:
        """The rows of a read-only statement."""
        return await self._read(lambda database: database.execute(sql, parameters).fetchall())

    async def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        async with self._reader() as reader:
            return await reader.run(work)

    @asynccontextmanager
    async def _reader(self) -> AsyncIterator[Connection]:
        reader = await self._readers.get()
        try:
            yield reader
        finally:
            self._readers.put_nowait(reader)


class SqliteStore(SqliteFile):
    """An EventStore on SQLite; see events/store.py for what it promises."""

    steps = LOG_STEPS
    holds = "log"
    marker = "events"

    async def append(self, batch: Sequence[Append]) -> list[Result]:
        """Write a batch in one transaction and one hop, or one by one where it cannot be written together."""
        writer = self.writer
        return await writer.run(lambda _: self._append(writer, batch)) if batch else []

    def _append(self, writer: Connection, batch: Sequence[Append]) -> list[Result]:
        try:
            return writer.transact(partial(self._write_batch, batch=batch))
        except Exception as error:
            if isinstance(error, StoreError) or _primary(error) in FULL | AWAY:
                raise
            if len(batch) == 1:
                return [Failed(error)]
            logger.warning("A batch of %d appends is written one by one after: %s", len(batch), error)
        return [self._append_alone(writer, append) for append in batch]

    def _append_alone(self, writer: Connection, append: Append) -> Result:
        """Whatever happens now is this append's alone: its predecessors are durable already."""
        try:
            with _named_errors():
                return writer.transact(partial(self._write_batch, batch=[append]))[0]
        except Exception as error:  # noqa: BLE001 (kept in the result)
            return Failed(error)

    def _write_batch(self, database: sqlite3.Connection, batch: Sequence[Append]) -> list[Result]:
        decided = Batch(Log(database), self._clock(), self._projections)
        results = decided.decide(batch)
        write_down(database, decided)
        return results

    async def head(self, organisation: str) -> Head:
        """The end of the log; position 0 for an organisation without events."""
        return await self._read(lambda database: Log(database).head(organisation))

    async def version(self, organisation: str, stream: str) -> int:
        """The version of a stream; 0 when it has no events."""
        return await self._read(lambda database: Log(database).version(organisation, stream))

    async def read_stream(
        self, organisation: str, stream: str, *, after: int = 0, limit: int = 1_000, types: Sequence[str] = ()
    ) -> tuple[RecordedEvent, ...]:
        """The events of one stream with versions above `after`, in order."""
        return await self._read(
            lambda database: Log(database).stream(organisation, stream, after=after, limit=limit, types=types)
        )

    async def read_log(
        self,
        organisation: str,
        *,
        after: int = 0,
        limit: int = 500,
        types: Sequence[str] = (),
        stream: str | None = None,
    ) -> Page:
        """The events of an organisation with positions above `after`, in order; a type may end in `.*`."""
        return await self._read(
            lambda database: Log(database).page(organisation, after=after, limit=limit, types=types, stream=stream)
        )

    async def history(
        self, organisation: str, stream: str, *, after: int = 0, limit: int = 1_000
    ) -> tuple[Lived, ...]:  # fmt: skip
        """One stream as the fold takes it, from above a version on, in order."""
        return await self._read(lambda database: Log(database).history(organisation, stream, after=after, limit=limit))

    async def replay(self, organisation: str, *, after: int = 0, limit: int = 1_000) -> tuple[Replayed, ...]:
        """The whole log as the fold takes it, from above a position on, in order."""
        return await self._read(lambda database: Log(database).replay(organisation, after=after, limit=limit))

    async def recall(self, organisation: str, scope: str, key: str) -> KeyRecord | None:
        """What is remembered of an idempotency key."""
        return await self._read(lambda database: Log(database).recall(organisation, scope, key))

    async def holder(self, organisation: str, claim: str) -> str | None:
        """The stream that holds a claim."""
        return await self._read(lambda database: Log(database).holder(organisation, claim))

    async def load_snapshot(self, organisation: str, stream: str) -> Snapshot | None:
        """The newest snapshot of a stream."""
        return await self._read(lambda database: Log(database).snapshot(organisation, stream))

    async def save_snapshot(self, organisation: str, snapshot: Snapshot) -> None:
        """Keep a snapshot instead of the stream's older one."""
        writer = self.writer
        values = (organisation, snapshot.stream, snapshot.version, snapshot.fold, snapshot.state)
        await writer.run(lambda _: writer.transact(lambda database: database.execute(SAVE_SNAPSHOT, values)))


def _absolute(path: Path | str) -> Path:
    return Path(path).absolute()


async def _close(connections: Iterable[Connection]) -> None:
    for connection in connections:
        await connection.close()


def _connect_writer(path: Path, busy_seconds: float) -> sqlite3.Connection:
    with _named_errors():
        with contextlib.suppress(OSError):  # SQLite says better what is wrong with the place
            path.touch(0o600)
        database = sqlite3.connect(path, isolation_level=None, timeout=busy_seconds, cached_statements=512)
        try:
            _set_pragmas(database)
        except BaseException:
            database.close()
            raise
        return database


def _set_pragmas(database: sqlite3.Connection) -> None:
    """Set each and read it back: SQLite ignores what it does not know."""
    for name, value in PRAGMAS.items():
        found = database.execute(f"PRAGMA {name} = {value}").fetchone()
        found = database.execute(f"PRAGMA {name}").fetchone() or found
        if found is None or found[0] != value:
            raise StoreError("unavailable", f"SQLite did not take {name} = {value}; use a local disk and SQLite 3.38.")


def _connect_reader(path: Path, busy_seconds: float, marker: str, holds: str) -> sqlite3.Connection:
    with _named_errors():
        uri = f"{path.as_uri()}?mode=ro"
        database = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=busy_seconds, cached_statements=256)
        database.execute("PRAGMA cache_size = -8000")
        if not database.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (marker,)).fetchone():
            database.close()
            raise StoreError("unavailable", f"{path} holds no {holds}; start the service on it once.")
        return database


def _migrate(database: sqlite3.Connection, *, steps: Sequence[Migration], clock: Callable[[], datetime]) -> None:
    database.execute(
        "CREATE TABLE IF NOT EXISTS migrations "
        "(number INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at INTEGER NOT NULL) STRICT"
    )
    applied = {number for (number,) in database.execute("SELECT number FROM migrations")}
    if unknown := applied - {step.number for step in steps}:
        raise StoreError("unavailable", f"The database knows migration {max(unknown)}, this release does not; upgrade.")
    for step in steps:
        if step.number not in applied:
            _apply(database, step, microseconds(clock()))


def _apply(database: sqlite3.Connection, step: Migration, applied_at: int) -> None:
    try:
        database.executescript(f"BEGIN IMMEDIATE;\n{step.sql}")
        database.execute("INSERT INTO migrations VALUES (?, ?, ?)", (step.number, step.name, applied_at))
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise
