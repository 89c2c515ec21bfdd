"""Bad input: each kind is refused with its own code and leaves the log's head where it was."""

import json
from urllib.parse import quote

import pytest

from tests.service.story import power_struggle
from tests.service.world import JSON, get, head, open_partnership, problem, say

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture
def services(shared):
    return shared[0]


@pytest.fixture
def http(shared):
    return shared[1]


MEASURED = '{"type":"promise.measured","promise":"p","actual":%s}'
ADVICE = '{"type":"advice.given","advice":"a","text":%s}'
DATED = '{"type":"incident.reopened","incident":"i","occurred_at":%s}'
MONEY = '{"type":"budget.renegotiated","amount":%s,"currency":"EUR"}'

BYTES = {
    "nothing": (b"", 400, "bad_json"),
    "no JSON": (b"{type}", 400, "bad_json"),
    "a byte order mark": (b"\xef\xbb\xbf{}", 400, "bad_json"),
    "UTF-16": ('{"type":"x"}'.encode("utf-16"), 400, "bad_json"),
    "invalid UTF-8": (b'{"type":"advice.given","advice":"\xff","text":"x"}', 400, "bad_json"),
    "overlong UTF-8": (b'{"type":"advice.given","advice":"\xc0\x80","text":"x"}', 400, "bad_json"),
    "a surrogate in UTF-8": (b'{"type":"advice.given","advice":"\xed\xa0\x80","text":"x"}', 400, "bad_json"),
    "two values": (b'{"type":"incident.reopened","incident":"i"} {}', 400, "bad_json"),
    "a comment": (b'{"type":"incident.reopened","incident":"i"} // so', 400, "bad_json"),
    "duplicate keys": (b'{"type":"incident.reopened","incident":"i","incident":"j"}', 400, "bad_json"),
    "duplicate keys of another spelling": (rb'{"type":"incident.reopened","incident":"i","incid\u0065nt":"j"}', 400, "bad_json"),
    "a nesting bomb of arrays": (b"[" * 100_000, 400, "bad_json"),
    "a nesting bomb of objects": (b'{"a":' * 40_000, 400, "bad_json"),
    "a closed nesting bomb": (b"[" * 5_000 + b"]" * 5_000, 400, "bad_json"),
    "a number": (b"7", 400, "bad_shape"),
    "null": (b"null", 400, "bad_shape"),
    "a text": (b'"promise.made"', 400, "bad_shape"),
    "U+0000": (rb'{"type":"advice.given","advice":"a\u0000","text":"x"}', 400, "bad_text"),
    "U+0000 in a name": (rb'{"type":"incident.reopened","incident":"i","\u0000":1}', 400, "bad_text"),
    "a raw U+0000": (b'{"type":"advice.given","advice":"a\x00","text":"x"}', 400, "bad_json"),
    "a raw newline in a text": (b'{"type":"advice.given","advice":"a\n","text":"x"}', 400, "bad_json"),
    "a lone high surrogate": (rb'{"type":"advice.given","advice":"\ud800","text":"x"}', 400, "bad_text"),
    "a lone low surrogate": (rb'{"type":"advice.given","advice":"\udc00","text":"x"}', 400, "bad_text"),
    "surrogates in the wrong order": (rb'{"type":"advice.given","advice":"\udc00\ud800","text":"x"}', 400, "bad_text"),
    "a lone surrogate deep inside": (rb'{"type":"priorities.agreed","items":["a",{"b":"\ud83d"}]}', 400, "bad_text"),
    "300 KB": (json.dumps({"type": "advice.given", "advice": "a", "text": "x" * 300_000}).encode(), 413, "too_large"),
    "NaN": ((MEASURED % "NaN").encode(), 400, "bad_json"),
    "Infinity": ((MEASURED % "-Infinity").encode(), 400, "bad_json"),
}  # fmt: skip

