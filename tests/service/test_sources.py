"""Sources: made, changed, rotated and removed; a delivery without proof is refused with the reason's own name."""

import base64

import pytest

from tests.service.senders import SECRET, add_source, body_of, incident, signed
from tests.service.world import delivered, get, head, problem

BODIES = {
    "hubspot": "hubspot/deal.creation",
    "pagerduty": "pagerduty/incident.triggered",
    "stripe": "stripe/invoice.paid",
}


async def test_a_source_is_answered_with_the_address_for_its_sender(http):
    answer = await http.post(
        "/v1/sources",
        json={"connector": "hubspot", "name": "Deals", "secrets": ["s3cret"], "settings": {"client": "Atelier Nord"}},
    )
    made = answer.json()
    assert (answer.status_code, answer.headers["location"]) == (201, f"/v1/sources/{made['id']}")
    assert made == {"id": made["id"], "url": f"https://noces.example/hooks/{made['id']}"}
    shown = await get(http, f"/v1/sources/{made['id']}")
    expected = {**made, "connector": "hubspot", "name": "Deals", "settings": {"client": "Atelier Nord"}}
    assert {name: shown[name] for name in expected} == expected
    assert (await get(http, "/v1/sources"))["items"] == [shown]


async def test_the_secret_of_a_source_is_never_shown(http):
    source = await add_source(http, "pagerduty", None)
    for path in ("/v1/sources", f"/v1/sources/{source.id}", "/v1/events?limit=500"):
        assert SECRET not in (await http.get(path)).text


async def test_a_source_changes_its_name_and_settings(http, services):
    source = await add_source(http, "stripe", None)
    answer = await http.patch(f"/v1/sources/{source.id}", json={"name": "Invoices", "settings": {"live_only": True}})
    assert (answer.json()["name"], answer.json()["settings"]) == ("Invoices", {"live_only": True})
    before = await head(services)
    problem(await http.patch(f"/v1/sources/{source.id}", json={"settings": {"nope": 1}}), 422, "bad_settings")
    problem(await http.patch(f"/v1/sources/{source.id}", json={"connector": "hubspot"}), 400, "bad_shape")
    problem(await http.patch("/v1/sources/src_none", json={"name": "x"}), 404, "not_found")
    assert await head(services) == before


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"connector": "fax", "name": "x"}, 422, "bad_settings"),
        ({"connector": "stripe", "name": "x", "settings": {"notice_side": "nobody"}}, 422, "bad_settings"),
        ({"connector": "stripe", "name": "x", "settings": {"live_only": "yes"}}, 422, "bad_settings"),
        ({"connector": "pagerduty", "name": "x", "settings": {"priorities": {"P1": 2**70}}}, 400, "bad_shape"),
        ({"connector": "pagerduty", "name": "x", "settings": {"priorities": {"P1": 1e-9}}}, 400, "bad_shape"),
        ({"connector": "pagerduty", "name": "x", "settings": {"priorities": {"é": 1}}}, 400, "bad_shape"),
        (
            {"connector": "pagerduty", "name": "x", "settings": {"priorities": {"P": "x" * 70_000}}},
            422,
            "entry_too_large",
        ),
        ({"connector": "stripe"}, 400, "bad_shape"),
        ({"connector": "stripe", "name": "x", "secrets": "s"}, 400, "bad_shape"),
        ({"connector": "stripe", "name": "x", "secrets": [""]}, 400, "bad_shape"),
        ({"connector": "stripe", "name": "x", "secrets": ["s"] * 11}, 400, "bad_shape"),
    ],
)
async def test_a_source_that_makes_no_sense_is_not_made(http, services, body, status, code):
    before = await head(services)
    problem(await http.post("/v1/sources", json=body), status, code)
    assert await head(services) == before


async def test_while_secrets_rotate_both_sign_and_then_only_the_new_one(http, services, clock):
    source = await add_source(http, "pagerduty", clock)
    assert (await source.post(incident(1))).status_code == 202
    rotate = f"/v1/sources/{source.id}/rotate"
    assert (await http.post(rotate, json={"secrets": ["new", SECRET]})).status_code == 200
    assert (await source.post(incident(2))).status_code == 202
    assert (await source.post(incident(3), secret="new")).status_code == 202
    await http.post(rotate, json={"secrets": ["new"]})
    problem(await source.post(incident(4)), 401, "mismatch")
    assert (await source.post(incident(5), secret="new")).status_code == 202


async def test_a_removed_source_takes_nothing_and_its_deliveries_stay(http, services, clock):
    source = await add_source(http, "pagerduty", clock)
    told = await delivered(services, http, await source.post(incident(1)))
    assert (await http.delete(f"/v1/sources/{source.id}")).status_code == 204
    problem(await source.post(incident(2)), 404, "not_found")
    problem(await http.get(f"/v1/sources/{source.id}"), 404, "not_found")
    problem(await http.delete(f"/v1/sources/{source.id}"), 404, "not_found")
    assert (await get(http, f"/v1/inbox/{told['id']}"))["body"] == incident(1).decode()


async def test_connectors_are_listed_and_shown_with_what_they_want(http):
    names = [each["name"] for each in (await get(http, "/v1/connectors"))["items"]]
    assert {"hubspot", "pagerduty", "stripe"} <= set(names)
    for name in names:
        shown = await get(http, f"/v1/connectors/{name}")
        assert (shown["name"], bool(shown["scheme"]), bool(shown["rule"])) == (name, True, True)
    problem(await http.get("/v1/connectors/fax"), 404, "not_found")


# --- proofs --------------------------------------------------------------------------------------------------------


