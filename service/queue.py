"""The queue before the writer: commands wait here, taken in turn by organisation and caller."""

import asyncio
from collections import OrderedDict, deque
from typing import Generic, Protocol, TypeVar

ROUNDS = 3
"""Empty rounds of the event loop after which nobody more is expected."""


class Queued(Protocol):
    """What the queue needs to know of a job."""

    @property
    def turn(self) -> tuple[str, str]:
        """(organisation, caller): who waits in one line."""
        ...

    @property
    def bulk(self) -> bool:
        """Whether it belongs to an import, which gets a quarter of a batch while others wait."""
        ...


J = TypeVar("J", bound=Queued)


class FairQueue(Generic[J]):
    """Round robin over (organisation, caller); an import never fills a batch while others wait."""

    def __init__(self) -> None:
        self._lines: tuple[OrderedDict[tuple[str, str], deque[J]], OrderedDict[tuple[str, str], deque[J]]] = (
            OrderedDict(),
            OrderedDict(),
        )
        self._arrived = asyncio.Event()

    def put(self, job: J, *, first: bool = False) -> None:
        """Let a job wait; `first` puts it before its own line (it was here before)."""
        line = self._lines[job.bulk].setdefault(job.turn, deque())
        if first:
            line.appendleft(job)
        else:
            line.append(job)
        self._arrived.set()

    async def take(self, most: int) -> list[J]:
        """Wait for work, then take at most so many jobs."""
        while not any(self._lines):
            self._arrived.clear()
            await self._arrived.wait()
        await self._gather(most)
        people, imports = self._lines
        taken = _take(people, most)
        room = most - len(taken) if not taken else min(most - len(taken), most // 4)
        return taken + _take(imports, room)

    async def _gather(self, most: int) -> None:
        """Let whatever is about to arrive arrive: a round of the event loop more for as long as each brings company.

        A lone caller pays two empty rounds, microseconds; many callers share one commit.
        """
        before, idle = len(self), 0
        while before < most and idle < ROUNDS:
            await asyncio.sleep(0)
            idle = idle + 1 if len(self) == before else 0
            before = len(self)

    def __len__(self) -> int:
        return sum(len(line) for lines in self._lines for line in lines.values())


def _take(lines: OrderedDict[tuple[str, str], deque[J]], most: int) -> list[J]:
    taken: list[J] = []
    while lines and len(taken) < most:
        turn, line = lines.popitem(last=False)
        taken.append(line.popleft())
        if line:
            lines[turn] = line
    return taken
