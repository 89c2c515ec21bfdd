"""Facts: every type by its minimal and full form, one or many at once, all or nothing, each refusal with its pointer."""

import asyncio

import pytest

from domain.events import ALL, FACTS, ROUTED
from tests.service.bodies import CHOSEN, body_of, fields_of
from tests.service.world import every_event, get, head, open_partnership, problem, say

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture
def services(shared):
    return shared[0]


@pytest.fixture
def http(shared):
    return shared[1]


PROMISE = {
    "type": "promise.made", "promise": "p1", "side": "partner", "kind": "delay", "promised": 30, "unit": "days",
    "evidence": "none", "text": "In a month",
}  # fmt: skip


def path(opened):
    return f"/v1/partnerships/{opened['id']}/facts"


@pytest.mark.parametrize("kind", sorted(set(FACTS) - {"fact.retracted"}))
async def test_every_fact_is_accepted_and_told_as_it_was_sent(http, kind):
    await accepted(http, body_of(kind, full=False), await open_partnership(http, client="Minimal"))
    await accepted(http, body_of(kind, full=True), await open_partnership(http, client="Full"))


async def accepted(http, fields, opened):
    body = {**fields, "occurred_at": "2020-03-01T09:30:00.5+01:00"}
    answer = await http.post(path(opened), json=body)
    assert answer.status_code == 201, answer.text
    told, kind = answer.json(), body["type"]
    first = told["events"][0]
    expected = {name: value for name, value in body.items() if name not in ("type", "occurred_at")}
    assert (first["type"], first["data"]) == (kind, expected)
    assert first["occurred_at"] == "2020-03-01T08:30:00.500000Z"
    assert (first["stream"], first["partnership"]) == (f"partnership-{opened['id']}", opened["id"])
    assert first["id"].startswith("evt_")
    assert told["version"] == first["version"] + len(told["events"]) - 1
    stored = next(each for each in await every_event(http) if each["position"] == first["position"])
    assert stored == first


@pytest.mark.parametrize("kind", sorted(FACTS))
async def test_every_field_of_every_fact_is_checked_and_named(http, services, kind):
    opened = await open_partnership(http)
    before = await head(services)
    body = {**body_of(kind, full=True), **({"event": "evt_1"} if kind == "fact.retracted" else {})}
    for name, field in fields_of(FACTS[kind]).items():
        told = problem(await http.post(path(opened), json={**body, name: {"unexpected": []}}), 400, "bad_shape")
        assert told["errors"][0]["pointer"].startswith(f"/{name}"), told
        if field.required:
            rest = {key: value for key, value in body.items() if key != name}
            told = problem(await http.post(path(opened), json=rest), 400, "bad_shape")
            assert name in told["detail"]
    told = problem(await http.post(path(opened), json={**body, "surprise": 1}), 400, "bad_shape")
    assert "surprise" in told["detail"]
    assert await head(services) == before


async def test_what_only_the_system_writes_is_refused_with_the_route_to_use(http, services):
    opened = await open_partnership(http)
    before = await head(services)
    for kind in sorted(set(ALL) - set(FACTS)):
        told = problem(await http.post(path(opened), json={"type": kind}), 400, "wrong_route")
        assert ROUTED.get(kind, "the system writes it") in told["detail"]
        assert told["errors"][0]["pointer"] == "/type"
    assert await head(services) == before


async def test_a_fact_of_a_partnership_answers_its_stage_version_and_etag(http):
    opened = await open_partnership(http)
    answer = await http.post(path(opened), json={**PROMISE, "occurred_at": "2020-01-10T00:00:00Z"})
    told = answer.json()
    assert (told["stage"], told["outcome"], told["version"], answer.headers["etag"]) == ("honeymoon", None, 2, '"2"')


async def test_a_measured_promise_answers_the_stage_that_follows(http):
    opened = await open_partnership(http)
    await say(http, opened["id"], **{**PROMISE, "at": "2020-01-10"})
    told = await say(http, opened["id"], "promise.measured", "2020-06-01", promise="p1", actual=66)
    assert [each["type"] for each in told["events"]] == ["promise.measured", "stage.entered"]
    measured, entered = told["events"]
    assert (told["stage"], told["version"]) == ("power_struggle", 4)
    assert entered["data"]["cause"] == measured["position"]
    guard = next(each for each in entered["data"]["guards"] if each["code"] == "delay_doubled")
    assert (guard["met"], guard["actual"], guard["required"]) == (True, 2.2, 2.0)
    assert measured["position"] in guard["evidence"]
    assert set(guard["remedy"]) == {"en", "fr"}
    assert "causation_id" not in entered or entered["causation_id"]


