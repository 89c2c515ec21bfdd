"""A time-stamping authority on this machine: openssl answers, with a throw-away root, over HTTP."""

import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

OPENSSL = shutil.which("openssl")
CONFIGURATION = """
[tsa]
default_tsa = tsa_1
[tsa_1]
serial = {folder}/serial
default_policy = 1.3.6.1.4.1.99999.1
digests = {digests}
signer_digest = sha256
accuracy = secs:1
ess_cert_id_alg = sha256
[ext]
basicConstraints = critical,CA:false
extendedKeyUsage = critical,timeStamping
[ca]
basicConstraints = critical,CA:true
keyUsage = critical,keyCertSign
[req]
distinguished_name = name
[name]
"""


class Authority:
    """Files of an authority in a folder, and what it answers."""

    def __init__(self, folder: Path, digests: str = "sha256", *, chained: bool = False) -> None:
        self._folder = folder
        self._chain = ("-chain", "ca.pem") if chained else ()
        folder.mkdir()
        (folder / "serial").write_text("01\n")
        (folder / "tsa.cnf").write_text(CONFIGURATION.format(folder=folder, digests=digests))
        new = ("req", "-config", "tsa.cnf", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        self.run(
            *new,
            "-x509",
            "-days",
            "3650",
            "-subj",
            "/CN=root",
            "-keyout",
            "ca.key",
            "-out",
            "ca.pem",
            "-extensions",
            "ca",
        )
        self.run(
            *new, "-subj", "/CN=authority of a name longer than its root's", "-keyout", "tsa.key", "-out", "tsa.csr"
        )
        self.run(
            "x509", "-req", "-in", "tsa.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "3650",
            "-extfile", "tsa.cnf", "-extensions", "ext", "-out", "tsa.pem",
        )  # fmt: skip
        self.url = ""
        self.change: Callable[[bytes], bytes] = lambda reply: reply
        """What becomes of a reply on its way."""

    @property
    def root(self) -> Path:
        """The certificate of the root."""
        return self._folder / "ca.pem"

    def run(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        assert OPENSSL is not None
        return subprocess.run([OPENSSL, *arguments], cwd=self._folder, capture_output=True, check=True)

    def reply(self, query: bytes) -> bytes:
        """What openssl answers to a request."""
        (self._folder / "query.tsq").write_bytes(query)
        self.run(
            "ts", "-reply", "-config", "tsa.cnf", "-queryfile", "query.tsq", "-inkey", "tsa.key", "-signer", "tsa.pem", "-out", "reply.tsr",
            *self._chain,
        )  # fmt: skip
        return (self._folder / "reply.tsr").read_bytes()

    def verifies(self, note: Path, reply: Path) -> bool:
        """What openssl says of a stamp and of the file that was stamped."""
        assert OPENSSL is not None
        command = [OPENSSL, "ts", "-verify", "-data", str(note), "-in", str(reply), "-CAfile", str(self.root)]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    @contextmanager
    def listening(self) -> Iterator[Self]:
        """The authority on a port of its own."""
        authority = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                query = self.rfile.read(int(self.headers["Content-Length"]))
                known = self.headers["Content-Type"] == "application/timestamp-query"
                reply = authority.change(authority.reply(query)) if known else b""
                self.send_response(200 if reply else 500)
                self.send_header("Content-Type", "application/timestamp-reply")
                self.send_header("Content-Length", str(len(reply)))
                self.end_headers()
                self.wfile.write(reply)

            def log_message(self, *_: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        self.url = f"http://127.0.0.1:{server.server_port}/tsr"
        try:
            yield self
        finally:
            server.shutdown()
            thread.join()
            server.server_close()
