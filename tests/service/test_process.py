"""Real processes: one server a file, an orderly end, kill -9 under load, a full disk, slow and oversized callers."""

import asyncio
import json
import resource
import threading
from collections import Counter
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from subprocess import run

import httpx
import pytest

from tests.service.processes import PATIENCE, noces
from tests.service.senders import SECRET, incident, signed
from tests.service.wire import newest, post, raw_answer, unchanged
from tests.service.world import problem

TEXT = "Nothing here is short. " * 340
"""A text near the limit, so that a little room is soon taken."""


def open_partnership(http, **fields):
    body = {"client": "Atelier Nord", "partner": "Logiciels Sud", "opened_at": "2020-01-10T00:00:00Z", **fields}
    answer = http.post("/v1/partnerships", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


def every_event(http):
    found, after = [], 0
    while page := (told := http.get("/v1/events", params={"after": after, "limit": 500}).json())["items"]:
        found += page
        after = told["position"]
    return found


# --- one server a file ---------------------------------------------------------------------------------------------


def test_a_second_server_on_the_same_file_is_refused_and_told_of_postgresql(serve, standing):
    second = serve(standing.path, wait=False)
    assert second.wait() == 1
    assert "PostgreSQL" in second.errors
    assert str(standing.process.pid) in second.errors
    assert "Traceback" not in second.errors
    with standing.client() as http:
        assert http.get("/v1/me").status_code == 200


def test_a_port_that_is_taken_is_named(serve, standing, tmp_path):
    second = serve(tmp_path / "other.db", wait=False, port=standing.port)
    assert second.wait() == 1
    assert str(standing.port) in second.errors
    assert "--port" in second.errors
    assert not (tmp_path / "other.db").exists()


def test_the_first_start_tells_its_key_once_and_the_second_none(serve, server):
    assert server.key.startswith("noces_")
    assert server.output.count("NOCES_KEY=") == 1
    with server.client() as http:
        assert http.get("/v1/me").json()["organisation"] == "acme"
    assert server.terminate() == 0
    again = serve(server.path)
    assert again.key == ""
    again.key = server.key
    with again.client() as http:
        assert http.get("/v1/me").status_code == 200


def test_a_key_is_made_beside_a_live_server_over_its_lock_file(standing, tmp_path):
    assert standing.path.with_name("noces.db.lock").stat().st_mode & 0o777 == 0o600
    told = noces(
        "keys", "create", "--scopes", "read,write", "--name", "ci", "--json",
        "--database", f"sqlite:///{standing.path}", "--organisation", "acme", cwd=tmp_path,
    )  # fmt: skip
    assert (told.returncode, told.stderr) == (0, "")
    made = json.loads(told.stdout)
    with standing.client() as http:
        http.headers["Authorization"] = f"Bearer {made['key']}"
        assert http.get("/v1/me").json()["key"] == made["id"]


def test_without_a_server_the_same_command_works_on_the_file(serve, tmp_path):
    server = serve()
    server.terminate()
    told = noces(
        "keys",
        "create",
        "--scopes",
        "read",
        "--json",
        "--database",
        f"sqlite:///{server.path}",
        "--organisation",
        "acme",
        cwd=tmp_path,
    )
    assert told.returncode == 0, told.stderr
    again = serve(server.path)
    again.key = json.loads(told.stdout)["key"]
    with again.client() as http:
        assert http.get("/v1/me").status_code == 200


def test_the_token_in_the_lock_file_ends_with_its_process(serve, server):
    token = json.loads((server.path.with_name("noces.db.lock")).read_text())["token"]
    headers = {"Authorization": f"Bearer {token}", "noces-organisation": "acme"}
    assert httpx.get(f"{server.url}/v1/keys", headers=headers, trust_env=False).status_code == 200
    server.kill()
    again = serve(server.path)
    assert httpx.get(f"{again.url}/v1/keys", headers=headers, trust_env=False).status_code == 401


# --- an orderly end ------------------------------------------------------------------------------------------------


class Load(threading.Thread):
    """One caller that records facts under keys as fast as it can, and knows what it was answered."""

    def __init__(self, server, opened, name):
        super().__init__(daemon=True)
        self.server, self.opened, self.prefix = server, opened, name
        self.answered = {}
        self.asked = {}
        self.strange = []

    def body(self, number):
        return {"type": "incident.raised", "incident": f"{self.prefix}-{number}", "priority": 3}

    def run(self):
        with self.server.client() as http:
            for number in range(100_000):
                key, body = f"{self.prefix}-{number}", self.body(number)
                self.asked[key] = body
                try:
                    answer = http.post(
                        f"/v1/partnerships/{self.opened}/facts", json=body, headers={"Idempotency-Key": key}
                    )
                except httpx.TransportError:
                    return
                if answer.status_code == 201:
                    self.answered[key] = answer.json()
                else:
                    self.strange.append(answer.text)
                    return


class Hooks(threading.Thread):
    """One sender that delivers incidents as fast as it can."""

    def __init__(self, server, url, first):
        super().__init__(daemon=True)
        self.server, self.url, self.first = server, url, first
        self.taken = {}
        self.sent = []

    def run(self):
        with httpx.Client(trust_env=False, timeout=PATIENCE) as http:
            for number in range(self.first, self.first + 100_000):
                body = incident(number)
                self.sent.append(number)
                try:
                    answer = http.post(self.url, content=body, headers=signed("pagerduty", "", body, datetime.now(UTC)))
                except httpx.TransportError:
                    return
                if answer.status_code in (200, 202):
                    self.taken[number] = answer.json()["inbox"]


def test_asked_to_end_it_finishes_what_it_began_and_gives_the_file_back(serve, server):
    with server.client() as http:
        opened = open_partnership(http)
    loads = [Load(server, opened, f"l{number}") for number in range(4)]
    for load in loads:
        load.start()
    while min(len(load.answered) for load in loads) < 20:
        assert all(load.is_alive() for load in loads)
    assert server.terminate() == 0
    for load in loads:
        load.join(PATIENCE)
    assert not [each for load in loads for each in load.strange]
    assert "Traceback" not in server.errors
    again = serve(server.path)
    again.key = server.key
    with again.client() as http:
        recorded = [each["data"]["incident"] for each in every_event(http) if each["type"] == "incident.raised"]
    assert {key for load in loads for key in load.answered} <= set(recorded)
    assert len(recorded) == len(set(recorded))


def killed_rounds(serve, server, rounds):
    """Kill a server under load again and again; each time everything answered is there exactly once."""
    with server.client() as http:
        link = {"system": "pagerduty", "kind": "service", "external_id": "PSVC007"}
        opened = open_partnership(http, links=[link])
        source = http.post("/v1/sources", json={"connector": "pagerduty", "name": "pd", "secrets": [SECRET]}).json()
    for turn in range(rounds):
        loads = [Load(server, opened, f"r{turn}l{number}") for number in range(3)]
        hooks = Hooks(server, f"{server.url}/hooks/{source['id']}", turn * 1_000_000)
        for each in (*loads, hooks):
            each.start()
        while min(len(load.answered) for load in loads) < 10 or len(hooks.taken) < 10:
            assert not [each for load in loads for each in load.strange]
        server.kill()
        for each in (*loads, hooks):
            each.join(PATIENCE)
        again = serve(server.path)
        again.key, server = server.key, again
        with server.client() as http:
            check_what_was_answered(http, opened, loads)
            check_what_was_taken(http, hooks)


def check_what_was_answered(http, opened, loads):
    events = every_event(http)
    assert [each["position"] for each in events] == list(range(1, len(events) + 1))
    by_id = {each["id"]: each for each in events}
    for load in loads:
        for told in load.answered.values():
            assert by_id[told["events"][0]["id"]] == told["events"][0]
        for key, body in load.asked.items():
            again = http.post(f"/v1/partnerships/{opened}/facts", json=body, headers={"Idempotency-Key": key})
            assert again.status_code == 201, again.text
            assert again.json() == load.answered.get(key, again.json())
    recorded = Counter(each["data"]["incident"] for each in every_event(http) if each["type"] == "incident.raised")
    assert set(recorded.values()) == {1}
    versions = [each["version"] for each in every_event(http) if each.get("partnership") == opened]
    assert versions == list(range(1, len(versions) + 1))


def check_what_was_taken(http, hooks):
    while http.get("/v1/inbox?status=received&limit=1").json()["items"]:
        threading.Event().wait(0.02)
    for number, inbox in hooks.taken.items():
        told = http.get(f"/v1/inbox/{inbox}").json()
        assert (told["status"], len(told["items"][0]["positions"])) == ("applied", 1), told
        body = incident(number)
        again = httpx.post(
            hooks.url.replace(f":{hooks.server.port}", f":{http.base_url.port}"),
            content=body,
            headers=signed("pagerduty", "", body, datetime.now(UTC)),
            trust_env=False,
        )
        assert (again.status_code, again.json()["inbox"]) == (200, inbox)
    recorded = Counter(
        each["data"]["incident"]
        for each in every_event(http)
        if each.get("source") and each["type"] == "incident.raised"
    )
    assert set(recorded.values()) == {1}
    assert {f"PINC{number}" for number in hooks.taken} <= set(recorded)


def test_killed_under_load_three_times_everything_answered_is_there_once(serve, server):
    killed_rounds(serve, server, 3)


@pytest.mark.long
def test_killed_under_load_twenty_times_everything_answered_is_there_once(serve, server):
    killed_rounds(serve, server, 20)


# --- a full disk ---------------------------------------------------------------------------------------------------


def can_mount():
    """Whether this process may mount a disk of its own (CAP_SYS_ADMIN)."""
    told = dict(line.split(":\t") for line in Path("/proc/self/status").read_text().splitlines() if ":\t" in line)
    return bool(int(told["CapEff"], 16) >> 21 & 1)


class Limit:
    """Room that ends because no file of the process may grow beyond a size."""

    def __init__(self, folder):
        self.folder = folder
        self.pid = 0

    def take(self):
        size = max(path.stat().st_size for path in self.folder.iterdir())
        resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (size + 100_000, resource.RLIM_INFINITY))

    def give(self):
        resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    def end(self):
        pass


