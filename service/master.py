"""The master key: from a setting, a command or a file, and changed by wrapping every data key anew."""

import base64
import os
import secrets
import shlex
import subprocess
from pathlib import Path
from typing import Any

from events.sqlite import SqliteFile
from service.files import named, sync_folder
from service.settings import Settings, SettingsError
from service.vault import KEY_BYTES, KeyFile, check_master, place_of, unwrap, wrap

COMMAND_SECONDS = 30.0
"""How long the command that prints the master key may take."""


def key_file(settings: Settings) -> Path:
    """Where the master key lies when no setting names another place."""
    return settings.database_path.parent / "master.key"


async def master_key(settings: Settings, keys: KeyFile) -> bytes:
    """The master key of these settings, which opens the keys; made with mode 0600 at first start.

    Raises SettingsError when it is not 32 bytes, or another than the keys were wrapped by.
    """
    if (text := _given(settings)) is not None:
        key = decoded(text, "The master key (NOCES_MASTER_KEY)")
    else:
        path = key_file(settings)
        await _finish_rotation(path, keys)
        if not path.exists():
            write_key(path, secrets.token_bytes(KEY_BYTES))
        key = _read(path)
    await check_master(key, keys)
    return key


async def standing_key(settings: Settings, keys: KeyFile) -> bytes:
    """The master key that opens the keys, for whoever only reads: nothing is made, and a rotation is left as it is.

    Raises SettingsError where there is none, or another than the keys were wrapped by.
    """
    path = key_file(settings)
    if (text := _given(settings)) is not None:
        key = decoded(text, "The master key (NOCES_MASTER_KEY)")
    elif pending(path).exists() and await _opens(_read(pending(path)), keys):
        return _read(pending(path))
    elif path.exists():
        key = _read(path)
    else:
        raise SettingsError(f"There is no master key at {path}; set NOCES_MASTER_KEY to the one that opens the keys.")
    await check_master(key, keys)
    return key


def _given(settings: Settings) -> str | None:
    if settings.master_key:
        return settings.master_key
    if not settings.master_key_command:
        return None
    try:
        told = subprocess.run(  # noqa: S603  # the operator's own command, and no shell
            shlex.split(settings.master_key_command), capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        message = f"NOCES_MASTER_KEY_COMMAND cannot be run: {error}."
        raise SettingsError(message) from error
    if told.returncode:
        message = f"NOCES_MASTER_KEY_COMMAND ended with status {told.returncode}; it must print the key and end with 0."
        raise SettingsError(message)
    return told.stdout


def _read(path: Path) -> bytes:
    return decoded(path.read_text(encoding="ascii", errors="replace"), f"The master key (NOCES_MASTER_KEY or {path})")


def decoded(text: str, what: str) -> bytes:
    """The key of its base64 text. Raises SettingsError when it is not 32 bytes."""
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        message = f"{what} must be base64 of 32 bytes; it is not."
        raise SettingsError(message)
    return key


def write_key(path: Path, key: bytes) -> None:
    """Write a key into a new file that only its owner can read, durably. Raises SettingsError where there is one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        message = f"{path} exists already; name a file that does not."
        raise SettingsError(message) from error
    with os.fdopen(number, "wb") as file:
        file.write(base64.b64encode(key) + b"\n")
        file.flush()
        os.fsync(number)
    sync_folder(path.parent)


async def rotate(settings: Settings, keys: SqliteFile, out: Path | None) -> int:
    """Wrap every data key under a new master key, all or none; the old one then opens nothing. How many keys there are.

    The new key takes the old one's place in its file; where a setting or a command gives the key, it is written to `out`,
    for whoever keeps it there. Raises SettingsError.
    """
    given = _given(settings) is not None
    if given and out is None:
        message = (
            "The master key comes from a setting; name a new file with --out, and set NOCES_MASTER_KEY to its content."
        )
        raise SettingsError(message)
    old, new = await master_key(settings, keys), secrets.token_bytes(KEY_BYTES)
    target = out if given and out is not None else pending(key_file(settings))
    write_key(target, new)  # durable before anything needs it
    try:
        count = await keys.alone(lambda database: _rewrap(database, old, new))
    except BaseException:
        target.unlink()
        raise
    if not given:
        named(target, key_file(settings))
    await keys.forget()
    return count


def pending(path: Path) -> Path:
    """Where the next master key waits until every data key is wrapped under it."""
    return path.with_name(path.name + ".new")


def _rewrap(database: Any, old: bytes, new: bytes) -> int:  # noqa: ANN401  # a connection, as the driver has it
    rows = database.execute("SELECT organisation, holder, wrapped FROM vault").fetchall()
    changed = []
    for organisation, holder, wrapped in rows:
        place = place_of(organisation, holder)
        changed.append((wrap(new, place, unwrap(old, place, wrapped)), organisation, holder))
    database.executemany("UPDATE vault SET wrapped = ? WHERE organisation = ? AND holder = ?", changed)
    return len(changed)


async def _finish_rotation(path: Path, keys: KeyFile) -> None:
    """Whatever a crash left of a rotation: the key that opens the keys is the one."""
    waiting = pending(path)
    if not waiting.exists():
        return
    if await _opens(_read(path), keys):
        waiting.unlink()
    else:
        await check_master(_read(waiting), keys)
        named(waiting, path)


async def _opens(key: bytes, keys: KeyFile) -> bool:
    try:
        await check_master(key, keys)
    except SettingsError:
        return False
    return True
