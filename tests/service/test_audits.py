"""Audits over HTTP and on the command line: what is recorded comes out again, and whatever was altered is found in its place."""

import json
from datetime import datetime

import msgspec
import pytest

from domain import events as e
from domain.policy import POLICY_1
from events.codec import microseconds
from service.audit.by_position import Verification
from service.audit.verifying import MODELLED, verify
from tests.service.processes import noces
from tests.service.senders import LINKS, add_source, incident
from tests.service.story import power_sharing, power_struggle, worked_example
from tests.service.world import (
    ask,
    client,
    get,
    head,
    lines_of,
    make_key,
    open_partnership,
    problem,
    say,
    settings_of,
    started,
)

JSON = {"Content-Type": "application/json"}


async def lived(http, keyed, services, clock):
    """A log with something of everything: transitions, refusals, an override, a retraction, links, keys, sources, policies."""
    opened = await worked_example(http, links=[LINKS["pagerduty"]])
    struggling = await power_struggle(http)
    force = {"force": {"to": "power_sharing", "reason": "The board decided"}}
    override = (await http.post(f"/v1/partnerships/{struggling}/transitions", json=force)).json()["id"]
    assert (await (await keyed()).post(f"/v1/overrides/{override}/approve")).status_code == 201
    await http.post("/v1/policies", json={"delay_doubled": 1.8})
    refused = await power_struggle(http)
    assert (await ask(http, refused, "share_power")).status_code == 409
    retracted = await power_struggle(http)
    measured = [
        each
        for each in (await get(http, f"/v1/partnerships/{retracted}/events"))["items"]
        if each["type"] == "promise.measured"
    ]
    await say(http, retracted, "fact.retracted", event=measured[0]["id"], reason="Another project's")
    left = await power_sharing(http)
    assert (await ask(http, left, "separate", reason="strategy", text="We part")).status_code == 201
    assert (await ask(http, left, "reconcile")).status_code == 201
    await say(http, left, "contact.designated", side="client", person="Agnès Martin", role="CIO")
    await (await add_source(http, "pagerduty", clock)).post(incident(1))
    await services.inbox.idle()
    return opened


async def audit(http, **body):
    answer = await http.post("/v1/audits", json=body)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/x-ndjson"), answer.text
    *lines, result = lines_of(answer.content)
    return [each["finding"] for each in lines if "finding" in each], result["result"]


async def test_a_log_that_nobody_touched_verifies(http, keyed, services, clock):
    await lived(http, keyed, services, clock)
    for strict in (False, True):
        findings, result = await audit(http, mode="verify", strict=strict)
        assert findings == []
        assert (result["ok"], result["divergences"], result["events"]) == (True, 0, await head(services))
        assert len(result["state_hash"]) == 64


async def test_the_state_hash_is_the_same_for_the_same_log_and_another_after_the_next_fact(
    http, keyed, services, clock
):
    opened = await lived(http, keyed, services, clock)
    hashes = [
        (await audit(http, mode=mode, **more))[1]["state_hash"]
        for mode, more in (("verify", {}), ("verify", {"strict": True}), ("hindsight", {}))
    ]
    assert len(set(hashes)) == 1
    until = services.clock().isoformat()
    clock.pass_by(hours=1)
    await say(http, opened, "incident.raised", incident="new", priority=3)
    assert (await audit(http, mode="verify"))[1]["state_hash"] != hashes[0]
    assert (await audit(http, mode="verify", known_at=until))[1]["state_hash"] == hashes[0]


async def test_an_erasure_changes_no_verification(http, keyed, services, clock):
    await lived(http, keyed, services, clock)
    before = (await audit(http, mode="verify"))[1]["state_hash"]
    person = (await http.post("/v1/persons/find", json={"name": "Agnès Martin"})).json()["id"]
    await http.post(f"/v1/persons/{person}/erase")
    findings, result = await audit(http, mode="verify", strict=True)
    assert (findings, result["state_hash"]) == ([], before)


# --- tampering -------------------------------------------------------------------------------------------------------