class Disk:
    """A disk of its own with 8 MB, and a file that takes what is left of it."""

    def __init__(self, folder):
        self.folder = folder
        run(["mount", "-t", "tmpfs", "-o", "size=8m", "noces", str(folder)], check=True)

    def take(self):
        with (self.folder / "filler").open("wb", buffering=0) as filler:
            for size in (1_000_000, 10_000):
                try:
                    while True:
                        filler.write(b"x" * size)
                except OSError:
                    pass
            filler.truncate(filler.tell() - 100_000)

    def give(self):
        (self.folder / "filler").unlink()

    def end(self):
        run(["umount", "-l", str(self.folder)], check=True)


@contextmanager
def room(way, folder):
    folder.mkdir()
    made = {"limit": Limit, "disk": Disk}[way](folder)
    try:
        yield made
    finally:
        made.end()


@pytest.mark.parametrize("way", ["limit", *(["disk"] if can_mount() else [])])
def test_on_a_full_disk_writes_say_507_reads_go_on_and_room_heals_it_without_a_restart(serve, tmp_path, way):
    with room(way, tmp_path / "small") as space:
        server = serve(tmp_path / "small" / "noces.db")
        space.pid = server.process.pid
        with server.client() as http:
            opened = open_partnership(http)
            source = http.post("/v1/sources", json={"connector": "pagerduty", "name": "pd", "secrets": [SECRET]}).json()
            space.take()
            answered, number = [], 0
            while (answer := write(http, opened, number)).status_code == 201:
                answered.append(answer.json()["events"][0])
                number += 1
            told = problem(answer, 507, "disk_full")
            assert "sqlite" not in told["detail"].lower()
            assert answer.headers["retry-after"]
            check_that_reads_go_on(http, opened, answered)
            taken = 0
            while (hook := deliver(http, source, taken)).status_code == 202:
                taken += 1
            problem(hook, 507, "disk_full")
            problem(write(http, opened, number), 507, "disk_full")
            space.give()
            healed = write(http, opened, number)
            assert healed.status_code == 201, healed.text
            assert deliver(http, source, taken).status_code == 202
            check_that_reads_go_on(http, opened, [*answered, healed.json()["events"][0]])
        server.terminate()


