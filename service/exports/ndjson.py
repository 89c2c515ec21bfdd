"""The log as it is stored: lines that can be restored, as long as none is left out."""

from collections.abc import AsyncIterator, Sequence

from service.audit.reading import Row, end_of, log_pages
from service.projections import Query


async def ndjson(
    query: Query, organisation: str, pages: AsyncIterator[Sequence[Row]] | None = None
) -> AsyncIterator[bytes]:  # fmt: skip
    """`{"position":n,` and the entry's own bytes, a line an entry; personal values stay sealed.

    Without pages, the whole log up to where it ends now.
    """
    if pages is None:
        pages = log_pages(query, organisation, await end_of(query, organisation, None))
    async for page in pages:
        yield b"".join(b'{"position":%d,%s\n' % (row.position, row.entry[1:]) for row in page)
