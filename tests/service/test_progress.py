"""Progress: a bar on a terminal for whoever waits, and nothing anywhere else."""

import io

from rich.console import Console

from service.operations.progress import progress


def shown(*, terminal, seconds):
    """What stands on the console after so many seconds of work."""
    console = Console(file=io.StringIO(), force_terminal=terminal, width=80)
    ticks = iter([0.0, *([seconds] * 10)])
    with progress("writing", console, lambda: next(ticks)) as tell:
        tell(500, 1_000)
        tell(1_000, 1_000)
    return console.file.getvalue()


def test_a_bar_is_shown_on_a_terminal_once_it_takes_longer_than_a_second():
    assert "writing" in shown(terminal=True, seconds=1.0)
    assert shown(terminal=True, seconds=0.9) == ""


def test_nothing_is_shown_where_there_is_no_terminal():
    assert shown(terminal=False, seconds=60.0) == ""
