"""Whatever a sender does: it is greeted as it wants, read as its file says, and asked about when it falls silent."""

import hashlib
import hmac
import json

import pytest

from service.connectors.context import Unmappable
from service.connectors.formats import masked, read_body
from service.connectors.load import load_text
from tests.service.world import delivered, get, open_partnership, problem, until

SECRET = "not-so-secret"
TOKEN = {"X-Desk-Token": SECRET, "Authorization": "", "Content-Type": "application/json"}
DESK = """\
name = "desk"
title = "Desk"
summary = "Incidents of a desk that posts the whole record at every change."
event = "state"
key = ["id", "revision"]
mask = ["session"]
scheme = [{ name = "token", method = "token", header = "X-Desk-Token" }]
link_kind = [{ system = "desk", kind = "account", description = "The account." }]
link = [{ system = "desk", kind = "account", external_id = { path = "account" }, called = { path = "account_name" } }]

[[rule]]
name = "incident"

[[rule.fact]]
type = "incident.raised"
standing = ["unknown"]
occurred_at = { path = "opened", otherwise = { delivery = "received_at" } }
fields.incident = { path = "id" }
fields.priority = { path = "priority", as = "integer" }

[[rule.fact]]
type = "incident.resolved"
when = [{ path = "state", equals = "done" }]
standing = ["open"]
occurred_at = { path = "changed" }
fields.incident = { path = "id" }

[[rule.fact]]
type = "incident.reopened"
when = [{ path = "state", not_in = ["done"] }]
standing = ["closed"]
occurred_at = { path = "changed" }
fields.incident = { path = "id" }
"""
GREETED = """
[[handshake]]
name = "challenge"
method = "GET"
token = { query = "crc_token" }
expects = "validate_cra_challenge"
text = "{hmac}"

[[handshake]]
name = "origin"
method = "OPTIONS"
token = { header = "WebHook-Request-Origin" }
headers = { WebHook-Allowed-Origin = "{token}", WebHook-Allowed-Rate = "*" }

[[handshake]]
name = "echo"
method = "POST"
token = { query = "validationToken" }
text = "{token}"

[[handshake]]
name = "proven"
method = "POST"
when = { event = "endpoint.url_validation" }
token = { body = "payload.plainToken" }
proven = true
json = { plainToken = "{token}", encryptedToken = "{hmac}" }
"""


async def add_connector(http, text=DESK):
    answer = await http.post("/v1/connectors", json={"toml": text})
    assert answer.status_code in (200, 201), answer.text
    return answer


