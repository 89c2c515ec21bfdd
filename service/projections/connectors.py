"""Connector files that organisations have added; their events hold a digest, so this table is no read model."""

from events.store import Put, Remove
from service.projections import Query

DDL = """
CREATE TABLE connectors (
  organisation TEXT NOT NULL,
  name TEXT NOT NULL,
  text TEXT NOT NULL,
  PRIMARY KEY (organisation, name)
) STRICT;
"""


def connector_row(organisation: str, name: str, text: str) -> Put:
    """The row of a file; it takes the place of an earlier one."""
    return Put("connectors", {"organisation": organisation, "name": name}, {"text": text})


def connector_gone(organisation: str, name: str) -> Remove:
    """The end of a file."""
    return Remove("connectors", {"organisation": organisation, "name": name})


async def texts(query: Query, organisation: str) -> dict[str, str]:
    """The organisation's files by name."""
    rows = await query("SELECT name, text FROM connectors WHERE organisation = ? ORDER BY name", (organisation,))
    return {str(name): str(text) for name, text in rows}
