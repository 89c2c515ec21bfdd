"""Witnesses: a cosignature of a signed checkpoint is kept for ever, and anything else is refused in one sentence."""

import base64

import pytest

from events.sqlite import SqliteStore
from events.store import Put
from service.api.paging import make_cursor
from service.projections.all import MIGRATIONS
from service.proofs.cosignature import read_cosignatures, read_witnesses
from service.proofs.note import COSIGNATURE, NoteError, opened, read_verifier, taken_apart
from service.proofs.signed import Signed, find_signed
from service.settings import SettingsError
from tests.service.processes import noces
from tests.service.story import power_struggle
from tests.service.test_audits import audit
from tests.service.test_proofs import older_copy
from tests.service.witnesses import SEEN, Witness
from tests.service.world import client, get, head, make_key, open_partnership, problem, settings_of, started

ONE, TWO, STRANGER = Witness("witness.example/w1"), Witness("witness.example/w2"), Witness("witness.example/w3")
KNOWN = f"{ONE.verifier.text}\n {TWO.verifier.text} "
PLAIN = {"Content-Type": "text/plain; charset=utf-8"}


@pytest.fixture
async def http(tmp_path, clock):
    async with started(settings_of(tmp_path, witnesses=KNOWN), clock) as services:
        async with client(services, await make_key(services)) as found:
            await power_struggle(found)
            yield found


async def checkpoint(http, **query):
    answer = await http.get("/v1/logs/acme/checkpoint", params=query)
    assert answer.status_code == 200, answer.text
    return answer.text


async def cosign(http, note):
    return await http.post("/v1/logs/acme/witness", content=note.encode(), headers=PLAIN)


def size_of(note):
    return int(note.split("\n")[1])


# --- lines ---------------------------------------------------------------------------------------------------------------


def test_a_line_is_read_as_the_specification_writes_it():
    text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    note = ONE.cosigned(f"{text}\n", time=1679315147)
    raw = base64.b64decode(note.splitlines()[-1].split(" ")[2])
    assert (len(raw), int.from_bytes(raw[4:12], "big")) == (4 + 8 + 64, 1679315147)
    found, signatures = taken_apart(note)
    (read,) = read_cosignatures(found, signatures, [TWO.verifier, ONE.verifier])
    assert (read.witness, read.time, found) == (ONE.verifier, 1679315147, text)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: {"of": text.replace("20852163", "20852164")},
        lambda _: {"time": 2**63},
    ],
)
def test_a_line_over_something_else_is_no_cosignature(change):
    text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    found, signatures = taken_apart(f"{text}\n" + ONE.line(f"{text}\n", **change(text)))
    with pytest.raises(NoteError, match="no cosignature of this checkpoint"):
        read_cosignatures(found, signatures, [ONE.verifier])


def test_witnesses_are_configured_by_their_verifier_keys_and_by_nothing_else():
    assert read_witnesses("") == ()
    assert read_witnesses(KNOWN) == (ONE.verifier, TWO.verifier)
    assert read_verifier(ONE.verifier.text, COSIGNATURE) == ONE.verifier
    signer = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    for wrong in (signer, "w1", ONE.verifier.text[:-4], ONE.verifier.text.replace("+", " + ")):
        with pytest.raises(SettingsError, match="NOCES_WITNESSES"):
            read_witnesses(wrong)


async def test_the_service_does_not_start_with_a_witness_that_is_none(tmp_path, clock):
    with pytest.raises(SettingsError, match="NOCES_WITNESSES"):
        async with started(settings_of(tmp_path, witnesses="nobody"), clock):
            pass


# --- taking --------------------------------------------------------------------------------------------------------------


async def test_a_cosigned_checkpoint_carries_its_witness_from_then_on(http, tmp_path):
    note = await checkpoint(http)
    answer = await cosign(http, ONE.cosigned(note))
    assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, "text/plain")
    assert answer.text == ONE.cosigned(note)
    await open_partnership(http)
    newer = await checkpoint(http)
    assert size_of(newer) > size_of(note)
    assert await checkpoint(http, size=size_of(note)) == ONE.cosigned(note)
    assert ONE.verifier.name not in newer
    listed = (await get(http, "/v1/logs/acme/checkpoints"))["items"]
    assert {each["size"]: each["witnesses"] for each in listed} == {
        size_of(note): [ONE.verifier.name],
        size_of(newer): [],
    }
    (kept,) = (tmp_path / "noces.checkpoints").glob(f"acme.{size_of(note)}-*.witnessed")
    assert kept.read_text() == ONE.cosigned(note)


