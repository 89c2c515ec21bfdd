"""Signed notes and checkpoints, as C2SP signed-note and tlog-checkpoint have them; Ed25519 alone."""

import base64
import hashlib
from collections.abc import Sequence

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec import Struct

ED25519 = b"\x01"
"""The algorithm's byte in key hashes and verifier keys: of whoever signs notes."""
COSIGNATURE = b"\x04"
"""The same of whoever cosigns checkpoints (C2SP tlog-cosignature)."""


class NoteError(ValueError):
    """A note, a key or a checkpoint is none, or is not signed by whom it should be."""


class Verifier(Struct, frozen=True):
    """A public key by its name: `<name>+<key hash>+<base64 of the algorithm's byte and the key>`."""

    name: str
    key: bytes
    kind: bytes = ED25519

    @property
    def hash(self) -> bytes:
        """The four bytes by which signatures name the key."""
        return hashlib.sha256(self.name.encode() + b"\n" + self.kind + self.key).digest()[:4]

    @property
    def text(self) -> str:
        """The key as others configure it."""
        return f"{self.name}+{self.hash.hex()}+{base64.b64encode(self.kind + self.key).decode()}"

    def has_signed(self, message: bytes, signature: bytes) -> bool:
        """Whether a signature of a message is this key's."""
        try:
            Ed25519PublicKey.from_public_bytes(self.key).verify(signature, message)
        except InvalidSignature:
            return False
        return True


class Checkpoint(Struct, frozen=True):
    """A tree's head: whose, how large, and its root."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """The note's text."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


class Signature(Struct, frozen=True):
    """A line of signature: whose it says it is, by name and hash of the key, and the rest of its bytes."""

    name: str
    hash: bytes
    rest: bytes
    line: str

    def is_by(self, verifier: Verifier) -> bool:
        """Whether it says that it is this key's."""
        return (self.name, self.hash) == (verifier.name, verifier.hash)


def read_verifier(text: str, kind: bytes = ED25519) -> Verifier:
    """A verifier key of a kind from its text. Raises NoteError."""
    name, _, rest = text.partition("+")
    shown, _, encoded = rest.partition("+")
    try:
        raw = base64.b64decode(encoded, validate=True)
    except ValueError:
        raw = b""
    found = Verifier(name, raw[1:], kind)
    if not _is_name(name) or raw[:1] != kind or len(raw) != 33 or found.hash.hex() != shown:  # noqa: PLR2004
        raise NoteError(f"This is no Ed25519 verifier key of kind {kind[0]}: <name>+<8 hex digits>+<base64>.")
    return found


def _is_name(name: str) -> bool:
    return bool(name) and "+" not in name and not any(letter.isspace() for letter in name)


def sign(text: str, *signers: tuple[Verifier, bytes]) -> str:
    """A note with the signature of each key, which is given with its private half."""
    return f"{text}\n" + "".join(_signature_line(text, *each) for each in signers)


def _signature_line(text: str, verifier: Verifier, private: bytes) -> str:
    signature = Ed25519PrivateKey.from_private_bytes(private).sign(text.encode())
    return f"\u2014 {verifier.name} {base64.b64encode(verifier.hash + signature).decode()}\n"


def text_of(note: str) -> str:
    """The text of a note, whoever has signed it. Raises NoteError."""
    return taken_apart(note)[0]


def taken_apart(note: str) -> tuple[str, list[Signature]]:
    """(text, signatures) of a note. Raises NoteError."""
    text, separator, lines = note.rpartition("\n\n")
    if not separator or not lines.endswith("\n"):
        raise NoteError("This is no signed note: text, an empty line, signatures.")
    return f"{text}\n", [_signature(line) for line in lines.removesuffix("\n").split("\n")]


def opened(note: str, verifiers: Sequence[Verifier]) -> str:
    """The text of a note that every one of these keys has signed. Raises NoteError."""
    text, signatures = taken_apart(note)
    for verifier in verifiers:
        given = [each for each in signatures if each.is_by(verifier)]
        if not given:
            raise NoteError(f"{verifier.name} has not signed this note.")
        if not all(verifier.has_signed(text.encode(), each.rest) for each in given):
            raise NoteError(f"The signature of {verifier.name} is not one of this note.")
    return text


def opened_by_any(note: str, verifiers: Sequence[Verifier]) -> str:
    """The text of a note that one of these keys has signed, and in which none of them is named wrongly. Raises NoteError."""
    _, signatures = taken_apart(note)
    named = [verifier for verifier in verifiers if any(each.is_by(verifier) for each in signatures)]
    if not named:
        raise NoteError(f"No key of {' or '.join({each.name for each in verifiers})} has signed this note.")
    return opened(note, named)


def _signature(line: str) -> Signature:
    dash, _, rest = line.partition(" ")
    name, _, encoded = rest.partition(" ")
    try:
        raw = base64.b64decode(encoded, validate=True)
    except ValueError:
        raw = b""
    if dash != "\u2014" or not _is_name(name) or len(raw) < 5:  # noqa: PLR2004
        raise NoteError("A line of signature is `\u2014 <name> <base64>`.")
    return Signature(name, raw[:4], raw[4:], f"{line}\n")


def read_checkpoint(text: str) -> Checkpoint:
    """A checkpoint from a note's text. Raises NoteError."""
    origin, *rest = text.split("\n")
    try:
        size, root = rest[0], base64.b64decode(rest[1], validate=True)
    except (IndexError, ValueError):
        raise NoteError("A checkpoint has an origin, a size and a root.") from None
    if not origin or not size.isascii() or not size.isdigit() or str(int(size)) != size or len(root) != 32:  # noqa: PLR2004
        raise NoteError("A checkpoint has an origin, a size and a root.")
    return Checkpoint(origin, int(size), root)
