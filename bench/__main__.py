"""`python -m bench`: measure, print the table, write var/bench.json; status 1 when a floor is missed."""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench import (
    importing,
    inbound,
    limiting,
    memory,
    micro,
    peers,
    posting,
    replay,
    restoring,
    scale,
    start,
    stream,
    verifying,
)
from bench.processes import ROOT
from bench.rows import Row, conditions, table, write
from bench.sizes import BIG, PUBLISHED, QUICK
from bench.workplace import Workplace

MEASURES: dict[str, Callable[[Workplace], list[Row]]] = {
    "http": posting.measure,
    "stream": stream.measure,
    "replay": replay.measure,
    "verify": verifying.measure,
    "import": importing.measure,
    "restore": restoring.measure,
    "peer": peers.measure,
    "scale": scale.measure,
    "inbound": inbound.measure,
    "memory": memory.measure,
    "start": start.measure,
    "limits": limiting.measure,
    "micro": micro.measure,
}


def main() -> int:
    """Measure what was asked for; the exit status."""
    asked = _arguments()
    sizes = QUICK if asked.quick else BIG if asked.big else PUBLISHED
    told, rows = conditions(), []
    asked.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=asked.folder) as folder:
        place = Workplace(sizes, Path(folder))
        for name in asked.only or MEASURES:
            started = time.perf_counter()
            rows += MEASURES[name](place)
            print(f"{name}: {time.perf_counter() - started:.1f} s", file=sys.stderr, flush=True)
    write(asked.out, rows, told, judged=not asked.quick)
    print(table(rows, judged=not asked.quick))
    print("conditions: " + ", ".join(f"{name} {value}" for name, value in told.items()))
    missed = [row.name for row in rows if row.verdict(judged=not asked.quick) == "BELOW FLOOR"]
    return 1 if missed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="Side-by-side measurements; see docs/speed.md."
    )
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="tiny sizes, nothing is judged")
    size.add_argument("--big", action="store_true", help="a log of 10,000,000 events")
    parser.add_argument("--only", action="append", choices=MEASURES, metavar="NAME", help=", ".join(MEASURES))
    parser.add_argument("--out", type=Path, default=ROOT / "var" / "bench.json", help="where the JSON goes")
    parser.add_argument("--folder", type=Path, default=ROOT / "var", help="a folder on the disk to measure")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
