"""The doctor: settings that are unsafe or slow, each with what to do about it."""

import os
import resource
import shutil
import stat
from pathlib import Path
from typing import Literal

from msgspec import Struct

from events.lock import read_lock
from events.store import Database
from service.hosts import listed
from service.master import key_file
from service.settings import OTHER_FILES, Settings, keys_path

NETWORK_FILE_SYSTEMS = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs")
ROOM = 1_000_000_000
LONGEST_DEADLINE = 300
"""Seconds beyond which a deadline protects nobody."""
MOST_REQUESTS = 600_000
"""Requests a minute that no single process answers."""
MOST_HELD = 4_000_000_000
"""Bytes of bodies that may be held at once before somebody should think about it."""
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
    findings += [*_exposure(settings), _connections(settings), _deadlines(settings), _rates(settings)]
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


def _exposure(settings: Settings) -> list[Finding]:
    """For whom it answers, and what strangers may read."""
    if _is_local(settings) and not settings.public_base_url:
        return [Finding("ok", "exposure", "for this machine only")]
    found = []
    if not settings.allowed_hosts:
        found.append(Finding("warning", "allowed_hosts", "is not set: every Host header is answered; name your hosts"))
    if settings.metrics == "public":
        detail = "is public: figures of all organisations can be read by everybody; set NOCES_METRICS=key"
        found.append(Finding("warning", "metrics", detail))
    if not settings.proxies:
        detail = "is not set: behind a proxy all strangers count as one address; name its network"
        found.append(Finding("warning", "proxies", detail))
    if any(each.startswith("http://") for each in listed(settings.cors_origins)):
        detail = f"{settings.cors_origins}: pages without https may use the API from a browser"
        found.append(Finding("unsafe", "cors_origins", detail))
    return found or [Finding("ok", "exposure", "hosts, metrics and proxies are set")]


def _connections(settings: Settings) -> Finding:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < settings.connections + OTHER_FILES:
        detail = f"{settings.connections} connections, but the system allows {hard} open files: raise it (ulimit -n)"
        return Finding("unsafe", "connections", detail)
    if settings.streams >= settings.connections:
        detail = f"{settings.streams} streams may take all {settings.connections} connections: lower NOCES_STREAMS"
        return Finding("warning", "connections", detail)
    return Finding("ok", "connections", f"{settings.connections} at once, {settings.streams} of them streams")


def _deadlines(settings: Settings) -> Finding:
    """Deadlines so long that slow callers could hold every connection."""
    deadlines = {name: getattr(settings, f"{name}_seconds") for name in ("head", "receive", "send", "idle")}
    long = [f"{name} {seconds:g} s" for name, seconds in deadlines.items() if seconds > LONGEST_DEADLINE]
    if long:
        detail = f"{', '.join(long)}: slow callers hold connections that long; at most {LONGEST_DEADLINE} is sane"
        return Finding("unsafe", "deadlines", detail)
    return Finding("ok", "deadlines", ", ".join(f"{name} {seconds:g} s" for name, seconds in deadlines.items()))


def _rates(settings: Settings) -> Finding:
    """Limits so high that they limit nothing, and bodies so large that a few fill the memory."""
    quotas = {name: getattr(settings, f"{name}_requests") for name in ("key", "address", "source")}
    loose = [f"NOCES_{name.upper()}_REQUESTS={quota}" for name, quota in quotas.items() if quota > MOST_REQUESTS]
    held = settings.connections * max(settings.body_limit, settings.hook_body_limit)
    if loose:
        detail = f"{', '.join(loose)}: more than this service answers in a minute, so nobody is held up"
        return Finding("warning", "rates", detail)
    if held > MOST_HELD:
        detail = f"bodies of {settings.connections} connections may hold {held // 1_000_000} MB: lower one of the two"
        return Finding("warning", "rates", detail)
    return Finding("ok", "rates", ", ".join(f"{quota} a minute for one {name}" for name, quota in quotas.items()))


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
