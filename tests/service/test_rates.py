"""Rates: buckets that refill, callers kept apart, answers that say where one stands, and nothing changed by a refusal."""

import asyncio
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.admission import Admission
from service.callers import caller_address
from service.errors import ServiceError
from service.openapi import openapi_document
from service.rates import WINDOW, Buckets, Exhausted, Places
from service.settings import Settings, SettingsError, read_settings
from tests.service.processes import noces
from tests.service.senders import SECRET, incident, signed
from tests.service.world import JSON, NDJSON, NOON, client, get, head, open_partnership, problem


class Seconds:
    """A clock of seconds that stands until somebody moves it."""

    def __init__(self):
        self.now = 1_000.0

    def __call__(self):
        return self.now


def told(headers):
    """What an answer's headers say: (quota, left, seconds)."""
    found = {name.decode(): value.decode() for name, value in headers}
    quota = dict(part.split("=") for part in found["ratelimit-policy"].split(";")[1:])
    state = dict(part.split("=") for part in found["ratelimit"].split(";")[1:])
    assert int(quota["w"]) == WINDOW
    return int(quota["q"]), int(state["r"]), int(state["t"])


# --- the bucket --------------------------------------------------------------------------------------------------------


def test_a_full_bucket_gives_its_quota_at_once_and_then_one_a_step():
    clock = Seconds()
    buckets = Buckets("key", 6, clock)
    assert [told(buckets.take("a"))[1] for _ in range(6)] == [5, 4, 3, 2, 1, 0]
    for _ in range(2):
        with pytest.raises(Exhausted) as refused:
            buckets.take("a")
        assert refused.value.headers["Retry-After"] == "10"
        assert told(refused.value.told) == (6, 0, 10)
    clock.now += 9.9
    with pytest.raises(Exhausted):
        buckets.take("a")
    clock.now += 0.1
    assert told(buckets.take("a")) == (6, 0, 1)
    clock.now += WINDOW
    assert told(buckets.take("a"))[1] == 5


def test_callers_do_not_take_from_each_other_and_may_have_quotas_of_their_own():
    buckets = Buckets("key", 1, Seconds())
    for who in ("a", "b", "c"):
        buckets.take(who)
        with pytest.raises(Exhausted):
            buckets.take(who)
    assert [told(buckets.take("d", 3))[:2] for _ in range(3)] == [(3, 2), (3, 1), (3, 0)]
    with pytest.raises(Exhausted):
        buckets.take("d", 3)


@given(st.integers(1, 5_000), st.lists(st.floats(0, 90), min_size=1, max_size=60))
def test_in_any_window_nobody_gets_more_than_twice_the_quota_and_whoever_waits_as_told_is_served(quota, pauses):
    clock = Seconds()
    buckets = Buckets("key", quota, clock)
    began, taken = clock.now, 0
    for pause in pauses:
        clock.now += pause
        for _ in range(7):
            try:
                _, left, seconds = told(buckets.take("a"))
            except Exhausted as refused:
                clock.now += float(refused.headers["Retry-After"])
                _, left, seconds = told(buckets.take("a"))
            taken += 1
            assert 0 <= left < quota
            assert left / seconds <= quota / WINDOW + 1e-9
    assert taken <= quota + (clock.now - began) * quota / WINDOW + 1


def test_what_is_forgotten_was_full_and_what_was_not_full_is_kept():
    clock = Seconds()
    buckets = Buckets("address", 60, clock)
    for _ in range(60):
        buckets.take("busy")
    for second in range(1, 4 * WINDOW):
        clock.now += 1
        buckets.take("busy")
        buckets.take(f"once {second}")
        with pytest.raises(Exhausted):
            buckets.take("busy")
    assert len(buckets._young) + len(buckets._old) <= 2 * WINDOW + 4


def test_the_number_of_callers_that_are_remembered_is_bounded():
    buckets = Buckets("address", 10, Seconds(), known=100)
    for number in range(10_000):
        buckets.take(str(number))
        assert len(buckets._young) + len(buckets._old) <= 201


# --- who is who ----------------------------------------------------------------------------------------------------------


def address(proxies, peer, *forwarded):
    scope = {"client": (peer, 1), "headers": [(b"x-forwarded-for", each.encode()) for each in forwarded]}
    return caller_address(Settings(proxies=proxies))(scope)


