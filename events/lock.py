"""The lock beside a database file: one process writes, and says in the lock how to reach it."""

import contextlib
import fcntl
import json
import os
import time
from pathlib import Path
from typing import Any

from events.store import StoreError

PATIENCE = 0.2
"""Seconds to wait for a holder that is only looking (`read_lock`)."""


def lock_path(database: Path) -> Path:
    """Where the lock of a database file lies."""
    return database.with_name(database.name + ".lock")


class FileLock:
    """Held from `take` until `release`, or until the process ends in whatever way."""

    def __init__(self, database: Path) -> None:
        self.path = lock_path(database)
        self._file = -1

    def take(self) -> None:
        """Become the one that writes; StoreError `locked` when another process is.

        Waits up to PATIENCE.
        """
        try:
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreError("unavailable", f"The lock {self.path} cannot be made: {error.strerror}.") from error
        if not _flock(self._file, fcntl.LOCK_EX, PATIENCE):
            self._close()
            pid = _content(self.path).get("pid", "unknown")
            raise StoreError(
                "locked",
                f"The database beside {self.path} is in use by another process (pid {pid}). "
                "Stop that one first, or keep the log in PostgreSQL, which takes many servers.",
            )
        self.write({})

    def write(self, content: dict[str, Any]) -> None:
        """Say how to reach the holder; its pid is added."""
        raw = json.dumps({"pid": os.getpid(), **content}).encode()
        os.pwrite(self._file, raw, 0)
        os.ftruncate(self._file, len(raw))

    def release(self) -> None:
        """Let another process write; the file stays, for removing it would race with the next holder."""
        if self._file >= 0:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, 0)
            self._close()

    def _close(self) -> None:
        os.close(self._file)
        self._file = -1


def read_lock(database: Path) -> dict[str, Any] | None:
    """What the process that writes says of itself; None when nobody holds the lock."""
    path = lock_path(database)
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        return None if _flock(file, fcntl.LOCK_SH, 0) else _content(path)
    finally:
        os.close(file)


def _flock(file: int, kind: int, patience: float) -> bool:
    end = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end:
                return False
            time.sleep(0.01)
        else:
            return True


def _content(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
