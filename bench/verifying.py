"""Rows verify and strict: a whole log verified, every entry hashed and every stored decision taken again, and every fact."""

import asyncio
import time

from bench.biglog import Built
from bench.rows import Row, interleaved
from bench.workplace import Workplace
from events.sqlite import SqliteStore
from service.audit.verifying import Verification, verify
from service.operations.first_pass import elsewhere


def measure(place: Workplace) -> list[Row]:
    """The rows of verification."""
    built = place.log(place.sizes.replayed)
    sides = {
        name: lambda strict=strict: _seconds(built, strict=strict)
        for name, strict in (("verify", False), ("strict", True))
    }
    found = interleaved(min(place.sizes.rounds, 3), sides)
    transitions = asyncio.run(_transitions(built))
    figures = {"transitions": float(transitions), "events a transition": built.events / transitions}
    return [
        Row(
            name=name, what=f"a log of {built.events:,} events verified{', every fact asked' if name == 'strict' else ''}, two processes",
            measured=built.events / seconds, unit="events/s", floor=100_000 if name == "verify" else 15_000, figures=figures,
        )
        for name, seconds in found.items()
    ]  # fmt: skip


def _seconds(built: Built, *, strict: bool) -> float:
    started = time.perf_counter()
    result = asyncio.run(_verified(built, strict=strict))
    seconds = time.perf_counter() - started
    if not result["ok"] or result["events"] != built.events:
        raise ValueError(f"The log that was made does not verify: {result}.")
    return seconds


async def _verified(built: Built, *, strict: bool) -> dict[str, object]:
    store = await SqliteStore.open_readonly(built.path)
    try:
        line: dict[str, dict[str, object]] = {}
        asked = Verification(organisation=built.organisation, strict=strict, alone=True)
        async for line in verify(store.query, asked, elsewhere(f"sqlite:///{built.path}", asked)):
            if "finding" in line:
                raise ValueError(f"The log that was made does not verify: {line}.")
        return line["result"]
    finally:
        await store.close()


async def _transitions(built: Built) -> int:
    store = await SqliteStore.open_readonly(built.path)
    try:
        sql = "SELECT count(*) FROM events WHERE organisation = ? AND type IN ('stage.entered', 'transition.refused')"
        return int((await store.query(sql, (built.organisation,)))[0][0])
    finally:
        await store.close()