def test_an_address_is_the_peers_unless_a_proxy_of_ones_own_says_otherwise():
    assert address("", "192.0.2.1", "203.0.113.9") == "192.0.2.1"
    assert address("10.0.0.0/8", "192.0.2.1", "203.0.113.9") == "192.0.2.1"
    assert address("10.0.0.0/8", "10.0.0.1", "203.0.113.9") == "203.0.113.9"
    assert address("10.0.0.0/8", "10.0.0.1", "6.6.6.6, 203.0.113.9, 10.0.0.2") == "203.0.113.9"
    assert address("10.0.0.0/8", "10.0.0.1", "6.6.6.6", "203.0.113.9") == "203.0.113.9"
    assert address("10.0.0.0/8, ::1/128", "::1", "203.0.113.9") == "203.0.113.9"
    assert address("10.0.0.0/8", "10.0.0.1") == "10.0.0.1"
    assert address("10.0.0.0/8", "10.0.0.1", "nonsense") == "10.0.0.1"
    assert address("", "2001:db8:1:2:3:4:5:6") == address("", "2001:db8:1:2::1") == "2001:db8:1:2::/64"
    assert address("", "::ffff:192.0.2.1") == "192.0.2.1"


@pytest.mark.parametrize("proxies", ["10.0.0.1/8", "proxy.example", "*"])
def test_proxies_that_are_no_networks_are_told(proxies):
    with pytest.raises(SettingsError, match="NOCES_PROXIES"):
        caller_address(Settings(proxies=proxies))


@pytest.mark.parametrize(
    "name", ["key_requests", "address_requests", "source_requests", "streams", "connections", "head_seconds"]
)
@pytest.mark.parametrize("value", ["0", "-1", "many"])
def test_a_limit_that_is_none_is_told(name, value):
    with pytest.raises(SettingsError, match=r"NOCES_"):
        read_settings(environment={f"NOCES_{name.upper()}": value})


# --- over HTTP -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def seconds():
    return Seconds()


@pytest.fixture
def limited(services, seconds):
    """Sets the limits of the running service, with a clock of its own."""

    def choose(**limits):
        settings = Settings(**limits)
        services.admission = Admission(settings, seconds, services.telemetry.limited)

    return choose


async def test_every_answer_to_a_key_says_where_it_stands(http, limited):
    limited(key_requests=100)
    for left, path in ((99, "/v1/me"), (98, "/v1/partnerships/pn_1"), (97, "/v1/partnerships?limit=0")):
        answer = await http.get(path)
        assert answer.headers["ratelimit-policy"] == '"key";q=100;w=60'
        assert answer.headers["ratelimit"] == f'"key";r={left};t={math.ceil(left * 0.6)}'


async def test_a_key_that_asks_too_much_waits_and_nothing_was_changed(http, services, limited, seconds):
    opened = (await open_partnership(http))["id"]
    before = await head(services)
    limited(key_requests=2)
    fact = {"type": "incident.reopened", "incident": "i"}
    key = {"Idempotency-Key": "k1"}
    for _ in range(2):
        assert (await http.get("/v1/me")).status_code == 200
    for path, raw, media_type in (
        (f"/v1/partnerships/{opened}/facts", fact, JSON), ("/v1/facts", {**fact, "partnership": opened}, NDJSON),
        ("/v1/facts?results=all", {**fact, "partnership": opened}, NDJSON),
    ):  # fmt: skip
        answer = await http.post(path, json=raw, headers={**media_type, **key})
        detail = problem(answer, 429, "rate_limited")["detail"]
        assert "2 requests a minute" in detail
        assert (answer.headers["retry-after"], answer.headers["ratelimit"]) == ("30", '"key";r=0;t=30')
        assert "idempotency-replayed" not in answer.headers
    assert await head(services) == before
    seconds.now += 30
    answer = await http.post(f"/v1/partnerships/{opened}/facts", json=fact, headers=key)
    assert (answer.status_code, answer.headers.get("idempotency-replayed")) == (201, None)
    assert await head(services) == before + 1
    seconds.now += 60
    told = (await http.get("/metrics")).text
    assert 'noces_rate_limited_total{policy="key"} 3.0' in told


async def test_one_key_does_not_take_from_another(http, keyed, limited):
    other = await keyed(["read"])
    limited(key_requests=1)
    for each in (http, other):
        assert (await each.get("/v1/me")).status_code == 200
        problem(await each.get("/v1/me"), 429, "rate_limited")


