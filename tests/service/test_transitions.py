"""Transitions: the worked example to the letter, refusals that explain, overrides by two, and what is impossible."""

import pytest

from tests.service.story import PEACE, TERMS, honeymoon, power_sharing, power_struggle
from tests.service.world import ask, every_event, get, head, problem, say, say_all

ASKED = {
    "budget_renegotiated", "priorities_agreed", "tradeoff_decided", "constraints_acknowledged", "self_reviews",
    "sla_negotiated",
}  # fmt: skip


async def position_of(http, opened, kind, nth=0):
    return [each["position"] for each in await every_event(http, partnership=opened) if each["type"] == kind][nth]


# --- the worked example ------------------------------------------------------------------------------------------


async def test_the_worked_example_comes_out_as_the_page_says(http):
    opened = await honeymoon(http)
    told = await say(http, opened, "promise.measured", "2020-06-01", promise="p1", actual=66)
    measured, entered = told["events"]
    assert (told["stage"], entered["occurred_at"]) == ("power_struggle", "2020-06-01T00:00:00Z")
    assert (entered["data"]["trigger"], entered["data"]["cause"]) == ("face_reality", measured["position"])

    refused = problem(await ask(http, opened, "share_power", "2020-07-01"), 409, "transition_refused")
    assert len(refused["guards"]) == 7
    assert {guard["code"] for guard in refused["guards"] if not guard["met"]} == ASKED
    assert {guard["code"] for guard in refused["guards"] if guard["met"]} == {"no_threat_open"}

    await say_all(http, opened, "2020-08-10", [*PEACE, *TERMS])
    shared = await ask(http, opened, "share_power", "2020-09-01")
    assert (shared.status_code, shared.json()["stage"]) == (201, "power_sharing")

    told = await say(http, opened, "termination.threatened", "2021-01-15", side="client")
    assert (told["stage"], told["events"][1]["data"]["trigger"]) == ("power_struggle", "relapse")
    await say(http, opened, "threat.withdrawn", "2021-01-20", side="client")
    await say_all(http, opened, "2021-02-01", PEACE)
    shared = await ask(http, opened, "share_power", "2021-03-01")
    assert (shared.status_code, shared.json()["stage"]) == (201, "power_sharing")

    history = await get(http, f"/v1/partnerships/{opened}/history", as_of="2021-04-01T00:00:00Z")
    path = [(spell["stage"], spell["entered_at"][:10], spell["days"], spell["trigger"]) for spell in history["stages"]]
    assert path == [
        ("honeymoon", "2020-01-10", 143, None),
        ("power_struggle", "2020-06-01", 92, "face_reality"),
        ("power_sharing", "2020-09-01", 136, "share_power"),
        ("power_struggle", "2021-01-15", 45, "relapse"),
        ("power_sharing", "2021-03-01", 31, "share_power"),
    ]
    assert [spell["left_at"] is None for spell in history["stages"]] == [False, False, False, False, True]
    assert history["stages"][1]["cause"] == measured["position"]
    assert history["stages"][3]["cause"] == await position_of(http, opened, "termination.threatened")
    assert {spell["policy"] for spell in history["stages"]} <= {1, None}


# --- refusals ------------------------------------------------------------------------------------------------------


async def test_a_refusal_names_what_every_guard_saw_and_what_would_meet_it_in_two_languages(http):
    opened = await power_struggle(http)
    await say(http, opened, "termination.threatened", "2020-06-20", side="partner")
    told = problem(await ask(http, opened, "share_power", "2020-07-01"), 409, "transition_refused")
    for guard in told["guards"]:
        assert set(guard) >= {"code", "met", "actual", "required", "evidence", "remedy"}
        assert all(guard["remedy"][language] for language in ("en", "fr"))
        assert guard["code"] in told["detail"] or guard["met"]
    threat = next(guard for guard in told["guards"] if guard["code"] == "no_threat_open")
    assert threat["evidence"] == [await position_of(http, opened, "termination.threatened")]


async def test_a_refusal_is_an_event_that_is_seen_in_the_log(http):
    opened = await power_struggle(http)
    told = problem(await ask(http, opened, "share_power", "2020-07-01"), 409, "transition_refused")
    recorded = (await every_event(http))[-1]
    assert (recorded["type"], recorded["position"]) == ("transition.refused", told["position"])
    assert recorded["data"]["trigger"] == "share_power"
    assert recorded["data"]["guards"] == told["guards"]


