"""The entries against the tree: each leaf as it was hashed when it was written, each signed root as it was signed."""

from collections.abc import Iterable, Mapping, Sequence

from events import merkle
from service.audit.entries import Finding
from service.audit.reading import Row
from service.projections import Query
from service.proofs.note import Checkpoint, NoteError, Verifier, opened_by_any, read_checkpoint, text_of
from service.proofs.tables import HASH

_TILES = "SELECT number, hashes FROM tree_tiles WHERE organisation = ? AND level = 0 AND number BETWEEN ? AND ?"


class Leaves:
    """The tree of a log that is read again."""

    def __init__(self, signed: Iterable[Checkpoint]) -> None:
        self._frontier = merkle.Frontier()
        self._signed: dict[int, set[bytes]] = {}
        for each in signed:
            self._signed.setdefault(each.size, set()).add(each.root)

    def check(self, rows: Sequence[Row], stored: Mapping[int, bytes]) -> list[Finding]:
        """What differs from the stored tiles of leaf hashes, by number, and from the signed roots."""
        leaves = [merkle.leaf_hash(row.entry) for row in rows]
        found = [] if _are_as_stored(rows, leaves, stored) else _differences(rows, leaves, stored)
        begin = self._frontier.size
        for size in sorted(each for each in self._signed if begin < each <= begin + len(rows)):
            self._frontier.extend(leaves[self._frontier.size - begin : size - begin])
            found += [
                _finding("checkpoint", rows[size - begin - 1].position, root.hex(), self._frontier.root.hex())
                for root in self._signed.pop(size)
                if root != self._frontier.root
            ]
        self._frontier.extend(leaves[self._frontier.size - begin :])
        return found

    def end(self) -> list[Finding]:
        """Signed heads that lie beyond the end of the log."""
        size = self._frontier.size
        return [
            _finding("checkpoint", size + 1, f"{each} entries", f"{size} entries")
            for each in sorted(self._signed)
            if each > size
        ]


def _are_as_stored(rows: Sequence[Row], leaves: Sequence[bytes], stored: Mapping[int, bytes]) -> bool:
    """Whether tiles hold just these leaves, at one look, or there are none; where some are missing, each is looked up."""
    if not stored:
        return True
    first, end = rows[0].position - 1, rows[-1].position
    tiles = range(first >> merkle.TILE_HEIGHT, (end - 1 >> merkle.TILE_HEIGHT) + 1)
    begin = first % merkle.TILE_WIDTH * HASH
    told = b"".join([stored.get(number, b"") for number in tiles])
    return end - first == len(rows) and told[begin : begin + len(rows) * HASH] == b"".join(leaves)


def _differences(rows: Sequence[Row], leaves: Sequence[bytes], stored: Mapping[int, bytes]) -> list[Finding]:
    found = []
    for row, leaf in zip(rows, leaves, strict=True):
        number, place = divmod(row.position - 1, merkle.TILE_WIDTH)
        told = stored.get(number, b"")[place * HASH : (place + 1) * HASH]
        if told and told != leaf:
            found.append(_finding("leaf", row.position, told.hex(), leaf.hex()))
    return found


def _finding(code: str, position: int, expected: str, found: str) -> Finding:
    return Finding(code=code, position=position, expected=expected, found=found)


async def read_leaves(query: Query, organisation: str, rows: Sequence[Row]) -> dict[int, bytes]:
    """The stored tiles of leaf hashes that cover some rows, by number."""
    first, last = (each.position - 1 >> merkle.TILE_HEIGHT for each in (rows[0], rows[-1]))
    return {int(str(number)): bytes(hashes) for number, hashes in await query(_TILES, (organisation, first, last))}  # type: ignore[arg-type]  # the table is STRICT


async def signed_heads(
    query: Query, organisation: str, held: Iterable[str], verifiers: Sequence[Verifier]
) -> tuple[list[Checkpoint], list[Finding]]:
    """The heads that were signed, stored or held elsewhere; a note that no key of the log has signed is a finding."""
    sql = "SELECT note FROM checkpoints WHERE organisation = ? AND origin = ? ORDER BY size"
    stored = [str(row[0]) for each in verifiers[-1:] for row in await query(sql, (organisation, each.name))]
    heads: list[Checkpoint] = []
    found: list[Finding] = []
    for note in (*stored, *held):
        try:
            heads.append(read_checkpoint(opened_by_any(note, verifiers) if verifiers else text_of(note)))
        except NoteError as error:
            found.append(
                Finding(code="checkpoint", expected="a note that a key of the log has signed", found=str(error))
            )
    return heads, found