async def test_a_key_may_have_a_limit_of_its_own_which_can_be_changed_and_taken_back(http, services):
    made = (await http.post("/v1/keys", json={"scopes": ["read"], "requests_per_minute": 2})).json()
    assert (await get(http, f"/v1/keys/{made['id']}"))["requests_per_minute"] == 2
    async with client(services, made["key"]) as slow:
        assert (await slow.get("/v1/me")).headers["ratelimit-policy"] == '"key";q=2;w=60'
        assert (await slow.get("/v1/me")).status_code == 200
        problem(await slow.get("/v1/me"), 429, "rate_limited")
        assert (await http.patch(f"/v1/keys/{made['id']}", json={"requests_per_minute": 50})).status_code == 200
        assert (await slow.get("/v1/me")).headers["ratelimit-policy"] == '"key";q=50;w=60'
        changed = (await http.patch(f"/v1/keys/{made['id']}", json={"requests_per_minute": 0})).json()
        assert changed["requests_per_minute"] is None
        assert (await slow.get("/v1/me")).headers["ratelimit-policy"] == '"key";q=60000;w=60'
    for wrong in (0, -1, 10**9, 1.5, "2"):
        answer = await http.post("/v1/keys", json={"scopes": ["read"], "requests_per_minute": wrong})
        problem(answer, 400, "bad_shape")


async def test_the_limits_of_keys_are_made_anew_from_the_log(http, services):
    made = (await http.post("/v1/keys", json={"scopes": ["read"], "requests_per_minute": 7})).json()
    await http.patch(f"/v1/keys/{made['id']}", json={"requests_per_minute": 9})
    async with client(services, services.keys.run_token, **{"Noces-Organisation": "acme"}) as operator:
        rebuilt = (await operator.post("/v1/rebuild")).json()
        assert (rebuilt["equal"], rebuilt["different"]) == (True, [])
    assert (await get(http, f"/v1/keys/{made['id']}"))["requests_per_minute"] == 9


async def test_strangers_are_counted_by_address_and_never_hold_up_a_key(http, services, limited):
    limited(address_requests=3)
    async with client(services, "noces_x_y") as stranger:
        assert (await stranger.get("/docs")).headers["ratelimit-policy"] == '"address";q=3;w=60'
        problem(await stranger.get("/v1/me"), 401, "unauthenticated")
        problem(await stranger.get("/nowhere"), 404, "not_found")
        for path in ("/v1/me", "/docs", "/nowhere", "/hooks/src_1"):
            answer = await stranger.get(path)
            problem(answer, 429, "rate_limited")
            assert answer.headers["ratelimit"] == '"address";r=0;t=20'
        assert (await stranger.get("/healthz")).status_code == 200
        assert (await stranger.get("/readyz")).status_code == 200
    assert (await http.get("/v1/me")).status_code == 200
    problem(await http.get("/v1/partnerships/pn_1"), 404, "not_found")


async def test_deliveries_are_counted_by_source_once_they_are_proven(http, services, limited, seconds):
    created = [
        (await http.post("/v1/sources", json={"connector": "pagerduty", "name": f"s{n}", "secrets": [SECRET]})).json()
        for n in range(2)
    ]
    limited(source_requests=2, address_requests=4)

    async def deliver(source, number):
        raw = incident(number)
        return await http.post(f"/hooks/{source['id']}", content=raw, headers=signed("pagerduty", "", raw, NOON))

    assert (await deliver(created[0], 1)).headers["ratelimit-policy"] == '"source";q=2;w=60'
    assert (await deliver(created[0], 2)).status_code == 202
    await services.inbox.idle()
    before = await get(http, "/v1/inbox")
    for _ in range(10):
        answer = await deliver(created[0], 3)
        problem(answer, 429, "rate_limited")
        assert answer.headers["retry-after"] == "30"
    assert await get(http, "/v1/inbox") == before
    assert (await deliver(created[1], 4)).status_code == 202
    for _ in range(4):
        answer = await http.post(f"/hooks/{created[1]['id']}", content=b"{}")
        problem(answer, 401, "missing_signature")
    problem(await http.post(f"/hooks/{created[1]['id']}", content=b"{}"), 429, "rate_limited")
    assert (await deliver(created[1], 5)).status_code == 202
    seconds.now += 30
    assert (await deliver(created[0], 3)).status_code == 202


