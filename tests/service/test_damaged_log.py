"""Whoever reads a log that holds an entry which cannot be read is told so in one sentence; nothing is left behind."""

import pytest

from tests.service.processes import noces
from tests.service.story import power_struggle
from tests.service.test_audits import place_of, set_entry, tamper
from tests.service.world import ask, client, get, make_key, problem, settings_of, started

BROKEN = {
    "no JSON": b"{broken",
    "no text": b'{"actor":"\xff"}',
    "no entry": b"{}",
}
COMMANDS = {
    "replay": ("replay",),
    "hindsight": ("replay", "--hindsight"),
    "what if": ("replay", "--policy", "policy.toml"),
    "the stays": ("export", "--format", "csv", "--out", "out"),
    "cloudevents": ("export", "--format", "cloudevents", "--out", "out"),
    "ocel": ("export", "--format", "ocel-json", "--out", "out"),
    "ocel in a database": ("export", "--format", "ocel-sqlite", "--out", "out"),
    "xes": ("export", "--format", "xes", "--out", "out"),
    "the capsule": ("capsule", "--out", "out"),
    "a copy": ("backup", "--out", "out"),
    "the tables anew": ("rebuild",),
}


@pytest.mark.parametrize(
    ("command", "what"), [*((command, "no JSON") for command in COMMANDS), ("replay", "no text"), ("xes", "no entry")]
)
async def test_a_command_says_so_in_one_sentence(tmp_path, clock, command, what):
    async with started(settings_of(tmp_path), clock) as services, client(services, await make_key(services)) as http:
        await power_struggle(http)
        await tamper(services, set_entry(await place_of(services, "promise.made"), BROKEN[what]))
    (tmp_path / "policy.toml").write_text("delay_doubled = 3.0\n")
    told = noces(*COMMANDS[command], "--database", f"sqlite:///{tmp_path}/noces.db", cwd=tmp_path, organisation="acme")
    assert told.returncode == 1
    assert "noces verify" in told.stderr.splitlines()[-1]
    assert "Traceback" not in told.stdout + told.stderr
    assert not (tmp_path / "out").exists()


async def test_a_server_says_so_and_goes_on(services, http):
    opened, other = await power_struggle(http), await power_struggle(http)
    await tamper(services, set_entry(await place_of(services, "promise.made"), BROKEN["no JSON"]))
    told = problem(await http.get(f"/v1/partnerships/{opened}/events"), 500, "internal")
    assert "noces verify" in told["detail"]
    assert (await get(http, f"/v1/partnerships/{other}"))["stage"] == "power_struggle"
    assert (await ask(http, other, "share_power")).status_code == 409
