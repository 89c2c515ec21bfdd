"""The log in one SQLite file: a batch is one transaction and one hop."""

import logging
import sqlite3
from collections.abc import Sequence
from functools import partial

from events.batch import Batch
from events.codec import Lived
from events.envelope import RecordedEvent
from events.migrations import read_migrations
from events.sqlite.connection import AWAY, FULL, Connection, named_errors, primary_code
from events.sqlite.file import SqliteFile
from events.store import Append, Failed, Head, KeyRecord, Page, Result, Snapshot, StoreError
from events.tables import SAVE_SNAPSHOT, Log, write_down

LOG_STEPS = read_migrations("events.migrations")
"""The steps that make the log's own tables."""

logger = logging.getLogger(__name__)


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
            if isinstance(error, StoreError) or primary_code(error) in FULL | AWAY:
                raise
            if len(batch) == 1:
                return [Failed(error)]
            logger.warning("A batch of %d appends is written one by one after: %s", len(batch), error)
        return [self._append_alone(writer, append) for append in batch]

    def _append_alone(self, writer: Connection, append: Append) -> Result:
        """Whatever happens now is this append's alone: its predecessors are durable already."""
        try:
            with named_errors():
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
