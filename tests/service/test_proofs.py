"""Checkpoints, tiles and proofs, checked as an outsider would, from what is served and nothing else."""

import base64
import hashlib
import json
import shutil
from contextlib import asynccontextmanager

import httpx
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from structlog.testing import capture_logs

from events import merkle
from service.app import running
from service.errors import ServiceError
from service.operations.log import awaited_head
from service.proofs.note import Checkpoint, NoteError, Verifier, opened, read_checkpoint, read_verifier, sign
from service.settings import SettingsError
from tests.service.processes import noces
from tests.service.story import power_sharing, power_struggle
from tests.service.test_audits import audit, entry_at, place_of, set_entry, tamper
from tests.service.world import client, get, head, make_key, open_partnership, problem, say, settings_of, started, until

GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n\n"
    "\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
"""The example of the Go package that began signed notes."""


# --- notes -------------------------------------------------------------------------------------------------------------


def test_the_published_note_is_signed_by_its_key():
    text = opened(GO_NOTE, [read_verifier(GO_KEY)])
    assert text.startswith("If you think")
    for wrong in (
        GO_NOTE.replace("answer", "solution"),
        GO_NOTE.replace("x08go/Z", "x08go/A"),
        GO_NOTE[:-1],
        GO_NOTE.replace("\n\n", "\n"),
    ):
        with pytest.raises(NoteError):
            opened(wrong, [read_verifier(GO_KEY)])


def test_a_key_says_itself_again_and_is_checked():
    assert read_verifier(GO_KEY).text == GO_KEY
    for wrong in (
        "",
        "a",
        "a+b",
        GO_KEY[:-4],
        GO_KEY.replace("c74f20a3", "c74f20a4"),
        " " + GO_KEY,
        GO_KEY.replace("ARpc", "AhpC"),
    ):
        with pytest.raises(NoteError):
            read_verifier(wrong)


def test_what_is_signed_opens_with_its_own_key_alone():
    one, other = (Verifier("example.com/log", _public(bytes([n]) * 32)) for n in (1, 2))
    note = sign(Checkpoint("example.com/log", 3, bytes(32)).text, (one, b"\x01" * 32))
    assert read_checkpoint(opened(note, [one])) == Checkpoint("example.com/log", 3, bytes(32))
    with pytest.raises(NoteError):
        opened(note, [other])


def _public(private):
    return Ed25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a\n",
        "a\n1\n",
        "a\n01\nAAAA\n",
        "a\n-1\nAAAA\n",
        "\n1\n" + base64.b64encode(bytes(32)).decode() + "\n",
        "a\n1\n!\n",
    ],
)
def test_what_is_no_checkpoint_is_refused(text):
    with pytest.raises(NoteError):
        read_checkpoint(text)


# --- as an outsider ------------------------------------------------------------------------------------------------------


async def signed_head(http):
    """The checkpoint of the log, its signature checked with the key that was told."""
    log = await get(http, "/v1/logs/acme")
    answer = await http.get("/v1/logs/acme/checkpoint")
    assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, "text/plain")
    found = read_checkpoint(opened(answer.text, [read_verifier(log["verifier"])]))
    assert found.origin == log["origin"]
    return found, answer.text


async def tile(http, path):
    answer = await http.get(f"/v1/logs/acme/tile/{path}")
    assert answer.status_code == 200, answer.text
    return answer.content


async def bundle(http, path):
    raw, entries = await tile(http, path), []
    while raw:
        size = int.from_bytes(raw[:2], "big")
        entries.append(raw[2 : 2 + size])
        raw = raw[2 + size :]
    return entries


def rows(raw):
    return [raw[place : place + 32] for place in range(0, len(raw), 32)]


async def grown(http, services, count=300):
    opened_ = (await open_partnership(http))["id"]
    for start in range(0, count, 100):
        facts = [{"type": "incident.raised", "incident": f"i{start + n}", "priority": 3} for n in range(100)]
        assert (await http.post(f"/v1/partnerships/{opened_}/facts", json=facts)).status_code == 201
    return opened_


