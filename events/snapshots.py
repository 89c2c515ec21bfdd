"""Folded states kept in the process, so that a command costs the same on a long stream as on a short one."""

from collections import OrderedDict
from typing import Generic, TypeVar

T = TypeVar("T")


class StateCache(Generic[T]):
    """The states that were used last, at most `limit` of them; always safe to lose."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._states: OrderedDict[tuple[str, str], T] = OrderedDict()

    def __len__(self) -> int:
        return len(self._states)

    def get(self, organisation: str, stream: str) -> T | None:
        """The state of a stream, which counts as used now."""
        key = organisation, stream
        if key not in self._states:
            return None
        self._states.move_to_end(key)
        return self._states[key]

    def put(self, organisation: str, stream: str, state: T) -> None:
        """Keep a state; the one that was not used for longest makes room."""
        key = organisation, stream
        self._states[key] = state
        self._states.move_to_end(key)
        while len(self._states) > self._limit:
            self._states.popitem(last=False)

    def evict(self, organisation: str, stream: str) -> None:
        """Forget a stream's state, where there is one."""
        self._states.pop((organisation, stream), None)
