"""Files that are there whole or not at all, and stay there when the power goes: written beside, synced, then named."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def taking(path: Path) -> Iterator[Path]:
    """A new, empty file beside a name, for somebody to fill; it takes the name, and another's place, at the end."""
    number, made = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.absolute().parent)
    os.close(number)
    fresh = Path(made)
    try:
        yield fresh
        named(fresh, path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise


@contextmanager
def whole(path: Path) -> Iterator[BinaryIO]:
    """A file to write, which takes its name once everything is written."""
    with taking(path) as fresh, fresh.open("wb") as file:
        yield file


def named(fresh: Path, path: Path) -> None:
    """Give a finished file its name, durably; only its owner may read it."""
    number = os.open(fresh, os.O_RDONLY)
    try:
        os.fchmod(number, 0o600)
        os.fsync(number)
    finally:
        os.close(number)
    fresh.replace(path)
    sync_folder(path.absolute().parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
