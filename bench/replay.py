"""Row replay: every event of a log read, decoded and folded, in one process and one thread."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Callable

from bench.biglog import Built
from bench.rows import Row, interleaved
from bench.workplace import Workplace
from domain.events import Happened
from domain.partnership import fold
from events.sqlite import SqliteStore
from service.audit.reading import end_of, history_of, lives


async def _histories(built: Built) -> AsyncIterator[list[Happened]]:
    """Life after life from the file, decoded, as `noces replay` reads them."""
    store = await SqliteStore.open_readonly(built.path)
    try:
        end = await end_of(store.query, built.organisation, None)
        async for _, rows in lives(store.query, built.organisation, end):
            yield history_of(rows)
    finally:
        await store.close()


async def _folded(built: Built) -> int:
    return sum([fold(history).version async for history in _histories(built)])


def fold_all(built: Built) -> int:
    """Every partnership of the log read, decoded and folded, one after the other; how many events those were."""
    return asyncio.run(_folded(built))


async def _read(built: Built) -> list[list[Happened]]:
    return [history async for history in _histories(built)]


async def _decoded(built: Built) -> int:
    return sum([len(history) async for history in _histories(built)])


def measure(place: Workplace) -> list[Row]:
    """The row of replaying."""
    built = place.log(place.sizes.replayed)
    at_hand = asyncio.run(_read(built))
    sides = {
        "read, decoded and folded": lambda: seconds(lambda: fold_all(built)),
        "with the collector on": lambda: seconds(lambda: fold_all(built), collect=True),
        "folded": lambda: seconds(lambda: [fold(history) for history in at_hand]),
        "read and decoded": lambda: seconds(lambda: asyncio.run(_decoded(built))),
    }
    found = interleaved(place.sizes.rounds, sides)
    rates = {f"{name} events/s": built.events / each for name, each in found.items()}
    return [
        Row(
            name="replay", what=f"a log of {built.events:,} events read from SQLite, decoded and folded, one core",
            measured=rates.pop("read, decoded and folded events/s"), unit="events/s", floor=200_000, figures=rates,
        )
    ]  # fmt: skip


def seconds(work: Callable[[], object], *, collect: bool = False) -> float:
    """How long it takes; nothing here makes cycles, so the cycle collector is paused unless it is wanted."""
    gc.collect()
    if not collect:
        gc.disable()
    started = time.perf_counter()
    try:
        work()
        return time.perf_counter() - started
    finally:
        gc.enable()
