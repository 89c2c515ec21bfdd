"""Stamps of time: a checkpoint is stamped by an authority, checked, kept, and checked again by openssl alone."""

import json

import pytest
from cryptography.x509 import load_pem_x509_certificates
from rfc3161_client import decode_timestamp_response

from service.errors import ServiceError
from service.operations.stamps import timestamp
from service.proofs.stamp import StampError, check_answer, request_for, stamped_at
from tests.service.authority import OPENSSL, Authority
from tests.service.processes import noces
from tests.service.test_audits import audit
from tests.service.test_witness import ONE, cosign
from tests.service.world import client, get, make_key, open_partnership, problem, settings_of, started

pytestmark = pytest.mark.skipif(OPENSSL is None, reason="openssl is not here: there is no authority to ask")

REPLY = {"Content-Type": "application/timestamp-reply"}
NOTE = "noces.example/acme\n3\nAAAA\n\n\u2014 noces.example/acme AAAA\n"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    with Authority(tmp_path_factory.mktemp("tsa") / "one").listening() as found:
        yield found


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    """Another authority, which knows no SHA-256."""
    return Authority(tmp_path_factory.mktemp("tsa") / "two", digests="sha512")


def roots(authority):
    return load_pem_x509_certificates(authority.root.read_bytes())


async def head(http):
    note = (await http.get("/v1/logs/acme/checkpoint")).text
    return note, int(note.split("\n")[1])


def stamp_of(authority, note):
    return authority.reply(request_for(note).as_bytes())


# --- replies -------------------------------------------------------------------------------------------------------------


def test_a_reply_is_checked_by_hash_nonce_and_root(authority, stranger):
    request = request_for(NOTE)
    reply = authority.reply(request.as_bytes())
    assert check_answer(reply, NOTE, request, []) == check_answer(reply, NOTE, request, roots(authority))
    assert stamped_at(reply, NOTE) == check_answer(reply, NOTE, request, [])
    with pytest.raises(StampError, match="over something else"):
        check_answer(reply, NOTE + "x", request, [])
    with pytest.raises(StampError, match="another request: the nonce"):
        check_answer(reply, NOTE, request_for(NOTE), [])
    with pytest.raises(StampError, match="does not hold against these roots"):
        check_answer(reply, NOTE, request, roots(stranger))


def test_certificates_may_come_in_any_order(tmp_path):
    authority = Authority(tmp_path / "chained", chained=True)
    request = request_for(NOTE)
    reply = authority.reply(request.as_bytes())
    with pytest.raises(ValueError, match="InvalidSetOrdering"):
        decode_timestamp_response(reply)
    assert check_answer(reply, NOTE, request, roots(authority)) == stamped_at(reply, NOTE)
    for cut in range(len(reply)):
        with pytest.raises(StampError, match="no answer of a time-stamping authority"):
            stamped_at(reply[:cut], NOTE)


def test_a_reply_that_was_changed_does_not_hold_against_the_root(authority):
    request = request_for(NOTE)
    reply = bytearray(authority.reply(request.as_bytes()))
    reply[-1] ^= 1  # in the signature
    with pytest.raises(StampError, match="does not hold"):
        check_answer(bytes(reply), NOTE, request, roots(authority))


def test_what_grants_nothing_is_no_stamp(stranger):
    request = request_for(NOTE)
    with pytest.raises(StampError, match=r"granted no stamp \(status 2"):
        check_answer(stranger.reply(request.as_bytes()), NOTE, request, [])
    for nothing in (b"", b"<html>", b"\x30\x03\x02\x01\x00"):
        with pytest.raises(StampError, match="no answer of a time-stamping authority"):
            stamped_at(nothing, NOTE)


# --- the whole way -------------------------------------------------------------------------------------------------------


async def test_a_checkpoint_is_stamped_and_openssl_says_so_from_the_files_alone(tmp_path, clock, authority):
    settings = settings_of(tmp_path)
    async with started(settings, clock) as services, client(services, await make_key(services)) as http:
        await open_partnership(http)
    told = await timestamp(settings, None, authority.url, roots(authority))
    async with started(settings, clock) as services, client(services, await make_key(services)) as http:
        (listed,) = (await get(http, "/v1/logs/acme/checkpoints"))["items"]
        assert listed == told
        assert listed["stamped_at"].endswith("Z")
        answer = await http.get(f"/v1/logs/acme/checkpoints/{told['size']}/timestamp")
        assert answer.headers["content-type"] == "application/timestamp-reply"
        alone = (await http.get(f"/v1/logs/acme/checkpoint?size={told['size']}&cosigned=false")).text
    (stamp,) = (tmp_path / "noces.checkpoints").glob("acme.*.tsr")
    (note,) = (tmp_path / "noces.checkpoints").glob("acme.*.stamped")
    assert (stamp.read_bytes(), note.read_text()) == (answer.content, alone)
    assert authority.verifies(note, stamp)
    note.write_text(alone.replace("\n", "\n\n", 1))
    assert not authority.verifies(note, stamp)


