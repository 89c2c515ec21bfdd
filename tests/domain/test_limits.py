"""Everything at its largest: whatever the system derives fits an entry, and no date breaks the calendar."""

from datetime import date, timedelta

import msgspec
import pytest

from domain import commands as c
from domain import events as e
from domain.decide import explain
from domain.guards import verdict
from domain.guards.case import EVIDENCE_LIMIT
from domain.history import flags, overlaps, spells
from domain.measures import activation, overlapping, unmatched
from domain.owed import next_due
from domain.path import TOLD_AT_MOST
from domain.policy import GUARDS, POLICY_1
from domain.types import NAME_LIMIT, TEXT_LIMIT, Sealed
from tests.domain.story import (
    NOW,
    asked,
    at,
    cadence,
    dispute,
    forced,
    given,
    held,
    issued,
    later,
    missed,
    month,
    negotiated,
    on,
    opened,
    promise,
    reality,
    settled,
    sharing,
    struggling,
    then,
    threat,
    ticked,
    when,
    withdrawal,
)

ENTRY = 65_535
ENVELOPE = 2_000
"""More than what stands around an event's data: ids, times, and a source, each at most 200 characters."""

# A sealed text: four bytes a character, base64, and the key that opens it.
LONGEST = Sealed("per_" + "x" * 40, "A" * (4 * (4 * TEXT_LIMIT + 28) // 3))


def size(data):
    return len(msgspec.json.encode(data)) + ENVELOPE


def test_a_refusal_with_every_guard_full_of_evidence_fits():
    name = "ß" * NAME_LIMIT
    story = given(sharing(), on("2020-10-01", negotiated(name, 0.9)))
    for n in range(EVIDENCE_LIMIT + 10):
        on("2020-10-02", dispute(f"d{n}"), settled(f"d{n}"), dispute(f"open{n}"), issued(f"i{n}", currency="EUR"))(
            story
        )
        on("2020-10-03", held("2020-10-03"), missed("2020-10-03", "strategic"), month("2020-09", 1, name))(story)
    outcome = when(story, asked("commit", "2020-12-01"))
    refused = outcome.decision.events[-1].data
    counted = [each for each in refused.guards if each.count]
    assert counted
    assert all(len(each.evidence) == EVIDENCE_LIMIT < each.count for each in counted)
    assert size(refused) < ENTRY


def test_the_largest_verdicts_of_every_trigger_fit_beside_the_longest_reason():
    largest = e.Verdict(
        code="x" * 40, met=False, actual="ß" * (NAME_LIMIT + 40), required="x" * 60,
        evidence=(2**53 - 1,) * EVIDENCE_LIMIT, count=2**53 - 1,
    )  # fmt: skip
    for codes in GUARDS.values():
        refused = e.TransitionRefused(
            trigger="x" * 40, policy=2**31, guards=(largest,) * len(codes), decided_on=2**53 - 1
        )
        assert size(refused) < ENTRY
    entered = e.StageEntered(
        stage="maturity_or_separation", outcome="separated", left="x" * 40, trigger="x" * 40, policy=2**31,
        guards=(), cause=2**53 - 1, decided_on=2**53 - 1, forced=True, reason=LONGEST, ending="stillborn",
        respectful=True, separated_from="maturity_or_separation",
    )  # fmt: skip
    assert size(entered) < ENTRY


@pytest.mark.parametrize("text", [LONGEST, "\u0001" * TEXT_LIMIT, "𝄞" * TEXT_LIMIT])
def test_the_longest_text_of_a_human_transition_fits(text):
    assert size(e.SeparationDecided(reason="acquisition", side="partner", text=text)) < ENTRY
    assert size(e.OverrideRequested(override="x" * NAME_LIMIT, to="x" * 40, reason=text, by="x" * NAME_LIMIT)) < ENTRY
    assert size(e.FactRetracted(event="x" * NAME_LIMIT, reason=text)) < ENTRY


def test_a_forced_transition_carries_its_longest_reason():
    story = given(struggling())
    story.do(c.RequestOverride(override="o", to="power_sharing", reason=LONGEST, by="key_1"), at("2021-01-01"))
    decision = story.do(c.ApproveOverride(override="o", by="key_2"), at("2021-01-02"))
    assert all(size(each.data) < ENTRY for each in decision.events)


def test_the_longest_path_fits():
    spell = e.PathSpell("maturity_or_separation.separating", "2020-01-01T00:00:00.000001Z", "complete_separation")
    assert (
        size(e.StageReassessed(because=2**53 - 1, recorded=(spell,) * TOLD_AT_MOST, otherwise=(spell,) * TOLD_AT_MOST))
        < ENTRY
    )


def test_evidence_keeps_the_newest_and_says_how_many_there_were():
    story = given(opened("2020-01-01"), *[on(later("2020-02-01", n), threat()) for n in range(30)])
    found = dict(explain(story.state, "share_power", POLICY_1, NOW))["no_threat_open"]
    said = verdict("no_threat_open", found)
    assert (len(said.evidence), said.count, said.evidence[-1]) == (20, 30, max(seen.version for seen in found.evidence))


# --- the ends of the calendar --------------------------------------------------------------------------------------------

EXTREMES = [
    e.ContractSigned(contract="a", starts_on=date.min, ends_on=date.max),
    e.ContractRenewed(contract="b", starts_on=date.max),
    e.ContractNoticeGiven(contract="a", side="client", effective_on=date.max),
    promise("q", "other", 1, due_on="9999-12-31"),
    promise("r", "other", 1, due_on="0001-01-01"),
    e.ReadjustmentPlanned(on_date=date.max),
    e.HoursInvested(side="client", hours=100_000, on_date=date.min, kind="build"),
    held("9999-12-31"),
    held("0001-01-01"),
    missed("9999-12-31"),
    missed("0001-01-01"),
    issued("a", due_on="9999-12-31"),
    issued("b", 2**53 - 1, due_on="0001-01-01"),
    e.InvoicePaid(invoice="a", paid_on=date.max),
    e.ExitPlanRecorded(tested_on=date.min),
    month("9999-12", 0),
    month("0000-01", 0),
]


@pytest.mark.parametrize("since", [None, "0001-01-01", "9999-12-31"])
@pytest.mark.parametrize("life", [opened, lambda when, observed_since: sharing(observed_since=observed_since)])
def test_no_date_breaks_the_calendar(life, since):
    story = given(life("2020-01-01", observed_since=since), on("2020-09-02", cadence(7), negotiated()))
    for n, fact in enumerate(EXTREMES):
        then(when(story, on(later("2020-09-02", n), fact)))
        next_due(story.state, POLICY_1)
    ticked("2020-12-01")(story)
    for trigger in GUARDS:
        explain(story.state, trigger, POLICY_1, at("2021-01-01"))
    spells(story.state, NOW, POLICY_1)
    overlaps(story.state, POLICY_1, NOW)
    overlapping(story.state, POLICY_1, NOW)
    activation(story.state, POLICY_1, NOW)
    flags(story.state, POLICY_1, NOW)
    unmatched(story.state)


def test_the_oldest_partnership_can_be_told():
    story = given(opened("1900-01-01", observed_since="1900-01-01"), on("1900-01-02", reality("other")))
    then(when(story, ticked("1902-01-02"))).enters("power_struggle", on="1902-01-01")


def test_a_hundred_facts_at_one_instant_are_one_array():
    facts = [threat(), withdrawal()] * 50
    command = c.RecordFacts(tuple(c.Fact(fact, at("2020-06-01")) for fact in facts))
    decision = given(opened("2020-01-01")).do(command)
    assert [each.data.type for each in decision.events].count("stage.entered") == 1


def test_a_thousand_spells_are_told_in_good_time():
    story = given(struggling())
    for n in range(40):
        forced("power_sharing", later("2020-07-01", n))(story)
        forced("power_struggle", later("2020-07-01", n) + timedelta(hours=1))(story)
    assert len(spells(story.state, NOW, POLICY_1)) == 82
    assert len(overlaps(story.state, POLICY_1, NOW)) <= 82 * 5
