"""Idempotency keys: the first answer again, also after a restart; one write however often and at once it is asked."""

import asyncio
import threading

import pytest

from tests.service.story import PEACE, TERMS, honeymoon, power_struggle
from tests.service.world import client, get, head, make_key, open_partnership, problem, say_all, settings_of, started

FACT = {"type": "incident.raised", "incident": "i1", "priority": 2, "occurred_at": "2020-03-01T00:00:00Z"}
KEY = {"Idempotency-Key": "k1"}
SAME = ("content-type", "etag", "location")


def told(answer):
    """An answer without what belongs to its request alone."""
    body = answer.json()
    if isinstance(body, dict):
        body.pop("instance", None)
    return answer.status_code, {name: answer.headers.get(name) for name in SAME}, body


def replayed(answer):
    return answer.headers.get("idempotency-replayed") == "true"


async def twice(http, services, path, body, clock=None, **headers):
    """The first answer of two, once both were found the same and the second wrote nothing."""
    first = await http.post(path, json=body, headers={**KEY, **headers})
    assert not replayed(first)
    before = await head(services)
    if clock is not None:
        clock.pass_by(days=400)
    second = await http.post(path, json=body, headers={**KEY, **headers})
    assert replayed(second), second.text
    assert told(second) == told(first)
    assert await head(services) == before
    return first


# --- the same again ------------------------------------------------------------------------------------------------


async def test_a_repeated_fact_answers_as_the_first_time(http, services):
    opened = await open_partnership(http)
    first = await twice(http, services, f"/v1/partnerships/{opened['id']}/facts", FACT)
    assert first.status_code == 201


async def test_a_repeated_array_with_what_followed_answers_as_the_first_time(http, services, clock):
    opened = await honeymoon(http)
    body = [FACT, {"type": "promise.measured", "promise": "p1", "actual": 66, "occurred_at": "2020-06-01T00:00:00Z"}]
    first = await twice(http, services, f"/v1/partnerships/{opened}/facts", body, clock)
    assert [each["type"] for each in first.json()["events"]] == ["incident.raised", "promise.measured", "stage.entered"]


async def test_a_repeated_opening_answers_as_the_first_time_however_much_later(http, services, clock):
    body = {"client": "A", "partner": "B", "links": [{"system": "jira", "kind": "project", "external_id": "NP"}]}
    first = await twice(http, services, "/v1/partnerships", body, clock)
    assert first.status_code == 201


async def test_a_repeated_opening_answers_as_the_first_time_also_when_much_happened_since(http, services):
    body = {"client": "A", "partner": "B", "opened_at": "2020-01-10T00:00:00Z"}
    first = await http.post("/v1/partnerships", json=body, headers=KEY)
    path = f"/v1/partnerships/{first.json()['id']}"
    await http.post(f"{path}/facts", json={"type": "termination.threatened", "side": "client"})
    await http.put(f"{path}/links/jira/project/NP")
    again = await http.post("/v1/partnerships", json=body, headers=KEY)
    assert told(again) == told(first)


async def test_a_repeated_transition_answers_as_the_first_time(http, services, clock):
    opened = await power_struggle(http)
    await say_all(http, opened, "2020-08-10", [*PEACE, *TERMS])
    body = {"trigger": "share_power", "occurred_at": "2020-09-01T00:00:00Z"}
    first = await twice(http, services, f"/v1/partnerships/{opened}/transitions", body, clock)
    assert (first.status_code, first.json()["stage"]) == (201, "power_sharing")


async def test_a_refusal_is_kept(http, services, clock):
    opened = await power_struggle(http)
    path = f"/v1/partnerships/{opened}/transitions"
    body = {"trigger": "share_power", "occurred_at": "2020-07-01T00:00:00Z"}
    first = await twice(http, services, path, body, clock)
    problem(first, 409, "transition_refused")
    await say_all(http, opened, "2020-08-10", [*PEACE, *TERMS])
    assert told(await http.post(path, json=body, headers=KEY)) == told(first)