async def test_entries_and_tiles_lead_to_the_signed_root(http, services):
    await grown(http, services)
    found, _ = await signed_head(http)
    assert found.size == await head(services)
    rest = found.size - 256
    entries = [*await bundle(http, "entries/000"), *await bundle(http, f"entries/001.p/{rest}")]
    assert len(entries) == found.size
    stored = await services.query("SELECT entry FROM events WHERE organisation = 'acme' ORDER BY position")
    assert entries == [row[0] for row in stored]
    leaves = [merkle.leaf_hash(each) for each in entries]
    assert rows(await tile(http, "0/000")) == leaves[:256]
    assert rows(await tile(http, f"0/001.p/{rest}")) == leaves[256:]
    assert rows(await tile(http, "1/000.p/1")) == [merkle.subtree(leaves[:256])]
    tiles = {}
    merkle.grown(0, leaves, tiles)
    assert merkle.root(found.size, merkle.reader(lambda where: tiles.get(where, []))) == found.root
    for path in ("0/000", "entries/000"):
        full = await http.get(f"/v1/logs/acme/tile/{path}")
        # For whoever has the key: a cache that many share would hand the log's entries to those who have none.
        assert full.headers["cache-control"] == "private, max-age=31536000, immutable"
        assert full.headers["content-type"] == "application/octet-stream"
    for wrong in (
        "0/002",
        "0/001",
        f"0/001.p/{rest + 1}",
        "0/000.p/0",
        "0/000.p/256",
        "0/0",
        "64/000",
        "x/000",
        "entries/002",
        "0/000.p/",
        "0/x000/000/1",
        "0/x000/000.p/15",
        "entries/x000/000",
    ):
        problem(await http.get(f"/v1/logs/acme/tile/{wrong}"), 404, "not_found")


async def test_a_proof_of_an_event_is_checked_without_us(http, services):
    opened_ = await grown(http, services, 100)
    position = (await get(http, f"/v1/partnerships/{opened_}"))["position"]
    answer = await http.get(f"/v1/events/{position}/proof")
    first, index, *hashes, empty = [*answer.text.partition("\n\n")[0].split("\n"), ""]
    assert (first, index, empty) == ("c2sp.org/tlog-proof@v1", f"index {position - 1}", "")
    note = answer.text.partition("\n\n")[2]
    log = await get(http, "/v1/logs/acme")
    found = read_checkpoint(opened(note, [read_verifier(log["verifier"])]))
    leaf = merkle.leaf_hash(await entry_at(services, position))
    path = [base64.b64decode(each) for each in hashes]
    assert merkle.root_from_inclusion(leaf, position - 1, found.size, path) == found.root
    problem(await http.get("/v1/events/99999/proof"), 404, "not_found")


async def test_a_bound_key_proves_its_own_events_alone(http, keyed):
    mine, other = await power_struggle(http), await power_struggle(http)
    bound = await keyed(["read"], partnerships=(mine,))
    own = (await get(http, f"/v1/partnerships/{mine}"))["position"]
    theirs = (await get(http, f"/v1/partnerships/{other}"))["position"]
    assert (await bound.get(f"/v1/events/{own}/proof")).status_code == 200
    problem(await bound.get(f"/v1/events/{theirs}/proof"), 404, "not_found")


async def test_a_log_only_grows_and_says_so(http, services):
    await power_struggle(http)
    old, _ = await signed_head(http)
    await power_sharing(http)
    new, _ = await signed_head(http)
    told = await get(http, "/v1/logs/acme/consistency", **{"from": old.size, "to": new.size})
    proof = [base64.b64decode(each) for each in told["proof"]]
    merkle.check_consistency(old.size, new.size, old.root, new.root, proof)
    assert told["to_root"] == base64.b64encode(new.root).decode()
    with pytest.raises(ValueError, match="did not begin"):
        merkle.check_consistency(old.size, new.size, hashlib.sha256(b"x").digest(), new.root, proof)
    for wrong in ("from=5&to=3", "to=99999", "from=-1"):
        problem(await http.get(f"/v1/logs/acme/consistency?{wrong}"), 400, "bad_parameter")


async def test_the_key_of_a_log_is_made_once_and_is_in_the_log(http, services):
    first = await get(http, "/v1/logs/acme")
    assert await get(http, "/v1/logs/acme") | {"size": 0} == first | {"size": 0}
    added = [each for each in (await get(http, "/v1/events", limit=500))["items"] if each["type"] == "log.key_added"]
    assert [each["data"]["key"] for each in added] == [first["verifier"]]
    assert first["origin"] == "noces.example/acme"
    one, again = [(await http.get("/v1/logs/acme/checkpoint")).text for _ in range(2)]
    assert one == again


async def test_the_tree_grows_behind_the_writes(http, services):
    await http.get("/v1/logs/acme")
    await power_struggle(http)

    async def caught_up():
        ((size,),) = await services.query("SELECT size FROM trees WHERE organisation = 'acme'")
        return size == await head(services)

    await until(caught_up)


# --- what was kept outside -----------------------------------------------------------------------------------------------


def growing(answers):
    """A server whose tree takes in a long log while its head is asked for."""
    busy = {"code": "busy", "detail": "The tree has not yet taken in all that is recorded; try again."}
    left = iter(answers)
    return httpx.AsyncClient(
        base_url="http://noces.example",
        transport=httpx.MockTransport(lambda _: next(left, None) or httpx.Response(503, json=busy)),
    )


