"""What only SQLite promises: its file, its lock, its triggers, its disk."""

import asyncio
import json
import os
import re
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from events.lock import lock_path, read_lock
from events.migrations import Migration, in_order
from events.rows import statement
from events.sqlite import LOG_STEPS, PRAGMAS, SqliteStore
from events.store import Append, Appended, Change, Failed, Put, Remove, Snapshot, StoreError
from tests.events.contract import CONTEXT, NOON, NOTES, ORG, append, event, note, reasons, whole, written

CHILD = Path(__file__).with_name("child.py")
ROOT = Path(__file__).parents[2]


def clock():
    return NOON


@pytest.fixture
def path(tmp_path):
    return tmp_path / "noces.db"


@pytest.fixture
async def store(path):
    notes = Migration(900, "notes", NOTES)
    opened = await SqliteStore.open(path, migrations=[notes], clock=clock, busy_seconds=0.05)
    yield opened
    await opened.close()


def schema(path):
    with closing(sqlite3.connect(path)) as database:
        return sorted(database.execute("SELECT type, name, tbl_name, sql FROM sqlite_master"))


def child(*arguments, **options):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, CHILD, *arguments], env=environment, stdout=subprocess.PIPE, **options)


# --- the log only grows ----------------------------------------------------------------------------------------------

ROW = "'org_1', {position}, '{stream}', {version}, 'invoice.overdue', 1, '{id}', 0, 0, x'00'"
VERBS = ["INSERT", "INSERT OR REPLACE", "INSERT OR IGNORE", "REPLACE"]


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE events SET entry = x'00'",
        "UPDATE events SET position = 9 WHERE position = 2",
        "UPDATE OR REPLACE events SET position = 1 WHERE position = 2",
        "DELETE FROM events",
        "DELETE FROM events WHERE position = 2",
    ],
)
async def test_no_connection_changes_or_deletes_an_event(path, store, sql):
    await written(store, append("a", 0, event(), event()))
    before = await whole(store)
    with closing(sqlite3.connect(path)) as stranger, pytest.raises(sqlite3.IntegrityError, match="never"):
        stranger.execute(sql)
    assert await whole(store) == before


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    "row",
    [
        ROW.format(position=1, stream="b", version=1, id="evt_new"),
        ROW.format(position=2, stream="b", version=1, id="evt_new"),
        ROW.format(position=9, stream="a", version=1, id="evt_new"),
        ROW.format(position=9, stream="a", version=2, id="evt_new"),
        ROW.format(position=9, stream="b", version=1, id="evt_old"),
    ],
    ids=["first position", "last position", "first version", "last version", "id"],
)
async def test_no_connection_puts_an_event_in_the_place_of_another(path, store, verb, row):
    await written(store, append("a", 0, event(id="evt_old"), event()))
    before = await whole(store)
    with (
        closing(sqlite3.connect(path)) as stranger,
        pytest.raises(sqlite3.IntegrityError, match="only added at the end"),
    ):
        stranger.execute(f"{verb} INTO events VALUES ({row})")
    assert await whole(store) == before


async def test_an_event_after_the_end_is_let_in(path, store):
    await written(store, append("a"))
    with closing(sqlite3.connect(path)) as stranger:
        stranger.execute(f"INSERT INTO events VALUES ({ROW.format(position=2, stream='a', version=2, id='evt_new')})")
        stranger.rollback()


async def test_the_pragmas_that_keep_promises_are_on(store):
    def read(database):
        return {name: database.execute(f"PRAGMA {name}").fetchone()[0] for name in PRAGMAS}

    found = await store.writer.run(read)
    assert found == PRAGMAS
    assert (found["journal_mode"], found["synchronous"], found["recursive_triggers"]) == ("wal", 2, 1)


async def test_readers_cannot_write(store):
    with pytest.raises(StoreError, match="readonly") as caught:
        await store.query("INSERT INTO notes VALUES ('org_1', 'n', 't')")
    assert caught.value.code == "unavailable"


