"""The life of a key: made, listed, changed, rotated, revoked; its text told once, and when it was last used."""

import asyncio
import json

import pytest

from events.store import Change
from service.api.serving import build
from service.auth import Keys
from service.errors import ServiceError
from tests.service.processes import noces
from tests.service.world import client, get, head, make_key, problem, settings_of, started


async def test_a_key_is_made_listed_rotated_and_revoked_and_its_text_told_once(http, services):
    answer = await http.post(
        "/v1/keys", json={"scopes": ["read"], "name": "Reports", "side": "client", "expires_at": "2026-12-01T00:00:00Z"}
    )
    made = answer.json()
    assert (answer.status_code, answer.headers["location"]) == (201, f"/v1/keys/{made['id']}")
    shown = await get(http, f"/v1/keys/{made['id']}")
    expected = {
        "id": made["id"],
        "name": "Reports",
        "scopes": ["read"],
        "side": "client",
        "expires_at": "2026-12-01T00:00:00Z",
    }
    assert {name: shown[name] for name in expected} == expected
    secret = made["key"].split("_")[2]
    everything = str(await get(http, "/v1/keys")) + str(await get(http, "/v1/events", limit=500))
    assert secret[:20] not in everything
    async with client(services, made["key"]) as reports:
        assert (await get(reports, "/v1/me"))["key"] == made["id"]
        rotated = (await http.post(f"/v1/keys/{made['id']}/rotate")).json()
        problem(await reports.get("/v1/me"), 401, "unauthenticated")
    async with client(services, rotated["key"]) as reports:
        assert (await get(reports, "/v1/me"))["key"] == made["id"]
        assert (await http.delete(f"/v1/keys/{made['id']}")).status_code == 204
        problem(await reports.get("/v1/me"), 401, "unauthenticated")
    problem(await http.get(f"/v1/keys/{made['id']}"), 404, "not_found")
    problem(await http.post(f"/v1/keys/{made['id']}/rotate"), 404, "not_found")
    problem(await http.delete(f"/v1/keys/{made['id']}"), 404, "not_found")


async def test_a_key_ends_when_it_expires(services, clock):
    text = await make_key(services, expires_at=clock.now.replace(hour=13))
    async with client(services, text) as http:
        clock.pass_by(minutes=59, seconds=59)
        assert (await http.get("/v1/me")).status_code == 200
        clock.pass_by(seconds=1)
        problem(await http.get("/v1/me"), 401, "unauthenticated")


async def test_a_rotated_key_works_with_both_secrets_for_the_overlap_and_no_longer(http, services, clock):
    made = (await http.post("/v1/keys", json={"scopes": ["read"]})).json()
    rotated = (await http.post(f"/v1/keys/{made['id']}/rotate", params={"overlap": 3600})).json()
    async with client(services, made["key"]) as earlier, client(services, rotated["key"]) as later:
        clock.pass_by(seconds=3599)
        for each in (earlier, later):
            assert (await get(each, "/v1/me"))["key"] == made["id"]
        clock.pass_by(seconds=1)
        problem(await earlier.get("/v1/me"), 401, "unauthenticated")
        assert (await later.get("/v1/me")).status_code == 200
    told = [each for each in (await get(http, "/v1/events", limit=500))["items"] if each["type"] == "key.rotated"]
    assert told[-1]["data"]["overlap_until"] == "2026-06-01T13:00:00Z"


async def test_a_second_rotation_ends_the_secret_before_the_last(http, services):
    made = (await http.post("/v1/keys", json={"scopes": ["read"]})).json()
    second = (await http.post(f"/v1/keys/{made['id']}/rotate?overlap=3600")).json()
    await http.post(f"/v1/keys/{made['id']}/rotate?overlap=3600")
    async with client(services, made["key"]) as first, client(services, second["key"]) as before:
        problem(await first.get("/v1/me"), 401, "unauthenticated")
        assert (await before.get("/v1/me")).status_code == 200


