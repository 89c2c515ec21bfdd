"""The tree's tables: one row a tile, one a tree, and the checkpoints that were signed."""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from events.merkle import Tile
from service.projections import Query

DDL = """
CREATE TABLE trees (
  organisation TEXT NOT NULL,
  origin TEXT NOT NULL,
  verifier TEXT NOT NULL,
  size INTEGER NOT NULL,
  PRIMARY KEY (organisation)
) STRICT;
CREATE TABLE tree_tiles (
  organisation TEXT NOT NULL,
  level INTEGER NOT NULL,
  number INTEGER NOT NULL,
  hashes BLOB NOT NULL,
  PRIMARY KEY (organisation, level, number)
) STRICT;
CREATE TABLE checkpoints (
  organisation TEXT NOT NULL,
  size INTEGER NOT NULL,
  note TEXT NOT NULL,
  PRIMARY KEY (organisation, size)
) STRICT;
"""

ATTESTED = """
ALTER TABLE checkpoints RENAME TO checkpoints_of_one_origin;
CREATE TABLE checkpoints (
  organisation TEXT NOT NULL,
  origin TEXT NOT NULL,
  size INTEGER NOT NULL,
  note TEXT NOT NULL,
  PRIMARY KEY (organisation, origin, size)
) STRICT;
INSERT INTO checkpoints (organisation, origin, size, note)
  SELECT kept.organisation, origin, kept.size, note
  FROM checkpoints_of_one_origin AS kept JOIN trees ON trees.organisation = kept.organisation;
DROP TABLE checkpoints_of_one_origin;
CREATE TABLE cosignatures (
  organisation TEXT NOT NULL,
  origin TEXT NOT NULL,
  size INTEGER NOT NULL,
  witness TEXT NOT NULL,
  line TEXT NOT NULL,
  PRIMARY KEY (organisation, origin, size, witness)
) STRICT;
"""

STAMPS = """
CREATE TABLE stamps (
  organisation TEXT NOT NULL,
  origin TEXT NOT NULL,
  size INTEGER NOT NULL,
  stamped_at INTEGER NOT NULL,
  reply BLOB NOT NULL,
  PRIMARY KEY (organisation, origin, size)
) STRICT;
"""

FORKS = "ALTER TABLE trees ADD COLUMN superseded TEXT;"

HASH = 32


class Tree(Struct, frozen=True):
    """A log's tree: under which name and key it is signed, and how many entries it holds."""

    origin: str
    verifier: str
    size: int
    superseded: str | None
    """The digest of the kept checkpoint that the fork which began this tree took the place of."""


async def find_tree(query: Query, organisation: str) -> Tree | None:
    """The tree of an organisation's log, once it was begun."""
    rows = await query("SELECT origin, verifier, size, superseded FROM trees WHERE organisation = ?", (organisation,))
    return Tree(*rows[0]) if rows else None  # type: ignore[arg-type]  # the table is STRICT


async def read_tiles(query: Query, organisation: str, wanted: Sequence[Tile]) -> dict[Tile, list[bytes]]:
    """Tiles as hashes; those that are not there are left out. A proof needs a few of every level, so one query reads them all."""
    if not wanted:
        return {}
    # The join is written so that each tile is looked up by its key; IN would walk the whole level.
    sql = f"""
        WITH asked(level, number) AS (VALUES {", ".join(["(?, ?)"] * len(wanted))})
        SELECT level, number, hashes FROM asked CROSS JOIN tree_tiles USING (level, number) WHERE organisation = ?
    """  # noqa: S608  # marks alone
    rows = await query(sql, (*(each for tile in wanted for each in tile), organisation))
    return {(int(str(level)), int(str(number))): split(hashes) for level, number, hashes in rows}


def split(raw: Any) -> list[bytes]:  # noqa: ANN401  # a column, as the driver has it
    """A row of hashes as a list."""
    return [bytes(raw[start : start + HASH]) for start in range(0, len(raw), HASH)]
