"""Every route against every kind of caller: who is let in, and who learns nothing at all."""

import asyncio
import json
import re
import statistics
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest
import pytest_asyncio
from msgspec import Struct
from msgspec.structs import replace

from service import examples
from service.api.all import ROUTES
from service.api.route import ANY_KEY, FOR_BOTH_SIDES, ORGANISATION_WIDE, PUBLIC, Route
from service.api.serving import build
from service.auth import OPERATOR, SCOPES
from service.proofs.signed import stamped_row
from tests.service.senders import LINKS, SECRET, incident, signed
from tests.service.story import power_struggle
from tests.service.witnesses import Witness
from tests.service.world import (
    Time,
    client,
    delivered,
    get,
    head,
    make_key,
    open_partnership,
    problem,
    say,
    settings_of,
    started,
)

MISSING = {
    "partnership": "pn_0000", "key": "key_0000", "source": "src_0000", "override": "ovr_0000", "inbox": "inb_0000",
    "position": "999999", "version": "99", "connector": "own-nobody", "person": "per_0000", "log": "nobodys", "name": "Nobody At All", "text": "999998", "system": "jira", "kind": "project", "external_id": "XX",
}  # fmt: skip
CONNECTOR = examples.CONNECTOR.replace('"surveys"\ntitle', '"own-{n}"\ntitle')


class Row(Struct, kw_only=True):
    """How a route is asked."""

    fill: dict[str, str] = {}
    """Names in the path to names of targets."""
    body: Any = None
    text: str | None = None
    """The target that is sent as plain text, in the place of a body."""
    query: str = ""
    headers: dict[str, str] = {}
    answers: int = 200
    """What the owner is answered."""
    finds: str = "partnership"
    """What a stranger does not find: the kind of target, or `own` for what everybody has of their own."""
    other_side: Any = None
    """A body that speaks for the client, which a partner's key may not send."""


WITNESS = Witness()
ID = {"id": "partnership"}
LINK = {"id": "partnership", "system": "system", "kind": "kind", "external_id": "external_id"}
FACT = {"type": "incident.raised", "incident": "i-1", "priority": 2}
REVIEW = {"type": "self_review.recorded", "side": "client", "own_part": "Late answers", "improvement": "A weekly hour"}

