"""The clock: silence is a fact, dated when it fell due and written once, whoever notices it first."""

import asyncio

from service.clock import Clock
from tests.service.story import power_struggle
from tests.service.world import (
    client,
    every_event,
    get,
    head,
    make_key,
    open_partnership,
    say,
    settings_of,
    started,
    until,
)

WEEKLY = {"level": "operational", "every_days": 7}


async def weekly(http, **fields):
    """A partnership that agreed at 2026-06-01T12:00Z to meet every week: the first meeting is missed on 2026-06-11T12:00Z."""
    opened = (await open_partnership(http, opened_at="2026-05-01T00:00:00Z", **fields))["id"]
    await say(http, opened, "cadence.agreed", **WEEKLY)
    return opened


async def types(http, opened):
    return [each["type"] for each in (await get(http, f"/v1/partnerships/{opened}/events", limit=500))["items"]]


async def missed_once_settled(http, services):
    """The days of the meetings that are told as missed, once the clock owes nothing more."""
    while await services.time.look():
        pass
    return [each["data"]["due_on"] for each in await every_event(http, type="meeting.missed")]


async def test_a_missed_meeting_is_written_when_it_is_due_and_dated_so(http, services, clock):
    opened = await weekly(http)
    clock.pass_by(days=9, hours=23)
    assert await services.time.look() == 0
    clock.pass_by(days=2, hours=1)
    assert await services.time.look() == 1
    missed = (await get(http, f"/v1/partnerships/{opened}/events"))["items"][-1]
    assert (missed["type"], missed["actor"]) == ("meeting.missed", "clock")
    assert missed["data"] == {"level": "operational", "due_on": "2026-06-08"}
    assert missed["occurred_at"] == "2026-06-11T12:00:00Z"
    assert missed["recorded_at"] == "2026-06-13T12:00:00Z"


async def test_the_clock_writes_once_however_often_it_looks(http, services, clock):
    await weekly(http)
    clock.pass_by(days=12)
    assert await services.time.look() == 1
    before = await head(services)
    for _ in range(3):
        assert await services.time.look() == 0
    assert await head(services) == before


async def test_two_clocks_at_once_write_once(http, services, clock):
    opened = [await weekly(http) for _ in range(10)]
    clock.pass_by(days=12)
    other = Clock(services.query, services.handler, clock, 86_400)
    await asyncio.gather(*(each.look() for each in (services.time, other, services.time, other)))
    missed = [each for each in await every_event(http) if each["type"] == "meeting.missed"]
    assert sorted(each["partnership"] for each in missed) == sorted(opened)


async def test_what_time_owes_is_settled_before_a_command(http, services, clock):
    opened = await weekly(http)
    clock.pass_by(days=12)
    told = await say(http, opened, "pulse.answered", side="client", score=3)
    assert [each["type"] for each in told["events"]] == ["meeting.missed", "pulse.answered"]
    assert await services.time.look() == 0


async def test_a_command_and_the_clock_at_once_write_once(http, services, clock):
    opened = await weekly(http)
    clock.pass_by(days=12)
    await asyncio.gather(
        services.time.look(), say(http, opened, "pulse.answered", side="client", score=3), services.time.look()
    )
    assert (await types(http, opened)).count("meeting.missed") == 1


async def test_a_retracted_missed_meeting_is_not_written_again(http, services, clock):
    opened = await weekly(http)
    clock.pass_by(days=12)
    await services.time.look()
    missed = (await get(http, f"/v1/partnerships/{opened}/events"))["items"][-1]
    await say(http, opened, "fact.retracted", event=missed["id"], reason="We met in the corridor")
    await services.time.look()
    await say(http, opened, "pulse.answered", side="client", score=3)
    assert (await types(http, opened)).count("meeting.missed") == 1
    clock.pass_by(days=7)
    await services.time.look()
    due = [each["data"]["due_on"] for each in await every_event(http, type="meeting.missed")]
    assert due == ["2026-06-08", "2026-06-15"]


async def test_a_meeting_that_was_held_is_not_missed(http, services, clock):
    opened = await weekly(http)
    clock.pass_by(days=6)
    await say(http, opened, "meeting.held", level="operational", on_date="2026-06-07")
    clock.pass_by(days=6)
    assert await services.time.look() == 0


async def test_an_invoice_that_nobody_paid_is_overdue(http, services, clock):
    opened = (await open_partnership(http, opened_at="2026-05-01T00:00:00Z"))["id"]
    await say(http, opened, "invoice.issued", invoice="f1", amount=100, currency="EUR")
    clock.pass_by(days=29)
    assert await services.time.look() == 0
    clock.pass_by(days=3)
    assert await services.time.look() == 1
    overdue = (await get(http, f"/v1/partnerships/{opened}/events"))["items"][-1]
    assert (overdue["type"], overdue["occurred_at"]) == ("invoice.overdue", "2026-07-02T00:00:00Z")


