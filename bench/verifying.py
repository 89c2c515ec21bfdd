"""Rows verify and strict: a whole log verified under its signed head, every stored decision taken again, and every fact."""

import asyncio
import subprocess
import sys

import msgspec

from bench import replay
from bench.biglog import Built
from bench.processes import NOCES, ROOT
from bench.rows import Row, interleaved
from bench.workplace import Workplace
from events.sqlite import SqliteStore

LENGTH = 100
"""Events of a life: it enters two stages by itself, so one event in fifty is a decision."""


def measure(place: Workplace) -> list[Row]:
    """The rows of verification."""
    built, replayed = place.log(place.sizes.replayed, LENGTH), place.log(place.sizes.replayed)
    noces(built, "log", "checkpoint")
    sides = {
        "verify": lambda: seconds(built), "strict": lambda: seconds(built, "--strict"),
        "replay": lambda: replay.seconds(lambda: replay.fold_all(replayed)),
    }  # fmt: skip
    found = interleaved(min(place.sizes.rounds, 3), sides)
    beside = replayed.events / found.pop("replay")
    events_a_transition = built.events / asyncio.run(_transitions(built))
    return [
        Row(
            name=name, what=f"a log of {built.events:,} events verified{', every fact asked' if name == 'strict' else ''}, two processes",
            measured=built.events / took, unit="events/s", floor=100_000 if name == "verify" else 15_000,
            figures={"x of replay in turns": built.events / took / beside, "events a transition": events_a_transition},
        )
        for name, took in found.items()
    ]  # fmt: skip


def seconds(built: Built, *options: str) -> float:
    """How long `noces verify` says that it took; starting it and importing its code are not in it."""
    told = noces(built, "verify", "--json", *options)
    result = msgspec.json.decode(told.splitlines()[-1]).get("result", {})
    if not result.get("ok") or result["events"] < built.events:
        raise ValueError(f"The log that was made does not verify: {told!r}.")
    return float(result["seconds"])


def noces(built: Built, *arguments: str) -> bytes:
    """What the command line says of a log."""
    place = ("--database", f"sqlite:///{built.path}", "--organisation", built.organisation)
    command = [sys.executable, "-c", NOCES, *arguments, *place]
    return subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout


async def _transitions(built: Built) -> int:
    store = await SqliteStore.open_readonly(built.path)
    try:
        sql = "SELECT count(*) FROM events WHERE organisation = ? AND type IN ('stage.entered', 'transition.refused')"
        return int((await store.query(sql, (built.organisation,)))[0][0])
    finally:
        await store.close()