async def test_a_repeated_request_to_force_and_its_approval_answer_as_the_first_time(http, keyed, services):
    opened = await power_struggle(http)
    body = {"force": {"to": "power_sharing", "reason": "The board decided"}}
    second = await keyed()
    asked = await twice(http, services, f"/v1/partnerships/{opened}/transitions", body)
    assert asked.status_code == 202
    done = await twice(second, services, f"/v1/overrides/{asked.json()['id']}/approve", None)
    assert done.status_code == 201


async def test_a_repeated_policy_is_adopted_once(http, services):
    first = await twice(http, services, "/v1/policies", {"delay_doubled": 3.0})
    assert (first.status_code, first.json()["version"]) == (201, 2)


async def test_a_repeated_source_is_made_once(http, services):
    body = {"connector": "pagerduty", "name": "Incidents", "secrets": ["s3cret"]}
    first = await twice(http, services, "/v1/sources", body)
    assert first.status_code == 201
    assert len((await get(http, "/v1/sources"))["items"]) == 1


async def test_a_repeated_key_is_made_once_and_its_text_is_not_shown_again(http, services):
    body = {"scopes": ["read"], "name": "Reports"}
    first = await http.post("/v1/keys", json=body, headers=KEY)
    before = await head(services)
    second = await http.post("/v1/keys", json=body, headers=KEY)
    assert replayed(second)
    assert (second.status_code, second.json()["id"]) == (201, first.json()["id"])
    assert first.json()["key"] not in second.text
    assert await head(services) == before


async def test_quoted_or_not_it_is_the_same_key(http, services):
    opened = await open_partnership(http)
    path = f"/v1/partnerships/{opened['id']}/facts"
    first = await http.post(path, json=FACT, headers={"Idempotency-Key": '"k1"'})
    assert told(await http.post(path, json=FACT, headers=KEY)) == told(first)


async def test_the_answer_is_the_same_after_a_restart(tmp_path, clock):
    async with started(settings_of(tmp_path), clock) as services:
        text = await make_key(services)
        async with client(services, text) as http:
            opened = await open_partnership(http)
            path = f"/v1/partnerships/{opened['id']}/facts"
            first = await http.post(path, json={"type": "advice.given", "advice": "a", "text": "Buy less"}, headers=KEY)
            before = await head(services)
    clock.pass_by(days=3)
    async with started(settings_of(tmp_path), clock) as services, client(services, text) as http:
        again = await http.post(path, json={"type": "advice.given", "advice": "a", "text": "Buy less"}, headers=KEY)
        assert replayed(again)
        assert told(again) == told(first)
        assert await head(services) == before


# --- other requests ------------------------------------------------------------------------------------------------


async def test_another_request_under_the_same_key_is_refused(http, services):
    opened = await open_partnership(http)
    path = f"/v1/partnerships/{opened['id']}/facts"
    await http.post(path, json=FACT, headers=KEY)
    before = await head(services)
    problem(await http.post(path, json={**FACT, "priority": 3}, headers=KEY), 422, "key_reused")
    problem(
        await http.post(f"/v1/partnerships/{opened['id']}/transitions", json={"trigger": "separate"}, headers=KEY),
        422,
        "key_reused",
    )
    problem(await http.post("/v1/partnerships", json={"client": "A", "partner": "B"}, headers=KEY), 422, "key_reused")
    assert await head(services) == before


async def test_two_callers_may_use_the_same_key_for_different_requests(http, keyed):
    opened = await open_partnership(http)
    path = f"/v1/partnerships/{opened['id']}/facts"
    assert (await http.post(path, json=FACT, headers=KEY)).status_code == 201
    other = await (await keyed()).post(path, json={**FACT, "incident": "i2"}, headers=KEY)
    assert (other.status_code, replayed(other)) == (201, False)


async def test_an_error_is_not_kept(http, services):
    opened = await open_partnership(http)
    path = f"/v1/partnerships/{opened['id']}/facts"
    for body, status, headers in (
        ({"type": "nope"}, 400, {}),
        ({**FACT, "occurred_at": "2030-01-01T00:00:00Z"}, 422, {}),
        (FACT, 412, {"If-Match": '"9"'}),
        ({"type": "fact.retracted", "event": "evt_none", "reason": "no"}, 404, {}),
    ):
        answer = await http.post(path, json=body, headers={**KEY, **headers})
        assert (answer.status_code, replayed(answer)) == (status, False)
    answer = await http.post(path, json=FACT, headers=KEY)
    assert (answer.status_code, replayed(answer)) == (201, False)


