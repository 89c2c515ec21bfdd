"""Ids: a prefix that tells the kind, then 32 hexadecimal digits that sort in the order of making and cannot be guessed."""

import secrets
from collections.abc import Callable, Iterator
from datetime import datetime

_CHANCE_BITS = 80
_STEP_BYTES = 8
_DRAWN_AT_ONCE = 400


class Ids:
    """Makes ids: 48 bits of milliseconds, then 80 bits of chance; within a millisecond each is a chance step further."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._chance = _draw()
        self._last = 0

    def new(self, prefix: str) -> str:
        """A fresh id such as `evt_0193…`, above every earlier one."""
        now = int(self._clock().timestamp() * 1_000) << _CHANCE_BITS
        self._last = max(now, self._last) + next(self._chance)
        return f"{prefix}_{self._last:032x}"


def _draw() -> Iterator[int]:
    while True:
        drawn = secrets.token_bytes(_STEP_BYTES * _DRAWN_AT_ONCE)
        for start in range(0, len(drawn), _STEP_BYTES):
            yield int.from_bytes(drawn[start : start + _STEP_BYTES]) + 1
