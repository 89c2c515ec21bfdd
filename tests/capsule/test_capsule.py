"""Capsules: made from a log, checked by a bare Python, and found out at the exact position wherever they were changed."""

import ast
import asyncio
import base64
import json
import shutil
import subprocess
import sys
import zipfile
from datetime import date, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from events import merkle
from service.capsule import files as reading
from service.capsule.files import entries_of, tile_name
from service.capsule.main import main
from service.errors import ServiceError
from service.operations.capsule import BESIDE, ROOT, Wanted, _modules, make_capsule
from service.operations.log import checkpoint
from service.proofs.note import Verifier
from service.settings import SettingsError
from tests.service.processes import noces
from tests.service.story import honeymoon, power_sharing
from tests.service.world import Time, ask, client, make_key, open_partnership, say, settings_of, started

pytestmark = pytest.mark.xdist_group("capsule")  # one worker makes what all of them look at
STRANGER = Verifier("noces.example/acme", bytes(32)).text
RISKY = "<script>alert(1)</script> & Fils"


async def told(folder):
    """A log of three partnerships and 300 more facts, an older checkpoint of it, and its capsule."""
    settings = settings_of(folder)
    async with started(settings, Time()) as services, client(services, await make_key(services)) as http:
        opened = await power_sharing(http, partner=RISKY)
        other = await honeymoon(http)
        await say(http, opened, "contact.designated", side="client", person="Agnès Martin", role="CIO")
        assert (await ask(http, opened, "commit")).status_code == 409
        older = await services.trees.checkpoint("acme")
        for number in range(300):
            day = date(2020, 3, 1) + timedelta(days=number)
            await say(http, other, "meeting.held", level="tactical", on_date=str(day))
        await open_partnership(http)
    wanted = Wanted(organisation="acme", partnerships=(opened, other))
    answer = await make_capsule(settings, folder / "capsule.zip", wanted)
    return {"opened": opened, "other": other, "older": older, **answer}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("capsule")
    return {"folder": folder, **asyncio.run(told(folder))}


@pytest.fixture
def unpacked(made, tmp_path):
    with zipfile.ZipFile(made["file"]) as file:
        file.extractall(tmp_path / "capsule")
    return tmp_path / "capsule"


def check(*arguments):
    return main([str(each) for each in arguments], Path("nowhere"))


