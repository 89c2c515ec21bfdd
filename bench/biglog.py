"""Big logs, made fast: one life is decided, then told of many partnerships and written in bulk.

The entries are encoded by the log's own codec and sealed by the vault; triggers and indexes are put back afterwards.
"""

import asyncio
import sqlite3
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from bench.story import LENGTH, Life, life, today
from domain import events as e
from domain.owed import next_due
from domain.policy import POLICY_1
from events.codec import encode_entry, microseconds
from events.envelope import Context, NewEvent, RecordedEvent
from events.store import Put, RowChange, Value
from events.tables import ADD_EVENT, MOVE_HEAD, _columns, change_rows
from service.app import first_start, running
from service.projections.all import project
from service.projections.due import due_row
from service.projections.partnerships import stream_of
from service.services import Services
from service.settings import Settings

CHUNK = 20_000
STEP = timedelta(milliseconds=20)
"""Between two entries of the log."""


class Built(Struct, frozen=True):
    """A database with a log."""

    path: Path
    key: str
    organisation: str
    events: int
    partnerships: tuple[str, ...]

    def sample(self, many: int) -> list[str]:
        """Partnerships spread over all."""
        return list(self.partnerships[:: max(1, len(self.partnerships) // many)][:many])


def build_log(path: Path, events: int, length: int = LENGTH) -> Built:
    """A database whose log has so many events, in lives of one length, all interleaved."""
    return asyncio.run(_build(path, events, length))


async def _build(path: Path, events: int, length: int) -> Built:
    settings = Settings(database=f"sqlite:///{path}")
    first = today() - STEP * (events + length) * 2
    # The service's own first entries are older than those that are made here: time never goes back in a log.
    async with running(settings, clock=lambda: first) as services:
        key = await first_start(services)
        begin = (await services.store.head(settings.organisation)).position
        partnerships = tuple(services.ids.new("pn") for _ in range(max(1, events // length)))
        writing = Writing(services, settings.organisation, partnerships, begin, length)
        with sqlite3.connect(path, isolation_level=None) as database:
            await write_log(database, writing)
    assert key is not None
    return Built(path, key, settings.organisation, writing.position, partnerships)


class Writing:
    """The log in the making: which partnership says what next, and its entry."""

    def __init__(
        self, services: Services, organisation: str, partnerships: Sequence[str], position: int, length: int
    ) -> None:
        self.services = services
        self.organisation = organisation
        self.partnerships = partnerships
        self.position = position
        self.told: Life = life(today(), length)
        self._length = length
        self.context = Context(actor="key_bench", source="bench")
        self.rows: list[RowChange] = []
        self.keys: list[RowChange] = []
        self._begin = self.told.now - STEP * (len(partnerships) * length + 1) - STEP * position

    def places(self) -> Iterator[tuple[int, int]]:
        """(partnership, event of its life): every partnership one event a turn, each beginning at a turn of its own."""
        starts = [number * 37 % self._length for number in range(len(self.partnerships))]
        for turn in range(2 * self._length):
            for number, start in enumerate(starts):
                if 0 <= turn - start < self._length:
                    yield number, turn - start

    async def entry(self, number: int, place: int) -> RecordedEvent:
        """The next entry of the log; what it changes beside the log waits in `rows`."""
        self.position += 1
        decided = self.told.events[place]
        event_id = self.services.ids.new("evt")
        data, keys = await self.services.vault.seal(self.organisation, event_id, _named(decided.data, number))
        new = NewEvent(
            id=event_id, data=data, occurred_at=decided.occurred_at - timedelta(minutes=number % 10_000),
            decided_at=decided.decided_at and decided.decided_at - timedelta(minutes=number % 10_000), side=getattr(data, "side", None),
        )  # fmt: skip
        stream = stream_of(self.partnerships[number])
        recorded = encode_entry(new, self.context, stream, place + 1, self.recorded_at, self.position)
        self.keys += keys
        self.rows += project(self.organisation, recorded, data)
        return recorded

    @property
    def recorded_at(self) -> datetime:
        """When the last entry was recorded."""
        return self._begin + self.position * STEP

    def closing_rows(self) -> list[RowChange]:
        """What a live log keeps of every partnership: its pair is taken, and when time may change it."""
        due = next_due(self.told.state, POLICY_1)
        if due is not None and due < self.told.now + timedelta(days=30):
            raise ValueError(f"Time owes the partnerships something at {due}; a log at rest owes nothing soon.")
        rows: list[RowChange] = []
        for number, each in enumerate(self.partnerships):
            pair: dict[str, Value] = {
                "organisation": self.organisation,
                "name": f"pair/Client {number}\x1fPartner {number}",
            }
            rows += [Put("claims", pair, {"stream": stream_of(each)}), due_row(self.organisation, stream_of(each), due)]
        return rows


def _named(data: e.Event, number: int) -> e.Event:
    if isinstance(data, e.PartnershipOpened):
        return replace(data, client=f"Client {number}", partner=f"Partner {number}")
    return data


async def write_log(database: sqlite3.Connection, writing: Writing) -> None:
    """Write everything in one transaction, without what makes single rows slow."""
    database.execute("PRAGMA synchronous = off")
    database.execute("BEGIN IMMEDIATE")
    put_back = _strip(database)
    places = writing.places()
    while chunk := list(islice(places, CHUNK)):
        recorded = [await writing.entry(*place) for place in chunk]
        await writing.services.vault.keep(writing.keys)
        writing.keys.clear()
        database.executemany(ADD_EVENT, [_columns((writing.organisation, each)) for each in recorded])
        change_rows(database, writing.rows)
        writing.rows.clear()
    change_rows(database, sorted(writing.closing_rows(), key=lambda row: row.table))
    database.execute(MOVE_HEAD, (writing.organisation, writing.position, microseconds(writing.recorded_at)))
    for sql in put_back:
        database.execute(sql)
    database.execute("COMMIT")
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _strip(database: sqlite3.Connection) -> list[str]:
    """Drop the triggers and indexes of the events; the statements that make them again."""
    sql = "SELECT type, name, sql FROM sqlite_master WHERE tbl_name = 'events' AND type <> 'table' AND sql IS NOT NULL"
    found = database.execute(sql).fetchall()
    for kind, name, _ in found:
        database.execute(f"DROP {kind} {name}")
    return [text for _, _, text in found]
