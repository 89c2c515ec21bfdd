"""An exported log restored: byte for byte, with all that follows from it, once, or refused at the exact line."""

import asyncio
import json
import shutil

import pytest

from events.sqlite import SqliteStore
from service.errors import ServiceError
from service.operations.export import Wanted, export
from service.operations.keys_file import export_keys
from service.operations.log import restore_file
from service.projections.all import MIGRATIONS, project
from service.proofs.note import read_checkpoint
from service.rebuilding import rebuild
from service.restoring import restore_log
from service.settings import SettingsError
from tests.service.processes import noces
from tests.service.story import honeymoon, power_sharing
from tests.service.world import Time, ask, client, get, make_key, open_partnership, say, settings_of, started

pytestmark = pytest.mark.xdist_group("restore")  # one worker makes what all of them look at
TABLES = ("claims", "due", "partnerships", "links", "keys", "sources", "heads")


async def rows(query, table):
    return sorted(await query(f"SELECT * FROM {table}"), key=repr)


async def told(folder):
    """A log with people, links, a separation, a key and silence in it, exported with its keys."""
    settings, clock = settings_of(folder), Time()
    async with started(settings, clock) as services:
        key = await make_key(services)
        async with client(services, key) as http:
            opened = await power_sharing(http, links=[{"system": "hubspot", "kind": "company", "external_id": "1"}])
            await say(http, opened, "contact.designated", side="client", person="Agnès Martin", role="CIO")
            await say(http, opened, "cadence.agreed", "2020-02-01", level="tactical", every_days=30)
            over = await honeymoon(http, client="Gone", partner="Gone")
            assert (await ask(http, over, "separate", "2021-01-03", side="client", reason="cost")).status_code == 201
            for step in ("data_returned", "access_revoked", "invoices_settled", "knowledge_transferred"):
                await say(http, over, "handover.completed", "2021-01-04", step=step)
            assert (await ask(http, over, "complete_separation", "2021-01-05")).status_code == 201
            clock.pass_by(hours=1)
            while await services.time.look():
                pass
            history = await get(http, f"/v1/partnerships/{opened}/history")
        note = await services.trees.checkpoint("acme")
        kept = {table: await rows(services.query, table) for table in TABLES}
        entries = await services.query("SELECT * FROM events ORDER BY position")
    with (folder / "screen").open("wb") as screen:
        await export(settings, Wanted(organisation="acme", out=folder / "log.ndjson"), screen)
    await export_keys(settings, "acme", folder / "log.keys")
    return {
        "folder": folder, "opened": opened, "history": history, "note": note, "kept": kept, "entries": entries, "key": key,
        "lines": (folder / "log.ndjson").read_bytes().splitlines(keepends=True), "settings": settings,
    }  # fmt: skip


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    return asyncio.run(told(tmp_path_factory.mktemp("log")))


@pytest.fixture
def elsewhere(tmp_path, log):
    """Another machine, which has the master key and nothing else."""
    shutil.copy(log["folder"] / "master.key", tmp_path / "master.key")
    return settings_of(tmp_path)


def written(path, lines):
    path.write_bytes(b"".join(lines))
    return path


async def test_a_restored_log_is_the_same_to_the_last_byte_and_claim(log, elsewhere, clock):
    answer = await restore_file(elsewhere, log["folder"] / "log.ndjson", None, log["folder"] / "log.keys")
    count = len(log["lines"])
    assert (answer["restored"], answer["repeated"], answer["position"]) == (count, 0, count)
    assert answer["root"] in log["note"]
    clock.pass_by(hours=1)
    async with started(elsewhere, clock) as services, client(services, log["key"]) as http:
        assert await services.query("SELECT * FROM events ORDER BY position") == log["entries"]
        assert (await rebuild(services))["equal"]
        assert {table: await rows(services.query, table) for table in TABLES} == log["kept"]
        assert await services.trees.checkpoint("acme") == log["note"]
        assert await get(http, f"/v1/partnerships/{log['opened']}/history") == log["history"]
        events = await get(http, f"/v1/partnerships/{log['opened']}/events?limit=500")
        assert "Agnès Martin" in json.dumps(events, ensure_ascii=False)
        # What was taken is taken, what was freed is free.
        pair = next(each for each in log["kept"]["partnerships"] if each[1] == log["opened"])
        same = {"client": pair[2], "partner": pair[3]}
        assert (await http.post("/v1/partnerships", json=same)).status_code == 409
        link = [{"system": "hubspot", "kind": "company", "external_id": "1"}]
        taken = await http.post("/v1/partnerships", json={"client": "New", "partner": "New", "links": link})
        assert (taken.status_code, taken.json()["code"]) == (409, "link_taken")
        assert (await open_partnership(http, client="Gone", partner="Gone"))["stage"] == "honeymoon"


async def test_the_same_file_twice_changes_nothing(log, elsewhere):
    file = log["folder"] / "log.ndjson"
    for repeated in (0, len(log["lines"])):
        answer = await restore_file(elsewhere, file, None, log["folder"] / "log.keys")
        assert (answer["repeated"], answer["position"]) == (repeated, len(log["lines"]))
        assert answer["root"] in log["note"]


