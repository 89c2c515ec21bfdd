"""What a key of one side, or of some partnerships, cannot do by a detour."""

import json

import pytest

from service import examples
from tests.service.story import power_struggle
from tests.service.world import NDJSON, get, head, lines_of, open_partnership, problem, say

REVIEW = {"type": "self_review.recorded", "own_part": "Late answers", "improvement": "A weekly hour"}
LINK = {"system": "jira", "kind": "project", "external_id": "OTHER"}


# --- a side ------------------------------------------------------------------------------------------------------------


async def test_a_key_with_a_side_takes_back_only_what_it_recorded_itself(http, keyed, services):
    opened = await power_struggle(http)
    partner, colleague = await keyed(side="partner"), await keyed(side="partner")
    path = f"/v1/partnerships/{opened}/facts"
    others = [
        (await say(http, opened, "contact.designated", side="client", person="Anne"))["events"][0]["id"],
        (await say(http, opened, "invoice.issued", invoice="f1", amount=100, currency="EUR"))["events"][0]["id"],
        (await say(http, opened, "contact.designated", side="partner", person="Ben"))["events"][0]["id"],
    ]
    own = await say(partner, opened, "hours.invested", side="partner", hours=2, on_date="2026-05-01", kind="build")
    before = await head(services)
    for event in others:
        told = problem(await partner.post(path, json=_retraction(event)), 403, "wrong_side")
        assert "recorded itself" in told["detail"]
        problem(await partner.post("/v1/facts", json={**_retraction(event), "partnership": opened}), 403, "wrong_side")
        line = json.dumps({**_retraction(event), "partnership": opened}).encode()
        refused, summary = lines_of((await partner.post("/v1/facts", content=line, headers=NDJSON)).content)
        assert (refused["code"], summary["accepted"]) == ("wrong_side", 0)
    problem(await colleague.post(path, json=_retraction(own["events"][0]["id"])), 403, "wrong_side")
    problem(await partner.post(path, json=_retraction("evt_0")), 404, "unknown_event")
    assert await head(services) == before
    assert (await partner.post(path, json=_retraction(own["events"][0]["id"]))).status_code == 201
    assert (await http.post(path, json=_retraction(others[0]))).status_code == 201


def _retraction(event):
    return {"type": "fact.retracted", "event": event, "reason": "It was another day"}


@pytest.mark.parametrize("type", ["dispute.settled", "crisis.overcome"])
async def test_a_key_with_a_side_owns_no_part_for_the_other(http, keyed, services, type):
    opened = await power_struggle(http)
    await say(http, opened, "dispute.opened", dispute="d1", side="client", subject="Acceptance")
    await say(http, opened, "crisis.opened", crisis="d1", severity=2)
    partner = await keyed(side="partner")
    path, fact = f"/v1/partnerships/{opened}/facts", {"type": type, type.partition(".")[0]: "d1"}
    before = await head(services)
    for parts in (["client"], ["partner", "client"]):
        problem(await partner.post(path, json={**fact, "own_parts": parts}), 403, "wrong_side")
    assert await head(services) == before
    assert (await partner.post(path, json={**fact, "own_parts": ["partner"]})).status_code == 201


@pytest.mark.parametrize("side", ["client", "partner"])
async def test_a_key_with_a_side_reaches_no_source_through_which_it_would_speak_for_both(keyed, services, side):
    bound = await keyed(side=side)
    before = await head(services)
    body = {"connector": "generic", "name": "detour", "secrets": ["s"]}
    for answer in (
        await bound.post("/v1/sources", json=body),
        await bound.get("/v1/sources"),
        await bound.post("/v1/connectors", json={"toml": examples.CONNECTOR}),
        await bound.get("/v1/inbox"),
        await bound.post("/v1/inbox/replay", json={"status": "failed"}),
    ):
        assert side in problem(answer, 403, "forbidden")["detail"]
    assert await head(services) == before


async def test_import_lines_speak_for_the_keys_side_only(http, keyed):
    opened = await power_struggle(http)
    partner = await keyed(side="partner")
    lines = [{**REVIEW, "partnership": opened, "side": side} for side in ("client", "partner")]
    body = b"\n".join(json.dumps(each).encode() for each in lines)
    for query in ("", "?results=all"):
        *told, summary = lines_of((await partner.post(f"/v1/facts{query}", content=body, headers=NDJSON)).content)
        assert [(each["line"], each["code"]) for each in told if each["status"] == "refused"] == [(1, "wrong_side")]
        assert (summary["lines"], summary["refused"]) == (2, 1)


