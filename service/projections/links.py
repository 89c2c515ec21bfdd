"""Links: which partnership an id of another system belongs to."""

from collections.abc import Sequence

from msgspec import Struct

from domain import events as e
from events.envelope import RecordedEvent
from events.store import Put, Remove, RowChange, Value
from service.projections import Query
from service.projections.partnerships import partnership_of

TABLES = ("links",)
LISTED = (e.LinkAdded, e.LinkRemoved)
"""The events that `project` answers to."""

DDL = """
CREATE TABLE links (
  organisation TEXT NOT NULL,
  system TEXT NOT NULL,
  kind TEXT NOT NULL,
  external_id TEXT NOT NULL,
  partnership TEXT NOT NULL,
  PRIMARY KEY (organisation, system, kind, external_id)
) STRICT;
CREATE INDEX links_by_partnership ON links (organisation, partnership);
"""


class Link(Struct, frozen=True):
    """An id in another system."""

    system: str
    kind: str
    external_id: str


def project(organisation: str, recorded: RecordedEvent, data: e.Event) -> Sequence[RowChange]:
    """What an event does to the links."""
    if not isinstance(data, e.LinkAdded):
        return []
    key: dict[str, Value] = {
        "organisation": organisation, "system": data.system, "kind": data.kind, "external_id": data.external_id,
    }  # fmt: skip
    if isinstance(data, e.LinkRemoved):
        return [Remove("links", key)]
    return [Put("links", key, {"partnership": partnership_of(recorded.stream)})]


async def find(query: Query, organisation: str, link: Link) -> str | None:
    """The partnership that a link belongs to."""
    sql = "SELECT partnership FROM links WHERE organisation = ? AND system = ? AND kind = ? AND external_id = ?"
    rows = await query(sql, (organisation, link.system, link.kind, link.external_id))
    return str(rows[0][0]) if rows else None