async def add_desk(http, text=DESK, **fields):
    await add_connector(http, text)
    body = {"connector": "desk", "name": "desk", "secrets": [SECRET], **fields}
    answer = await http.post("/v1/sources", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def post(http, source, body, **headers):
    return await http.post(source["url"], content=json.dumps(body), headers={**TOKEN, **headers})


def record(state, changed, revision, **fields):
    known = {"id": "I1", "account": 7, "priority": 2, "opened": "2026-03-01T08:00:00Z"}
    return {**known, "state": state, "changed": f"2026-03-{changed}T09:00:00Z", "revision": revision, **fields}


async def applied(http, told):
    return (await get(http, f"/v1/inbox/{told['id']}"))["status"] == "applied"


def signed_hmac(text):
    return hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()


# --- connectors of one's own -----------------------------------------------------------------------------------------


async def test_an_own_connector_is_added_shown_replaced_and_removed(http, services, keyed):
    answer = await add_connector(http)
    assert (answer.status_code, answer.headers["location"]) == (201, "/v1/connectors/desk")
    assert (await add_connector(http)).status_code == 200
    assert "desk" in [each["name"] for each in (await get(http, "/v1/connectors"))["items"]]
    assert (await get(http, "/v1/connectors/desk"))["title"] == "Desk"
    other = await keyed(organisation="other")
    problem(await other.get("/v1/connectors/desk"), 404, "not_found")
    added = (await get(http, "/v1/events", type="connector.added"))["items"]
    assert [each["data"]["digest"] for each in added] == [hashlib.sha256(DESK.encode()).hexdigest()]
    assert (await http.delete("/v1/connectors/desk")).status_code == 204
    problem(await http.get("/v1/connectors/desk"), 404, "not_found")


@pytest.mark.parametrize(
    ("text", "status", "code", "told"),
    [
        (DESK.replace("incident.raised", "incident.rised"), 422, "bad_connector", "line 15, rule[0].fact[0].type"),
        (DESK.replace('"desk"', '"stripe"', 1), 409, "name_taken", "shipped"),
        ("no toml", 422, "bad_connector", "line 1"),
        (DESK.replace('title = "Desk"\n', ""), 422, "bad_connector", "title"),
    ],
)
async def test_a_wrong_connector_is_refused_and_nothing_changes(http, text, status, code, told):
    assert told in problem(await http.post("/v1/connectors", json={"toml": text}), status, code)["detail"]
    assert (await get(http, "/v1/events", type="connector.added"))["items"] == []


async def test_a_connector_in_use_stays_until_its_source_is_gone(http):
    source = await add_desk(http)
    assert source["id"] in problem(await http.delete("/v1/connectors/desk"), 409, "in_use")["detail"]
    assert (await http.delete(f"/v1/sources/{source['id']}")).status_code == 204
    assert (await http.delete("/v1/connectors/desk")).status_code == 204
    problem(await http.delete("/v1/connectors/stripe"), 404, "not_found")


async def test_a_mended_connector_applies_what_failed_and_splits_what_could_not_be_split(http, services):
    source = await add_desk(http, DESK.replace('key = ["id", "revision"]', 'key = ["id", "revision"]\nitems = "lines"'))
    await open_partnership(http, links=[{"system": "desk", "kind": "account", "external_id": "7"}])
    told = await delivered(
        services, http, await post(http, source, {"records": [record("new", "02", n) for n in (1, 2)]})
    )
    assert told["status"] == "failed"
    assert "no array" in told["items"][0]["reason"]
    await add_connector(http, DESK.replace('key = ["id", "revision"]', 'key = ["id", "revision"]\nitems = "records"'))
    answer = await http.post(f"/v1/inbox/{told['id']}/replay")
    assert [(each["status"], len(each["positions"])) for each in answer.json()["items"]] == [
        ("ignored", 0),
        ("applied", 1),
        ("ignored", 0),
    ]
    again = await http.post("/v1/inbox/replay", json={"status": "ignored"})
    assert again.json() == {"replayed": 1}
    assert len((await get(http, "/v1/events", type="incident.raised"))["items"]) == 1


# --- senders that tell how things are -----------------------------------------------------------------------------------


async def test_updates_repeated_late_and_out_of_order_give_one_of_each(http, services):
    source = await add_desk(http)
    opened = await open_partnership(http, links=[{"system": "desk", "kind": "account", "external_id": "7"}])
    said = [
        record("new", "02", 1), record("busy", "03", 2), record("done", "05", 4), record("busy", "04", 3),
        record("done", "05", 4), record("busy", "06", 5), record("done", "07", 6),
    ]  # fmt: skip
    for each in said:
        await delivered(services, http, await post(http, source, each))
    events = (await get(http, f"/v1/partnerships/{opened['id']}/events"))["items"]
    told = [(each["type"], each["occurred_at"][:10]) for each in events if each["type"].startswith("incident.")]
    assert told == [
        ("incident.raised", "2026-03-01"),
        ("incident.resolved", "2026-03-05"),
        ("incident.reopened", "2026-03-06"),
        ("incident.resolved", "2026-03-07"),
    ]


async def test_an_item_of_which_nothing_is_new_is_ignored_with_the_reason(http, services):
    source = await add_desk(http)
    await open_partnership(http, links=[{"system": "desk", "kind": "account", "external_id": "7"}])
    await delivered(services, http, await post(http, source, record("new", "02", 1)))
    told = await delivered(services, http, await post(http, source, record("new", "03", 2)))
    assert told["status"] == "ignored"
    assert "the log says so already" in told["items"][0]["reason"]


BOOKED = """
[[rule]]
name = "booked"
when = [{ path = "state", equals = "booked" }]
new_links = [{ system = "desk", kind = "booking", external_id = { path = "booking" } }]
"""


async def test_a_rule_that_only_links_lets_the_next_item_find_its_partnership(http, services):
    text = DESK.replace(
        "link = [", 'link = [{ system = "desk", kind = "booking", external_id = { path = "booking" } }, '
    )
    text = text.replace("[[rule]]", BOOKED + "\n[[rule]]", 1)
    source = await add_desk(http, text)
    opened = await open_partnership(http, links=[{"system": "desk", "kind": "account", "external_id": "7"}])
    told = await delivered(services, http, await post(http, source, record("booked", "01", 1, booking="B1")))
    assert (told["status"], told["items"][0]["partnership"]) == ("applied", opened["id"]), told
    links = (await get(http, f"/v1/partnerships/{opened['id']}"))["links"]
    assert {"system": "desk", "kind": "booking", "external_id": "B1"} in links
    later = {key: each for key, each in record("new", "02", 2, booking="B1").items() if key != "account"}
    told = await delivered(services, http, await post(http, source, later))
    assert (told["status"], told["items"][0]["partnership"]) == ("applied", opened["id"]), told


async def test_a_time_that_is_not_told_is_when_the_delivery_came(http, services, clock):
    source = await add_desk(http)
    opened = await open_partnership(http, links=[])
    body = {key: each for key, each in record("new", "02", 1).items() if key != "opened"}
    told = await delivered(services, http, await post(http, source, body))
    assert told["status"] == "unmatched"
    came = clock()
    clock.pass_by(days=3)
    await http.put(f"/v1/partnerships/{opened['id']}/links/desk/account/7")
    await until(lambda: applied(http, told))
    (raised,) = (await get(http, "/v1/events", type="incident.raised"))["items"]
    assert raised["occurred_at"] == came.isoformat().replace("+00:00", "Z")


async def test_an_unmatched_item_suggests_the_partnerships_of_that_name_and_links_none(http, services):
    source = await add_desk(http)
    meant = await open_partnership(http, partner="Rapide SI")
    await open_partnership(http, partner="Rapide SI Nord")
    told = await delivered(services, http, await post(http, source, record("new", "02", 1, account_name="RAPIDE si")))
    link = {"system": "desk", "kind": "account", "external_id": "7"}
    (item,) = told["items"]
    assert item["suggestions"] == [{"partnership": meant["id"], "called": "Rapide SI", "links": [link]}]
    assert (await get(http, f"/v1/partnerships/{meant['id']}"))["links"] == []
    await http.put(f"/v1/partnerships/{meant['id']}/links/desk/account/7")
    await until(lambda: applied(http, told))
    (item,) = (await get(http, f"/v1/inbox/{told['id']}"))["items"]
    assert (item["status"], item["suggestions"]) == ("applied", [])


# --- handshakes -------------------------------------------------------------------------------------------------------


async def test_a_challenge_is_answered_only_to_who_holds_the_secret(http):
    source = await add_desk(http, DESK + GREETED)
    token = signed_hmac("validate_cra_challenge")
    answer = await http.get(source["url"], params={"crc_token": token})
    assert (answer.status_code, answer.text) == (200, signed_hmac(token))
    for forged in ("1700000000{}", token[:-1], token + "0", ""):
        problem(await http.get(source["url"], params={"crc_token": forged}), 405, "method_not_allowed")
    problem(await http.get(source["url"]), 405, "method_not_allowed")
    problem(await http.get(f"{source['url']}x"), 404, "not_found")


async def test_an_origin_is_allowed_as_it_asked(http):
    source = await add_desk(http, DESK + GREETED)
    answer = await http.options(source["url"], headers={"WebHook-Request-Origin": "events.example.com"})
    assert (answer.status_code, answer.headers["webhook-allowed-origin"]) == (200, "events.example.com")
    assert answer.headers["webhook-allowed-rate"] == "*"
    problem(await http.options(source["url"]), 405, "method_not_allowed")


async def test_an_echo_is_plain_text_and_a_strange_one_is_not_answered(http):
    source = await add_desk(http, DESK + GREETED)
    answer = await http.post(
        source["url"], params={"validationToken": "Validation: 1 <b>"}, headers={"Authorization": ""}
    )
    assert (answer.status_code, answer.text) == (200, "Validation: 1 <b>")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    for strange in ("a\r\nb", "é", "x" * 1_001):
        problem(await http.post(source["url"], params={"validationToken": strange}), 401, "missing_signature")


async def test_a_proven_handshake_needs_the_proof_and_leaves_nothing_in_the_inbox(http):
    source = await add_desk(http, DESK + GREETED)
    body = {"event": "endpoint.url_validation", "payload": {"plainToken": "qwerty"}}
    answer = await post(http, source, body)
    assert answer.json() == {"plainToken": "qwerty", "encryptedToken": signed_hmac("qwerty")}
    problem(await post(http, source, body, **{"X-Desk-Token": "wrong"}), 401, "mismatch")
    assert (await get(http, "/v1/inbox"))["items"] == []


@pytest.mark.parametrize("wrong", ['text = "{hmac}"', 'json = { a = "{hmac}" }', 'headers = { a = "x{hmac}" }'])
def test_a_handshake_that_would_sign_for_anybody_is_refused_when_it_is_loaded(wrong):
    text = DESK + f'\n[[handshake]]\nname = "open"\nmethod = "GET"\ntoken = {{ query = "t" }}\n{wrong}\n'
    with pytest.raises(Exception, match="would sign for anybody"):
        load_text(text, "desk.toml", {"incident.raised": frozenset({"incident", "priority"})})


# --- answers and masks --------------------------------------------------------------------------------------------------


async def test_a_delivery_is_answered_in_the_words_of_the_sender(http):
    answer = '\nanswer = { status = 200, media_type = "text/xml", text = "<Ack>true</Ack>" }\n'
    source = await add_desk(http, DESK.replace('event = "state"', f'event = "state"{answer}'))
    for _ in range(2):
        told = await post(http, source, record("new", "02", 1))
        assert (told.status_code, told.text) == (200, "<Ack>true</Ack>")
        assert told.headers["content-type"].startswith("text/xml")


async def test_what_is_masked_is_kept_nowhere(http, services):
    source = await add_desk(http)
    told = await delivered(services, http, await post(http, source, {**record("new", "02", 1), "session": "s3ss\\ion"}))
    assert json.loads(told["body"])["session"] == "***"
    again = await post(http, source, {**record("new", "02", 1), "session": "another"})
    assert (again.status_code, again.json()["inbox"]) == (200, told["id"])


@pytest.mark.parametrize(
    ("form", "body", "wanted"),
    [
        ("json", b'{"a": {"token" : "x\\"y", "b": 1}}', b'{"a": {"token" : "***", "b": 1}}'),
        ("json", b'{"token": 12, "x": "token"}', b'{"token": "***", "x": "token"}'),
        ("json", b'{"token": "cut of', b'{"token": "***"'),
        ("xml", b"<n:token>ab</n:token><b/>", b"<n:token>***</n:token><b/>"),
        ("xml", b'<token type="t"><![CDATA[a</token>]]></token>', b'<token type="t">***</token>'),
        ("xml", b"<token>cut of", b"<token>***"),
        ("xml", b"<tokens>a</tokens>", b"<tokens>a</tokens>"),
    ],
)
def test_a_mask_covers_its_member_and_nothing_else(form, body, wanted):
    assert masked(form, ["token"], body) == wanted


# --- XML ----------------------------------------------------------------------------------------------------------------


def test_xml_is_read_into_objects_by_local_names():
    body = (
        b'<?xml version="1.0" encoding="UTF-8"?><e:Envelope xmlns:e="urn:e" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
        b"<e:Body><n><Id>1</Id></n><n><Id>2</Id><Name xsi:nil='true'/><T k='v'>&lt;x&gt;</T></n></e:Body></e:Envelope>"
    )
    assert read_body("xml", body, {}) == {
        "Envelope": {"Body": {"n": [{"Id": "1"}, {"Id": "2", "Name": None, "T": "<x>"}]}}
    }


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>', "document type"),
        (b'<!doctype a SYSTEM "http://example.com/x"><a/>', "document type"),
        (b"<a>&undefined;</a>", "not XML"),
        (b"<a><b></a>", "not XML"),
        (b"", "not XML"),
        ('<?xml version="1.0" encoding="UTF-16"?><a/>'.encode("utf-16"), "UTF-8"),
        (b'<?xml version="1.0" encoding="ISO-8859-1"?><a>\xe9</a>', "UTF-8"),
        (b"<a>" * 101 + b"</a>" * 101, "too large"),
        (b"<a>" + b"<b/>" * 100_001 + b"</a>", "too large"),
    ],
)
def test_hostile_xml_is_refused_with_a_reason(body, why):
    with pytest.raises(Unmappable, match=why):
        read_body("xml", body, {})