# --- the schema ------------------------------------------------------------------------------------------------------


async def test_a_fresh_database_has_the_schema_of_its_migrations_applied_in_order(tmp_path):
    steps = [
        Migration(901, "notes", NOTES),
        Migration(
            902, "more", "ALTER TABLE notes ADD COLUMN more TEXT; CREATE INDEX by_text ON notes (organisation, text)"
        ),
    ]
    for upto in range(len(steps) + 1):
        await (await SqliteStore.open(tmp_path / "grown.db", migrations=steps[:upto], clock=clock)).close()
    await (await SqliteStore.open(tmp_path / "fresh.db", migrations=steps[::-1], clock=clock)).close()
    with closing(sqlite3.connect(tmp_path / "bare.db")) as bare:
        for step in in_order([*LOG_STEPS, *steps]):
            bare.executescript(step.sql)
    fresh = schema(tmp_path / "fresh.db")
    assert fresh == schema(tmp_path / "grown.db")
    assert [row for row in fresh if row[1] != "migrations"] == schema(tmp_path / "bare.db")


async def test_migrations_are_noted_once_and_in_order(path, store):
    rows = await store.query("SELECT number, name, applied_at FROM migrations ORDER BY number")
    assert [row[:2] for row in rows] == [(1, "log"), (900, "notes")]
    assert {row[2] for row in rows} == {int(NOON.timestamp()) * 1_000_000}


async def test_numbers_of_migrations_begin_with_one_and_have_no_holes():
    assert [step.number for step in LOG_STEPS] == list(range(1, len(LOG_STEPS) + 1))


def test_two_migrations_of_one_number_are_refused():
    with pytest.raises(ValueError, match="both have number 1"):
        in_order([*LOG_STEPS, Migration(1, "mine", "")])


async def test_a_migration_that_fails_leaves_nothing_and_frees_the_lock(path):
    broken = Migration(2, "broken", "CREATE TABLE half (organisation TEXT); CREATE TABLE half (organisation TEXT)")
    with pytest.raises(sqlite3.OperationalError):
        await SqliteStore.open(path, migrations=[broken], clock=clock)
    store = await SqliteStore.open(path, clock=clock)
    assert await store.query("SELECT number FROM migrations") == [(1,)]
    assert await store.query("SELECT name FROM sqlite_master WHERE name = 'half'") == []
    await store.close()


async def test_a_database_of_a_newer_release_is_refused(path, store):
    await store.close()
    with pytest.raises(StoreError, match="migration 900"):
        await SqliteStore.open(path, clock=clock)
    assert read_lock(path) is None


async def test_every_table_is_strict_and_keyed_by_organisation(store):
    tables = await store.query("SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name <> 'migrations'")
    assert {name for name, _ in tables} >= {"heads", "events", "claims", "idempotency", "snapshots"}
    for name, sql in tables:
        assert "STRICT" in sql
        keys = await store.query(f"SELECT name, pk FROM pragma_table_info('{name}') WHERE pk > 0 ORDER BY pk")
        assert keys[0][0] == "organisation", name
    indexes = await store.query("SELECT name FROM sqlite_master WHERE type = 'index'")
    for (name,) in indexes:
        ((first,),) = await store.query(f"SELECT name FROM pragma_index_info('{name}') WHERE seqno = 0")
        assert first == "organisation", name


@pytest.mark.parametrize(
    ("sql", "index"),
    [
        ("stream = 's' AND version > 3 ORDER BY version LIMIT 5", "events_by_stream"),
        ("id = 'e'", "events_by_id"),
        ("position > 3 ORDER BY position LIMIT 5", "sqlite_autoindex_events_1"),
    ],
)
async def test_reads_use_their_index_and_sort_nothing(store, sql, index):
    plan = await store.query(f"EXPLAIN QUERY PLAN SELECT entry FROM events WHERE organisation = 'o' AND {sql}")
    assert re.search(rf"USING INDEX {index}", str(plan))
    assert "TEMP B-TREE" not in str(plan)


