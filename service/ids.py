"""Ids: a prefix that tells the kind, then 32 hexadecimal digits that sort by time and cannot be guessed."""

import secrets
from collections.abc import Callable, Iterator
from datetime import datetime

_CHANCE_BYTES = 10
_DRAWN_AT_ONCE = 400


class Ids:
    """Makes ids: 48 bits of milliseconds, then 80 bits of chance, drawn from the system many at a time."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._chance = _draw()

    def new(self, prefix: str) -> str:
        """A fresh id such as `evt_0193…`."""
        milliseconds = int(self._clock().timestamp() * 1_000)
        return f"{prefix}_{milliseconds:012x}{next(self._chance)}"


def _draw() -> Iterator[str]:
    while True:
        drawn = secrets.token_bytes(_CHANCE_BYTES * _DRAWN_AT_ONCE).hex()
        for start in range(0, len(drawn), 2 * _CHANCE_BYTES):
            yield drawn[start : start + 2 * _CHANCE_BYTES]
