"""Many at once: whoever writes together is decided in order, loses alone, and starves nobody."""

import asyncio
import json

from tests.service.story import PEACE, TERMS, honeymoon, power_struggle
from tests.service.world import ask, every_event, get, head, open_partnership, problem, say, say_all


async def versions_are_dense(http, opened):
    events = (await get(http, f"/v1/partnerships/{opened}/events", limit=500))["items"]
    assert [each["version"] for each in events] == list(range(1, len(events) + 1))
    return events


async def test_sixty_four_at_once_on_one_partnership_all_win(http, services):
    opened = (await open_partnership(http))["id"]
    before = await head(services)
    told = await asyncio.gather(
        *(say(http, opened, "incident.raised", incident=f"i{number}", priority=2) for number in range(64))
    )
    assert len({each["events"][0]["position"] for each in told}) == 64
    assert await head(services) == before + 64
    await versions_are_dense(http, opened)


async def test_what_one_caller_sends_in_order_is_recorded_in_order(http):
    opened = (await open_partnership(http))["id"]
    await asyncio.gather(
        *(say(http, opened, "incident.raised", incident=f"i{number:02}", priority=2) for number in range(60))
    )
    raised = [
        each["data"]["incident"] for each in await versions_are_dense(http, opened) if each["type"] == "incident.raised"
    ]
    assert raised == sorted(raised)


async def test_late_facts_retractions_transitions_and_facts_at_once_leave_one_story(http, keyed):
    opened = await power_struggle(http)
    await say_all(http, opened, "2020-08-10", [*PEACE, *TERMS])
    raised = await say(http, opened, "incident.raised", "2020-08-11", incident="wrong", priority=2)
    callers = [http, await keyed(), await keyed()]
    work = []
    for number in range(12):
        caller = callers[number % 3]
        work += [
            say(caller, opened, "incident.raised", incident=f"now {number}", priority=2),
            say(
                caller,
                opened,
                "reality.discovered",
                "2020-02-02",
                side="client",
                about="legacy",
                text="Late",
                concealed=False,
            ),
            ask(caller, opened, "share_power", "2020-09-01"),
            say(caller, opened, "fact.retracted", event=raised["events"][0]["id"], reason="Twice"),
        ]
    told = await asyncio.gather(*work)
    moved = [each for each in told if not isinstance(each, dict)]
    assert sorted({each.status_code for each in moved}) == [201, 409]
    assert sum(each.status_code == 201 for each in moved) == 1
    assert all(each.json()["code"] == "transition_impossible" for each in moved if each.status_code == 409)
    events = await versions_are_dense(http, opened)
    counted = [each["type"] for each in events]
    assert (counted.count("fact.retracted"), counted.count("reality.discovered")) == (1, 12)
    stages = (await get(http, f"/v1/partnerships/{opened}/history"))["stages"]
    assert [each["stage"] for each in stages] == ["honeymoon", "power_struggle", "power_sharing"]


async def test_a_measure_at_once_with_others_moves_the_stage_once(http):
    opened = await honeymoon(http)
    body = {"promise": "p1", "actual": 66}
    await asyncio.gather(
        *(say(http, opened, "promise.measured", "2020-06-01", **body) for _ in range(10)),
        *(
            say(http, opened, "incident.raised", "2020-06-01", incident=f"i{number}", priority=2)
            for number in range(10)
        ),
    )
    events = await versions_are_dense(http, opened)
    assert [each["type"] for each in events].count("stage.entered") == 1


async def test_a_policy_adopted_among_facts_is_named_by_what_was_decided_under_it(http):
    opened = [await honeymoon(http) for _ in range(12)]

    async def adopt():
        return await http.post("/v1/policies", json={"delay_doubled": 2.1})

    work = [say(http, each, "promise.measured", "2020-06-01", promise="p1", actual=66) for each in opened]
    told = await asyncio.gather(*work[:6], adopt(), *work[6:])
    adopted = next(each for each in told if not isinstance(each, dict)).json()
    for each in await every_event(http, type="stage.entered"):
        before = each["position"] < adopted["position"]
        assert each["data"]["policy"] == (1 if before else 2)
        guard = next(guard for guard in each["data"]["guards"] if guard["code"] == "delay_doubled")
        assert guard["required"] == (2.0 if before else 2.1)


async def test_policies_that_are_adopted_at_once_are_all_adopted(http):
    answers = await asyncio.gather(*(http.post("/v1/policies", json={"honeymoon_days": 700 + n}) for n in range(6)))
    assert {answer.status_code for answer in answers} == {201}
    adopted = (await get(http, "/v1/policies"))["items"]
    assert [each["version"] for each in adopted] == [1, 2, 3, 4, 5, 6, 7]
    assert [each["policy"]["honeymoon_days"] for each in adopted][1:] != [730] * 6


async def test_an_entry_that_is_too_large_fails_alone(http, services):
    opened = (await open_partnership(http))["id"]
    before = await head(services)
    huge = {"type": "mirror.reviewed", "answers": ["\U0001f48d" * 8_000] * 4}
    path = f"/v1/partnerships/{opened}/facts"
    raw = json.dumps(huge, ensure_ascii=False).encode()
    large, *others = await asyncio.gather(
        http.post(path, content=raw, headers={"Content-Type": "application/json"}),
        *(say(http, opened, "incident.raised", incident=f"i{number}", priority=2) for number in range(10)),
    )
    problem(large, 422, "entry_too_large")
    assert all(each["events"] for each in others)
    assert await head(services) == before + 10
    await versions_are_dense(http, opened)


async def test_texts_at_their_limit_are_kept(http):
    opened = (await open_partnership(http))["id"]
    text = "é" * 8_000
    told = await say(http, opened, "knowledge.mapped", side="client", strengths=text, weaknesses=text)
    assert told["events"][0]["data"]["strengths"] == text


async def test_keys_and_sources_made_at_once_are_all_made(http):
    answers = await asyncio.gather(
        *(http.post("/v1/keys", json={"scopes": ["read"], "name": f"k{number}"}) for number in range(10)),
        *(http.post("/v1/sources", json={"connector": "stripe", "name": f"s{number}"}) for number in range(10)),
    )
    assert {answer.status_code for answer in answers} == {201}
    assert len((await get(http, "/v1/sources"))["items"]) == 10


async def test_a_link_that_two_want_at_once_goes_to_one(http):
    opened = [(await open_partnership(http))["id"] for _ in range(8)]
    answers = await asyncio.gather(*(http.put(f"/v1/partnerships/{each}/links/jira/project/NP") for each in opened))
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 7
    (winner,) = (answer.json()["id"] for answer in answers if answer.status_code == 200)
    assert {answer.json()["id"] for answer in answers} == {winner}
