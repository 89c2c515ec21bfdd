"""The server's process: the service as `noces serve` runs it, and beside its routes one that only answers.

`python -m bench.server DATABASE` prints one line of JSON, `{"port", "key"}`; the key is null on a database that has one.
"""

import sys

import msgspec

from service import server
from service.api.all import ROUTES
from service.api.facts import read_fact
from service.api.route import Answer, Call, Route
from service.app import build, first_start, running
from service.settings import Settings
from service.telemetry import configure_logs

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


async def serve(database: str) -> None:
    """Serve on a port that is free."""
    configure_logs(json=False)
    settings = Settings(database=f"sqlite:///{database}", port=0)
    listener = server._listen(settings)
    try:
        async with running(settings) as services:
            key = await first_start(services)
            told = {"port": listener.getsockname()[1], "key": key}
            print(msgspec.json.encode(told).decode(), flush=True)
            await server._serve(build(services, routes=(*ROUTES, *ECHOES)), listener)
    finally:
        listener.close()


if __name__ == "__main__":
    server.run_server(serve(sys.argv[1]))