VALUES = {
    "an unknown type": ('{"type":"promise.broken"}', 400, "unknown_type"),
    "no type": ("{}", 400, "unknown_type"),
    "a type that is no text": ('{"type":["promise.made"]}', 400, "unknown_type"),
    "a type in capitals": ('{"type":"Incident.Reopened","incident":"i"}', 400, "unknown_type"),
    "an unknown field": ('{"type":"incident.reopened","incident":"i","colour":"red"}', 400, "bad_shape"),
    "a field of the envelope": ('{"type":"incident.reopened","incident":"i","recorded_at":"2020-01-01T00:00:00Z"}', 400, "bad_shape"),
    "a missing field": ('{"type":"incident.reopened"}', 400, "bad_shape"),
    "an empty id": ('{"type":"incident.reopened","incident":""}', 400, "bad_shape"),
    "an id of 201 characters": ('{"type":"incident.reopened","incident":"%s"}' % ("x" * 201), 400, "bad_shape"),
    "an id that is a number": ('{"type":"incident.reopened","incident":7}', 400, "bad_shape"),
    "a text of 8,001 characters": (ADVICE % json.dumps("x" * 8_001), 400, "bad_shape"),
    "a sealed value": (ADVICE % '{"p":"per_1","c":"AAAA"}', 400, "bad_shape"),
    "a sealed name": ('{"type":"contact.trained","side":"client","person":{"p":"per_1","c":"AAAA"}}', 400, "bad_shape"),
    "a sealed name in a list": ('{"type":"meeting.held","level":"tactical","on_date":"2020-01-01","attendees":[{"p":"x","c":"AAAA"}]}', 400, "bad_shape"),
    "a naive time": (DATED % '"2020-01-01T00:00:00"', 400, "naive_time"),
    "a day as time": (DATED % '"2020-01-01"', 400, "bad_parameter"),
    "seconds as time": (DATED % "1577836800", 400, "bad_shape"),
    "a 30th of February": (DATED % '"2020-02-30T00:00:00Z"', 400, "bad_parameter"),
    "a 25th hour": (DATED % '"2020-02-03T25:00:00Z"', 400, "bad_parameter"),
    "an offset of a day": (DATED % '"2020-02-03T00:00:00+24:00"', 400, "bad_parameter"),
    "a leap second": (DATED % '"2016-12-31T23:59:60Z"', 400, "bad_parameter"),
    "the year 0": (DATED % '"0000-01-01T00:00:00Z"', 400, "bad_parameter"),
    "before the calendar in UTC": (DATED % '"0001-01-01T00:00:00+14:00"', 400, "bad_parameter"),
    "Arabic digits": (DATED % '"٢٠٢٠-01-01T00:00:00Z"', 400, "bad_parameter"),
    "a time with a newline": (DATED % '"2020-01-01T00:00:00Z\\n"', 400, "bad_parameter"),
    "a time before all partnerships": (DATED % '"1800-01-01T00:00:00Z"', 422, "wrong_dates"),
    "a future time": (DATED % '"2026-06-01T12:05:01Z"', 422, "future_time"),
    "a far future time": (DATED % '"9999-12-31T23:59:59Z"', 422, "future_time"),
    "the end of the calendar": (DATED % '"9999-12-31T23:59:59-14:00"', 400, "bad_parameter"),
    "a wrong date": ('{"type":"invoice.paid","invoice":"i","paid_on":"2020-13-01"}', 400, "bad_shape"),
    "a time as date": ('{"type":"invoice.paid","invoice":"i","paid_on":"2020-01-01T00:00:00Z"}', 400, "bad_shape"),
    "a month 13": ('{"type":"sla.measured","sla":"s","month":"2020-13","met":1,"total":1}', 400, "bad_shape"),
    "a month with a newline": ('{"type":"sla.measured","sla":"s","month":"2020-12\\n","met":1,"total":1}', 400, "bad_shape"),
    "a currency in small letters": ('{"type":"budget.renegotiated","amount":1,"currency":"eur"}', 400, "bad_shape"),
    "a currency with a newline": ('{"type":"budget.renegotiated","amount":1,"currency":"EUR\\n"}', 400, "bad_shape"),
    "money beyond 2^53": (MONEY % (2**53), 400, "bad_shape"),
    "money beyond 64 bit": (MONEY % (2**64), 400, "bad_shape"),
    "money of 5,000 digits": (MONEY % ("9" * 5_000), 400, None),
    "money with a fraction": (MONEY % "1.5", 400, "bad_shape"),
    "negative money": (MONEY % "-1", 400, "bad_shape"),
    "money in a text": (MONEY % '"100"', 400, "bad_shape"),
    "money as true": (MONEY % "true", 400, "bad_shape"),
    "money as a huge float": (MONEY % "1e300", 400, "bad_shape"),
    "a quantity beyond a float": (MEASURED % "1e400", 400, None),
    "a quantity of 1e15": (MEASURED % "1e15", 400, "bad_shape"),
    "a quantity too small to write": (MEASURED % "1e-9", 400, "bad_shape"),
    "a negative quantity": (MEASURED % "-1", 400, "bad_shape"),
    "a share above 1": ('{"type":"sla.imposed","sla":"s","metric":"m","target":1.01,"side":"client"}', 400, "bad_shape"),
    "a score of 6": ('{"type":"pulse.answered","side":"client","score":6}', 400, "bad_shape"),
    "a score of 4.5": ('{"type":"pulse.answered","side":"client","score":4.5}', 400, "bad_shape"),
    "a cadence of 8 days": ('{"type":"cadence.agreed","level":"tactical","every_days":8}', 400, "bad_shape"),
    "101 attendees": (json.dumps({"type": "meeting.held", "level": "tactical", "on_date": "2020-01-01", "attendees": ["a"] * 101}), 400, "bad_shape"),
    "51 priorities": (json.dumps({"type": "priorities.agreed", "items": ["a"] * 51}), 400, "bad_shape"),
    "no priorities": ('{"type":"priorities.agreed","items":[]}', 400, "bad_shape"),
    "three own parts": ('{"type":"crisis.overcome","crisis":"c","own_parts":["client","partner","client"]}', 400, "bad_shape"),
    "three answers to the mirror": ('{"type":"mirror.reviewed","answers":["a","b","c"]}', 400, "bad_shape"),
    "a contract that ends before it starts": ('{"type":"contract.signed","contract":"c","starts_on":"2020-02-02","ends_on":"2020-02-01"}', 422, "wrong_dates"),
    "an amount without currency": ('{"type":"contract.signed","contract":"c","starts_on":"2020-02-02","amount":1}', 422, "incomplete_money"),
    "a promise of nothing": ('{"type":"promise.made","promise":"q","side":"client","kind":"delay","promised":0,"unit":"days","evidence":"none","text":"x"}', 422, "unmeasurable_promise"),
    "a budget in another unit": ('{"type":"promise.made","promise":"q","side":"client","kind":"budget","promised":1,"unit":"euros","evidence":"none","text":"x"}', 422, "wrong_unit"),
    "a measure in another unit": ('{"type":"promise.measured","promise":"p1","actual":9,"unit":"weeks"}', 422, "wrong_unit"),
    "a retraction of nothing": ('{"type":"fact.retracted","event":"evt_0","reason":"x"}', 404, "unknown_event"),
}  # fmt: skip


