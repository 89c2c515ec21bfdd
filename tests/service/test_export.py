"""Exports on the command line: the log byte for byte, tables, what other tools open; a file that is whole, or none."""

import csv
import io
import json
import sqlite3
from contextlib import closing
from xml.etree import ElementTree as ET

import pytest

from events.store import StoreError
from service.errors import ServiceError
from service.exports.extract import extract_of
from service.exports.stays import _safe
from service.operations.export import FORMS, Wanted, _write, export
from service.settings import SettingsError
from tests.service.processes import noces
from tests.service.story import power_sharing
from tests.service.world import client, get, make_key, open_partnership, say, settings_of, started


def run(folder, *arguments):
    return noces("export", *arguments, "--database", f"sqlite:///{folder}/noces.db", cwd=folder, organisation="acme")


async def test_an_exported_line_is_the_position_and_the_entry_as_it_is_stored(tmp_path, clock):
    async with started(settings_of(tmp_path), clock) as services, client(services, await make_key(services)) as http:
        opened = await power_sharing(http)
        await say(http, opened, "contact.designated", side="client", person="Agnès Martin", role="CIO")
        stored = await services.query(
            "SELECT position, entry FROM events WHERE organisation = 'acme' ORDER BY position"
        )
        told = run(tmp_path)
        assert (told.returncode, told.stderr) == (0, "")
        lines = told.stdout.splitlines()
        assert len(lines) == len(stored)
        for line, (position, entry) in zip(lines, stored, strict=True):
            begin = f'{{"position":{position},'
            assert line.startswith(begin)
            assert ("{" + line.removeprefix(begin)).encode() == entry
            assert json.loads(line)["position"] == position
        assert "Agnès" not in told.stdout
        filed = run(tmp_path, "--out", "log.ndjson", "--json")
        assert json.loads(filed.stdout)["bytes"] == len(told.stdout.encode())
        assert (tmp_path / "log.ndjson").read_text() == told.stdout
        assert [path.name for path in tmp_path.glob("log.ndjson*")] == ["log.ndjson"]


async def test_the_stays_of_every_partnership_are_a_table(tmp_path, clock):
    async with started(settings_of(tmp_path), clock) as services, client(services, await make_key(services)) as http:
        opened = await power_sharing(http)
        risky = (await open_partnership(http, partner='=HYPERLINK("https://example.org")', client='-1+1, or "two"'))[
            "id"
        ]
        history = await get(http, f"/v1/partnerships/{opened}/history")
        told = run(tmp_path, "--format", "csv")
        assert told.returncode == 0, told.stderr
        rows = list(csv.DictReader(io.StringIO(told.stdout)))
        mine = [row for row in rows if row["partnership"] == opened]
        assert [(row["stage"], row["entered_at"], row["left_at"] or None, row["cause"]) for row in mine] == [
            (each["stage"], each["entered_at"], each["left_at"], str(each["cause"])) for each in history["stages"]
        ]
        (other,) = [row for row in rows if row["partnership"] == risky]
        assert (other["client"], other["partner"]) == ('\'-1+1, or "two"', '\'=HYPERLINK("https://example.org")')


async def test_an_export_takes_no_others_place_and_is_its_owners_alone(tmp_path, clock):
    async with started(settings_of(tmp_path), clock):
        told = run(tmp_path, "--out", "log.ndjson")
        assert told.returncode == 0, told.stderr
        assert (tmp_path / "log.ndjson").stat().st_mode & 0o777 == 0o600
        before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.name == "log.ndjson"}
        for arguments, why in (
            (("--out", "log.ndjson"), "exists already"), (("--out", "nowhere/log.ndjson"), "no folder"),
            (("--organisation", "nobody"), "known: acme"), (("--organisation", "nobody", "--out", "other"), "known: acme"),
        ):  # fmt: skip
            told = run(tmp_path, *arguments)
            assert (told.returncode, told.stdout) == (1, "")
            assert why in told.stderr
            assert told.stderr.strip().count("\n") == 0
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if "log.ndjson" in path.name} == before
        assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@a", "\ta", "\ra"])
def test_no_cell_begins_a_formula(text):
    assert _safe(text) == f"'{text}"
    assert _safe(text[1:]) == text[1:]
    assert (_safe(-5), _safe(None), _safe(True)) == ("-5", "", "true")


def test_where_there_is_no_database_there_is_nothing_to_export(tmp_path):
    told = run(tmp_path)
    assert told.returncode == 1
    assert "no database" in told.stderr


# --- beside a running service, in this process -------------------------------------------------------------------------

NAME = "Agnès Martin"
OPENING = ("cloudevents", "ocel-json", "ocel-sqlite", "xes")