async def test_a_witness_that_comes_later_changes_no_stamp(tmp_path, clock, authority):
    async with started(settings_of(tmp_path, witnesses=ONE.verifier.text), clock) as services:
        async with client(services, await make_key(services)) as http:
            note, size = await head(http)
            await cosign(http, ONE.cosigned(note))
            path = f"/v1/logs/acme/checkpoints/{size}/timestamp"
            told = problem(
                await http.post(path, content=stamp_of(authority, ONE.cosigned(note)), headers=REPLY),
                422,
                "bad_timestamp",
            )
            assert "over something else" in told["detail"]
            answer = await http.post(path, content=stamp_of(authority, note), headers=REPLY)
            assert (answer.status_code, answer.json()["witnesses"]) == (200, [ONE.verifier.name])
            assert (await http.get(f"/v1/logs/acme/checkpoint?size={size}")).text == ONE.cosigned(note)
            assert (await http.get(f"/v1/logs/acme/checkpoint?size={size}&cosigned=false")).text == note
            problem(await http.get("/v1/logs/acme/checkpoint?cosigned=false"), 400, "bad_parameter")


async def test_the_first_stamp_stays_and_the_same_twice_changes_nothing(http, authority):
    note, size = await head(http)
    path = f"/v1/logs/acme/checkpoints/{size}/timestamp"
    problem(await http.get(path), 404, "not_found")
    first, second = stamp_of(authority, note), stamp_of(authority, note)
    answers = [await http.post(path, content=first, headers=REPLY) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    problem(await http.post(path, content=second, headers=REPLY), 409, "already_recorded")
    assert (await http.get(path)).content == first


async def test_what_is_no_stamp_of_a_signed_checkpoint_is_refused(http, authority):
    note, size = await head(http)
    path = f"/v1/logs/acme/checkpoints/{size}/timestamp"
    problem(await http.post(path, content=b"nothing", headers=REPLY), 422, "bad_timestamp")
    problem(await http.post(path, content=stamp_of(authority, "other"), headers=REPLY), 422, "bad_timestamp")
    problem(await http.post(path, content=stamp_of(authority, note)), 415, "unsupported_media_type")
    for missing in (size + 1, "x", "1" * 30):
        reply = await http.post(f"/v1/logs/acme/checkpoints/{missing}/timestamp", content=b"", headers=REPLY)
        problem(reply, 404, "not_found")
    assert (await get(http, "/v1/logs/acme/checkpoints"))["items"][0]["stamped_at"] is None


async def test_an_authority_that_does_not_do_its_work_leaves_nothing(tmp_path, clock, authority):
    settings = settings_of(tmp_path)
    async with started(settings, clock):
        pass
    usual, before = authority.change, stamp_of(authority, NOTE)
    try:
        for change, code in (
            (lambda _: b"", "unavailable"),
            (lambda _: b"<html>", "bad_timestamp"),
            (lambda _: before, "bad_timestamp"),
        ):
            authority.change = change
            with pytest.raises(ServiceError) as told:
                await timestamp(settings, None, authority.url, [])
            assert told.value.code == code
    finally:
        authority.change = usual
    for url in ("http://127.0.0.1:1/", "nowhere"):
        with pytest.raises(ServiceError, match="does not answer"):
            await timestamp(settings, None, url, [])
    assert not list((tmp_path / "noces.checkpoints").glob("*.tsr"))


def test_the_command_line_stamps_under_both_of_its_names(tmp_path, authority):
    database = ("--database", f"sqlite:///{tmp_path}/noces.db", "--organisation", "acme", "--json")
    told = noces("checkpoint", "--timestamp", authority.url, *database, cwd=tmp_path)
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout)["stamped_at"]
    told = noces("log", "timestamp", "--url", authority.url, "--ca", "noces.db", *database, cwd=tmp_path)
    assert (told.returncode, told.stdout) == (1, "")
    assert "holds no certificates" in told.stderr


# --- what was written over a stamp -----------------------------------------------------------------------------------------

EDITED = {
    "its time": ("UPDATE stamps SET stamped_at = stamped_at - 60000000", "one of 20"),
    "its reply": ("UPDATE stamps SET reply = x'3003020100'", "no answer of a time-stamping authority"),
    "its checkpoint": ("UPDATE stamps SET size = size + 1", "over something else"),
}


@pytest.mark.parametrize("what", EDITED)
async def test_a_stamp_that_was_edited_is_found_at_its_size(tmp_path, clock, authority, what, record_property):
    edit, told = EDITED[what]
    async with started(settings_of(tmp_path), clock) as services, client(services, await make_key(services)) as http:
        note, size = await head(http)
        path = f"/v1/logs/acme/checkpoints/{size}/timestamp"
        assert (await http.post(path, content=stamp_of(authority, note), headers=REPLY)).status_code == 200
        assert (await audit(http, mode="verify"))[0] == []
        await services.store.alone(lambda database: database.execute(edit))
        (found,), result = await audit(http, mode="verify")
    assert (found["code"], found["position"], result["ok"]) == ("stamp", size + (what == "its checkpoint"), False)
    assert told in found["found"]
    record_property("told", "tampering found in its place: a stamp of time edited (stamp)")
