"""What commands share that read: a log from its file, beside a running server too and never an empty one for a missing one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from domain.policy import Policy, parse_policy
from events.sqlite import SqliteStore
from events.store import Database
from service.errors import ServiceError
from service.projections import Query
from service.settings import Settings, SettingsError


@asynccontextmanager
async def beside(settings: Settings) -> AsyncIterator[Database | None]:
    """The database for reading only, also beside a running server; None where there is none yet."""
    path = settings.database_path.absolute()
    if not path.exists():
        yield None
        return
    store = await SqliteStore.open_readonly(path)
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def log_of(settings: Settings, organisation: str) -> AsyncIterator[Query]:
    """Reads the database that holds an organisation's log. Raises SettingsError where there is none."""
    async with beside(settings) as database:
        if database is None:
            raise SettingsError(f"There is no database at {settings.database_path}; start the service once.")
        rows = await database.query("SELECT organisation FROM heads ORDER BY organisation")
        known = [str(row[0]) for row in rows]
        if organisation not in known:
            raise SettingsError(
                f"There is no organisation {organisation!r} in this database; known: {', '.join(known) or 'none'}."
            )
        yield database.query


def read_policy(file: Path) -> Policy:
    """The policy of a TOML file. Raises ServiceError `bad_policy`."""
    try:
        return parse_policy(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ServiceError("bad_policy", f"{file}: {error}") from error


def check_new(path: Path) -> None:
    """Refuse to write over a file, or into a folder that is not there. Raises SettingsError."""
    if path.exists():
        raise SettingsError(f"{path} exists already; name a file that does not.")
    if not path.absolute().parent.is_dir():
        raise SettingsError(f"There is no folder {path.absolute().parent}; make it, or name another.")