ROWS: dict[tuple[str, str], Row] = {
    ("GET", "/v1/partnerships"): Row(finds="own"),
    ("POST", "/v1/partnerships"): Row(body={"client": "A", "partner": "B"}, answers=201, finds="own"),
    ("GET", "/v1/partnerships/{id:str}"): Row(fill=ID),
    ("GET", "/v1/partnerships/{id:str}/history"): Row(fill=ID),
    ("GET", "/v1/partnerships/{id:str}/history/diff"): Row(fill=ID, query="?as_of=2026-01-01T00:00:00Z"),
    ("GET", "/v1/partnerships/{id:str}/replay"): Row(fill=ID),
    ("GET", "/v1/events/{position:str}/proof"): Row(fill={"position": "position"}, finds="position"),
    ("GET", "/v1/logs/{log:str}"): Row(fill={"log": "log"}, finds="log"),
    ("GET", "/v1/logs/{log:str}/checkpoint"): Row(fill={"log": "log"}, finds="log"),
    ("GET", "/v1/logs/{log:str}/checkpoints"): Row(fill={"log": "log"}, finds="log"),
    ("POST", "/v1/logs/{log:str}/checkpoints/{size:str}/timestamp"): Row(
        fill={"log": "log", "size": "size"}, text="note", headers={"Content-Type": "application/timestamp-reply"},
        answers=422, finds="log",
    ),
    ("GET", "/v1/logs/{log:str}/checkpoints/{size:str}/timestamp"): Row(fill={"log": "log", "size": "size"}, finds="log"),
    ("POST", "/v1/logs/{log:str}/tokens"): Row(fill={"log": "log"}, body={"name": "mirror"}, answers=201, finds="log"),
    ("GET", "/v1/logs/{log:str}/tokens"): Row(fill={"log": "log"}, finds="log"),
    ("DELETE", "/v1/logs/{log:str}/tokens/{id:str}"): Row(fill={"log": "log", "id": "token"}, answers=204, finds="log"),
    ("POST", "/v1/logs/{log:str}/witness"): Row(fill={"log": "log"}, text="note", finds="log"),
    ("GET", "/v1/logs/{log:str}/consistency"): Row(fill={"log": "log"}, finds="log"),
    ("GET", "/v1/logs/{log:str}/tile/{tile:path}"): Row(fill={"log": "log", "tile": "tile"}, finds="log"),
    ("GET", "/v1/partnerships/{id:str}/events"): Row(fill=ID),
    ("GET", "/v1/partnerships/{id:str}/transitions"): Row(fill=ID),
    ("PUT", "/v1/partnerships/{id:str}/links/{system:str}/{kind:str}/{external_id:path}"): Row(fill=LINK),
    ("DELETE", "/v1/partnerships/{id:str}/links/{system:str}/{kind:str}/{external_id:path}"): Row(fill=LINK),
    ("POST", "/v1/partnerships/{id:str}/facts"): Row(fill=ID, body=FACT, answers=201, other_side=REVIEW),
    ("POST", "/v1/partnerships/{id:str}/transitions"): Row(
        fill=ID, body={"trigger": "separate", "reason": "cost"}, answers=201,
        other_side={"trigger": "separate", "reason": "cost", "side": "client"},
    ),
    ("POST", "/v1/overrides/{id:str}/approve"): Row(fill={"id": "override"}, answers=201, finds="override"),
    ("POST", "/v1/facts"): Row(body={**FACT, "partnership": "{partnership}"}, answers=201, other_side={**REVIEW, "partnership": "{partnership}"}),
    ("GET", "/v1/events"): Row(query="?partnership={partnership}"),
    ("GET", "/v1/events/{position:str}"): Row(fill={"position": "position"}, finds="position"),
    ("GET", "/v1/me"): Row(finds="own"),
    ("POST", "/v1/audits"): Row(body={"mode": "verify"}, finds="own"),
    ("GET", "/v1/persons"): Row(finds="own"),
    ("POST", "/v1/persons/find"): Row(body={"name": "{name}"}, finds="name"),
    ("GET", "/v1/persons/{id:str}"): Row(fill={"id": "person"}, finds="person"),
    ("GET", "/v1/persons/{id:str}/export"): Row(fill={"id": "person"}, finds="person"),
    ("POST", "/v1/persons/{id:str}/erase"): Row(fill={"id": "person"}, finds="person"),
    ("POST", "/v1/events/{position:str}/erase"): Row(fill={"position": "text"}, finds="text"),
    ("GET", "/v1/keys"): Row(finds="own"),
    ("POST", "/v1/keys"): Row(body={"scopes": ["read"]}, answers=201, finds="own"),
    ("GET", "/v1/keys/{id:str}"): Row(fill={"id": "key"}, finds="key"),
    ("PATCH", "/v1/keys/{id:str}"): Row(fill={"id": "key"}, body={"name": "new"}, finds="key"),
    ("POST", "/v1/keys/{id:str}/rotate"): Row(fill={"id": "key"}, finds="key"),
    ("DELETE", "/v1/keys/{id:str}"): Row(fill={"id": "key"}, answers=204, finds="key"),
    ("GET", "/v1/policies"): Row(finds="own"),
    ("GET", "/v1/policies/{version:str}"): Row(fill={"version": "version"}, finds="version"),
    ("POST", "/v1/policies"): Row(body={"delay_doubled": 1.8}, answers=201, finds="own"),
    ("POST", "/v1/rebuild"): Row(answers=403, finds="own"),
    ("GET", "/v1/sources"): Row(finds="own"),
    ("POST", "/v1/sources"): Row(body={"connector": "pagerduty", "name": "new", "secrets": ["s"]}, answers=201, finds="own"),
    ("GET", "/v1/sources/{id:str}"): Row(fill={"id": "source"}, finds="source"),
    ("PATCH", "/v1/sources/{id:str}"): Row(fill={"id": "source"}, body={"name": "new"}, finds="source"),
    ("POST", "/v1/sources/{id:str}/rotate"): Row(fill={"id": "source"}, body={"secrets": ["t"]}, finds="source"),
    ("DELETE", "/v1/sources/{id:str}"): Row(fill={"id": "source"}, answers=204, finds="source"),
    ("GET", "/v1/connectors"): Row(finds="own"),
    ("POST", "/v1/connectors"): Row(body={"toml": CONNECTOR.replace("{n}", "new")}, answers=201, finds="own"),
    ("GET", "/v1/connectors/{name:str}"): Row(fill={"name": "connector"}, finds="connector"),
    ("DELETE", "/v1/connectors/{name:str}"): Row(fill={"name": "connector"}, answers=204, finds="connector"),
    ("GET", "/v1/inbox"): Row(finds="own"),
    ("GET", "/v1/inbox/{id:str}"): Row(fill={"id": "inbox"}, finds="inbox"),
    ("POST", "/v1/inbox/{id:str}/replay"): Row(fill={"id": "inbox"}, answers=200, finds="inbox"),
    ("POST", "/v1/inbox/replay"): Row(body={"status": "failed"}, finds="own"),
    ("GET", "/v1/machine"): Row(finds="own"),
}  # fmt: skip

