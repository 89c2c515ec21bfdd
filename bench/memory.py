"""Row memory: how far the peak of a process grows while it imports, streams the whole log, or replays it.

`python -m bench.memory DATABASE ORGANISATION` replays in a process of its own and prints the growth in megabytes.
"""

import socket
import subprocess
import sys
from pathlib import Path

from bench.biglog import Built
from bench.client import HOST
from bench.importing import NDJSON, Lines, send_lines
from bench.posting import open_partnerships
from bench.processes import ROOT, Server, memory, request, serving
from bench.replay import fold_all
from bench.rows import Row
from bench.story import today
from bench.workplace import Workplace

PARTNERSHIPS = 200


def measure(place: Workplace) -> list[Row]:
    """The row of memory: the greatest growth of the server, and of a process that replays the log."""
    built = place.log(place.sizes.memory_events)
    figures = {
        "import MB": importing_growth(place), "streaming MB": streaming_growth(built), "replay MB": replay_growth(built),
    }  # fmt: skip
    greatest = max(figures.values())
    return [
        Row(
            name="memory", unit="MB", measured=greatest, floor=250, better="lower", figures=figures,
            what=f"peak growth importing {place.sizes.memory_lines:,} lines, streaming and replaying {built.events:,} events",
        )
    ]  # fmt: skip


def importing_growth(place: Workplace) -> float:
    """While one import of many lines runs."""
    with serving(place.fresh("memory")) as server:
        opened = open_partnerships(server, place.clients, min(PARTNERSHIPS, place.sizes.partnerships))
        body = Lines(opened, today(), texts=True).take(place.sizes.memory_lines)
        before = _rest(server)
        send_lines(server, body)
        return server.memory("VmHWM") - before


def streaming_growth(built: Built) -> float:
    """While GET /v1/events answers the whole log as NDJSON."""
    with serving(built.path, built.key) as server:
        before = _rest(server)
        lines = count_lines(server)
        if lines < built.events:
            raise ValueError(f"The stream should have {built.events} events; it had {lines}.")
        return server.memory("VmHWM") - before


def count_lines(server: Server) -> int:
    """The lines of the whole log as NDJSON, counted and thrown away."""
    asked = request("GET", "/v1/events?limit=500", server.key, Accept=NDJSON, Connection="close")
    with socket.create_connection((HOST, server.port)) as connection:
        connection.sendall(asked)
        return sum(block.count(b"\n{") for block in iter(lambda: connection.recv(2**20), b""))


def replay_growth(built: Built) -> float:
    """While a process of its own folds the whole log."""
    command = [sys.executable, "-m", "bench.memory", str(built.path), built.organisation]
    return float(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout)


def _rest(server: Server) -> float:
    server.forget_peak()
    return server.memory("VmRSS")


if __name__ == "__main__":
    at_rest = memory("self", "VmRSS")
    fold_all(Built(Path(sys.argv[1]), "", sys.argv[2], 0, ()))
    print(memory("self", "VmHWM") - at_rest)
