"""Signed notes, checkpoints and verifier keys as C2SP signed-note and tlog-checkpoint have them; for reading alone."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import NamedTuple

from service.capsule.ed25519 import verifies

ED25519 = b"\x01"
DASH = "\u2014"


class NoteError(ValueError):
    """A note, a key or a checkpoint is none, or is not signed by whom it should be."""


class Key(NamedTuple):
    """A public key by its name."""

    name: str
    public: bytes
    digest: bytes
    """The four bytes by which signatures name the key."""


class Checkpoint(NamedTuple):
    """A tree's head."""

    origin: str
    size: int
    root: bytes


def read_key(text: str) -> Key:
    """A verifier key, `<name>+<8 hex digits>+<base64>`. Raises NoteError."""
    name, _, rest = text.strip().partition("+")
    shown, _, encoded = rest.partition("+")
    raw = _decoded(encoded)
    digest = hashlib.sha256(name.encode() + b"\n" + raw).digest()[:4]
    if not name or raw[:1] != ED25519 or len(raw) != 33 or digest.hex() != shown:  # noqa: PLR2004
        raise NoteError("this is no Ed25519 verifier key")
    return Key(name, raw[1:], digest)


def read_checkpoint(note: str, keys: list[Key]) -> Checkpoint:
    """The head that a note holds, which one of these keys must have signed. Raises NoteError."""
    text, _, lines = note.rpartition("\n\n")
    text += "\n"
    signatures = [_signature(line) for line in lines.splitlines()]
    known = [(key, raw[4:]) for name, raw in signatures for key in keys if (name, raw[:4]) == (key.name, key.digest)]
    if not known or not all(verifies(key.public, text.encode(), given) for key, given in known):
        raise NoteError(f"{keys[-1].name} has not signed this")
    origin, size, root = (*text.split("\n"), "", "")[:3]
    if not size.isdigit() or str(int(size)) != size or len(_decoded(root)) != 32:  # noqa: PLR2004
        raise NoteError("a checkpoint has an origin, a size and a root")
    return Checkpoint(origin, int(size), _decoded(root))


def _signature(line: str) -> tuple[str, bytes]:
    dash, _, rest = line.partition(" ")
    name, _, encoded = rest.partition(" ")
    raw = _decoded(encoded)
    if dash != DASH or not name or len(raw) < 5:  # noqa: PLR2004
        raise NoteError("a line of signature is `\u2014 <name> <base64>`")
    return name, raw


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