async def test_the_newest_checkpoint_and_the_proofs_over_it_carry_the_witness_too(http):
    note = await checkpoint(http)
    await cosign(http, ONE.cosigned(note))
    assert await checkpoint(http) == ONE.cosigned(note)
    proof = (await http.get(f"/v1/events/{size_of(note)}/proof")).text
    assert proof.endswith(ONE.cosigned(note))
    log = await get(http, "/v1/logs/acme")
    assert opened(ONE.cosigned(note), [read_verifier(log["verifier"])])


async def test_two_witnesses_stand_beside_each_other_in_whatever_order_they_came(http):
    note = await checkpoint(http)
    await cosign(http, TWO.cosigned(note))
    both = (await cosign(http, ONE.cosigned(note))).text
    assert both == note + ONE.line(note) + TWO.line(note)
    assert await checkpoint(http) == both


async def test_the_same_twice_changes_nothing_and_neither_does_a_later_one_of_the_same_witness(http, tmp_path):
    note = await checkpoint(http)
    first = (await cosign(http, ONE.cosigned(note))).text
    for again in (ONE.cosigned(note), ONE.cosigned(note, time=SEEN + 60), first):
        assert (await cosign(http, again)).text == first
    assert await checkpoint(http) == first
    assert len(list((tmp_path / "noces.checkpoints").glob("*.witnessed"))) == 1


async def test_lines_of_others_beside_a_known_one_are_left_out(http):
    note = await checkpoint(http)
    answer = await cosign(http, note + STRANGER.line(note) + ONE.line(note))
    assert answer.text == ONE.cosigned(note)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (STRANGER.cosigned, "No line is a cosignature of a witness that NOCES_WITNESSES names"),
        (lambda note: note, "No line is a cosignature of a witness"),
        (lambda note: note + ONE.line(note, of="another\n1\n"), "witness.example/w1 is no cosignature of this checkpoint"),
        (lambda note: ONE.cosigned(note).replace(f"\n{size_of(note)}\n", f"\n{size_of(note) - 1}\n"), "no cosignature"),
        (lambda note: ONE.cosigned(note.replace(f"\n{size_of(note)}\n", "\n1\n")), "has not signed this checkpoint of 1 "),
        (lambda note: ONE.cosigned(note.replace("noces.example/acme\n", "noces.example/other\n")), "has not signed"),
        (lambda _: "hello", "This is no signed note"),
        (lambda note: f"hello\n\n{ONE.line(note)}", "A checkpoint has an origin"),
        (lambda note: f"{note}\u2014 {ONE.verifier.name} AAAA\n", "A line of signature is"),
    ],
)  # fmt: skip
async def test_what_is_no_known_witness_of_this_log_is_refused_in_one_sentence(http, tmp_path, made, said):
    note = await checkpoint(http)
    told = problem(await cosign(http, made(note)), 422, "bad_cosignature")["detail"]
    assert said in told
    assert await checkpoint(http) == note
    assert not list((tmp_path / "noces.checkpoints").glob("*.witnessed"))


async def test_only_text_is_taken(http):
    note = ONE.cosigned(await checkpoint(http)).encode()
    wrong = {"Content-Type": "application/json"}
    problem(await http.post("/v1/logs/acme/witness", content=note, headers=wrong), 415, "unsupported_media_type")
    problem(await http.post("/v1/logs/acme/witness", content=b"\xff", headers=PLAIN), 400, "bad_text")


async def test_a_size_that_was_never_signed_is_not_found(http):
    note = await checkpoint(http)
    for size in (0, size_of(note) - 1, size_of(note) + 1):
        problem(await http.get("/v1/logs/acme/checkpoint", params={"size": size}), 404, "not_found")
    problem(await http.get("/v1/logs/acme/checkpoint?size=all"), 400, "bad_parameter")


async def test_a_log_that_nobody_has_asked_for_yet_has_no_checkpoint_of_any_size(services, keyed):
    http = await keyed(["audit"])
    before = await head(services)
    problem(await http.get("/v1/logs/acme/checkpoint?size=3"), 404, "not_found")
    assert await head(services) == before


async def test_the_checkpoints_are_listed_page_by_page(http):
    sizes = []
    for _ in range(3):
        sizes.append(size_of(await checkpoint(http)))
        await open_partnership(http)
    first = await get(http, "/v1/logs/acme/checkpoints", limit=2)
    for other in ("x", "-2", "1" * 17, "1\n"):
        cursor = make_cursor(other)
        problem(await http.get("/v1/logs/acme/checkpoints", params={"cursor": cursor}), 400, "bad_parameter")
    second = await get(http, "/v1/logs/acme/checkpoints", limit=2, cursor=first["next"])
    assert [each["size"] for each in (*first["items"], *second["items"])] == sizes
    assert second["next"] is None