PUBLIC_ROUTES = {
    "/hooks/{source:str}", "/t/{token:str}/checkpoint", "/t/{token:str}/tile/{tile:path}", "/healthz", "/readyz", "/metrics", "/openapi.json", "/docs", "/docs/{name:str}",
}  # fmt: skip
"""What needs no key, and nothing else: a new public route is written here by hand, or the test fails."""

KEYED = [route for route in ROUTES if route.scope != PUBLIC]


def named(route: Route) -> str:
    return f"{route.method} {route.path}"


class World(Struct, kw_only=True):
    """Two organisations, and clients of every kind."""

    services: Any
    fresh: Callable[[], Awaitable[dict[str, str]]]
    clients: dict[str, httpx.AsyncClient]
    without: dict[str, httpx.AsyncClient]
    only: dict[str, httpx.AsyncClient]
    bound: Callable[[str], Awaitable[httpx.AsyncClient]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory):
    clock = Time()
    tmp_path = tmp_path_factory.mktemp("matrix")
    async with AsyncExitStack() as stack:
        services = await stack.enter_async_context(
            started(settings_of(tmp_path, witnesses=WITNESS.verifier.text), clock)
        )
        app = build(services)

        async def keyed(*scopes: Any, **chosen: Any) -> httpx.AsyncClient:
            text = await make_key(services, *scopes, **chosen)
            return await stack.enter_async_context(client(services, text, app))

        owner = await keyed()
        second = await keyed()
        expired = await keyed(expires_at=clock.now.replace(hour=13))
        clock.pass_by(hours=1)
        revoked = await keyed()
        await owner.delete(f"/v1/keys/{(await get(revoked, '/v1/me'))['key']}")
        clients = {
            "owner": owner, "stranger": await keyed(organisation="stranger"), "partner": await keyed(side="partner"),
            "elsewhere": await keyed(partnerships=((await open_partnership(owner))["id"],)),
            "expired": expired, "revoked": revoked,
            "anonymous": await stack.enter_async_context(client(services, "", app)),
            "nonsense": await stack.enter_async_context(client(services, "noces_0_0", app)),
        }  # fmt: skip
        del clients["anonymous"].headers["Authorization"]

        async def fresh() -> dict[str, str]:
            return await targets(services, owner, second)

        yield World(
            services=services, fresh=fresh, clients=clients,
            without={scope: await keyed([each for each in SCOPES if each != scope]) for scope in SCOPES},
            only={scope: await keyed([scope]) for scope in SCOPES},
            bound=lambda identifier: keyed(partnerships=(identifier,)),
        )  # fmt: skip