async def test_a_stage_that_only_time_brings_is_dated_when_its_condition_became_true(http, services, clock):
    opened = (await open_partnership(http, opened_at="2024-06-11T00:00:00Z"))["id"]
    promise = {"promise": "p1", "side": "partner", "kind": "delay", "promised": 100, "unit": "days", "evidence": "none"}
    await say(http, opened, "promise.made", "2024-06-12", text="Soon", **promise)
    await say(http, opened, "promise.measured", "2024-12-01", promise="p1", actual=110)
    clock.pass_by(days=30)
    assert await services.time.look() == 1
    told = await get(http, f"/v1/partnerships/{opened}")
    assert (told["stage"], told["since"]) == ("power_struggle", "2026-06-11T00:00:00Z")


async def test_after_a_story_of_the_past_the_clock_waits_for_the_rest_of_it(tmp_path, clock):
    async with started(settings_of(tmp_path, clock_quiet_seconds=600.0), clock) as services:
        async with client(services, await make_key(services)) as http:
            opened = (await open_partnership(http))["id"]
            await say(http, opened, "cadence.agreed", "2020-01-10", **WEEKLY)
            assert await services.time.look() == 0
            clock.pass_by(seconds=599)
            assert await services.time.look() == 0
            await say(http, opened, "meeting.held", "2020-01-17", level="operational", on_date="2020-01-17")
            clock.pass_by(seconds=599)
            assert await services.time.look() == 0
            assert "meeting.missed" not in await types(http, opened)
            clock.pass_by(seconds=2)
            assert await services.time.look() == 1
            assert "meeting.missed" in await types(http, opened)


async def test_silence_before_it_was_observed_is_no_fact(http, services, clock):
    opened = (await open_partnership(http, observed_since="2026-05-30"))["id"]
    await say(http, opened, "cadence.agreed", "2020-01-10", **WEEKLY)
    clock.pass_by(days=12)
    missed = await missed_once_settled(http, services)
    assert 1 <= len(missed) <= 2
    assert min(missed) >= "2026-05-20"
    assert opened


async def test_years_of_silence_are_settled_to_their_end(http, services, clock):
    opened = (await open_partnership(http, opened_at="2000-01-03T00:00:00Z"))["id"]
    await say(http, opened, "cadence.agreed", "2000-01-03", **WEEKLY)
    clock.pass_by(hours=1)
    missed = await missed_once_settled(http, services)
    assert len(missed) == len(set(missed))
    assert 1_370 <= len(missed) <= 1_379
    assert missed == sorted(missed)


async def test_after_a_separation_silence_means_nothing(http, services, clock):
    opened = await weekly(http)
    for body in ({"trigger": "separate", "reason": "cost"}, {"trigger": "complete_separation"}):
        assert (await http.post(f"/v1/partnerships/{opened}/transitions", json=body)).status_code == 201
    before = await head(services)
    clock.pass_by(days=400)
    assert await services.time.look() == 0
    assert await head(services) == before


async def test_what_falls_due_is_remembered_over_a_restart(tmp_path, clock):
    async with started(settings_of(tmp_path), clock) as services:
        text = await make_key(services)
        async with client(services, text) as http:
            opened = await weekly(http)
    clock.pass_by(days=12)
    async with started(settings_of(tmp_path), clock) as services, client(services, text) as http:
        await services.time.look()
        assert (await types(http, opened)).count("meeting.missed") == 1


async def test_the_clock_looks_by_itself(tmp_path, clock):
    async with started(settings_of(tmp_path, clock_seconds=0.02), clock) as services:
        async with client(services, await make_key(services)) as http:
            opened = await weekly(http)
            clock.pass_by(days=12)

            async def noticed():
                return "meeting.missed" in await types(http, opened)

            await until(noticed)


async def test_a_new_policy_changes_what_falls_due(http, services, clock):
    opened = await weekly(http)
    clock.pass_by(days=8)
    assert await services.time.look() == 0
    answer = await http.post("/v1/policies", json={"meeting_tolerance": 0.0})
    assert answer.status_code == 201

    async def noticed():
        await services.time.look()
        return "meeting.missed" in await types(http, opened)

    await until(noticed, 5)


async def test_one_partnership_that_cannot_be_settled_does_not_keep_the_others(http, services, clock):
    await power_struggle(http)
    opened = await weekly(http)
    await services.store.alone(
        lambda database: database.execute("INSERT INTO due VALUES ('acme', 'partnership-pn_gone', 1)")
    )
    clock.pass_by(days=12)
    await services.time.look()
    assert "meeting.missed" in await types(http, opened)