@pytest.mark.parametrize("name", BYTES)
async def test_bytes_that_are_no_fact_are_refused_on_every_route(http, services, name):
    raw, status, code = BYTES[name]
    opened = await power_struggle(http)
    before = await head(services)
    for path in (f"/v1/partnerships/{opened}/facts", "/v1/facts"):
        problem(await http.post(path, content=raw, headers=JSON), status, code)
    for path in (
        f"/v1/partnerships/{opened}/transitions",
        "/v1/partnerships",
        "/v1/keys",
        "/v1/policies",
        "/v1/sources",
    ):
        answer = await http.post(path, content=raw, headers=JSON)
        assert (answer.status_code, answer.json()["status"]) == (status, status), (path, answer.text)
    assert await head(services) == before


@pytest.mark.parametrize("name", VALUES)
async def test_values_that_are_no_fact_are_refused(http, services, name):
    text, status, code = VALUES[name]
    opened = await power_struggle(http)
    before = await head(services)
    answer = await http.post(f"/v1/partnerships/{opened}/facts", content=text.encode(), headers=JSON)
    problem(answer, status, code or answer.json()["code"])
    assert await head(services) == before
    assert (await say(http, opened, "incident.reopened", incident="still here"))["events"]


@pytest.mark.parametrize(
    "media_type",
    [
        "text/plain",
        "application/xml",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonx",
        "json",
        "",
        None,
    ],
)
async def test_a_body_is_json_only_with_a_json_content_type(http, services, media_type):
    opened = (await open_partnership(http))["id"]
    before = await head(services)
    headers = {} if media_type is None else {"Content-Type": media_type}
    raw = b'{"type":"incident.reopened","incident":"i"}'
    problem(
        await http.post(f"/v1/partnerships/{opened}/facts", content=raw, headers=headers), 415, "unsupported_media_type"
    )
    problem(await http.post("/v1/partnerships", content=raw, headers=headers), 415, "unsupported_media_type")
    assert await head(services) == before


