"""Exports: the log byte for byte, and the stays of every partnership as a table that no spreadsheet runs."""

import csv
import io
import json

import pytest

from service.exports.stays import _safe
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
