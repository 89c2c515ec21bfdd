"""The list of partnerships: who, which stage, since when; filters and pages. Derived from events alone."""

from collections.abc import Sequence

from msgspec import Struct

from domain import events as e
from domain.machine import split
from events.codec import microseconds
from events.envelope import RecordedEvent
from events.store import Change, Put, RowChange, Value
from service.projections import Query

TABLES = ("partnerships", "overrides")
LISTED = (e.PartnershipOpened, e.StageEntered, e.OverrideRequested)
"""The events that `project` answers to."""

DDL = """
CREATE TABLE partnerships (
  organisation TEXT NOT NULL,
  id TEXT NOT NULL,
  client TEXT NOT NULL,
  partner TEXT NOT NULL,
  stage TEXT NOT NULL,
  outcome TEXT,
  opened_at INTEGER NOT NULL,
  since INTEGER NOT NULL,
  PRIMARY KEY (organisation, id)
) STRICT;
CREATE INDEX partnerships_by_stage ON partnerships (organisation, stage, id);
CREATE INDEX partnerships_by_client ON partnerships (organisation, client, id);
CREATE INDEX partnerships_by_partner ON partnerships (organisation, partner, id);
CREATE TABLE overrides (
  organisation TEXT NOT NULL,
  id TEXT NOT NULL,
  stream TEXT NOT NULL,
  PRIMARY KEY (organisation, id)
) STRICT;
"""

PAIRS = "SELECT id, client, partner FROM partnerships WHERE organisation = ?"
PREFIX = "partnership-"


def stream_of(partnership: str) -> str:
    """The stream of a partnership's id."""
    return PREFIX + partnership


def partnership_of(stream: str) -> str:
    """The partnership's id of a stream."""
    return stream.removeprefix(PREFIX)


def partnership_in(stream: str) -> str | None:
    """The partnership's id of a stream; None where the stream is something else's."""
    return stream.removeprefix(PREFIX) if stream.startswith(PREFIX) else None


def project(organisation: str, recorded: RecordedEvent, data: e.Event) -> Sequence[RowChange]:
    """What an event does to the list."""
    key: dict[str, Value] = {"organisation": organisation, "id": partnership_of(recorded.stream)}
    at = microseconds(recorded.occurred_at)
    match data:
        case e.PartnershipOpened():
            opened: dict[str, Value] = {
                "client": data.client, "partner": data.partner, "stage": "honeymoon", "outcome": None,
                "opened_at": at, "since": at,
            }  # fmt: skip
            return [Put("partnerships", key, opened)]
        case e.StageEntered():
            return [Change("partnerships", key, {"stage": data.stage, "outcome": data.outcome, "since": at})]
        case e.OverrideRequested():
            return [Put("overrides", {"organisation": organisation, "id": data.override}, {"stream": recorded.stream})]
        case _:
            return []


class Filter(Struct, frozen=True, kw_only=True):
    """What to list; None means any."""

    stage: str | None = None
    outcome: str | None = None
    client: str | None = None
    partner: str | None = None
    open: bool | None = None
    only: tuple[str, ...] | None = None

    def fits(self, state: str) -> bool:
        """Whether a state of the machine is one of those to list."""
        stage, outcome = split(state)
        return (
            self.stage in (None, stage)
            and self.outcome in (None, outcome)
            and self.open in (None, outcome != "separated")
        )


async def list_ids(query: Query, organisation: str, wanted: Filter, after: str, limit: int) -> list[str]:
    """Ids in order, after a given one."""
    where, parameters = ["organisation = ?", "id > ?"], [organisation, after]
    for column in ("stage", "outcome", "client", "partner"):
        if (value := getattr(wanted, column)) is not None:
            where.append(f"{column} = ?")
            parameters.append(value)
    if wanted.open is not None:
        where.append("outcome IS NOT 'separated'" if wanted.open else "outcome = 'separated'")
    if wanted.only is not None:
        where.append(f"id IN ({', '.join('?' * len(wanted.only))})")
        parameters += wanted.only
    sql = f"SELECT id FROM partnerships WHERE {' AND '.join(where)} ORDER BY id LIMIT ?"  # noqa: S608  # only column names
    return [str(row[0]) for row in await query(sql, (*parameters, limit))]


async def exists(query: Query, organisation: str, partnership: str) -> bool:
    """Whether the organisation has this partnership."""
    sql = "SELECT 1 FROM partnerships WHERE organisation = ? AND id = ?"
    return bool(await query(sql, (organisation, partnership)))


async def all_ids(query: Query, organisation: str) -> list[str]:
    """Every partnership of an organisation."""
    rows = await query("SELECT id FROM partnerships WHERE organisation = ? ORDER BY id", (organisation,))
    return [str(row[0]) for row in rows]


async def called(query: Query, organisation: str, names: Sequence[str]) -> list[tuple[str, str]]:
    """(id, name) of the open partnerships one of whose parties bears one of these names, but for upper and lower case."""
    same = ", ".join(["lower(?)"] * len(names))
    sql = (
        "SELECT id, client, partner FROM partnerships WHERE organisation = ? AND outcome IS NOT 'separated'"  # noqa: S608
        f" AND (lower(client) IN ({same}) OR lower(partner) IN ({same})) ORDER BY id LIMIT 20"
    )
    known = {name.lower() for name in names}
    rows = await query(sql, (organisation, *names, *names))
    return [
        (str(identifier), str(client if str(client).lower() in known else partner))
        for identifier, client, partner in rows
    ]
