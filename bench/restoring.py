"""Row restore: an exported log restored entry by entry, against sqlite3's executemany of the rows that came of it.

The other side is a twin database (same migrations, triggers, indexes, pragmas) that takes the rows of every table, so many
entries to a transaction as a restore takes; nothing is read, checked or derived while it is timed.
"""

import asyncio
import sqlite3
import time
from pathlib import Path

from bench.biglog import Built
from bench.importing import Values
from bench.rows import Row, interleaved
from bench.story import today
from bench.workplace import Workplace
from events.sqlite import SqliteStore
from events.sqlite.connection import connect_writer
from events.tables import ADD_EVENT, MOVE_HEAD
from service.projections.all import MIGRATIONS, project
from service.restoring import BATCH, restore_log

BESIDE = ("claims", "partnerships", "overrides", "links", "keys", "sources", "person_events")
"""The tables that a restore fills beside the events and the head."""


def measure(place: Workplace) -> list[Row]:
    """The row of restoring."""
    built, path = place.log(place.sizes.restored), place.fresh("restore")
    lines = _exported(built)
    _restore(path, built, lines)
    rows = {table: _rows(path, table) for table in ("events", *BESIDE)}
    sides = {"restored": lambda: _restore(path, built, lines), "raw": lambda: _write(path, rows)}
    found = interleaved(place.sizes.rounds, sides)
    rates = {f"{name} entries/s": built.events / seconds for name, seconds in found.items()}
    return [
        Row(
            name="restore", what=f"an export of {built.events:,} entries, restored, to executemany of the same rows",
            measured=found["raw"] / found["restored"], unit="x", floor=0.5, figures=rates,
        )
    ]  # fmt: skip


def _exported(built: Built) -> list[bytes]:
    with sqlite3.connect(f"{built.path.as_uri()}?mode=ro", uri=True) as database:
        sql = "SELECT position, entry FROM events WHERE organisation = ? ORDER BY position"
        return [b'{"position":%d,%s\n' % (at, entry[1:]) for at, entry in database.execute(sql, (built.organisation,))]


def _rows(path: Path, table: str) -> list[Values]:
    order = "ORDER BY position" if table == "events" else ""
    with sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True) as database:
        return database.execute(f"SELECT * FROM {table} {order}").fetchall()


def _restore(path: Path, built: Built, lines: list[bytes]) -> float:
    """The seconds that the entries take through the product, into a database without any."""
    return asyncio.run(_restored(path, built, lines))


async def _restored(path: Path, built: Built, lines: list[bytes]) -> float:
    store = await _empty(path)
    try:
        started = time.perf_counter()
        told = await restore_log(store, built.organisation, lines, lambda *_: None)
        seconds = time.perf_counter() - started
    finally:
        await store.close()
    if told["restored"] != built.events:
        raise ValueError(f"Every entry should be restored; the answer is {told!r}.")
    return seconds


async def _empty(path: Path) -> SqliteStore:
    path.parent.mkdir(parents=True, exist_ok=True)
    for each in path.parent.iterdir():
        each.unlink()
    return await SqliteStore.open(path, migrations=MIGRATIONS, clock=today, projections=(project,))


async def _made(path: Path) -> None:
    await (await _empty(path)).close()


def _write(path: Path, rows: dict[str, list[Values]]) -> float:
    """The seconds that the same rows take without the product; what lies beside the events goes in with the last of them."""
    asyncio.run(_made(path))
    database = connect_writer(path, 5.0)
    started = time.perf_counter()
    for first in range(0, len(rows["events"]), BATCH):
        events = rows["events"][first : first + BATCH]
        database.execute("BEGIN IMMEDIATE")
        database.executemany(ADD_EVENT, events)
        database.execute(MOVE_HEAD, (events[-1][0], events[-1][1], events[-1][8]))
        if first + BATCH >= len(rows["events"]):
            for table in BESIDE:
                _insert(database, table, rows[table])
        database.execute("COMMIT")
    seconds = time.perf_counter() - started
    database.close()
    return seconds


def _insert(database: sqlite3.Connection, table: str, rows: list[Values]) -> None:
    if rows:
        database.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(rows[0]))})", rows)
