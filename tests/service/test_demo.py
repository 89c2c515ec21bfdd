"""The demo: eight stories that follow from their own facts, and that stay as promised while nobody goes on with them."""

import asyncio
import hashlib
import hmac
import json
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from domain import history as kept
from domain.decide import Situation, decide, needs_past
from domain.partnership import Partnership
from domain.policy import POLICY_1
from service import demo
from service.app import first_start, running
from service.demo.telling import commands, when
from service.projections.partnerships import stream_of
from tests.service.world import Time, client, get, make_key, settings_of, started

ENDS = {
    "Armorelle Systèmes": "maturity_or_separation.separated",
    "Montfalcon Conseil": "maturity_or_separation.separated",
    "Quillebois Paie": "maturity_or_separation.separating",
    "Belombre Data": "honeymoon",
    "Kerfalec Réseaux": "power_struggle",
    "Grandlieue Infogérance": "power_sharing",
    "Mordorée Logiciels": "commitment",
    "Lanterre Ingénierie": "maturity_or_separation.maturity",
}
SAMPLES = Path(__file__).parents[2] / "service" / "connectors" / "samples"


@pytest.fixture
async def told(services):
    await demo.tell(services, "acme")
    return services


async def states(services):
    rows = await services.query("SELECT id, partner FROM partnerships WHERE organisation = ?", ("acme",))
    return {partner: await services.states.load("acme", stream_of(identifier)) for identifier, partner in rows}


async def events_of(services, partner):
    rows = await services.query("SELECT id FROM partnerships WHERE partner = ?", (partner,))
    return await services.states.past("acme", stream_of(rows[0][0]))


async def settle(services):
    while await services.time.look():
        pass


def at_the_end(found):
    return {partner: state.state for partner, state in found.items()}


def path(state):
    return [(spell.state.rpartition(".")[2], spell.trigger) for spell in state.spells]


# --- what is told ----------------------------------------------------------------------------------------------------


async def test_eight_partnerships_of_one_client_stand_in_every_stage_and_outcome(told):
    found = await states(told)
    assert at_the_end(found) == ENDS
    assert {state.client for state in found.values()} == {demo.CLIENT}


async def test_it_is_a_log_of_a_readable_size_that_says_who_told_it(told):
    page = await told.store.read_log("acme", after=1, limit=2_000)
    assert 600 <= len(page.events) <= 1_550
    assert {json.loads(each.entry)["actor"] for each in page.events} == {"demo"}


async def test_eighteen_years_end_with_respect_because_the_client_was_acquired(told):
    state = (await states(told))["Armorelle Systèmes"]
    assert [stage for stage, _ in path(state)] == [
        "honeymoon", "power_struggle", "power_sharing", "commitment", "maturity", "separating", "separated",
    ]  # fmt: skip
    assert (state.ending, state.respectful, state.separation.reason) == ("parted", True, "acquisition")
    assert (state.spells[-1].entered_at - state.spells[0].entered_at).days // 365 == 18
    kinds = Counter(each.data.type for each in await events_of(told, "Armorelle Systèmes"))
    assert kinds["crisis.overcome"] == 3
    assert kinds["leadership.changed"] == 2
    assert kinds["party.acquired"] == 1


async def test_one_explodes_in_the_struggle(told):
    state = (await states(told))["Montfalcon Conseil"]
    assert [stage for stage, _ in path(state)] == ["honeymoon", "power_struggle", "separating", "separated"]
    assert (state.ending, state.respectful, state.separation.reason) == ("exploded", False, "performance")


async def test_a_relapse_a_fade_and_a_telescoped_stay_can_be_seen(told):
    found = await states(told)
    assert ("power_struggle", "relapse") in path(found["Grandlieue Infogérance"])
    assert path(found["Lanterre Ingénierie"])[-3:] == [
        ("maturity", "mature"),
        ("commitment", "fade"),
        ("maturity", "mature"),
    ]
    spells = kept.spells(found["Mordorée Logiciels"], told.clock(), POLICY_1)
    assert [spell.stage for spell in spells if spell.telescoped] == ["power_struggle"]


async def test_both_sides_speak_wherever_the_honeymoon_is_over(told):
    for partner in ENDS.keys() - {"Belombre Data"}:
        sides = Counter(getattr(each.data, "side", None) for each in await events_of(told, partner))
        assert sides["client"], partner
        assert sides["partner"], partner


async def test_what_nobody_did_is_told_by_silence(told):
    kinds = Counter()
    for partner in ENDS:
        kinds.update(each.data.type for each in await events_of(told, partner))
    assert kinds["meeting.missed"] >= 3
    assert kinds["invoice.overdue"] >= 3


async def test_every_transition_was_allowed_and_nothing_is_left_unmatched(told):
    page = await told.store.read_log("acme", after=1, limit=2_000)
    kinds = Counter(each.type for each in page.events)
    assert kinds["stage.entered"] == sum(len(state.spells) - 1 for state in (await states(told)).values())
    assert not {"transition.refused", "override.requested", "stage.reassessed"} & kinds.keys()
    async with client(told, await make_key(told)) as http:
        items = (await get(http, "/v1/partnerships"))["items"]
    assert [each["open"]["unmatched"] for each in items] == [[]] * len(ENDS)


