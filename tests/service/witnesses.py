"""Witnesses for tests: they cosign whatever they are shown."""

import base64

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from service.proofs.note import COSIGNATURE, Verifier

SEEN = 1_780_315_200
"""When they saw it, in seconds since 1970."""


class Witness:
    """One witness, by its name."""

    def __init__(self, name: str = "witness.example/w1") -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(name.encode().ljust(32)[:32])
        self.verifier = Verifier(name, self._private.public_key().public_bytes_raw(), COSIGNATURE)

    def line(self, note: str, time: int = SEEN, of: str | None = None) -> str:
        """The line of a note's cosignature, or of another text."""
        text = note.partition("\n\n")[0] + "\n" if of is None else of
        # Written out here a second time, as the specification has it.
        signature = self._private.sign(b"cosignature/v1\ntime %d\n" % time + text.encode())
        raw = self.verifier.hash + time.to_bytes(8, "big") + signature
        return f"\u2014 {self.verifier.name} {base64.b64encode(raw).decode()}\n"

    def cosigned(self, note: str, **chosen: int) -> str:
        """A note with this witness's line behind it."""
        return note + self.line(note, **chosen)
