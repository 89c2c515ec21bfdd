"""Connections: framing that could be read in two ways, heads without measure, callers that are slow, too many at once."""

import asyncio
import json
import math
import socket
import threading

import httpx
import pytest
import uvicorn
from uvicorn.server import ServerState

from service.protocol import bounded
from service.settings import Settings
from tests.service.processes import PATIENCE
from tests.service.wire import connect, is_held, newest, raw_answer, request, rest, statuses, unchanged

BODY = json.dumps({"client": "A", "partner": "Smuggled"}).encode()


def keyed(server, *headers, body=BODY, method="POST", target="/v1/partnerships", version="1.1"):
    """A request that would write, were it read."""
    known = (f"Authorization: Bearer {server.key}", "Content-Type: application/json")
    return request(method, target, *known, *headers, body=body, version=version)


def sized(server, body=BODY, *headers):
    return keyed(server, f"Content-Length: {len(body)}", *headers, body=body)


def chunk(body, size=None):
    return (size or b"%x" % len(body)) + b"\r\n" + body + b"\r\n0\r\n\r\n"


FRAMES = {
    "two lengths that agree": ([f"Content-Length: {len(BODY)}"] * 2, BODY),
    "two lengths that differ": ([f"Content-Length: {len(BODY)}", "Content-Length: 0"], BODY),
    "a list of lengths": ([f"Content-Length: {len(BODY)}, {len(BODY)}"], BODY),
    "a length with a sign": ([f"Content-Length: +{len(BODY)}"], BODY),
    "a length below nothing": (["Content-Length: -1"], BODY),
    "a length in hexadecimal": ([f"Content-Length: {len(BODY):#x}"], BODY),
    "a length beyond all measure": ([f"Content-Length: {10**30}"], BODY),
    "a length and chunks": ([f"Content-Length: {len(BODY)}", "Transfer-Encoding: chunked"], chunk(BODY)),
    "chunks and a length": (["Transfer-Encoding: chunked", "Content-Length: 0"], chunk(BODY)),
    "chunks under another name": (["Transfer-Encoding: xchunked"], chunk(BODY)),
    "chunks that are not last": (["Transfer-Encoding: chunked, identity"], chunk(BODY)),
    "chunks twice, once not": (["Transfer-Encoding: chunked", "Transfer-Encoding: identity"], chunk(BODY)),
    "a blank before the colon": (["Transfer-Encoding : chunked"], chunk(BODY)),
    "a folded header": (["Transfer-Encoding:\r\n chunked"], chunk(BODY)),
    "a bare line feed": (["X-A: b\nTransfer-Encoding: chunked"], chunk(BODY)),
    "a NUL in a header": (["X-A: b\0c", f"Content-Length: {len(BODY)}"], BODY),
    "a chunk's size with a blank": (["Transfer-Encoding: chunked"], chunk(BODY, b"%x " % len(BODY))),
    "a chunk's size beyond all measure": (["Transfer-Encoding: chunked"], chunk(BODY, b"f" * 20)),
    "a chunk longer than it says": (["Transfer-Encoding: chunked"], chunk(BODY, b"2")),
}  # fmt: skip


@pytest.mark.parametrize("name", FRAMES)
def test_a_body_whose_end_could_be_read_in_two_ways_is_refused_and_ends_the_connection(standing, name):
    headers, body = FRAMES[name]
    with standing.client() as http:
        before = newest(http)
        told = raw_answer(standing, keyed(standing, *headers, body=body), sized(standing))
        assert statuses(told) == [400], told
        assert b"application/problem+json" in told
        assert b"connection: close" in told
        unchanged(standing, http, before)


def test_chunks_are_read_as_they_should_be(standing):
    with standing.client() as http:
        before = newest(http)
        body = json.dumps({"client": "A", "partner": f"In chunks {before}"}).encode()
        raw = keyed(standing, "Transfer-Encoding: chunked", "Connection: close", body=chunk(body))
        assert statuses(raw_answer(standing, raw)) == [201]
        assert newest(http) > before


def test_garbage_behind_a_request_does_not_take_its_answer_away(standing):
    with standing.client() as http:
        before = newest(http)
        body = json.dumps({"client": "A", "partner": f"Before garbage {before}"}).encode()
        told = raw_answer(standing, sized(standing, body) + b"\x00\x01\x02 garbage\r\n\r\n")
        assert statuses(told) == [201], told
        assert newest(http) > before


