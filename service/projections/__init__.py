"""Read models and working tables: one file owns one table, its DDL, what events do to it, and its queries."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from domain.events import Event
from events.envelope import RecordedEvent
from events.store import RowChange, Value

Project = Callable[[str, RecordedEvent, Event], Sequence[RowChange]]
"""(organisation, recorded event, its data) -> row changes that commit with it."""

Row = tuple[Value, ...]
Write = Callable[[Sequence[RowChange]], Awaitable[None]]
"""Writes rows that belong to no event."""


class Query(Protocol):
    """Reads rows from the store."""

    async def __call__(self, sql: str, parameters: Sequence[Value] = (), /) -> Sequence[Row]:
        """The rows of a query."""
        ...