# --- one writer ------------------------------------------------------------------------------------------------------


async def test_a_second_writer_is_refused_with_a_way_out(path, store):
    with pytest.raises(StoreError, match="PostgreSQL") as caught:
        await SqliteStore.open(path, clock=clock)
    assert caught.value.code == "locked"
    assert f"pid {os.getpid()}" in str(caught.value)
    await written(store, append())


async def test_a_lock_says_how_to_reach_its_holder_and_only_its_owner_may_read_it(path, store):
    store.lock.write({"url": "http://127.0.0.1:8000", "token": "t" * 200})
    assert read_lock(path) == {"pid": os.getpid(), "url": "http://127.0.0.1:8000", "token": "t" * 200}
    store.lock.write({"url": "u"})
    assert read_lock(path) == {"pid": os.getpid(), "url": "u"}
    assert stat.S_IMODE(lock_path(path).stat().st_mode) == 0o600


async def test_a_lock_nobody_holds_says_nothing(path, store):
    assert read_lock(path.with_name("never.db")) is None
    await store.close()
    assert read_lock(path) is None
    lock_path(path).write_text('{"pid": 1}')
    assert read_lock(path) is None


async def test_reading_goes_on_beside_a_writer_without_its_lock(path, store):
    await written(store, append("a"))
    reader = await SqliteStore.open_readonly(path)
    await written(store, append("a", 1))
    assert await whole(reader) == await whole(store)
    for attempt in (reader.append([append("a", 2)]), reader.write([]), reader.save_snapshot(ORG, SNAPSHOT)):
        with pytest.raises(StoreError, match="reading only"):
            await attempt
    with pytest.raises(StoreError, match="reading only"):
        _ = reader.lock
    await reader.close()
    assert read_lock(path) is not None


SNAPSHOT = Snapshot(stream="a", version=1, fold=1, state=b"")


async def test_reading_works_without_any_writer(path, store):
    events = await written(store, append("a"))
    await store.close()
    reader = await SqliteStore.open_readonly(path)
    assert await whole(reader) == events
    await reader.close()


async def test_opening_for_reading_creates_nothing(tmp_path):
    with pytest.raises(StoreError) as caught:
        await SqliteStore.open_readonly(tmp_path / "none.db")
    assert caught.value.code == "unavailable"
    assert list(tmp_path.iterdir()) == []


async def test_opening_an_empty_database_for_reading_says_what_is_missing(path):
    sqlite3.connect(path).close()
    path.touch()
    with pytest.raises(StoreError, match="holds no log"):
        await SqliteStore.open_readonly(path)


@pytest.mark.parametrize("name", ["a b.db", "50%.db", "what?.db", "#1.db", "été.db"])
async def test_a_file_may_have_any_name(tmp_path, name):
    store = await SqliteStore.open(tmp_path / name, clock=clock)
    await written(store, append())
    assert (await store.head(ORG)).position == 1
    await store.close()
    assert {item.name for item in tmp_path.iterdir()} == {name, f"{name}.lock"}


@pytest.mark.parametrize("where", ["none/noces.db", "."])
async def test_a_place_that_holds_no_file_is_named(tmp_path, where):
    with pytest.raises(StoreError) as caught:
        await SqliteStore.open(tmp_path / where, clock=clock)
    assert caught.value.code == "unavailable"


async def test_a_file_that_is_no_database_is_left_alone(path):
    path.write_bytes(b"something else altogether" * 100)
    with pytest.raises(StoreError, match="not a database"):
        await SqliteStore.open(path, clock=clock)
    assert path.read_bytes() == b"something else altogether" * 100
    assert read_lock(path) is None


