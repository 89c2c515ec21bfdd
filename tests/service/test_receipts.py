"""Receipts: a stage that was entered carries its own proof, whoever asks first; a tree that is behind says so."""

import asyncio
import base64
import threading
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from events import merkle
from service.proofs.note import opened, read_checkpoint, read_verifier
from tests.service.story import PEACE, TERMS, honeymoon, power_struggle
from tests.service.test_audits import entry_at
from tests.service.world import get, head, problem, say_all

MEASURED = {"type": "promise.measured", "occurred_at": "2020-06-01T00:00:00Z", "promise": "p1", "actual": 66}
ASKED = {"trigger": "share_power", "occurred_at": "2020-09-01T00:00:00Z"}


async def holds(http, services, event):
    """Whether a receipt proves an event, as somebody finds it who has the verifier key and the entry."""
    first, index, *hashes = event["receipt"].partition("\n\n")[0].split("\n")
    note = event["receipt"].partition("\n\n")[2]
    log = await get(http, "/v1/logs/acme")
    signed = read_checkpoint(opened(note, [read_verifier(log["verifier"])]))
    leaf = merkle.leaf_hash(await entry_at(services, event["position"]))
    path = [base64.b64decode(each) for each in hashes]
    told = (first, index) == ("c2sp.org/tlog-proof@v1", f"index {event['position'] - 1}")
    return told and merkle.root_from_inclusion(leaf, event["position"] - 1, signed.size, path) == signed.root


@asynccontextmanager
async def held_writer(services):
    """A database that somebody else writes for as long as this lasts."""
    done, began = threading.Event(), threading.Event()

    def hold(_):
        began.set()
        done.wait(60)

    holding = asyncio.create_task(services.store.alone(hold))
    await asyncio.to_thread(began.wait, 60)
    try:
        yield
    finally:
        done.set()
        await holding


# --- receipts ------------------------------------------------------------------------------------------------------------


async def test_a_stage_that_a_fact_brings_carries_its_receipt(http, services):
    opened_ = await honeymoon(http)
    answer = await http.post(f"/v1/partnerships/{opened_}/facts?receipt=true", json=MEASURED)
    fact, entered = answer.json()["events"]
    assert (answer.status_code, entered["type"]) == (201, "stage.entered")
    assert await holds(http, services, entered)
    assert "receipt" not in fact
    assert (await http.get(f"/v1/events/{entered['position']}/proof")).text == entered["receipt"]


async def test_a_transition_that_was_asked_for_carries_its_receipt(http, services):
    opened_ = await power_struggle(http)
    await say_all(http, opened_, "2020-08-10", [*PEACE, *TERMS])
    answer = await http.post(f"/v1/partnerships/{opened_}/transitions?receipt=true", json=ASKED)
    (entered,) = answer.json()["events"]
    assert (answer.status_code, entered["type"]) == (201, "stage.entered")
    assert await holds(http, services, entered)


async def test_a_forced_stage_carries_its_receipt_when_it_is_approved_and_not_before(http, keyed, services):
    opened_ = await power_struggle(http)
    body = {"force": {"to": "power_sharing", "reason": "Agreed in the room"}}
    path = f"/v1/partnerships/{opened_}/transitions"
    before = await head(services)
    told = problem(await http.post(f"{path}?receipt=true", json=body), 400, "bad_parameter")
    assert "when it is approved" in told["detail"]
    assert await head(services) == before
    override = (await http.post(path, json=body)).json()["id"]
    answer = await (await keyed()).post(f"/v1/overrides/{override}/approve?receipt=true")
    entered = answer.json()["events"][-1]
    assert (answer.status_code, entered["type"]) == (201, "stage.entered")
    assert await holds(http, services, entered)


async def test_without_being_asked_for_there_is_none_and_nothing_is_signed(http, services):
    opened_ = await honeymoon(http)
    for query in ("", "?receipt=false"):
        fact = {**MEASURED, "actual": 60 + len(query)}
        answer = await http.post(f"/v1/partnerships/{opened_}/facts{query}", json=fact)
        assert answer.status_code == 201
        assert "receipt" not in answer.text
    assert await services.query("SELECT * FROM trees") == []


async def test_facts_that_move_no_stage_are_answered_as_ever(http, services):
    opened_ = await honeymoon(http)
    fact = {"type": "incident.raised", "incident": "i", "priority": 3}
    answer = await http.post(f"/v1/partnerships/{opened_}/facts?receipt=true", json=fact)
    assert (answer.status_code, "receipt" in answer.text) == (201, False)
    assert await services.query("SELECT * FROM trees") == []


async def test_a_wish_that_is_none_is_refused_before_anything_is_written(http, services):
    opened_ = await honeymoon(http)
    before = await head(services)
    problem(await http.post(f"/v1/partnerships/{opened_}/facts?receipt=perhaps", json=MEASURED), 400, "bad_parameter")
    problem(await http.post("/v1/facts?receipt=true", json={**MEASURED, "partnership": opened_}), 400, "bad_parameter")
    assert await head(services) == before


async def test_the_same_request_again_is_answered_with_a_receipt_again(http, services):
    opened_ = await honeymoon(http)
    path, key = f"/v1/partnerships/{opened_}/facts?receipt=true", {"Idempotency-Key": "k"}
    first = (await http.post(path, json=MEASURED, headers=key)).json()
    await power_struggle(http)
    again = await http.post(path, json=MEASURED, headers=key)
    assert again.headers["idempotency-replayed"] == "true"
    entered = again.json()["events"][-1]
    assert entered["position"] == first["events"][-1]["position"]
    assert await holds(http, services, entered)


async def test_a_bound_key_gets_the_receipt_of_its_own_stage(http, keyed, services):
    opened_ = await honeymoon(http)
    bound = await keyed(["write"], partnerships=(opened_,))
    entered = (await bound.post(f"/v1/partnerships/{opened_}/facts?receipt=true", json=MEASURED)).json()["events"][-1]
    assert await holds(http, services, entered)


async def test_what_is_recorded_stays_recorded_where_no_receipt_can_be_made(http, services):
    opened_ = await honeymoon(http)
    await http.get("/v1/logs/acme/checkpoint")
    await services.store.alone(
        lambda database: database.execute("UPDATE tree_tiles SET hashes = zeroblob(length(hashes))")
    )
    with capture_logs() as told:
        answer = await http.post(f"/v1/partnerships/{opened_}/facts?receipt=true", json=MEASURED)
    assert (answer.status_code, answer.json()["events"][-1]["receipt"]) == (201, None)
    assert [each["reason"] for each in told if each["event"] == "receipt_missing"] == ["forked"]


# --- a tree that is behind -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/v1/events/{position}/proof", "/v1/logs/acme/checkpoint", "/v1/logs/acme/consistency"]
)
async def test_who_asks_above_a_tree_that_cannot_grow_is_told_when_to_come_again(http, services, path):
    await http.get("/v1/logs/acme")
    position = await head(services)
    asked = path.format(position=position)
    async with held_writer(services):
        answer = await http.get(asked)
    problem(answer, 503, "busy")
    assert int(answer.headers["retry-after"]) > 0
    assert (await http.get(asked)).status_code == 200
