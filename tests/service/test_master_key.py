"""The master key: where it comes from, how it is changed, and that the old one then opens nothing."""

import base64
import json

import pytest

from service.master import key_file, pending, standing_key, write_key
from service.settings import SettingsError, keys_path
from tests.service.processes import free_port, noces
from tests.service.senders import add_source, incident
from tests.service.world import (
    client,
    delivered,
    every_event,
    get,
    make_key,
    open_partnership,
    say,
    settings_of,
    started,
)  # fmt: skip

NAME = "Agnès Quillfeather"


async def filled(folder, clock, **chosen):
    """A service with a person, a text, a source with a secret and a stored delivery; the key and what it answers."""
    async with started(settings_of(folder, **chosen), clock) as services:
        key = await make_key(services)
        async with client(services, key) as http:
            opened = (await open_partnership(http))["id"]
            await say(http, opened, "contact.designated", side="client", person=NAME, role="CIO")
            await say(http, opened, "advice.given", advice="a1", text="Buy less")
            source = await add_source(http, "pagerduty", clock)
            inbox = (await delivered(services, http, await source.post(incident(1))))["id"]
            return key, inbox, await every_event(http)


async def opens_all(folder, clock, key, inbox, events, **chosen):
    async with started(settings_of(folder, **chosen), clock) as services, client(services, key) as http:
        assert await every_event(http) == events
        assert "PINC1" in (await get(http, f"/v1/inbox/{inbox}"))["body"]
        source = next(iter((await get(http, "/v1/sources"))["items"]))["id"]
        assert (await services.sources.find(source)).secrets


def rotated(folder, *arguments, **settings):
    return noces(
        "keys", "rotate-master", "--database", f"sqlite:///{folder}/noces.db", *arguments, cwd=folder, **settings
    )


async def test_a_new_master_key_opens_everything_and_the_old_one_nothing(tmp_path, clock):
    kept = await filled(tmp_path, clock)
    old = key_file(settings_of(tmp_path)).read_text()
    wrapped = keys_path(settings_of(tmp_path)).read_bytes()
    told = rotated(tmp_path, "--json")
    assert (told.returncode, told.stderr) == (0, "")
    assert json.loads(told.stdout)["keys"] >= 3
    new = key_file(settings_of(tmp_path)).read_text()
    assert new != old
    assert not pending(key_file(settings_of(tmp_path))).exists()
    await opens_all(tmp_path, clock, *kept)
    with pytest.raises(SettingsError, match="another master key"):
        async with started(settings_of(tmp_path, master_key=old.strip()), clock):
            pass
    # Nothing that the old key could open is left in the file.
    assert wrapped != keys_path(settings_of(tmp_path)).read_bytes()


async def test_a_master_key_from_a_setting_is_written_where_the_operator_says(tmp_path, clock):
    first = base64.b64encode(b"1" * 32).decode()
    kept = await filled(tmp_path, clock, master_key=first)
    told = rotated(tmp_path, master_key=first)
    assert told.returncode == 1
    assert "--out" in told.stderr
    told = rotated(tmp_path, "--out", "next.key", master_key=first)
    assert told.returncode == 0, told.stderr
    assert (tmp_path / "next.key").stat().st_mode & 0o777 == 0o600
    second = (tmp_path / "next.key").read_text().strip()
    assert second not in told.stdout + told.stderr
    await opens_all(tmp_path, clock, *kept, master_key=second)
    again = rotated(tmp_path, "--out", "next.key", master_key=second)
    assert again.returncode == 1
    assert "exists already" in again.stderr
    await opens_all(tmp_path, clock, *kept, master_key=second)


async def test_a_rotation_with_the_wrong_key_changes_nothing(tmp_path, clock):
    kept = await filled(tmp_path, clock)
    wrong = base64.b64encode(b"2" * 32).decode()
    told = rotated(tmp_path, "--out", "next.key", master_key=wrong)
    assert told.returncode == 1
    assert "another master key" in told.stderr
    assert not (tmp_path / "next.key").exists()
    await opens_all(tmp_path, clock, *kept)


async def test_a_rotation_cut_short_before_its_commit_leaves_the_old_key(tmp_path, clock):
    kept = await filled(tmp_path, clock)
    old = key_file(settings_of(tmp_path)).read_text()
    write_key(pending(key_file(settings_of(tmp_path))), b"3" * 32)
    await opens_all(tmp_path, clock, *kept)
    assert key_file(settings_of(tmp_path)).read_text() == old
    assert not pending(key_file(settings_of(tmp_path))).exists()


