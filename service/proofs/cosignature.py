"""Cosignatures: what a witness says of a checkpoint, as C2SP tlog-cosignature v1 has it; Ed25519 alone."""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from service.proofs.note import COSIGNATURE, NoteError, Signature, Verifier, read_verifier
from service.settings import SettingsError

TIME_BYTES = 8
LATEST = 2**63 - 1
"""The last instant that a cosignature may name."""


class Cosignature(Struct, frozen=True):
    """A witness's word that it saw the log only grow up to a checkpoint; `time` in seconds since 1970."""

    witness: Verifier
    time: int
    line: str


def read_witnesses(text: str) -> tuple[Verifier, ...]:
    """The witnesses of NOCES_WITNESSES. Raises SettingsError."""
    try:
        return tuple(read_verifier(each, COSIGNATURE) for each in text.split())
    except NoteError as error:
        message = f"NOCES_WITNESSES takes verifier keys of witnesses, separated by blanks: {error}"
        raise SettingsError(message) from error


def message_of(text: str, time: int) -> bytes:
    """What a witness signs: the checkpoint's text behind the time."""
    return f"cosignature/v1\ntime {time}\n{text}".encode()


def read_cosignatures(
    text: str, signatures: Iterable[Signature], witnesses: Sequence[Verifier]
) -> list[Cosignature]:  # fmt: skip
    """The cosignatures of a checkpoint's text by these witnesses; other lines are left out.

    Raises NoteError where a line names a witness that has not signed this.
    """
    pairs = [(witness, each) for each in signatures for witness in witnesses if each.is_by(witness)]
    return [_read(text, witness, each) for witness, each in pairs]


def _read(text: str, witness: Verifier, found: Signature) -> Cosignature:
    time = int.from_bytes(found.rest[:TIME_BYTES], "big")
    if time > LATEST or not witness.has_signed(message_of(text, time), found.rest[TIME_BYTES:]):
        raise NoteError(f"The line of {witness.name} is no cosignature of this checkpoint.")
    return Cosignature(witness, time, found.line)
