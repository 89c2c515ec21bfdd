"""Row stream: a command on a long stream against one on a short stream, through the real handler, one at a time."""

import asyncio
import time
from datetime import datetime, timedelta
from itertools import islice
from statistics import median

from bench.rows import Row
from bench.story import daily, today
from bench.workplace import Workplace
from domain import commands as c
from domain import events as e
from domain.partnership import fold
from events.envelope import Context
from service.app import first_start, running
from service.asked import Asked, Outcome
from service.projections.partnerships import stream_of
from service.services import Services
from service.settings import Settings

CONTEXT = Context(actor="key_bench")
UNDER_WAY = 512
HISTORY = timedelta(days=1_800)


class Stream:
    """One partnership, and how long commands on it take."""

    def __init__(self, services: Services, name: str) -> None:
        self.services = services
        self.organisation = services.settings.organisation
        self.name = stream_of(name)

    async def begin(self, at: datetime) -> None:
        """Open it, with one promise."""
        await self.command(c.OpenPartnership(client=self.name, partner="Partner", opened_at=at))
        made = e.PromiseMade(
            promise="p1", side="partner", kind="delay", promised=30, unit="days", evidence="declared", text="30 days."
        )
        await self.command(c.RecordFacts((c.Fact(made, at),)))

    async def grow(self, at: datetime, until: datetime, length: int) -> None:
        """Tell the daily run until the stream is so long."""
        state = await self.services.states.load(self.organisation, self.name)
        missing = length - state.version
        pending: list[asyncio.Future[Outcome]] = []
        for moment, fact in islice(daily(at, (until - at) / (missing + 1)), missing):
            asked = self._asked(c.RecordFacts((c.Fact(fact, moment),)))
            asked.bulk = True
            pending.append(await self.services.handler.submit(asked))
            if len(pending) == UNDER_WAY:
                await asyncio.gather(*pending)
                pending.clear()
        await asyncio.gather(*pending)

    async def command(self, command: c.Command) -> float:
        """The seconds that one durable command takes."""
        started = time.perf_counter()
        await self.services.handler.handle(self._asked(command))
        return time.perf_counter() - started

    async def cold(self) -> float:
        """The seconds that loading the state takes when it is not at hand: newest snapshot and tail."""
        self.services.states.evict(self.organisation, self.name)
        started = time.perf_counter()
        await self.services.states.load(self.organisation, self.name)
        return time.perf_counter() - started

    async def whole(self) -> float:
        """The seconds that reading and folding the whole stream takes."""
        started = time.perf_counter()
        fold(await self.services.states.past(self.organisation, self.name))
        return time.perf_counter() - started

    def _asked(self, command: c.Command) -> Asked:
        return Asked(organisation=self.organisation, stream=self.name, command=command, context=CONTEXT)


def measure(place: Workplace) -> list[Row]:
    """The row of streams."""
    return [asyncio.run(_measure(place))]


async def _measure(place: Workplace) -> Row:
    sizes, now = place.sizes, today()
    async with running(Settings(database=f"sqlite:///{place.fresh('stream')}")) as services:
        await first_start(services)
        long = await _grown(services, "long", now, sizes.long_stream)
        short = [await _grown(services, f"short-{number}", now, sizes.short_stream) for number in range(sizes.commands)]
        rounds = [await _round(long, short) for _ in range(sizes.rounds)]
        loads = {
            "cold load of the short ms": 1_000 * await short[0].cold(),
            "cold load of the long ms": 1_000 * await long.cold(),
            "whole fold of the long ms": 1_000 * await long.whole(),
        }
    short_ms, long_ms = (1_000 * median(each[side] for each in rounds) for side in (0, 1))
    return Row(
        name="stream", measured=long_ms / short_ms, unit="x", floor=1.5, better="lower",
        what=f"p50 of a guarded command on a stream of {sizes.long_stream:,} to one of {sizes.short_stream}",
        figures={"short ms": short_ms, "long ms": long_ms, **loads},
    )  # fmt: skip


async def _grown(services: Services, name: str, now: datetime, length: int) -> Stream:
    stream = Stream(services, name)
    await stream.begin(now - HISTORY)
    await stream.grow(now - HISTORY, now - timedelta(hours=1), length)
    return stream


async def _round(long: Stream, short: list[Stream]) -> tuple[float, float]:
    """The p50 of each side, in turns: a withdrawn threat, which seven guards are asked about."""
    command = c.RecordFacts((c.Fact(e.ThreatWithdrawn(side="client")),))
    pairs = [(await each.command(command), await long.command(command)) for each in short]
    return median(pair[0] for pair in pairs), median(pair[1] for pair in pairs)
