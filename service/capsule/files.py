"""The files of a capsule, in a ZIP or unpacked in a folder; none is read that is larger than it can be."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from events import merkle

FILE_LIMIT = 256 * 2**20
"""The most bytes that one file may unpack to."""

BROKEN = (
    zipfile.BadZipFile, zlib.error, OSError, EOFError,
    RuntimeError,  # what zipfile says of an encrypted file, and of a packing that it does not know
)  # fmt: skip
"""What unpacking a damaged or forged file may raise."""


class CapsuleError(Exception):
    """This is no capsule, or not one that can be read; the message says why."""


class Files:
    """Reads files by their names."""

    def __init__(self, path: Path) -> None:
        try:
            self._zip = zipfile.ZipFile(path) if path.is_file() else None
        except zipfile.BadZipFile as error:
            raise CapsuleError(f"{path} is no ZIP file: {error}") from error
        self._path = path
        listed = self._zip.namelist() if self._zip else self._listed()
        self.names = frozenset(each for each in listed if not each.endswith("/"))

    def _listed(self) -> Iterator[str]:
        for each in self._path.rglob("*"):
            if each.is_file():
                yield each.relative_to(self._path).as_posix()

    def read(self, name: str) -> bytes:
        """The bytes of a file. Raises CapsuleError where it is not there, is broken or is too large."""
        if name not in self.names:
            raise CapsuleError(f"the capsule has no file {name}")
        size = (self._path / name).stat().st_size if self._zip is None else self._zip.getinfo(name).file_size
        if size > FILE_LIMIT:
            raise CapsuleError(f"{name} has {size} bytes; at most {FILE_LIMIT} are read")
        if self._zip is None:
            return (self._path / name).read_bytes()
        try:
            return self._zip.read(name)
        except BROKEN as error:
            raise CapsuleError(f"{name} cannot be unpacked: {error}") from error

    def text(self, name: str) -> str:
        """The text of a file. Raises CapsuleError."""
        try:
            return self.read(name).decode()
        except UnicodeDecodeError as error:
            raise CapsuleError(f"{name} is no UTF-8 text") from error


def tile_name(level: str, number: int, width: int) -> str:
    """The name of a tile as C2SP tlog-tiles has it."""
    groups = [f"{number % 1000:03d}"]
    while number >= 1000:  # noqa: PLR2004
        number //= 1000
        groups.insert(0, f"x{number % 1000:03d}")
    partial = "" if width == merkle.TILE_WIDTH else f".p/{width}"
    return f"log/tile/{level}/{'/'.join(groups)}{partial}"


def entries_of(bundle: bytes, name: str) -> Iterator[bytes]:
    """The entries of a bundle, each behind its length in two bytes. Raises CapsuleError."""
    place = 0
    while place < len(bundle):
        end = place + 2 + int.from_bytes(bundle[place : place + 2], "big")
        if end > len(bundle):
            raise CapsuleError(f"{name} ends within an entry")
        yield bundle[place + 2 : end]
        place = end


def bundled(entries: Iterable[bytes]) -> bytes:
    """A bundle of entries, as `entries_of` reads it."""
    return b"".join(len(each).to_bytes(2, "big") + each for each in entries)