async def refused(http, services, source, body, headers):
    """The problem of a delivery that is not believed, once it was seen to leave nothing."""
    before = await head(services)
    answer = await http.post(source.url, content=body, headers={"Authorization": "", **headers})
    assert answer.status_code == 401, answer.text
    assert (await get(http, "/v1/inbox"))["items"] == []
    assert await head(services) == before
    found = problem(answer, 401, answer.json()["code"])
    assert SECRET not in answer.text
    return found["code"]


@pytest.mark.parametrize("name", BODIES)
async def test_a_delivery_with_its_proof_is_taken(http, services, clock, name):
    source = await add_source(http, name, clock)
    answer = await source.post(body_of(BODIES[name]))
    assert (answer.status_code, list(answer.json())) == (202, ["inbox"])
    assert answer.json()["inbox"].startswith("inb_")


@pytest.mark.parametrize("name", BODIES)
async def test_a_delivery_without_a_proof_is_refused(http, services, clock, name):
    source = await add_source(http, name, clock)
    assert await refused(http, services, source, body_of(BODIES[name]), {}) == "missing_signature"


@pytest.mark.parametrize("name", BODIES)
async def test_a_changed_body_is_refused(http, services, clock, name):
    source = await add_source(http, name, clock)
    body = body_of(BODIES[name])
    headers = signed(name, source.url, body, clock())
    assert await refused(http, services, source, body + b" ", headers) == "mismatch"


@pytest.mark.parametrize("name", BODIES)
async def test_another_secret_is_refused(http, services, clock, name):
    source = await add_source(http, name, clock)
    body = body_of(BODIES[name])
    assert await refused(http, services, source, body, signed(name, source.url, body, clock(), "other")) == "mismatch"


@pytest.mark.parametrize("name", BODIES)
async def test_a_source_without_a_secret_believes_nobody(http, services, clock, name):
    source = await add_source(http, name, clock, secrets=[])
    body = body_of(BODIES[name])
    for secret in (SECRET, ""):
        assert (
            await refused(http, services, source, body, signed(name, source.url, body, clock(), secret)) == "no_secret"
        )


@pytest.mark.parametrize("name", ["hubspot", "stripe"])
@pytest.mark.parametrize("seconds", [-301, 301])
async def test_a_delivery_that_was_signed_long_ago_or_ahead_is_refused(http, services, clock, name, seconds):
    source = await add_source(http, name, clock)
    body = body_of(BODIES[name])
    headers = signed(name, source.url, body, clock())
    clock.pass_by(seconds=-seconds)
    assert await refused(http, services, source, body, headers) == "stale_timestamp"


@pytest.mark.parametrize(
    ("name", "header", "value"),
    [
        ("pagerduty", "X-PagerDuty-Signature", "v1=zz"),
        ("pagerduty", "X-PagerDuty-Signature", "v2=" + "0" * 64),
        ("pagerduty", "X-PagerDuty-Signature", "0" * 64),
        ("stripe", "Stripe-Signature", "v1=" + "0" * 64),
        ("stripe", "Stripe-Signature", "t=now,v1=" + "0" * 64),
        ("stripe", "Stripe-Signature", "t=1"),
        ("stripe", "Stripe-Signature", ",,,=,"),
        ("hubspot", "X-HubSpot-Signature-v3", "!!"),
        ("hubspot", "X-HubSpot-Signature-v3", base64.b64encode(b"x" * 32).decode()),
    ],
)
async def test_a_proof_of_another_form_is_refused_as_such(http, services, clock, name, header, value):
    source = await add_source(http, name, clock)
    assert await refused(http, services, source, body_of(BODIES[name]), {header: value}) == "bad_format"


async def test_a_proof_of_one_source_is_none_of_another(http, services, clock):
    one, two = await add_source(http, "hubspot", clock), await add_source(http, "hubspot", clock)
    body = body_of(BODIES["hubspot"])
    assert await refused(http, services, two, body, signed("hubspot", one.url, body, clock())) == "mismatch"


async def test_the_address_that_is_signed_is_the_public_one_whatever_the_request_says(http, services, clock):
    source = await add_source(http, "hubspot", clock)
    body = body_of(BODIES["hubspot"])
    headers = {
        **signed("hubspot", source.url, body, clock()),
        "Host": "evil.example",
        "X-Forwarded-Host": "evil.example",
    }
    answer = await http.post(source.url.replace("noces.example", "other.example"), content=body, headers=headers)
    assert answer.status_code == 202


async def test_an_unknown_source_is_not_found_and_needs_no_key(http, services, clock):
    source = await add_source(http, "pagerduty", clock)
    problem(await http.post("/hooks/src_none", content=b"{}"), 404, "not_found")
    problem(await http.get(source.url), 405, "method_not_allowed")


async def test_a_delivery_beyond_a_megabyte_is_too_large(http, services, clock):
    source = await add_source(http, "pagerduty", clock)
    before = await head(services)
    problem(await source.post(b" " * 1_048_577), 413, "too_large")
    assert (await get(http, "/v1/inbox"))["items"] == []
    assert await head(services) == before


async def test_a_signed_delivery_of_any_bytes_is_kept(http, services, clock):
    source = await add_source(http, "pagerduty", clock)
    for raw in (b"", b"\xff\x00\xfe", b"[" * 10_000, b'{"event":null}', b"null", b'{"event":{"id":7}}'):
        told = await delivered(services, http, await source.post(raw))
        assert told["status"] in ("failed", "ignored"), told
        assert told["items"][0]["reason"]
        kept = told["body"].encode() if "body" in told else base64.b64decode(told["body_base64"])
        assert kept == raw


async def test_refusals_are_counted_by_reason(http, services, clock):
    source = await add_source(http, "pagerduty", clock)
    await refused(http, services, source, b"{}", {})
    text = (await http.get("/metrics")).text
    assert f'noces_hooks_refused_total{{reason="missing_signature",source="{source.id}"}} 1.0' in text