async def written(folder, form, **wanted):
    """What an export leaves in a file."""
    out = folder / f"{len(list(folder.iterdir()))}.{form}"
    asked = Wanted(form=form, organisation="acme", out=out, **wanted)
    count = await export(settings_of(folder), asked, io.BytesIO())
    assert count == out.stat().st_size
    assert out.stat().st_mode & 0o777 == 0o600
    return out.read_bytes()


async def test_the_command_takes_every_choice(tmp_path, clock):
    async with started(settings_of(tmp_path), clock) as services, client(services, await make_key(services)) as http:
        chosen, other = await power_sharing(http), await power_sharing(http)
        told = run(tmp_path, "--format", "cloudevents", "--partnership", other, "--partnership", chosen, "--personal")
        assert (told.returncode, told.stderr) == (0, "")
        assert {json.loads(line)["subject"] for line in told.stdout.splitlines()} == {chosen, other}
        assert "As they said in the first meeting" in told.stdout
        told = run(tmp_path, "--partnership", chosen, "--partnership", "pn_unknown", "--out", "some")
        assert (told.returncode, told.stdout) == (1, "")
        assert told.stderr == "There is no partnership 'pn_unknown' in organisation 'acme'.\n"
        assert not (tmp_path / "some").exists()


@pytest.mark.parametrize("form", FORMS)
async def test_only_the_chosen_partnerships_are_written(tmp_path, http, form):
    chosen, other = await power_sharing(http), await power_sharing(http)
    raw = await written(tmp_path, form, partnerships=(chosen,))
    assert chosen.encode() in raw
    assert other.encode() not in raw


@pytest.mark.parametrize("form", FORMS)
async def test_an_unknown_partnership_is_one_error_and_no_file(tmp_path, http, form):
    opened = await power_sharing(http)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(ServiceError, match="no partnership 'pn_unknown'"):
        await written(tmp_path, form, partnerships=(opened, "pn_unknown"))
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("form", OPENING)
async def test_names_are_opened_when_asked_for_and_never_after_they_were_erased(tmp_path, http, form):
    opened = (await open_partnership(http))["id"]
    await say(http, opened, "contact.designated", side="client", person=NAME, role="CIO")
    assert NAME.encode() not in await written(tmp_path, form)
    assert NAME.encode() in await written(tmp_path, form, personal=True)
    person = (await http.post("/v1/persons/find", json={"name": NAME})).json()["id"]
    assert (await http.post(f"/v1/persons/{person}/erase")).status_code == 200
    raw = await written(tmp_path, form, personal=True)
    assert b"[erased]" in raw
    assert NAME.encode() not in raw


@pytest.mark.parametrize("form", OPENING)
async def test_without_the_master_key_nothing_is_opened_written_or_made(tmp_path, http, form):
    await power_sharing(http)
    (tmp_path / "master.key").unlink()
    before = sorted(tmp_path.iterdir())
    with pytest.raises(SettingsError, match="There is no master key at"):
        await written(tmp_path, form, personal=True)
    assert sorted(tmp_path.iterdir()) == before
    assert await written(tmp_path, form)


@pytest.mark.parametrize("form", ["ndjson", "csv"])
async def test_what_never_holds_a_name_does_not_promise_one(tmp_path, http, form):
    with pytest.raises(ServiceError, match=f"opens nothing in {form}; it belongs to cloudevents, ocel-json"):
        await written(tmp_path, form, personal=True)


async def test_a_database_is_never_written_to_standard_output(tmp_path, http):
    screen = io.BytesIO()
    with pytest.raises(ServiceError, match="name its file with --out"):
        await export(settings_of(tmp_path), Wanted(form="ocel-sqlite"), screen)
    assert screen.getvalue() == b""


async def test_a_log_without_partnerships_is_a_whole_document_too(tmp_path, http):
    assert json.loads(await written(tmp_path, "ocel-json"))["events"] == []
    assert not list(ET.fromstring(await written(tmp_path, "xes")).iter("{http://www.xes-standard.org/}trace"))
    await written(tmp_path, "ocel-sqlite")
    (path,) = tmp_path.glob("*.ocel-sqlite")
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("SELECT count(*) FROM event").fetchone() == (0,)


@pytest.mark.parametrize("form", FORMS)
async def test_an_export_that_is_cut_leaves_nothing(tmp_path, http, services, form):
    await power_sharing(http)
    asked = 0

    async def query(sql, parameters=()):
        nonlocal asked
        asked += 1
        if asked > 8:
            raise StoreError("unavailable", "The disk is gone.")
        return await services.query(sql, parameters)

    extract = await extract_of(query, "acme")
    extract.size = 1
    with pytest.raises(StoreError, match="The disk is gone"):
        await _write(extract, Wanted(form=form, out=tmp_path / "cut"), io.BytesIO())
    assert not [each.name for each in tmp_path.iterdir() if each.name.startswith("cut")]