async def targets(services: Any, owner: httpx.AsyncClient, second: httpx.AsyncClient) -> dict[str, str]:
    """One of everything, new."""
    n = await head(services)
    links = [
        {**LINKS["pagerduty"], "external_id": f"S{n}"},
        {"system": "jira", "kind": "project", "external_id": f"P{n}"},
    ]
    partnership = await power_struggle(owner, links=links)
    body = {"connector": "pagerduty", "name": "on call", "secrets": [SECRET]}
    source = (await owner.post("/v1/sources", json=body)).json()["id"]
    url = f"{services.settings.base_url}/hooks/{source}"
    raw = incident(n, service=f"S{n}")
    sent = await owner.post(url, content=raw, headers=signed("pagerduty", url, raw, services.clock()))
    delivery = await delivered(services, owner, sent)
    force = {"force": {"to": "power_sharing", "reason": "Agreed in the room"}}
    override = (await second.post(f"/v1/partnerships/{partnership}/transitions", json=force)).json()["id"]
    name = f"Agnès {n}"
    await say(owner, partnership, "contact.designated", side="client", person=name, role="CIO")
    written = await say(owner, partnership, "advice.given", advice=f"a{n}", text="Buy less")
    found = (await owner.post("/v1/persons/find", json={"name": name})).json()
    made = await owner.post("/v1/connectors", json={"toml": CONNECTOR.replace("{n}", str(n))})
    assert made.status_code == 201, made.text
    note = (await owner.get("/v1/logs/acme/checkpoint")).text
    stands = await services.attested.find("acme", int(note.split("\n")[1]))
    await services.store.write([stamped_row("acme", replace(stands, stamped_at=services.clock()), b"a reply")])
    return {
        "partnership": partnership, "source": source, "override": override, "inbox": delivery["id"], "version": "1",
        "key": (await owner.post("/v1/keys", json={"scopes": ["read"]})).json()["id"],
        "token": (await owner.post("/v1/logs/acme/tokens", json={"name": "mirror"})).json()["id"],
        "position": str((await get(owner, f"/v1/partnerships/{partnership}"))["position"]),
        "note": WITNESS.cosigned(note), "size": str(stands.size),
        "connector": f"own-{n}", "log": "acme", "tile": "0/000.p/5", "person": found["id"], "name": name, "text": str(written["events"][0]["position"]), "system": "jira", "kind": "project", "external_id": f"P{n}",
    }  # fmt: skip


async def ask(http: httpx.AsyncClient, route: Route, targets: dict[str, str], body: Any = ...) -> httpx.Response:
    row = ROWS["GET" if route.method == "HEAD" else route.method, route.path]
    path = re.sub(r"\{(\w+):\w+\}", lambda found: targets[row.fill[found[1]]], route.path) + row.query
    path = path.replace("{partnership}", targets["partnership"])
    body = row.body if body is ... else body
    if row.text is not None:
        headers = {"Content-Type": "text/plain", **row.headers}
        return await http.request(route.method, path, content=targets[row.text].encode(), headers=headers)
    if body is None:
        return await http.request(route.method, path, headers=row.headers)
    text = json.dumps(body).replace("{partnership}", targets["partnership"]).replace("{name}", targets["name"])
    headers = {"Content-Type": "application/json", **row.headers}
    return await http.request(route.method, path, content=text, headers=headers)


def nowhere(targets: dict[str, str], kind: str) -> dict[str, str]:
    """The same targets, but for one that is not there."""
    return {**targets, kind: MISSING[kind]}


def same(answer: httpx.Response, targets: dict[str, str], kind: str) -> tuple[int, dict[str, Any]]:
    """An answer without what the caller said and without the request's own id."""
    body = {name: value for name, value in answer.json().items() if name != "instance"}
    return answer.status_code, json.loads(json.dumps(body).replace(targets[kind], "X"))


