"""Entries taken into a tree's tiles."""

from typing import Any

from events import merkle
from service.proofs.tables import split

BATCH = 4_096
"""Entries that are hashed in one transaction."""

_SIZE = "SELECT size FROM trees WHERE organisation = ?"
_ENTRIES = "SELECT entry FROM events WHERE organisation = ? AND position > ? ORDER BY position LIMIT ?"
_TILE = "SELECT hashes FROM tree_tiles WHERE organisation = ? AND level = ? AND number = ?"
_PUT = (
    "INSERT INTO tree_tiles (organisation, level, number, hashes) VALUES (?, ?, ?, ?) "
    "ON CONFLICT (organisation, level, number) DO UPDATE SET hashes = excluded.hashes"
)


def take(database: Any, organisation: str, batch: int) -> tuple[int, int]:  # noqa: ANN401  # a connection, as the driver has it
    """Take the next entries into the tiles, in one transaction: (size, how many were taken)."""
    row = database.execute(_SIZE, (organisation,)).fetchone()
    size = row[0] if row else 0
    entries = [each for (each,) in database.execute(_ENTRIES, (organisation, size, batch))]
    if not entries or row is None:
        return size, 0
    tiles = _unfinished(database, organisation, size)
    grown = merkle.grown(size, map(merkle.leaf_hash, entries), tiles)
    database.executemany(_PUT, [(organisation, *where, b"".join(hashes)) for where, hashes in tiles.items()])
    database.execute("UPDATE trees SET size = ? WHERE organisation = ?", (grown, organisation))
    return grown, len(entries)


def _unfinished(database: Any, organisation: str, size: int) -> dict[merkle.Tile, list[bytes]]:  # noqa: ANN401  # as above
    """The last tile of every level, where it is not full."""
    tiles: dict[merkle.Tile, list[bytes]] = {}
    level, count = 0, size
    while count:
        number, width = divmod(count, merkle.TILE_WIDTH)
        if width:
            (raw,) = database.execute(_TILE, (organisation, level, number)).fetchone()
            tiles[level, number] = split(raw)
        level, count = level + 1, number
    return tiles