async def test_the_same_refusal_within_a_day_is_answered_from_the_first_one(http, services):
    opened = await power_struggle(http)
    first = problem(await ask(http, opened, "share_power", "2020-07-01"), 409, "transition_refused")
    before = await head(services)
    again = problem(await ask(http, opened, "share_power", "2020-07-01T23:59:59Z"), 409, "transition_refused")
    assert (again["position"], again["guards"]) == (first["position"], first["guards"])
    assert await head(services) == before
    later = problem(await ask(http, opened, "share_power", "2020-07-02T00:00:01Z"), 409, "transition_refused")
    assert later["position"] == before + 1


async def test_the_same_refusal_for_another_key_is_recorded_for_it(http, keyed, services):
    opened = await power_struggle(http)
    problem(await ask(http, opened, "share_power", "2020-07-01"), 409, "transition_refused")
    before = await head(services)
    problem(await ask(await keyed(["transitions"]), opened, "share_power", "2020-07-01"), 409, "transition_refused")
    assert await head(services) > before


async def test_transitions_are_explained_before_they_are_asked_for(http):
    opened = await power_struggle(http)
    told = await get(http, f"/v1/partnerships/{opened}/transitions")
    assert (told["stage"], [each["trigger"] for each in told["transitions"]]) == (
        "power_struggle",
        ["separate", "share_power"],
    )
    share = told["transitions"][1]
    assert (share["to"], share["mode"], share["allowed"]) == (
        {"stage": "power_sharing", "outcome": None},
        "confirmed",
        False,
    )
    assert {guard["code"] for guard in share["guards"] if not guard["met"]} == ASKED
    await say_all(http, opened, "2020-08-10", [*PEACE, *TERMS])


async def test_an_arrow_that_does_not_exist_is_impossible_and_leaves_no_trace(http, services):
    opened = await honeymoon(http)
    before = await head(services)
    for trigger in ("commit", "mature", "reconcile", "fade", "complete_separation"):
        told = problem(await ask(http, opened, trigger), 409, "transition_impossible")
        assert "honeymoon" in told["detail"]
        assert "guards" not in told
    assert await head(services) == before


async def test_an_unknown_trigger_is_no_trigger(http, services):
    opened = await honeymoon(http)
    before = await head(services)
    told = problem(await ask(http, opened, "elope"), 400, "unknown_trigger")
    assert "share_power" in told["detail"]
    problem(await http.post(f"/v1/partnerships/{opened}/transitions", json={}), 400, "bad_shape")
    assert await head(services) == before


async def test_a_transition_cannot_leave_a_stage_before_it_was_entered(http, services):
    opened = await power_struggle(http)
    before = await head(services)
    problem(await ask(http, opened, "share_power", "2020-05-31"), 422, "before_stage_entry")
    problem(await ask(http, opened, "share_power", "2030-01-01"), 422, "future_time")
    problem(await ask(http, opened, "share_power", "2020-07-01T00:00:00"), 400, "naive_time")
    assert await head(services) == before


async def test_facts_and_not_people_decide_an_automatic_transition(http, services):
    opened = await honeymoon(http)
    told = problem(await ask(http, opened, "face_reality", "2020-06-01"), 409, "transition_refused")
    assert not any(guard["met"] for guard in told["guards"])


# --- separation ----------------------------------------------------------------------------------------------------


async def test_a_separation_needs_its_reason_and_its_steps_and_tells_how_it_ended(http):
    opened = await power_sharing(http)
    told = problem(await ask(http, opened, "separate", "2020-10-01"), 409, "transition_refused")
    assert [guard["code"] for guard in told["guards"] if not guard["met"]] == ["reason_given"]
    left = await ask(http, opened, "separate", "2020-10-01", reason="strategy", side="client", text="We go another way")
    assert left.status_code == 201, left.text
    decided, entered = left.json()["events"]
    assert decided["data"] == {"reason": "strategy", "side": "client", "text": "We go another way"}
    assert (entered["data"]["outcome"], entered["data"]["cause"]) == ("separating", decided["position"])
    told = problem(await ask(http, opened, "complete_separation", "2020-11-01"), 409, "transition_refused")
    unmet = {guard["code"] for guard in told["guards"] if not guard["met"]}
    assert unmet == {"data_returned", "access_revoked", "invoices_settled"}
    steps = ("data_returned", "access_revoked", "invoices_settled", "legacy_preserved", "thanks_given")
    await say_all(http, opened, "2020-11-02", [{"type": "handover.completed", "step": step} for step in steps])
    over = await ask(http, opened, "complete_separation", "2020-11-03")
    assert (over.status_code, over.json()["outcome"]) == (201, "separated")
    told = await get(http, f"/v1/partnerships/{opened}")
    assert (told["ending"], told["respectful"], told["separated_from"]) == ("parted", True, "power_sharing")
    problem(await ask(http, opened, "reconcile", "2020-11-04"), 409, "transition_impossible")


