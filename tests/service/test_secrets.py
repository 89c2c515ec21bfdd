"""Secrets stand in no answer, no event, no log line and no file; values that a sender wrote stand in no file unsealed."""

import json

import httpx
import pytest

from service.api.all import ROUTES
from tests.service.senders import add_source, incident
from tests.service.test_personal import everything_in
from tests.service.world import (
    client,
    delivered,
    every_event,
    get,
    make_key,
    open_partnership,
    problem,
    settings_of,
    started,
)

FIRST, SECOND, TOKEN = "whsec-first-Zanzibar", "whsec-second-Quetzal", "token-Okavango"


async def test_no_secret_is_ever_shown_again_and_none_lies_in_a_file(tmp_path, clock, capfd):
    async with started(settings_of(tmp_path), clock) as services:
        key = await make_key(services)
        async with client(services, key) as http:
            body = {"connector": "pagerduty", "name": "on call", "secrets": [FIRST]}
            made = await http.post("/v1/sources", json=body, headers={"Idempotency-Key": "a"})
            source = made.json()["id"]
            again = await http.post("/v1/sources", json=body, headers={"Idempotency-Key": "a"})
            rotated = await http.post(f"/v1/sources/{source}/rotate", json={"secrets": [SECOND]})
            wrong = await http.post("/v1/sources", json={**body, "settings": {"nothing": FIRST}})
            token = await http.post(
                "/v1/sources", json={"connector": "github", "name": "code", "secrets": [TOKEN], "settings": {}}
            )
            sent = await http.post(
                f"/hooks/{token.json()['id']}", content=b"{}", headers={"X-Hub-Signature-256": f"sha256={TOKEN}"}
            )
            made_key = (await http.post("/v1/keys", json={"scopes": ["read"]}, headers={"Idempotency-Key": "k"})).json()
            key_again = (
                await http.post("/v1/keys", json={"scopes": ["read"]}, headers={"Idempotency-Key": "k"})
            ).json()
            assert key_again == {"id": made_key["id"], "key": None}
            lists = [
                (await http.get(route.path)).text
                for route in ROUTES
                if route.method == "GET" and "{" not in route.path and not route.path.startswith("/hooks")
            ]
            one = (await http.get(f"/v1/sources/{source}")).text
            events = json.dumps(await every_event(http))
            shown = "".join(
                [made.text, again.text, rotated.text, wrong.text, token.text, sent.text, one, events, *lists]
            )
        live = everything_in(tmp_path)
    spoken = "".join(capfd.readouterr())
    closed = everything_in(tmp_path)
    for secret in (FIRST, SECOND, TOKEN, key.split("_")[2], made_key["key"].split("_")[2]):
        assert secret not in shown
        assert secret not in spoken
        assert secret.encode() not in live + closed


async def test_a_rotated_secret_is_overwritten(http, services, tmp_path):
    made = await http.post("/v1/sources", json={"connector": "pagerduty", "name": "on call", "secrets": [FIRST]})
    source = made.json()["id"]
    rows = await services.query("SELECT wrapped FROM secrets")
    assert rows[0][0] in everything_in(tmp_path)
    await http.post(f"/v1/sources/{source}/rotate", json={"secrets": [SECOND]})
    await services.store.forget()
    assert rows[0][0] not in everything_in(tmp_path)
    assert (await services.sources.find(source)).secrets == (SECOND,)
    await http.delete(f"/v1/sources/{source}")
    assert await services.query("SELECT * FROM secrets") == []


@pytest.mark.parametrize("kind", ["failed", "unmatched"])
async def test_what_a_reason_quotes_of_a_sender_is_sealed_where_it_is_stored(http, services, clock, tmp_path, kind):
    name = "Agnès-Quillfeather"
    source = await add_source(http, "pagerduty", clock)
    if kind == "failed":
        opened = (await open_partnership(http))["id"]
        await http.put(f"/v1/partnerships/{opened}/links/pagerduty/service/{name}")
        raw = incident(1, service=name, at=name)
    else:
        raw = incident(1, service="Somebody-Elses")
    found = await delivered(services, http, await source.post(raw))
    (item,) = found["items"]
    assert item["status"] == kind, item
    assert item["reason"]
    assert item["reason"].encode() not in everything_in(tmp_path)
    assert (await get(http, f"/v1/inbox/{found['id']}"))["items"][0]["reason"] == item["reason"]


async def test_a_refused_delivery_says_nothing_of_the_secret(http, clock):
    source = await add_source(http, "pagerduty", clock)
    answer: httpx.Response = await http.post(
        source.url, content=b"{}", headers={"X-PagerDuty-Signature": "v1=" + "0" * 64}
    )
    assert "not-so-secret" not in problem(answer, 401, "mismatch")["detail"]
