"""What `noces backup` and `noces restore` do: whole copies, each proven before it counts."""

import shutil
from pathlib import Path
from typing import Any

import structlog

from events.lock import FileLock
from events.sqlite import SqliteFile, SqliteStore
from events.store import StoreError
from service.audit.by_position import Verification
from service.audit.otherwise import Otherwise, tell_otherwise
from service.audit.verifying import verify
from service.clock import now
from service.files import taking
from service.operations.reading import check_new
from service.projections import Query
from service.projections.all import MIGRATIONS
from service.settings import Settings, SettingsError, keys_path

Told = dict[str, Any]

log = structlog.get_logger()


async def backup(settings: Settings, out: Path, keys_out: Path | None) -> list[Told]:
    """Copy the log beside a running server; each organisation's `{"organisation", "events", "state_hash"}`.

    The copy is opened, verified, and replayed to the same state hash as the original before it gets its name. Raises
    StoreError `unavailable` where it does not come to the same, SettingsError where there is nothing to copy, or a file already.
    """
    source = settings.database_path.absolute()
    if not source.exists():
        raise SettingsError(f"There is no database at {source}; start the service once.")
    for each in (out, keys_out):
        if each is not None:
            check_new(each)
    store = await SqliteStore.open_readonly(source)
    try:
        with taking(out) as fresh:
            await store.copy(fresh)
            told = await _proven(fresh, store.query)
    finally:
        await store.close()
    if keys_out is not None:
        await _copy_keys(settings, keys_out)
    return told


async def _copy_keys(settings: Settings, out: Path) -> None:
    """After the log, so that no entry of the copy lacks its key."""
    keys = await SqliteFile.open_readonly(keys_path(settings).absolute())
    try:
        with taking(out) as fresh:
            await keys.copy(fresh)
    finally:
        await keys.close()


async def _proven(path: Path, original: Query | None) -> list[Told]:
    """What every log of a copy comes to. Raises StoreError `unavailable`."""
    copy = await SqliteStore.open_readonly(path)
    try:
        found = []
        for organisation, position in await copy.query(
            "SELECT organisation, position FROM heads ORDER BY organisation"
        ):
            name = str(organisation)
            result = await _result(copy.query, name)
            if not result["ok"]:
                raise StoreError(
                    "unavailable",
                    f"The copy of {name!r} does not verify ({result['divergences']} findings): run noces verify.",
                )
            if original is not None and await _hash_up_to(original, name, int(str(position))) != result["state_hash"]:
                raise StoreError("unavailable", f"The copy of {name!r} comes to another state than the original.")
            found.append({"organisation": name, "events": result["events"], "state_hash": result["state_hash"]})
        return found
    finally:
        await copy.close()


async def _result(query: Query, organisation: str) -> Told:
    result: Told = {}
    async for line in verify(query, Verification(organisation=organisation, alone=True)):
        result = line.get("result", result)
    return result


async def _hash_up_to(query: Query, organisation: str, position: int) -> str:
    result: Told = {}
    async for line in tell_otherwise(
        query, Otherwise(organisation=organisation, mode="fold", end=position, alone=True)
    ):
        result = line.get("result", result)
    return str(result["state_hash"])


async def restore(settings: Settings, file: Path) -> list[Told]:
    """Put a copy in the place of the database, which is moved aside. Raises StoreError `locked` while a server runs."""
    told = await _proven(file, None)
    target = settings.database_path.absolute()
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        await _fold(target)
    lock = FileLock(target)
    lock.take()
    try:
        with taking(target) as fresh:
            shutil.copyfile(file, fresh)
            aside = now().strftime("%Y%m%dT%H%M%SZ")
            for suffix in ("-wal", "-shm", ""):
                old = target.with_name(target.name + suffix)
                if old.exists():
                    old.rename(target.with_name(f"{target.name}.before-{aside}{suffix}"))
    finally:
        lock.release()
    return told


async def _fold(target: Path) -> None:
    """Fold the write-ahead log into the old file, so that nothing of it is lost wherever the power goes meanwhile."""
    try:
        await (await SqliteStore.open(target, migrations=MIGRATIONS, clock=now)).close()
    except StoreError as error:
        if error.code == "locked":
            raise
        log.warning("old_database_not_opened", reason=error.code)  # a broken one may be why a copy is restored
