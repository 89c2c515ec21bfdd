"""The dependency audit: it passes, fails and says that it could not look, each where it must."""

import json
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.service.processes import free_port

ROOT = Path(__file__).parents[1]
LOCK = "msgspec==0.20.0 \\\n    --hash=sha256:" + "0" * 64 + "\nclick==8.2.0 \\\n    --hash=sha256:" + "1" * 64 + "\n"
FOUND = {
    "vulns": [
        {
            "id": "PYSEC-2026-1", "summary": "It lets strangers in.", "details": "It does.", "aliases": [], "published": "2026-01-01T00:00:00Z",
            "affected": [
                {
                    "package": {"name": "click", "ecosystem": "PyPI"},
                    "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "9.0"}]}],
                }
            ],
        }
    ]
}  # fmt: skip


@contextmanager
def database(answer, status=200):
    """An OSV database on loopback that answers every question as told."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_error(405)

        def do_POST(self):
            question = json.loads(self.rfile.read(int(self.headers["content-length"])))
            asked.append(question["package"]["name"])
            body = json.dumps(answer(asked[-1])).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1/query", asked
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def audit(tmp_path):
    (tmp_path / "lock").write_text(LOCK)

    def run(url):
        command = [sys.executable, str(ROOT / ".ci" / "audit.py"), "--osv-url", url, "--lock", str(tmp_path / "lock")]
        command += ["--sbom", str(tmp_path / "build" / "sbom.json")]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)

    return run


def test_where_nothing_is_known_it_passes_and_has_asked_of_all(audit, tmp_path):
    with database(lambda _: {}) as (url, asked):
        told = audit(url)
    assert (told.returncode, sorted(asked)) == (0, ["click", "msgspec"]), told.stderr
    assert "nothing known" in told.stdout
    named = {each["name"] for each in json.loads((tmp_path / "build" / "sbom.json").read_text())["components"]}
    assert named == {"click", "msgspec"}


def test_a_known_vulnerability_fails_it(audit):
    with database(lambda name: FOUND if name == "click" else {}) as (url, _):
        told = audit(url)
    assert told.returncode == 1
    assert "PYSEC-2026-1" in told.stdout + told.stderr


def test_a_database_that_answers_with_an_error_fails_it(audit):
    with database(lambda _: {}, status=500) as (url, _):
        told = audit(url)
    assert told.returncode != 0
    assert "nothing known" not in told.stdout


def test_where_no_database_is_reached_it_says_that_it_did_not_check(audit):
    told = audit(f"http://127.0.0.1:{free_port()}/v1/query")
    assert told.returncode == 0
    assert "not checked" in told.stdout


def test_the_bill_of_materials_names_every_pinned_release(tmp_path):
    lock = (ROOT / "requirements.lock").read_text()
    pinned = {
        line.split("==")[0].lower() for line in lock.splitlines() if "==" in line and not line.startswith((" ", "#"))
    }
    path = tmp_path / "sbom.json"
    command = [
        sys.executable,
        str(ROOT / ".ci" / "audit.py"),
        "--osv-url",
        f"http://127.0.0.1:{free_port()}/",
        "--sbom",
        str(path),
    ]
    assert subprocess.run(command, capture_output=True, check=False, timeout=120).returncode == 0
    assert {each["name"].lower() for each in json.loads(path.read_text())["components"]} == pinned