async def test_an_array_is_recorded_whole_in_its_order(http, services):
    opened = await open_partnership(http)
    before = await head(services)
    body = [{"type": "incident.raised", "incident": f"i{number}", "priority": 3} for number in range(100)]
    told = (await http.post(path(opened), json=body)).json()
    assert [each["data"]["incident"] for each in told["events"]] == [f"i{number}" for number in range(100)]
    assert [each["position"] for each in told["events"]] == list(range(before + 1, before + 101))
    assert len({each["recorded_at"] for each in told["events"]}) == 1


BAD_IN_AN_ARRAY = [
    ({"type": "nope"}, 400, "unknown_type", "/3/type"),
    ({"type": "stage.entered"}, 400, "wrong_route", "/3/type"),
    ({"type": "threat.withdrawn"}, 400, "bad_shape", "/3"),
    ({"type": "threat.withdrawn", "side": "both"}, 400, "bad_shape", "/3/side"),
    ({"type": "priorities.agreed", "items": ["a", 7]}, 400, "bad_shape", "/3/items/1"),
    (
        {"type": "threat.withdrawn", "side": "client", "occurred_at": "2020-01-01T00:00:00"},
        400,
        "naive_time",
        "/3/occurred_at",
    ),
    ({"type": "threat.withdrawn", "side": "client", "occurred_at": 7}, 400, "bad_shape", "/3/occurred_at"),
    ({"type": "threat.withdrawn", "side": "client", "occurred_at": "tomorrow"}, 400, "bad_parameter", "/3/occurred_at"),
    ({"type": "threat.withdrawn", "side": "client", "occurred_at": "2030-01-01T00:00:00Z"}, 422, "future_time", "/3"),
    ({"type": "promise.measured", "promise": "p1", "actual": 1, "unit": "weeks"}, 422, "wrong_unit", "/3"),
    ({"type": "sla.measured", "sla": "s", "month": "2020-01", "met": 2, "total": 1}, 422, "wrong_unit", "/3"),
    ({**PROMISE, "promised": 31}, 409, "already_recorded", "/3"),
    ({"type": "fact.retracted", "event": "evt_none", "reason": "wrong"}, 404, "unknown_event", "/3"),
    ("threat.withdrawn", 400, "bad_shape", "/3"),
    (None, 400, "bad_shape", "/3"),
]


@pytest.mark.parametrize(("bad", "status", "code", "pointer"), BAD_IN_AN_ARRAY)
async def test_one_bad_fact_of_an_array_is_named_by_its_pointer_and_nothing_is_written(
    http, services, bad, status, code, pointer
):
    opened = await open_partnership(http)
    await say(http, opened["id"], **{**PROMISE, "at": "2020-01-10"})
    before = await head(services)
    good = {"type": "incident.reopened", "incident": "i"}
    told = problem(await http.post(path(opened), json=[good, good, good, bad, good]), status, code)
    assert told["errors"][0]["pointer"] == pointer
    assert told["errors"][0]["detail"]
    assert await head(services) == before


@pytest.mark.parametrize("count", [0, 101])
async def test_an_array_holds_one_to_a_hundred_facts(http, services, count):
    opened = await open_partnership(http)
    before = await head(services)
    body = [{"type": "incident.reopened", "incident": "i"}] * count
    problem(await http.post(path(opened), json=body), 400, "bad_shape")
    assert await head(services) == before


async def test_opening_twice_with_the_same_content_answers_the_first_event(http, services):
    opened = await open_partnership(http)
    first = await say(http, opened["id"], **{**PROMISE, "at": "2020-01-10"})
    before = await head(services)
    again = await http.post(path(opened), json={**PROMISE, "occurred_at": "2020-01-10T00:00:00Z"})
    assert again.status_code == 200, again.text
    assert again.json()["events"] == first["events"]
    assert await head(services) == before


OPENINGS = {
    "contract.signed": {"starts_on": "2019-01-01"}, "promise.made": {"promised": 31}, "dispute.opened": {"side": "partner"},
    "crisis.opened": {"severity": 2}, "invoice.issued": {"amount": 7}, "incident.raised": {"priority": 5},
    "demand.raised": {"side": "partner"}, "change.prepared": {"teams_ready": 2}, "expert_time.requested": {"hours": 7},
}  # fmt: skip


@pytest.mark.parametrize("kind", sorted(OPENINGS))
async def test_an_id_that_opens_something_is_not_opened_again_with_other_content(http, services, kind):
    opened = await open_partnership(http)
    body = {**body_of(kind, full=True), "occurred_at": "2020-02-01T00:00:00Z"}
    first = await http.post(path(opened), json=body)
    before = await head(services)
    again = await http.post(path(opened), json=body)
    assert (again.status_code, again.json()["events"]) == (200, first.json()["events"][:1]), again.text
    problem(await http.post(path(opened), json={**body, **OPENINGS[kind]}), 409, "already_recorded")
    assert await head(services) == before