# --- CloudEvents ----------------------------------------------------------------------------------------------------------

EVENT = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "data": {"a": 1}}


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (json.dumps(EVENT), {"content-type": "application/cloudevents+json; charset=utf-8"}),
        (json.dumps([EVENT]), {"content-type": "application/cloudevents-batch+json"}),
        (
            '{"a": 1}',
            {
                "content-type": "application/json",
                "ce-specversion": "1.0",
                "ce-id": "1",
                "ce-source": "%2Fs",
                "ce-type": "t",
            },
        ),
        (
            json.dumps({**{k: v for k, v in EVENT.items() if k != "data"}, "data_base64": "eyJhIjogMX0="}),
            {"content-type": "application/cloudevents+json"},
        ),
    ],
)
def test_a_cloud_event_is_the_same_in_all_its_forms(body, headers):
    (event,) = read_body("cloudevents", body.encode(), headers)
    assert {name: event[name] for name in EVENT} == EVENT


# --- silence ------------------------------------------------------------------------------------------------------------


async def test_a_watched_source_that_falls_silent_is_told(http, services, clock):
    source = await add_desk(http, silence_after=3_600)
    view = await get(http, f"/v1/sources/{source['id']}")
    assert (view["last_seen"], view["silence_after"], view["silent"]) == (None, 3_600, False)
    clock.pass_by(minutes=59)
    await post(http, source, record("new", "02", 1))
    clock.pass_by(minutes=59)
    assert await services.silence.look() == set()
    clock.pass_by(minutes=2)
    assert await services.silence.look() == {source["id"]}
    assert f'noces_source_silent{{source="{source["id"]}"}} 1.0' in (await http.get("/metrics")).text
    assert (await get(http, f"/v1/sources/{source['id']}"))["silent"]
    await post(http, source, record("new", "02", 1))  # a repetition is a sign of life too
    assert await services.silence.look() == set()
    assert f'noces_source_silent{{source="{source["id"]}"}} 0.0' in (await http.get("/metrics")).text


async def test_a_source_is_watched_only_while_somebody_wants_it(http, services, clock):
    source = await add_desk(http)
    clock.pass_by(days=400)
    assert await services.silence.look() == set()
    assert (await http.patch(f"/v1/sources/{source['id']}", json={"silence_after": 60})).json()["silent"]
    problem(await http.patch(f"/v1/sources/{source['id']}", json={"silence_after": 59}), 400, "bad_shape")
    problem(
        await http.post("/v1/sources", json={"connector": "desk", "name": "x", "silence_after": 0}), 400, "bad_shape"
    )
    assert not (await http.patch(f"/v1/sources/{source['id']}", json={"silence_after": 0})).json()["silent"]