async def test_the_command_line_of_the_servers_machine_is_not_counted(services, limited):
    limited(key_requests=1, address_requests=1)
    async with client(services, services.keys.run_token, **{"Noces-Organisation": "acme"}) as operator:
        for _ in range(5):
            answer = await operator.get("/v1/me")
            assert answer.status_code == 200
            assert "ratelimit" not in answer.headers


def test_a_key_gets_its_limit_on_the_command_line(tmp_path):
    def create(limit):
        return noces(
            "keys", "create", "--database", f"sqlite:///{tmp_path}/noces.db", "--scopes", "read",
            "--requests-per-minute", limit, cwd=tmp_path, organisation="acme",
        )  # fmt: skip

    made = create("5")
    assert made.returncode == 0, made.stderr
    assert create("0").returncode == 2


def test_the_document_tells_of_429_on_every_route():
    document = openapi_document()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if path not in ("/healthz", "/readyz"):
                assert "429" in operation["responses"], (method, path)
        told = [each["headers"].keys() for status, each in operation["responses"].items() if "headers" in each]
        counted = path not in ("/healthz", "/readyz", "/v1/rebuild") and (path != "/hooks/{source}" or method == "post")
        assert all(("RateLimit" in each) == counted for each in told), (method, path)
    assert {"Retry-After", "RateLimit", "RateLimit-Policy"} <= document["components"]["responses"]["Problem429"][
        "headers"
    ].keys()


# --- what takes long -----------------------------------------------------------------------------------------------------


def test_places_are_given_back_also_when_something_fails():
    places = Places(1, 2)
    with places.hold("a"):
        with pytest.raises(ServiceError) as refused, places.hold("a"):
            pass
        assert (refused.value.code, refused.value.headers) == ("rate_limited", {"Retry-After": "5"})
        with places.hold("b"), pytest.raises(ServiceError) as refused, places.hold("c"):
            pass
        assert refused.value.code == "busy"
    with pytest.raises(ZeroDivisionError), places.hold("a"):
        raise ZeroDivisionError
    with places.hold("a"):
        pass


async def test_a_stream_holds_its_place_from_its_first_piece_to_its_end_however_it_ends():
    async def stream():
        yield b"1"
        yield b"2"

    places = Places(1, 9)
    never_begun = places.kept("a", stream())
    whole = [piece async for piece in places.kept("a", stream())]
    assert whole == [b"1", b"2"]
    left = places.kept("a", stream())
    assert await anext(left) == b"1"
    with pytest.raises(ServiceError):
        places.kept("a", stream())
    await left.aclose()
    places.check("a")
    del never_begun


async def test_waiting_feeds_of_a_key_are_bounded(http, keyed, services, limited):
    other = await keyed(["read"])
    limited(key_streams=2, streams=3)
    end = await head(services)
    waiting = [asyncio.create_task(http.get(f"/v1/events?after={end}&wait=30")) for _ in range(2)]
    waiting.append(asyncio.create_task(other.get(f"/v1/events?after={end}&wait=30")))
    while services.admission.places._taken.total() < 3:
        await asyncio.sleep(0.001)
    problem(await http.get(f"/v1/events?after={end}&wait=30"), 429, "rate_limited")
    answer = await other.get(f"/v1/events?after={end}&wait=30")
    problem(answer, 503, "busy")
    assert answer.headers["retry-after"] == "5"
    assert (await http.get("/v1/events?after=0&wait=30")).status_code == 200
    problem(await http.get("/v1/events", headers={"Accept": "application/x-ndjson"}), 429, "rate_limited")
    problem(await http.post("/v1/facts", content=b"{}", headers=NDJSON), 429, "rate_limited")
    problem(await http.post("/v1/facts?results=all", content=b"{}", headers=NDJSON), 429, "rate_limited")
    await open_partnership(http)
    assert {answer.status_code for answer in await asyncio.gather(*waiting)} == {200}
    assert not services.admission.places._taken
    for _ in range(5):
        assert (await http.get("/v1/events", headers={"Accept": "application/x-ndjson"})).status_code == 200
        assert (await http.post("/v1/facts?results=all", content=b"{}", headers=NDJSON)).status_code == 200
    assert not services.admission.places._taken
