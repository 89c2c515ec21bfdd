"""What is kept outside the database: the newest checkpoint of each log, in a file that a restored copy does not bring back."""

import hashlib
from pathlib import Path
from urllib.parse import quote

from service.files import sync_folder, whole
from service.proofs.note import read_checkpoint, text_of


class Kept:
    """The folder of the kept checkpoints."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, organisation: str) -> Path:
        """Where a log's newest checkpoint lies."""
        return self.folder / f"{quote(organisation, safe='')}.checkpoint"

    def newest(self, organisation: str) -> str | None:
        """The newest checkpoint that was kept."""
        path = self.path(organisation)
        return path.read_text(encoding="utf-8") if path.exists() else None

    def keep(self, organisation: str, note: str) -> None:
        """Put a note in the place of the older one, durably."""
        self._write(self.path(organisation), note.encode())

    def keep_witnessed(self, organisation: str, note: str) -> None:
        """Put a note that somebody has cosigned into a file of its own, which stays."""
        self._write(self._beside(organisation, note, "witnessed"), note.encode())

    def keep_stamped(self, organisation: str, note: str, reply: bytes) -> None:
        """Put a note and an authority's reply over it into files of their own, which stay."""
        self._write(self._beside(organisation, note, "stamped"), note.encode())
        self._write(self._beside(organisation, note, "tsr"), reply)

    def _beside(self, organisation: str, note: str, ending: str) -> Path:
        """A name by size and root: a fork signs other entries for the same size."""
        signed = read_checkpoint(text_of(note))
        return self.folder / f"{quote(organisation, safe='')}.{signed.size}-{signed.root.hex()[:8]}.{ending}"

    def _write(self, path: Path, content: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with whole(path) as file:
            file.write(content)

    def set_aside(self, organisation: str) -> None:
        """Keep the checkpoint that a fork has superseded under another name: it proves what was signed before."""
        path = self.path(organisation)
        if (note := self.newest(organisation)) is not None:
            path.rename(path.with_suffix(f".forked-{read_checkpoint(text_of(note)).size}"))
            sync_folder(path.parent)


def digest(note: str) -> str:
    """By which a note is known again."""
    return hashlib.sha256(note.encode()).hexdigest()
