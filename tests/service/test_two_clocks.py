"""Two clocks: what was true, what was known, the one against the other, and a life told event by event."""

import random
from datetime import timedelta

import pytest

from domain.partnership import fold
from events.codec import happened
from tests.service.story import honeymoon, power_sharing, power_struggle
from tests.service.world import NOON, ask, get, instant, open_partnership, problem, say

YEAR_END = "2026-12-31T00:00:00Z"


async def test_believed_on_a_day_against_true_on_that_day(http, clock):
    opened = await honeymoon(http)
    clock.pass_by(days=300)
    await say(http, opened, "promise.measured", "2026-07-01", promise="p1", actual=66)
    path = f"/v1/partnerships/{opened}/history/diff"
    told = await get(http, path, as_of=YEAR_END)
    assert told["differs_from"] == 0  # the honeymoon ended while nobody knew
    assert [each["stage"] for each in told["believed"]["stages"]] == ["honeymoon"]
    assert [each["stage"] for each in told["true"]["stages"]] == ["honeymoon", "power_struggle"]
    assert told["believed"]["known_at"] == YEAR_END
    later = await get(http, path, as_of=YEAR_END, known_at=clock.now.isoformat())
    assert later["differs_from"] is None
    assert later["believed"]["stages"] == later["true"]["stages"]


async def test_a_retracted_fact_was_believed_and_never_true(http, clock):
    opened = await power_struggle(http)
    believed_until = clock.now
    clock.pass_by(days=1)
    events = (await get(http, f"/v1/partnerships/{opened}/events"))["items"]
    measured = next(each for each in events if each["type"] == "promise.measured")
    await say(http, opened, "contract.signed", "2020-03-01", contract="c2", starts_on="2020-03-01")
    contract = (await get(http, f"/v1/partnerships/{opened}/events"))["items"][-1]
    clock.pass_by(days=1)
    await say(http, opened, "fact.retracted", event=contract["id"], reason="Another's")
    assert measured["position"] < contract["position"]
    before = await get(http, f"/v1/partnerships/{opened}", known_at=(believed_until + timedelta(days=1)).isoformat())
    after = await get(http, f"/v1/partnerships/{opened}", known_at=clock.now.isoformat())
    assert before["version"] < after["version"]


async def test_an_instant_before_anybody_knew_has_no_belief(http, clock):
    opened = (await open_partnership(http))["id"]
    told = await get(http, f"/v1/partnerships/{opened}/history/diff", as_of="2021-01-01T00:00:00Z")
    assert (told["believed"], told["differs_from"]) == (None, 0)
    problem(await http.get(f"/v1/partnerships/{opened}/history/diff?as_of=2019-01-01T00:00:00Z"), 404, "not_found")
    problem(await http.get(f"/v1/partnerships/{opened}/history/diff"), 400, "bad_parameter")
    problem(
        await http.get(
            f"/v1/partnerships/{opened}/history/diff?as_of=2021-01-01T00:00:00Z&known_at=2030-01-01T00:00:00Z"
        ),
        422,
        "future_time",
    )


async def test_guards_say_what_they_would_have_said(http, clock):
    opened = await power_sharing(http)
    then = await get(http, f"/v1/partnerships/{opened}/transitions", as_of="2020-07-01T00:00:00Z")
    now = await get(http, f"/v1/partnerships/{opened}/transitions")
    assert (then["stage"], now["stage"]) == ("power_struggle", "power_sharing")
    problem(await http.get(f"/v1/partnerships/{opened}/transitions?as_of=2019-07-01T00:00:00Z"), 404, "not_found")


def by_two_clocks(recorded, as_of, known_at):
    """The definition, in a few words of its own: a fact counts from when it occurred, its retraction always."""
    return [
        happened(each)
        for each in recorded
        if each.recorded_at <= known_at and (each.occurred_at <= as_of or each.type == "fact.retracted")
    ]


async def a_life(http, clock, chance):
    """A partnership told late, in any order, partly taken back, with transitions asked for in between."""
    opened = (await open_partnership(http, opened_at="2024-01-01T00:00:00Z"))["id"]
    promise = {
        "promise": "p1",
        "side": "partner",
        "kind": "delay",
        "promised": 30,
        "unit": "days",
        "evidence": "none",
        "text": "x",
    }
    await say(http, opened, "promise.made", "2024-01-02", **promise)
    for number in range(12):
        clock.pass_by(hours=chance.randint(1, 100))
        at = (NOON - timedelta(days=chance.randint(0, 800))).isoformat()[:19] + "Z"
        said = await say(
            http, opened, "incident.raised", instant(at), incident=f"i{number}", priority=chance.randint(1, 5)
        )
        if chance.random() < 0.3:
            clock.pass_by(hours=chance.randint(1, 50))
            await say(http, opened, "fact.retracted", event=said["events"][0]["id"], reason="It was another's.")
        if number == 5:
            measured = (NOON - timedelta(days=chance.randint(1, 700))).isoformat()[:19] + "Z"
            await say(http, opened, "promise.measured", instant(measured), promise="p1", actual=66)
        if number == 8:
            await ask(http, opened, "share_power")
    return opened


