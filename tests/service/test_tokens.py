"""Tokens: one log's checkpoints and tiles without a header, and nothing else, for as long as they hold."""

import json

import httpx
import pytest

from service.api.serving import build
from tests.service.processes import noces
from tests.service.story import power_struggle
from tests.service.world import every_event, get, make_key, problem

READ = ("checkpoint", "tile/0/000.p/3", "tile/entries/000.p/3")


@pytest.fixture
async def nobody(services):
    """A client that sends no header."""
    transport = httpx.ASGITransport(app=build(services))
    async with httpx.AsyncClient(transport=transport, base_url="https://noces.example") as http:
        yield http


async def made(http, **body):
    answer = await http.post("/v1/logs/acme/tokens", json={"name": "mirror", **body})
    assert answer.status_code == 201, answer.text
    return answer.json()


# --- reading -------------------------------------------------------------------------------------------------------------


async def test_a_token_reads_the_checkpoint_and_the_tiles_without_a_header(http, nobody):
    await power_struggle(http)
    token = await made(http)
    assert token["prefix"] == f"https://noces.example/t/{token['token']}/"
    for path in READ:
        read = await nobody.get(token["prefix"] + path)
        known = await http.get(f"/v1/logs/acme/{path}")
        assert (read.status_code, read.content) == (200, known.content)
        assert read.headers["content-type"] == known.headers["content-type"]
        assert read.headers["cache-control"] == known.headers["cache-control"]
    problem(await nobody.get(f"{token['prefix']}tile/0/001"), 404, "not_found")


async def test_what_is_no_token_is_answered_as_an_address_that_is_none(http, nobody, services):
    token = (await made(http))["token"]
    key = await make_key(services, ["audit"])
    nothing = problem(await nobody.get("/t/a/b"), 404, "not_found")["detail"]
    for wrong in ("x", key, token[:-1], token[:-1] + ("0" if token[-1] != "0" else "1"), "noces_0_0", "%2e%2e", "%00"):
        for path in READ:
            assert problem(await nobody.get(f"/t/{wrong}/{path}"), 404, "not_found")["detail"] == nothing
    for path in ("", "consistency", "tokens", "checkpoints"):
        assert problem(await nobody.get(f"/t/{token}/{path}"), 404, "not_found")["detail"] == nothing
    problem(await nobody.post(f"/t/{token}/checkpoint"), 405, "method_not_allowed")


async def test_a_token_opens_nothing_by_header(http, nobody):
    token = (await made(http))["token"]
    for headers in (
        {"Authorization": f"Bearer {token}"},
        {"X-Api-Key": token},
    ):
        for path in ("/v1/me", "/v1/events", "/v1/logs/acme/checkpoint", "/v1/machine"):
            problem(await nobody.get(path, headers=headers), 401, "unauthenticated")


async def test_a_token_of_one_organisation_reads_no_other(http, keyed, nobody):
    await power_struggle(http)
    stranger = await keyed(organisation="stranger")
    theirs = (await stranger.post("/v1/logs/stranger/tokens", json={"name": "mirror"})).json()
    assert (await nobody.get(f"{theirs['prefix']}checkpoint")).text.startswith("noces.example/stranger\n")
    problem(await stranger.post("/v1/logs/acme/tokens", json={"name": "mirror"}), 404, "not_found")
    mine = await made(http)
    problem(await stranger.delete(f"/v1/logs/stranger/tokens/{mine['id']}"), 404, "not_found")
    assert (await nobody.get(f"{mine['prefix']}checkpoint")).status_code == 200


# --- its life ------------------------------------------------------------------------------------------------------------


async def test_a_revoked_token_reads_nothing_any_more(http, nobody):
    token, other = await made(http), await made(http, name="another")
    assert (await http.delete(f"/v1/logs/acme/tokens/{token['id']}")).status_code == 204
    problem(await nobody.get(f"{token['prefix']}checkpoint"), 404, "not_found")
    problem(await http.delete(f"/v1/logs/acme/tokens/{token['id']}"), 404, "not_found")
    assert (await nobody.get(f"{other['prefix']}checkpoint")).status_code == 200


