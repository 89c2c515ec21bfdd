"""What an audit reads: rows as they lie in the file, some at a time, up to an end that was fixed at the start."""

import asyncio
from bisect import bisect_right
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from itertools import groupby
from operator import itemgetter
from typing import ParamSpec, TypeVar

import msgspec
from msgspec import Struct, field

from domain import events as e
from domain.policy import Policy
from events.codec import read_entry, read_happened
from events.envelope import RecordedEvent
from service.projections import Query
from service.projections.partnerships import partnership_in, stream_of

P = ParamSpec("P")
T = TypeVar("T")

PAGE = 500
"""Rows read at once."""

_LOG = """
    SELECT position, stream, version, type, schema, entry, id, occurred_at, recorded_at FROM events
    WHERE organisation = ? AND position > ? AND position <= ? ORDER BY position LIMIT ?
"""
_STREAM = """
    SELECT position, stream, version, type, schema, entry FROM events
    WHERE organisation = ? AND stream = ? AND version > ? AND position <= ? ORDER BY version LIMIT ?
"""
# Added to nothing, a position is no range of the log's own index, which would be walked for every page anew.
_BY_STREAM = """
    SELECT position, stream, version, type, schema, entry FROM events
    WHERE organisation = ? AND (stream, version) > (?, ?) AND position + 0 <= ? ORDER BY stream, version LIMIT ?
"""
_LIFE = """
    SELECT position, stream, version, type, schema, entry, id, occurred_at, recorded_at FROM events
    WHERE organisation = ? AND stream = ? AND (occurred_at, version) > (?, ?) AND position + 0 <= ?
    ORDER BY occurred_at, version LIMIT ?
"""
MIN_INSTANT = -(2**63)
_POLICIES = """
    SELECT position, stream, version, type, schema, entry FROM events
    WHERE organisation = ? AND type = ? ORDER BY position
"""


Told = tuple[int, str, int, str, int, bytes]
"""A row as the driver has it: the fields of Row, of which a life is folded without an object a row."""


class Row(Struct, frozen=True, gc=False):
    """One row of the log, nothing of it believed: what a fold needs, so that no more is read."""

    position: int
    stream: str
    version: int
    type: str
    schema: int
    entry: bytes

    def recorded(self) -> RecordedEvent:
        """The row as the store would answer it."""
        entry = read_entry(self.entry)
        return RecordedEvent(
            position=self.position, stream=self.stream, version=self.version, type=self.type, schema=self.schema,
            id=entry.id, occurred_at=entry.occurred_at, recorded_at=entry.recorded_at, entry=self.entry,
        )  # fmt: skip

    def happened(self) -> e.Happened:
        """The row as the fold takes it."""
        return read_happened(self.type, self.schema, self.entry)


class WholeRow(Row, frozen=True, gc=False):
    """A row with every column: times in microseconds."""

    id: str
    occurred_at: int
    recorded_at: int


class Audit(Struct, kw_only=True):
    """What every audit is asked."""

    organisation: str
    known_at: int | None = None
    """Up to what was recorded by this instant, in microseconds; None: the whole log."""
    partnerships: frozenset[str] | None = None
    """Only these; None: all. Where entries are verified, all of the log is read none the less."""
    alone: bool = False
    """Whether nobody else waits for the event loop: the work is then done on it, and not beside it."""

    async def work(self, work: Callable[P, T], *values: P.args, **named: P.kwargs) -> T:
        """Do a piece of work on the bytes that were read."""
        return work(*values, **named) if self.alone else await asyncio.to_thread(work, *values, **named)


class Adopted(Struct):
    """The policies of a log, and from which position each was in force."""

    policies: dict[int, Policy] = field(default_factory=dict)
    positions: list[int] = field(default_factory=list)
    versions: list[int] = field(default_factory=list)

    def take(self, position: int, version: int, policy: Policy) -> None:
        """A policy adopted at a position."""
        self.policies[version] = policy
        self.positions.append(position)
        self.versions.append(version)

    def in_force(self, position: int) -> int:
        """The version in force before a position; 0 before any was adopted."""
        place = bisect_right(self.positions, position - 1)
        return self.versions[place - 1] if place else 0


async def log_pages(
    query: Query, organisation: str, end: int, after: int = 0, size: int = PAGE
) -> AsyncIterator[list[WholeRow]]:
    """The rows of a log from above a position up to an end."""
    more = True
    while more and (rows := await query(_LOG, (organisation, after, end, size))):
        page = [WholeRow(*row) for row in rows]  # type: ignore[arg-type]  # the table is STRICT
        after, more = page[-1].position, len(page) == size
        yield page


