"""Retention: the bodies of old deliveries are forgotten; their items stay known, so that a repetition does nothing."""

from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from events.store import Database
from service.projections.inbox import older_than, purge_rows
from service.rounds import Rounds
from service.views import instant

log = structlog.get_logger()

EVERY = 600.0
"""Seconds between two looks."""
AT_ONCE = 100
"""Deliveries that are purged in one transaction."""


class Retention:
    """Purges deliveries that are older than so many days; 0 keeps them for ever."""

    def __init__(self, store: Database, clock: Callable[[], datetime], days: int) -> None:
        self._store = store
        self._clock = clock
        self._days = days
        self.rounds = Rounds("retention", self._round, EVERY)

    async def _round(self) -> bool:
        return await self.look() == AT_ONCE

    async def look(self) -> int:
        """Purge some deliveries that are old enough; how many."""
        if not self._days:
            return 0
        now = self._clock()
        old = await older_than(self._store.query, instant(now - timedelta(days=self._days)), AT_ONCE)
        rows = [row for place in old for row in await purge_rows(self._store.query, *place, instant(now))]
        if rows:
            await self._store.write(rows)
            log.info("deliveries_purged", count=len(old))
        return len(old)