async def test_a_rotation_cut_short_after_its_commit_is_finished_at_the_next_start(tmp_path, clock):
    kept = await filled(tmp_path, clock)
    path = key_file(settings_of(tmp_path))
    old = path.read_text()
    assert rotated(tmp_path).returncode == 0
    path.rename(pending(path))  # as it stands between the commit and the renaming
    path.write_text(old)
    await opens_all(tmp_path, clock, *kept)
    assert not pending(path).exists()
    assert path.read_text() != old


def test_a_rotation_beside_a_running_server_is_refused(serve, tmp_path):
    serve()
    told = rotated(tmp_path)
    assert told.returncode == 1
    assert "in use by another process" in told.stderr


# --- a command that prints it ----------------------------------------------------------------------------------------


async def test_a_command_may_print_the_master_key(tmp_path, clock):
    (tmp_path / "secret").write_text(base64.b64encode(b"4" * 32).decode() + "\n")
    chosen = {"master_key_command": f"cat {tmp_path}/secret"}
    kept = await filled(tmp_path, clock, **chosen)
    assert not key_file(settings_of(tmp_path)).exists()
    await opens_all(tmp_path, clock, *kept, **chosen)


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("false", "status 1"),
        ("/no/such/program", "cannot be run"),
        ("echo short", "base64 of 32 bytes"),
        ("'", "cannot be run"),
    ],
)
async def test_a_command_that_prints_no_key_stops_the_start(tmp_path, clock, command, told):
    with pytest.raises(SettingsError, match=told):
        async with started(settings_of(tmp_path, master_key_command=command), clock):
            pass


# --- production ------------------------------------------------------------------------------------------------------

UNSAFE = {
    "demo": {"demo": "1"},
    "public_base_url": {"public_base_url": "http://noces.example"},
}


@pytest.mark.parametrize("name", UNSAFE)
def test_production_refuses_to_start_with_an_unsafe_setting(tmp_path, name):
    arguments = ("serve", "--production", "--database", f"sqlite:///{tmp_path}/noces.db", "--port", str(free_port()))
    told = noces(*arguments, cwd=tmp_path, **{"public_base_url": "https://noces.example", **UNSAFE[name]})
    assert told.returncode == 1
    assert f"\n{name}: " in told.stderr
    assert not (tmp_path / "noces.db").exists()


def test_production_refuses_files_that_others_can_read(serve, tmp_path):
    serve().terminate()
    arguments = ("serve", "--production", "--database", f"sqlite:///{tmp_path}/noces.db", "--port", str(free_port()))
    for name, finding in (("master.key", "master_key"), ("noces.keys.db", "keys_file")):
        (tmp_path / name).chmod(0o644)
        told = noces(*arguments, cwd=tmp_path, public_base_url="https://noces.example")
        assert told.returncode == 1
        assert f"\n{finding}: " in told.stderr
        (tmp_path / name).chmod(0o600)


def test_production_starts_where_everything_is_safe(serve):
    server = serve(public_base_url="https://noces.example", arguments=("--production",))
    assert server.terminate() == 0


def test_every_file_of_a_database_is_its_owners_alone(serve, tmp_path):
    serve()
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir() if path.is_file()}
    assert {"noces.db", "noces.keys.db", "master.key", "noces.db-wal", "noces.keys.db-wal"} <= set(modes)
    assert set(modes.values()) == {0o600}, modes


async def test_whoever_only_reads_finds_the_key_in_the_middle_of_a_rotation_and_changes_nothing(tmp_path, clock):
    settings = settings_of(tmp_path)
    async with started(settings, clock) as services:
        path, keys = key_file(settings), services.vault._file
        right = base64.b64decode(path.read_bytes())
        write_key(pending(path), b"w" * 32)
        assert await standing_key(settings, keys) == right
        path.rename(tmp_path / "right")
        pending(path).rename(path)
        (tmp_path / "right").rename(pending(path))
        assert await standing_key(settings, keys) == right
        assert pending(path).exists()
        pending(path).unlink()
        with pytest.raises(SettingsError, match="another master key"):
            await standing_key(settings, keys)
        path.unlink()
        with pytest.raises(SettingsError, match="no master key"):
            await standing_key(settings, keys)
        assert not path.exists()
