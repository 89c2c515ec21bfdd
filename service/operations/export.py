"""What `noces export` does: the log, or the stays of every partnership, written as they are read."""

import csv
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO

from domain.history import spells
from domain.partnership import fold
from domain.policy import POLICY_1
from service.app import now
from service.audit.entries import Entries
from service.audit.reading import end_of, log_pages, stream_pages
from service.files import whole
from service.operations.reading import check_new, log_of
from service.projections import Query
from service.settings import Settings
from service.views import instant

COLUMNS = (
    "partnership", "client", "partner", "stage", "outcome", "entered_at", "left_at", "days", "trigger", "cause", "policy",
    "telescoped", "forced",
)  # fmt: skip
RISKY = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula."""


async def export(settings: Settings, organisation: str | None, form: str, out: Path | None, screen: BinaryIO) -> int:
    """How many bytes were written; a file gets its name when it is whole.

    Raises SettingsError for a database, an organisation or a folder that is not there, or a file that is.
    """
    name = organisation or settings.organisation
    if out is not None:
        check_new(out)
    async with log_of(settings, name) as query:
        pieces = ndjson(query, name) if form == "ndjson" else stays(query, name)
        if out is None:
            return await _write(pieces, screen)
        with whole(out) as file:
            return await _write(pieces, file)


async def _write(pieces: AsyncIterator[bytes], file: BinaryIO) -> int:
    count = 0
    async for piece in pieces:
        count += file.write(piece)
    file.flush()
    return count


async def ndjson(query: Query, organisation: str) -> AsyncIterator[bytes]:
    """The log as it is stored: `{"position":n,` and the entry's own bytes, a line an entry; personal values stay sealed."""
    end = await end_of(query, organisation, None)
    async for page in log_pages(query, organisation, end):
        yield b"".join(b'{"position":%d,%s\n' % (row.position, row.entry[1:]) for row in page)


async def stays(query: Query, organisation: str) -> AsyncIterator[bytes]:
    """Every stay in a stage as a row of CSV, safe to open in a spreadsheet."""
    end = await end_of(query, organisation, None)
    entries = Entries()
    async for page in log_pages(query, organisation, end):
        entries.index(page)
    policy = entries.adopted.policies.get(entries.adopted.in_force(end + 1), POLICY_1)
    yield _line(COLUMNS)
    for stream in sorted(each for each in entries.streams if each.startswith("partnership-")):
        rows = [row async for page in stream_pages(query, organisation, stream, end) for row in page]
        state = fold([row.happened() for row in rows])
        if state.opened is None:
            continue
        positions = [row.position for row in rows]
        whose = (stream.removeprefix("partnership-"), state.client, state.partner)
        yield b"".join(
            _line((
                *whose, stay.stage, stay.outcome, instant(stay.entered_at), instant(stay.left_at), stay.days, stay.trigger,
                positions[stay.cause - 1], stay.policy, stay.telescoped, stay.forced,
            ))
            for stay in spells(state, max(now(), state.newest), policy)
        )  # fmt: skip


def _line(cells: tuple[object, ...]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow([_safe(cell) for cell in cells])
    return text.getvalue().encode()


def _safe(cell: object) -> str:
    """A cell that no spreadsheet runs: what could begin a formula gets an apostrophe before it."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    text = str(cell)
    return f"'{text}" if text.startswith(RISKY) and not isinstance(cell, int) else text
