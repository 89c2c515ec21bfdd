"""Tables in one SQLite file: a writing connection under an OS lock, a few short read-only ones beside it."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, NoReturn, Self, TypeVar

from events.codec import microseconds
from events.lock import FileLock
from events.migrations import Migration, in_order
from events.sqlite.connection import (
    BUSY_SECONDS,
    Connection,
    DirectConnection,
    Reader,
    close_all,
    connect_reader,
    connect_writer,
)
from events.store import Projection, RowChange, StoreError, Value
from events.tables import change_rows

T = TypeVar("T")


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
        self, writer: Connection | None, readers: Sequence[Reader], lock: FileLock | None,
        clock: Callable[[], datetime], projections: Sequence[Projection] = (),
    ) -> None:  # fmt: skip
        self._writer = writer
        self._all_readers = readers
        self._readers: asyncio.LifoQueue[Reader] = asyncio.LifoQueue()
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
            opened.append(await Connection(partial(connect_writer, path, busy_seconds)).opened())
            await opened[0].run(partial(_migrate, steps=in_order([*cls.steps, *migrations]), clock=clock))
            opened += await cls._open_readers(path, read_connections, busy_seconds)
        except BaseException:
            await close_all(reversed(opened))
            lock.release()
            raise
        return cls(opened[0], opened[1:], lock, clock, projections)

    @classmethod
    async def open_readonly(cls, path: Path | str, *, busy_seconds: float = BUSY_SECONDS) -> Self:
        """Open for reading only, for a process of its own, also beside a live writer; nothing is locked, made or migrated."""
        database = connect_reader(_absolute(path), busy_seconds, cls.marker, cls.holds)
        return cls(None, [DirectConnection(database)], None, _refuse_writing)

    @classmethod
    async def _open_readers(cls, path: Path, count: int, busy_seconds: float) -> list[Connection]:
        connect = partial(connect_reader, path, busy_seconds, cls.marker, cls.holds)
        readers: list[Connection] = []
        try:
            for _ in range(count):
                readers.append(await Connection(connect).opened())  # noqa: PERF401 (those already open are closed below)
        except BaseException:
            await close_all(readers)
            raise
        return readers

    async def close(self) -> None:
        """Finish what runs, fold the write-ahead log into the file, give the lock back."""
        await close_all(self._all_readers)
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
    async def _reader(self) -> AsyncIterator[Reader]:
        reader = await self._readers.get()
        try:
            yield reader
        finally:
            self._readers.put_nowait(reader)


def _absolute(path: Path | str) -> Path:
    return Path(path).absolute()


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
