"""The clients' process: keep-alive connections that send prebuilt requests, each the next one when answered.

`python -m bench.client PORT CONNECTIONS REQUESTS [ANSWERS]`: REQUESTS is a msgpack array of raw requests; prints JSON;
writes the bodies of the answers, in order, as a msgpack array to ANSWERS.
"""

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

HOST = "127.0.0.1"
END_OF_HEAD = b"\r\n\r\n"
LENGTH = b"content-length: "


class Told(Struct):
    """What the clients saw; the latencies are in milliseconds."""

    seconds: float
    statuses: dict[int, int]
    p50: float
    p99: float

    @property
    def rate(self) -> float:
        """Answers a second."""
        return sum(self.statuses.values()) / self.seconds


class Load:
    """The requests that are left, and what came back."""

    def __init__(self, requests: list[bytes]) -> None:
        self.left: Iterator[tuple[int, bytes]] = enumerate(requests)
        self.waiting = len(requests)
        self.bodies: list[bytes] = [b""] * len(requests)
        self.latencies: list[float] = []
        self.statuses: Counter[int] = Counter()
        self.done = asyncio.get_running_loop().create_future()

    def answered(self, number: int, status: int, body: bytes, seconds: float) -> None:
        """Note an answer."""
        self.bodies[number] = body
        self.statuses[status] += 1
        self.latencies.append(seconds)
        self.waiting -= 1
        if not self.waiting and not self.done.done():
            self.done.set_result(None)

    def told(self, seconds: float) -> Told:
        """What the clients saw."""
        ordered = sorted(self.latencies)
        p50, p99 = (1_000 * ordered[int(share * (len(ordered) - 1))] for share in (0.5, 0.99))
        return Told(seconds=seconds, statuses=dict(self.statuses), p50=p50, p99=p99)


class Client(asyncio.Protocol):
    """One connection: a request, its answer, the next."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._got = b""
        self._number = 0
        self._sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        if not self._load.done.done():
            self._load.done.set_exception(error or ConnectionError("The server closed a connection."))

    def send(self) -> None:
        """Send the next request, where one is left."""
        following = next(self._load.left, None)
        if following is not None:
            self._number, request = following
            self._sent = time.perf_counter()
            self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._got += data
        end = self._got.find(END_OF_HEAD)
        if end < 0:
            return
        start = end + len(END_OF_HEAD)
        length = _length(self._got[:end].lower())
        if len(self._got) < start + length:
            return
        body, status = self._got[start : start + length], int(self._got[9:12])
        self._got = b""
        self._load.answered(self._number, status, body, time.perf_counter() - self._sent)
        self.send()


def _length(head: bytes) -> int:
    at = head.index(LENGTH) + len(LENGTH)
    end = head.find(b"\r", at)
    return int(head[at:] if end < 0 else head[at:end])


async def send_all(port: int, connections: int, requests: list[bytes]) -> Load:
    """Connect everyone first, then send; the load knows when all is answered."""
    loop = asyncio.get_running_loop()
    load = Load(requests)
    clients = [(await loop.create_connection(lambda: Client(load), HOST, port))[1] for _ in range(connections)]
    started = time.perf_counter()
    for client in clients:
        client.send()
    await load.done
    print(msgspec.json.encode(load.told(time.perf_counter() - started)).decode())
    return load


def main() -> None:
    """Send a file of requests."""
    port, connections = int(sys.argv[1]), int(sys.argv[2])
    requests = msgspec.msgpack.decode(Path(sys.argv[3]).read_bytes(), type=list[bytes])
    load = asyncio.run(send_all(port, connections, requests))
    if len(sys.argv) > 4:
        Path(sys.argv[4]).write_bytes(msgspec.msgpack.encode(load.bodies))


if __name__ == "__main__":
    main()
