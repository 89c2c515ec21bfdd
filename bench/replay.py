"""Row replay: every event of a log read, decoded and folded, in one process and one thread."""

import gc
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator

from bench.biglog import Built
from bench.rows import Row, interleaved
from bench.workplace import Workplace
from domain.partnership import Partnership, evolve
from events.store import Replayed
from events.tables import Log

PAGE = 400
"""Events read at once: so few that they are still near the processor when they are folded."""


def read(built: Built) -> Iterator[Replayed]:
    """Every event of the log from the file, decoded, page by page."""
    database = sqlite3.connect(f"{built.path.as_uri()}?mode=ro", uri=True, isolation_level=None)
    log, after = Log(database), 0
    while page := log.replay(built.organisation, after=after, limit=PAGE):
        yield from page
        after, _, _ = page[-1]
    database.close()


def fold_all(replayed: Iterable[Replayed]) -> dict[str, Partnership]:
    """The state of every stream, each event taken where it comes; the logs here retract nothing."""
    states: dict[str, Partnership] = {}
    for _, stream, happened in replayed:
        state = states.get(stream)
        if state is None:
            state = states[stream] = Partnership()
        evolve(state, happened)
    return states


def measure(place: Workplace) -> list[Row]:
    """The row of replaying."""
    built = place.log(place.sizes.replayed)
    at_hand = list(read(built))
    sides = {
        "read, decoded and folded": lambda: seconds(lambda: fold_all(read(built))),
        "with the collector on": lambda: seconds(lambda: fold_all(read(built)), collect=True),
        "folded": lambda: seconds(lambda: fold_all(at_hand)),
        "read and decoded": lambda: seconds(lambda: sum(1 for _ in read(built))),
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
