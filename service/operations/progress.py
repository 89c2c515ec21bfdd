"""How far a long piece of work has come, on a terminal alone."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import rich.console
import rich.progress

Tell = Callable[[int, int], None]
"""(done, of)."""


@contextmanager
def progress(what: str) -> Iterator[Tell]:
    """A bar on standard error; nothing where that is no terminal."""
    screen = rich.console.Console(stderr=True)
    with rich.progress.Progress(disable=not sys.stderr.isatty(), console=screen) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, of: bar.update(task, completed=done, total=of)