async def test_a_restore_that_was_cut_goes_on_with_the_whole_file_or_with_the_rest(log, elsewhere, tmp_path):
    lines = log["lines"]
    await restore_file(elsewhere, written(tmp_path / "begun", lines[:10]), None, None)
    answer = await restore_file(elsewhere, written(tmp_path / "middle", lines[10:12]), None, None)
    assert (answer["restored"], answer["position"]) == (2, 12)
    answer = await restore_file(elsewhere, log["folder"] / "log.ndjson", None, None)
    assert (answer["restored"], answer["repeated"]) == (len(lines) - 12, 12)
    assert answer["root"] in log["note"]


@pytest.mark.parametrize("batch", [1, 7, 10_000])
async def test_blocks_of_any_size_come_to_the_same(log, tmp_path, clock, batch):
    store = await SqliteStore.open(tmp_path / "log.db", migrations=MIGRATIONS, clock=clock, projections=(project,))
    try:
        answer = await restore_log(store, "acme", log["lines"], lambda _: None, batch)
        assert (answer["restored"], answer["position"]) == (len(log["lines"]), len(log["lines"]))
        assert answer["root"] in log["note"]
        assert await store.query("SELECT * FROM events ORDER BY position") == log["entries"]
        assert await rows(store.query, "claims") == log["kept"]["claims"]
    finally:
        await store.close()


async def test_a_wrong_line_leaves_the_blocks_before_it_and_says_where_they_end(log, tmp_path, clock):
    store = await SqliteStore.open(tmp_path / "log.db", migrations=MIGRATIONS, clock=clock, projections=(project,))
    try:
        wrong = changed(log["lines"], 12, b'"version":', b'"version":9')
        with pytest.raises(ServiceError, match="The log is restored up to position 10") as refused:
            await restore_log(store, "acme", wrong, lambda _: None, 5)
        assert refused.value.detail.startswith("Line 12: version")
        assert await store.query("SELECT max(position), count(*) FROM events") == [(10, 10)]
        first, third = (json.loads(log["lines"][at])["id"].encode() for at in (2, 7))
        with pytest.raises(ServiceError, match="An event id stands twice between 6 and 10"):
            await restore_log(store, "other", changed(log["lines"], 8, third, first), lambda _: None, 5)
        found = await store.query("SELECT max(position) FROM events WHERE organisation = 'other'")
        assert found == [(5,)]
    finally:
        await store.close()


async def test_without_its_keys_a_log_has_no_names_and_a_signer_of_its_own(log, elsewhere, clock):
    await restore_file(elsewhere, log["folder"] / "log.ndjson", None, None)
    clock.pass_by(hours=1)
    async with started(elsewhere, clock) as services, client(services, await make_key(services)) as http:
        events = await get(http, f"/v1/partnerships/{log['opened']}/events?limit=500")
        assert "Agnès Martin" not in json.dumps(events, ensure_ascii=False)
        assert await get(http, f"/v1/partnerships/{log['opened']}/history") == log["history"]
        note = await services.trees.checkpoint("acme")
    assert read_checkpoint(note.rpartition("\n\n")[0] + "\n").size > len(log["lines"])
    assert note.splitlines()[-1] != log["note"].splitlines()[-1]


def changed(lines, number, old, new):
    assert old in lines[number - 1]
    return [*lines[: number - 1], lines[number - 1].replace(old, new, 1), *lines[number:]]


WRONG = {
    "another entry": (lambda lines: changed(lines, 7, b'"actor":"key_', b'"actor":"kex_'), None),
    "a gap": (lambda lines: [*lines[:6], *lines[7:]], "Line 7: position: expected 7, found 8."),
    "two lines swapped": (lambda lines: [*lines[:5], lines[6], lines[5], *lines[7:]], "Line 6: position: expected 6, found 7."),
    "a stream's gap": (lambda lines: changed(lines, 7, b'"version":', b'"version":9'), "Line 7: version: expected partnership-"),
    "a blank": (lambda lines: changed(lines, 7, b',"data"', b', "data"'), "Line 7: canonical: expected canonical JSON"),
    "an unknown type": (lambda lines: changed(lines, 7, b'"type":"contract.signed"', b'"type":"contract.sighed"'), "Line 7 holds no entry"),
    "an unknown field": (lambda lines: changed(lines, 7, b'"data":{', b'"data":{"aaa":1,'), "Line 7 holds no entry"),
    "a number written otherwise": (lambda lines: changed(lines, 5, b'"promised":30', b'"promised":30.0'), "Line 5: canonical"),
    "an earlier time": (lambda lines: changed(lines, 7, b'"recorded_at":"2026', b'"recorded_at":"2025'), "Line 7: recorded_at: expected at least"),
    "an empty line": (lambda lines: [*lines[:6], b"\n", *lines[6:]], "Line 7 is no line of an exported log"),
    "a fact": (lambda lines: [*lines[:6], b'{"type":"meeting.held"}\n'], "Line 7 is no line of an exported log"),
    "a long line": (lambda lines: changed(lines, 7, b'"contract":"', b'"contract":"' + b"A" * 70_000), "Line 7 is no line of an exported log"),
    "a cut line": (lambda lines: [*lines[:6], lines[6][:-20]], "Line 7 holds no entry"),
    "a NUL": (lambda lines: changed(lines, 7, b'"actor":"', b'"actor":"\\u0000'), "Line 7: canonical"),
    "no bytes of UTF-8": (lambda lines: changed(lines, 7, b'"actor":"', b'"actor":"\xff'), "Line 7 holds no entry"),
}  # fmt: skip


