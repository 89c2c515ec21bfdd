"""What is read from a tree's tiles: roots, paths, and the tiles themselves."""

from collections.abc import Iterable

from events import merkle
from service.projections import Query
from service.proofs.tables import HASH, read_tiles


class Hashes:
    """Reads the trees of all organisations."""

    def __init__(self, query: Query) -> None:
        self._query = query

    async def root(self, organisation: str, size: int) -> bytes:
        """The root of the first entries."""
        return merkle.root(size, await self._read(organisation, merkle.peaks(0, size)))

    async def inclusion(self, organisation: str, index: int, size: int) -> list[bytes]:
        """The audit path of an entry."""
        asked: list[merkle.Node] = []
        merkle.inclusion(index, size, _noting(asked))
        return merkle.inclusion(index, size, await self._read(organisation, asked))

    async def consistency(self, organisation: str, old: int, new: int) -> list[bytes]:
        """The proof that the log of one size began as the log of an older one."""
        asked: list[merkle.Node] = []
        merkle.consistency(old, new, _noting(asked))
        return merkle.consistency(old, new, await self._read(organisation, asked))

    async def tile(self, organisation: str, level: int, number: int, width: int) -> bytes | None:
        """The hashes of a tile, as many as are asked for; None where the tree does not reach that far."""
        found = (await read_tiles(self._query, organisation, [(level, number)])).get((level, number), [])
        return b"".join(found[:width]) if len(found) >= width else None

    async def _read(self, organisation: str, nodes: Iterable[merkle.Node]) -> merkle.Read:
        tiles = await read_tiles(self._query, organisation, sorted(merkle.needed(nodes)))
        return merkle.reader(lambda where: tiles.get(where, []))


def _noting(asked: list[merkle.Node]) -> merkle.Read:
    """Answers nothing true, and notes what was asked."""

    def read(level: int, index: int) -> bytes:
        asked.append((level, index))
        return bytes(HASH)

    return read
