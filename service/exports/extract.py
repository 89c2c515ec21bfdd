"""The part of a log that an export tells: one organisation's, some or all of its partnerships, up to a fixed end."""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, NamedTuple, TypeVar

from msgspec import Struct

from domain import events as e
from events.codec import Entry, read_entry, read_fields, read_happened
from events.upcasters import upcast
from service.audit.reading import PAGE, Row, end_of, life_pages, log_pages, stream_pages
from service.errors import ServiceError
from service.personal import Opener, open_all
from service.projections import Query
from service.projections.partnerships import Filter, exists, list_ids, stream_of

E = TypeVar("E", bound=e.Event)
R = TypeVar("R", bound=Row)
Json = dict[str, Any]

AT_ONCE = 100
"""Entries opened together: their keys must all be at hand, whoever they name."""

TOLD: dict[str, type[e.Event]] = {
    name: kind for name, kind in e.ALL.items()
    if kind is e.StageEntered or (kind is not e.FactRetracted and not name.startswith(e.SYSTEM_PREFIXES))
}  # fmt: skip
"""What a partnership's life consists of: its facts, and the stages that it entered."""

# Added to nothing, neither position nor type leads to an index of its own, which would be walked for every stream anew.
_COUNT = "SELECT count(*) FROM events WHERE organisation = ? AND stream = ? AND position + 0 <= ?"
_OF_TYPE = """
    SELECT type, schema, entry FROM events
    WHERE organisation = ? AND stream = ? AND type || '' = ? AND position + 0 <= ? ORDER BY version
"""


class Told(NamedTuple):
    """One event of a life: its place in the log, its entry, and its data in today's shape."""

    position: int
    entry: Entry
    data: Json


class Life(NamedTuple):
    """One partnership: its id, how it was opened, and its events as they occurred, some at a time."""

    partnership: str
    opened: e.PartnershipOpened
    pages: AsyncIterator[list[Told]]


def _unseen(_: int) -> None:
    """Nobody waits for it."""


class Extract(Struct, kw_only=True, eq=False):
    """Reads what an export tells; `seen` is called with how many more rows were read."""

    query: Query
    organisation: str
    end: int
    only: tuple[str, ...] = ()
    """The partnerships that are told; none named: the whole log."""
    opener: Opener | None = None
    """Opens personal values; None: they stay sealed."""
    size: int = PAGE
    """Rows read at once."""
    seen: Callable[[int], object] = _unseen

    async def count(self) -> int:
        """How many rows there are to read, more or less."""
        if not self.only:
            return self.end
        counts = [await self.query(_COUNT, (self.organisation, stream_of(each), self.end)) for each in self.only]
        return sum(int(str(rows[0][0])) for rows in counts)

    async def rows(self) -> AsyncIterator[Sequence[Row]]:
        """The log by position; of chosen partnerships, one stream after the other."""
        if not self.only:
            async for whole in self._counted(log_pages(self.query, self.organisation, self.end, size=self.size)):
                yield whole
        for each in self.only:
            async for page in self.stream(each):
                yield page

    def stream(self, partnership: str) -> AsyncIterator[Sequence[Row]]:
        """The rows of one partnership, by version."""
        return self._counted(stream_pages(self.query, self.organisation, stream_of(partnership), self.end, self.size))

    async def _counted(self, pages: AsyncIterator[Sequence[R]]) -> AsyncIterator[Sequence[R]]:
        async for page in pages:
            yield page
            self.seen(len(page))

    async def partnerships(self) -> AsyncIterator[str]:
        """The ids of the partnerships that are told, in order."""
        for each in self.only:
            yield each
        after = ""
        while not self.only and (ids := await list_ids(self.query, self.organisation, Filter(), after, self.size)):
            for each in ids:
                yield each
            after = ids[-1]

    # --- entries -----------------------------------------------------------------------------------------------------

    async def entries(self, rows: Sequence[Row]) -> list[Json]:
        """The fields of entries with their positions; personal values as the export holds them."""
        found: list[Json] = [{"position": row.position, **read_fields(row.entry)} for row in rows]
        data = await self._open([(each["type"], each["id"], each["data"]) for each in found])
        return [{**each, "data": shown} for each, shown in zip(found, data, strict=True)]

    async def _open(self, told: list[tuple[str, str, Json]]) -> list[Json]:
        if self.opener is None:
            return [data for _, _, data in told]
        found: list[Json] = []
        for start in range(0, len(told), AT_ONCE):
            found += await open_all(self.opener, self.organisation, told[start : start + AT_ONCE])
        return found

    # --- lives -------------------------------------------------------------------------------------------------------

    async def lives(self) -> AsyncIterator[Life]:
        """Every partnership that was opened by the end, one after the other."""
        async for each in self.partnerships():
            opened = [data async for data in self._of_type(each, e.PartnershipOpened)]
            if opened:
                yield Life(each, opened[0], self._life(each))

    async def _life(self, partnership: str) -> AsyncIterator[list[Told]]:
        """What happened, as it occurred; what was retracted is left out, and its retraction with it."""
        retracted = {data.event async for data in self._of_type(partnership, e.FactRetracted)}
        pages = life_pages(self.query, self.organisation, stream_of(partnership), self.end, self.size)
        async for page in self._counted(pages):
            yield await self._told([row for row in page if row.type in TOLD and row.id not in retracted])

    async def _told(self, rows: Sequence[Row]) -> list[Told]:
        entries = [read_entry(row.entry) for row in rows]
        opened = await self._open([(each.type, each.id, each.data) for each in entries])
        return [
            Told(row.position, entry, upcast(entry.type, entry.schema, data, TOLD[entry.type].schema))
            for row, entry, data in zip(rows, entries, opened, strict=True)
        ]

    async def _of_type(self, partnership: str, kind: type[E]) -> AsyncIterator[E]:
        parameters = (self.organisation, stream_of(partnership), kind.type, self.end)
        for name, schema, entry in await self.query(_OF_TYPE, parameters):
            data = read_happened(name, schema, entry).data  # type: ignore[arg-type]  # the table is STRICT
            if isinstance(data, kind):
                yield data


async def extract_of(
    query: Query, organisation: str, only: tuple[str, ...] = (), opener: Opener | None = None
) -> Extract:
    """An extract up to where the log ends now. Raises ServiceError `not_found` for a partnership that is not there."""
    for each in only:
        if not await exists(query, organisation, each):
            raise ServiceError("not_found", f"There is no partnership {each!r} in organisation {organisation!r}.")
    end = await end_of(query, organisation, None)
    return Extract(query=query, organisation=organisation, end=end, only=tuple(dict.fromkeys(only)), opener=opener)
