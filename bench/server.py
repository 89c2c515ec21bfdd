"""The server's process: the service as `noces serve` runs it, with two routes more that read a fact and only answer.

`python -m bench.server DATABASE PORT` prints one line of JSON, `{"key"}`; it is null on a database that has one.
"""

import sys
from functools import partial

import msgspec

from service import server
from service.api.all import ROUTES
from service.api.facts import read_fact
from service.api.route import Answer, Call, Route
from service.api.serving import build
from service.settings import Settings

PLENTY = 10**9
"""Requests a minute: they are counted as everybody's are, and never too many."""

_canned = [b"{}"]


async def keep(call: Call) -> Answer:
    """Keep the body that the echo is to answer."""
    _canned[0] = call.raw
    return Answer(body={"bytes": len(call.raw)})


async def echo(call: Call) -> Answer:
    """Read a fact as the real route does, and answer what was kept."""
    read_fact(call.json())
    return Answer(status=201, body=_canned[0], headers={"ETag": '"1"'})


ECHOES = (
    Route(method="PUT", path="/bench/canned", scope="write", run=keep, summary="Keep an answer"),
    Route(method="POST", path="/bench/echo", scope="write", run=echo, summary="Answer what was kept"),
)


def tell(settings: Settings, key: str | None) -> None:
    """Tell the key to whoever started this process."""
    print(msgspec.json.encode({"key": key}).decode(), flush=True)


if __name__ == "__main__":
    server.build = partial(build, routes=(*ROUTES, *ECHOES))  # type: ignore[attr-defined]
    server._greet = tell
    settings = Settings(
        database=f"sqlite:///{sys.argv[1]}", port=int(sys.argv[2]), key_requests=PLENTY, source_requests=PLENTY,
        address_requests=PLENTY,
    )  # fmt: skip
    server.run_server(server.serve_for_ever(settings))
