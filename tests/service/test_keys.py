"""Keys: what each may see and do, and how it is sent."""

import base64

import httpx
import msgspec
import pytest

from service.api.all import ROUTES
from service.api.route import Route
from service.api.serving import build
from service.auth import SCOPES
from service.settings import SettingsError
from tests.service.story import power_struggle
from tests.service.world import client, get, head, open_partnership, problem, say

FACT = {"type": "incident.raised", "incident": "i1", "priority": 2}

NEEDS = [
    ("GET", "/v1/partnerships", "read"),
    ("GET", "/v1/partnerships/{id}", "read"),
    ("GET", "/v1/partnerships/{id}/history", "read"),
    ("GET", "/v1/partnerships/{id}/transitions", "read"),
    ("GET", "/v1/partnerships/{id}/events", "read"),
    ("GET", "/v1/events", "read"),
    ("GET", "/v1/events/1", "read"),
    ("GET", "/v1/policies", "read"),
    ("GET", "/v1/connectors", "read"),
    ("GET", "/v1/machine", "read"),
    ("POST", "/v1/partnerships", "write"),
    ("POST", "/v1/partnerships/{id}/facts", "write"),
    ("POST", "/v1/facts", "write"),
    ("PUT", "/v1/partnerships/{id}/links/a/b/c", "write"),
    ("DELETE", "/v1/partnerships/{id}/links/a/b/c", "write"),
    ("POST", "/v1/partnerships/{id}/transitions", "transitions"),
    ("POST", "/v1/overrides/ovr_1/approve", "transitions:override"),
    ("POST", "/v1/sources", "hooks"),
    ("GET", "/v1/sources", "hooks"),
    ("GET", "/v1/inbox", "hooks"),
    ("POST", "/v1/inbox/replay", "hooks"),
    ("POST", "/v1/keys", "admin"),
    ("GET", "/v1/keys", "admin"),
    ("POST", "/v1/policies", "admin"),
]


async def test_every_route_wants_its_scope_and_no_other_will_do(http, keyed, services):
    opened = (await open_partnership(http))["id"]
    lacking = {scope: await keyed([each for each in SCOPES if each != scope]) for scope in SCOPES}
    before = await head(services)
    for method, path, scope in NEEDS:
        answer = await lacking[scope].request(method, path.format(id=opened), json=None if method == "GET" else {})
        assert scope in problem(answer, 403, "forbidden")["detail"], (method, path)
    assert await head(services) == before


async def test_a_key_with_the_scope_alone_gets_through(http, keyed):
    opened = (await open_partnership(http))["id"]
    only = {scope: await keyed([scope]) for scope in SCOPES}
    for method, path, scope in NEEDS:
        answer = await only[scope].request(method, path.format(id=opened), json=None if method == "GET" else {})
        assert answer.status_code != 403, (method, path, answer.text)


async def test_without_a_key_only_health_and_documents_answer(services):
    transport = httpx.ASGITransport(app=build(services))
    async with httpx.AsyncClient(transport=transport, base_url="http://noces.example") as nobody:
        for method, path, _ in NEEDS:
            answer = await nobody.request(method, path.format(id="pn_1"))
            problem(answer, 401, "unauthenticated")
            assert answer.headers["www-authenticate"].startswith("Bearer")
        problem(await nobody.get("/v1/me"), 401, "unauthenticated")
        for path in ("/healthz", "/readyz", "/metrics", "/openapi.json", "/docs"):
            assert (await nobody.get(path)).status_code == 200


async def test_a_key_is_sent_as_bearer_as_header_or_as_the_password_of_basic(http, services):
    text = http.headers["authorization"].removeprefix("Bearer ")
    basic = base64.b64encode(f"anybody:{text}".encode()).decode()
    for headers in (
        {"Authorization": f"Bearer {text}"}, {"Authorization": f"bearer {text}"}, {"X-Api-Key": text},
        {"Authorization": f"Basic {basic}"},
    ):  # fmt: skip
        async with client(services, "", **headers) as other:
            if "Authorization" not in headers:
                del other.headers["authorization"]
            assert (await get(other, "/v1/me"))["organisation"] == "acme"


