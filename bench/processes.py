"""The processes of a measurement: servers, clients, and what the system says of their memory."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
from msgspec import Struct

from bench.client import HOST, Told

ROOT = Path(__file__).parent.parent
NOCES = "from service.cli import main; main()"
"""The command line, for `python -c`."""
READY_SECONDS = 60.0
MEGABYTE = 2**20


class Server(Struct):
    """A running server."""

    process: subprocess.Popen[bytes]
    port: int
    key: str

    def memory(self, what: str) -> float:
        """A figure of /proc/PID/status in megabytes: VmRSS is now, VmHWM the most since `forget_peak`."""
        return memory(self.process.pid, what)

    @property
    def spent(self) -> float:
        """The processor's seconds, in all threads, so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def forget_peak(self) -> None:
        """Let VmHWM begin anew."""
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5", encoding="ascii")


def memory(pid: int | str, what: str) -> float:
    """A process' VmRSS or VmHWM in megabytes."""
    text = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    found = re.search(rf"^{what}:\s+(\d+) kB$", text, re.MULTILINE)
    if found is None:
        raise LookupError(f"/proc/{pid}/status has no {what}; memory is measured on Linux only.")
    return int(found[1]) * 1_024 / MEGABYTE


@contextmanager
def serving(database: Path, key: str = "") -> Iterator[Server]:
    """A server of its own process on a database; the key is its first one, or the given one."""
    port = free_port()
    command = [sys.executable, "-m", "bench.server", str(database), str(port)]
    database.parent.mkdir(parents=True, exist_ok=True)
    with (
        database.with_suffix(".log").open("ab") as log,
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log) as process,
    ):
        try:
            assert process.stdout is not None
            told = msgspec.json.decode(process.stdout.readline())
            wait_until_ready(port)
            yield Server(process=process, port=port, key=told["key"] or key)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(READY_SECONDS)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as free:
        free.bind((HOST, 0))
        return int(free.getsockname()[1])


def wait_until_ready(port: int) -> None:
    """Ask /readyz until it answers."""
    limit = time.perf_counter() + READY_SECONDS
    while time.perf_counter() < limit:
        try:
            if exchange(port, request("GET", "/readyz", "")).startswith(b"HTTP/1.1 200"):
                return
        except OSError:
            time.sleep(0.001)
    raise TimeoutError(f"Nothing answers on port {port} after {READY_SECONDS:g} s.")


def exchange(port: int, raw: bytes) -> bytes:
    """Send a request on a connection of its own and read all that comes back."""
    with socket.create_connection((HOST, port)) as connection:
        connection.sendall(raw.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
        return b"".join(iter(lambda: connection.recv(65_536), b""))


def request(method: str, target: str, key: str, body: bytes = b"", **headers: str) -> bytes:
    """A request as it goes over the wire."""
    named = {"Host": HOST, "Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    named |= {name.replace("_", "-"): value for name, value in headers.items()}
    if body or method != "GET":
        named["Content-Length"] = str(len(body))
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in named.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Clients:
    """Sends files of requests from a process of its own."""

    def __init__(self, folder: Path) -> None:
        self._requests = folder / "requests"
        self._answers = folder / "answers"

    def send(self, server: Server, connections: int, requests: Sequence[bytes], *, wanted: int) -> Told:
        """Send all; every answer must have the wanted status."""
        return self._run(server, connections, requests, wanted)[0]

    def ask(self, server: Server, connections: int, requests: Sequence[bytes], *, wanted: int) -> list[bytes]:
        """Send all; the bodies of the answers, in order."""
        return self._run(server, connections, requests, wanted)[1]

    def _run(
        self, server: Server, connections: int, requests: Sequence[bytes], wanted: int
    ) -> tuple[Told, list[bytes]]:
        self._requests.write_bytes(msgspec.msgpack.encode(requests))
        files = [str(self._requests), str(self._answers)]
        command = [sys.executable, "-m", "bench.client", str(server.port), str(connections), *files]
        done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE)
        told = msgspec.json.decode(done.stdout, type=Told)
        bodies = msgspec.msgpack.decode(self._answers.read_bytes(), type=list[bytes])
        if told.statuses != {wanted: len(requests)}:
            raise ValueError(
                f"Every answer should be {wanted}; they were {told.statuses}, such as {bodies[0][:500]!r}."
            )
        return told, bodies