async def test_what_was_signed_before_there_were_witnesses_is_still_there(tmp_path, clock):
    path = tmp_path / "old.db"
    before = [each for each in MIGRATIONS if each.number < 121]
    place = {"organisation": "acme", "size": 3}
    store = await SqliteStore.open(path, migrations=before, clock=clock)
    await store.write([
        Put("trees", {"organisation": "acme"}, {"origin": "noces.example/acme", "verifier": "v", "size": 3}),
        Put("checkpoints", place, {"note": "a note"}),
    ])  # fmt: skip
    await store.close()
    store = await SqliteStore.open(path, migrations=MIGRATIONS, clock=clock)
    assert await find_signed(store.query, "acme", "noces.example/acme", 3) == Signed("noces.example/acme", 3, "a note")
    await store.close()


# --- what stays ----------------------------------------------------------------------------------------------------------


async def test_what_was_witnessed_stays_over_a_restart_and_over_a_fork(tmp_path, clock):
    async with older_copy(tmp_path, clock, witnesses=KNOWN) as (settings, key):
        kept = tmp_path / "noces.checkpoints" / "acme.checkpoint"
        lost = kept.read_text()
        arguments = ("--database", f"sqlite:///{tmp_path}/noces.db", "--organisation", "acme", "--reason", "It died")
        assert noces("log", "fork", *arguments, cwd=tmp_path).returncode == 0
        async with started(settings, clock) as services, client(services, key) as http:
            # What only the database that was lost had signed is no checkpoint of this log any more.
            problem(await cosign(http, ONE.cosigned(lost)), 422, "bad_cosignature")
            note = await checkpoint(http)
            await cosign(http, ONE.cosigned(note))
        async with started(settings, clock) as services, client(services, key) as http:
            assert await checkpoint(http, size=size_of(note)) == ONE.cosigned(note)
            before = await services.query("SELECT origin FROM checkpoints WHERE organisation = 'acme' ORDER BY size")
    assert len({origin for (origin,) in before}) == 2


def test_the_command_line_takes_a_file_beside_a_running_server_and_without_one(serve, tmp_path):
    server = serve(witnesses=KNOWN)
    database = ("--database", f"sqlite:///{tmp_path}/noces.db", "--organisation", "acme")
    with server.client() as http:
        note = http.get("/v1/logs/acme/checkpoint").text
    (tmp_path / "one.txt").write_text(ONE.cosigned(note))
    told = noces("log", "witness", "one.txt", *database, cwd=tmp_path)
    assert (told.returncode, told.stdout) == (0, ONE.cosigned(note)), told.stderr
    server.terminate()
    told = noces("log", "witness", "one.txt", *database, cwd=tmp_path)
    assert (told.returncode, told.stdout) == (1, "")
    assert "No line is a cosignature of a witness that NOCES_WITNESSES names." in told.stderr


# --- what was written over a cosignature -----------------------------------------------------------------------------------

EDITED = {
    "over another size": (lambda note: ONE.line(note.replace(f"\n{size_of(note)}\n", "\n1\n")), "no cosignature"),
    "another's": (TWO.line, "a line of somebody else"),
    "no line": (lambda _: "nobody\n", "signature"),
}


@pytest.mark.parametrize("what", EDITED)
async def test_a_cosignature_that_was_edited_is_found_at_its_size(tmp_path, clock, what, record_property):
    line, told = EDITED[what]
    async with started(settings_of(tmp_path, witnesses=KNOWN), clock) as services:
        async with client(services, await make_key(services)) as http:
            await power_struggle(http)
            note = await checkpoint(http)
            await cosign(http, ONE.cosigned(note))
            assert (await audit(http, mode="verify"))[0] == []
            edit = "UPDATE cosignatures SET line = ?"
            await services.store.alone(lambda database: database.execute(edit, (line(note),)))
            (found,), result = await audit(http, mode="verify")
    assert (found["code"], found["position"], result["ok"]) == ("witness", size_of(note), False)
    assert found["expected"] == f"a cosignature of witness.example/w1 over {size_of(note)} entries"
    assert told in found["found"]
    record_property("told", "tampering found in its place: a witness's line edited (witness)")