def bare(*arguments, cwd):
    """A Python with nothing but its standard library, no environment and no folder of ours."""
    return subprocess.run(
        [sys.executable, "-I", "-S", "-B", *map(str, arguments)],
        cwd=cwd,
        env={},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


# --- whole -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["verify.py", "the folder", "the ZIP"])
def test_a_bare_python_checks_a_capsule(made, unpacked, tmp_path, form):
    arguments = {"verify.py": ["verify.py"], "the folder": ["verify.py", "."], "the ZIP": [made["file"]]}[form]
    found = bare(*arguments, cwd=unpacked)
    assert (found.returncode, found.stderr) == (0, "")
    assert found.stdout.startswith(
        f"{made['entries']} entries, signed as noces.example/acme: root, signature, order, arrows"
    )
    assert made["key"] in found.stdout
    assert json.loads(bare(*arguments, "--json", cwd=unpacked).stdout) == {"ok": True, "findings": []}


def test_noces_takes_every_decision_of_a_capsule_again(made):
    found = noces("verify", "--capsule", made["file"], "--strict", "--json", cwd=made["folder"])
    assert (found.returncode, found.stderr) == (0, "")
    result = json.loads(found.stdout)["result"]
    assert (result["ok"], result["events"], result["report_compared"]) == (True, made["entries"], True)
    log = noces(
        "verify",
        "--database",
        f"sqlite:///{made['folder']}/noces.db",
        "--json",
        organisation="acme",
        cwd=made["folder"],
    )
    assert json.loads(log.stdout.splitlines()[-1])["result"]["state_hash"] == result["state_hash"]


def test_a_capsule_holds_what_an_outsider_needs_and_no_name_of_a_person(made, unpacked):
    names = {each.relative_to(unpacked).as_posix() for each in unpacked.rglob("*") if each.is_file()}
    assert {
        "README.txt", "verify.py", "__main__.py", "manifest.json", "report.html", "machine.json", "machine.svg", "log/key",
        "log/checkpoint", "log/tile/0/000", "log/tile/entries/000", "policies/1.json", "policies/1.toml", "schemas/events.json",
    } <= names  # fmt: skip
    assert any(name.startswith("log/checkpoints/") for name in names)
    assert all("Agnès" not in (unpacked / name).read_text("utf-8", "replace") for name in names)
    assert json.loads((unpacked / "manifest.json").read_text())["root"] == made["root"]
    assert Path(made["file"]).stat().st_mode & 0o777 == 0o600


def test_the_report_tells_the_partnerships_asked_for_and_runs_nothing(made, unpacked):
    report = (unpacked / "report.html").read_text("utf-8")
    assert report.count("<section") == 2
    assert f'id="{made["opened"]}"' in report
    assert "<script" not in report
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; Fils" in report
    for each in (
        "2020-01-10</td><td>2020-06-01</td><td class=n>143<",
        "<b>share_power</b>",
        "Refused transitions",
        "<svg",
    ):
        assert each in report
    assert 'id="{}"'.format(made["other"]) in report


def test_the_report_speaks_french_too(made, tmp_path):
    found = noces(
        "capsule", "--out", "rapport.zip", "--language", "fr", "--partnership", made["opened"],
        "--database", f"sqlite:///{made['folder']}/noces.db", organisation="acme", cwd=tmp_path,
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    with zipfile.ZipFile(tmp_path / "rapport.zip") as file:
        report = file.read("report.html").decode()
    assert "La lune de miel" in report
    assert "Transitions refusées" in report
    assert report.count("<section") == 1
    assert check(tmp_path / "rapport.zip") == 0


@pytest.mark.parametrize(
    ("out", "wanted", "error", "why"),
    [
        ("new.zip", {"partnerships": ("pn_none",)}, ServiceError, "There is no partnership 'pn_none' in this log."),
        ("there.zip", {}, SettingsError, "exists already"),
        ("none/new.zip", {}, SettingsError, "There is no folder"),
        ("new.zip", {"organisation": "nobody"}, SettingsError, "There is no organisation 'nobody'"),
    ],
)
async def test_what_cannot_be_packed_leaves_no_file(made, tmp_path, out, wanted, error, why):
    (tmp_path / "there.zip").write_text("")
    with pytest.raises(error, match=why):
        await make_capsule(settings_of(made["folder"]), tmp_path / out, Wanted(**{"organisation": "acme", **wanted}))
    assert [each.name for each in tmp_path.iterdir()] == ["there.zip"]


def test_a_capsule_of_no_database_is_one_sentence(tmp_path):
    found = noces("capsule", "--out", "new.zip", "--database", f"sqlite:///{tmp_path}/none.db", cwd=tmp_path)
    assert (found.returncode, found.stdout, found.stderr.count("\n")) == (1, "", 1)
    assert "There is no database" in found.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_verifier_is_the_release_itself_in_words_of_python_3_9(unpacked):
    shipped = sorted(
        each.relative_to(unpacked / "verifier").as_posix() for each in (unpacked / "verifier").rglob("*.py")
    )
    assert shipped == sorted([*BESIDE, *_modules()])
    for name in shipped:
        assert (unpacked / "verifier" / name).read_bytes() == (ROOT / name).read_bytes()
        ast.parse((ROOT / name).read_text("utf-8"), feature_version=(3, 9))


# --- against what somebody kept ------------------------------------------------------------------------------------------


def test_what_an_auditor_has_kept_is_compared(made, tmp_path, capsys):
    (tmp_path / "older").write_text(made["older"])
    (tmp_path / "key").write_text(made["key"] + "\n")
    assert check(made["file"], "--checkpoint", tmp_path / "older", "--key", tmp_path / "key") == 0
    (tmp_path / "other").write_text("noces.example/other+00000000+AQ==\n")
    assert check(made["file"], "--key", tmp_path / "other") == 1
    assert "key: expected noces.example/other" in capsys.readouterr().out
    machine = json.loads(zipfile.ZipFile(made["file"]).read("machine.json"))
    machine["triggers"][0]["arrows"].pop()
    (tmp_path / "machine").write_text(json.dumps(machine))
    assert check(made["file"], "--machine", tmp_path / "machine") == 1
    assert "machine: expected the machine that you have" in capsys.readouterr().out


async def test_a_capsule_that_ends_before_a_kept_checkpoint_is_found_out(tmp_path, capsys):
    settings = settings_of(tmp_path)
    async with started(settings, Time()) as services, client(services, await make_key(services)) as http:
        await honeymoon(http)
    await make_capsule(settings, tmp_path / "capsule.zip", Wanted(organisation="acme"))
    async with started(settings, Time()) as services, client(services, await make_key(services)) as http:
        await open_partnership(http)
    (tmp_path / "kept").write_text(await checkpoint(settings, "acme"))
    assert check(tmp_path / "capsule.zip") == 0
    capsys.readouterr()
    assert check(tmp_path / "capsule.zip", "--checkpoint", tmp_path / "kept") == 1
    assert "no such entries" in capsys.readouterr().out


async def test_a_log_whose_key_was_changed_shows_heads_of_both_and_no_other_key(tmp_path, capsys):
    settings = settings_of(tmp_path)
    async with started(settings, Time()) as services, client(services, await make_key(services)) as http:
        await honeymoon(http)
        before = await services.trees.checkpoint("acme")
        old = (await services.trees.tree("acme")).verifier
        await services.trees.rotate("acme")
    told = await make_capsule(settings, tmp_path / "capsule.zip", Wanted(organisation="acme"))
    assert told["key"] != old
    (tmp_path / "kept").write_text(before)
    assert check(tmp_path / "capsule.zip", "--checkpoint", tmp_path / "kept") == 0
    with zipfile.ZipFile(tmp_path / "capsule.zip") as file:
        assert file.read("log/keys").decode().split() == [old, told["key"]]
        file.extractall(tmp_path / "capsule")
    capsys.readouterr()
    edit("log/keys", old, f"{old}\n{STRANGER}")(tmp_path / "capsule")
    assert check(tmp_path / "capsule") == 1
    assert f"key: expected a key that the log announces in its entries, found {STRANGER}" in capsys.readouterr().out


# --- changed -------------------------------------------------------------------------------------------------------------


def bundle(folder, number=0):
    path = next((folder / "log/tile/entries").glob(f"{number:03d}*"))
    path = next(path.iterdir()) if path.is_dir() else path
    return path, list(entries_of(path.read_bytes(), "bundle"))


def rewrite(path, entries):
    path.write_bytes(reading.bundled(entries))


def flip_entry(folder):
    path, entries = bundle(folder)
    place = entries[99].index(b'"id":"evt_') + 10
    entries[99] = entries[99][:place] + bytes([entries[99][place] ^ 1]) + entries[99][place + 1 :]
    rewrite(path, entries)


def flip_entry_and_leaf(folder):
    flip_entry(folder)
    tile = folder / "log/tile/0/000"
    raw = tile.read_bytes()
    tile.write_bytes(raw[: 99 * 32] + merkle.leaf_hash(bundle(folder)[1][99]) + raw[100 * 32 :])


def swap_entries(folder):
    path, entries = bundle(folder)
    entries[49], entries[50] = entries[50], entries[49]
    rewrite(path, entries)


def drop_entry(folder):
    path, entries = bundle(folder)
    rewrite(path, entries[:60] + entries[61:])


def cut_bundle(folder):
    path, _ = bundle(folder, 1)
    path.write_bytes(path.read_bytes()[:-1])


def drop_bundle(folder):
    bundle(folder, 1)[0].unlink()


def flip_upper_tile(folder):
    (tile,) = (folder / "log/tile/1/000.p").iterdir()
    raw = tile.read_bytes()
    tile.write_bytes(bytes([raw[0] ^ 1]) + raw[1:])


def edit(name, old, new):
    def change(folder):
        text = (folder / name).read_text("utf-8")
        assert old in text
        (folder / name).write_text(text.replace(old, new, 1), "utf-8")

    return change


def sign_anew(folder):
    """Another key signs the same head, as somebody would who has not the log's."""
    note = (folder / "log/checkpoint").read_text("utf-8")
    text = note.rpartition("\n\n")[0] + "\n"
    name, digest, _ = (folder / "log/key").read_text().split("+", 2)
    signature = bytes.fromhex(digest) + Ed25519PrivateKey.generate().sign(text.encode())
    (folder / "log/checkpoint").write_text(f"{text}\n\u2014 {name} {base64.b64encode(signature).decode()}\n", "utf-8")


def more_entries(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["size"] += 1
    (folder / "manifest.json").write_text(json.dumps(manifest))


CHANGES = {
    "a byte of an entry": (flip_entry, "position 100: leaf"),
    "a byte of an entry and its leaf": (flip_entry_and_leaf, "position 1: tile: expected"),
    "two entries swapped": (swap_entries, "position 50: leaf"),
    "an entry dropped": (drop_entry, "holds 255 entries, not 256"),
    "the last bundle cut": (cut_bundle, "ends within an entry"),
    "the last bundle dropped": (drop_bundle, "the capsule has no file log/tile/entries/001"),
    "a hash of an upper tile": (flip_upper_tile, "position 1: tile: expected"),
    "a size in the signed head": (
        edit("log/checkpoint", "\n3", "\n2"),
        "signature: expected a note that the log's key has signed",
    ),
    "another signer": (sign_anew, "signature: expected a note that the log's key has signed"),
    "the manifest's size": (more_entries, "manifest: expected"),
    "a policy": (
        edit("policies/1.json", '"telescoped_days":30', '"telescoped_days":31'),
        "policy: expected policy 1 as it was adopted",
    ),
    "a figure of the report": (edit("report.html", "<td class=n>143<", "<td class=n>144<"), "report: expected"),
    "the end of the report": (edit("report.html", "</html>\n", "</html>\n<p>and"), "report: expected"),
    "the report's version": (
        edit("manifest.json", '"report": 1', '"report": 2'),
        "report: expected version 1, found version 2",
    ),
    "a partnership in the manifest": (edit("manifest.json", "pn_", "pm_"), "report: expected partnerships of this log"),
    "an arrow fewer": (
        edit("machine.json", '"to":"power_sharing"', '"to":"commitment"'),
        "arrow: expected an arrow from power_struggle",
    ),
    "a guard fewer": (
        edit("machine.json", '"needs":"any"', '"needs":"all"'),
        "verdicts: expected enough for face_reality",
    ),
    "the key": (edit("log/key", "+A", "+B"), "log/key: this is no Ed25519 verifier key"),
    "no JSON": (edit("manifest.json", "{", ""), "manifest.json is no JSON"),
    "another format": (
        edit("manifest.json", '"format": 1', '"format": 9'),
        "this verifier reads capsules of format 1, not 9",
    ),
    "a manifest of lists": (
        lambda folder: (folder / "manifest.json").write_text('{"format":1,"partnerships":[[]]}'),
        "malformed",
    ),
    "a machine of nothing": (lambda folder: (folder / "machine.json").write_text("{}"), "malformed"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_capsule_fails_where_it_was_changed(unpacked, capsys, change, record_property):
    assert check(unpacked) == 0
    capsys.readouterr()
    apply, expected = CHANGES[change]
    apply(unpacked)
    assert check(unpacked) == 1
    first = capsys.readouterr().out.splitlines()[0]
    assert expected in first, first
    record_property("told", f"changed in a capsule, and found: {change} ({first[:60]})")


def test_noces_finds_a_changed_capsule_too(unpacked, tmp_path):
    flip_entry(unpacked)
    shutil.make_archive(str(tmp_path / "changed"), "zip", unpacked)
    found = noces("verify", "--capsule", "changed.zip", cwd=tmp_path)
    assert found.returncode == 1
    assert found.stdout.startswith("position 100: leaf")


@pytest.mark.parametrize("content", [b"", b"PK\x05\x06" + bytes(18), b"no zip", b"PK\x03\x04" * 9])
def test_what_is_no_capsule_is_told_in_one_sentence(tmp_path, capsys, content):
    (tmp_path / "c.zip").write_bytes(content)
    assert check(tmp_path / "c.zip") == 1
    assert capsys.readouterr().out.count("\n") == 1


def test_a_file_that_unpacks_to_more_than_it_can_be_is_not_unpacked(made, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(reading, "FILE_LIMIT", 10_000)
    assert check(made["file"]) == 1
    assert "at most 10000 are read" in capsys.readouterr().out


def test_a_file_whose_bytes_were_damaged_is_told(made, tmp_path, capsys):
    raw = bytearray(Path(made["file"]).read_bytes())
    with zipfile.ZipFile(made["file"]) as file:
        place = file.getinfo("report.html").header_offset + 200
    raw[place : place + 40] = bytes(40)
    (tmp_path / "c.zip").write_bytes(raw)
    assert check(tmp_path / "c.zip") == 1
    assert "report.html cannot be unpacked" in capsys.readouterr().out


def test_options_that_have_no_sense_together_are_refused_and_so_is_what_is_no_capsule(made, tmp_path):
    (tmp_path / "none.zip").write_text("none")
    for arguments in (
        ("--key", made["file"]),
        ("--capsule", made["file"], "--organisation", "acme"),
        ("--capsule", "none.zip"),
    ):
        found = noces("verify", *arguments, cwd=tmp_path)
        assert (found.returncode, found.stdout, found.stderr.count("\n")) == (1, "", 1)


@pytest.mark.parametrize(
    ("number", "width", "name"), [(0, 256, "000"), (1_234_067, 256, "x001/x234/067"), (5, 7, "005.p/7")]
)
def test_tiles_are_named_as_the_specification_names_them(number, width, name):
    assert tile_name("0", number, width) == f"log/tile/0/{name}"