def test_garbage_behind_several_requests_takes_none_of_their_answers_away(standing):
    asked = request("GET", "/v1/me", f"Authorization: Bearer {standing.key}")
    unfinished = keyed(standing, "Transfer-Encoding: chunked", body=b"zz\r\n")
    with standing.client() as http:
        before = newest(http)
        for garbage in (b"\x00\x01\x02", unfinished):
            told = raw_answer(standing, asked * 3 + garbage)
            assert statuses(told) == [200] * 3, told
        unchanged(standing, http, before)


def test_requests_in_a_row_are_answered_in_a_row(standing):
    asked = [request("GET", f"/v1/{name}", f"Authorization: Bearer {standing.key}") for name in ("me", "nothing")]
    last = request("GET", "/healthz", "Connection: close")
    assert statuses(raw_answer(standing, b"".join(asked), last)) == [200, 404, 200]


@pytest.mark.parametrize("pieces", [1, 2])
def test_a_caller_that_would_like_another_protocol_is_answered_in_this_one_with_its_body_read(standing, pieces):
    wish = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA")
    with standing.client() as http:
        before = newest(http)
        body = json.dumps({"client": "A", "partner": f"Upgraded {before}"}).encode()
        head = keyed(standing, f"Content-Length: {len(body)}", *wish, body=b"")
        last = request("GET", "/healthz", "Connection: close")
        parts = [head + body + last] if pieces == 1 else [head, body + last]
        assert statuses(raw_answer(standing, *parts, pause=threading.Event())) == [201, 200]


def test_many_wishes_for_another_protocol_in_a_row_are_no_burden(standing):
    wish = request("GET", "/healthz", "Connection: Upgrade", "Upgrade: x")
    last = request("GET", "/healthz", "Connection: close")
    assert statuses(raw_answer(standing, wish * 2_000 + last)) == [200] * 2_001


def test_a_server_is_no_proxy(standing):
    assert statuses(raw_answer(standing, b"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org\r\n\r\n")) == [405]


def test_http_1_0_is_answered_and_the_connection_ended(standing):
    told = raw_answer(standing, request("GET", "/healthz", version="1.0"))
    assert statuses(told) == [200]
    with standing.client() as http:
        before = newest(http)
        body = json.dumps({"client": "A", "partner": f"Old {before}"}).encode()
        raw = keyed(standing, f"Content-Length: {len(body)}", body=body, version="1.0")
        assert statuses(raw_answer(standing, raw)) == [201]


def test_a_request_names_its_host_as_its_version_wants(standing):
    asked = "GET /healthz HTTP/{}\r\nConnection: close\r\n{}\r\n"
    for version, host, status in (
        ("1.1", "", 400),
        ("1.1", "Host: x\r\n", 200),
        ("1.0", "", 200),
        ("1.1", "Host: x\r\nHost: x\r\n", 400),
    ):
        assert statuses(raw_answer(standing, asked.format(version, host).encode())) == [status]


def test_a_body_packed_on_its_way_is_refused(standing):
    raw = keyed(standing, "Transfer-Encoding: gzip, chunked", "Connection: close", body=chunk(BODY))
    with standing.client() as http:
        before = newest(http)
        assert statuses(raw_answer(standing, raw)) == [415]
        unchanged(standing, http, before)


def test_headers_are_counted(standing):
    closing = "Connection: close"
    most = [f"X-{number}: x" for number in range(98)]
    assert statuses(raw_answer(standing, request("GET", "/healthz", closing, *most))) == [200]
    assert statuses(raw_answer(standing, request("GET", "/healthz", closing, "X-More: x", *most))) == [413]


@pytest.mark.parametrize("split", [None, 30_000, 59_000, -1])
def test_a_head_has_its_measure_in_one_piece_and_in_two(standing, split):
    for size, status in ((60_000, 200), (70_000, 413)):
        raw = request("GET", "/healthz", "Connection: close", f"X-Long: {'x' * size}")
        parts = [raw] if split is None else [raw[:split], raw[split:]]
        assert statuses(raw_answer(standing, *parts, pause=threading.Event())) == [status]


def test_what_came_before_a_head_is_no_part_of_it(standing):
    before = request("GET", "/healthz", f"X-Long: {'x' * 40_000}")
    last = request("GET", "/healthz", "Connection: close", f"X-Long: {'x' * 40_000}")
    assert statuses(raw_answer(standing, before + last[:20_000], last[20_000:], pause=threading.Event())) == [200, 200]


