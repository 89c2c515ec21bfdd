"""Restoring: an exported log taken back entry by entry, byte for byte, with all that follows from it and nothing decided.

Lines that are in the log already are compared and passed over, so that a restore that was cut goes on where it ended.
"""

import asyncio
import base64
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from domain import events as e
from events import merkle
from events.codec import Entry, microseconds, read_entry
from events.store import ENTRY_LIMIT, Database, RowChange
from events.tables import Log, change_rows, put_back
from service.audit.entries import BROKEN, Entries
from service.audit.reading import WholeRow, log_pages
from service.claims import CLAIMING, pair_of, recorded_claims
from service.collector import calm_collector
from service.errors import ServiceError
from service.projections.all import MODELLED, project
from service.projections.partnerships import PAIRS, stream_of

BEGIN = re.compile(rb'\{"position":([1-9]\d{0,15}),')
"""How a line of an exported log begins; the entry's own bytes follow."""
Told = tuple[int, WholeRow, Entry]
"""The number of a line, the row that it makes, its entry."""
BATCH = 2_000
"""Lines that are written in one transaction."""
LINE_LIMIT = ENTRY_LIMIT + 64


def is_exported(file: Path) -> bool:
    """Whether a file begins as an exported log does."""
    with file.open("rb") as lines:
        return BEGIN.match(lines.read(64)) is not None


async def restore_log(
    store: Database, organisation: str, lines: Iterable[bytes], tell: Callable[[int], None], batch: int = BATCH
) -> dict[str, Any]:
    """Take back every line, and tell up to which position.

    Answers `{"events", "restored", "repeated", "position", "root"}`, the root as in a checkpoint.
    Raises ServiceError `bad_shape` for a line that is no entry in its place, `already_recorded` where the log holds another
    one there; what was restored before stays.
    """
    restoring = _Restoring(store, organisation)
    numbered = enumerate(lines, 1)
    with calm_collector():
        try:
            while block := list(islice(numbered, batch)):
                await restoring.take([(number, *_read(number, raw.rstrip(b"\n"))) for number, raw in block])
                tell(restoring.position)
        finally:
            await restoring.settled()
    return restoring.result()


class _Block(Struct):
    """Lines that were checked, and what is written of them in one transaction."""

    rows: Sequence[WholeRow]
    entries: str
    claims: dict[str, str | None]
    changes: Sequence[RowChange]