@pytest.mark.parametrize(
    "media_type",
    ["application/json", "application/json; charset=utf-8", "Application/JSON", "application/cloudevents+json"],
)
async def test_every_json_content_type_is_taken(http, media_type):
    opened = (await open_partnership(http))["id"]
    raw = b'{"type":"incident.reopened","incident":"i"}'
    answer = await http.post(f"/v1/partnerships/{opened}/facts", content=raw, headers={"Content-Type": media_type})
    assert answer.status_code == 201


PARTNERSHIPS = {
    "no client": {"partner": "B"},
    "an empty client": {"client": "", "partner": "B"},
    "a client of 1,001 characters": {"client": "x" * 1_001, "partner": "B"},
    "an unknown field": {"client": "A", "partner": "B", "stage": "commitment"},
    "critical as a text": {"client": "A", "partner": "B", "critical": "yes"},
    "21 links": {"client": "A", "partner": "B", "links": [{"system": "a", "kind": "b", "external_id": str(n)} for n in range(21)]},
    "half a link": {"client": "A", "partner": "B", "links": [{"system": "a"}]},
    "a naive opening": {"client": "A", "partner": "B", "opened_at": "2020-01-01T00:00:00"},
    "observed at an instant": {"client": "A", "partner": "B", "observed_since": "2020-01-01T00:00:00Z"},
}  # fmt: skip


@pytest.mark.parametrize("name", PARTNERSHIPS)
async def test_a_partnership_that_makes_no_sense_is_not_opened(http, services, name):
    before = await head(services)
    answer = await http.post("/v1/partnerships", json=PARTNERSHIPS[name])
    assert answer.status_code == 400, answer.text
    assert answer.json()["code"] in ("bad_shape", "naive_time")
    assert await head(services) == before


async def test_a_partnership_cannot_open_in_the_future(http, services):
    before = await head(services)
    body = {"client": "A", "partner": "B", "opened_at": "2027-01-01T00:00:00Z"}
    problem(await http.post("/v1/partnerships", json=body), 422, "future_time")
    assert await head(services) == before


@pytest.mark.parametrize("separator", ["\x1f", "\x00", "\n", "\x85", "\x7f"])
async def test_a_link_has_no_control_characters(http, services, separator):
    opened = (await open_partnership(http))["id"]
    before = await head(services)
    link = {"system": "jira", "kind": "project", "external_id": f"a{separator}b"}
    answer = await http.post("/v1/partnerships", json={"client": "A", "partner": "B", "links": [link]})
    assert answer.status_code == 400, answer.text
    answer = await http.put(f"/v1/partnerships/{opened}/links/jira/project/a{quote(separator)}b")
    assert answer.status_code == 400, answer.text
    assert await head(services) == before


