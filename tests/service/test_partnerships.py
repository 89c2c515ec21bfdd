"""Partnerships: opened once, found by id, link and filter, paged, linked, seen only by their own."""

import asyncio
from urllib.parse import quote

import pytest

from tests.service.world import ask, get, head, open_partnership, problem, say

HUBSPOT = {"system": "hubspot", "kind": "company", "external_id": "123"}


async def test_an_opened_partnership_is_answered_whole_with_its_address_and_etag(http, services):
    answer = await http.post(
        "/v1/partnerships",
        json={
            "client": "Atelier Nord",
            "partner": "Logiciels Sud",
            "opened_at": "2026-01-10T01:00:00+01:00",
            "links": [HUBSPOT],
        },
    )
    assert answer.status_code == 201
    told = answer.json()
    assert answer.headers["location"] == f"/v1/partnerships/{told['id']}"
    assert answer.headers["etag"] == '"2"'
    assert told["id"].startswith("pn_")
    assert told["position"] == await head(services)
    expected = {
        "client": "Atelier Nord", "partner": "Logiciels Sud", "critical": False, "stage": "honeymoon", "outcome": None,
        "ending": None, "since": "2026-01-10T00:00:00Z", "version": 2, "telescoped": False, "flags": [], "policy": 1,
        "labels": {"fr": "La lune de miel", "en": "Honeymoon"}, "links": [HUBSPOT],
        "open": {"promises": [], "disputes": [], "threats": [], "crises": [], "unmatched": []},
    }  # fmt: skip
    assert {name: told[name] for name in expected} == expected
    assert set(told["activation"]) == {
        "honeymoon",
        "power_struggle",
        "power_sharing",
        "commitment",
        "maturity_or_separation",
    }
    assert isinstance(told["overlapping"], list)


async def test_what_was_opened_is_read_again_the_same(http):
    opened = await open_partnership(http, links=[HUBSPOT])
    answer = await http.get(f"/v1/partnerships/{opened['id']}")
    assert (answer.status_code, answer.json()) == (200, opened)
    assert answer.headers["etag"] == '"2"'


async def test_without_an_opening_instant_it_is_opened_now(http, clock):
    told = (await http.post("/v1/partnerships", json={"client": "A", "partner": "B"})).json()
    assert told["since"] == clock.now.isoformat().replace("+00:00", "Z")


async def test_the_same_pair_is_opened_once_and_the_open_one_is_named(http, services):
    first = await open_partnership(http, partner="Logiciels Sud")
    before = await head(services)
    told = problem(
        await http.post("/v1/partnerships", json={"client": "Atelier Nord", "partner": "Logiciels Sud"}),
        409,
        "already_open",
    )
    assert told["id"] == first["id"]
    assert await head(services) == before


async def test_the_same_link_is_taken_once_and_its_holder_is_named(http, services):
    first = await open_partnership(http, links=[HUBSPOT])
    before = await head(services)
    told = problem(
        await http.post("/v1/partnerships", json={"client": "Other", "partner": "Pair", "links": [HUBSPOT]}),
        409,
        "link_taken",
    )
    assert told["id"] == first["id"]
    assert await head(services) == before
    assert (await get(http, "/v1/partnerships", client="Other"))["items"] == []


async def test_find_or_create_answers_the_open_one(http, services):
    first = await open_partnership(http, partner="Logiciels Sud", links=[HUBSPOT])
    before = await head(services)
    for body in (
        {"client": "Atelier Nord", "partner": "Logiciels Sud"},
        {"client": "Other", "partner": "Pair", "links": [HUBSPOT]},
    ):
        answer = await http.post("/v1/partnerships?if_exists=return", json=body)
        assert (answer.status_code, answer.json()["id"]) == (200, first["id"])
        assert answer.headers["etag"] == '"2"'
    assert await head(services) == before