@pytest.mark.parametrize("wrong", [each for each in WRONG if WRONG[each][1]])
async def test_a_wrong_line_is_named_and_nothing_of_its_batch_is_written(log, elsewhere, tmp_path, wrong):
    change, why = WRONG[wrong]
    with pytest.raises(ServiceError) as refused:
        await restore_file(elsewhere, written(tmp_path / "wrong", change(log["lines"])), None, None)
    assert refused.value.detail.startswith(why), refused.value.detail
    answer = await restore_file(elsewhere, log["folder"] / "log.ndjson", None, None)
    assert (answer["restored"], answer["repeated"]) == (len(log["lines"]), 0)


async def test_an_id_that_stands_twice_is_refused(log, elsewhere, tmp_path):
    first = json.loads(log["lines"][5])["id"].encode()
    other = json.loads(log["lines"][6])["id"].encode()
    with pytest.raises(ServiceError, match="An event id stands twice"):
        await restore_file(elsewhere, written(tmp_path / "twice", changed(log["lines"], 7, other, first)), None, None)


@pytest.mark.parametrize(
    ("begin", "why"), [(1, "holds another entry"), (12, "Line 1 is position 13; the log ends at 6: begin with 7.")]
)
async def test_a_log_is_not_put_over_another(log, elsewhere, tmp_path, begin, why):
    other = changed(log["lines"][:6], 4, b'"actor":"', b'"actor":"x')
    await restore_file(elsewhere, written(tmp_path / "other", other), None, None)
    with pytest.raises(ServiceError, match=why):
        await restore_file(elsewhere, written(tmp_path / "mine", log["lines"][begin if begin > 1 else 0 :]), None, None)
    async with started(elsewhere, Time()) as services:
        assert (await services.store.head("acme")).position == 6


async def test_keys_of_another_master_or_organisation_or_file_are_refused(log, elsewhere, tmp_path):
    file, keys = log["folder"] / "log.ndjson", (log["folder"] / "log.keys").read_text()
    for text, error, why in (
        (keys.replace('"acme"', '"other"'), ServiceError, "holds the keys of 'other'"),
        (keys.replace('"vault"', '"heads"', 1), ServiceError, "holds a row of 'heads'"),
        (keys.replace('"wrapped"', '"wrapped) --"', 1), ServiceError, "no column"),
        ("", ServiceError, "is no file of keys"),
        ("[]\n", ServiceError, "is no file of keys"),
    ):
        (tmp_path / "wrong.keys").write_text(text)
        with pytest.raises(error, match=why):
            await restore_file(elsewhere, file, None, tmp_path / "wrong.keys")
    (tmp_path / "master.key").unlink()
    with pytest.raises(SettingsError):
        await restore_file(elsewhere, file, None, log["folder"] / "log.keys")


async def test_keys_are_not_put_over_an_organisation_that_has_its_own(log, tmp_path):
    settings = settings_of(tmp_path)
    async with started(settings, Time()):
        pass
    with pytest.raises(SettingsError, match="has keys of its own here already"):
        await restore_file(settings, log["folder"] / "log.ndjson", None, log["folder"] / "log.keys")


async def test_the_command_line_exports_and_restores_and_says_why_not(log, elsewhere, tmp_path):
    there = f"sqlite:///{log['folder']}/noces.db"
    found = noces(
        "export", "--out", "a.ndjson", "--with-keys", "a.keys", "--database", there, organisation="acme", cwd=tmp_path
    )
    assert (found.returncode, found.stderr) == (0, "")
    assert (tmp_path / "a.keys").stat().st_mode & 0o777 == 0o600
    found = noces(
        "import", "a.ndjson", "--with-keys", "a.keys", organisation="acme", database=elsewhere.database, cwd=tmp_path
    )
    assert (found.returncode, found.stderr) == (0, "")
    assert found.stdout.startswith(
        f"{len(log['lines'])} entries restored, 0 were there; the log ends at {len(log['lines'])}.\nroot "
    )
    assert found.stdout.split()[-1] in log["note"]
    async with started(elsewhere, Time()):
        for arguments, why in (
            (("import", "a.ndjson"), "is in use"), (("import", "a.ndjson", "--url", "http://127.0.0.1:1"), "without --url"),
            (("export", "--format", "csv", "--with-keys", "b"), "belongs to a whole log as ndjson"), (("import", "a.keys", "--with-keys", "a.keys"), "facts have no keys"),
        ):  # fmt: skip
            found = noces(*arguments, organisation="acme", database=elsewhere.database, cwd=tmp_path)
            assert (found.returncode, found.stdout, found.stderr.count("\n")) == (1, "", 1)
            assert why in found.stderr