async def test_a_fact_that_names_something_unknown_is_kept_as_unmatched_until_it_arrives(http):
    opened = await open_partnership(http)
    await say(http, opened["id"], "promise.measured", "2020-06-01", promise="p1", actual=66)
    address = f"/v1/partnerships/{opened['id']}"
    shown = (await get(http, address))["open"]["unmatched"]
    assert any("p1" in str(each) for each in shown)
    told = await say(http, opened["id"], **{**PROMISE, "at": "2020-01-10"})
    assert told["stage"] == "power_struggle"
    told = await get(http, address)
    assert (told["open"]["unmatched"], told["since"]) == ([], "2020-06-01T00:00:00Z")


async def test_facts_are_recorded_by_link_and_by_id_at_one_address(http):
    opened = await open_partnership(http, links=[{"system": "jira", "kind": "project", "external_id": "NP"}])
    link = {"system": "jira", "kind": "project", "external_id": "NP"}
    fact = {"type": "incident.raised", "incident": "i1", "priority": 2}
    for body in (
        {**fact, "link": link},
        [{**fact, "incident": "i2", "partnership": opened["id"]}, {**fact, "incident": "i3", "link": link}],
    ):
        answer = await http.post("/v1/facts", json=body)
        assert answer.status_code == 201, answer.text
        assert {each["partnership"] for each in answer.json()["events"]} == {opened["id"]}
    problem(await http.post("/v1/facts", json={**fact, "link": {**link, "external_id": "no"}}), 404, "not_found")
    problem(await http.post("/v1/facts", json={**fact, "partnership": "pn_no"}), 404, "not_found")
    problem(await http.post("/v1/facts", json=fact), 400, "bad_shape")
    problem(await http.post("/v1/facts", json={**fact, "link": link, "partnership": opened["id"]}), 400, "bad_shape")


async def test_a_retracted_fact_tells_the_path_without_it_and_the_stage_stays(http):
    opened = await open_partnership(http)
    await say(http, opened["id"], **{**PROMISE, "at": "2020-01-10"})
    measured = (await say(http, opened["id"], "promise.measured", "2020-06-01", promise="p1", actual=66))["events"][0]
    told = await say(http, opened["id"], "fact.retracted", "2020-07-01", event=measured["id"], reason="Another project")
    assert [each["type"] for each in told["events"]] == ["fact.retracted", "stage.reassessed"]
    assert told["stage"] == "power_struggle"
    reassessed = told["events"][1]["data"]
    assert reassessed["because"] == told["events"][0]["position"]
    again = await http.post(
        path(opened), json={"type": "fact.retracted", "event": measured["id"], "reason": "Another project"}
    )
    assert (again.status_code, again.json()["events"][0]["id"]) == (200, told["events"][0]["id"])


async def test_only_a_fact_can_be_retracted(http, services):
    opened = await open_partnership(http)
    entered = (await say(http, opened["id"], "termination.threatened", "2020-02-01", side="client"))["events"][1]
    before = await head(services)
    body = {"type": "fact.retracted", "event": entered["id"], "reason": "no"}
    problem(await http.post(path(opened), json=body), 409, "not_retractable")
    assert await head(services) == before


async def test_after_separation_facts_are_kept_and_move_nothing(http):
    opened = await open_partnership(http)
    transitions = f"/v1/partnerships/{opened['id']}/transitions"
    await http.post(transitions, json={"trigger": "separate", "reason": "cost", "occurred_at": "2020-02-01T00:00:00Z"})
    await http.post(transitions, json={"trigger": "complete_separation", "occurred_at": "2020-02-02T00:00:00Z"})
    told = await say(http, opened["id"], "termination.threatened", "2020-03-01", side="client")
    assert [each["type"] for each in told["events"]] == ["termination.threatened"]
    assert (told["stage"], told["outcome"]) == ("maturity_or_separation", "separated")


async def test_finer_than_microseconds_is_cut_and_never_rounded(http):
    opened = await open_partnership(http)
    told = await say(http, opened["id"], "incident.reopened", "2020-12-31T23:59:59.9999999Z", incident="i")
    assert told["events"][0]["occurred_at"] == "2020-12-31T23:59:59.999999Z"


async def test_every_body_that_the_tests_choose_belongs_to_a_fact():
    assert set(CHOSEN) <= set(FACTS)


async def test_however_many_open_the_same_at_once_it_is_opened_once(http, services):
    opened = await open_partnership(http)
    before = await head(services)
    fact = {"type": "incident.raised", "incident": "i1", "priority": 2, "occurred_at": "2020-03-01T00:00:00Z"}
    answers = await asyncio.gather(*(http.post(path(opened), json=fact) for _ in range(30)))
    assert sorted(answer.status_code for answer in answers) == [200] * 29 + [201]
    assert len({answer.json()["events"][0]["id"] for answer in answers}) == 1
    assert await head(services) == before + 1