async def test_a_stranger_who_holds_the_file_makes_it_unavailable_for_a_while(path, store):
    with closing(sqlite3.connect(path, isolation_level=None)) as stranger:
        stranger.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError) as caught:
            await store.append([append("a"), append("b")])
        assert caught.value.code == "unavailable"
        assert (await store.head(ORG)).position == 0
        stranger.execute("ROLLBACK")
    assert reasons(await store.append([append("a"), append("b")])) == ["Appended", "Appended"]


async def test_reopening_finds_everything(path, store):
    events = await written(store, append("a", 0, event(), event(), takes=("link",)))
    await store.close()
    again = await SqliteStore.open(path, migrations=[Migration(900, "notes", NOTES)], clock=clock)
    assert await whole(again) == events
    assert await again.holder(ORG, "link") == "a"
    await written(again, append("a", 2))
    await again.close()


async def test_a_closed_store_leaves_one_file_beside_its_lock(path, store):
    await written(store, append())
    await store.close()
    assert {item.name for item in path.parent.iterdir()} == {"noces.db", "noces.db.lock"}


# --- a full disk -----------------------------------------------------------------------------------------------------


async def page_limit(store, pages):
    await store.writer.run(lambda database: database.execute(f"PRAGMA max_page_count = {pages}").fetchone())


async def test_a_full_disk_refuses_writes_answers_reads_and_goes_on_when_there_is_room(store):
    events = await written(store, append("a", 0, key=None))
    await page_limit(store, 1)
    large = [append("b", place * 20, *(event() for _ in range(20)), rows=(note(f"n{place}"),)) for place in range(20)]
    for _ in range(2):
        with pytest.raises(StoreError) as caught:
            await store.append(large)
        assert caught.value.code == "disk_full"
        assert await whole(store) == events
        assert await store.query("SELECT count(*) FROM notes") == [(0,)]
    with pytest.raises(StoreError):
        await store.write([note(f"n{place}", "x" * 1_000) for place in range(100)])
    await page_limit(store, 1_000_000)
    assert reasons(await store.append(large)) == ["Appended"] * 20
    assert [one.position for one in await whole(store)] == list(range(1, 402))


async def test_a_file_that_may_not_grow_counts_as_a_full_disk(path):
    with child("fill", path, str(400_000)) as process:
        answer = json.loads(process.communicate(timeout=60)[0])
    assert answer["codes"] == ["disk_full"] * 3
    assert answer["full"] == answer["readable"] > 8
    assert answer["results"] == ["Appended"] * 8
    assert answer["after"] == answer["full"] + 8


async def test_a_commit_that_the_disk_did_not_confirm_is_told_apart(store):
    class FsyncError(sqlite3.OperationalError):
        sqlite_errorcode = 1034
        sqlite_errorname = "SQLITE_IOERR_FSYNC"

    class Disk:
        def __init__(self, database):
            self._database = database

        def __getattr__(self, name):
            return getattr(self._database, name)

        def execute(self, sql, *values):
            if sql == "COMMIT":
                raise FsyncError
            return self._database.execute(sql, *values)

    store.writer._connection = Disk(store.writer._connection)
    with pytest.raises(StoreError) as caught:
        await store.append([append("a"), append("b")])
    assert caught.value.code == "outcome_unknown"
    assert reasons(await store.append([append("a"), append("b")])) == ["Appended"] * 2


async def test_a_failing_disk_gives_the_writer_a_new_connection(store):
    class DiskError(sqlite3.OperationalError):
        sqlite_errorcode = sqlite3.SQLITE_IOERR_WRITE
        sqlite_errorname = "SQLITE_IOERR_WRITE"

    def fail(database):
        seen.append(database)
        database.execute("INSERT INTO notes VALUES ('org_1', 'half', '')")
        raise DiskError

    seen = []
    with pytest.raises(StoreError) as caught:
        await store.writer.run(lambda _: store.writer.transact(fail))
    assert caught.value.code == "disk_full"
    await store.writer.run(seen.append)
    assert seen[0] is not seen[1]
    await written(store, append())
    assert await store.query("SELECT * FROM notes") == []


