"""Rounds: what is done again and again behind the routes."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

log = structlog.get_logger()


class Rounds:
    """A piece of work, a pause, the work again; what goes wrong is logged and ends nothing.

    `work` says whether there is more to do at once.
    """

    def __init__(self, name: str, work: Callable[[], Awaitable[bool]], seconds: float) -> None:
        self._name = name
        self._work = work
        self._seconds = seconds
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin with a first round."""
        self._task = asyncio.create_task(self._go_round(), name=self._name)

    async def stop(self) -> None:
        """End, in the middle of a round where one is under way."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _go_round(self) -> None:
        while True:
            try:
                more = await self._work()
            except Exception:
                log.exception("round_failed", round=self._name)
                more = False
            await asyncio.sleep(0 if more else self._seconds)
