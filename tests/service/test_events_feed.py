"""The feed: dense positions, pages, types, waiting, lines, and how far it was read also where nothing matched."""

import asyncio

import pytest

from tests.service.story import power_struggle, worked_example
from tests.service.world import every_event, get, head, lines_of, open_partnership, problem, say


async def test_positions_are_dense_and_in_order(http, services):
    await worked_example(http)
    events = await every_event(http)
    assert [each["position"] for each in events] == list(range(1, await head(services) + 1))
    assert [each["recorded_at"] for each in events] == sorted(each["recorded_at"] for each in events)


async def test_an_event_is_its_entry_and_its_position(http):
    opened = await open_partnership(http)
    told = await say(http, opened["id"], "threat.withdrawn", "2020-03-01", side="client")
    (event,) = told["events"]
    expected = {
        "position",
        "v",
        "id",
        "stream",
        "version",
        "type",
        "schema",
        "occurred_at",
        "recorded_at",
        "actor",
        "data",
    }
    assert expected <= set(event)
    assert event["side"] == "client"
    assert event["actor"].startswith("key_")
    assert (await get(http, f"/v1/events/{event['position']}")) == event


@pytest.mark.parametrize("limit", [1, 7, 500])
async def test_pages_of_any_size_hold_every_event_once(http, limit):
    await power_struggle(http)
    found, after = [], 0
    while True:
        page = await get(http, "/v1/events", after=after, limit=limit)
        found += [each["position"] for each in page["items"]]
        assert len(page["items"]) <= limit
        if not page["items"]:
            break
        after = page["next"]
    assert found == [each["position"] for each in await every_event(http)]


async def test_next_and_position_are_told_also_at_the_end_and_where_nothing_matches(http, services):
    await power_struggle(http)
    end = await head(services)
    for query in ({"after": end}, {"type": "testimony.given"}, {"after": end, "type": "stage.*"}):
        page = await get(http, "/v1/events", **query)
        assert (page["items"], page["next"], page["position"]) == ([], str(end), end)
    beyond = await get(http, "/v1/events", after=end + 100)
    assert (beyond["items"], beyond["position"]) == ([], end + 100)


async def test_a_full_page_links_to_the_next_one(http):
    await power_struggle(http)
    found, url = [], "/v1/events?limit=3&type=promise.*,stage.*"
    while url:
        answer = await http.get(url)
        found += answer.json()["items"]
        url = answer.links["next"]["url"] if "next" in answer.links else None
    assert found == await every_event(http, type="promise.*,stage.*")


async def test_the_callers_correlation_id_stands_in_what_it_caused(http):
    opened = (await open_partnership(http))["id"]
    path = f"/v1/partnerships/{opened}/facts"
    body = {"type": "threat.withdrawn", "side": "client"}
    told = (await http.post(path, json=body, headers={"X-Correlation-Id": "order-7"})).json()
    assert told["events"][0]["correlation_id"] == "order-7"
    told = (await http.post(path, json=body, headers={"X-Correlation-Id": b"a\x01b"})).json()
    assert "correlation_id" not in told["events"][0]


async def test_cursor_and_after_are_the_same(http):
    await power_struggle(http)
    page = await get(http, "/v1/events", limit=3)
    assert await get(http, "/v1/events", cursor=page["next"]) == await get(http, "/v1/events", after=page["position"])


async def test_types_are_chosen_one_by_one_and_by_family(http):
    await worked_example(http)

    async def types(wanted):
        return {each["type"] for each in await every_event(http, type=wanted)}

    assert await types("stage.entered") == {"stage.entered"}
    assert await types("stage.*") == {"stage.entered"}
    assert await types("promise.*,transition.refused") == {"promise.made", "promise.measured", "transition.refused"}
    problem(await http.get("/v1/events?type=stage"), 400, "bad_parameter")
    problem(await http.get("/v1/events?type=*"), 400, "bad_parameter")
    problem(await http.get("/v1/events?type=nope.*"), 400, "bad_parameter")


async def test_one_partnership_has_its_own_feed(http):
    mine = await power_struggle(http)
    other = await open_partnership(http, client="Other")
    for path, query in ((f"/v1/partnerships/{mine}/events", {}), ("/v1/events", {"partnership": mine})):
        found = (await get(http, path, limit=500, **query))["items"]
        assert {each["partnership"] for each in found} == {mine}
        assert [each["version"] for each in found] == list(range(1, len(found) + 1))
    assert [each["type"] for each in (await get(http, f"/v1/partnerships/{other['id']}/events"))["items"]] == [
        "partnership.opened"
    ]
    problem(await http.get("/v1/events?partnership=pn_none"), 404, "not_found")


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=501",
        "limit=-1",
        "limit=ten",
        "after=-1",
        "after=1e3",
        "after=99999999999999999999",
        "wait=31",
        "wait=x",
        "limit=5&limit=6",
        "nope=1",
        "limit=%D9%A3",
    ],
)
async def test_a_parameter_out_of_its_bounds_is_named(http, query):
    told = problem(await http.get(f"/v1/events?{query}"), 400, "bad_parameter")
    assert query.partition("=")[0] in told["detail"]


async def test_a_waiting_reader_is_answered_when_something_happens(http, services):
    opened = await open_partnership(http)
    end = await head(services)
    waiting = asyncio.create_task(get(http, "/v1/events", after=end, wait=30))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    told = await say(http, opened["id"], "threat.withdrawn", side="client")
    page = await asyncio.wait_for(waiting, 10)
    assert (page["items"], page["position"]) == (told["events"], end + 1)


async def test_a_waiting_reader_of_one_type_goes_on_waiting_for_it(http, services):
    opened = await open_partnership(http)
    waiting = asyncio.create_task(get(http, "/v1/events", type="pulse.answered", wait=30))
    await asyncio.sleep(0.05)
    await say(http, opened["id"], "threat.withdrawn", side="client")
    await asyncio.sleep(0.05)
    assert not waiting.done()
    await say(http, opened["id"], "pulse.answered", side="client", score=4)
    page = await asyncio.wait_for(waiting, 10)
    assert [each["type"] for each in page["items"]] == ["pulse.answered"]


async def test_a_reader_who_waits_in_vain_is_told_how_far_was_read(http, services):
    await open_partnership(http)
    page = await get(http, "/v1/events", type="pulse.answered", wait=1)
    assert (page["items"], page["position"]) == ([], await head(services))


async def test_lines_are_the_whole_feed_up_to_where_the_log_ends(http):
    await worked_example(http)
    answer = await http.get("/v1/events?limit=5", headers={"Accept": "application/x-ndjson"})
    assert answer.headers["content-type"].partition(";")[0] == "application/x-ndjson"
    assert lines_of(answer.content) == await every_event(http)
    only = await http.get("/v1/events?type=stage.*&after=3", headers={"Accept": "application/x-ndjson"})
    assert lines_of(only.content) == [each for each in await every_event(http, type="stage.*") if each["position"] > 3]


@pytest.mark.parametrize("position", ["0", "-1", "1000000", "one", "99999999999999999999", "1.0"])
async def test_a_position_that_is_not_there_is_not_found(http, position):
    problem(await http.get(f"/v1/events/{position}"), 404, "not_found")


async def test_what_a_writer_was_answered_the_next_reader_sees(http):
    opened = await open_partnership(http)
    for number in range(20):
        told = await say(http, opened["id"], "incident.raised", incident=f"i{number}", priority=1)
        page = await get(http, "/v1/events", after=told["events"][0]["position"] - 1)
        assert page["items"] == told["events"]
