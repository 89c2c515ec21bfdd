"""Row limits: what counting a request costs, in process, and its share of a request over HTTP."""

import time
from collections.abc import Callable
from typing import Any

from bench.posting import KINDS, Post, open_partnerships
from bench.processes import serving
from bench.rows import Row, interleaved
from bench.workplace import Workplace
from service.admission import Admission
from service.auth import Principal
from service.errors import ServiceError
from service.settings import Settings

CALLERS = 10_000
"""How many keys, addresses and sources take turns."""
PLENTY = 10**9
FORWARDED = (b"x-forwarded-for", b"203.0.113.9, 10.0.0.2")


def measure(place: Workplace) -> list[Row]:
    """The row of what counting costs; the figure is that of a request with a key."""
    many = place.sizes.repeats
    sides = {name: _each(many, work) for name, work in _kinds().items()}
    figures = {f"{name} us": seconds * 1e6 for name, seconds in interleaved(place.sizes.rounds, sides).items()}
    request = _request(place)
    cost = figures["key us"]
    return [
        Row(
            name="limits", what="counting a request of one of 10,000 keys", measured=cost, unit="us", floor=10.0,
            better="lower", figures={**figures, "request CPU us": request, "share %": 100 * cost / request},
        )
    ]  # fmt: skip


def _kinds() -> dict[str, Callable[[int], None]]:
    plenty = Admission(_settings(PLENTY), time.monotonic, lambda _: None)
    little = Admission(_settings(1), time.monotonic, lambda _: None)
    keys = [Principal(organisation="o", key=f"key_{n:026}", scopes=frozenset()) for n in range(CALLERS)]
    direct, proxied = ([_scope(f"{first}.0.{n // 250}.{n % 250}") for n in range(CALLERS)] for first in (192, 10))
    scope = _scope("192.0.2.1")

    def refused(number: int) -> None:
        try:
            little.caller(scope, keys[number % 10])
        except ServiceError:
            return

    return {
        "key": lambda n: plenty.caller(scope, keys[n % CALLERS]),
        "address": lambda n: plenty.stranger(direct[n % CALLERS]),
        "address behind a proxy": lambda n: plenty.stranger(proxied[n % CALLERS]),
        "source": lambda n: plenty.sender(scope, keys[n % CALLERS].key),
        "refused": refused,
    }


def _settings(requests: int) -> Settings:
    return Settings(
        key_requests=requests, address_requests=requests, source_requests=requests, proxies="10.0.0.0/8"
    )  # fmt: skip


def _scope(peer: str) -> dict[str, Any]:
    return {"path": "/docs", "client": (peer, 1), "headers": [(b"host", b"x"), FORWARDED], "state": {}}


def _each(many: int, work: Callable[[int], None]) -> Callable[[], float]:
    """The seconds of one call, over many with numbers that go on."""

    def measured() -> float:
        started = time.perf_counter()
        for number in range(many):
            work(number)
        return (time.perf_counter() - started) / many

    return measured


def _request(place: Workplace) -> float:
    """The server's CPU of one posted fact, in us."""
    many = place.sizes.posts
    with serving(place.fresh("limits")) as server:
        plain = next(kind for kind in KINDS if kind.name == "plain")
        post = Post(plain, server, place.clients, open_partnerships(server, place.clients, 64), place.sizes.clients)
        post.facts(many // 4)
        spent = server.spent
        post.facts(many)
        return 1e6 * (server.spent - spent) / many
