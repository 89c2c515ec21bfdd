"""An example as its users run it: a program of its own that talks to a server of its own, twice."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from tests.service.processes import PATIENCE, ROOT, Server, environment, free_port, noces

LINE = re.compile(r"^ +([\d,]+)  (.+)$", re.MULTILINE)
COUNTED = re.compile(
    r"^partnerships: (\d+) opened, (\d+) found\nfacts and transitions: (\d+) accepted, (\d+) repeated", re.MULTILINE
)


class Told(NamedTuple):
    """What a program said, and what the server's log was after it."""

    status: int
    output: str
    errors: str
    position: int
    state_hash: str

    @property
    def counts(self) -> tuple[int, ...]:
        """Partnerships opened and found, facts and transitions accepted and repeated."""
        found = COUNTED.search(self.output)
        assert found is not None, self.output + self.errors
        return tuple(map(int, found.groups()))

    @property
    def stages(self) -> dict[str, int]:
        """Its table: stage -> count."""
        return {stage: int(count.replace(",", "")) for count, stage in LINE.findall(self.output)}


def run(name: str, path: Path, server: Server) -> subprocess.CompletedProcess[str]:
    """A program that ran to its end."""
    command = [
        sys.executable,
        str(ROOT / "examples" / f"{name}.py"),
        str(path),
        "--url",
        server.url,
        "--key",
        server.key,
    ]
    return subprocess.run(
        command, env={**environment(), "NO_PROXY": "127.0.0.1"}, capture_output=True, text=True, timeout=PATIENCE * 20,
        check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def tell(name: str, path: Path, server: Server) -> Told:
    """What it told, and the log after it."""
    ran = run(name, path, server)
    verified = audit(server, mode="verify")
    return Told(ran.returncode, ran.stdout, ran.stderr, verified["events"], verified["state_hash"])


def audit(server: Server, **body: object) -> dict:
    """The result of an audit over HTTP."""
    with server.client() as http:
        lines = http.post("/v1/audits", json=body).text.splitlines()
    return json.loads(lines[-1])["result"]


def replayed(server: Server) -> dict:
    """The result of `noces replay`, beside the server."""
    ran = noces(
        "replay", "--json", "--organisation", "acme", cwd=server.path.parent, database=f"sqlite:///{server.path}"
    )
    return json.loads(ran.stdout.splitlines()[-1])["result"]


def begin(folder: Path) -> Server:
    """A server with an empty log."""
    return Server(folder / "noces.db", free_port()).start()
