"""A capsule's tree: entries against the leaves that stand in its tiles, each tile against those below it, roots by size."""

from __future__ import annotations

from collections.abc import Container, Iterator

from events import merkle
from service.capsule.entries import Finding
from service.capsule.files import CapsuleError, Files, tile_name

HASH = 32


class Tree:
    """The tree of a capsule, bundle after bundle; its roots are those of the stored leaves."""

    def __init__(self, files: Files, wanted: Container[int]) -> None:
        self.roots: dict[int, bytes] = {0: merkle.EMPTY}
        self._files = files
        self._wanted = wanted
        self._frontier = merkle.Frontier()
        self._above: dict[merkle.Tile, list[bytes]] = {}

    def take(self, entries: list[bytes]) -> Iterator[Finding]:
        """Compare the next entries, a tile's worth, with their leaves; then the tiles above that are full now."""
        number, first = divmod(self._frontier.size, merkle.TILE_WIDTH)
        stored = self._tile((0, number), len(entries))
        for position, (entry, leaf) in enumerate(zip(entries, stored), self._frontier.size + 1):  # noqa: B905  # Python 3.9
            made = merkle.leaf_hash(entry)
            if made != leaf:
                yield Finding(position, "leaf", leaf.hex(), made.hex())
            self._frontier.push(leaf)
            if position in self._wanted:
                self.roots[position] = self._frontier.root
        if first == 0 and len(stored) == merkle.TILE_WIDTH:
            yield from self._grow((1, number), merkle.subtree(stored))

    def end(self) -> Iterator[Finding]:
        """Compare the tiles that are not full."""
        for where, made in list(self._above.items()):
            yield from self._compare(where, made)

    def _grow(self, where: tuple[int, int], made: bytes) -> Iterator[Finding]:
        """Put a hash where it belongs: (level of tiles, its number on that level)."""
        level, number = where
        above = level, number >> merkle.TILE_HEIGHT
        tile = self._above.setdefault(above, [])
        tile.append(made)
        if len(tile) == merkle.TILE_WIDTH:
            yield from self._compare(above, self._above.pop(above))
            yield from self._grow((level + 1, above[1]), merkle.subtree(tile))

    def _compare(self, where: merkle.Tile, made: list[bytes]) -> Iterator[Finding]:
        level, number = where
        under = merkle.TILE_WIDTH**level
        for place, (stored, hashed) in enumerate(zip(self._tile(where, len(made)), made)):  # noqa: B905  # Python 3.9
            if stored != hashed:
                first = (number * merkle.TILE_WIDTH + place) * under + 1
                wanted = f"{stored.hex()} over positions {first} to {first + under - 1}"
                yield Finding(first, "tile", wanted, hashed.hex())

    def _tile(self, where: merkle.Tile, width: int) -> list[bytes]:
        name = tile_name(str(where[0]), where[1], width)
        raw = self._files.read(name)
        if len(raw) != width * HASH:
            raise CapsuleError(f"{name} holds {len(raw)} bytes, not {width * HASH}")
        return [raw[start : start + HASH] for start in range(0, len(raw), HASH)]
