"""The log: a line a request with what an operator needs, and nothing of what anybody said."""

import json

import pytest

from service.request_log import RequestLog, Told
from tests.service.senders import SECRET, incident, signed
from tests.service.wire import raw_answer, request
from tests.service.world import NOON

NAMES = ("Agnes.Martin", "Dupont", "06 12 34 56 78", "FR7630006000011234567890189", "Agnès", "s3cr3t-word")
"""Persons, numbers and words that nobody may find in a log."""


def lines(server):
    return [json.loads(line) for line in server.errors.splitlines()]


def ask_everywhere(server):
    """Send the names in every place where a caller can put something."""
    name, word = NAMES[0], NAMES[-1]
    with server.client() as http:
        opened = http.post("/v1/partnerships", json={"client": NAMES[1], "partner": NAMES[4]}).json()["id"]
        fact = {"type": "contact.designated", "side": "client", "person": name}
        http.post(f"/v1/partnerships/{opened}/facts", json=fact, headers={"Idempotency-Key": word})
        http.post(f"/v1/partnerships/{opened}/facts", content=f'{{"type":"{name}",'.encode())
        http.post("/v1/facts", json={**fact, "link": {"system": name, "kind": word, "external_id": NAMES[3]}})
        ndjson = {"Content-Type": "application/x-ndjson"}
        http.post("/v1/facts", content=json.dumps({"key": word, "partnership": name}).encode(), headers=ndjson)
        http.get(f"/v1/partnerships/{name}")
        http.get(f"/{name}/{word}")
        http.get("/v1/partnerships", params={"client": NAMES[1], "partner": name, "cursor": word})
        http.get("/v1/events", params={"type": name, word: NAMES[2]})
        http.get(f"/v1/partnerships?system={name}&kind={word}&external_id={NAMES[3]}")
        for header in (
            "X-Request-Id",
            "X-Correlation-Id",
            "If-Match",
            "Accept",
            "User-Agent",
            "Origin",
            "Cookie",
            "Referer",
            "Host",
            name,
        ):
            http.get("/v1/me", headers={header: f"{name}@example.org {word}"})
        http.get("/v1/me", headers={"X-Request-Id": server.key})
        http.get("/v1/me", headers={"Authorization": f"Bearer {word}"})
        http.get("/v1/me", headers={"Authorization": f"Basic {word}"})
        http.get("/v1/me", headers={"Authorization": f"Bearer {server.key[:-9]}{word}"})
        http.get("/v1/me", headers={"Authorization": f"Bearer {name}.{word}.x"})
        http.post("/v1/keys", json={"scopes": ["read"], "name": name})
        source = http.post(
            "/v1/sources", json={"connector": "pagerduty", "name": name, "secrets": [SECRET, word]}
        ).json()["id"]
        http.post(
            f"/hooks/{source}?token={word}",
            content=f'{{"{name}": "{word}"}}'.encode(),
            headers={"X-PagerDuty-Signature": f"v1={word}"},
        )
        raw = incident(1).replace(b"PINC1", name.encode())
        http.post(f"/hooks/{source}", content=raw, headers=signed("pagerduty", "", raw, NOON))
        http.post(f"/hooks/{name}", content=word.encode())
        http.request("DELETE", f"/v1/partnerships/{opened}/links/{name}/{word}/x")
    raw_answer(server, request("GET", f"/{name}", f"X-{word}: {name}\0"))
    raw_answer(server, f"{name} {word}\r\n\r\n".encode())
    return opened


@pytest.mark.parametrize("form", ["json", "text"])
def test_nothing_that_anybody_said_is_in_the_log_whatever_place_it_was_put_in(serve, form):
    server = serve(log_format=form)
    ask_everywhere(server)
    assert server.terminate() == 0
    told = server.errors + server.output.replace(server.key, "", 1)
    for name in (*NAMES, SECRET, server.key, server.key.rpartition("_")[2]):
        assert name not in told, (name, next(line for line in told.splitlines() if name in line))
    assert told.count("/v1/partnerships/{id:str}/facts") == 2


def test_a_request_is_told_with_who_asked_what_and_what_came_of_it(serve):
    server = serve(log_format="json")
    with server.client() as http:
        me = http.get("/v1/me", headers={"X-Request-Id": "mine-1"}).json()
        http.head("/v1/me", headers={"X-Request-Id": "mine-2"})
        http.get("/v1/partnerships/pn_1", headers={"X-Request-Id": "mine-3"})
        http.get("/nowhere", headers={"X-Request-Id": "mine-4"})
        http.get("/v1/me", headers={"X-Request-Id": "mine-5", "Authorization": "Bearer x"})
        http.post(
            "/v1/facts?results=all",
            content=b"{}",
            headers={"X-Request-Id": "mine-6", "Content-Type": "application/x-ndjson"},
        )
    assert server.terminate() == 0
    found = {line["request_id"]: line for line in lines(server) if line["event"] == "request"}
    known = {"key": me["key"], "organisation": "acme"}
    wanted = {
        "mine-1": {"method": "GET", "route": "/v1/me", "status": 200, **known},
        "mine-2": {"method": "HEAD", "route": "/v1/me", "status": 200, **known},
        "mine-3": {"method": "GET", "route": "/v1/partnerships/{id:str}", "status": 404, "reason": "not_found", **known},
        "mine-4": {"method": "GET", "route": None, "status": 404, "reason": "not_found"},
        "mine-5": {"method": "GET", "route": "/v1/me", "status": 401, "reason": "key_format"},
        "mine-6": {"method": "POST", "route": "/v1/facts", "status": 200, **known},
    }  # fmt: skip
    for request_id, told in wanted.items():
        line = found[request_id]
        assert line.pop("ms") >= 0
        assert line.pop("timestamp").endswith("Z")
        assert line == {"event": "request", "request_id": request_id, **told}
    refused = [line for line in lines(server) if line["event"] == "unauthenticated"]
    assert [(line["reason"], line["request_id"]) for line in refused] == [("key_format", "mine-5")]


def test_the_lines_of_requests_can_be_left_out(serve):
    server = serve(log_requests=False)
    with server.client() as http:
        assert http.get("/v1/me").status_code == 200
    assert server.terminate() == 0
    assert server.errors == ""


async def test_a_log_that_nobody_reads_any_more_stops_nothing():
    def gone(_):
        raise BrokenPipeError

    log = RequestLog(gone, lambda: NOON, json=True)
    log.tell(Told(request_id="r", method="GET", route=None, status=200, ms=1.0))
    log.flush()


async def test_lines_of_one_turn_are_written_at_once_and_in_order():
    written = []
    log = RequestLog(written.append, lambda: NOON, json=True)
    for number in range(3):
        log.tell(Told(request_id=str(number), method="GET", route=None, status=200, ms=1.0))
    log.flush()
    assert [json.loads(line)["request_id"] for line in written[0].splitlines()] == ["0", "1", "2"]


@pytest.mark.parametrize("given", ["Agnes Martin", "a@b.example", "x" * 201, "é", "a,b", "noces_1_2"])
async def test_a_request_id_that_could_say_something_is_replaced(http, given):
    answer = await http.get("/v1/me", headers={"X-Request-Id": given.encode()})
    assert answer.headers["x-request-id"].startswith("req_")