def test_every_route_has_its_row_and_every_row_its_route():
    assert set(ROWS) == {(route.method, route.path) for route in KEYED}
    assert {route.path for route in ROUTES if route.scope == PUBLIC} == PUBLIC_ROUTES


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("route", KEYED, ids=named)
async def test_who_may_not_is_refused_and_learns_nothing(world, route, record_property):
    row = ROWS[route.method, route.path]
    found = await world.fresh()
    before, tried = await head(world.services), 0
    for kind in ("anonymous", "nonsense", "expired", "revoked"):
        answer = await ask(world.clients[kind], route, found)
        problem(answer, 401, "unauthenticated")
        assert answer.headers["www-authenticate"].startswith("Bearer")
        tried += 1
    if route.method == "GET":
        assert (await ask(world.clients["anonymous"], replace(route, method="HEAD"), found)).status_code == 401
        tried += 1
    if route.scope in SCOPES:
        for http in (world.without[route.scope], *(world.only[each] for each in SCOPES if each != route.scope)):
            assert route.scope in problem(await ask(http, route, found), 403, "forbidden")["detail"]
            tried += 1
    elsewhere = world.clients["elsewhere"]
    if route.scope in ORGANISATION_WIDE or (route.method, route.path) == ("POST", "/v1/partnerships"):
        problem(await ask(elsewhere, route, found), 403, "forbidden")
        tried += 1
    elif row.finds in ("partnership", "override", "position"):
        bound = same(await ask(elsewhere, route, found), found, row.finds)
        gone = nowhere(found, row.finds)
        assert bound == same(await ask(world.clients["owner"], route, gone), gone, row.finds)
        assert bound[0] == 404
        tried += 1
    if row.other_side is not None:
        problem(await ask(world.clients["partner"], route, found, row.other_side), 403, "wrong_side")
        tried += 1
    if route.scope in FOR_BOTH_SIDES:
        problem(await ask(world.clients["partner"], route, found), 403, "forbidden")
        tried += 1
    if row.finds not in ("own", "version"):
        theirs = same(await ask(world.clients["stranger"], route, found), found, row.finds)
        gone = nowhere(found, row.finds)
        assert theirs == same(await ask(world.clients["owner"], route, gone), gone, row.finds)
        assert theirs[0] == 404
        tried += 1
    assert await head(world.services) == before
    record_property("told", f"matrix: {tried} cells refused")


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("route", KEYED, ids=named)
async def test_who_may_is_let_in(world, route, record_property):
    row = ROWS[route.method, route.path]
    found = await world.fresh()
    tried = 0
    if route.scope in SCOPES:
        answer = await ask(world.only[route.scope], route, found)
        assert answer.status_code == row.answers, answer.text
        assert "public" not in answer.headers["cache-control"]
        tried += 1
    answer = await ask(world.clients["owner"], route, await world.fresh(), unlike(row.body))
    assert answer.status_code == row.answers, answer.text
    tried += 1
    if row.finds == "partnership" and route.scope in SCOPES:
        found = await world.fresh()
        answer = await ask(await world.bound(found["partnership"]), route, found)
        assert answer.status_code == row.answers, answer.text
        tried += 1
    if row.finds == "own" and route.method == "GET" and route.path not in ("/v1/connectors", "/v1/machine"):
        found = await world.fresh()
        theirs = (await ask(world.clients["stranger"], route, found)).text
        assert not [each for each in found.values() if len(each) > 8 and each in theirs]
        tried += 1
    record_property("told", f"matrix: {tried} cells let in")


def unlike(body: Any) -> Any:
    """A body that makes another thing than the first time."""
    match body:
        case {"client": _}:
            return {**body, "client": "Another"}
        case {"toml": str()}:
            return {"toml": CONNECTOR.replace("{n}", "newer")}
        case _:
            return body


@pytest.mark.asyncio(loop_scope="module")
async def test_only_the_operator_is_let_into_what_is_the_operators(world):
    found = await world.fresh()
    for route in KEYED:
        if route.scope == OPERATOR:
            problem(await ask(world.clients["owner"], route, found), 403, "forbidden")
        if route.scope == ANY_KEY:
            assert (await ask(world.clients["elsewhere"], route, found)).status_code == 200


class Watched:
    """A log that tells what it is asked: the statements of queries, the names of everything else."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)

        def told(*given: Any, **named: Any) -> Any:
            self.asked.append(given[0] if name == "query" else name)
            return found(*given, **named)

        return told if callable(found) else found


@pytest.mark.asyncio(loop_scope="module")
async def test_what_is_anothers_asks_the_log_the_same_as_what_is_missing(world):
    """The time that an answer takes tells nothing either: both ways do the same work."""
    found = await world.fresh()
    watched = Watched(world.services.store)
    app = build(replace(world.services, store=watched))
    compared = 0
    for kind in ("stranger", "elsewhere"):
        async with client(
            world.services, world.clients[kind].headers["Authorization"].removeprefix("Bearer "), app
        ) as http:
            for route in KEYED:
                row = ROWS[route.method, route.path]
                if row.finds in ("own", "version") or (kind == "elsewhere" and route.scope in ORGANISATION_WIDE):
                    continue
                if kind == "elsewhere" and row.finds == "connector":
                    continue
                ways = []
                for targets in (found, nowhere(found, row.finds)):
                    watched.asked.clear()
                    assert (await ask(http, route, targets)).status_code == 404
                    ways.append(list(watched.asked))
                assert ways[0] == ways[1], named(route)
                compared += bool(ways[0])
    assert compared > 20


@pytest.mark.asyncio(loop_scope="module")
async def test_what_is_anothers_takes_as_long_as_what_is_missing(world, record_property):
    """No assertion on time, which is the machine's: the medians are told."""
    found = await world.fresh()
    gone = nowhere(found, "partnership")
    route = next(each for each in KEYED if each.path == "/v1/partnerships/{id:str}" and each.method == "GET")
    took: dict[str, list[float]] = {"another's": [], "missing": []}
    for _ in range(200):
        for name, each in (("another's", found), ("missing", gone)):
            began = time.perf_counter()
            answer = await ask(world.clients["stranger"], route, each)
            took[name].append(time.perf_counter() - began)
            assert answer.status_code == 404
        await asyncio.sleep(0)
    told = {name: statistics.median(each) * 1e6 for name, each in took.items()}
    theirs = told["another's"]
    record_property("told", f"matrix: median of 200: another's {theirs:.0f} us, missing {told['missing']:.0f} us")