TRIGGERS = ("events_never_change", "events_never_go", "events_only_grow")


async def tamper(services, *statements):
    """What somebody does who has the file: the triggers dropped, rows changed, the triggers put back."""

    def work(database):
        kept = [
            database.execute("SELECT sql FROM sqlite_master WHERE name = ?", (name,)).fetchone()[0] for name in TRIGGERS
        ]
        for name in TRIGGERS:
            database.execute(f"DROP TRIGGER {name}")
        for sql, values in statements:
            database.execute(sql, values)
        for sql in kept:
            database.execute(sql)

    await services.store.alone(work)


async def entry_at(services, position):
    ((raw,),) = await services.query(
        "SELECT entry FROM events WHERE organisation = 'acme' AND position = ?", (position,)
    )
    return raw


async def place_of(services, kind, which=0):
    rows = await services.query(
        "SELECT position FROM events WHERE organisation = 'acme' AND type = ? ORDER BY position", (kind,)
    )
    return rows[which][0]


def set_entry(position, raw):
    return ("UPDATE events SET entry = ? WHERE organisation = 'acme' AND position = ?", (raw, position))


async def a_byte_flipped(services):
    position = await place_of(services, "promise.made")
    raw = await entry_at(services, position)
    at = raw.index(b'"id":"evt_') + 12
    return position, [set_entry(position, raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :])]


async def a_byte_of_a_figure_flipped(services):
    position = await place_of(services, "promise.measured")
    raw = await entry_at(services, position)
    at = raw.index(b'"actual":') + 9
    entered = await place_of(services, "stage.entered")
    return entered, [set_entry(position, raw[:at] + b"9" + raw[at + 1 :])]


async def a_row_deleted_in_the_middle(services):
    position = await place_of(services, "contract.signed")
    assert position < await head(services) - 10
    return position, [("DELETE FROM events WHERE organisation = 'acme' AND position = ?", (position,))]


async def two_rows_swapped(services):
    first, second = await place_of(services, "promise.made"), await place_of(services, "promise.made", 1)
    rows = [await entry_at(services, each) for each in (first, second)]
    return first, [set_entry(first, rows[1]), set_entry(second, rows[0])]


async def the_last_rows_cut(services):
    end = await head(services)
    return end - 2, [("DELETE FROM events WHERE organisation = 'acme' AND position >= ?", (end - 2,))]


async def a_verdict_changed(services):
    position = await place_of(services, "stage.entered")
    entry = msgspec.json.decode(await entry_at(services, position))
    entry["data"]["guards"][0]["actual"] = 12345
    return position, [set_entry(position, msgspec.json.Encoder(order="sorted").encode(entry))]


async def another_order_of_names(services):
    position = await place_of(services, "contract.signed")
    entry = msgspec.json.decode(await entry_at(services, position))
    return position, [set_entry(position, msgspec.json.encode(dict(reversed(entry.items()))))]


async def a_type_beside_the_entry(services):
    position = await place_of(services, "contract.signed")
    return position, [
        ("UPDATE events SET type = 'incident.raised' WHERE organisation = 'acme' AND position = ?", (position,))
    ]


async def a_time_set_back(services):
    position = await place_of(services, "contract.signed")
    entry = msgspec.json.decode(await entry_at(services, position))
    entry["recorded_at"] = "2001-01-01T00:00:00Z"
    raw = msgspec.json.Encoder(order="sorted").encode(entry)
    at = 978_307_200_000_000
    return position, [
        (
            "UPDATE events SET entry = ?, recorded_at = ? WHERE organisation = 'acme' AND position = ?",
            (raw, at, position),
        )
    ]


async def a_time_without_its_zone(services):
    position = await place_of(services, "promise.made")
    raw = await entry_at(services, position)
    at = raw.index(b'"occurred_at":"') + 15
    end = raw.index(b'Z"', at)
    return position, [set_entry(position, raw[:end] + raw[end + 1 :])]