async def test_a_token_ends_when_it_was_said_to(http, nobody, clock):
    token = await made(http, expires_at="2026-06-01T13:00:00Z")
    assert (await nobody.get(f"{token['prefix']}checkpoint")).status_code == 200
    clock.pass_by(hours=1)
    problem(await nobody.get(f"{token['prefix']}checkpoint"), 404, "not_found")


async def test_tokens_are_listed_with_their_last_use_and_never_among_keys(http, nobody, clock):
    token, other = await made(http), await made(http, name="another", expires_at="2026-07-01T00:00:00Z")
    clock.pass_by(minutes=5)
    await nobody.get(f"{token['prefix']}checkpoint")
    await http.delete(f"/v1/logs/acme/tokens/{other['id']}")
    listed = await get(http, "/v1/logs/acme/tokens")
    assert listed == {
        "items": [
            {
                "id": token["id"], "name": "mirror", "created_at": "2026-06-01T12:00:00Z", "expires_at": None,
                "revoked_at": None, "last_used": "2026-06-01T12:05:00Z",
            },
            {
                "id": other["id"], "name": "another", "created_at": "2026-06-01T12:00:00Z",
                "expires_at": "2026-07-01T00:00:00Z", "revoked_at": "2026-06-01T12:05:00Z", "last_used": None,
            },
        ],
        "next": None,
    }  # fmt: skip
    keys = (await get(http, "/v1/keys"))["items"]
    assert not {token["id"], other["id"]} & {each["id"] for each in keys}
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/rotate")):
        problem(await http.request(method, f"/v1/keys/{token['id']}{path}"), 404, "not_found")
    problem(await http.delete(f"/v1/logs/acme/tokens/{keys[0]['id']}"), 404, "not_found")


async def test_nobody_makes_a_token_among_keys(http):
    for scopes in (["tiles"], ["tiles", "read"]):
        problem(await http.post("/v1/keys", json={"scopes": scopes}), 400, "bad_shape")


async def test_a_token_is_told_once_and_its_making_and_end_are_events(http):
    key = {"Idempotency-Key": "k"}
    first, again = [
        (await http.post("/v1/logs/acme/tokens", json={"name": "mirror"}, headers=key)).json() for _ in range(2)
    ]
    assert again == {"id": first["id"], "token": None, "prefix": None}
    await http.delete(f"/v1/logs/acme/tokens/{first['id']}")
    events = [each for each in await every_event(http) if each["data"].get("key") == first["id"]]
    assert [each["type"] for each in events] == ["key.created", "key.revoked"]
    assert events[0]["data"]["scopes"] == ["tiles"]
    assert first["token"].split("_")[2] not in json.dumps(events)


# --- the log and the command line ----------------------------------------------------------------------------------------


def test_the_path_of_a_token_is_never_in_the_log(serve, tmp_path):
    server = serve(log_format="json")
    database = ("--database", f"sqlite:///{tmp_path}/noces.db", "--organisation", "acme", "--json")
    told = noces("log", "token", "create", "--name", "mirror", "--expires", "1d", *database, cwd=tmp_path)
    assert told.returncode == 0, told.stderr
    token = json.loads(told.stdout)
    prefix = f"{server.url}/t/{token['token']}"
    assert token["prefix"] == f"{prefix}/"
    paths = ("/checkpoint", "/tile/0/000.p/1", "/tile/9/999", "/nothing", "", "/checkpoint?size=1")
    answers = [httpx.get(prefix + path, trust_env=False) for path in paths]
    assert [each.status_code for each in answers] == [200, 200, 404, 404, 404, 400]
    with server.client() as http:
        assert http.delete(f"/v1/logs/acme/tokens/{token['id']}").status_code == 204
    assert httpx.get(f"{prefix}/checkpoint", trust_env=False).status_code == 404
    server.terminate()
    lines = [json.loads(line) for line in server.errors.splitlines() if line.startswith("{")]
    read = [each for each in lines if each.get("route") == "/t/{token:str}/checkpoint"]
    assert [(each["status"], each.get("key"), each.get("reason")) for each in read] == [
        (200, token["id"], None), (400, None, "bad_parameter"), (404, None, "key_unknown"),
    ]  # fmt: skip
    said = server.output + server.errors + "".join(each.text for each in answers)
    assert token["token"].split("_")[2][:20] not in said.replace(answers[0].text, "")