async def test_a_name_that_could_be_taken_for_two_is_refused(http, services):
    before = await head(services)
    for body in ({"client": "A\x1fB", "partner": "C"}, {"client": "A", "partner": "B\x1fC"}):
        problem(await http.post("/v1/partnerships", json=body), 400, "bad_text")
    assert await head(services) == before
    await open_partnership(http, client="Société\u00a0Générale", partner="C’est ça & Fils – été")


POLICIES = {
    "an unknown threshold": ({"patience": 3}, 400),
    "a ratio too small to write": ({"delay_doubled": 1e-9}, 400),
    "a negative ratio": ({"delay_doubled": -1}, 400),
    "an unknown trigger": ({"guards": {"elope": []}}, 422),
    "a guard of another trigger": ({"guards": {"share_power": ["partnership_age"]}}, 422),
    "people's transition made automatic": ({"automatic": ["commit"]}, 422),
    "10**9 days": ({"honeymoon_days": 10**9}, 400),
    "2**70 days": ({"honeymoon_days": 2**70}, 400),
}


@pytest.mark.parametrize("name", POLICIES)
async def test_a_policy_that_makes_no_sense_is_not_adopted(http, services, name):
    body, status = POLICIES[name]
    before = await head(services)
    answer = await http.post("/v1/policies", json=body)
    problem(answer, status, "bad_policy" if status == 422 else "bad_shape")
    assert await head(services) == before
    assert len((await get(http, "/v1/policies"))["items"]) == 1


async def test_limits_beyond_all_measure_are_refused(http):
    opened = (await open_partnership(http))["id"]
    for path in (
        "/v1/partnerships",
        "/v1/events",
        f"/v1/partnerships/{opened}/events",
        "/v1/keys",
        "/v1/sources",
        "/v1/inbox",
    ):
        for limit in (10**9, 10**30, -(10**9), "1e2", "١"):
            problem(await http.get(path, params={"limit": limit}), 400, "bad_parameter")


@pytest.mark.parametrize("cursor", ["x", "!!!!", "YWZ0ZXI", "é", "a" * 5_000, "%00"])
async def test_a_cursor_that_was_never_given_is_refused(http, cursor):
    for path in ("/v1/partnerships", "/v1/keys", "/v1/sources", "/v1/inbox"):
        problem(await http.get(f"{path}?cursor={cursor}"), 400, "bad_parameter")


async def test_paths_with_strange_characters_are_not_found(http):
    for name in ("%00", "%FF", "..%2f..%2fetc", "pn_%F0%9F%92%8D", "x" * 5_000, "%ED%A0%80"):
        answer = await http.get(f"/v1/partnerships/{name}")
        assert answer.status_code in (400, 404), answer.text
        assert answer.headers["content-type"] == "application/problem+json"


async def test_the_callers_request_id_comes_back_and_a_strange_one_is_replaced(http):
    answer = await http.get("/v1/me", headers={"X-Request-Id": "abc-123"})
    assert answer.headers["x-request-id"] == "abc-123"
    for strange in ("x" * 201, "a\x01b", "é"):
        answer = await http.get("/v1/me", headers={"X-Request-Id": strange.encode()})
        assert answer.headers["x-request-id"].startswith("req_")
    told = (await http.get("/v1/nothing", headers={"X-Request-Id": "abc-123"})).json()
    assert told["instance"] == "abc-123"


async def test_no_problem_tells_of_the_inside(http):
    opened = (await open_partnership(http))["id"]
    for answer in (
        await http.get("/v1/partnerships/' OR 1=1 --"),
        await http.post(f"/v1/partnerships/{opened}/facts", content=b"{", headers=JSON),
        await http.get("/v1/events?type='; DROP TABLE events"),
    ):
        assert not any(word in answer.text for word in ("Traceback", "sqlite", "SELECT", ".py", "noces.db"))