@pytest.mark.parametrize("overlap", ["-1", "1.5", "2592001", "1d", ""])
async def test_an_overlap_is_whole_seconds_up_to_thirty_days(http, services, overlap):
    made = (await http.post("/v1/keys", json={"scopes": ["read"]})).json()
    before = await head(services)
    problem(await http.post(f"/v1/keys/{made['id']}/rotate?overlap={overlap}"), 400, "bad_parameter")
    assert await head(services) == before


async def test_a_key_changes_its_name_and_its_end_and_nothing_else(http, services, clock):
    made = (await http.post("/v1/keys", json={"scopes": ["read"], "name": "old", "side": "client"})).json()
    path = f"/v1/keys/{made['id']}"
    changed = (await http.patch(path, json={"name": "new", "expires_at": "2026-06-01T13:00:00+00:00"})).json()
    assert (changed["name"], changed["expires_at"], changed["side"]) == ("new", "2026-06-01T13:00:00Z", "client")
    before = await head(services)
    problem(await http.patch(path, json={"scopes": ["admin"]}), 400, "bad_shape")
    problem(await http.patch(path, json={"expires_at": "2027-01-01T00:00:00"}), 400, "naive_time")
    assert (await http.patch(path, json={})).json() == changed
    assert await head(services) == before
    async with client(services, made["key"]) as reports:
        assert (await reports.get("/v1/me")).status_code == 200
        clock.pass_by(hours=1)
        problem(await reports.get("/v1/me"), 401, "unauthenticated")


async def test_a_key_tells_when_it_was_last_used_also_after_a_restart(tmp_path, clock):
    async with started(settings_of(tmp_path), clock) as services:
        admin, used = await make_key(services), await make_key(services)
        async with client(services, used) as reports, client(services, admin) as http:
            identifier = (await get(reports, "/v1/me"))["key"]
            clock.pass_by(minutes=5)
            await get(reports, "/v1/me")
            shown = await get(http, f"/v1/keys/{identifier}")
            assert shown["last_used"] == "2026-06-01T12:05:00Z"
            fresh = (await http.post("/v1/keys", json={"scopes": ["read"]})).json()["id"]
            assert (await get(http, f"/v1/keys/{fresh}"))["last_used"] is None
            assert await services.query("SELECT * FROM keys_seen") == []
    async with started(settings_of(tmp_path), clock) as services, client(services, admin) as http:
        assert (await get(http, f"/v1/keys/{identifier}"))["last_used"] == "2026-06-01T12:05:00Z"


async def test_a_key_that_is_looked_up_while_it_is_revoked_is_not_believed_afterwards(http, services):
    """Its row was read before the revocation and arrives behind it."""
    made = (await http.post("/v1/keys", json={"scopes": ["read"]})).json()
    reading, revoked = asyncio.Event(), asyncio.Event()

    async def slow(sql, parameters=()):
        rows = await services.query(sql, parameters)
        if "FROM keys" in sql:
            reading.set()
            await revoked.wait()
        return rows

    keys = Keys(slow, services.store.write, services.handler, services.clock, services.ids)
    headers = {"authorization": f"Bearer {made['key']}"}
    looking = asyncio.create_task(keys.authenticate(headers))
    await reading.wait()
    assert (await http.delete(f"/v1/keys/{made['id']}")).status_code == 204
    revoked.set()
    await looking
    with pytest.raises(ServiceError) as refused:
        await keys.authenticate(headers)
    assert refused.value.code == "unauthenticated"


async def test_two_rotations_at_once_tell_no_secret_that_does_not_work(http, services):
    made = (await http.post("/v1/keys", json={"scopes": ["read"]})).json()
    path = f"/v1/keys/{made['id']}/rotate?overlap=3600"
    answers = await asyncio.gather(http.post(path), http.post(path))
    for text in [answer.json()["key"] for answer in answers]:
        async with client(services, text) as reports:
            assert (await get(reports, "/v1/me"))["key"] == made["id"]
    async with client(services, made["key"]) as first:
        problem(await first.get("/v1/me"), 401, "unauthenticated")


