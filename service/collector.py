"""Python's cycle collector, told to keep out of the way of long work."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

THRESHOLDS = (50_000, 20, 50)


@contextmanager
def calm_collector() -> Iterator[None]:
    """Leave alone what is there already, and look at what comes after more new objects than by default.

    Nearly nothing here makes cycles, and a look at every folded state that is at hand costs more than it frees.
    """
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