def write(http, opened, number):
    """One long fact under a key of its own."""
    body = {"type": "advice.given", "advice": f"a{number}", "text": TEXT}
    return http.post(f"/v1/partnerships/{opened}/facts", json=body, headers={"Idempotency-Key": f"k{number}"})


def deliver(http, source, number):
    """One signed delivery."""
    body = incident(number)
    return http.post(f"/hooks/{source['id']}", content=body, headers=signed("pagerduty", "", body, datetime.now(UTC)))


def check_that_reads_go_on(http, opened, answered):
    assert http.get("/readyz").status_code == 200
    for path in ("", "/history", "/transitions"):
        assert http.get(f"/v1/partnerships/{opened}{path}").status_code == 200
    events = every_event(http)
    assert [each["position"] for each in events] == list(range(1, len(events) + 1))
    assert [each for each in events if each["type"] == "advice.given"] == answered


# --- callers that mean no good -------------------------------------------------------------------------------------


def test_bytes_that_are_no_request_change_nothing(standing):
    with standing.client() as http:
        before = newest(http)
        for raw in (
            b"\x16\x03\x01\x02\x00\x01",
            b"HELO there\r\n\r\n",
            b"GET / HTTP/9.9\r\n\r\n",
            b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
            b"\r\n" * 1_000,
        ):
            assert not raw_answer(standing, raw, post(standing)).startswith(b"HTTP/1.1 2")
        unchanged(standing, http, before)