async def a_field_of_the_wrong_kind(services):
    position = await place_of(services, "promise.made")
    entry = msgspec.json.decode(await entry_at(services, position))
    entry["data"]["promised"] = "thirty"
    return position, [set_entry(position, msgspec.json.Encoder(order="sorted").encode(entry))]


async def a_transition_put_in(services):
    """A stage that nothing brought, as the newest event of its partnership and of the log."""
    place, end = await place_of(services, "stage.entered"), await head(services)
    entry = msgspec.json.decode(await entry_at(services, place))
    rows = await services.query("SELECT max(version) FROM events WHERE stream = ?", (entry["stream"],))
    last = msgspec.json.decode(await entry_at(services, end))
    entry |= {"id": "evt_put_in", "version": rows[0][0] + 1, "recorded_at": last["recorded_at"]}
    at, known = (microseconds(datetime.fromisoformat(entry[name])) for name in ("occurred_at", "recorded_at"))
    raw = msgspec.json.Encoder(order="sorted").encode(entry)
    values = ("acme", end + 1, entry["stream"], entry["version"], "stage.entered", 1, "evt_put_in", at, known, raw)
    return end + 1, [
        (f"INSERT INTO events VALUES ({', '.join('?' * 10)})", values),
        ("UPDATE heads SET position = ? WHERE organisation = 'acme'", (end + 1,)),
    ]


TAMPERED = {
    "a transition put in": a_transition_put_in,
    "a field of the wrong kind": a_field_of_the_wrong_kind,
    "a time without its zone": a_time_without_its_zone,
    "a byte flipped": a_byte_flipped,
    "a figure that a decision read": a_byte_of_a_figure_flipped,
    "a row deleted in the middle": a_row_deleted_in_the_middle,
    "two rows swapped": two_rows_swapped,
    "the last rows cut": the_last_rows_cut,
    "a recorded verdict": a_verdict_changed,
    "the same value in other bytes": another_order_of_names,
    "a column beside the entry": a_type_beside_the_entry,
    "a time set back": a_time_set_back,
}


@pytest.mark.parametrize("what", TAMPERED)
async def test_tampering_is_found_at_its_position(http, keyed, services, clock, what, record_property):
    await lived(http, keyed, services, clock)
    position, statements = await TAMPERED[what](services)
    await tamper(services, *statements)
    findings, result = await audit(http, mode="verify")
    assert not result["ok"]
    assert result["divergences"] == len(findings)
    placed = [each["position"] for each in findings if "position" in each]
    assert min(placed) == position, findings[:5]
    code = next(each["code"] for each in findings if each.get("position") == position)
    record_property("told", f"tampering found in its place: {what} ({code})")


MODELS = {
    "a read model edited": ("UPDATE partnerships SET stage = 'commitment' WHERE id = ?", "partnerships"),
    "a row of a read model gone": ("DELETE FROM partnerships WHERE id = ?", "partnerships"),
    "a link given to another": ("UPDATE links SET partnership = 'pn_ghost' WHERE partnership = ?", "links"),
}


@pytest.mark.parametrize("what", MODELS)
async def test_a_read_model_that_was_edited_is_found_with_its_row(http, keyed, services, clock, what, record_property):
    opened = await lived(http, keyed, services, clock)
    sql, table = MODELS[what]
    await services.store.alone(lambda database: database.execute(sql, (opened,)))
    findings, _ = await audit(http, mode="verify")
    assert [(each["code"], each["partnership"]) for each in findings] == [("read_model", opened)]
    assert findings[0]["expected"].startswith(table)
    record_property("told", f"tampering found in its place: {what} (read_model)")


async def test_a_row_that_nothing_made_is_found(http, keyed, services, clock):
    await lived(http, keyed, services, clock)
    columns = [row[1] for row in await services.query("PRAGMA table_info(partnerships)")]
    listed = ", ".join("'pn_ghost'" if name == "id" else name for name in columns)
    sql = f"INSERT INTO partnerships SELECT {listed} FROM partnerships LIMIT 1"
    await services.store.alone(lambda database: database.execute(sql))
    findings, _ = await audit(http, mode="verify")
    assert [(each["code"], each["stream"]) for each in findings] == [("read_model", "partnerships")]