# --- partnerships --------------------------------------------------------------------------------------------------------


async def test_a_bound_key_learns_of_no_other_partnership_from_a_link_that_is_taken(http, keyed):
    mine = (await open_partnership(http))["id"]
    other = (await open_partnership(http, links=[LINK]))["id"]
    bound, path = await keyed(partnerships=(mine,)), f"/v1/partnerships/{mine}/links/jira/project/OTHER"
    answer = await bound.put(path)
    assert "id" not in problem(answer, 409, "link_taken")
    assert other not in answer.text
    assert problem(await http.put(path), 409, "link_taken")["id"] == other
    both = await keyed(partnerships=(mine, other))
    assert problem(await both.put(path), 409, "link_taken")["id"] == other


async def test_a_bound_key_imports_into_its_partnership_only(http, keyed, services):
    mine = (await open_partnership(http))["id"]
    other = (await open_partnership(http, links=[LINK]))["id"]
    bound = await keyed(partnerships=(mine,))
    fact = {"type": "incident.raised", "incident": "i1", "priority": 2}
    targets = [{"partnership": other}, {"link": LINK}, {"partnership": "pn_0"}, {"link": {**LINK, "external_id": "0"}}]
    body = b"\n".join(json.dumps({**fact, **each}).encode() for each in [*targets, {"partnership": mine}])
    for query in ("", "?results=all"):
        *told, summary = lines_of((await bound.post(f"/v1/facts{query}", content=body, headers=NDJSON)).content)
        refused = [each for each in told if each["status"] == "refused"]
        assert {each["code"] for each in refused} == {"not_found"}
        assert refused[0]["detail"].replace(other, "pn_0") == refused[2]["detail"]
        assert refused[1]["detail"].replace("OTHER", "0") == refused[3]["detail"]
        assert summary["refused"] == 4
    assert len((await get(http, f"/v1/partnerships/{other}/events"))["items"]) == 2  # opened and linked


async def test_a_bound_key_streams_no_other_partnerships_events(http, keyed):
    mine, other = [(await open_partnership(http))["id"] for _ in range(2)]
    bound, both = await keyed(partnerships=(mine,)), await keyed(partnerships=(mine, other))
    lines = lines_of((await bound.get("/v1/events", headers={"Accept": "application/x-ndjson"})).content)
    assert {each["partnership"] for each in lines} == {mine}
    for accept in ("application/json", "application/x-ndjson"):
        problem(await both.get("/v1/events", headers={"Accept": accept}), 400, "bad_parameter")
        answer = await bound.get(f"/v1/events?partnership={other}", headers={"Accept": accept})
        problem(answer, 404, "not_found")


async def test_a_bound_key_sees_no_connector_of_the_organisations_own(http, keyed):
    assert (await http.post("/v1/connectors", json={"toml": examples.CONNECTOR})).status_code == 201
    own = next(
        each["name"] for each in (await get(http, "/v1/connectors"))["items"] if each["name"] in examples.CONNECTOR
    )
    bound = await keyed(partnerships=((await open_partnership(http))["id"],))
    names = {each["name"] for each in (await get(bound, "/v1/connectors"))["items"]}
    assert "pagerduty" in names
    assert own not in names
    told = problem(await bound.get(f"/v1/connectors/{own}"), 404, "not_found")
    assert told["detail"].replace(own, "nobody") == (await bound.get("/v1/connectors/nobody")).json()["detail"]
    assert (await bound.get("/v1/connectors/pagerduty")).status_code == 200


async def test_an_answer_that_is_repeated_is_repeated_to_its_own_key_alone(http, keyed):
    mine = (await open_partnership(http))["id"]
    path, once = f"/v1/partnerships/{mine}/facts", {"Idempotency-Key": "one"}
    fact = {"type": "incident.raised", "incident": "i1", "priority": 2}
    first = await http.post(path, json=fact, headers=once)
    again = await http.post(path, json=fact, headers=once)
    assert (again.headers["idempotency-replayed"], again.json()) == ("true", first.json())
    elsewhere = await keyed(partnerships=((await open_partnership(http))["id"],))
    problem(await elsewhere.post(path, json=fact, headers=once), 404, "not_found")
    other = await keyed()
    assert "idempotency-replayed" not in (await other.post(path, json={**fact, "incident": "i2"}, headers=once)).headers
