"""Checkpoints that were signed, by origin and size, and what witnesses said of them; none is ever removed."""

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from events.codec import from_microseconds, microseconds
from events.store import Put, Value
from service.projections import Query


class Signed(Struct, frozen=True):
    """A checkpoint as the log signed it, and the lines of its witnesses by their verifier keys."""

    origin: str
    size: int
    alone: str
    """The note with the log's own signature and no other."""
    witnesses: dict[str, str] = {}
    stamped_at: datetime | None = None
    """When an authority has stamped the note as the log signed it."""

    @property
    def note(self) -> str:
        """The note with every signature."""
        return self.alone + "".join(self.witnesses[each] for each in sorted(self.witnesses))

    @property
    def witness_names(self) -> list[str]:
        """Who has cosigned it."""
        return [verifier.partition("+")[0] for verifier in sorted(self.witnesses)]


_SIGNED = """
    SELECT size, note, stamped_at FROM checkpoints LEFT JOIN stamps USING (organisation, origin, size)
    WHERE organisation = ? AND origin = ?
"""
_COSIGNED = """
    SELECT size, witness, line FROM cosignatures
    WHERE organisation = ? AND origin = ? AND size BETWEEN ? AND ?
"""


async def find_signed(query: Query, organisation: str, origin: str, size: int) -> Signed | None:
    """What was signed for a size."""
    found = await list_signed(query, organisation, origin, size - 1, 1)
    return found[0] if found and found[0].size == size else None


async def newest_signed(query: Query, organisation: str, origin: str) -> Signed | None:
    """What was signed last, as the database has it."""
    rows = await query(f"{_SIGNED} ORDER BY size DESC LIMIT 1", (organisation, origin))
    return (await _with_witnesses(query, organisation, origin, rows))[0] if rows else None


async def list_signed(query: Query, organisation: str, origin: str, after: int, limit: int) -> list[Signed]:
    """What was signed for sizes above one, in order."""
    rows = await query(f"{_SIGNED} AND size > ? ORDER BY size LIMIT ?", (organisation, origin, after, limit))
    return await _with_witnesses(query, organisation, origin, rows)


async def _with_witnesses(
    query: Query, organisation: str, origin: str, rows: Sequence[Sequence[object]]
) -> list[Signed]:
    found = [
        Signed(origin, int(str(size)), str(note), {}, None if at is None else from_microseconds(int(str(at))))
        for size, note, at in rows
    ]
    if found:
        by_size = {each.size: each for each in found}
        place = (organisation, origin, found[0].size, found[-1].size)
        for size, witness, line in await query(_COSIGNED, place):
            by_size[int(str(size))].witnesses[str(witness)] = str(line)
    return found


def signed_row(organisation: str, signed: Signed) -> Put:
    """The row of a checkpoint."""
    return Put("checkpoints", _place(organisation, signed), {"note": signed.alone})


def cosigned_row(organisation: str, signed: Signed, verifier: str) -> Put:
    """The row of a cosignature."""
    return Put(
        "cosignatures", {**_place(organisation, signed), "witness": verifier}, {"line": signed.witnesses[verifier]}
    )


def stamped_row(organisation: str, signed: Signed, reply: bytes) -> Put:
    """The row of a stamp."""
    at = None if signed.stamped_at is None else microseconds(signed.stamped_at)
    return Put("stamps", _place(organisation, signed), {"stamped_at": at, "reply": reply})


async def find_stamp(query: Query, organisation: str, signed: Signed) -> bytes | None:
    """The authority's reply, as it was given."""
    sql = "SELECT reply FROM stamps WHERE organisation = ? AND origin = ? AND size = ?"
    rows = await query(sql, (organisation, signed.origin, signed.size))
    return bytes(rows[0][0]) if rows and isinstance(rows[0][0], bytes) else None


def _place(organisation: str, signed: Signed) -> dict[str, Value]:
    return {"organisation": organisation, "origin": signed.origin, "size": signed.size}
