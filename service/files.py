"""Files that are there whole or not at all, and stay there when the power goes: written beside, synced, then named."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def whole(path: Path) -> Iterator[BinaryIO]:
    """A file to write, its owner's alone, which takes its name, and another's place, once everything is written."""
    number, fresh = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)
    try:
        with os.fdopen(number, "wb") as file:
            yield file
        named(Path(fresh), path)
    except BaseException:
        Path(fresh).unlink(missing_ok=True)
        raise


def named(fresh: Path, path: Path) -> None:
    """Give a finished file its name, durably; only its owner may read it."""
    number = os.open(fresh, os.O_RDONLY)
    try:
        os.fchmod(number, 0o600)
        os.fsync(number)
    finally:
        os.close(number)
    fresh.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
