"""How far a command is: a bar on a terminal, once somebody has waited for a second."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress

Tell = Callable[[int, int], None]
"""(done, of how many)."""

PATIENCE = 1.0
"""Seconds without a bar."""


@contextmanager
def progress(doing: str, console: Console | None = None, clock: Callable[[], float] = time.monotonic) -> Iterator[Tell]:
    """Gives what is to be called; the bar is on standard error, and gone at the end."""
    console = console or Console(stderr=True)
    bar = Progress(console=console, transient=True)
    task, begun = bar.add_task(doing, total=None), clock()

    def tell(done: int, of: int) -> None:
        bar.update(task, completed=done, total=of)
        if console.is_terminal and not bar.live.is_started and clock() - begun >= PATIENCE:
            bar.start()

    try:
        yield tell
    finally:
        if bar.live.is_started:
            bar.stop()