async def test_a_snapshot_that_was_edited_is_found_at_its_version(http, keyed, services, clock, record_property):
    opened = await lived(http, keyed, services, clock)
    stream = f"partnership-{opened}"
    state = await services.states.load("acme", stream)
    await services.states.snapshot("acme", stream, state)
    assert (await audit(http, mode="verify"))[1]["ok"]
    wrong = msgspec.structs.replace(state, critical=not state.critical)
    await services.states.snapshot("acme", stream, wrong)
    findings, _ = await audit(http, mode="verify")
    assert [(each["code"], each["partnership"], each["version"]) for each in findings] == [
        ("snapshot", opened, state.version)
    ]
    record_property("told", "tampering found in its place: a snapshot edited (snapshot)")


async def test_a_transition_taken_out_is_found_by_the_strict_audit(http, keyed, services, clock, record_property):
    opened = await power_struggle(http)
    entered = await place_of(services, "stage.entered")
    end = await head(services)
    assert entered == end
    await tamper(
        services, ("DELETE FROM events WHERE organisation = 'acme' AND position = ?", (entered,)),
        ("UPDATE heads SET position = ? WHERE organisation = 'acme'", (entered - 1,)),
        ("UPDATE partnerships SET stage = 'honeymoon' WHERE id = ?", (opened,)),
    )  # fmt: skip
    findings, result = await audit(http, mode="verify")
    assert not [each for each in findings if each["code"] == "missing"]
    findings, result = await audit(http, mode="verify", strict=True)
    missing = [each for each in findings if each["code"] == "missing"]
    assert [(each["position"], each["partnership"]) for each in missing] == [(entered - 1, opened)]
    assert not result["ok"]
    record_property("told", "tampering found in its place: a transition taken out (missing, strict)")


# --- what if, and hindsight --------------------------------------------------------------------------------------------


async def test_under_its_own_policy_nothing_would_have_been_otherwise(http, keyed, services, clock):
    await power_sharing(http)
    await power_struggle(http)
    policy = msgspec.to_builtins(POLICY_1)
    findings, result = await audit(http, mode="what_if", policy=policy)
    assert (findings, result["ok"]) == ([], True)


async def test_another_policy_tells_which_partnerships_and_through_which_guard(http, services):
    struggling = await power_struggle(http)
    quiet = (await open_partnership(http))["id"]
    policy = msgspec.to_builtins(msgspec.structs.replace(POLICY_1, delay_doubled=3.0))
    findings, _ = await audit(http, mode="what_if", policy=policy)
    assert [each["partnership"] for each in findings] == [struggling]
    assert findings[0]["recorded"][0]["state"] == "power_struggle"
    assert findings[0]["otherwise"] == []
    strict = msgspec.to_builtins(msgspec.structs.replace(POLICY_1, delay_doubled=1.2))
    calm = (await open_partnership(http))["id"]
    await say(
        http,
        calm,
        "promise.made",
        "2020-02-01",
        promise="p",
        side="partner",
        kind="delay",
        promised=30,
        unit="days",
        evidence="none",
        text="x",
    )
    await say(http, calm, "promise.measured", "2020-06-01", promise="p", actual=40)
    findings, _ = await audit(http, mode="what_if", policy=strict, partnerships=[calm, quiet])
    assert [
        (each["partnership"], each["recorded"], each["otherwise"][0]["state"], each["otherwise"][0]["guards"])
        for each in findings
    ] == [(calm, [], "power_struggle", ["delay_doubled"])]


async def test_hindsight_tells_what_late_facts_would_have_changed(http, services, clock):
    opened = await power_sharing(http)
    assert (await audit(http, mode="hindsight"))[0] == []
    await say(http, opened, "promise.measured", "2020-03-01", promise="p1", actual=90)
    findings, _ = await audit(http, mode="hindsight")
    assert [each["partnership"] for each in findings] == [opened]
    assert findings[0]["otherwise"][0]["entered_at"] == "2020-03-01T00:00:00Z"