async def test_a_revocation_by_another_node_holds_within_a_second(http, services, clock):
    made = (await http.post("/v1/keys", json={"scopes": ["read"]})).json()
    async with client(services, made["key"]) as reports:
        assert (await reports.get("/v1/me")).status_code == 200
        key = {"organisation": "acme", "id": made["id"]}
        await services.store.write([Change("keys", key, {"revoked_at": 1})])
        clock.pass_by(seconds=1)
        problem(await reports.get("/v1/me"), 401, "unauthenticated")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"scopes": []}, 400, "bad_shape"),
        ({"scopes": ["read", "fly"]}, 400, "bad_shape"),
        ({"scopes": ["operator"]}, 400, "bad_shape"),
        ({"scopes": "read"}, 400, "bad_shape"),
        ({}, 400, "bad_shape"),
        ({"scopes": ["read"], "side": "both"}, 400, "bad_shape"),
        ({"scopes": ["read"], "partnerships": []}, 400, "bad_shape"),
        ({"scopes": ["read"], "expires_at": "2027-01-01T00:00:00"}, 400, "naive_time"),
        ({"scopes": ["read"], "organisation": "other"}, 400, "bad_shape"),
    ],
)
async def test_a_key_that_makes_no_sense_is_not_made(http, services, body, status, code):
    before = await head(services)
    problem(await http.post("/v1/keys", json=body), status, code)
    assert await head(services) == before


async def test_keys_end_with_a_restart_only_where_they_ended_before(tmp_path, clock):
    async with started(settings_of(tmp_path), clock) as services:
        kept, revoked = await make_key(services), await make_key(services)
        async with client(services, kept) as http, client(services, revoked) as other:
            await http.delete(f"/v1/keys/{(await get(other, '/v1/me'))['key']}")
    async with started(settings_of(tmp_path), clock) as services:
        async with client(services, kept) as http:
            assert (await http.get("/v1/me")).status_code == 200
        async with client(services, revoked) as http:
            problem(await http.get("/v1/me"), 401, "unauthenticated")


async def test_why_a_key_was_refused_is_counted_and_logged_and_the_key_never(services, http, clock):
    lines = []
    app = build(services, tell=lines.append)
    made = [(await http.post("/v1/keys", json={"scopes": ["read"]})).json() for _ in range(2)]
    expired = await make_key(services, expires_at=clock.now)
    await http.delete(f"/v1/keys/{made[0]['id']}")
    rotated = (await http.post(f"/v1/keys/{made[1]['id']}/rotate")).json()
    for text, reason in (
        (made[0]["key"], "key_unknown"),
        (made[1]["key"], "key_secret"),
        (expired, "key_expired"),
        ("noces_1_2", "key_format"),
    ):
        before = refusals(services, reason)
        async with client(services, text, app) as other:
            answer = await other.get("/v1/me")
            problem(answer, 401, "unauthenticated")
        assert refusals(services, reason) == before + 1
        assert lines[-1].reason == reason
        assert text not in str(lines[-1]) + answer.text
    before = refusals(services, "key_secret")
    async with client(services, rotated["key"]) as other:
        assert (await other.get("/v1/me")).status_code == 200
    assert refusals(services, "key_secret") == before


def refusals(services, reason):
    return services.telemetry.registry.get_sample_value("noces_unauthenticated_total", {"reason": reason}) or 0


def test_a_key_that_another_process_revokes_ends_at_once_and_the_log_names_the_operator(standing, tmp_path):
    def keys(*arguments):
        told = noces(
            "keys", *arguments, "--json", "--database", f"sqlite:///{standing.path}", cwd=tmp_path, organisation="acme"
        )
        assert told.returncode == 0, told.stderr
        return json.loads(told.stdout)

    made = keys("create", "--scopes", "read")
    reports = {"Authorization": f"Bearer {made['key']}"}
    with standing.client() as http:
        assert http.get("/v1/me", headers=reports).json()["key"] == made["id"]
        keys("revoke", made["id"])
        problem(http.get("/v1/me", headers=reports), 401, "unauthenticated")
        events = http.get("/v1/events", params={"type": "key.*", "limit": 500}).json()["items"]
        acts = [(each["type"], each["actor"]) for each in events if each["data"]["key"] == made["id"]]
        assert acts == [("key.created", "operator"), ("key.revoked", "operator")]