# --- acts of administration ----------------------------------------------------------------------------------------

ACTS = {
    ("POST", "/v1/keys"): "key.created", ("PATCH", "/v1/keys/{id:str}"): "key.changed",
    ("POST", "/v1/keys/{id:str}/rotate"): "key.rotated", ("DELETE", "/v1/keys/{id:str}"): "key.revoked",
    ("POST", "/v1/logs/{log:str}/tokens"): "key.created", ("DELETE", "/v1/logs/{log:str}/tokens/{id:str}"): "key.revoked",
    ("POST", "/v1/policies"): "policy.adopted", ("POST", "/v1/persons/{id:str}/erase"): "person.erased",
    ("POST", "/v1/events/{position:str}/erase"): "text.erased", ("POST", "/v1/overrides/{id:str}/approve"): "override.approved",
    ("POST", "/v1/sources"): "source.created", ("PATCH", "/v1/sources/{id:str}"): "source.changed",
    ("POST", "/v1/sources/{id:str}/rotate"): "source.secrets_rotated", ("DELETE", "/v1/sources/{id:str}"): "source.removed",
    ("POST", "/v1/connectors"): "connector.added", ("DELETE", "/v1/connectors/{name:str}"): "connector.removed",
    ("PUT", "/v1/partnerships/{id:str}/links/{system:str}/{kind:str}/{external_id:path}"): "link.added",
    ("DELETE", "/v1/partnerships/{id:str}/links/{system:str}/{kind:str}/{external_id:path}"): "link.removed",
}  # fmt: skip
NO_ACTS = {
    ("POST", "/v1/partnerships"), ("POST", "/v1/partnerships/{id:str}/facts"), ("POST", "/v1/facts"),
    ("POST", "/v1/partnerships/{id:str}/transitions"), ("POST", "/v1/inbox/{id:str}/replay"), ("POST", "/v1/inbox/replay"),
    ("POST", "/v1/rebuild"), ("POST", "/v1/persons/find"), ("POST", "/v1/audits"),
    ("POST", "/v1/logs/{log:str}/witness"), ("POST", "/v1/logs/{log:str}/checkpoints/{size:str}/timestamp"),
}  # fmt: skip
"""What writes facts of partnerships, or nothing."""


def test_every_route_that_writes_is_an_act_or_none():
    writing = {(route.method, route.path) for route in KEYED if route.method != "GET"}
    assert set(ACTS) | NO_ACTS == writing
    assert not set(ACTS) & NO_ACTS


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("route", [each for each in KEYED if (each.method, each.path) in ACTS], ids=named)
async def test_an_act_of_administration_is_an_event_with_its_actor(world, route):
    owner = world.clients["owner"]
    found = await world.fresh()
    body = ROWS[route.method, route.path].body
    if ACTS[route.method, route.path] == "connector.added":
        body = {"toml": CONNECTOR.replace("{n}", "act")}
    if ACTS[route.method, route.path] == "link.added":
        found = {**found, "external_id": "new"}
    before = await head(world.services)
    assert (await ask(owner, route, found, body)).status_code < 300
    events = (await get(owner, "/v1/events", after=before))["items"]
    assert (events[0]["type"], events[0]["actor"]) == (
        ACTS[route.method, route.path],
        (await get(owner, "/v1/me"))["key"],
    )
    assert SECRET not in json.dumps(events)