# --- bad input ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 400, "bad_shape"), ({"mode": "guess"}, 400, "bad_shape"), ({"mode": "verify", "oops": 1}, 400, "bad_shape"),
        ({"mode": "what_if"}, 400, "bad_parameter"), ({"mode": "verify", "as_of": "2026-01-01T00:00:00Z"}, 400, "bad_parameter"),
        ({"mode": "hindsight", "strict": True}, 400, "bad_parameter"), ({"mode": "verify", "known_at": "2026-01-01T00:00:00"}, 400, "naive_time"),
        ({"mode": "verify", "known_at": "2030-01-01T00:00:00Z"}, 422, "future_time"),
        ({"mode": "what_if", "policy": {"delay_doubled": -1}}, 400, "bad_shape"),
        ({"mode": "what_if", "policy": {"automatic": ["commit"]}}, 422, "bad_policy"),
        ({"mode": "verify", "partnerships": []}, 400, "bad_shape"),
    ],
)  # fmt: skip
async def test_an_audit_that_makes_no_sense_is_refused(http, body, status, code):
    problem(await http.post("/v1/audits", json=body), status, code)


async def test_an_audit_of_nothing_finds_nothing(keyed):
    findings, result = await audit(await keyed(organisation="fresh"), mode="verify")
    assert (findings, result["ok"], result["events"]) == ([], True, 2)


async def test_an_audit_ends_with_its_caller(services, http):
    for _ in range(3):
        await power_struggle(http)
    lines = verify(services.query, Verification(organisation="acme"))
    assert "progress" in await anext(lines)
    await lines.aclose()
    with pytest.raises(StopAsyncIteration):
        await anext(lines)


def test_every_event_of_a_read_model_is_looked_at():
    assert {e.PartnershipOpened.type, e.StageEntered.type, e.LinkAdded.type, e.KeyCreated.type} <= MODELLED


# --- the command line --------------------------------------------------------------------------------------------------


async def test_the_command_line_replays_beside_a_service_and_says_the_same(tmp_path, clock):
    async with started(settings_of(tmp_path), clock) as services, client(services, await make_key(services)) as http:
        opened = await power_struggle(http)
        _, result = await audit(http, mode="verify")

        def run(*arguments):
            return noces(*arguments, "--database", f"sqlite:///{tmp_path}/noces.db", cwd=tmp_path, organisation="acme")

        told = run("verify", "--strict", "--json")
        assert (told.returncode, told.stderr) == (0, "")
        assert json.loads(told.stdout)["result"]["state_hash"] == result["state_hash"]
        assert json.loads(run("replay", "--json").stdout)["result"]["state_hash"] == result["state_hash"]
        early = json.loads(run("replay", "--json", "--as-of", "2020-03-01T00:00:00Z").stdout)["result"]
        assert early["state_hash"] != result["state_hash"]
        (tmp_path / "policy.toml").write_text("delay_doubled = 3.0\n")
        what_if = run("replay", "--policy", "policy.toml")
        assert what_if.returncode == 0
        assert f"{opened}: recorded power_struggle since 2020-06-01" in what_if.stdout
        assert "nothing is otherwise" in run("replay", "--hindsight").stdout
        for wrong in (
            ("--strict",),
            ("--verify", "--hindsight"),
            ("--verify", "--as-of", "2020-01-01T00:00:00Z"),
            ("--known-at", "soon"),
        ):
            refused = run("replay", *wrong)
            assert refused.returncode == 1
            assert refused.stderr.strip().count("\n") == 0
        await services.store.alone(lambda database: database.execute("UPDATE partnerships SET stage = 'commitment'"))
        told = run("verify")
        assert told.returncode == 1
        assert "read_model" in told.stdout
    nowhere = noces("verify", "--database", f"sqlite:///{tmp_path}/none.db", cwd=tmp_path)
    assert nowhere.returncode == 1
    assert "no database" in nowhere.stderr
