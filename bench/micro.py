"""Rows for information: what one decision, one encoded entry and one append cost, in process."""

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta

from bench.rows import Row, interleaved
from bench.story import Life, life, today
from bench.workplace import Workplace
from domain import commands as c
from domain import events as e
from domain.decide import Situation, decide
from domain.owed import next_due
from domain.partnership import fold
from domain.policy import POLICY_1
from events.codec import encode_entry, happened
from events.envelope import Context, NewEvent
from events.sqlite import SqliteStore
from events.store import Append
from service.ids import Ids
from service.projections.all import MIGRATIONS, project

CONTEXT = Context(actor="key_bench")
FACTS: dict[str, e.Event] = {
    "plain": e.IncidentRaised(incident="INC-new", priority=3),
    "guarded": e.SlaMeasured(sla="s1", month="2024-01", met=97, total=100),
}


def measure(place: Workplace) -> list[Row]:
    """The costs of the parts, in microseconds."""
    told, many, rounds = life(today()), place.sizes.repeats, place.sizes.rounds
    sides = {**_deciding(told, many), **_coding(told, many)}
    figures = {f"{name} us": seconds * 1e6 for name, seconds in interleaved(rounds, sides).items()}
    figures |= {f"{name} us": seconds * 1e6 for name, seconds in asyncio.run(_appending(place, told)).items()}
    decided = figures["decide guarded us"]
    return [Row(name="micro", what="deciding a guarded fact", measured=decided, unit="us", figures=figures)]


def _each(many: int, work: Callable[[], object]) -> Callable[[], float]:
    """The seconds of one call, over many."""

    def measured() -> float:
        started = time.perf_counter()
        for _ in range(many):
            work()
        return (time.perf_counter() - started) / many

    return measured


def _deciding(told: Life, many: int) -> dict[str, Callable[[], float]]:
    situation = Situation(policy=POLICY_1, policy_version=1, now=told.now)
    commands = {name: c.RecordFacts((c.Fact(fact, told.now - timedelta(hours=1)),)) for name, fact in FACTS.items()}

    def settled(command: c.Command) -> object:
        return next_due(decide(told.state, command, situation).state, POLICY_1)

    return {
        f"decide {name}": _each(many, lambda command=command: settled(command))  # type: ignore[misc]
        for name, command in commands.items()
    }


def _coding(told: Life, many: int) -> dict[str, Callable[[], float]]:
    new = NewEvent(id="evt_06h0luaf1s8nogtlbolq3oajog", data=FACTS["plain"], occurred_at=told.now)
    recorded = encode_entry(new, CONTEXT, "partnership-pn_1", 7, told.now, 1)
    history = [
        e.Happened(number, f"evt_{number}", each.occurred_at, each.data) for number, each in enumerate(told.events, 1)
    ]
    fold_one = _each(max(1, many // 100), lambda: fold(history))
    return {
        "encode": _each(many, lambda: encode_entry(new, CONTEXT, "partnership-pn_1", 7, told.now, 1)),
        "decode": _each(many, lambda: happened(recorded)),
        "fold an event": lambda: fold_one() / len(history),
    }


async def _appending(place: Workplace, told: Life) -> dict[str, float]:
    """An append alone and in a batch of 128, each its own transaction, durable."""
    path = place.fresh("micro")
    path.parent.mkdir(parents=True)
    store = await SqliteStore.open(path, migrations=MIGRATIONS, clock=today, projections=(project,))
    ids = Ids(today)
    found = {}
    for size in (1, 128):
        batches = [[_append(ids, told, f"s{size}-{number}-{each}") for each in range(size)] for number in range(20)]
        started = time.perf_counter()
        for batch in batches:
            await store.append(batch)
        found[f"append in batches of {size}"] = (time.perf_counter() - started) / len(batches) / size
    await store.close()
    return found


def _append(ids: Ids, told: Life, stream: str) -> Append:
    new = NewEvent(id=ids.new("evt"), data=FACTS["plain"], occurred_at=told.now)
    return Append(organisation="demo", stream=stream, expected=0, events=(new,), context=CONTEXT)