@pytest.mark.parametrize("shape", ["one long value", "one long name", "many headers", "a long path"])
def test_a_head_without_measure_is_cut_off(standing, shape):
    endless = {
        "one long value": [b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: ", *[b"x" * 65_536] * 64],
        "one long name": [b"GET /healthz HTTP/1.1\r\nHost: x\r\n", *[b"x" * 65_536] * 64],
        "many headers": [b"GET /healthz HTTP/1.1\r\nHost: x\r\n", *[b"X-Many: x\r\n" * 6_000] * 64],
        "a long path": [b"GET /", *[b"x" * 65_536] * 64],
    }[shape]
    with standing.client() as http:
        before = newest(http)
        told = raw_answer(standing, *endless, b"\r\n\r\n")
        assert told == b"" or told.startswith((b"HTTP/1.1 413", b"HTTP/1.1 400")), told
        unchanged(standing, http, before)


def test_a_head_of_a_sane_size_is_read(standing):
    with standing.client() as http:
        assert http.get("/v1/me", headers={"X-Long": "x" * 20_000}).status_code == 200


def test_a_body_beyond_its_limit_is_refused_however_it_is_announced(standing):
    piece = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
    with standing.client() as http:
        before = newest(http)
        announced = raw_answer(standing, post(standing, "Content-Type: application/json", length=300_000))
        assert announced.startswith(b"HTTP/1.1 413")
        chunked = raw_answer(
            standing, post(standing, "Content-Type: application/json", "Transfer-Encoding: chunked"), *[piece] * 6
        )
        assert chunked == b"" or chunked.startswith(b"HTTP/1.1 413")
        unchanged(standing, http, before)


def test_a_caller_who_sends_slowly_is_given_up_and_keeps_nobody(serve):
    server = serve(receive_seconds=0.5)
    with server.client() as http:
        before = newest(http)
        told = raw_answer(server, post(server, "Content-Type: application/json", length=100) + b'{"client":')
        assert told.startswith(b"HTTP/1.1 400")
        assert b'"code":"bad_request"' in told
        unchanged(server, http, before)


def test_a_caller_who_never_ends_its_head_is_given_up(serve):
    server = serve(head_seconds=0.5)
    with server.client() as http:
        for part in (b"", b"GET /healthz HTTP/1.1\r\nHo"):
            assert not raw_answer(server, part).startswith(b"HTTP/1.1 2")
        assert http.get("/healthz").status_code == 200


async def test_two_hundred_connections_at_once_are_all_answered(standing):
    limits = httpx.Limits(max_connections=200)
    headers = {"Authorization": f"Bearer {standing.key}"}
    async with httpx.AsyncClient(
        base_url=standing.url, headers=headers, limits=limits, timeout=PATIENCE, trust_env=False
    ) as http:
        answers = await asyncio.gather(
            *(http.post("/v1/partnerships", json={"client": f"C{n}", "partner": "P"}) for n in range(200))
        )
        assert {answer.status_code for answer in answers} == {201}
        assert len({answer.json()["position"] for answer in answers}) == 200


def test_a_database_that_is_none_is_told_in_a_sentence(serve, tmp_path):
    for name, content in (("text.db", b"This is no database at all, only a text of some length."), ("dir.db", None)):
        path = tmp_path / name
        path.mkdir() if content is None else path.write_bytes(content)
        server = serve(path, wait=False)
        assert server.wait() == 1
        assert "Traceback" not in server.errors
        assert server.errors.strip().count("\n") == 0, server.errors


def test_what_the_server_says_of_itself_holds_no_secret_and_no_name(serve):
    server = serve()
    with server.client() as http:
        opened = open_partnership(http)
        http.post(
            f"/v1/partnerships/{opened}/facts", json={"type": "contact.designated", "side": "client", "person": "Agnès"}
        )
        http.post(f"/v1/partnerships/{opened}/facts", content=b"{")
        http.get("/v1/me", headers={"Authorization": "Bearer noces_x_y"})
    server.terminate()
    assert server.key not in server.errors
    assert "Agnès" not in server.errors + server.output