async def test_a_command_waits_for_a_tree_that_takes_in_a_long_log():
    busy = httpx.Response(503, json={"code": "busy", "detail": "wait"})
    async with growing([busy, busy, httpx.Response(200, text="the head")]) as server:
        assert await awaited_head(server, "/v1/logs/acme", pause=0) == "the head"


async def test_a_tree_that_never_catches_up_and_every_other_refusal_are_told():
    async with growing([]) as server:
        with pytest.raises(ServiceError, match="has not yet taken in") as refused:
            await awaited_head(server, "/v1/logs/acme", pause=0)
    assert refused.value.code == "busy"
    forked = httpx.Response(409, json={"code": "forked", "detail": "no"})
    async with growing([forked, httpx.Response(200, text="the head")]) as server:
        with pytest.raises(ServiceError, match="no") as refused:
            await awaited_head(server, "/v1/logs/acme", pause=0)
    assert refused.value.code == "forked"


async def test_a_restored_older_copy_is_refused_until_the_fork_is_declared(tmp_path, clock):
    settings = settings_of(tmp_path)
    async with started(settings, clock) as services:
        key = await make_key(services)
        async with client(services, key) as http:
            await power_struggle(http)
            await http.get("/v1/logs/acme/checkpoint")
    shutil.copy(tmp_path / "noces.db", tmp_path / "yesterday.db")
    async with started(settings, clock) as services, client(services, key) as http:
        await power_struggle(http)
        newest = (await http.get("/v1/logs/acme/checkpoint")).text
    shutil.copy(tmp_path / "yesterday.db", tmp_path / "noces.db")
    with pytest.raises(SettingsError, match=r"older than the newest checkpoint.*noces log fork"):
        async with started(settings, clock):
            pass
    # It can still be read and verified: the verification says what is missing.
    told = noces("verify", "--json", "--database", f"sqlite:///{tmp_path}/noces.db", cwd=tmp_path, organisation="acme")
    assert told.returncode == 1
    assert '"checkpoint"' in told.stdout
    arguments = ("--database", f"sqlite:///{tmp_path}/noces.db", "--organisation", "acme")
    forked = noces(
        "log",
        "fork",
        "--reason",
        "The disk died",
        "--json",
        *arguments,
        cwd=tmp_path,
        public_base_url="https://noces.example",
    )
    assert forked.returncode == 0, forked.stderr
    async with started(settings, clock) as services, client(services, key) as http:
        log = await get(http, "/v1/logs/acme")
        assert log["origin"] == json.loads(forked.stdout)["origin"]
        assert log["origin"].startswith("noces.example/acme/fork-")
        event = next(
            each for each in (await get(http, "/v1/events", limit=500))["items"] if each["type"] == "log.forked"
        )
        assert event["data"]["reason"] == "The disk died"
        found, _ = await signed_head(http)
        assert found.size == await head(services)
        assert (await audit(http, mode="verify"))[0] == []
    assert [each.read_text() for each in (tmp_path / "noces.checkpoints").glob("*.forked-*")] == [newest]


async def test_a_tree_that_was_exchanged_behind_a_signed_head_is_refused(tmp_path, clock):
    settings = settings_of(tmp_path)
    async with started(settings, clock) as services, client(services, await make_key(services)) as http:
        await power_struggle(http)
        await http.get("/v1/logs/acme/checkpoint")
        kept = (tmp_path / "noces.checkpoints" / "acme.checkpoint").read_text()
        assert kept == (await http.get("/v1/logs/acme/checkpoint")).text
        await services.store.alone(
            lambda database: database.execute("UPDATE tree_tiles SET hashes = zeroblob(length(hashes))")
        )
    with pytest.raises(SettingsError, match="not those that were signed"):
        async with started(settings, clock):
            pass


@asynccontextmanager
async def older_copy(folder, clock, **chosen):
    """A database restored from before the newest checkpoint was signed, and its key."""
    settings = settings_of(folder, **chosen)
    async with started(settings, clock) as services:
        key = await make_key(services)
        async with client(services, key) as http:
            await http.get("/v1/logs/acme/checkpoint")
    shutil.copy(folder / "noces.db", folder / "yesterday.db")
    async with started(settings, clock) as services, client(services, key) as http:
        await power_struggle(http)
        await http.get("/v1/logs/acme/checkpoint")
    shutil.copy(folder / "yesterday.db", folder / "noces.db")
    yield settings, key


async def test_a_fork_that_could_not_be_written_leaves_the_copy_refused(tmp_path, clock):
    async with older_copy(tmp_path, clock) as (settings, _):
        async with running(settings, clock, forking=True) as services:
            await services.store.alone(lambda database: database.execute("DROP TABLE secrets"))
            with pytest.raises(Exception, match="secrets"):
                await services.trees.fork("acme", "The disk died")
        with pytest.raises(SettingsError, match="older than the newest checkpoint"):
            async with started(settings, clock):
                pass