async def stream_pages(
    query: Query, organisation: str, stream: str, end: int, size: int = PAGE, after: int = 0
) -> AsyncIterator[list[Row]]:
    """The rows of one stream from above a version up to an end."""
    more = True
    while more and (rows := await query(_STREAM, (organisation, stream, after, end, size))):
        page = [Row(*row) for row in rows]  # type: ignore[arg-type]  # as above
        after, more = page[-1].version, len(page) == size
        yield page


async def life_pages(
    query: Query, organisation: str, stream: str, end: int, size: int = PAGE
) -> AsyncIterator[list[WholeRow]]:
    """The rows of one stream up to an end, in the order in which they occurred; at one instant, by version."""
    after, more = (MIN_INSTANT, 0), True
    while more and (rows := await query(_LIFE, (organisation, stream, *after, end, size))):
        page = [WholeRow(*row) for row in rows]  # type: ignore[arg-type]  # as above
        after, more = (page[-1].occurred_at, page[-1].version), len(page) == size
        yield page


async def pages_by_stream(query: Query, organisation: str, end: int, size: int = PAGE) -> AsyncIterator[list[Row]]:
    """The rows of a log up to an end, stream after stream in the order of their names."""
    async for page in _told_by_stream(query, organisation, end, size):
        yield [Row(*row) for row in page]


async def _told_by_stream(query: Query, organisation: str, end: int, size: int = PAGE) -> AsyncIterator[list[Told]]:
    after, more = ("", 0), True
    while more and (rows := await query(_BY_STREAM, (organisation, *after, end, size))):
        page: list[Told] = rows  # type: ignore[assignment]  # the table is STRICT
        after, more = (page[-1][1], page[-1][2]), len(page) == size
        yield page


async def lives(
    query: Query, organisation: str, end: int, only: Iterable[str] | None = None
) -> AsyncIterator[tuple[str, list[Told]]]:
    """(id, its rows up to an end) of partnership after partnership in the order of their ids; of some, or of all."""
    if only is not None:
        for each in sorted(only):
            pages = stream_pages(query, organisation, stream_of(each), end)
            if rows := [msgspec.structs.astuple(row) async for page in pages for row in page]:
                yield each, rows
        return
    life: tuple[str, list[Told]] | None = None
    async for page in _told_by_stream(query, organisation, end):
        for stream, some in groupby(page, itemgetter(1)):
            identifier = partnership_in(stream)
            if life is not None and life[0] != identifier:
                yield life
                life = None
            if identifier is not None:
                life = identifier, [*(() if life is None else life[1]), *some]
    if life is not None:
        yield life


def history_of(rows: Iterable[Told]) -> list[e.Happened]:
    """A life as the fold takes it."""
    return [read_happened(kind, schema, entry) for _, _, _, kind, schema, entry in rows]


async def policy_rows(query: Query, organisation: str) -> list[Row]:
    """The rows of the policies that were adopted."""
    rows = await query(_POLICIES, (organisation, e.PolicyAdopted.type))
    return [Row(*row) for row in rows]  # type: ignore[arg-type]  # as above


async def ahead(pages: AsyncIterator[T]) -> AsyncIterator[T]:
    """The same, the next one being read while this one is worked on."""
    following = asyncio.ensure_future(anext(pages, None))
    try:
        while (page := await following) is not None:
            following = asyncio.ensure_future(anext(pages, None))
            yield page
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


async def together(*parts: AsyncIterator[T]) -> AsyncGenerator[T, None]:
    """What several say, as it comes; whoever ends early or fails ends them all."""
    said: asyncio.Queue[T | None] = asyncio.Queue()

    async def hear(part: AsyncIterator[T]) -> None:
        try:
            async for each in part:
                said.put_nowait(each)
        finally:
            said.put_nowait(None)

    hearing = [asyncio.ensure_future(hear(part)) for part in parts]
    try:
        for _ in hearing:
            while (each := await said.get()) is not None:
                yield each
        await asyncio.gather(*hearing)
    finally:
        for task in hearing:
            task.cancel()
        await asyncio.gather(*hearing, return_exceptions=True)


async def end_of(query: Query, organisation: str, known_at: int | None) -> int:
    """The position of the last entry, or of the last that was recorded by an instant in microseconds."""
    if known_at is None:
        rows = await query("SELECT max(position) FROM events WHERE organisation = ?", (organisation,))
    else:
        sql = "SELECT max(position) FROM events WHERE organisation = ? AND recorded_at <= ?"
        rows = await query(sql, (organisation, known_at))
    return int(str(rows[0][0] or 0))


def shown(value: object) -> str:
    """A value as a finding shows it, at most 500 characters."""
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= 500 else text[:500] + "..."  # noqa: PLR2004
