"""Rows inbox and hostile: how fast a sender is answered, and the slowest body that a connector was made to read."""

import hmac
import random
import time
from datetime import UTC, datetime
from itertools import count

import msgspec

from bench.client import Told
from bench.processes import Clients, Server, request, serving
from bench.rows import Row
from bench.workplace import Workplace
from service.app import FACT_FIELDS
from service.connectors.compiled import Connector
from service.connectors.engine import Arrival, map_delivery
from service.connectors.load import load_connectors, read_sample, samples

FACTS = 100
SENDERS = 8
SECRET = "a-secret-of-this-measurement"
CONNECTOR = """
name = "bench"
title = "Bench"
summary = "A hundred answers of a survey in one delivery."
items = "@"
key = ["id"]

[[scheme]]
name = "signature"
method = "hmac"
header = "X-Signature"

[[link]]
system = "bench"
kind = "account"
external_id = { path = "account" }

[[rule]]
name = "answered"

[[rule.fact]]
type = "pulse.answered"
occurred_at = { path = "at" }
fields.side = { path = "side" }
fields.score = { path = "score" }
"""


def measure(place: Workplace) -> list[Row]:
    """The rows of what comes in."""
    return [_inbox(place), _hostile(place.sizes.spoiled, place.sizes.large)]


# --- how fast a sender is answered -------------------------------------------------------------------------------------


def _inbox(place: Workplace) -> Row:
    numbers = count()
    with serving(place.fresh("inbox")) as server:
        target = _source(server, place.clients)
        told = [
            _deliver(server, place.clients, target, numbers, place.sizes.deliveries) for _ in range(place.sizes.rounds)
        ]
        started = time.perf_counter()
        while _waiting(server, place.clients):
            time.sleep(0.05)
        behind = time.perf_counter() - started
    p99 = sorted(each.p99 for each in told)
    figures = {
        "p50 ms": sorted(each.p50 for each in told)[len(told) // 2],
        "worst p99 of a round ms": p99[-1],
        "deliveries/s": sum(each.rate for each in told) / len(told),
        "applied so long after the last answer s": behind,
    }
    return Row(
        name="inbox", what=f"p99 of the answer to a signed delivery of {FACTS} facts, {SENDERS} senders",
        measured=p99[len(p99) // 2], unit="ms", floor=500, better="lower", figures=figures,
    )  # fmt: skip


def _source(server: Server, clients: Clients) -> str:
    """A source of the connector, and a partnership for each sender's account; the path of its address."""

    def ask(path: str, body: object) -> dict[str, str]:
        asked = request("POST", path, server.key, msgspec.json.encode(body))
        (answer,) = clients.ask(server, 1, [asked], wanted=201)
        found: dict[str, str] = msgspec.json.decode(answer)
        return found

    ask("/v1/connectors", {"toml": CONNECTOR})
    for number in range(SENDERS):
        link = {"system": "bench", "kind": "account", "external_id": str(number)}
        ask("/v1/partnerships", {"client": "Client", "partner": f"Partner {number}", "links": [link]})
    source = ask("/v1/sources", {"connector": "bench", "name": "bench", "secrets": [SECRET]})
    return "/hooks/" + source["id"]


def _deliver(server: Server, clients: Clients, target: str, numbers: "count[int]", many: int) -> Told:
    return clients.send(server, SENDERS, [_delivery(target, next(numbers)) for _ in range(many)], wanted=202)


def _delivery(target: str, number: int) -> bytes:
    at = datetime.now(UTC).isoformat()
    answers = [
        {"id": f"{number}-{each}", "account": str(number % SENDERS), "side": "client", "score": 1 + each % 5, "at": at}
        for each in range(FACTS)
    ]
    body = msgspec.json.encode(answers)
    return request("POST", target, "", body, X_Signature=hmac.digest(SECRET.encode(), body, "sha256").hex())


def _waiting(server: Server, clients: Clients) -> bool:
    (answer,) = clients.ask(server, 1, [request("GET", "/v1/inbox?status=received&limit=1", server.key)], wanted=200)
    return bool(msgspec.json.decode(answer)["items"])


# --- the slowest body ----------------------------------------------------------------------------------------------------


def _hostile(many: int, large: int) -> Row:
    """Samples spoiled at random, and bodies of a megabyte; each connector was used once before, as in life."""
    chance = random.Random(1)
    shelf = load_connectors(FACT_FIELDS)
    known = [(shelf[name], *read_sample(path)) for name in shelf for path in samples(name).values()]
    for each in known:
        _seconds(*each)
    spoiled = [
        _seconds(connector, _spoil(body, chance), headers) for connector, body, headers in chance.choices(known, k=many)
    ]
    dear = [_seconds(connector, body, ()) for connector in shelf.values() for body in _expensive(large)]
    figures = {
        "spoiled bodies": many,
        "slowest spoiled ms": 1_000 * max(spoiled),
        "median spoiled ms": 1_000 * sorted(spoiled)[many // 2],
        "slowest of the largest ms": 1_000 * max(dear),
    }
    return Row(
        name="hostile", what=f"the slowest body to read, split and map, all {len(shelf)} connectors",
        measured=1_000 * max(*spoiled, *dear), unit="ms", floor=50, better="lower", figures=figures,
    )  # fmt: skip


def _expensive(size: int) -> tuple[bytes, ...]:
    """Bodies of a size that are expensive to look at."""
    return (
        b"[" * size, b'{"a":' * (size // 5), b'"' + b"a" * size + b'"', b'"' * size,
        b"<a>" * (size // 3), b"<a " + b'b="c" ' * (size // 6) + b"/>", b"<a>" + b"x" * size + b"</a>",
        b"[" + b"1," * (size // 2) + b"1]", b"[" + b"{}," * (size // 3) + b"{}]",
        b"<SessionId><![CDATA[" + b"a" * size, b'{"content":"' + b"\\" * size,
        b"{" + b",".join(b'"%d":1' % number for number in range(size // 12)) + b"}",
    )  # fmt: skip


def _seconds(connector: Connector, body: bytes, headers: tuple[tuple[str, str], ...]) -> float:
    started = time.perf_counter()
    map_delivery(connector, {}, Arrival(body, headers, "src_bench", datetime.now(UTC)))
    return time.perf_counter() - started


def _spoil(body: bytes, chance: random.Random) -> bytes:
    """A body that was cut, doubled, overwritten or nested in up to three places."""
    for _ in range(chance.randint(1, 3)):
        start, end = sorted((chance.randrange(len(body) + 1), chance.randrange(len(body) + 1)))
        body = chance.choice((
            body[:start] + body[end:], body[:end] + body[start:end] + body[end:], body[:start],
            body[:start] + bytes([chance.randrange(256)]) + body[end:], body[:start] + b"[" * 200 + body[start:],
        ))  # fmt: skip
    return body