# --- how many and how slow -------------------------------------------------------------------------------------------


def waited(condition):
    """Whether something comes to hold; the patience is only used up where it never does."""
    pause = threading.Event()
    for _ in range(int(PATIENCE * 20)):
        if condition():
            return True
        pause.wait(0.05)
    return False


def test_above_its_bound_a_connection_is_told_so_and_later_ones_are_welcome(serve):
    server = serve(connections=10)
    open_ones = [connect(server) for _ in range(10)]
    for each in open_ones:
        each.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert each.recv(12) == b"HTTP/1.1 200"
    with connect(server) as more:
        told = rest(more)
    assert told.startswith(b"HTTP/1.1 503")
    assert b"retry-after: 1\r\n" in told
    assert b'"code":"busy"' in told
    open_ones.pop().close()
    assert waited(lambda: httpx.get(f"{server.url}/healthz", trust_env=False).status_code == 200)
    for each in open_ones:
        each.close()


def test_a_connection_that_asks_nothing_more_is_closed(serve):
    server = serve(idle_seconds=1, head_seconds=1)
    asked = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    with connect(server) as idle, connect(server) as blank, connect(server) as silent:
        idle.sendall(asked)
        blank.sendall(asked + b"\r\n\r\n")
        assert statuses(rest(idle)) == [200]
        assert statuses(rest(blank)) == [200]
        assert rest(silent) == b""


def test_a_connection_that_asks_again_is_kept(standing):
    with connect(standing) as kept:
        for _ in range(3):
            kept.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            told = b""
            while not told.endswith(b"}"):
                told += kept.recv(65_536)
            assert statuses(told) == [200]


def test_a_caller_that_does_not_take_its_answers_is_given_up(serve):
    server = serve(send_seconds=0.5)
    lazy = socket.socket()
    lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    lazy.connect(("127.0.0.1", server.port))
    with lazy:
        lazy.sendall(request("GET", "/openapi.json") * 40)
        assert is_held(server, lazy)
        assert waited(lambda: not is_held(server, lazy))
        taken = len(rest(lazy))
        whole = len(httpx.get(f"{server.url}/openapi.json", trust_env=False).content) * 40
        assert taken < whole


def test_a_caller_that_takes_its_answers_gets_all_of_them(serve):
    server = serve(send_seconds=10)
    with connect(server) as busy:
        busy.sendall(request("GET", "/openapi.json") * 40 + request("GET", "/healthz", "Connection: close"))
        assert statuses(rest(busy)) == [200] * 41


class Wire:
    """A transport whose caller takes as much as a test says."""

    def __init__(self):
        self.lying = 0
        self.closing = self.aborted = False

    def get_extra_info(self, name, default=None):
        return default

    def get_write_buffer_size(self):
        return self.lying

    def is_closing(self):
        return self.closing

    def close(self):
        self.closing = True

    def abort(self):
        self.closing = self.aborted = True


def written_to(seconds, *, closing):
    """A connection on which a megabyte lies, kept or about to be closed."""

    async def nothing(scope, receive, send):
        """Asked for by nobody here."""

    config = uvicorn.Config(nothing, log_config=None, ws="none", lifespan="off")
    kind = bounded(Settings(send_seconds=seconds))
    protocol = kind(config, ServerState(), {}, asyncio.get_running_loop())
    wire = Wire()
    protocol.connection_made(wire)
    protocol._head_since = math.inf
    wire.lying = 1_000_000
    protocol.pause_writing()
    if closing:
        wire.close()
    return protocol, wire


@pytest.mark.parametrize("closing", [False, True])
async def test_a_caller_that_takes_its_answer_slowly_but_steadily_is_waited_for(closing):
    protocol, wire = written_to(10.0, closing=closing)
    now = protocol.loop.time()
    for second in range(1, 50):
        wire.lying -= 20_000
        protocol.look(now + 9 * second)
        assert not wire.aborted
    protocol.connection_lost(None)


@pytest.mark.parametrize("closing", [False, True])
async def test_a_caller_that_takes_a_byte_now_and_then_is_not(closing):
    protocol, wire = written_to(10.0, closing=closing)
    now = protocol.loop.time()
    for second in range(1, 10):
        wire.lying -= 1
        protocol.look(now + second)
        assert not wire.aborted
    protocol.look(now + 12)
    assert wire.aborted
    protocol.connection_lost(None)
