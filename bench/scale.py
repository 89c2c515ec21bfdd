"""Row scale: reading from a small log and from a big one, streams of equal length, over HTTP, one request at a time."""

import random
from collections.abc import Callable
from statistics import median

from bench.biglog import Built
from bench.client import Told
from bench.processes import Clients, Server, request, serving
from bench.rows import Row
from bench.workplace import Workplace

SAMPLE = 40
PAGE = 100

Target = Callable[[Built, random.Random], str]


def _history(built: Built, chance: random.Random) -> str:
    return f"/v1/partnerships/{chance.choice(built.sample(SAMPLE))}/history"


def _state(built: Built, chance: random.Random) -> str:
    return f"/v1/partnerships/{chance.choice(built.sample(SAMPLE))}"


def _page(built: Built, chance: random.Random) -> str:
    return chance.choice(_pages(built))


def _pages(built: Built) -> list[str]:
    """Pages spread over the whole log, the last one among them."""
    last = max(0, built.events - PAGE)
    return [f"/v1/events?after={last * number // (SAMPLE - 1)}&limit={PAGE}" for number in range(SAMPLE)]


READS: dict[str, Target] = {"history": _history, "state": _state, "page": _page}


class Reader:
    """Reads from one server."""

    def __init__(self, server: Server, built: Built, clients: Clients) -> None:
        self._server = server
        self._built = built
        self._clients = clients
        self._chance = random.Random(1)

    def read(self, target: Target, many: int) -> Told:
        """So many reads of one kind."""
        requests = [request("GET", target(self._built, self._chance), self._server.key) for _ in range(many)]
        return self._clients.send(self._server, 1, requests, wanted=200)

    def warm(self) -> dict[str, float]:
        """Everything in the sample once: the p50 in milliseconds of what is not at hand."""
        states = [f"/v1/partnerships/{each}" for each in self._built.sample(SAMPLE)]
        self._first(["/readyz"] * SAMPLE)
        cold = {"state": self._first(states), "page": self._first(_pages(self._built))}
        self._first([f"{each}/history" for each in states])
        return cold

    def _first(self, targets: list[str]) -> float:
        requests = [request("GET", target, self._server.key) for target in targets]
        return self._clients.send(self._server, 1, requests, wanted=200).p50


def measure(place: Workplace) -> list[Row]:
    """The row of reading at scale: the worst ratio of the three kinds."""
    sizes = place.sizes
    small, big = place.log(sizes.small_log), place.log(sizes.big_log)
    with serving(small.path, small.key) as little, serving(big.path, big.key) as large:
        readers = {"small": Reader(little, small, place.clients), "big": Reader(large, big, place.clients)}
        cold = {
            f"cold {kind} {name} ms": value for name, reader in readers.items() for kind, value in reader.warm().items()
        }
        rounds = [_round(readers, sizes.requests) for _ in range(sizes.rounds)]
    found = {name: median(each[name] for each in rounds) for name in rounds[0]}
    ratios = {f"{kind} p99 ratio": found[f"{kind} p99 big ms"] / found[f"{kind} p99 small ms"] for kind in READS}
    return [
        Row(
            name="scale", what=f"p99 of history, state and a page at {big.events:,} events to {small.events:,}",
            measured=max(ratios.values()), unit="x", floor=1.3, better="lower", figures={**ratios, **found, **cold},
        )
    ]  # fmt: skip


def _round(readers: dict[str, Reader], many: int) -> dict[str, float]:
    figures: dict[str, float] = {}
    for kind, target in READS.items():
        for name, reader in readers.items():
            told = reader.read(target, many)
            figures |= {f"{kind} p99 {name} ms": told.p99, f"{kind} p50 {name} ms": told.p50}
    return figures