async def test_a_fork_cut_short_before_the_old_checkpoint_was_set_aside_is_finished_at_the_next_start(tmp_path, clock):
    async with older_copy(tmp_path, clock) as (settings, key):
        kept = (tmp_path / "noces.checkpoints" / "acme.checkpoint").read_text()
        async with running(settings, clock, forking=True) as services:
            await services.trees.fork("acme", "The disk died")
        (aside,) = (tmp_path / "noces.checkpoints").glob("*.forked-*")
        aside.rename(
            tmp_path / "noces.checkpoints" / "acme.checkpoint"
        )  # as it stands between the commit and the renaming
        async with started(settings, clock) as services, client(services, key) as http:
            found, _ = await signed_head(http)
            assert "/fork-" in found.origin
        assert aside.read_text() == kept
        # Another restored copy is refused as before: only that one checkpoint was superseded.
        shutil.copy(tmp_path / "yesterday.db", tmp_path / "noces.db")
        with pytest.raises(SettingsError, match="is not this log's"):
            async with started(settings, clock):
                pass


async def test_a_kept_checkpoint_that_is_lost_is_told_and_kept_again(tmp_path, clock):
    settings = settings_of(tmp_path)
    async with started(settings, clock) as services, client(services, await make_key(services)) as http:
        note = (await http.get("/v1/logs/acme/checkpoint")).text
    kept = tmp_path / "noces.checkpoints" / "acme.checkpoint"
    kept.unlink()
    with capture_logs() as told:
        async with started(settings, clock):
            assert kept.read_text() == note
    assert [each["event"] for each in told].count("kept_checkpoint_missing") == 1


async def test_a_copy_that_holds_what_was_signed_starts(tmp_path, clock):
    settings = settings_of(tmp_path)
    async with started(settings, clock) as services, client(services, await make_key(services)) as http:
        await http.get("/v1/logs/acme/checkpoint")
        await power_struggle(http)
    async with started(settings, clock) as services:
        assert await services.trees.fork_of("acme", await services.trees.tree("acme")) is None


# --- verification joins --------------------------------------------------------------------------------------------------


async def test_one_value_that_no_decision_reads_is_found_by_its_leaf(http, services, record_property):
    await power_struggle(http)
    await http.get("/v1/logs/acme/checkpoint")
    position = await place_of(services, "contract.signed")
    entry = msgspec.json.decode(await entry_at(services, position))
    entry["actor"] = "key_somebody_else"
    await tamper(services, set_entry(position, msgspec.json.Encoder(order="sorted").encode(entry)))
    findings, _ = await audit(http, mode="verify")
    assert ("leaf", position) in {(each["code"], each["position"]) for each in findings}
    assert min(each["position"] for each in findings) == position
    record_property("told", "tampering found in its place: a valid entry in the place of another (leaf)")


async def test_whoever_writes_the_leaves_anew_as_well_is_found_by_the_kept_checkpoint(
    http, services, tmp_path, record_property
):
    await power_struggle(http)
    await http.get("/v1/logs/acme/checkpoint")
    size = await head(services)
    position = await place_of(services, "contract.signed")
    entry = msgspec.json.decode(await entry_at(services, position))
    entry["actor"] = "key_somebody_else"
    await tamper(
        services, set_entry(position, msgspec.json.Encoder(order="sorted").encode(entry)),
        ("DELETE FROM tree_tiles", ()), ("DELETE FROM checkpoints", ()), ("UPDATE trees SET size = 0", ()),
    )  # fmt: skip
    await services.trees.grow("acme")
    findings, _ = await audit(http, mode="verify")
    assert [(each["code"], each["position"]) for each in findings] == [("checkpoint", size)]
    await say(http, (await open_partnership(http))["id"], "incident.raised", incident="i", priority=3)
    problem(await http.get("/v1/logs/acme/checkpoint"), 409, "forked")
    record_property("told", "tampering found in its place: the log written anew (checkpoint kept outside)")


async def test_rows_cut_off_are_found_against_a_held_checkpoint(http, services, record_property):
    await power_struggle(http)
    await http.get("/v1/logs/acme/checkpoint")
    end = await head(services)
    await tamper(
        services, ("DELETE FROM events WHERE organisation = 'acme' AND position >= ?", (end - 1,)),
        ("UPDATE heads SET position = ? WHERE organisation = 'acme'", (end - 2,)),
    )  # fmt: skip
    findings, _ = await audit(http, mode="verify")
    assert ("checkpoint", end - 1) in {(each["code"], each.get("position")) for each in findings}
    record_property("told", "tampering found in its place: the last rows cut, and the head (checkpoint)")
