"""When time alone may change a partnership next: all that the clock reads."""

from datetime import datetime

from events.codec import microseconds
from events.store import Put, Remove, RowChange
from service.projections import Query
from service.projections.partnerships import stream_of

TABLES = ("due",)

DDL = """
CREATE TABLE due (
  organisation TEXT NOT NULL,
  stream TEXT NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (organisation, stream)
) STRICT;
CREATE INDEX due_by_time ON due (at);
"""


def due_row(organisation: str, stream: str, at: datetime | None) -> RowChange:
    """The row that says when to look at a stream again; none when time cannot change it."""
    key = {"organisation": organisation, "stream": stream}
    return Remove("due", {**key}) if at is None else Put("due", {**key}, {"at": microseconds(at)})


async def rows_of_all(query: Query, organisation: str, at: datetime) -> tuple[RowChange, ...]:
    """The rows that let the clock look at every open partnership at an instant, for a new policy may owe otherwise."""
    sql = "SELECT id FROM partnerships WHERE organisation = ? AND outcome IS NOT 'separated'"
    found = await query(sql, (organisation,))
    return tuple(due_row(organisation, stream_of(str(identifier)), at) for (identifier,) in found)


async def owing(query: Query, now: datetime, limit: int) -> list[tuple[str, str]]:
    """(organisation, stream) of what has fallen due, the longest waiting first."""
    rows = await query(
        "SELECT organisation, stream FROM due WHERE at <= ? ORDER BY at LIMIT ?", (microseconds(now), limit)
    )
    return [(str(organisation), str(stream)) for organisation, stream in rows]
