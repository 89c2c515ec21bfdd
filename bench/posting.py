"""Row http: facts over HTTP from 64 clients, against the same server that only reads them and answers as many bytes."""

from collections.abc import Callable, Sequence
from itertools import count
from statistics import median

import msgspec
from msgspec import Struct

from bench.client import Told
from bench.processes import Clients, Server, request, serving
from bench.rows import Row
from bench.workplace import Workplace

TEXT = (
    "The core banking interface was said to be documented; its authors left two years ago, and the documents with them."
)


class Kind(Struct, frozen=True):
    """One kind of fact that is posted."""

    name: str
    fact: Callable[[int], dict[str, object]]
    keyed: bool = False


KINDS = (
    Kind("guarded", lambda n: {"type": "promise.measured", "promise": "p1", "actual": 30 + n % 3, "unit": "days"}),
    Kind("sealed", lambda n: {
        "type": "promise.made", "promise": f"q{n}", "side": "partner", "kind": "process", "promised": 1,
        "unit": "manual", "evidence": "declared", "text": TEXT,
    }),
    Kind("plain", lambda n: {"type": "incident.raised", "incident": f"INC{n}", "priority": 3}),
    Kind("keyed", lambda n: {"type": "incident.raised", "incident": f"KEY{n}", "priority": 3}, keyed=True),
)  # fmt: skip
"""Guarded: seven guards are asked. Sealed: the same and a text. Plain: no guard reads it. Keyed: plain, with a key."""


class Post:
    """Posts facts of one kind, each time new ones, and the same facts to the echo."""

    def __init__(self, kind: Kind, server: Server, clients: Clients, partnerships: list[str], connections: int) -> None:
        self.kind = kind
        self._server = server
        self._clients = clients
        self._partnerships = partnerships
        self._connections = connections
        self._numbers = count()

    def facts(self, many: int) -> Told:
        """Post so many facts."""
        return self._send(many, lambda n: f"/v1/partnerships/{self._partnerships[n % len(self._partnerships)]}/facts")

    def echoes(self, many: int) -> Told:
        """Post so many to the echo."""
        return self._send(many, lambda n: "/bench/echo")

    def keep_answer(self) -> int:
        """Let the echo answer what a fact is answered; its length."""
        server, requests = self._server, self._requests(1, lambda n: f"/v1/partnerships/{self._partnerships[0]}/facts")
        (answer,) = self._clients.ask(server, 1, requests, wanted=201)
        self._clients.ask(server, 1, [request("PUT", "/bench/canned", server.key, answer)], wanted=200)
        return len(answer)

    def _send(self, many: int, target: Callable[[int], str]) -> Told:
        return self._clients.send(self._server, self._connections, self._requests(many, target), wanted=201)

    def _requests(self, many: int, target: Callable[[int], str]) -> list[bytes]:
        made = []
        for _ in range(many):
            number = next(self._numbers)
            body = msgspec.json.encode(self.kind.fact(number))
            headers = {"Idempotency_Key": f"{self.kind.name}-{number}"} if self.kind.keyed else {}
            made.append(request("POST", target(number), self._server.key, body, **headers))
        return made


def open_partnerships(server: Server, clients: Clients, many: int) -> list[str]:
    """Open partnerships, each with a promise of 30 days; their ids."""
    promise = {
        "type": "promise.made", "promise": "p1", "side": "partner", "kind": "delay", "promised": 30, "unit": "days",
        "evidence": "declared", "text": TEXT,
    }  # fmt: skip
    wanted = [{"client": "Client", "partner": f"Partner {number}"} for number in range(many)]
    found = [each["id"] for each in _post(server, clients, ["/v1/partnerships"] * many, wanted)]
    _post(server, clients, [f"/v1/partnerships/{each}/facts" for each in found], [promise] * many)
    return found


def _post(server: Server, clients: Clients, targets: list[str], bodies: Sequence[object]) -> list[dict[str, str]]:
    requests = [
        request("POST", target, server.key, msgspec.json.encode(body))
        for target, body in zip(targets, bodies, strict=True)
    ]
    return [msgspec.json.decode(answer) for answer in clients.ask(server, 16, requests, wanted=201)]


def measure(place: Workplace) -> list[Row]:
    """The row of facts over HTTP."""
    sizes, clients = place.sizes, place.clients
    with serving(place.fresh("http")) as server:
        opened = open_partnerships(server, clients, sizes.partnerships)
        half = len(opened) // 2
        posts = [
            Post(kind, server, clients, opened[:half] if kind.name == "guarded" else opened[half:], sizes.clients)
            for kind in KINDS
        ]
        for post in posts:
            post.facts(sizes.posts // 4)
        found = [_round(server, posts, sizes.posts) for _ in range(sizes.rounds)]
    return [_row({name: median(each[name] for each in found) for name in found[0]})]


def _round(server: Server, posts: list[Post], many: int) -> dict[str, float]:
    figures: dict[str, float] = {}
    for post in posts:
        post.keep_answer()
        for side, send in (("fact", post.facts), ("echo", post.echoes)):
            spent = server.spent
            told = send(many)
            name = f"{post.kind.name} {side}"
            figures |= {f"{name} 1/s": told.rate, f"{name} p99 ms": told.p99}
            figures[f"{name} CPU us"] = 1e6 * (server.spent - spent) / many
    return figures


def _row(figures: dict[str, float]) -> Row:
    names = [kind.name for kind in KINDS]
    ratios = {f"{name} ratio": figures[f"{name} fact 1/s"] / figures[f"{name} echo 1/s"] for name in names}
    return Row(
        name="http", what="POST a guarded fact without free text, durable, 64 clients, to an echo of it",
        measured=ratios["guarded ratio"], unit="x", floor=0.35, aim=0.5, figures={**ratios, **figures},
    )  # fmt: skip
