"""The first pass of a verification: the log by position, every entry as bytes and as the row beside it says, under its tree."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec

from service.audit.attested import wrongly_attested
from service.audit.entries import Entries, Finding
from service.audit.leaves import Leaves, read_leaves, signed_heads
from service.audit.reading import Audit, ahead, log_pages
from service.projections import Query
from service.proofs.log_keys import log_verifiers
from service.proofs.tables import find_tree

Line = dict[str, Any]
Elsewhere = Callable[[int], AsyncIterator[Line]]
"""The first pass up to a position as another process does it: its lines, and at its end `{"read": entries}`."""


class Verification(Audit, kw_only=True):
    """What is to be verified."""

    strict: bool = False
    held: tuple[str, ...] = ()
    """Signed checkpoints that were kept outside the database."""


async def by_position(
    query: Query, wanted: Verification, end: int, entries: Entries | None = None
) -> AsyncIterator[Line]:
    """Findings and progress up to a position, and how many entries were read, as `{"read": entries}`."""
    entries = entries or Entries()
    tree = await find_tree(query, wanted.organisation)
    verifiers = [] if tree is None else await log_verifiers(query, wanted.organisation, tree)
    heads, unsigned = await signed_heads(query, wanted.organisation, wanted.held, verifiers)
    for each in unsigned:
        yield finding_line(each)
    async for each in wrongly_attested(query, wanted.organisation):
        yield finding_line(each)
    leaves, read = Leaves(heads), 0
    async for page in ahead(log_pages(query, wanted.organisation, end)):
        stored = await read_leaves(query, wanted.organisation, page)
        for each in await wanted.work(lambda: [*entries.check(page), *leaves.check(page, stored)]):  # noqa: B023  # awaited at once
            yield finding_line(each)
        read = page[-1].position
        yield progress_line(read, end)
    if wanted.known_at is None:
        for each in [*await _check_head(query, wanted, read), *leaves.end()]:
            yield finding_line(each)
    yield {"read": read}


async def _check_head(query: Query, wanted: Verification, position: int) -> list[Finding]:
    """The end that writers go on from is the end of the log."""
    rows = await query("SELECT position FROM heads WHERE organisation = ?", (wanted.organisation,))
    head = int(str(rows[0][0])) if rows else 0
    if head < position or (head > position and await _is_gone(query, wanted.organisation, position + 1)):
        return [
            Finding(
                code="head", position=position + 1, expected=f"entries up to {head}", found=f"entries up to {position}"
            )
        ]
    return []


async def _is_gone(query: Query, organisation: str, position: int) -> bool:
    """Whether an entry is missing that was not just written meanwhile."""
    return not await query("SELECT 1 FROM events WHERE organisation = ? AND position = ?", (organisation, position))


def finding_line(finding: Finding) -> Line:
    """A finding, as a line says it."""
    return {"finding": {name: value for name, value in msgspec.to_builtins(finding).items() if value is not None}}


def progress_line(position: int, end: int) -> Line:
    """How far two passes over a log have come."""
    return {"progress": {"position": position, "of": 2 * end}}
