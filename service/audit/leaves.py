"""The entries against the tree: each leaf as it was hashed when it was written, each signed root as it was signed."""

from collections.abc import Iterable, Mapping, Sequence

from events import merkle
from service.audit.entries import Finding
from service.audit.reading import Row
from service.projections import Query
from service.proofs.note import Checkpoint, NoteError, Verifier, opened_by_any, read_checkpoint, text_of
from service.proofs.tables import split

_TILES = "SELECT number, hashes FROM tree_tiles WHERE organisation = ? AND level = 0 AND number BETWEEN ? AND ?"


class Leaves:
    """The tree of a log that is read again."""

    def __init__(self, signed: Iterable[Checkpoint]) -> None:
        self._frontier = merkle.Frontier()
        self._signed: dict[int, set[bytes]] = {}
        for each in signed:
            self._signed.setdefault(each.size, set()).add(each.root)

    def check(self, rows: Sequence[Row], tiles: Mapping[int, Sequence[bytes]]) -> list[Finding]:
        """What differs from the stored leaf hashes and from the signed roots."""
        found: list[Finding] = []
        for row in rows:
            index = row.position - 1
            leaf = merkle.leaf_hash(row.entry)
            stored = tiles.get(index >> merkle.TILE_HEIGHT, ())
            place = index & (merkle.TILE_WIDTH - 1)
            if place < len(stored) and stored[place] != leaf:
                found.append(_finding("leaf", row.position, stored[place].hex(), leaf.hex()))
            self._frontier.push(leaf)
            found += [
                _finding("checkpoint", row.position, root.hex(), self._frontier.root.hex())
                for root in self._signed.pop(self._frontier.size, ())
                if root != self._frontier.root
            ]
        return found

    def end(self) -> list[Finding]:
        """Signed heads that lie beyond the end of the log."""
        size = self._frontier.size
        return [
            _finding("checkpoint", size + 1, f"{each} entries", f"{size} entries")
            for each in sorted(self._signed)
            if each > size
        ]


def _finding(code: str, position: int, expected: str, found: str) -> Finding:
    return Finding(code=code, position=position, expected=expected, found=found)


async def read_leaves(query: Query, organisation: str, rows: Sequence[Row]) -> dict[int, list[bytes]]:
    """The tiles of leaf hashes that cover some rows."""
    first, last = (each.position - 1 >> merkle.TILE_HEIGHT for each in (rows[0], rows[-1]))
    return {int(str(number)): split(raw) for number, raw in await query(_TILES, (organisation, first, last))}


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
