"""If-Match: a stale reader is told so; refusals and the clock's own words disturb nobody."""

import asyncio

import pytest

from tests.service.story import PEACE, TERMS, power_struggle
from tests.service.world import ask, get, head, open_partnership, problem, say, say_all

FACT = {"type": "incident.raised", "incident": "i1", "priority": 2}


async def etag(http, opened):
    return (await http.get(f"/v1/partnerships/{opened}")).headers["etag"]


async def put_fact(http, opened, match, **fields):
    return await http.post(f"/v1/partnerships/{opened}/facts", json={**FACT, **fields}, headers={"If-Match": match})


async def test_the_version_that_was_read_is_written_and_the_next_one_answered(http):
    opened = (await open_partnership(http))["id"]
    first = await put_fact(http, opened, '"1"')
    assert (first.status_code, first.headers["etag"]) == (201, '"2"')
    assert await etag(http, opened) == '"2"'
    assert (await put_fact(http, opened, '"2"', incident="i2")).status_code == 201


@pytest.mark.parametrize("match", ['"1"', '"99"', '"x"', '""', "nonsense", '"-1"', '"2", "1"'])
async def test_a_stale_or_strange_etag_is_refused_and_nothing_is_written(http, services, match):
    opened = (await open_partnership(http))["id"]
    await put_fact(http, opened, "*")
    before = await head(services)
    problem(await put_fact(http, opened, match, incident="i2"), 412, "stale_version")
    problem(
        await http.post(
            f"/v1/partnerships/{opened}/transitions",
            json={"trigger": "separate", "reason": "cost"},
            headers={"If-Match": match},
        ),
        412,
        "stale_version",
    )
    problem(await http.put(f"/v1/partnerships/{opened}/links/a/b/c", headers={"If-Match": match}), 412, "stale_version")
    assert await head(services) == before


async def test_the_refusal_names_the_etag_to_read_again(http):
    opened = (await open_partnership(http))["id"]
    await put_fact(http, opened, "*")
    told = problem(await put_fact(http, opened, '"1"', incident="i2"), 412, "stale_version")
    assert told["etag"] == '"2"' == await etag(http, opened)


@pytest.mark.parametrize("match", ['"1"', 'W/"1"', "1", "*"])
async def test_an_etag_is_taken_in_every_form_that_clients_send(http, match):
    opened = (await open_partnership(http))["id"]
    assert (await put_fact(http, opened, match)).status_code == 201


async def test_of_many_with_the_same_etag_one_wins(http, services):
    opened = (await open_partnership(http))["id"]
    answers = await asyncio.gather(*(put_fact(http, opened, '"1"', incident=f"i{number}") for number in range(20)))
    assert sorted(answer.status_code for answer in answers) == [201] + [412] * 19
    assert (await get(http, f"/v1/partnerships/{opened}"))["version"] == 2


async def test_somebody_elses_refused_attempt_does_not_make_an_etag_stale(http):
    opened = await power_struggle(http)
    seen = await etag(http, opened)
    problem(await ask(http, opened, "share_power", "2020-07-01"), 409, "transition_refused")
    assert await etag(http, opened) == seen
    assert (await put_fact(http, opened, seen)).status_code == 201


async def owing_a_meeting(http, clock):
    """A partnership in which a meeting was missed since its ETag was seen, and nobody said so yet; and that ETag."""
    opened = (await open_partnership(http, opened_at="2026-05-01T00:00:00Z"))["id"]
    await say(http, opened, "cadence.agreed", level="operational", every_days=7)
    seen = await etag(http, opened)
    clock.pass_by(days=12)
    return opened, seen


async def test_a_fact_of_the_clock_that_moves_no_stage_does_not_make_an_etag_stale(http, clock, services):
    opened, seen = await owing_a_meeting(http, clock)
    assert await services.time.look() == 1
    assert (await get(http, f"/v1/partnerships/{opened}"))["version"] == 3
    assert await etag(http, opened) == seen
    assert (await put_fact(http, opened, seen)).status_code == 201


async def test_what_time_says_before_the_command_does_not_make_an_etag_stale_where_no_stage_moves(http, clock):
    opened, seen = await owing_a_meeting(http, clock)
    answer = await put_fact(http, opened, seen)
    assert answer.status_code == 201, answer.text
    assert [each["type"] for each in answer.json()["events"]] == ["meeting.missed", "incident.raised"]


async def nearly_disappointed(http):
    """A honeymoon with a known gap that ends on its 730th day: 2026-06-11."""
    opened = (await open_partnership(http, opened_at="2024-06-11T00:00:00Z"))["id"]
    promise = {
        "promise": "p1",
        "side": "partner",
        "kind": "delay",
        "promised": 100,
        "unit": "days",
        "evidence": "none",
        "text": "Soon",
    }
    await say(http, opened, "promise.made", "2024-06-12", **promise)
    await say(http, opened, "promise.measured", "2024-12-01", promise="p1", actual=110)
    return opened


async def test_when_time_moved_the_stage_a_stale_reader_is_told_and_the_named_etag_works(http, clock):
    opened = await nearly_disappointed(http)
    seen = await etag(http, opened)
    clock.pass_by(days=20)
    told = problem(await put_fact(http, opened, seen), 412, "stale_version")
    assert told["etag"] != seen
    assert told["etag"] == await etag(http, opened)
    assert (await get(http, f"/v1/partnerships/{opened}"))["stage"] == "power_struggle"
    assert (await put_fact(http, opened, told["etag"])).status_code == 201


async def test_without_if_match_time_moves_the_stage_and_the_fact_is_written(http, clock):
    opened = await nearly_disappointed(http)
    clock.pass_by(days=20)
    answer = await http.post(f"/v1/partnerships/{opened}/facts", json=FACT)
    assert (answer.status_code, answer.json()["stage"]) == (201, "power_struggle")
    assert [each["type"] for each in answer.json()["events"]] == ["stage.entered", "incident.raised"]


async def test_a_stage_that_the_command_itself_moves_is_no_reason_to_refuse_it(http, clock):
    opened = await power_struggle(http)
    await say_all(http, opened, "2020-08-10", [*PEACE, *TERMS])
    seen = await etag(http, opened)
    answer = await http.post(
        f"/v1/partnerships/{opened}/transitions",
        json={"trigger": "share_power", "occurred_at": "2020-09-01T00:00:00Z"},
        headers={"If-Match": seen},
    )
    assert answer.status_code == 201
    assert answer.headers["etag"] == await etag(http, opened)
    answer = await http.post(
        f"/v1/partnerships/{opened}/facts",
        json={"type": "termination.threatened", "side": "client"},
        headers={"If-Match": answer.headers["etag"]},
    )
    assert (answer.status_code, answer.json()["stage"]) == (201, "power_struggle")


async def test_a_policy_that_was_adopted_meanwhile_makes_the_next_one_stale(http, services):
    answer = await http.post("/v1/policies", json={"honeymoon_days": 700}, headers={"If-Match": '"1"'})
    assert (answer.status_code, answer.json()["version"]) == (201, 2)
    before = await head(services)
    problem(await http.post("/v1/policies", json={}, headers={"If-Match": '"1"'}), 412, "stale_version")
    assert await head(services) == before


async def test_there_is_no_304_where_time_changes_the_answer(http):
    opened = (await open_partnership(http))["id"]
    for path in ("", "/history"):
        answer = await http.get(f"/v1/partnerships/{opened}{path}", headers={"If-None-Match": '"1"'})
        assert answer.status_code == 200
