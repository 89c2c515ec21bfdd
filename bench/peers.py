"""Row peer: replaying a log, beside what `eventsourcing`, the best known library of the field in Python, takes for the same.

Its side is an application on SQLite whose aggregates were told the very events of our log (type, instant and data as
JSON): every aggregate is read and built anew. Ours reads, decodes and folds every event; its aggregate only counts.
"""

import sqlite3
from collections.abc import Iterator
from uuid import UUID

import msgspec
from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event

from bench.biglog import Built
from bench.replay import fold_all, seconds
from bench.rows import Row, interleaved
from bench.workplace import Workplace


class Story(Aggregate):
    """A partnership as the other library keeps one."""

    def __init__(self) -> None:
        self.told = 0

    @event("Told")
    def tell(self, kind: str, occurred_at: str, data: dict) -> None:  # the library's transcoder knows plain dicts
        """Take an event; nothing is folded of it."""
        self.told += 1


def measure(place: Workplace) -> list[Row]:
    """The row of the peer."""
    built = place.log(place.sizes.peers)
    path = place.fresh("peer")
    path.parent.mkdir(parents=True, exist_ok=True)
    application = Application(env={"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": str(path)})
    names = _tell(application, built)
    sides = {
        "ours": lambda: seconds(lambda: fold_all(built)),
        "eventsourcing": lambda: seconds(lambda: _replay(application, names, built.events)),
    }
    found = interleaved(place.sizes.rounds, sides)
    application.close()
    rates = {f"{name} events/s": built.events / each for name, each in found.items()}
    return [
        Row(
            name="peer", what=f"replaying {built.events:,} events, to the same events in eventsourcing",
            measured=found["eventsourcing"] / found["ours"], unit="x", floor=5, figures=rates,
        )
    ]  # fmt: skip


def _tell(application: Application, built: Built) -> list[UUID]:
    """Save every event of the log as one of an aggregate of its stream."""
    names = []
    for entries in _streams(built):
        story = Story()
        for entry in entries:
            story.tell(entry["type"], entry["occurred_at"], entry["data"])
        application.save(story)
        names.append(story.id)
    return names


def _streams(built: Built) -> Iterator[list[dict]]:
    with sqlite3.connect(f"{built.path.as_uri()}?mode=ro", uri=True) as database:
        names = [name for (name,) in database.execute("SELECT DISTINCT stream FROM events")]
        for name in names:
            sql = "SELECT entry FROM events WHERE stream = ? ORDER BY version"
            yield [msgspec.json.decode(entry) for (entry,) in database.execute(sql, (name,))]


def _replay(application: Application, names: list[UUID], events: int) -> None:
    told = sum(application.repository.get(name).told for name in names)
    if told != events:
        raise ValueError(f"The other side replayed {told} events, not {events}.")
