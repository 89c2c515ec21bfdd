"""Row start: from starting `noces serve` on a database to its first answer."""

import signal
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from bench.processes import NOCES, ROOT, free_port, wait_until_ready
from bench.rows import Row
from bench.workplace import Workplace

STOP_SECONDS = 30.0


def measure(place: Workplace) -> list[Row]:
    """The row of starting."""
    built = place.log(place.sizes.start_events)
    found = [start(built.path) for _ in range(place.sizes.rounds)]
    imports = [_imports() for _ in range(place.sizes.rounds)]
    return [
        Row(
            name="start", what=f"process start to the first /readyz on {built.events:,} events", measured=median(found),
            unit="s", floor=1.5, better="lower",
            figures={"slowest s": max(found), "importing service.server alone s": median(imports)},
        )
    ]  # fmt: skip


def start(database: Path) -> float:
    """The seconds until a new server answers /readyz with 200."""
    port = free_port()
    command = [sys.executable, "-c", NOCES, "serve", "--database", f"sqlite:///{database}", "--port", str(port)]
    started = time.perf_counter()
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as process:
        try:
            wait_until_ready(port)
            return time.perf_counter() - started
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(STOP_SECONDS)


def _imports() -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import service.server"], cwd=ROOT, check=True)
    return time.perf_counter() - started
