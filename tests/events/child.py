"""A process of its own for the tests that kill one or starve one: `write <database>` and `fill <database> <bytes>`."""

import asyncio
import json
import resource
import sys
from datetime import UTC, datetime
from itertools import count

from domain.events import AdviceGiven
from events.envelope import Context, NewEvent
from events.sqlite import SqliteStore
from events.store import Append, Appended, StoreError

ORG = "org_1"


def clock() -> datetime:
    return datetime.now(UTC)


def appends(stream: str, expected: int, prefix: str, many: int) -> list[Append]:
    fact = AdviceGiven(advice="a", text="x" * 200)
    return [
        Append(
            organisation=ORG,
            stream=stream,
            expected=expected + place,
            events=(NewEvent(id=f"{prefix}_{place}", data=fact, occurred_at=clock()),),
            context=Context(actor="key_1"),
        )
        for place in range(many)
    ]


async def write(path: str) -> None:
    """Append for ever from several tasks, and say what was acknowledged."""
    store = await SqliteStore.open(path, clock=clock)
    run = (await store.head(ORG)).position

    async def writer(name: str) -> None:
        for turn in count():
            batch = appends(name, await store.version(ORG, name), f"{run}_{name}_{turn}", 8)
            results = await store.append(batch)
            acknowledged = [event.id for result in results if isinstance(result, Appended) for event in result.events]
            sys.stdout.write("".join(f"{id_}\n" for id_ in acknowledged))
            sys.stdout.flush()

    await asyncio.gather(*(writer(f"s{number}") for number in range(4)))


async def fill(path: str, limit: int) -> None:
    """Append until no file may grow any more, look around, get room again, go on."""
    store = await SqliteStore.open(path, clock=clock)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    codes: list[str] = []
    while len(codes) < 3:
        try:
            await store.append(appends("a", await store.version(ORG, "a"), f"f{await store.version(ORG, 'a')}", 8))
        except StoreError as error:
            codes.append(error.code)
    full = (await store.head(ORG)).position
    readable = len((await store.read_log(ORG, limit=100_000)).events)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    results = await store.append(appends("a", full, "again", 8))
    after = (await store.head(ORG)).position
    await store.close()
    answer = {"codes": codes, "full": full, "readable": readable, "after": after}
    sys.stdout.write(json.dumps(answer | {"results": [type(result).__name__ for result in results]}))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["write", path]:
            asyncio.run(write(path))
        case ["fill", path, limit]:
            asyncio.run(fill(path, int(limit)))
