"""OCEL 2.0 as a database: every constraint of the standard, and every event with its objects."""

import sqlite3
from contextlib import closing

import pytest

from service.exports.ocel import EVENTS, OBJECTS
from tests.service.exports.ocel_rules import CONSTRAINTS, ROWS, Schema


@pytest.fixture(params=[False, True], ids=["sealed", "opened"])
def database(exported, request):
    with closing(sqlite3.connect(f"file:{exported.sqlite[request.param]}?mode=ro", uri=True)) as opened:
        yield opened


@pytest.mark.parametrize("name", CONSTRAINTS)
def test_the_database_keeps_the_constraint(database, name):
    assert CONSTRAINTS[name](Schema(database))


def test_the_constraints_are_those_that_are_missed_in_a_database_without_keys(tmp_path):
    with closing(sqlite3.connect(tmp_path / "bare.sqlite")) as bare:
        for name in ("event_map_type", "object_map_type", "event", "object", "event_object", "object_object"):
            bare.execute(f"CREATE TABLE {name} (ocel_type TEXT, ocel_type_map TEXT)")
        bare.execute("INSERT INTO event_map_type VALUES ('a', 'A')")
        kept = [name for name, holds in CONSTRAINTS.items() if "refer" in name or "key" in name if _holds(holds, bare)]
    assert kept == ["24 tables of objects refer to object"]  # it has none


def _holds(constraint, database):
    try:
        return constraint(Schema(database))
    except KeyError:
        return False


def test_no_row_dangles_and_the_file_is_sound(database):
    assert database.execute("PRAGMA foreign_key_check").fetchall() == []
    assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    for what, sql in ROWS.items():
        assert database.execute(sql).fetchall() == [], what


def test_every_event_is_there_once_with_its_own_row(database, told):
    rows = database.execute("SELECT ocel_id, ocel_type FROM event").fetchall()
    assert sorted(rows) == sorted((each["id"], each["type"]) for each in told)
    for kind, name in EVENTS.items():
        found = {one for (one,) in database.execute(f'SELECT ocel_id FROM "event_{name}"')}
        assert found == {each["id"] for each in told if each["type"] == kind}


def test_every_object_has_one_beginning(database):
    for kind in OBJECTS:
        table = f'"object_{kind.capitalize()}"'
        beginnings = database.execute(f"SELECT ocel_id FROM {table} WHERE ocel_changed_field IS NULL").fetchall()
        known = database.execute("SELECT ocel_id FROM object WHERE ocel_type = ?", (kind,)).fetchall()
        assert sorted(beginnings) == sorted(known)
        assert known or kind not in ("partnership", "client", "partner")


def test_a_changed_field_is_the_only_one_in_its_row(database):
    for kind, fields in OBJECTS.items():
        for field in fields:
            others = " OR ".join(f'"{name}" IS NOT NULL' for name in fields if name != field) or "0"
            sql = f'SELECT * FROM "object_{kind.capitalize()}" WHERE ocel_changed_field = ? AND ("{field}" IS NULL OR {others})'
            assert database.execute(sql, (field,)).fetchall() == []


def test_nothing_lies_beside_the_file(exported):
    for path in exported.sqlite.values():
        assert [each.name for each in path.parent.glob(f"{path.name}*")] == [path.name]