async def test_only_the_side_that_left_may_come_back_and_lands_where_it_left(http):
    opened = await power_sharing(http)
    await ask(http, opened, "separate", "2020-10-01", reason="cost", side="partner")
    told = problem(await ask(http, opened, "reconcile", "2020-10-02", side="client"), 409, "transition_refused")
    assert [guard["code"] for guard in told["guards"]] == ["asked_by_decider"]
    back = await ask(http, opened, "reconcile", "2020-10-02", side="partner")
    assert (back.status_code, back.json()["stage"]) == (201, "power_sharing")


# --- overrides -----------------------------------------------------------------------------------------------------


async def force(http, opened, to, reason="The board decided"):
    return await http.post(f"/v1/partnerships/{opened}/transitions", json={"force": {"to": to, "reason": reason}})


async def test_a_forced_transition_takes_two_actors_and_says_so_for_ever(http, keyed):
    opened = await power_struggle(http)
    asked = await force(http, opened, "power_sharing")
    assert asked.status_code == 202, asked.text
    override = asked.json()["id"]
    assert (await get(http, f"/v1/partnerships/{opened}"))["stage"] == "power_struggle"
    problem(await http.post(f"/v1/overrides/{override}/approve"), 403, "same_actor")
    second = await keyed(["transitions:override", "read"])
    done = await second.post(f"/v1/overrides/{override}/approve")
    assert (done.status_code, done.json()["stage"]) == (201, "power_sharing"), done.text
    entered = next(each for each in done.json()["events"] if each["type"] == "stage.entered")
    assert (entered["data"]["forced"], entered["data"]["reason"]) == (True, "The board decided")
    spell = (await get(http, f"/v1/partnerships/{opened}/history"))["stages"][-1]
    assert (spell["stage"], spell["forced"]) == ("power_sharing", True)
    problem(await second.post(f"/v1/overrides/{override}/approve"), 404, "unknown_override")


async def test_force_may_go_back_one_arrow(http, keyed):
    opened = await power_struggle(http)
    override = (await force(http, opened, "honeymoon", "The cause was retracted")).json()["id"]
    done = await (await keyed(["transitions:override"])).post(f"/v1/overrides/{override}/approve")
    assert (done.status_code, done.json()["events"][1]["data"]["stage"]) == (201, "honeymoon"), done.text


@pytest.mark.parametrize("to", ["commitment", "maturity", "maturity_or_separation.maturity", "separated"])
async def test_a_stage_without_an_arrow_cannot_be_forced(http, services, to):
    opened = await power_struggle(http)
    before = await head(services)
    problem(await force(http, opened, to), 409, "transition_impossible")
    assert await head(services) == before


async def test_a_stage_that_does_not_exist_cannot_be_forced(http):
    opened = await power_struggle(http)
    problem(await force(http, opened, "nirvana"), 400, "unknown_stage")


async def test_to_force_needs_the_scope_for_it(http, keyed, services):
    opened = await power_struggle(http)
    plain = await keyed(["read", "transitions"])
    before = await head(services)
    problem(await force(plain, opened, "power_sharing"), 403, "forbidden")
    assert await head(services) == before
    override = (await force(http, opened, "power_sharing")).json()["id"]
    problem(await plain.post(f"/v1/overrides/{override}/approve"), 403, "forbidden")
    assert (await get(http, f"/v1/partnerships/{opened}"))["stage"] == "power_struggle"


async def test_an_override_that_nobody_asked_for_is_unknown(http):
    problem(await http.post("/v1/overrides/ovr_none/approve"), 404, "unknown_override")


async def test_an_override_is_performed_only_where_its_arrow_still_exists(http, keyed):
    opened = await power_struggle(http)
    override = (await force(http, opened, "honeymoon")).json()["id"]
    await say_all(http, opened, "2020-08-10", [*PEACE, *TERMS])
    assert (await ask(http, opened, "share_power", "2020-09-01")).status_code == 201
    second = await keyed(["transitions:override"])
    problem(await second.post(f"/v1/overrides/{override}/approve"), 409, "transition_impossible")
