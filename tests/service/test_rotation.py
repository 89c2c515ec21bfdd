"""A log's key is changed: the name stays, both keys sign once, old checkpoints hold with the old key."""

import shutil

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from service.errors import ServiceError
from service.proofs.note import NoteError, Verifier, opened, opened_by_any, read_checkpoint, read_verifier, sign
from service.settings import SettingsError
from tests.service.processes import noces
from tests.service.story import power_struggle
from tests.service.test_audits import audit, place_of, set_entry, tamper
from tests.service.world import client, every_event, get, make_key, open_partnership, problem, settings_of, started

PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(32))


async def log_of(http):
    return await get(http, "/v1/logs/acme")


async def checkpoint(http, **query):
    answer = await http.get("/v1/logs/acme/checkpoint", params=query)
    assert answer.status_code == 200, answer.text
    return answer.text


def signs(note, verifier):
    try:
        return opened(note, [read_verifier(verifier)]) != ""
    except NoteError:
        return False


def test_a_note_is_opened_by_any_key_that_has_signed_it_unless_one_is_named_wrongly():
    one, two, other = (Verifier("example.com/log", bytes([n]) * 32) for n in (1, 2, 3))
    real = Verifier("example.com/log", PRIVATE.public_key().public_bytes_raw())
    note = sign("text\n", (real, bytes(32)))
    assert opened_by_any(note, [one, real, two]) == "text\n"
    with pytest.raises(NoteError, match=r"No key of .* has signed"):
        opened_by_any(note, [one, two])
    with pytest.raises(NoteError, match="not one of this note"):
        opened_by_any(sign("text\n", (real, bytes(32)), (other, bytes(32))), [real, other])


async def test_a_log_goes_on_under_its_name_with_a_new_key_and_both_sign_once(http, services):
    await power_struggle(http)
    before, old_note = await log_of(http), await checkpoint(http)
    tree = await services.trees.rotate("acme")
    after = await log_of(http)
    assert (after["origin"], after["verifier"]) == (before["origin"], tree.verifier)
    assert after["verifiers"] == [before["verifier"], tree.verifier]
    added = [each["data"]["key"] for each in await every_event(http) if each["type"] == "log.key_added"]
    assert added == after["verifiers"]
    # The hand-over holds the event of the new key, and the old key has signed it.
    both = await checkpoint(http)
    assert read_checkpoint(opened(both, [read_verifier(each) for each in added])).size == after["size"]
    await open_partnership(http)
    newer = await checkpoint(http)
    assert (signs(newer, tree.verifier), signs(newer, before["verifier"])) == (True, False)
    assert await checkpoint(http, size=old_note.split("\n")[1]) == old_note
    assert signs(old_note, before["verifier"])


async def test_the_old_key_can_sign_no_more(http, services):
    await checkpoint(http)
    sql = "SELECT holder FROM secrets WHERE organisation = 'acme' AND holder LIKE 'log/%'"
    before = await services.query(sql)
    tree = await services.trees.rotate("acme")
    assert await services.query(sql) == [(f"log/{tree.verifier}",)]
    assert len(before) == 1


async def test_a_rotation_that_was_cut_short_is_handed_over_by_the_next_checkpoint(http, services, tmp_path):
    before = await log_of(http)
    await checkpoint(http)
    folder = tmp_path / "noces.checkpoints"
    moved = folder.rename(tmp_path / "elsewhere")
    folder.write_text("no folder")  # nothing can be kept, so nothing is signed
    with pytest.raises(OSError, match=r"noces\.checkpoints"):
        await services.trees.rotate("acme")
    folder.unlink()
    moved.rename(folder)
    after = await log_of(http)
    assert after["verifier"] != before["verifier"]
    note = await checkpoint(http)
    assert (signs(note, before["verifier"]), signs(note, after["verifier"])) == (True, True)


async def test_a_rotated_log_starts_again_and_verifies_with_checkpoints_of_either_key(tmp_path, clock):
    settings = settings_of(tmp_path)
    async with started(settings, clock) as services, client(services, await make_key(services)) as http:
        await power_struggle(http)
        old = await checkpoint(http)
        await services.trees.rotate("acme")
        kept = tmp_path / "noces.checkpoints" / "acme.checkpoint"
        newest = kept.read_text()
    for held in (newest, old):  # an older one kept: what only the old key has signed
        kept.write_text(held)
        async with started(settings, clock) as services, client(services, await make_key(services)) as http:
            assert (await audit(http, mode="verify"))[0] == []
    kept.write_text(newest)
    (tmp_path / "old.checkpoint").write_text(old)
    database = ("--database", f"sqlite:///{tmp_path}/noces.db", "--organisation", "acme")
    told = noces("verify", "--checkpoint", "old.checkpoint", *database, cwd=tmp_path)
    assert told.returncode == 0, told.stdout


async def test_a_copy_from_before_the_rotation_is_refused(tmp_path, clock):
    settings = settings_of(tmp_path)
    async with started(settings, clock) as services, client(services, await make_key(services)) as http:
        await checkpoint(http)
    shutil.copy(tmp_path / "noces.db", tmp_path / "yesterday.db")
    async with started(settings, clock) as services, client(services, await make_key(services)) as http:
        await services.trees.rotate("acme")
        await open_partnership(http)
        await checkpoint(http)
    shutil.copy(tmp_path / "yesterday.db", tmp_path / "noces.db")
    with pytest.raises(SettingsError, match=r"is not this log's.*No key of"):
        async with started(settings, clock):
            pass


async def test_a_log_that_does_not_hold_what_was_signed_gets_no_new_key(http, services):
    await checkpoint(http)
    await services.store.alone(
        lambda database: database.execute("UPDATE tree_tiles SET hashes = zeroblob(length(hashes))")
    )
    before = await log_of(http)
    with pytest.raises(ServiceError) as told:
        await services.trees.rotate("acme")
    assert told.value.code == "forked"
    assert await log_of(http) == before


async def test_a_key_that_somebody_wrote_over_is_none_and_its_entry_is_found(http, services):
    await checkpoint(http)
    position = await place_of(services, "log.key_added")
    await tamper(services, set_entry(position, b"{}"))
    assert (await log_of(http))["verifiers"] == [(await log_of(http))["verifier"]]
    findings, _ = await audit(http, mode="verify")
    assert position in {each["position"] for each in findings}


async def test_a_note_that_a_stranger_signed_under_the_same_name_is_found(http, services, tmp_path):
    note = await checkpoint(http)
    kept = tmp_path / "noces.checkpoints" / "acme.checkpoint"
    text = note.partition("\n\n")[0] + "\n"
    public = PRIVATE.public_key().public_bytes_raw()
    kept.write_text(sign(text, (Verifier("noces.example/acme", public), bytes(32))))
    findings, _ = await audit(http, mode="verify")
    assert [each["expected"] for each in findings] == ["a note that a key of the log has signed"]
    await open_partnership(http)
    problem(await http.get("/v1/logs/acme/checkpoint"), 409, "forked")


def test_the_command_line_rotates_with_the_server_stopped_and_refuses_beside_it(serve, tmp_path):
    server = serve()
    database = ("--database", f"sqlite:///{tmp_path}/noces.db", "--organisation", "acme")
    told = noces("log", "rotate-key", *database, cwd=tmp_path)
    assert (told.returncode, told.stdout) == (1, "")
    server.terminate()
    told = noces("log", "rotate-key", *database, cwd=tmp_path)
    assert told.returncode == 0, told.stderr
    assert "is signed by a new key: " in told.stdout
