"""Damage of every kind, anywhere in an entry: the audit ends, says where, and is never content."""

import copy
import random

import msgspec
import pytest

from service.audit.by_position import Verification
from service.audit.verifying import verify
from tests.service.test_audits import entry_at, lived, set_entry, tamper
from tests.service.world import head

ODD = (
    None, "", "x", "é", -1, 0, True, 2**63, 1e300, [], {}, "2001-01-01T00:00:00", "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z",
)  # fmt: skip
GONE = object()
_sorted = msgspec.json.Encoder(order="sorted").encode


def places(value, before=()):
    """The way to every value inside an entry."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*before, key)
        yield from places(item, (*before, key))


def damaged(entry, place, value):
    """The bytes of an entry with another value at a place, or with none."""
    whole = copy.deepcopy(entry)
    inside = whole
    for key in place[:-1]:
        inside = inside[key]
    if value is GONE:
        del inside[place[-1]]
    else:
        inside[place[-1]] = value
    return _sorted(whole)


async def first_of_each_type(services):
    """(position, bytes) of one entry of every type in the log."""
    found = {}
    for position in range(1, await head(services) + 1):
        raw = await entry_at(services, position)
        found.setdefault(msgspec.json.decode(raw)["type"], (position, raw))
    return list(found.values())


async def audited(services, position, raw, *, strict):
    """What an audit finds while an entry has these bytes."""
    before = await entry_at(services, position)
    await tamper(services, set_entry(position, raw))
    lines = [
        line async for line in verify(services.query, Verification(organisation="acme", alone=True, strict=strict))
    ]
    await tamper(services, set_entry(position, before))
    return [line["finding"] for line in lines if "finding" in line], lines[-1]["result"]


async def check(services, damage):
    """Each damage is found, at the entry where it was done."""
    for position, raw, place, value, strict in damage:
        other = damaged(msgspec.json.decode(raw), place, value)
        if other != raw:
            found, result = await audited(services, position, other, strict=strict)
            told = (position, place, value, found)
            assert not result["ok"], told
            assert position in {each.get("position") for each in found}, told


async def all_damage(http, keyed, services, clock):
    """Every place of one entry of every type with every odd value."""
    await lived(http, keyed, services, clock)
    await http.get("/v1/logs/acme/checkpoint")  # the tree grows over the log
    assert (await audited(services, *(await first_of_each_type(services))[0], strict=True))[1]["ok"]
    return [
        (position, raw, place, value, strict)
        for position, raw in await first_of_each_type(services)
        for place in places(msgspec.json.decode(raw))
        for value in (*ODD, GONE)
        for strict in (False, True)
    ]


async def test_an_audit_finds_damage_where_it_was_done(http, keyed, services, clock):
    damage = await all_damage(http, keyed, services, clock)
    assert len(damage) > 10_000
    await check(services, random.Random(1).sample(damage, 300))


KNOWN = {
    "a header that only a table needs": ("partnership.opened", ("recorded_at",), "2001-01-01T00:00:00"),
    "a key of another shape": ("key.created", ("data",), {}),
    "a policy without a trigger's guards": ("policy.adopted", ("data", "policy", "guards", "commit"), GONE),
    "a guard that nobody knows": ("policy.adopted", ("data", "policy", "guards", "face_reality", 0), "x"),
    "a decision at the beginning of time": ("transition.refused", ("decided_at",), "0001-01-01T00:00:00Z"),
}


@pytest.mark.parametrize("what", KNOWN)
async def test_what_once_ended_an_audit_is_a_finding(http, keyed, services, clock, what):
    kind, place, value = KNOWN[what]
    await lived(http, keyed, services, clock)
    await http.get("/v1/logs/acme/checkpoint")  # the tree grows over the log
    entries = await first_of_each_type(services)
    ((position, raw),) = [each for each in entries if msgspec.json.decode(each[1])["type"] == kind]
    await check(services, [(position, raw, place, value, strict) for strict in (False, True)])


@pytest.mark.long
@pytest.mark.parametrize("part", range(8))
async def test_an_audit_finds_all_damage(http, keyed, services, clock, part):
    damage = await all_damage(http, keyed, services, clock)
    await check(services, damage[part::8])