async def test_an_impossible_transition_is_not_kept(http):
    opened = await honeymoon(http)
    body = {"trigger": "share_power", "occurred_at": "2020-09-01T00:00:00Z"}
    path = f"/v1/partnerships/{opened}/transitions"
    problem(await http.post(path, json=body, headers=KEY), 409, "transition_impossible")
    await http.post(
        f"/v1/partnerships/{opened}/facts",
        json={"type": "promise.measured", "promise": "p1", "actual": 66, "occurred_at": "2020-06-01T00:00:00Z"},
    )
    await say_all(http, opened, "2020-08-10", [*PEACE, *TERMS])
    assert (await http.post(path, json=body, headers=KEY)).status_code == 201


@pytest.mark.parametrize("key", ["", '""', "x" * 256, '"' + "x" * 256 + '"', "a\tb"])
async def test_a_key_takes_1_to_255_printable_characters(http, services, key):
    opened = await open_partnership(http)
    before = await head(services)
    problem(
        await http.post(f"/v1/partnerships/{opened['id']}/facts", json=FACT, headers={"Idempotency-Key": key}),
        400,
        "bad_request",
    )
    assert await head(services) == before


async def test_a_key_of_255_characters_is_taken(http):
    opened = await open_partnership(http)
    answer = await http.post(
        f"/v1/partnerships/{opened['id']}/facts", json=FACT, headers={"Idempotency-Key": "x" * 255}
    )
    assert answer.status_code == 201


# --- at once -------------------------------------------------------------------------------------------------------


async def test_while_the_first_still_runs_the_second_is_told_to_come_back(http, services):
    opened = await open_partnership(http)
    path = f"/v1/partnerships/{opened['id']}/facts"
    held, release = threading.Event(), threading.Event()

    def hold(_):
        held.set()
        release.wait(30)

    holding = asyncio.create_task(services.store.alone(hold))
    await asyncio.to_thread(held.wait)
    first = asyncio.create_task(http.post(path, json=FACT, headers=KEY))
    while len(services.handler._running) == 0:
        await asyncio.sleep(0.001)
    second = await http.post(path, json=FACT, headers=KEY)
    release.set()
    assert problem(second, 409, "still_running")
    assert second.headers["retry-after"]
    assert ((await first).status_code, (await holding)) == (201, None)
    assert replayed(await http.post(path, json=FACT, headers=KEY))


async def test_however_many_ask_at_once_it_is_written_once(http, services):
    opened = await open_partnership(http)
    path = f"/v1/partnerships/{opened['id']}/facts"
    before = await head(services)
    answers = await asyncio.gather(*(http.post(path, json=FACT, headers=KEY) for _ in range(30)))
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert sum(answer.status_code == 201 and not replayed(answer) for answer in answers) == 1
    assert all(answer.json()["code"] == "still_running" for answer in answers if answer.status_code == 409)
    assert await head(services) == before + 1


async def test_a_caller_who_went_away_finds_the_answer_under_its_key(http, services):
    opened = await open_partnership(http)
    path = f"/v1/partnerships/{opened['id']}/facts"
    for number in range(20):
        body, key = {**FACT, "incident": f"gone {number}"}, {"Idempotency-Key": f"gone {number}"}
        asking = asyncio.create_task(http.post(path, json=body, headers=key))
        await asyncio.sleep(0.0002 * number)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        while (again := await http.post(path, json=body, headers=key)).status_code == 409:
            assert again.json()["code"] == "still_running"
            await asyncio.sleep(0.001)
        assert again.status_code == 201, again.text
    events = (await get(http, f"/v1/partnerships/{opened['id']}/events", type="incident.raised", limit=500))["items"]
    assert sorted(each["data"]["incident"] for each in events) == sorted(f"gone {number}" for number in range(20))
