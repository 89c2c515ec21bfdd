"""Slow callers: each is closed in its time, and those who are quick are answered meanwhile."""

import csv
import selectors
import shutil
import subprocess
import threading
import time
from statistics import median

import pytest

from tests.service.processes import PATIENCE
from tests.service.wire import connect, newest, request, statuses

DRIP = 0.2
"""Seconds between two bytes of a slow caller."""


def an_import(server, target):
    """The head of an import whose lines come in chunks."""
    known = (f"Authorization: Bearer {server.key}", "Content-Type: application/x-ndjson", "Transfer-Encoding: chunked")
    return request("POST", target, *known)


def heard(connection):
    """All that arrives until the other side closes in good order."""
    told = b""
    while more := connection.recv(65_536):
        told += more
    return told


def heard_by_an_import(server, target, lines):
    """What a caller hears who sends some lines and then stands still."""
    with connect(server) as slow:
        slow.sendall(an_import(server, target) + b"%x\r\n%s\r\n" % (len(lines), lines))
        return heard(slow)


def beginnings(server):
    """How slow callers begin, and the bytes that they would go on with."""
    known = (f"Authorization: Bearer {server.key}", "Content-Type: application/json")
    slow_body = request("POST", "/v1/partnerships", *known, "Content-Length: 100000")
    slow_lines = an_import(server, "/v1/facts")
    return {
        "a head without end": (b"GET /healthz HTTP/1.1\r\nHost: x\r\n", b"X-a: b\r\n"),
        "a body without end": (slow_body + b'{"client":"', b"a"),
        "a body of strangers": (request("POST", "/hooks/src_1", "Content-Length: 100000"), b"a"),
        "nothing at all": (b"", b""),
        "an import that stands still": (slow_lines + b"1\r\n{\r\n", b""),
    }


class Slow(threading.Thread):
    """Connections that begin and then send a byte now and then, until each is closed."""

    def __init__(self, server, many):
        super().__init__(daemon=True)
        self.left = {}
        self.told = []
        kinds = list(beginnings(server).values())
        for number in range(many):
            begun, drop = kinds[number % len(kinds)]
            connection = connect(server)
            connection.sendall(begun)
            self.left[connection] = (drop * 10_000, b"")
        self.many = many

    def run(self):
        end = time.monotonic() + PATIENCE
        with selectors.DefaultSelector() as selector:
            for connection in self.left:
                connection.setblocking(False)
                selector.register(connection, selectors.EVENT_READ)
            while self.left and time.monotonic() < end:
                for key, _ in selector.select(DRIP):
                    self._hear(selector, key.fileobj)
                for connection in tuple(self.left):
                    self._drip(selector, connection)

    def _drip(self, selector, connection):
        drops, heard = self.left[connection]
        try:
            if drops:
                connection.send(drops[:1])
        except ConnectionError:
            self._close(selector, connection)
        else:
            self.left[connection] = (drops[1:], heard)

    def _hear(self, selector, connection):
        drops, heard = self.left[connection]
        try:
            more = connection.recv(65_536)
        except ConnectionError:
            more = b""
        self.left[connection] = (drops, heard + more)
        if not more:
            self._close(selector, connection)

    def _close(self, selector, connection):
        self.told.append(self.left.pop(connection)[1])
        selector.unregister(connection)
        connection.close()


def asked(http, number):
    """Seconds that a healthy caller waits for one answer, which must be there."""
    began = time.perf_counter()
    if number % 2:
        answer = http.get("/v1/me")
    else:
        answer = http.post("/v1/partnerships", json={"client": "Healthy", "partner": f"{number} of {began}"})
    assert answer.status_code == 201 - number % 2, answer.text
    return time.perf_counter() - began