# --- mistakes --------------------------------------------------------------------------------------------------------


async def test_rows_that_break_a_rule_of_their_table_fail_with_their_events_alone(store):
    wrong = Put("notes", {"organisation": ORG, "id": "n"}, {"text": b"bytes"})
    unknown = Put("nothing", {"organisation": ORG}, {})
    results = await store.append([append("a"), append("b", rows=(wrong,)), append("c", rows=(unknown,)), append("d")])
    assert reasons(results) == ["Appended", "Failed", "Failed", "Appended"]
    assert isinstance(results[1], Failed)
    assert isinstance(results[1].error, sqlite3.IntegrityError)
    assert [(one.position, one.stream) for one in await whole(store)] == [(1, "a"), (2, "d")]


async def test_rows_are_written_all_or_none(store):
    with pytest.raises(sqlite3.OperationalError):
        await store.write([note("n"), Remove("nothing", {"organisation": ORG})])
    assert await store.query("SELECT * FROM notes") == []


async def test_a_mistaken_query_is_told_as_it_is(store):
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        await store.query("SELECT * FROM nowhere")


async def test_a_query_takes_its_values_by_place_or_name(store):
    await store.write([note("n")])
    assert await store.query("SELECT text FROM notes WHERE id = ?", ("n",)) == [("written",)]
    assert await store.query("SELECT text FROM notes WHERE id = :id", {"id": "n"}) == [("written",)]


@pytest.mark.parametrize("name", ["a b", 'a"b', "a;--", "", "1a", "été"])
def test_a_name_that_could_be_more_than_a_name_is_refused(name):
    with pytest.raises(ValueError, match="cannot name"):
        statement(Put(name, {"organisation": ORG}, {}))
    with pytest.raises(ValueError, match="cannot name"):
        statement(Change("notes", {"organisation": ORG}, {name: 1}))
    with pytest.raises(ValueError, match="cannot name"):
        statement(Remove("notes", {name: 1}))


async def test_reads_answer_while_all_readers_are_busy(store):
    await written(store, append("a"))
    assert [(await head).position for head in [asyncio.ensure_future(store.head(ORG)) for _ in range(50)]] == [1] * 50


# --- kill -9 ---------------------------------------------------------------------------------------------------------


async def test_a_killed_writer_loses_nothing_it_acknowledged(path):
    acknowledged: list[str] = []
    for _ in range(3):
        with child("write", path, text=True) as process:
            acknowledged.append(process.stdout.readline().strip())
            await asyncio.sleep(0.4)
            process.kill()
            acknowledged += process.stdout.read().split("\n")[:-1]
        await check_survivors(path, acknowledged)
    assert len(acknowledged) > 100


async def check_survivors(path, acknowledged):
    reader = await SqliteStore.open_readonly(path)
    survived = await whole(reader)
    await reader.close()
    store = await SqliteStore.open(path, clock=clock)
    events = await whole(store)
    kept = [one.id for one in events]
    assert events == survived
    assert [one.position for one in events] == list(range(1, len(events) + 1))
    assert (await store.head(ORG)).position == len(events)
    assert len(set(kept)) == len(kept)
    assert set(acknowledged) <= set(kept)
    for stream in ("s0", "s1", "s2", "s3"):
        versions = [one.version for one in events if one.stream == stream]
        assert versions == list(range(1, len(versions) + 1))
    assert await store.query("PRAGMA integrity_check") == [("ok",)]
    await store.close()


async def test_an_append_of_a_repeating_caller_after_a_crash_is_written_once(path, store):
    one = Append(organisation=ORG, stream="a", expected=0, events=(event(id="evt_1"),), context=CONTEXT)
    assert isinstance((await store.append([one]))[0], Appended)
    await store.close()
    again = await SqliteStore.open(path, migrations=[Migration(900, "notes", NOTES)], clock=clock)
    assert reasons(await again.append([one])) == ["Repeated"]
    await again.close()
