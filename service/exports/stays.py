"""Every stay in a stage as a row of CSV, safe to open in a spreadsheet."""

import csv
import io
from collections.abc import AsyncIterator
from datetime import datetime

from domain import events as e
from domain.history import spells
from domain.partnership import fold
from domain.policy import POLICY_1, Policy
from service.audit.reading import stream_pages
from service.exports.extract import Extract
from service.policies import POLICY_STREAM
from service.views import instant

COLUMNS = (
    "partnership", "client", "partner", "stage", "outcome", "entered_at", "left_at", "days", "trigger", "cause", "policy",
    "telescoped", "forced",
)  # fmt: skip
RISKY = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula."""


async def stays(extract: Extract, now: datetime) -> AsyncIterator[bytes]:
    """A line of names, then a line a stay; one that lasts is counted up to now."""
    policy = await _in_force(extract)
    yield _line(COLUMNS)
    async for each in extract.partnerships():
        rows = [row async for page in extract.stream(each) for row in page]
        state = fold([row.happened() for row in rows])
        if state.opened is None:
            continue
        positions = [row.position for row in rows]
        whose = (each, state.client, state.partner)
        yield b"".join(
            _line((
                *whose, stay.stage, stay.outcome, instant(stay.entered_at), instant(stay.left_at), stay.days, stay.trigger,
                positions[stay.cause - 1], stay.policy, stay.telescoped, stay.forced,
            ))
            for stay in spells(state, max(now, state.newest), policy)
        )  # fmt: skip


async def _in_force(extract: Extract) -> Policy:
    policy = POLICY_1
    async for page in stream_pages(extract.query, extract.organisation, POLICY_STREAM, extract.end):
        for row in page:
            if isinstance(data := row.happened().data, e.PolicyAdopted):
                policy = data.policy
    return policy


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
