"""Row import: NDJSON through the real endpoint, against sqlite3's executemany of the rows that came of it.

The other side is a twin database: same migrations, triggers, indexes and pragmas, one transaction for each 128 events.
It writes, for each transaction, the entries, the head, the keys of the lines and the rows of the read models; all are
read from the first database beforehand, so that nothing is decided, encoded or looked up while it is timed.
"""

import asyncio
import sqlite3
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from statistics import median
from typing import NamedTuple

import msgspec
from msgspec import Struct

from bench.posting import open_partnerships
from bench.processes import Server, exchange, request, serving
from bench.rows import Row
from bench.story import ROUND, daily, today
from bench.workplace import Workplace
from domain.events import Event
from events.sqlite import SqliteStore
from events.sqlite.connection import connect_writer
from events.tables import ADD_EVENT, MOVE_HEAD, REMEMBER
from service.handler import BATCH
from service.projections.all import MIGRATIONS

NDJSON = "application/x-ndjson"
PARTNERSHIPS = 64
PUT_DUE = "INSERT INTO due VALUES (?, ?, ?) ON CONFLICT (organisation, stream) DO UPDATE SET at = excluded.at"

Values = tuple[str | int | float | bytes | None, ...]


class Lines:
    """NDJSON without end: the daily run of some partnerships, ten facts of one after the other."""

    def __init__(self, partnerships: list[str], now: datetime, *, texts: bool = False) -> None:
        self._partnerships = partnerships
        facts = enumerate(daily(now - timedelta(days=1_000), timedelta(minutes=2), begin=0))
        self._facts = ((number, at, fact) for number, (at, fact) in facts if texts or not hasattr(fact, "text"))

    def take(self, many: int) -> bytes:
        """So many lines."""
        return b"".join(self._line(*each) for each in islice(self._facts, many))

    def _line(self, number: int, at: datetime, fact: Event) -> bytes:
        partnership = self._partnerships[number // ROUND % len(self._partnerships)]
        line = {"partnership": partnership, "type": fact.type, "occurred_at": at, **msgspec.to_builtins(fact)}
        return msgspec.json.encode(line) + b"\n"


class Seconds(NamedTuple):
    """Of an import, of the same rows without the service, and of the server's processor."""

    imported: float
    raw: float
    spent: float


class Written(Struct):
    """What an import has added to the database."""

    events: list[Values]
    keys: list[Values]
    due: list[Values]

    def batches(self) -> Iterator[tuple[list[Values], list[Values]]]:
        """Entries and keys, one transaction each."""
        for start in range(0, len(self.events), BATCH):
            yield self.events[start : start + BATCH], self.keys[start : start + BATCH]


def send_lines(server: Server, lines: bytes, prefix: str = "") -> float:
    """Import; the seconds from the first byte sent to the last one received."""
    headers = {"Content_Type": NDJSON} | ({"Idempotency_Key": prefix} if prefix else {})
    raw = request("POST", "/v1/facts", server.key, lines, **headers)
    started = time.perf_counter()
    answer = exchange(server.port, raw)
    seconds = time.perf_counter() - started
    summary = msgspec.json.decode(answer.splitlines()[-1])
    if summary.get("accepted") != lines.count(b"\n"):
        raise ValueError(f"Every line should be accepted; the answer ends in {answer[-500:]!r}.")
    return seconds


def read_written(path: Path, after: int) -> Written:
    """The rows after a position."""
    with sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True) as database:
        events = "SELECT * FROM events WHERE position > ? ORDER BY position"
        keys = "SELECT * FROM idempotency WHERE position > ? ORDER BY position"
        return Written(
            events=database.execute(events, (after,)).fetchall(),
            keys=database.execute(keys, (after,)).fetchall(),
            due=database.execute("SELECT * FROM due").fetchall(),
        )


def write_raw(database: sqlite3.Connection, written: Written) -> float:
    """The seconds that the same rows take without the service."""
    started = time.perf_counter()
    for number, (events, keys) in enumerate(written.batches()):
        database.execute("BEGIN IMMEDIATE")
        database.executemany(ADD_EVENT, events)
        database.execute(MOVE_HEAD, (events[-1][0], events[-1][1], events[-1][8]))
        database.executemany(REMEMBER, keys)
        if not number:
            database.executemany(PUT_DUE, written.due)
        database.execute("COMMIT")
    return time.perf_counter() - started


async def _twin(path: Path) -> None:
    path.parent.mkdir(parents=True)
    store = await SqliteStore.open(path, migrations=MIGRATIONS, clock=today)
    await store.close()


def measure(place: Workplace) -> list[Row]:
    """The row of importing, without keys and with a key for every line."""
    sizes, path, twin = place.sizes, place.fresh("import"), place.fresh("twin")
    asyncio.run(_twin(twin))
    raw = connect_writer(twin, 5.0)
    with serving(path) as server:
        lines = Lines(open_partnerships(server, place.clients, PARTNERSHIPS), today())
        rounds = [_round(server, path, raw, lines.take(sizes.lines), prefix) for prefix in _prefixes(sizes.rounds)]
    raw.close()
    plain, keyed = _figures(rounds[0::2], sizes.lines), _figures(rounds[1::2], sizes.lines)
    figures = plain | {f"keyed {name}": value for name, value in keyed.items()}
    return [
        Row(
            name="import", what="NDJSON of dated facts, decided, to executemany of the same rows",
            measured=figures.pop("ratio"), unit="x", floor=0.2, figures=figures,
        )
    ]  # fmt: skip


def _figures(rounds: list[Seconds], lines: int) -> dict[str, float]:
    imported, raw = (lines / median(each[side] for each in rounds) for side in (0, 1))
    spent = 1e6 * median(each.spent for each in rounds) / lines
    return {"ratio": imported / raw, "lines/s": imported, "raw lines/s": raw, "CPU us": spent}


def _prefixes(rounds: int) -> list[str]:
    """Without keys and with keys, in turns."""
    return [prefix for number in range(rounds) for prefix in ("", f"file-{number}")]


def _round(server: Server, path: Path, raw: sqlite3.Connection, lines: bytes, prefix: str) -> Seconds:
    with sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True) as database:
        (after,) = database.execute("SELECT max(position) FROM events").fetchone()
    spent = server.spent
    imported = send_lines(server, lines, prefix)
    spent = server.spent - spent
    return Seconds(imported, write_raw(raw, read_written(path, after)), spent)
