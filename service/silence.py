"""Silence: many senders never retry and never say that they stopped, so a source that is watched raises an alarm."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from events.codec import from_microseconds
from service.projections import Query
from service.projections.inbox import last_seen
from service.projections.keys import Source, watched
from service.rounds import Rounds

log = structlog.get_logger()

EVERY = 30.0
"""Seconds between two looks; the shortest silence that can be watched is a minute."""


class Tell(Protocol):
    """Takes the word of a source's silence, or of its end."""

    def __call__(self, source: str, *, yes: bool) -> None:
        """Tell whether the source is silent."""
        ...


class Silence:
    """Looks at the watched sources every half minute; a warning is logged when one falls silent, once."""

    def __init__(self, query: Query, clock: Callable[[], datetime], tell: Tell) -> None:
        self._query = query
        self._clock = clock
        self._tell = tell
        self._silent: set[str] = set()
        self.rounds = Rounds("silence", self._round, EVERY)

    async def _round(self) -> bool:
        await self.look()
        return False

    async def look(self) -> set[str]:
        """The ids of the sources that are silent now."""
        found = set()
        for organisation, source in await watched(self._query):
            heard = await last_seen(self._query, organisation, source.id)
            if is_silent(source, heard, self._clock()):
                found.add(source.id)
                if source.id not in self._silent:
                    log.warning("source_silent", source=source.id, name=source.name, last_seen=heard)
            self._tell(source.id, yes=source.id in found)
        self._silent = found
        return found


def is_silent(source: Source, heard: str | None, now: datetime) -> bool:
    """Whether a source was silent, since its last delivery or since it was made, for longer than it was set to be."""
    if not source.silence_after:
        return False
    since = from_microseconds(source.created_at) if heard is None else datetime.fromisoformat(heard)
    return now - since > timedelta(seconds=source.silence_after)
