"""Rebuild: the read models made anew from the log by the same code that makes them live, and compared with the live ones."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import structlog

from domain.owed import next_due
from events.codec import decode
from events.tables import Database, Log, change_rows
from service.projections.all import REBUILT, project
from service.projections.due import due_row
from service.projections.partnerships import stream_of

if TYPE_CHECKING:
    from service.services import Services

log = structlog.get_logger()

PAGE = 1_000
TOLD_EVERY = 100_000


async def rebuild(services: "Services") -> dict[str, Any]:
    """Make the tables anew in one transaction, while writers wait: `{"events", "equal", "different"}`."""
    told: dict[str, Any] = await services.store.alone(_rebuild)
    services.keys.forget()
    services.sources.forget()
    await look_again(services)
    return told


def _rebuild(database: Database) -> dict[str, Any]:
    for table in REBUILT:
        database.execute(f"CREATE TEMP TABLE live_{table} AS SELECT * FROM {table}", ())  # noqa: S608  # our own names
        database.execute(f"DELETE FROM {table}", ())  # noqa: S608
    count = 0
    for organisation in _organisations(database):
        count += _project_all(database, organisation)
    different = [table for table in REBUILT if _differs(database, table)]
    for table in REBUILT:
        database.execute(f"DROP TABLE live_{table}", ())
    return {"events": count, "equal": not different, "different": different}


def _organisations(database: Database) -> list[str]:
    return [str(row[0]) for row in database.execute("SELECT organisation FROM heads ORDER BY organisation", ())]


def _project_all(database: Database, organisation: str) -> int:
    count = 0
    for recorded in _every_event(database, organisation):
        change_rows(database, project(organisation, recorded, decode(recorded)))
        count += 1
        if count % TOLD_EVERY == 0:
            log.info("rebuilding", organisation=organisation, events=count)
    return count


def _every_event(database: Database, organisation: str) -> Iterator[Any]:
    after = 0
    while page := Log(database).page(organisation, after=after, limit=PAGE, types=(), stream=None).events:
        yield from page
        after = page[-1].position


def _differs(database: Database, table: str) -> bool:
    for left, right in ((table, f"live_{table}"), (f"live_{table}", table)):
        sql = f"SELECT 1 FROM (SELECT * FROM {left} EXCEPT SELECT * FROM {right}) LIMIT 1"  # noqa: S608  # our own names
        if database.execute(sql, ()).fetchone() is not None:
            return True
    return False


async def look_again(services: "Services") -> None:
    """Ask every partnership anew when time may change it."""
    for organisation, identifier in await services.query("SELECT organisation, id FROM partnerships"):
        stream = stream_of(str(identifier))
        state = await services.states.load(str(organisation), stream)
        _, policy = await services.handler.policies.in_force(str(organisation))
        await services.store.write([due_row(str(organisation), stream, next_due(state, policy))])