def endured(serve, many, record_property):
    """Let so many slow callers come at once, and healthy ones ask all the while; every slow one is closed."""
    server = serve(head_seconds=1, receive_seconds=1, send_seconds=1, idle_seconds=20)
    with server.client() as http:
        quiet = [asked(http, number) for number in range(40)]
        before = newest(http)
        slow = Slow(server, many)
        slow.start()
        busy = []
        while slow.is_alive():
            busy.append(asked(http, len(busy)))
        posted = len(busy[::2])
        assert newest(http) == before + posted
    assert not slow.left
    assert len(slow.told) == many
    assert {each for told in slow.told for each in statuses(told)} <= {400, 404, 429}
    record_property(
        "told",
        f"slow callers: median {1e3 * median(quiet):.1f} ms alone, {1e3 * median(busy):.1f} ms beside {many} slow ones",
    )
    assert server.terminate() == 0
    assert "Traceback" not in server.errors


def test_two_hundred_slow_callers_are_closed_and_quick_ones_answered_meanwhile(serve, record_property):
    endured(serve, 200, record_property)


@pytest.mark.long
def test_nine_hundred_slow_callers_are_closed_and_quick_ones_answered_meanwhile(serve, record_property):
    endured(serve, 900, record_property)


@pytest.mark.parametrize("kind", ["a head without end", "a body without end", "an import that stands still"])
def test_a_slow_caller_is_told_why_it_was_closed(serve, kind):
    server = serve(head_seconds=0.5, receive_seconds=0.5, idle_seconds=1)
    begun, _ = beginnings(server)[kind]
    with connect(server) as slow:
        slow.sendall(begun)
        told = heard(slow)
    assert statuses(told) == [400]
    assert b"did not arrive within 0.5 seconds" in told


def test_a_live_import_that_stands_still_keeps_what_it_acknowledged_and_says_why_it_ends(serve):
    server = serve(receive_seconds=0.5, idle_seconds=1)
    with server.client() as http:
        opened = http.post("/v1/partnerships", json={"client": "A", "partner": "B"}).json()["id"]
        before = newest(http)
        line = b'{"partnership":"%s","type":"incident.reopened","incident":"i"}\n' % opened.encode()
        told = heard_by_an_import(server, "/v1/facts?results=all", line)
        assert statuses(told) == [200]
        assert b'"status":"accepted"' in told
        assert b'"status":"cut","code":"bad_request"' in told
        assert newest(http) == before + 1


def test_an_import_that_stands_still_keeps_what_was_read_and_leaves_nothing_unheard(serve):
    server = serve(receive_seconds=0.5, idle_seconds=1)
    with server.client() as http:
        opened = http.post("/v1/partnerships", json={"client": "A", "partner": "B"}).json()["id"]
        before = newest(http)
        lines = b"".join(
            b'{"partnership":"%s","type":"incident.reopened","incident":"i"%s}\n' % (opened.encode(), more)
            for more in (b"", b',"occurred_at":"1800-01-01T00:00:00Z"', b"")
        )
        told = heard_by_an_import(server, "/v1/facts", lines)
        assert statuses(told) == [400]
        assert newest(http) == before + 2
    assert server.terminate() == 0
    assert "never retrieved" not in server.errors


# --- the tool that others use ----------------------------------------------------------------------------------------

TOOL = shutil.which("slowhttptest")
MODES = {
    "slow heads": ["-H"],
    "slow bodies": ["-B"],
    "slow readers": ["-X", "-k", "3", "-w", "512", "-y", "1024", "-z", "32"],
}


@pytest.mark.long
@pytest.mark.skipif(TOOL is None, reason="apt-get install slowhttptest")  # only this campaign needs the tool
@pytest.mark.parametrize("mode", MODES)
def test_slowhttptest_finds_the_service_available(serve, tmp_path, mode):
    server = serve(head_seconds=2, receive_seconds=2, send_seconds=2, idle_seconds=10)
    options = [
        *MODES[mode],
        *["-c", "300", "-r", "100", "-i", "1", "-l", "12", "-p", "5", "-g", "-o"],
        str(tmp_path / "told"),
        "-u",
        f"{server.url}/docs",
    ]
    with server.client() as http:
        attack = subprocess.Popen([TOOL, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        number = 0
        while attack.poll() is None:
            asked(http, number)
            number += 1
    assert attack.returncode == 0
    with (tmp_path / "told.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert rows
    assert all(int(row["Service Available"]) for row in rows), rows
    assert server.terminate() == 0
