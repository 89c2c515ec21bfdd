"""What verify.py holds a log's entries to: every promise broken once, found at its position, and kept otherwise."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from service.api.meta import machine_view
from service.capsule.entries import Entry, EntryError, Finding, Order, instant, read_entry, recorded_at
from service.capsule.story import Machine, Story

MACHINE = Machine(msgspec.json.decode(msgspec.json.encode(machine_view())))
SHOCKS = MACHINE.guards["face_reality"]
PEACE = MACHINE.guards["share_power"]
DAY = datetime(2020, 1, 10, tzinfo=UTC)


def verdicts(codes, met):
    return [{"code": code, "met": code in met, "actual": 2, "required": 1, "evidence": [1]} for code in codes]


def entry(position, kind, data, *, day=0, actor="key_a", version=None):
    return Entry(
        position,
        "partnership-pn_1",
        version or position,
        kind,
        f"evt_{position}",
        DAY + timedelta(days=day),
        actor,
        "",
        data,
    )


OPENED = entry(1, "partnership.opened", {"client": "A", "partner": "B"})


def entered(position, stage, left, trigger, guards, **more):
    data = {
        "stage": stage,
        "left": left,
        "trigger": trigger,
        "guards": guards,
        "policy": 0,
        "cause": 1,
        "decided_on": 1,
        **more,
    }
    return entry(position, "stage.entered", data, day=position)


STRUGGLE = entered(2, "power_struggle", "honeymoon", "face_reality", verdicts(SHOCKS, SHOCKS[:1]))


def told(*entries):
    story = Story(MACHINE, frozenset({"pn_1"}))
    return [each for entry in entries for each in story.take(entry)], story


def codes(*entries):
    return [(each.position, each.code) for each in told(*entries)[0]]


def test_a_path_along_the_arrows_is_told_without_a_finding():
    sharing = entered(3, "power_sharing", "power_struggle", "share_power", verdicts(PEACE, PEACE))
    found, story = told(OPENED, STRUGGLE, sharing)
    assert found == []
    assert [spell.state for spell in story.paths["pn_1"].spells] == ["honeymoon", "power_struggle", "power_sharing"]


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (
            entered(
                2, "commitment", "honeymoon", "commit", verdicts(MACHINE.guards["commit"], MACHINE.guards["commit"])
            ),
            "arrow",
        ),
        (
            entered(
                2, "power_struggle", "power_sharing", "relapse", verdicts(MACHINE.guards["relapse"], ["delay_doubled"])
            ),
            "left",
        ),
        (entered(2, "power_struggle", "honeymoon", "face_reality", verdicts(SHOCKS, [])), "verdicts"),
        (entered(2, "power_struggle", "honeymoon", "face_reality", verdicts(SHOCKS[1:], SHOCKS)), "guards"),
        (entered(2, "power_struggle", "honeymoon", "face_reality", verdicts(SHOCKS, SHOCKS), policy=7), "policy"),
        (entered(2, "power_struggle", "honeymoon", "face_reality", verdicts(SHOCKS, SHOCKS), cause=9), "cause"),
        (entered(2, "power_struggle", "honeymoon", "face_reality", verdicts(SHOCKS, SHOCKS), decided_on=2), "evidence"),
        (entered(2, "power_struggle", "honeymoon", "force", [], forced=True), "forced"),
        (STRUGGLE._replace(occurred_at=DAY - timedelta(days=1)), "occurred_at"),
        (
            entry(
                2,
                "transition.refused",
                {"trigger": "share_power", "guards": verdicts(PEACE, PEACE), "policy": 0, "decided_on": 1},
            ),
            "verdicts",
        ),
    ],
)
def test_what_does_not_hold_together_is_found_at_its_position(wrong, code):
    assert (2, code) in codes(OPENED, wrong)


def test_a_transition_of_nothing_is_found():
    assert (1, "opened") in codes(entered(1, "power_struggle", "honeymoon", "face_reality", verdicts(SHOCKS, SHOCKS)))


def test_all_verdicts_are_needed_where_people_decide():
    assert (3, "verdicts") in codes(
        OPENED, STRUGGLE, entered(3, "power_sharing", "power_struggle", "share_power", verdicts(PEACE, PEACE[1:]))
    )


def forced(asker, approver, to="power_struggle", approve=True):
    asked = entry(2, "override.requested", {"override": "ovr_1", "to": to}, actor=asker)
    approved = entry(3, "override.approved", {"override": "ovr_1"}, actor=approver)
    stage = entered(4 if approve else 3, to, "honeymoon", "force", [], forced=True)
    return (OPENED, asked, approved, stage) if approve else (OPENED, asked, stage)


def test_two_people_may_force_a_neighbouring_stage():
    assert codes(*forced("key_a", "key_b")) == []


def test_one_person_alone_cannot_force():
    assert codes(*forced("key_a", "key_a")) == [(3, "override")]
    assert codes(*forced("key_a", "key_b", approve=False)) == [(3, "forced")]


def test_nobody_can_force_past_a_stage():
    assert codes(*forced("key_a", "key_b", to="commitment")) == [(4, "forced")]


def test_the_policy_in_force_names_the_guards():
    fewer = entry(2, "policy.adopted", {"version": 3, "policy": {"guards": {"face_reality": SHOCKS[:2]}}})._replace(
        stream="policy"
    )
    stage = entered(3, "power_struggle", "honeymoon", "face_reality", verdicts(SHOCKS[:2], SHOCKS[:1]), policy=3)
    assert codes(OPENED, fewer, stage) == []
    assert codes(OPENED, fewer, stage._replace(data={**stage.data, "guards": verdicts(SHOCKS, SHOCKS[:1])})) == [
        (3, "guards")
    ]


def test_a_separation_is_taken_back_where_it_came_from_or_into_the_struggle():
    reasons = verdicts(MACHINE.guards["separate"], MACHINE.guards["separate"])
    leaving = entered(2, "maturity_or_separation", "honeymoon", "separate", reasons, outcome="separating")
    asked = verdicts(MACHINE.guards["reconcile"], MACHINE.guards["reconcile"])
    for stage, found in (("honeymoon", []), ("power_struggle", []), ("commitment", [(3, "arrow")])):
        assert (
            codes(OPENED, leaving, entered(3, stage, "maturity_or_separation.separating", "reconcile", asked)) == found
        )


def test_versions_are_dense_and_times_never_go_back():
    order = Order()
    assert order.take(OPENED, "2026-01-01T00:00:00.000000Z") == []
    assert [each.code for each in order.take(STRUGGLE._replace(version=3), "2026-01-01T00:00:00.000000Z")] == [
        "version"
    ]
    found = order.take(entry(4, "x", {}), "2025-01-01T00:00:00.000000Z")
    assert [each.code for each in found] == ["recorded_at"]
    assert str(Finding(4, "code", "a", "b", "s")) == "position 4 (s): code: expected a, found b"


def test_times_of_whole_seconds_and_of_microseconds_sort_by_time():
    first, second = b'{"recorded_at":"2026-01-01T00:00:00Z"}', b'{"recorded_at":"2026-01-01T00:00:00.000001Z"}'
    assert recorded_at(first) < recorded_at(second)
    assert instant("2026-01-01T00:00:00Z") < instant("2026-01-01T00:00:00.000001Z")


GOOD = b'{"actor":"a","data":{},"id":"i","occurred_at":"2026-01-01T00:00:00Z","stream":"s","type":"t","version":1}'


def test_an_entry_is_read_from_its_bytes():
    assert read_entry(GOOD, 5)[:6] == (5, "s", 1, "t", "i", datetime(2026, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"[]", b"null", b"{", b"\xff", GOOD[:-1], GOOD.replace(b'"actor":"a",', b""), GOOD.replace(b":1}", b":true}"),
        GOOD.replace(b"{}", b"[]"), GOOD.replace(b'"s"', b"1"), GOOD.replace(b"{}", b'{"b":1,"a":1}'), GOOD.replace(b"{}", b"NaN"),
        GOOD.replace(b"{}", b'{"a":1,"a":1}'), GOOD.replace(b"00Z", b"00+02:00"), b"[" * 100_000,
    ],
)  # fmt: skip
def test_bytes_that_are_no_entry_are_refused(raw):
    with pytest.raises(EntryError):
        read_entry(raw, 1)
