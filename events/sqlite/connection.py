"""A connection to a SQLite file: its thread, its transactions, its settings, and what its errors mean."""

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self, TypeVar

import aiosqlite

from events.store import StoreError

T = TypeVar("T")

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
        with named_errors():
            return work(self._conn)

    def _recover(self, error: BaseException) -> None:
        """Leave the transaction; a connection that met a failing disk is not trusted again."""
        with contextlib.suppress(sqlite3.Error):
            if self._conn.in_transaction:
                self._conn.execute("ROLLBACK")
        if primary_code(error) == sqlite3.SQLITE_IOERR or self._conn.in_transaction:
            replacement = self._connector()
            with contextlib.suppress(sqlite3.Error):
                self._conn.close()
            self._connection = replacement


class DirectConnection:
    """A connection without a thread, for a process where nobody else waits for the event loop.

    What is read is worked on where it was read: a hop between threads is dear beside the reading itself.
    """

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do one piece of work, errors of the file named; what else the loop has to do comes first."""
        await asyncio.sleep(0)
        with named_errors():
            return work(self._database)

    async def close(self) -> None:
        """Close the file."""
        self._database.close()


Reader = Connection | DirectConnection


def connect_writer(path: Path, busy_seconds: float) -> sqlite3.Connection:
    """Open a file for writing, made where there is none, its owner's alone, with every setting in place."""
    with named_errors():
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


def connect_reader(path: Path, busy_seconds: float, marker: str, holds: str) -> sqlite3.Connection:
    """Open a file for reading; StoreError `unavailable` where it has no such table as the marker."""
    with named_errors():
        uri = f"{path.as_uri()}?mode=ro"
        database = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=busy_seconds, cached_statements=256)
        database.execute("PRAGMA cache_size = -8000")
        if not database.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (marker,)).fetchone():
            database.close()
            raise StoreError("unavailable", f"{path} holds no {holds}; start the service on it once.")
        return database


async def close_all(connections: Iterable[Reader]) -> None:
    """Close connections, one after the other."""
    for connection in connections:
        await connection.close()


@contextmanager
def named_errors() -> Iterator[None]:
    """What the file or disk did, as StoreError; mistakes in SQL or rows stay what they are."""
    try:
        yield
    except sqlite3.Error as error:
        code = primary_code(error)
        if code in FULL:
            raise StoreError("disk_full", f"The disk took no more ({error}); make room and repeat.") from error
        if code in AWAY:
            raise StoreError("unavailable", f"The database cannot be used now: {error}.") from error
        raise


def primary_code(error: BaseException) -> int:
    """SQLite's primary result code of an error; 0 where it is not SQLite's."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF
