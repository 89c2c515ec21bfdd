"""What others have said of the log's checkpoints, as it lies in the database: each line of a witness, each stamp of time."""

from collections.abc import AsyncIterator
from typing import Any

from events.codec import from_microseconds
from service.audit.entries import Finding
from service.projections import Query
from service.proofs.cosignature import read_cosignatures
from service.proofs.note import COSIGNATURE, NoteError, read_verifier, taken_apart

AT_ONCE = 200
"""Rows read at once."""
_COSIGNED = """
    SELECT origin, size, witness, coalesce(note, ''), line
    FROM cosignatures LEFT JOIN checkpoints USING (organisation, origin, size)
    WHERE organisation = ? AND (origin, size, witness) > (?, ?, ?) ORDER BY origin, size, witness LIMIT ?
"""
_STAMPED = """
    SELECT origin, size, coalesce(note, ''), stamped_at, reply
    FROM stamps LEFT JOIN checkpoints USING (organisation, origin, size)
    WHERE organisation = ? AND (origin, size) > (?, ?) ORDER BY origin, size LIMIT ?
"""


async def wrongly_attested(query: Query, organisation: str) -> AsyncIterator[Finding]:
    """What is stored as another's word of a checkpoint, and is not."""
    async for _, size, witness, note, line in _rows(query, _COSIGNED, organisation, ("", 0, "")):
        if (wrong := _cosigned_otherwise(note, witness, line)) is not None:
            expected = f"a cosignature of {witness.partition('+')[0]} over {size} entries"
            yield Finding(code="witness", position=size, expected=expected, found=wrong)
    async for _, size, note, at, reply in _rows(query, _STAMPED, organisation, ("", 0)):
        if (wrong := _stamped_otherwise(note, at, reply)) is not None:
            expected = f"a stamp of {from_microseconds(at).isoformat()} over {size} entries"
            yield Finding(code="stamp", position=size, expected=expected, found=wrong)


async def _rows(query: Query, sql: str, organisation: str, after: tuple[Any, ...]) -> AsyncIterator[Any]:
    """Rows in the order of their keys, which they begin with."""
    while rows := await query(sql, (organisation, *after, AT_ONCE)):
        for row in rows:
            yield row
        after = tuple(rows[-1][: len(after)])


def _cosigned_otherwise(note: str, witness: str, line: str) -> str | None:
    try:
        found = read_cosignatures(*taken_apart(note + line), [read_verifier(witness, COSIGNATURE)])
    except NoteError as error:
        return str(error)
    return None if found else "a line of somebody else"


def _stamped_otherwise(note: str, at: int, reply: bytes) -> str | None:
    from service.proofs.stamp import StampError, stamped_at  # noqa: PLC0415  # slow to load, and few logs have stamps

    try:
        found = stamped_at(reply, note)
    except StampError as error:
        return str(error)
    return None if found == from_microseconds(at) else f"one of {found.isoformat()}"