async def test_sixteen_who_open_the_same_pair_at_once_open_one(http, services):
    body = {"client": "A", "partner": "B"}
    answers = await asyncio.gather(*(http.post("/v1/partnerships", json=body) for _ in range(16)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 15
    (opened,) = (answer.json()["id"] for answer in answers if answer.status_code == 201)
    assert {answer.json()["id"] for answer in answers} == {opened}
    assert len((await get(http, "/v1/partnerships"))["items"]) == 1


async def test_a_separated_pair_may_begin_again(http):
    first = await open_partnership(http, partner="Logiciels Sud")
    assert (await ask(http, first["id"], "separate", "2020-02-01", reason="mutual")).status_code == 201
    over = await ask(http, first["id"], "complete_separation", "2020-02-02")
    assert over.status_code == 201, over.text
    assert (await get(http, f"/v1/partnerships/{first['id']}"))["ending"] == "stillborn"
    second = await open_partnership(http, partner="Logiciels Sud", opened_at="2021-01-01T00:00:00Z")
    assert second["id"] != first["id"]


async def test_a_partnership_is_found_by_its_link(http):
    opened = await open_partnership(http, links=[HUBSPOT])
    assert [each["id"] for each in (await get(http, "/v1/partnerships", **HUBSPOT))["items"]] == [opened["id"]]
    assert (await get(http, "/v1/partnerships", **{**HUBSPOT, "external_id": "9"}))["items"] == []
    problem(await http.get("/v1/partnerships?system=hubspot&kind=company"), 400, "bad_parameter")


@pytest.mark.parametrize("external_id", ["https://example.com//a?b#c", "/teams/7", "a%2Fb", "\u00e9t\u00e9"])
async def test_a_link_keeps_the_id_as_it_was_sent(http, external_id):
    opened = await open_partnership(http)
    path = f"/v1/partnerships/{opened['id']}/links/jira/project/{quote(external_id, safe='')}"
    (link,) = (await http.put(path)).json()["links"]
    assert link["external_id"] == external_id
    found = await get(http, "/v1/partnerships", system="jira", kind="project", external_id=external_id)
    assert [each["id"] for each in found["items"]] == [opened["id"]]
    assert (await http.delete(path)).json()["links"] == []


async def test_a_link_is_put_moved_and_removed(http, services):
    one = await open_partnership(http)
    two = await open_partnership(http, partner="Autre")
    path = f"/v1/partnerships/{one['id']}/links/jira/project/team/a b%2Fc"
    told = await http.put(path)
    assert (told.status_code, told.json()["links"]) == (
        200,
        [{"system": "jira", "kind": "project", "external_id": "team/a b/c"}],
    )
    before = await head(services)
    assert (await http.put(path)).status_code == 200
    assert await head(services) == before
    other = path.replace(one["id"], two["id"])
    assert problem(await http.put(other), 409, "link_taken")["id"] == one["id"]
    assert (await http.delete(path)).json()["links"] == []
    problem(await http.delete(path), 404, "unknown_link")
    assert (await http.put(other)).status_code == 200


async def test_partnerships_are_listed_by_stage_outcome_name_and_openness(http, clock):
    calm = await open_partnership(http, client="Calm", partner="Logiciels Sud")
    clock.pass_by(seconds=1)
    struggling = await open_partnership(http, client="Struggling", partner="Logiciels Sud")
    await say(http, struggling["id"], "termination.threatened", "2020-03-01", side="client")
    clock.pass_by(seconds=1)
    over = await open_partnership(http, client="Over", partner="Logiciels Sud")
    await ask(http, over["id"], "separate", "2020-02-01", reason="cost")
    await ask(http, over["id"], "complete_separation", "2020-02-02")

    async def ids(**query):
        return [each["id"] for each in (await get(http, "/v1/partnerships", **query))["items"]]

    assert await ids() == [calm["id"], struggling["id"], over["id"]]
    assert await ids(stage="honeymoon") == [calm["id"]]
    assert await ids(stage="power_struggle") == [struggling["id"]]
    assert await ids(outcome="separated") == [over["id"]]
    assert await ids(client="Calm") == [calm["id"]]
    assert await ids(partner="Logiciels Sud", open="true") == [calm["id"], struggling["id"]]
    assert await ids(open="false") == [over["id"]]


async def test_a_list_goes_on_at_its_cursor_to_the_end(http, clock):
    opened, found, url = [], [], "/v1/partnerships?limit=2"
    for number in range(5):
        clock.pass_by(seconds=1)
        opened.append((await open_partnership(http, partner=f"P{number}"))["id"])
    while url:
        answer = await http.get(url)
        page = answer.json()
        found += [each["id"] for each in page["items"]]
        url = page["next"] and answer.links["next"]["url"]
        assert ("next" in answer.links) == (page["next"] is not None)
    assert found == opened


async def test_a_cursor_keeps_the_filter_of_its_list(http):
    for number in range(3):
        await open_partnership(http, client="Same & more", partner=f"P{number}")
    await open_partnership(http, client="Else")
    first = await http.get("/v1/partnerships", params={"client": "Same & more", "limit": 2})
    rest = await http.get(first.links["next"]["url"])
    assert [each["client"] for each in rest.json()["items"]] == ["Same & more"]
    assert rest.json()["next"] is None


async def test_two_clocks_show_a_partnership_as_it_was(http, clock):
    opened = await open_partnership(http)
    clock.pass_by(hours=1)
    await say(http, opened["id"], "termination.threatened", "2020-03-01", side="client")
    path = f"/v1/partnerships/{opened['id']}"
    assert (await get(http, path))["stage"] == "power_struggle"
    assert (await get(http, path, as_of="2020-02-01T00:00:00Z"))["stage"] == "honeymoon"
    assert (await get(http, path, known_at="2026-06-01T12:30:00Z"))["stage"] == "honeymoon"
    problem(await http.get(path, params={"as_of": "2019-01-01T00:00:00Z"}), 404, "not_found")
    problem(await http.get(path, params={"known_at": "2026-05-01T00:00:00Z"}), 404, "not_found")
    problem(await http.get(path, params={"known_at": "2027-01-01T00:00:00Z"}), 422, "future_time")


async def test_what_is_not_there_answers_404_everywhere(http):
    for path in ("", "/history", "/transitions", "/events"):
        problem(await http.get(f"/v1/partnerships/pn_none{path}"), 404, "not_found")
    problem(
        await http.post("/v1/partnerships/pn_none/facts", json={"type": "threat.withdrawn", "side": "client"}),
        404,
        "not_found",
    )
    problem(await http.post("/v1/partnerships/pn_none/transitions", json={"trigger": "commit"}), 404, "not_found")
    problem(await http.put("/v1/partnerships/pn_none/links/a/b/c"), 404, "not_found")
    problem(await http.get("/v1/nothing"), 404, "not_found")
    problem(await http.delete("/v1/partnerships"), 405, "method_not_allowed")