async def test_a_partnership_is_found_by_its_link_and_moved_by_a_webhook(told):
    async with client(told, await make_key(told)) as http:
        wanted = {"system": "pagerduty", "kind": "service", "external_id": "PBRUN7E"}
        (found,) = (await get(http, "/v1/partnerships", **wanted))["items"]
        assert found["partner"] == "Grandlieue Infogérance"
        source = {"connector": "pagerduty", "name": "Duty", "secrets": ["secret"]}
        url = (await http.post("/v1/sources", json=source)).json()["url"]
        raw = (SAMPLES / "pagerduty/incident.triggered-p1.json").read_bytes().replace(b"PSVC007", b"PBRUN7E")
        signature = hmac.new(b"secret", raw, hashlib.sha256).hexdigest()
        headers = {"X-PagerDuty-Signature": f"v1={signature}", "Content-Type": "application/json"}
        delivered = await http.post(url, content=raw, headers=headers)
        assert delivered.status_code == 202, delivered.text
        for _ in range(500):
            if (await get(http, f"/v1/inbox/{delivered.json()['inbox']}"))["status"] == "applied":
                break
            await asyncio.sleep(0.01)
        assert (await get(http, f"/v1/partnerships/{found['id']}"))["open"]["crises"] == ["PINC0042"]


# --- when it is told -------------------------------------------------------------------------------------------------


async def test_the_first_start_tells_it_where_the_settings_ask_for_it(tmp_path, clock):
    for name, wanted in (("with", True), ("without", False)):
        async with running(settings_of(tmp_path / name, demo=wanted), clock) as services:
            assert await first_start(services)
            assert len(await states(services)) == (len(ENDS) if wanted else 0)
            assert await first_start(services) is None


async def test_the_same_clock_tells_the_same(told, tmp_path, clock):
    async with started(settings_of(tmp_path / "again"), clock) as again:
        await demo.tell(again, "acme")
        for partner in ENDS:
            first, second = [
                [(each.occurred_at, each.data.type) for each in await events_of(services, partner)]
                for services in (told, again)
            ]
            assert first == second


def test_it_can_be_told_on_any_day():
    start = datetime(2024, 1, 1, 0, 0, 30, tzinfo=UTC)
    for day in range(0, 1_500, 151):
        now = start + timedelta(days=day, hours=day % 24)
        assert {story.partner: _told_by_hand(story, now).state for story in demo.STORIES} == ENDS, now


def _told_by_hand(story, now):
    state = Partnership()
    for command in commands(story, demo.CLIENT, now.date()):
        assert not needs_past(state, command)
        decision = decide(state, command, Situation(policy=POLICY_1, policy_version=1, now=now))
        assert not decision.refused, (story.partner, command)
        assert not decision.repeated, (story.partner, command)
        state = decision.state
    return state


@pytest.mark.parametrize(
    ("day", "named"),
    [
        ("2005-03-14", date(2005, 3, 14)),
        ("2005-03-12", date(2005, 3, 14)),
        ("2005-03-13", date(2005, 3, 14)),
        ("-1 20", date(2026, 5, 20)),
        ("-17 9", date(2025, 1, 9)),
        ("today", date(2026, 6, 6)),
    ],
)
def test_a_day_is_a_date_or_counted_back_and_never_at_the_weekend_but_today(day, named):
    assert when(day, date(2026, 6, 6)) == named


# --- what time does to it --------------------------------------------------------------------------------------------


async def test_nothing_is_owed_when_all_is_told(told, clock):
    before = (await told.store.head("acme")).position
    clock.pass_by(hours=1)
    await settle(told)
    assert (await told.store.head("acme")).position == before


@pytest.mark.parametrize("days", [30, 365, 730])
async def test_nothing_moves_for_two_years(told, clock, days):
    clock.pass_by(days=days, hours=-1)
    await settle(told)
    assert at_the_end(await states(told)) == ENDS


async def test_later_what_nobody_cares_for_fades_and_loosens(told, clock):
    clock.pass_by(days=3 * 365)
    await settle(told)
    found = await states(told)
    moved = {partner: path(state) for partner, state in found.items() if state.state != ENDS[partner]}
    assert moved.keys() == {"Lanterre Ingénierie", "Mordorée Logiciels"}
    assert [trigger for _, trigger in moved["Lanterre Ingénierie"]][-2:] == ["fade", "loosen"]
    assert [trigger for _, trigger in moved["Mordorée Logiciels"]][-1] == "loosen"


async def test_the_clock_runs_again_after_the_telling(tmp_path):
    clock = Time()
    async with started(settings_of(tmp_path, clock_seconds=0.01, clock_quiet_seconds=0.0), clock) as services:
        await demo.tell(services, "acme")
        assert at_the_end(await states(services)) == ENDS
        assert services.time.rounds._task is not None
        assert not services.time.rounds._task.done()
