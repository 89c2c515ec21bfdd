"""The clock: looks at what has fallen due and lets each partnership settle what time owes it."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

import structlog

from domain import commands as c
from domain.errors import DomainError
from events.envelope import Context
from events.store import StoreError
from service.asked import Asked
from service.errors import ServiceError
from service.handler import Handler
from service.projections import Query, due
from service.rounds import Rounds

log = structlog.get_logger()

ACTOR = "clock"
AT_ONCE = 500


def now() -> datetime:
    """The wall clock, in UTC."""
    return datetime.now(UTC)


class Clock:
    """Wakes every few seconds; what it writes is dated when it fell due, and never written twice."""

    def __init__(self, query: Query, handler: Handler, clock: Callable[[], datetime], seconds: float) -> None:
        self._query = query
        self._handler = handler
        self._clock = clock
        self.rounds = Rounds("clock", self._round, seconds)

    async def _round(self) -> bool:
        return await self.look() > 0

    async def look(self) -> int:
        """Settle what is due now; the number of partnerships that moved on."""
        owing = await due.owing(self._query, self._clock(), AT_ONCE)
        settled = await asyncio.gather(*(self._settle(*each) for each in owing))
        return sum(settled)

    async def _settle(self, organisation: str, stream: str) -> bool:
        asked = Asked(
            organisation=organisation, stream=stream, command=c.Tick(), context=Context(actor=ACTOR), bulk=True
        )
        try:
            outcome = await self._handler.handle(asked)
        except (DomainError, ServiceError, StoreError) as error:
            log.warning("clock_waits", stream=stream, reason=getattr(error, "code", "error"))
            return False
        return bool(outcome.events)
