"""The doctor: settings that are unsafe or slow, each with what to do about it."""

import os
import shutil
import stat
from pathlib import Path
from typing import Literal

from msgspec import Struct

from events.lock import read_lock
from events.store import Database
from service.master import key_file
from service.settings import Settings, keys_path

NETWORK_FILE_SYSTEMS = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs")
ROOM = 1_000_000_000
SAFE_SQLITE = (3, 51, 3)


class Finding(Struct, frozen=True):
    """One thing that was looked at."""

    level: Literal["ok", "warning", "unsafe"]
    name: str
    detail: str


async def examine(settings: Settings, database: Database | None) -> list[Finding]:
    """Everything there is to say of these settings, this machine and its database."""
    path = settings.database_path.absolute()
    findings = [_address(settings), _base_url(settings), _master_key(settings), _keys(settings), _demo(settings)]
    findings += [_permissions(path), _file_system(path), _room(path), _holder(path)]
    if database is not None:
        findings += await _database(database)
    return findings


def _address(settings: Settings) -> Finding:
    if _is_local(settings):
        return Finding("ok", "host", f"listens on {settings.host} only")
    return Finding("warning", "host", f"listens on {settings.host}: let a proxy with TLS stand before it")


def _is_local(settings: Settings) -> bool:
    return settings.host in ("127.0.0.1", "::1", "localhost")


def _base_url(settings: Settings) -> Finding:
    if not settings.public_base_url:
        level: Literal["warning", "unsafe"] = "warning" if _is_local(settings) else "unsafe"
        return Finding(
            level,
            "public_base_url",
            "is not set: links say http, senders that sign the address (HubSpot) cannot be verified",
        )
    if not settings.public_base_url.startswith("https://"):
        return Finding(
            "unsafe", "public_base_url", f"{settings.public_base_url} is not https: keys travel in clear text"
        )
    return Finding("ok", "public_base_url", settings.public_base_url)


def _master_key(settings: Settings) -> Finding:
    if settings.master_key or settings.master_key_command:
        return Finding("ok", "master_key", "comes from the settings")
    key = key_file(settings).absolute()
    if not key.exists():
        return Finding("ok", "master_key", f"will be made at {key} at first start")
    if _is_open(key):
        return Finding("unsafe", "master_key", f"{key} can be read by others: chmod 600 {key}")
    return Finding("warning", "master_key", f"{key} lies beside the database: keep it out of the database's backups")


def _keys(settings: Settings) -> Finding:
    keys = keys_path(settings).absolute()
    if keys.exists() and _is_open(keys):
        return Finding("unsafe", "keys_file", f"{keys} can be read by others: chmod 600 {keys}")
    return Finding(
        "ok", "keys_file", f"{keys}: back it up apart from the log, and keep those copies for a shorter time"
    )


def _permissions(path: Path) -> Finding:
    if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o002:
        return Finding("unsafe", "database", f"{path} can be written by anybody: chmod 600 {path}")
    return Finding("ok", "database", str(path))


def _is_open(path: Path) -> bool:
    return bool(stat.S_IMODE(path.stat().st_mode) & 0o077)


def _demo(settings: Settings) -> Finding:
    if settings.demo:
        return Finding("unsafe", "demo", "NOCES_DEMO is on: a first start writes invented partnerships into the log")
    return Finding("ok", "demo", "off")


def _file_system(path: Path) -> Finding:
    kind = _file_system_of(path.parent)
    if kind in NETWORK_FILE_SYSTEMS:
        return Finding("unsafe", "file_system", f"{path.parent} is {kind}: locks do not hold there, use a local disk")
    return Finding("ok", "file_system", kind or "local")


def _file_system_of(folder: Path) -> str:
    """The kind of the deepest mount that holds the folder."""
    try:
        mounts = [line.split() for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines()]
    except OSError:
        return ""
    holding = [(mount[1], mount[2]) for mount in mounts if os.path.commonpath([mount[1], str(folder)]) == mount[1]]
    return max(holding, key=lambda each: len(each[0]))[1] if holding else ""


def _room(path: Path) -> Finding:
    folder = next(each for each in (path.parent, *path.parent.parents) if each.exists())
    free = shutil.disk_usage(folder).free
    level: Literal["ok", "warning"] = "ok" if free > ROOM else "warning"
    return Finding(level, "disk", f"{free // 1_000_000} MB free at {folder}")


def _holder(path: Path) -> Finding:
    held = read_lock(path) if path.exists() else None
    return Finding(
        "ok", "lock", f"a server runs (pid {held.get('pid')}, {held.get('url')})" if held else "no server runs"
    )


async def _database(database: Database) -> list[Finding]:
    version = str((await database.query("SELECT sqlite_version()"))[0][0])
    sql = "SELECT id FROM keys WHERE revoked_at IS NULL AND expires_at IS NULL"
    everlasting = len(await database.query(sql))
    known = tuple(int(part) for part in version.split("."))
    if known < SAFE_SQLITE:
        detail = f"{version}: before 3.51.3 a second checkpointer may corrupt a file; this service has one writer and no other"
        sqlite = Finding("warning", "sqlite", detail)
    else:
        sqlite = Finding("ok", "sqlite", version)
    keys = Finding("warning" if everlasting else "ok", "keys", f"{everlasting} keys never expire")
    return [sqlite, keys]