class _Restoring:
    """One restore under way."""

    def __init__(self, store: Database, organisation: str) -> None:
        self._store = store
        self._organisation = organisation
        self._entries = Entries()
        self._frontier = merkle.Frontier()
        self._pairs: dict[str, str] = {}
        self._writing: asyncio.Future[None] | None = None
        """The block before, on its way into the log while the next one is looked at."""
        self._restored = self._repeated = 0
        self._end = -1

    @property
    def position(self) -> int:
        """Up to where the log is restored."""
        return self._entries.position

    def result(self) -> dict[str, Any]:
        """What was done."""
        return {
            "events": self._restored + self._repeated, "restored": self._restored, "repeated": self._repeated,
            "position": self.position, "root": base64.b64encode(self._frontier.root).decode(),
        }  # fmt: skip

    async def take(self, lines: Sequence[Told]) -> None:
        """Take the next lines; nobody else waits for the event loop, so the work is done on it."""
        if self._end < 0:
            await self._begin(lines[0][1].position)
        known = [(number, row) for number, row, _ in lines if row.position <= self._end]
        if known:
            await self._compare(known)
        fresh = lines[len(known) :]
        if fresh:
            block = self._checked(fresh)
            await self.settled()
            self._writing = asyncio.ensure_future(self._put_back(block))
            await asyncio.sleep(0)  # so that the writer's thread has it before the next lines are read

    async def settled(self) -> None:
        """Wait until what was taken is in the log."""
        writing, self._writing = self._writing, None
        if writing is not None:
            await writing

    async def _begin(self, first: int) -> None:
        """Read what stands before the first line."""
        self._end = (await self._store.head(self._organisation)).position
        if first > self._end + 1:
            raise ServiceError(
                "bad_shape", f"Line 1 is position {first}; the log ends at {self._end}: begin with {self._end + 1}."
            )
        async for page in log_pages(self._store.query, self._organisation, first - 1):
            self._pass(page)
        for identifier, client, partner in await self._store.query(PAIRS, (self._organisation,)):
            self._pairs[stream_of(str(identifier))] = pair_of(str(client), str(partner))

    async def _compare(self, known: Sequence[tuple[int, WholeRow]]) -> None:
        """Lines that are there already must be the same."""
        stored: dict[int, WholeRow] = {}
        async for page in log_pages(
            self._store.query, self._organisation, known[-1][1].position, known[0][1].position - 1
        ):
            stored.update((row.position, row) for row in page)
        for number, row in known:
            if row.position != self.position + 1 or stored.get(row.position) != row:
                detail = (
                    f"Line {number}: position {row.position} of the log holds another entry; restore into an empty one."
                )
                raise ServiceError("already_recorded", detail)
            self._pass([row])
        self._repeated += len(known)

    def _pass(self, rows: Sequence[WholeRow]) -> None:
        self._entries.index(rows)
        self._grow(rows)

    def _grow(self, rows: Sequence[WholeRow]) -> None:
        self._frontier.extend([merkle.leaf_hash(row.entry) for row in rows])

    def _checked(self, lines: Sequence[Told]) -> _Block:
        """Every line in its place and in canonical bytes, before any of them is written; and what follows from them."""
        before = self.position
        rows: list[WholeRow] = []
        changes: list[RowChange] = []
        for number, row, entry in lines:
            found = self._entries.take(row, entry)
            if found:
                detail = f"Line {number}: {found[0].code}: expected {found[0].expected}, found {found[0].found}."
                raise ServiceError("bad_shape", f"{detail} The log is restored up to position {before}.")
            if row.type in MODELLED:
                changes += project(self._organisation, row.recorded(), row.happened().data)
            rows.append(row)
        self._grow(rows)
        entries = msgspec.json.encode([_columns(row) for row in rows]).decode()
        return _Block(rows, entries, dict(self._claims(rows)), changes)

    async def _put_back(self, block: _Block) -> None:
        try:
            await self._store.alone(partial(_write, organisation=self._organisation, block=block))
        except Exception as error:
            # The table refuses an id that it has; only then is it worth a look whether that was it.
            ids = {row.id for row in block.rows}
            known = await self._store.alone(lambda database: Log(database).found(self._organisation, ids))
            if known or len(ids) < len(block.rows):
                span = f"{block.rows[0].position} and {block.rows[-1].position}"
                raise ServiceError("already_recorded", f"An event id stands twice between {span}.") from error
            raise
        self._restored += len(block.rows)

    def _claims(self, rows: Sequence[WholeRow]) -> Iterator[tuple[str, str | None]]:
        """(claim, its holder or nobody) as the entries leave them."""
        for row in rows:
            if row.type in CLAIMING:
                data = row.happened().data
                if isinstance(data, e.PartnershipOpened):
                    self._pairs[row.stream] = pair_of(data.client, data.partner)
                yield from recorded_claims(row.stream, data, self._pairs.get(row.stream, ""))


def _write(database: Any, organisation: str, block: _Block) -> None:  # noqa: ANN401  # a connection, as the driver has it
    last = block.rows[-1]
    put_back(database, organisation, block.entries, (last.position, last.recorded_at), block.claims)
    change_rows(database, block.changes)


def _columns(row: WholeRow) -> tuple[int | str, ...]:
    return (
        row.position, row.stream, row.version, row.type, row.schema, row.id, row.occurred_at, row.recorded_at,
        row.entry.decode(),
    )  # fmt: skip


def _read(number: int, raw: bytes) -> tuple[WholeRow, Entry]:
    """A line as the row that it makes, and its entry."""
    begin = BEGIN.match(raw)
    if begin is None or len(raw) > LINE_LIMIT:
        raise ServiceError(
            "bad_shape", f'Line {number} is no line of an exported log: {{"position":n, and the entry\'s bytes.'
        )
    entry = b"{" + raw[begin.end() :]
    try:
        read = read_entry(entry)
        row = WholeRow(
            int(begin[1]), read.stream, read.version, read.type, read.schema, entry, read.id,
            microseconds(read.occurred_at), microseconds(read.recorded_at),
        )  # fmt: skip
        row.happened()
    except BROKEN as error:
        raise ServiceError("bad_shape", f"Line {number} holds no entry that can be read: {error}.") from error
    return row, read
