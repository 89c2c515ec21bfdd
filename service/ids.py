"""Ids: a prefix that tells the kind, then 26 characters that sort by time and cannot be guessed."""

import secrets
from collections.abc import Callable
from datetime import datetime

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_RANDOM_BITS = 80


class Ids:
    """Makes ids: 48 bits of milliseconds, 80 bits of chance, base 32 (the form of a ULID, lower case)."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock

    def new(self, prefix: str) -> str:
        """A fresh id such as `evt_01jd…`."""
        milliseconds = int(self._clock().timestamp() * 1_000)
        return f"{prefix}_{_base32(milliseconds << _RANDOM_BITS | secrets.randbits(_RANDOM_BITS))}"


def _base32(number: int) -> str:
    return "".join(_ALPHABET[(number >> shift) & 31] for shift in range(125, -5, -5))
