"""The inbox: signed deliveries move partnerships exactly once, and nothing verified is ever dropped."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from domain.policy import GUARDS
from tests.service.senders import DEAL, LINKS, SERVICE, add_source, body_of, deal, incident
from tests.service.story import power_sharing
from tests.service.world import (
    ask,
    client,
    delivered,
    every_event,
    get,
    head,
    make_key,
    open_partnership,
    problem,
    say,
    settings_of,
    started,
    until,
)

PAYLOADS = Path(__file__).parents[3] / "shared" / "payloads"
PUBLISHED = sorted(
    path
    for name in ("hubspot", "pagerduty", "stripe")
    for path in (PAYLOADS / name).glob("*.json")
    if not path.name.endswith(".headers.json")
)


async def with_guards(http, **guards):
    """Adopt a policy under which some transitions ask only for these guards."""
    policy = {"guards": {**{trigger: list(codes) for trigger, codes in GUARDS.items()}, **guards}}
    answer = await http.post("/v1/policies", json=policy)
    assert answer.status_code == 201, answer.text


async def statuses(http, **query):
    """(key, status) of every item in the inbox, in order."""
    deliveries = (await get(http, "/v1/inbox", limit=500, **query))["items"]
    return [(item["key"], item["status"]) for each in deliveries for item in each["items"]]


async def seen_in_history(http, partnership, event, told):
    """Check that the newest spell was brought by an event, and the event by a delivery."""
    spell = (await get(http, f"/v1/partnerships/{partnership}/history"))["stages"][-1]
    assert spell["cause"] == event["position"]
    assert (event["source"], event["trust"], event["causation_id"]) == (told["source"], "signed", told["id"])
    assert event["position"] in [position for item in told["items"] for position in item["positions"]]
    return spell


async def told_too_early(services, http, clock):
    """A delivery that the log refuses until July 2026."""
    await open_partnership(http, links=[LINKS["pagerduty"]])
    source = await add_source(http, "pagerduty", clock)
    told = await delivered(services, http, await source.post(incident(1, at="2026-07-01T00:00:00Z")))
    assert told["status"] == "failed"
    return told


# --- deliveries move partnerships ----------------------------------------------------------------------------------


async def test_a_new_deal_in_hubspot_opens_a_partnership(http, services, clock):
    source = await add_source(http, "hubspot", clock, settings={"client": "Atelier Nord"})
    told = await delivered(services, http, await source.post(body_of("hubspot/deal.creation")))
    assert (told["status"], told["trust"]) == ("applied", "signed")
    (opened,) = (await get(http, "/v1/partnerships", **LINKS["hubspot"]))["items"]
    assert (opened["client"], opened["partner"], opened["stage"]) == (
        "Atelier Nord",
        f"HubSpot deal {DEAL}",
        "honeymoon",
    )
    first = (await get(http, f"/v1/partnerships/{opened['id']}/events"))["items"][0]
    assert (first["type"], first["source"], first["trust"]) == ("partnership.opened", source.id, "signed")
    assert first["causation_id"] == told["id"]
    spell = (await get(http, f"/v1/partnerships/{opened['id']}/history"))["stages"][0]
    assert (spell["stage"], spell["entered_at"], spell["cause"]) == (
        "honeymoon",
        first["occurred_at"],
        first["position"],
    )


async def test_a_won_deal_in_hubspot_signs_the_contract_of_its_partnership(http, services, clock):
    source = await add_source(http, "hubspot", clock)
    await delivered(services, http, await source.post(body_of("hubspot/deal.creation")))
    told = await delivered(services, http, await source.post(body_of("hubspot/deal.stage-won")))
    (position,) = told["items"][0]["positions"]
    event = await get(http, f"/v1/events/{position}")
    assert (event["type"], event["data"]["contract"]) == ("contract.signed", f"hubspot-deal-{DEAL}")
    assert (event["source"], event["trust"], event["causation_id"]) == (source.id, "signed", told["id"])
    assert event["occurred_at"] == "2026-02-01T00:00:00.500000Z"


async def test_a_crisis_that_pagerduty_saw_overcome_brings_the_commitment(http, services, clock):
    await with_guards(http, commit=["crisis_survived", "no_crisis_open"])
    opened = await power_sharing(http, links=[LINKS["pagerduty"]])
    source = await add_source(http, "pagerduty", clock)
    raised = await delivered(services, http, await source.post(body_of("pagerduty/incident.triggered-p1")))
    assert raised["status"] == "applied"
    shown = await get(http, f"/v1/partnerships/{opened}")
    assert (shown["open"]["crises"], "power_struggle" in shown["overlapping"]) == (["PINC0042"], True)
    problem(await ask(http, opened, "commit", "2026-02-03T05:00:00Z"), 409, "transition_refused")
    told = await delivered(services, http, await source.post(body_of("pagerduty/incident.resolved-p1")))
    assert (await ask(http, opened, "commit", "2026-02-10")).json()["stage"] == "commitment"
    overcome = next(each for each in await every_event(http) if each["type"] == "crisis.overcome")
    spell = await seen_in_history(http, opened, overcome, told)
    assert (spell["stage"], spell["trigger"]) == ("commitment", "commit")


async def test_an_invoice_that_stripe_saw_paid_brings_the_commitment(http, services, clock):
    await with_guards(http, commit=["payments_punctual"])
    opened = await power_sharing(http, links=[LINKS["stripe"]])
    source = await add_source(http, "stripe", clock)
    await delivered(services, http, await source.post(body_of("stripe/invoice.finalized")))
    told = await delivered(services, http, await source.post(body_of("stripe/invoice.paid")))
    assert told["status"] == "applied"
    answer = await ask(http, opened, "commit", "2026-05-20")
    assert answer.json()["stage"] == "commitment", answer.text
    paid = next(each for each in await every_event(http) if each["type"] == "invoice.paid")
    await seen_in_history(http, opened, paid, told)


async def test_a_late_report_of_pagerduty_is_dated_when_it_happened(http, services, clock):
    opened = (await open_partnership(http, links=[LINKS["pagerduty"]]))["id"]
    source = await add_source(http, "pagerduty", clock)
    await delivered(services, http, await source.post(body_of("pagerduty/incident.triggered")))
    event = (await get(http, f"/v1/partnerships/{opened}/events", type="incident.raised"))["items"][0]
    assert (event["occurred_at"], event["recorded_at"]) == ("2026-02-03T04:05:06.789000Z", "2026-06-01T12:00:00Z")


# --- once ----------------------------------------------------------------------------------------------------------


async def test_a_redelivery_answers_200_with_the_first_id_and_has_no_second_effect(http, services, clock):
    await open_partnership(http, links=[LINKS["pagerduty"]])
    source = await add_source(http, "pagerduty", clock)
    first = await source.post(incident(1))
    await services.inbox.idle()
    before = await head(services)
    clock.pass_by(days=30)
    again = await source.post(incident(1))
    assert (first.status_code, again.status_code) == (202, 200)
    assert again.json() == first.json()
    await services.inbox.idle()
    assert await head(services) == before
    assert len((await get(http, "/v1/inbox"))["items"]) == 1


async def test_a_redelivery_before_it_was_applied_answers_the_same(http, services, clock):
    await open_partnership(http, links=[LINKS["pagerduty"]])
    source = await add_source(http, "pagerduty", clock)
    await services.inbox.stop()
    first = await source.post(incident(1))
    again = await source.post(incident(1))
    assert (again.status_code, again.json()) == (200, first.json())


@pytest.mark.parametrize("times", [2, 12])
async def test_identical_deliveries_at_the_same_instant_have_one_effect(http, services, clock, times):
    opened = (await open_partnership(http, links=[LINKS["pagerduty"]]))["id"]
    source = await add_source(http, "pagerduty", clock)
    answers = await asyncio.gather(*(source.post(incident(1, priority={"summary": "P1"})) for _ in range(times)))
    assert sorted(answer.status_code for answer in answers) == [200] * (times - 1) + [202]
    assert len({answer.json()["inbox"] for answer in answers}) == 1
    await services.inbox.idle()
    events = (await get(http, f"/v1/partnerships/{opened}/events"))["items"]
    assert [each["type"] for each in events[2:]] == ["incident.raised", "crisis.opened"]
    assert len((await get(http, "/v1/inbox"))["items"]) == 1


async def test_a_batch_that_comes_again_in_other_groups_applies_each_item_once(http, services, clock):
    source = await add_source(http, "hubspot", clock)
    events = {number: deal(number) for number in (1, 2, 3, 4)}
    first = await source.post([events[1], events[2], events[3]])
    clock.pass_by(seconds=1)
    second = await source.post([events[2], events[3], events[4]])
    third = await source.post([events[4], events[1]])
    assert [answer.status_code for answer in (first, second, third)] == [202, 202, 200]
    assert third.json() == first.json()
    await services.inbox.idle()
    opened = (await get(http, "/v1/partnerships"))["items"]
    assert sorted(each["partner"] for each in opened) == [f"HubSpot deal {number}" for number in (1, 2, 3, 4)]
    told = await get(http, f"/v1/inbox/{second.json()['inbox']}")
    assert len(told["items"]) == 1


async def test_overlapping_batches_at_the_same_instant_apply_each_item_once(http, services, clock):
    source = await add_source(http, "hubspot", clock)
    batches = [[deal(number + offset) for number in range(10)] for offset in range(8)]
    answers = await asyncio.gather(*(source.post(batch) for batch in batches))
    assert {answer.status_code for answer in answers} <= {200, 202}
    await services.inbox.idle()
    opened = (await get(http, "/v1/partnerships", limit=500))["items"]
    assert sorted(each["partner"] for each in opened) == sorted(f"HubSpot deal {number}" for number in range(17))
    assert [status for _, status in await statuses(http)] == ["applied"] * 17


async def test_the_same_item_twice_in_one_delivery_is_one(http, services, clock):
    source = await add_source(http, "hubspot", clock)
    told = await delivered(services, http, await source.post([deal(1), {**deal(1), "eventId": 9, "attemptNumber": 3}]))
    assert len(told["items"]) == 1
    assert len((await get(http, "/v1/partnerships"))["items"]) == 1


async def test_two_sources_with_the_same_keys_are_two(http, services, clock):
    await open_partnership(http, links=[LINKS["pagerduty"]])
    one, two = await add_source(http, "pagerduty", clock), await add_source(http, "pagerduty", clock)
    assert [(await source.post(incident(1))).status_code for source in (one, two)] == [202, 202]
    await services.inbox.idle()
    assert [status for _, status in await statuses(http)] == ["applied", "applied"]
    raised = [each for each in await every_event(http) if each["type"] == "incident.raised"]
    assert len(raised) == 1


# --- nothing is dropped --------------------------------------------------------------------------------------------


async def test_what_no_rule_knows_is_ignored_with_its_reason(http, services, clock):
    source = await add_source(http, "pagerduty", clock)
    told = await delivered(services, http, await source.post(body_of("pagerduty/pagey.ping")))
    assert (told["status"], told["items"][0]["status"]) == ("ignored", "ignored")
    assert told["items"][0]["reason"]


async def test_what_matches_no_partnership_waits_for_its_link_and_is_applied_then(http, services, clock):
    source = await add_source(http, "pagerduty", clock)
    told = await delivered(services, http, await source.post(incident(1)))
    assert told["status"] == "unmatched"
    assert f"pagerduty/service/{SERVICE}" in told["items"][0]["reason"]
    before = await head(services)
    opened = (await open_partnership(http))["id"]
    await http.put(f"/v1/partnerships/{opened}/links/pagerduty/service/{SERVICE}")

    async def applied():
        return (await get(http, f"/v1/inbox/{told['id']}"))["status"] == "applied"

    await until(applied)
    item = (await get(http, f"/v1/inbox/{told['id']}"))["items"][0]
    event = await get(http, f"/v1/events/{item['positions'][0]}")
    assert (event["partnership"], event["type"], event["causation_id"]) == (opened, "incident.raised", told["id"])
    assert await head(services) == before + 3


async def test_a_partnership_that_is_opened_with_the_link_takes_what_waited(http, services, clock):
    source = await add_source(http, "pagerduty", clock)
    for number in range(5):
        await source.post(incident(number))
    await services.inbox.idle()
    assert [status for _, status in await statuses(http)] == ["unmatched"] * 5
    await open_partnership(http, links=[LINKS["pagerduty"]])

    async def applied():
        return [status for _, status in await statuses(http)] == ["applied"] * 5

    await until(applied)
    raised = [each["data"]["incident"] for each in await every_event(http) if each["type"] == "incident.raised"]
    assert sorted(raised) == [f"PINC{number}" for number in range(5)]


async def test_what_the_log_refuses_fails_with_the_reason_and_can_be_run_again(http, services, clock):
    told = await told_too_early(services, http, clock)
    assert told["items"][0]["reason"].startswith("future_time: ")
    clock.pass_by(days=60)
    again = await http.post(f"/v1/inbox/{told['id']}/replay")
    assert (again.status_code, again.json()["status"]) == (200, "applied")
    assert again.json()["items"][0]["reason"] is None


async def test_what_cannot_be_mapped_fails_alone_with_the_reason(http, services, clock):
    source = await add_source(http, "hubspot", clock)
    told = await delivered(services, http, await source.post(body_of("hubspot/batch")))
    by_status = {item["status"]: item for item in told["items"]}
    assert told["status"] == "failed"
    assert set(by_status) == {"applied", "failed", "ignored", "unmatched"}
    assert "last tuesday" in by_status["failed"]["reason"]


async def test_replaying_what_was_applied_changes_nothing(http, services, clock):
    await open_partnership(http, links=[LINKS["pagerduty"]])
    source = await add_source(http, "pagerduty", clock)
    told = await delivered(services, http, await source.post(incident(1, priority={"summary": "P1"})))
    before = await head(services)
    assert (await http.post(f"/v1/inbox/{told['id']}/replay")).json()["status"] == "applied"
    assert (await http.post("/v1/inbox/replay", json={"status": "applied"})).json() == {"replayed": 1}
    assert await head(services) == before
    assert await get(http, f"/v1/inbox/{told['id']}") == told


async def test_replays_at_once_have_one_effect(http, services, clock):
    told = await told_too_early(services, http, clock)
    clock.pass_by(days=60)
    before = await head(services)
    services.inbox.run("acme", told["id"])
    answers = await asyncio.gather(*(http.post(f"/v1/inbox/{told['id']}/replay") for _ in range(6)))
    assert {answer.status_code for answer in answers} == {200}
    await services.inbox.idle()
    item = (await get(http, f"/v1/inbox/{told['id']}"))["items"][0]
    assert (item["status"], item["reason"], item["positions"]) == ("applied", None, [before + 1])
    assert await head(services) == before + 1


async def test_a_delivery_and_its_link_at_the_same_instant_find_each_other(http, services, clock):
    source = await add_source(http, "pagerduty", clock)
    opened = (await open_partnership(http))["id"]
    for number in range(40):
        link = f"/v1/partnerships/{opened}/links/pagerduty/service/P{number}"
        body = incident(number, service=f"P{number}")
        first, second = (source.post(body), http.put(link)) if number % 2 else (http.put(link), source.post(body))
        await asyncio.gather(first, second)

    async def applied():
        return {status for _, status in await statuses(http)} == {"applied"}

    await until(applied, 10)


async def test_all_of_a_status_are_run_again_for_one_source(http, services, clock):
    await open_partnership(http, links=[LINKS["pagerduty"]])
    one, two = await add_source(http, "pagerduty", clock), await add_source(http, "pagerduty", clock)
    for number in range(3):
        await one.post(incident(number, at="2026-07-01T00:00:00Z"))
    await two.post(incident(9, at="2026-07-01T00:00:00Z"))
    await services.inbox.idle()
    clock.pass_by(days=60)
    answer = await http.post("/v1/inbox/replay", json={"status": "failed", "source": one.id})
    assert answer.json() == {"replayed": 3}
    assert [status for _, status in await statuses(http, source=one.id)] == ["applied"] * 3
    assert [status for _, status in await statuses(http, source=two.id)] == ["failed"]
    problem(await http.post("/v1/inbox/replay", json={"status": "lost"}), 400, "bad_parameter")


async def test_a_sender_that_reports_what_was_recorded_by_hand_adds_nothing(http, services, clock):
    opened = (await open_partnership(http, links=[LINKS["pagerduty"]]))["id"]
    await say(http, opened, "incident.raised", incident="PINC1", priority=2)
    source = await add_source(http, "pagerduty", clock)
    before = await head(services)
    told = await delivered(services, http, await source.post(incident(1)))
    assert told["status"] == "applied"
    assert await head(services) == before


async def test_a_name_with_a_control_character_fails_and_breaks_nothing(http, services, clock):
    source = await add_source(http, "hubspot", clock)
    told = await delivered(services, http, await source.post([{**deal(1), "objectId": "1\x1f2"}, deal(2)]))
    assert sorted(item["status"] for item in told["items"]) == ["applied", "failed"]
    assert len((await get(http, "/v1/partnerships"))["items"]) == 1


async def test_deliveries_in_the_wrong_order_end_in_the_same_state(http, services, clock):
    opened = (await open_partnership(http, links=[LINKS["stripe"]]))["id"]
    source = await add_source(http, "stripe", clock)
    await delivered(services, http, await source.post(body_of("stripe/invoice.paid")))
    assert (await get(http, f"/v1/partnerships/{opened}"))["open"]["unmatched"]
    await delivered(services, http, await source.post(body_of("stripe/invoice.finalized")))
    assert (await get(http, f"/v1/partnerships/{opened}"))["open"]["unmatched"] == []


# --- a crash between receipt and application -----------------------------------------------------------------------


async def test_what_a_crash_left_received_is_applied_after_the_restart(tmp_path, clock):
    async with started(settings_of(tmp_path), clock) as services:
        text = await make_key(services)
        async with client(services, text) as http:
            opened = (await open_partnership(http, links=[LINKS["pagerduty"]]))["id"]
            source = await add_source(http, "pagerduty", clock)
            await services.inbox.stop()
            answers = [await source.post(incident(number)) for number in range(10)]
            assert {answer.status_code for answer in answers} == {202}
            assert {status for _, status in await statuses(http)} == {"received"}
    async with started(settings_of(tmp_path), clock) as services, client(services, text) as http:

        async def applied():
            return {status for _, status in await statuses(http)} == {"applied"}

        await until(applied)
        raised = (await get(http, f"/v1/partnerships/{opened}/events", type="incident.raised"))["items"]
        assert sorted(each["data"]["incident"] for each in raised) == sorted(f"PINC{number}" for number in range(10))


async def test_an_item_that_was_written_but_not_marked_is_marked_and_not_written_again(http, services, clock):
    await open_partnership(http, links=[LINKS["pagerduty"]])
    source = await add_source(http, "pagerduty", clock)
    told = await delivered(services, http, await source.post(incident(1)))
    before = await head(services)
    await services.store.alone(lambda database: database.execute("UPDATE inbox_items SET status = 'received'"))
    services.inbox.run("acme", told["id"])
    await services.inbox.idle()
    assert await get(http, f"/v1/inbox/{told['id']}") == told
    assert await head(services) == before


# --- to look at ----------------------------------------------------------------------------------------------------


async def test_a_delivery_is_shown_with_its_body_and_without_its_secrets(http, services, clock):
    await open_partnership(http, links=[LINKS["pagerduty"]])
    source = await add_source(http, "pagerduty", clock)
    answer = await source.post(incident(1), **{"X-Auth-Token": "t0ps3cret", "Cookie": "c00kie", "X-Trace": "kept"})
    told = await delivered(services, http, answer)
    assert told["body"] == incident(1).decode()
    names = {name for name, _ in told["headers"]}
    assert "x-trace" in names
    assert not names & {"x-pagerduty-signature", "x-auth-token", "cookie", "authorization"}
    assert "t0ps3cret" not in json.dumps(told)
    assert (told["source"], told["received_at"], told["trust"]) == (source.id, "2026-06-01T12:00:00Z", "signed")


async def test_the_inbox_is_listed_by_status_and_source_and_paged(http, services, clock):
    await open_partnership(http, links=[LINKS["pagerduty"]])
    source = await add_source(http, "pagerduty", clock)
    for number in range(3):
        clock.pass_by(seconds=1)
        await source.post(incident(number))
    clock.pass_by(seconds=1)
    await source.post(incident(7, service="PNOBODY"))
    await source.post(body_of("pagerduty/pagey.ping"))
    await services.inbox.idle()
    assert len((await get(http, "/v1/inbox", status="applied"))["items"]) == 3
    assert len((await get(http, "/v1/inbox", status="unmatched"))["items"]) == 1
    assert len((await get(http, "/v1/inbox", status="ignored", source=source.id))["items"]) == 1
    assert (await get(http, "/v1/inbox", source="src_none"))["items"] == []
    found, url = [], "/v1/inbox?limit=2"
    while url:
        answer = await http.get(url)
        found += [each["id"] for each in answer.json()["items"]]
        url = answer.json()["next"] and answer.links["next"]["url"]
    assert len(found) == len(set(found)) == 5
    assert found == sorted(found)
    problem(await http.get("/v1/inbox?status=lost"), 400, "bad_parameter")
    problem(await http.get("/v1/inbox/inb_none"), 404, "not_found")


async def test_another_organisation_sees_no_delivery(http, keyed, services, clock):
    source = await add_source(http, "pagerduty", clock)
    told = await delivered(services, http, await source.post(incident(1)))
    stranger = await keyed(organisation="stranger")
    problem(await stranger.get(f"/v1/inbox/{told['id']}"), 404, "not_found")
    problem(await stranger.post(f"/v1/inbox/{told['id']}/replay"), 404, "not_found")
    assert (await get(stranger, "/v1/inbox"))["items"] == []


# --- bodies as their senders published them ------------------------------------------------------------------------


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: f"{path.parent.name}/{path.stem}")
async def test_a_published_body_goes_through_from_the_signature_to_the_log(http, services, clock, path):
    clock.now = datetime(2026, 12, 1, tzinfo=UTC)
    source = await add_source(http, path.parent.name, clock)
    raw = path.read_bytes().rstrip(b"\n")
    told = await delivered(services, http, await source.post(raw))
    for item in told["items"]:
        if item["status"] == "unmatched":
            named = item["reason"].partition("has the link ")[2].partition(";")[0].split(", ")[0]
            opened = (await open_partnership(http, opened_at="2010-01-01T00:00:00Z"))["id"]
            assert (await http.put(f"/v1/partnerships/{opened}/links/{named}")).status_code == 200

    async def settled():
        return (await get(http, f"/v1/inbox/{told['id']}"))["status"] in ("applied", "ignored")

    await until(settled)
    told = await get(http, f"/v1/inbox/{told['id']}")
    for item in told["items"]:
        for position in item["positions"]:
            event = await get(http, f"/v1/events/{position}")
            assert (event["source"], event["trust"], event["causation_id"]) == (source.id, "signed", told["id"])
    again = await source.post(raw)
    assert (again.status_code, again.json()["inbox"]) == (200, told["id"])