@pytest.mark.parametrize("seed", range(4))
async def test_every_answer_by_two_clocks_is_the_fold_of_what_was_known(http, services, clock, seed):
    chance = random.Random(seed)
    opened = await a_life(http, clock, chance)
    stream = f"partnership-{opened}"
    recorded = await services.states.recorded("acme", stream)
    assert {"stage.entered", "transition.refused"} <= {each.type for each in recorded}
    for _ in range(12):
        as_of = NOON - timedelta(days=chance.randint(-30, 900))
        known_at = chance.choice(recorded).recorded_at
        expected = by_two_clocks(recorded, as_of, known_at)
        state = await services.states.at("acme", stream, as_of, known_at)
        assert state == fold(expected)
        clocks = {"as_of": text(as_of), "known_at": text(known_at)}
        events = await get(http, f"/v1/partnerships/{opened}/events", limit=500, **clocks)
        assert [each["version"] for each in events["items"]] == [each.version for each in expected]
        listed = await get(http, "/v1/partnerships", **clocks)
        if state.opened is None:
            assert listed["items"] == []
            problem(await http.get(f"/v1/partnerships/{opened}", params=clocks), 404, "not_found")
        else:
            assert listed["items"] == [await get(http, f"/v1/partnerships/{opened}", **clocks)]


def text(at):
    return at.isoformat().replace("+00:00", "Z")


async def test_the_portfolio_of_a_day_is_that_of_what_was_known_then(http, clock):
    first = await power_struggle(http, client="A", links=[{"system": "crm", "kind": "company", "external_id": "7"}])
    believed = text(clock.now)
    clock.pass_by(days=1)
    second = await power_sharing(http, client="B")

    async def ids(**query):
        return [each["id"] for each in (await get(http, "/v1/partnerships", **query))["items"]]

    assert await ids(as_of="2020-07-01T00:00:00Z") == [first, second]
    assert await ids(as_of="2020-07-01T00:00:00Z", stage="power_struggle") == [first, second]
    assert await ids(as_of="2020-10-01T00:00:00Z", stage="power_struggle") == [first]
    assert await ids(as_of="2020-10-01T00:00:00Z", stage="power_struggle", known_at=believed) == [first]
    assert await ids(known_at=believed) == [first]
    assert await ids(known_at=believed, client="B") == []
    assert await ids(as_of="2019-01-01T00:00:00Z") == []
    assert await ids(as_of="2020-10-01T00:00:00Z", open="false") == []
    link = {"system": "crm", "kind": "company", "external_id": "7"}
    assert await ids(as_of="2020-07-01T00:00:00Z", **link) == [first]
    assert await ids(as_of="2019-07-01T00:00:00Z", **link) == []
    page = await get(http, "/v1/partnerships", as_of="2020-07-01T00:00:00Z", limit=1)
    assert [each["stage"] for each in page["items"]] == ["power_struggle"]
    rest = await get(http, "/v1/partnerships", as_of="2020-07-01T00:00:00Z", limit=1, cursor=page["next"])
    assert ([each["id"] for each in rest["items"]], rest["next"]) == ([second], None)
    future = text(clock.now + timedelta(days=1))
    problem(await http.get("/v1/partnerships", params={"known_at": future}), 422, "future_time")
    problem(await http.get(f"/v1/partnerships/{first}/events", params={"known_at": future}), 422, "future_time")


# --- event by event ----------------------------------------------------------------------------------------------------


async def replayed(http, opened, **query):
    return await get(http, f"/v1/partnerships/{opened}/replay", **query)


async def test_each_event_is_told_with_what_it_changed(http):
    opened = await power_struggle(http)
    items = (await replayed(http, opened))["items"]
    events = (await get(http, f"/v1/partnerships/{opened}/events"))["items"]
    assert [each["event"] for each in items] == events
    entered = next(each for each in items if each["event"]["type"] == "stage.entered")
    changed = {each["path"]: (each["before"], each["after"]) for each in entered["changes"]}
    assert changed["/state"] == ("honeymoon", "power_struggle")
    promise = next(each for each in items if each["event"]["type"] == "promise.made")
    assert any(each["path"] == "/promises/p1" and each["before"] is None for each in promise["changes"])


async def test_the_changes_add_up_to_the_state(http, services):
    opened = await power_sharing(http)
    told = {}
    for each in (await replayed(http, opened))["items"]:
        for change in each["changes"]:
            assert told.get(change["path"]) == change["before"]
            told[change["path"]] = change["after"]
    state = await services.states.load("acme", f"partnership-{opened}")
    assert told["/state"] == state.state
    assert set(state.promises) == {path.removeprefix("/promises/") for path in told if path.startswith("/promises/")}


async def test_a_part_of_a_life_and_its_pages_are_the_same_as_the_whole(http):
    opened = await power_sharing(http)
    whole = (await replayed(http, opened))["items"]
    first, last = whole[2]["event"]["position"], whole[6]["event"]["position"]
    assert (await replayed(http, opened, **{"from": first, "to": last}))["items"] == whole[2:7]
    paged, cursor = [], None
    while True:
        page = await replayed(http, opened, limit=3, **({"cursor": cursor} if cursor else {}))
        paged += page["items"]
        cursor = page["next"]
        if cursor is None:
            break
    assert paged == whole
    assert (await replayed(http, opened, **{"from": 10_000}))["items"] == []
    for wrong in ("from=0", "to=x", "limit=501"):
        problem(await http.get(f"/v1/partnerships/{opened}/replay?{wrong}"), 400, "bad_parameter")


async def test_a_retraction_changes_back_what_its_fact_changed(http):
    opened = await power_struggle(http)
    fact = (await say(http, opened, "incident.raised", incident="i9", priority=2))["events"][0]
    await say(http, opened, "fact.retracted", event=fact["id"], reason="Not ours")
    items = (await replayed(http, opened))["items"]
    raised = next(each for each in items if each["event"]["id"] == fact["id"])
    taken_back = next(each for each in items if each["event"]["type"] == "fact.retracted")
    appeared = {each["path"] for each in raised["changes"] if each["before"] is None}
    assert "/incidents/i9" in appeared
    assert {each["path"] for each in taken_back["changes"] if each["after"] is None} >= {"/incidents/i9"}
