"""`noces` as its own process: a server that is started, asked and ended by its pid, and commands that run beside it."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import httpx

ROOT = Path(__file__).parents[2]
NOCES = [sys.executable, "-c", "from service.cli import main; main()"]
PATIENCE = 30.0
"""Seconds for a process to do what it was started for; only ever reached when it hangs."""


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def environment(**settings: Any) -> dict[str, str]:
    """The environment of a process: none of this one's settings, only these."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NOCES_")}
    return {
        **kept,
        "PYTHONPATH": str(ROOT),
        **{f"NOCES_{name.upper()}": str(value) for name, value in settings.items()},
    }


def noces(*arguments: str, cwd: Path, **settings: Any) -> subprocess.CompletedProcess[str]:
    """A command that ran to its end."""
    return subprocess.run(
        [*NOCES, *arguments], cwd=cwd, env=environment(**settings), capture_output=True, text=True, timeout=PATIENCE * 4,
        check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip


class Server:
    """A `noces serve` process on a port of its own."""

    def __init__(self, path: Path, port: int, arguments: Sequence[str] = (), **settings: Any) -> None:
        self.path = path
        self.port = port
        self._arguments = arguments
        self.url = f"http://127.0.0.1:{port}"
        self.key = ""
        self.output = ""
        self.errors = ""
        self._settings = {"organisation": "acme", "clock_seconds": 3600, **settings}
        self._process: subprocess.Popen[str] | None = None
        self._readers: list[threading.Thread] = []

    def begin(self) -> Self:
        """Start the process, without waiting for it."""
        arguments = ["serve", "--database", f"sqlite:///{self.path}", "--port", str(self.port), *self._arguments]
        self._process = subprocess.Popen(
            [*NOCES, *arguments], cwd=self.path.parent, env=environment(**self._settings), text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        self._readers = [threading.Thread(target=read, daemon=True) for read in (self._read_output, self._read_errors)]
        for reader in self._readers:
            reader.start()
        return self

    def start(self) -> Self:
        """Start the process and wait for its first answer; a key that it tells is kept."""
        self.begin()
        self.wait_until_it_answers()
        if told := re.search(r"NOCES_KEY=(\S+)", self.output):
            self.key = told[1]
        return self

    def wait_until_it_answers(self) -> None:
        end = time.monotonic() + PATIENCE
        while True:
            try:
                if httpx.get(f"{self.url}/healthz", trust_env=False).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            assert self.process.poll() is None, f"The server ended: {self.errors}"
            assert time.monotonic() < end, f"The server does not answer: {self.errors}"
            time.sleep(0.02)

    @property
    def process(self) -> subprocess.Popen[str]:
        assert self._process is not None
        return self._process

    def client(self, **chosen: Any) -> httpx.Client:
        """A client with the first start's key."""
        headers = {"Authorization": f"Bearer {self.key}"}
        return httpx.Client(base_url=self.url, headers=headers, trust_env=False, timeout=PATIENCE, **chosen)

    def terminate(self) -> int:
        """Ask the process to end; its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """End the process without asking."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
        self.wait()

    def wait(self) -> int:
        """The exit status of the process, and everything it said."""
        if self._process is None:
            return 0
        status = self._process.wait(PATIENCE)
        for reader in self._readers:
            reader.join(PATIENCE)
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()
        return status

    def _read_output(self) -> None:
        for line in self.process.stdout or ():
            self.output += line

    def _read_errors(self) -> None:
        for line in self.process.stderr or ():
            self.errors += line
