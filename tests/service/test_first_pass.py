"""The first pass of a verification beside the second one, in a process of its own: the same findings, and no orphan."""

import asyncio
import os
from contextlib import aclosing
from pathlib import Path

import pytest

from service.audit.by_position import Verification
from service.audit.reading import together
from service.audit.verifying import verify
from service.operations.first_pass import elsewhere
from service.settings import SettingsError
from tests.service.story import PEACE, TERMS, power_sharing, power_struggle
from tests.service.test_audits import TAMPERED, lived, tamper
from tests.service.world import ask, head, make_key, say_all


async def lines_of(services, apart, **wanted):
    asked = Verification(organisation="acme", alone=True, **wanted)
    there = elsewhere(services.settings.database, asked) if apart else None
    lines = [line async for line in verify(services.query, asked, there)]
    findings = [line["finding"] for line in lines if "finding" in line]
    (result,) = [line["result"] for line in lines if "result" in line]
    return sorted(map(str, findings)), {name: value for name, value in result.items() if name != "seconds"}


@pytest.mark.parametrize(
    "what", [None, "a field of the wrong kind", "a row deleted in the middle", "a transition put in"]
)
async def test_two_processes_find_what_one_finds(http, keyed, services, clock, what):
    await lived(http, keyed, services, clock)
    end = await head(services)
    if what is not None:
        _, statements = await TAMPERED[what](services)
        await tamper(services, *statements)
    together_found, together_came_to = await lines_of(services, apart=True, strict=True)
    alone_found, alone_came_to = await lines_of(services, apart=False, strict=True)
    assert (together_found, together_came_to) == (alone_found, alone_came_to)
    assert together_came_to["ok"] is (what is None)
    assert together_came_to["events"] >= end


@pytest.mark.parametrize("apart", [False, True])
async def test_what_is_recorded_meanwhile_is_left_for_the_next_time_and_is_no_finding(http, services, apart):
    first = await power_struggle(http)
    end = await head(services)
    asked = Verification(organisation="acme", alone=True)
    told = []

    async def more():
        """Another partnership, another stage of the first one, a link, a key."""
        await say_all(http, first, "2020-08-10", [*PEACE, *TERMS])
        assert (await ask(http, first, "share_power", "2020-09-01")).status_code == 201
        assert (await http.put(f"/v1/partnerships/{first}/links/crm/company/1")).status_code == 200
        await power_sharing(http)
        await make_key(services)

    async def slowly(end):
        async for line in elsewhere(services.settings.database, asked)(end):
            yield line

    async for line in verify(services.query, asked, slowly if apart else None):
        if not told:
            await more()
        told.append(line)
    assert [line for line in told if "finding" in line] == []
    assert (told[-1]["result"]["events"], told[-1]["result"]["ok"]) == (end, True)
    found, came_to = await lines_of(services, apart=apart)
    assert (found, came_to["events"]) == ([], await head(services))


async def test_a_process_that_fails_fails_the_verification(http, services, capfd):
    await power_sharing(http)
    asked = Verification(organisation="acme", alone=True)
    with pytest.raises(SettingsError, match="The process of the first pass failed"):
        async for _ in verify(services.query, asked, elsewhere("sqlite:////nowhere/noces.db", asked)):
            pass
    assert "There is no database" in capfd.readouterr().err


def children():
    """The processes that this one has begun, by their numbers."""
    return {each.name for each in Path("/proc").iterdir() if each.name.isdigit() and parent(each) == os.getpid()}


def parent(process):
    try:
        return int((process / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])
    except OSError:  # it has ended meanwhile
        return None


async def test_the_process_ends_with_whoever_asked(http, services):
    await power_sharing(http)
    before = children()
    asked = Verification(organisation="acme", alone=True)
    async with aclosing(verify(services.query, asked, elsewhere(services.settings.database, asked))) as lines:
        await anext(lines)
        assert children() - before
    for _ in range(100):
        if not children() - before:
            break
        await asyncio.sleep(0.05)
    assert not children() - before


async def test_several_are_heard_as_they_speak_and_one_that_fails_ends_all():
    async def counts(values):
        for each in values:
            await asyncio.sleep(0)
            yield each

    async def fails():
        yield 1
        raise ValueError("gone")

    assert sorted([each async for each in together(counts([1, 2]), counts([3]), counts([]))]) == [1, 2, 3]
    with pytest.raises(ValueError, match="gone"):
        [each async for each in together(counts([1, 2]), fails())]
