"""Backups: whole copies beside a running server, proven before they count, and put back only where nobody writes."""

import json

import pytest

from tests.service.processes import noces
from tests.service.story import power_struggle
from tests.service.test_audits import audit
from tests.service.world import client, every_event, get, head, make_key, say, settings_of, started


def run(folder, *arguments):
    return noces(*arguments, "--database", f"sqlite:///{folder}/noces.db", cwd=folder, organisation="acme")


async def test_a_copy_beside_a_running_service_comes_to_the_same_state(tmp_path, clock):
    async with started(settings_of(tmp_path), clock) as services:
        key = await make_key(services)
        async with client(services, key) as http:
            opened = await power_struggle(http)
            await say(http, opened, "contact.designated", side="client", person="Agnès Martin", role="CIO")
            told = run(tmp_path, "backup", "--out", "copy.db", "--keys-out", "keys.db", "--json")
            assert (told.returncode, told.stderr) == (0, "")
            (each,) = json.loads(told.stdout)
            _, result = await audit(http, mode="verify")
            assert (each["organisation"], each["events"], each["state_hash"]) == (
                "acme",
                await head(services),
                result["state_hash"],
            )
            before = await every_event(http)
            await power_struggle(http)
    for name in ("copy.db", "keys.db"):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600
    assert "Agnès".encode() not in (tmp_path / "copy.db").read_bytes()
    # Elsewhere, with the keys and the master key, it is the service as it was.
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name, there in (("copy.db", "noces.db"), ("keys.db", "noces.keys.db"), ("master.key", "master.key")):
        (elsewhere / there).write_bytes((tmp_path / name).read_bytes())
    async with started(settings_of(elsewhere), clock) as services, client(services, key) as http:
        assert await every_event(http) == before


async def test_a_restored_copy_takes_the_place_and_the_old_file_is_kept(tmp_path, clock):
    settings = settings_of(tmp_path)
    async with started(settings, clock) as services:
        key = await make_key(services)
        async with client(services, key) as http:
            await power_struggle(http)
            assert run(tmp_path, "backup", "--out", "copy.db").returncode == 0
            kept = await every_event(http)
            await power_struggle(http)
            refused = run(tmp_path, "restore", "copy.db")
            assert refused.returncode == 1
            assert "in use by another process" in refused.stderr
            assert len(await every_event(http)) > len(kept)
    told = run(tmp_path, "restore", "copy.db")
    assert told.returncode == 0, told.stderr
    assert f"acme: {len(kept)} events" in told.stdout
    assert len(list(tmp_path.glob("noces.db.before-*"))) >= 1
    async with started(settings, clock) as services, client(services, key) as http:
        assert await every_event(http) == kept


async def test_what_does_not_verify_is_neither_kept_nor_restored(tmp_path, clock):
    async with started(settings_of(tmp_path), clock) as services, client(services, await make_key(services)) as http:
        await power_struggle(http)
        assert run(tmp_path, "backup", "--out", "good.db").returncode == 0
        await services.store.alone(lambda database: database.execute("UPDATE partnerships SET stage = 'commitment'"))
        told = run(tmp_path, "backup", "--out", "bad.db")
        assert told.returncode == 1
        assert "does not verify" in told.stderr
        assert not list(tmp_path.glob("bad.db*"))
        assert (await get(http, "/readyz"))["status"] == "ready"
    (tmp_path / "broken.db").write_bytes((tmp_path / "good.db").read_bytes()[:8192] + b"\0" * 4096)
    before = (tmp_path / "noces.db").read_bytes()
    for name in ("broken.db", "master.key"):
        told = run(tmp_path, "restore", name)
        assert told.returncode == 1
        assert told.stderr.strip().count("\n") == 0, told.stderr
    assert (tmp_path / "noces.db").read_bytes() == before


async def test_what_the_old_database_had_not_yet_folded_goes_aside_with_it(tmp_path, clock):
    settings = settings_of(tmp_path)
    async with started(settings, clock) as services, client(services, await make_key(services)) as http:
        assert run(tmp_path, "backup", "--out", "copy.db").returncode == 0
        await power_struggle(http)
        events = await every_event(http)
        left = {name: (tmp_path / name).read_bytes() for name in ("noces.db", "noces.db-wal")}
    for name, raw in left.items():  # as a killed server leaves it
        (tmp_path / name).write_bytes(raw)
    assert run(tmp_path, "restore", "copy.db").returncode == 0
    (old,) = [path for path in tmp_path.glob("noces.db.before-*") if not path.name.endswith(("-wal", "-shm"))]
    told = noces("export", "--database", f"sqlite:///{old}", cwd=tmp_path, organisation="acme")
    assert len(told.stdout.splitlines()) == len(events)


async def test_a_broken_database_is_moved_aside_as_it_is(tmp_path, clock):
    async with started(settings_of(tmp_path), clock):
        assert run(tmp_path, "backup", "--out", "copy.db").returncode == 0
    (tmp_path / "noces.db").write_bytes(b"no database at all")
    told = run(tmp_path, "restore", "copy.db")
    assert told.returncode == 0, told.stderr
    (old,) = tmp_path.glob("noces.db.before-*")
    assert old.read_bytes() == b"no database at all"
    async with started(settings_of(tmp_path), clock) as services:
        assert await head(services) > 0


@pytest.mark.parametrize("name", ["--out", "--keys-out"])
async def test_no_file_is_written_over(tmp_path, clock, name):
    async with started(settings_of(tmp_path), clock):
        (tmp_path / "there.db").write_text("mine")
        other = [] if name == "--out" else ["--out", "new.db"]
        told = run(tmp_path, "backup", name, "there.db", *other)
        assert told.returncode == 1
        assert "exists already" in told.stderr
        assert (tmp_path / "there.db").read_text() == "mine"
        assert not (tmp_path / "new.db").exists()


def test_where_there_is_no_database_there_is_no_backup(tmp_path):
    told = run(tmp_path, "backup", "--out", "copy.db")
    assert told.returncode == 1
    assert "no database" in told.stderr
