"""Ids: a prefix that tells the kind, then 26 characters that sort by time and cannot be guessed."""

import base64
import secrets
from collections.abc import Callable
from datetime import datetime


class Ids:
    """Makes ids: 48 bits of milliseconds, 80 bits of chance, in base 32 whose order is that of the bits."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock

    def new(self, prefix: str) -> str:
        """A fresh id such as `evt_06p3…`."""
        milliseconds = int(self._clock().timestamp() * 1_000)
        raw = milliseconds.to_bytes(6) + secrets.token_bytes(10)
        return f"{prefix}_{base64.b32hexencode(raw)[:26].decode().lower()}"