@pytest.mark.parametrize(
    "sent",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer x",
        "Basic !!!",
        "Basic",
        "Basic eA==",
        "Basic /w==",
        "Digest x",
        "noces_1_2",
        "Bearer noces__",
        "Bearer " + "x" * 5000,
        "Bearer é",
        "Bearer \x01",
    ],
)
async def test_what_is_no_key_is_refused(services, sent):
    async with client(services, "x") as other:
        answer = await other.get("/v1/me", headers={"Authorization": sent.encode()})
        problem(answer, 401, "unauthenticated")


async def test_one_wrong_letter_anywhere_makes_it_no_key(http, services):
    text = http.headers["authorization"].removeprefix("Bearer ")
    for place in (6, 10, len(text) // 2, len(text) - 8, len(text) - 1):
        wrong = text[:place] + ("0" if text[place] != "0" else "1") + text[place + 1 :]
        async with client(services, wrong) as other:
            problem(await other.get("/v1/me"), 401, "unauthenticated")


async def test_me_says_whose_log_it_is_and_what_the_key_may_do(keyed):
    told = await get(await keyed(["read", "audit"], side="partner"), "/v1/me")
    assert told["key"].startswith("key_")
    assert (told["organisation"], told["log"], told["scopes"], told["side"]) == (
        "acme",
        "acme",
        ["audit", "read"],
        "partner",
    )


# --- organisations -------------------------------------------------------------------------------------------------


async def test_another_organisation_sees_nothing_of_it(http, keyed, services):
    opened = await power_struggle(http, links=[{"system": "jira", "kind": "project", "external_id": "NP"}])
    source = (await http.post("/v1/sources", json={"connector": "pagerduty", "name": "pd", "secrets": ["s"]})).json()[
        "id"
    ]
    override = (
        await http.post(
            f"/v1/partnerships/{opened}/transitions", json={"force": {"to": "power_sharing", "reason": "x"}}
        )
    ).json()["id"]
    key = (await get(http, "/v1/me"))["key"]
    stranger = await keyed(organisation="stranger")
    before = await head(services)
    for method, path in (
        ("GET", f"/v1/partnerships/{opened}"), ("GET", f"/v1/partnerships/{opened}/history"),
        ("GET", f"/v1/partnerships/{opened}/transitions"), ("GET", f"/v1/partnerships/{opened}/events"),
        ("GET", f"/v1/events?partnership={opened}"), ("GET", f"/v1/sources/{source}"), ("GET", f"/v1/keys/{key}"),
        ("DELETE", f"/v1/sources/{source}"), ("DELETE", f"/v1/keys/{key}"), ("POST", f"/v1/keys/{key}/rotate"),
        ("PUT", f"/v1/partnerships/{opened}/links/a/b/c"), ("DELETE", f"/v1/partnerships/{opened}/links/jira/project/NP"),
    ):  # fmt: skip
        problem(await stranger.request(method, path), 404, "not_found")
    problem(await stranger.post(f"/v1/partnerships/{opened}/facts", json=FACT), 404, "not_found")
    problem(await stranger.post("/v1/facts", json={**FACT, "partnership": opened}), 404, "not_found")
    link = {"system": "jira", "kind": "project", "external_id": "NP"}
    problem(await stranger.post("/v1/facts", json={**FACT, "link": link}), 404, "not_found")
    problem(
        await stranger.post(f"/v1/partnerships/{opened}/transitions", json={"trigger": "share_power"}), 404, "not_found"
    )
    problem(await stranger.post(f"/v1/overrides/{override}/approve"), 404, "unknown_override")
    assert (await get(stranger, "/v1/partnerships"))["items"] == []
    assert (await get(stranger, "/v1/partnerships", **link))["items"] == []
    assert opened not in str(await get(stranger, "/v1/events", limit=500))
    assert await head(services) == before


async def test_two_organisations_have_the_same_names_links_and_positions(http, keyed, services):
    other = await keyed(organisation="other")
    link = {"system": "jira", "kind": "project", "external_id": "NP"}
    mine, theirs = await open_partnership(http, links=[link]), await open_partnership(other, links=[link])
    assert mine["position"] == theirs["position"]
    assert await head(services) == await head(services, "other")
    assert [each["id"] for each in (await get(other, "/v1/partnerships", **link))["items"]] == [theirs["id"]]


# --- sides ---------------------------------------------------------------------------------------------------------


async def test_a_key_with_a_side_speaks_only_for_that_side(http, keyed, services):
    opened = await power_struggle(http)
    partner = await keyed(side="partner")
    before = await head(services)
    path = f"/v1/partnerships/{opened}"
    own = {"type": "self_review.recorded", "side": "partner", "own_part": "Late", "improvement": "Plan"}
    theirs = {**own, "side": "client"}
    told = problem(await partner.post(f"{path}/facts", json=theirs), 403, "wrong_side")
    assert "partner" in told["detail"]
    problem(await partner.post(f"{path}/facts", json=[own, theirs]), 403, "wrong_side")
    problem(await partner.post("/v1/facts", json={**theirs, "partnership": opened}), 403, "wrong_side")
    body = {"trigger": "separate", "reason": "cost", "side": "client"}
    problem(await partner.post(f"{path}/transitions", json=body), 403, "wrong_side")
    assert await head(services) == before
    assert (await partner.post(f"{path}/facts", json=own)).status_code == 201
    left = await partner.post(f"{path}/transitions", json={"trigger": "separate", "reason": "cost"})
    assert left.json()["events"][0]["data"]["side"] == "partner"


async def test_a_side_alone_cannot_break_off_for_the_other_and_take_it_back(http, keyed):
    opened = await power_struggle(http)
    client_side, partner = await keyed(side="client"), await keyed(side="partner")
    await client_side.post(f"/v1/partnerships/{opened}/transitions", json={"trigger": "separate", "reason": "cost"})
    problem(
        await partner.post(f"/v1/partnerships/{opened}/transitions", json={"trigger": "reconcile"}),
        409,
        "transition_refused",
    )
    back = await client_side.post(f"/v1/partnerships/{opened}/transitions", json={"trigger": "reconcile"})
    assert back.status_code == 201


# --- bound keys ----------------------------------------------------------------------------------------------------


async def test_a_bound_key_sees_its_partnership_and_no_other(http, keyed, services):
    mine = (await open_partnership(http, links=[{"system": "jira", "kind": "project", "external_id": "MINE"}]))["id"]
    link = {"system": "jira", "kind": "project", "external_id": "OTHER"}
    other = (await open_partnership(http, partner="Other", links=[link]))["id"]
    bound = await keyed(partnerships=(mine,))
    position = (await say(http, other, "incident.raised", incident="i", priority=1))["events"][0]["position"]
    before = await head(services)
    for path in ("", "/history", "/transitions", "/events"):
        assert (await bound.get(f"/v1/partnerships/{mine}{path}")).status_code == 200
        problem(await bound.get(f"/v1/partnerships/{other}{path}"), 404, "not_found")
    assert [each["id"] for each in (await get(bound, "/v1/partnerships"))["items"]] == [mine]
    assert (await get(bound, "/v1/partnerships", **link))["items"] == []
    problem(await bound.get(f"/v1/events?partnership={other}"), 404, "not_found")
    problem(await bound.get(f"/v1/events/{position}"), 404, "not_found")
    assert {each["partnership"] for each in (await get(bound, "/v1/events"))["items"]} == {mine}
    problem(await bound.post(f"/v1/partnerships/{other}/facts", json=FACT), 404, "not_found")
    problem(await bound.post("/v1/facts", json={**FACT, "link": link}), 404, "not_found")
    problem(await bound.post("/v1/partnerships", json={"client": "A", "partner": "B"}), 403, "forbidden")
    problem(await bound.put(f"/v1/partnerships/{mine}/links/jira/project/OTHER"), 409, "link_taken")
    problem(
        await bound.post(f"/v1/partnerships/{other}/transitions", json={"trigger": "separate", "reason": "cost"}),
        404,
        "not_found",
    )
    assert await head(services) == before
    assert (await bound.post(f"/v1/partnerships/{mine}/facts", json=FACT)).status_code == 201


async def test_a_bound_key_makes_no_stronger_key_and_sees_nothing_of_the_organisations(http, keyed, services):
    mine = (await open_partnership(http))["id"]
    bound = await keyed(partnerships=(mine,), side="partner")
    before = await head(services)
    problem(await bound.post("/v1/keys", json={"scopes": ["read"]}), 403, "forbidden")
    problem(await bound.post("/v1/policies", json={}), 403, "forbidden")
    problem(await bound.post("/v1/sources", json={"connector": "pagerduty", "name": "pd"}), 403, "forbidden")
    problem(await bound.get("/v1/inbox"), 403, "forbidden")
    problem(await bound.get("/v1/keys"), 403, "forbidden")
    assert await head(services) == before


async def test_a_key_with_a_side_makes_no_key_for_the_other(keyed, services):
    partner = await keyed(side="partner")
    before = await head(services)
    problem(await partner.post("/v1/keys", json={"scopes": ["read"]}), 403, "forbidden")
    problem(await partner.post("/v1/policies", json={}), 403, "forbidden")
    assert await head(services) == before


async def test_a_bound_key_cannot_be_told_an_id_by_find_or_create(http, keyed):
    mine = (await open_partnership(http, partner="Logiciels Sud"))["id"]
    bound = await keyed(partnerships=(mine,))
    problem(
        await bound.post(
            "/v1/partnerships?if_exists=return", json={"client": "Atelier Nord", "partner": "Logiciels Sud"}
        ),
        403,
        "forbidden",
    )


# --- the operator --------------------------------------------------------------------------------------------------


async def test_the_operators_token_works_for_any_organisation_and_ends_with_the_process(services):
    async with client(services, services.keys.run_token, **{"noces-organisation": "fresh"}) as operator:
        told = await get(operator, "/v1/me")
        assert (told["key"], told["organisation"]) == ("operator", "fresh")
        made = (await operator.post("/v1/keys", json={"scopes": ["read"]})).json()
    async with client(services, made["key"]) as http:
        assert (await get(http, "/v1/me"))["organisation"] == "fresh"


async def test_the_operator_names_the_organisation(services):
    async with client(services, services.keys.run_token) as operator:
        problem(await operator.get("/v1/me"), 400, "bad_parameter")
    assert await head(services, "nobody's") == 0
    rows = await services.query("SELECT count(*) FROM heads WHERE organisation = ''")
    assert rows[0][0] == 0


async def test_the_operators_header_means_nothing_beside_a_key(http, services):
    answer = await http.get("/v1/me", headers={"noces-organisation": "stranger"})
    assert answer.json()["organisation"] == "acme"


async def test_only_the_operator_may_rebuild(http, services):
    problem(await http.post("/v1/rebuild"), 403, "forbidden")


@pytest.mark.parametrize("scope", ["", "reed", "READ"])
async def test_a_route_that_says_not_who_may_ask_it_stops_the_start(services, scope):
    forgotten = msgspec.structs.replace(ROUTES[0], scope=scope)
    with pytest.raises(SettingsError, match="says who may ask it"):
        build(services, (*ROUTES, forgotten))


def test_a_route_cannot_be_written_without_a_scope():
    with pytest.raises(TypeError, match="scope"):
        Route(method="GET", path="/v1/open", run=ROUTES[0].run, summary="Open")
