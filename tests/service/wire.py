"""Bytes as they go over a connection: requests that no library would send, and what a server answers to them."""

import socket
from pathlib import Path

from tests.service.processes import PATIENCE

ESTABLISHED, CLOSE_WAIT = "01", "08"


def raw_answer(server, *parts, pause=None):
    """What a server answers to bytes, until it closes the connection."""
    with connect(server) as connection:
        try:
            for part in parts:
                connection.sendall(part)
                if pause is not None:
                    pause.wait(0.05)
        except ConnectionError:
            return b""
        return rest(connection)


def post(server, *headers, length=None):
    lines = [
        f"POST /v1/partnerships HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.key}\r\nConnection: close",
        *headers,
    ]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    return "\r\n".join([*lines, "", ""]).encode()


def newest(http):
    """The position of the log's last event, page by page."""
    after = 0
    while (page := http.get(f"/v1/events?after={after}&limit=500").json())["items"]:
        after = page["position"]
    return after


def unchanged(server, http, before):
    assert newest(http) == before
    assert server.process.poll() is None


def request(method, target, *headers, version="1.1", body=b""):
    """A request with these headers and no others but Host."""
    lines = [f"{method} {target} HTTP/{version}", "Host: x", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def statuses(told):
    """The statuses of the answers on a connection, in order."""
    return [int(part[:3]) for part in told.split(b"HTTP/1.1 ")[1:]]


def connect(server):
    """A connection of one's own."""
    return socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE)


def rest(connection):
    """All that arrives until the other side closes; a reset is an end as well."""
    told = b""
    try:
        while more := connection.recv(65_536):
            told += more
    except ConnectionError:
        pass
    return told


def is_held(server, connection):
    """Whether the server still holds its side of a connection."""
    sides = [f":{server.port:04X}", f":{connection.getsockname()[1]:04X}"]
    for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]:
        _, local, remote, state, *_ = line.split()
        if [local[-5:], remote[-5:]] == sides:
            return state in (ESTABLISHED, CLOSE_WAIT)
    return False
