"""History: every spell with its cause, by two clocks, and never decided anew."""

from tests.service.story import honeymoon, worked_example
from tests.service.world import every_event, get, head, problem, say


async def history(http, opened, **query):
    return await get(http, f"/v1/partnerships/{opened}/history", **query)


async def test_a_new_partnership_has_one_open_spell_that_its_opening_brought(http):
    opened = await honeymoon(http)
    told = await history(http, opened, as_of="2020-03-01T12:00:00Z")
    (spell,) = told["stages"]
    opening = next(each for each in await every_event(http) if each["type"] == "partnership.opened")
    expected = {
        "stage": "honeymoon", "outcome": None, "entered_at": "2020-01-10T00:00:00Z", "left_at": None, "days": 51,
        "trigger": None, "cause": opening["position"], "telescoped": False, "forced": False,
    }  # fmt: skip
    assert {name: spell[name] for name in expected} == expected
    assert (told["partnership"], told["as_of"]) == (opened, "2020-03-01T12:00:00Z")
    assert (told["separated_from"], told["respectful"], told["ending"]) == (None, None, None)


async def test_as_of_shows_the_path_up_to_then(http):
    opened = await worked_example(http)
    for day, stages in {
        "2020-05-31T23:59:59Z": ["honeymoon"],
        "2020-06-01T00:00:00Z": ["honeymoon", "power_struggle"],
        "2020-12-31T00:00:00Z": ["honeymoon", "power_struggle", "power_sharing"],
        "2021-04-01T02:00:00+02:00": [
            "honeymoon",
            "power_struggle",
            "power_sharing",
            "power_struggle",
            "power_sharing",
        ],
    }.items():
        assert [spell["stage"] for spell in (await history(http, opened, as_of=day))["stages"]] == stages


async def test_known_at_uses_only_what_was_recorded_by_then(http, clock):
    opened = await honeymoon(http)
    noon = clock.now.isoformat()
    clock.pass_by(days=1)
    await say(http, opened, "promise.measured", "2020-06-01", promise="p1", actual=66)
    assert [spell["stage"] for spell in (await history(http, opened))["stages"]] == ["honeymoon", "power_struggle"]
    told = await history(http, opened, known_at=noon)
    assert [spell["stage"] for spell in told["stages"]] == ["honeymoon"]
    both = await history(http, opened, known_at=noon, as_of="2020-12-01T00:00:00Z")
    assert [(spell["stage"], spell["left_at"]) for spell in both["stages"]] == [("honeymoon", None)]


async def test_nobody_knows_what_will_be_known(http):
    opened = await honeymoon(http)
    problem(await http.get(f"/v1/partnerships/{opened}/history?known_at=2026-06-01T12:00:01Z"), 422, "future_time")


async def test_a_naive_instant_is_refused_and_an_unescaped_plus_is_understood(http):
    opened = await honeymoon(http)
    path = f"/v1/partnerships/{opened}/history"
    problem(await http.get(f"{path}?as_of=2020-03-01T00:00:00"), 400, "naive_time")
    problem(await http.get(f"{path}?as_of=yesterday"), 400, "bad_parameter")
    problem(await http.get(f"{path}?when=2020-03-01T00:00:00Z"), 400, "bad_parameter")
    assert (await http.get(f"{path}?as_of=2020-03-01T01:00:00+01:00")).json()["as_of"] == "2020-03-01T00:00:00Z"


async def test_before_it_was_opened_or_known_there_is_no_history(http):
    opened = await honeymoon(http)
    for query in ("as_of=2019-12-31T00:00:00Z", "known_at=2026-05-31T00:00:00Z"):
        problem(await http.get(f"/v1/partnerships/{opened}/history?{query}"), 404, "not_found")


async def test_a_retraction_leaves_the_path_that_was_taken(http, clock):
    opened = await honeymoon(http)
    told = await say(http, opened, "promise.measured", "2020-06-01", promise="p1", actual=66)
    clock.pass_by(days=1)
    before = (await history(http, opened))["stages"]
    await say(http, opened, "fact.retracted", event=told["events"][0]["id"], reason="Another project")
    after = (await history(http, opened))["stages"]
    assert [(spell["stage"], spell["entered_at"]) for spell in after] == [
        (spell["stage"], spell["entered_at"]) for spell in before
    ]


async def test_a_short_stay_is_telescoped(http):
    opened = await honeymoon(http, opened_at="2020-01-10T00:00:00Z")
    await say(http, opened, "termination.threatened", "2020-02-08", side="client")
    first, second = (await history(http, opened, as_of="2021-01-01T00:00:00Z"))["stages"]
    assert (first["days"], first["telescoped"], second["telescoped"]) == (29, True, False)


async def test_three_matters_of_another_stage_overlap_it(http):
    opened = await honeymoon(http)
    for number, day in enumerate(("2020-03-01", "2020-03-02", "2020-03-03")):
        await say(http, opened, "demand.raised", day, demand=f"d{number}", side="client", text="More")
    told = await history(http, opened, as_of="2020-03-10T00:00:00Z")
    assert [spell["stage"] for spell in told["stages"]] == ["honeymoon"]
    assert ("power_struggle", None) in [(each["stage"], each["to"]) for each in told["overlaps"]]


async def test_reading_writes_nothing(http, services):
    opened = await worked_example(http)
    before = await head(services)
    for path in ("", "/history", "/transitions", "/events"):
        await get(http, f"/v1/partnerships/{opened}{path}")
    assert await head(services) == before
