"""What loosens a commitment and lets a maturity fade, all of it inside the spell."""

import pytest

from domain import events as e
from domain.owed import next_due
from tests.domain.story import (
    asked,
    at,
    chain,
    committed,
    forced,
    given,
    held,
    imposed,
    innovation,
    mature,
    missed,
    month,
    negotiated,
    on,
    reference,
    sharing,
    spoken,
    then,
    ticked,
    when,
)

WHOLE = "2022-03-01"
"""Two quarters after the entry into commitment on 2021-09-01."""


# --- cadence -------------------------------------------------------------------------------------------------------------


def meetings(held_ones, missed_ones, level="operational"):
    days = [f"2021-{month}-{day:02}" for month in ("10", "11", "12") for day in range(2, 29, 3)]
    facts = [held(day, level) for day in days[:held_ones]]
    facts += [missed(day, level) for day in days[held_ones : held_ones + missed_ones]]
    return [on(f"{fact.on_date if isinstance(fact, e.MeetingHeld) else fact.due_on}T12:00", fact) for fact in facts]


@pytest.mark.parametrize(("kept", "lost", "loosens"), [(5, 5, False), (4, 5, True), (0, 1, True), (1, 0, False)])
def test_fewer_than_half_of_the_meetings_over_two_quarters_loosen_when_two_quarters_have_passed(kept, lost, loosens):
    story = given(committed(), *meetings(kept, lost))
    assert story.state.state == "commitment"
    then(when(story, ticked("2022-02-28T23:59"))).stays("commitment")
    outcome = when(story, ticked("2022-03-04"))
    if loosens:
        then(outcome).enters("power_sharing", on=WHOLE, trigger="loosen", by="cadence_lapsed")
    else:
        then(outcome).stays("commitment")


def test_after_two_quarters_the_missed_meeting_that_brought_it_dates_it():
    story = given(committed(), *meetings(5, 5))
    then(when(story, on("2022-03-10", missed("2022-03-05")))).enters(
        "power_sharing", on="2022-03-10", trigger="loosen", cause=story.version(e.MeetingMissed, -1)
    )


def test_what_was_held_longer_ago_than_two_quarters_no_longer_helps():
    story = given(committed(), *meetings(9, 0), on("2022-04-10", missed("2022-04-05")))
    assert story.state.state == "commitment"
    then(when(story, on("2022-06-10", missed("2022-06-01")))).enters("power_sharing", on="2022-06-10")


def test_d5_meetings_missed_before_the_commitment_do_not_loosen_it():
    life = chain(sharing(), *[on(f"2020-12-{day}", missed(f"2020-12-{day}")) for day in (21, 22, 23)])
    story = given(life, forced("commitment", "2021-01-10"), on("2021-02-01", held("2021-02-01")))
    then(when(story, ticked("2021-07-11"))).stays("commitment")
    on("2021-07-12", missed("2021-07-05"))(story)
    then(when(story, on("2021-07-13", missed("2021-07-06")))).enters("power_sharing", on="2021-07-13")


def test_silence_alone_loosens_a_commitment_in_the_end():
    story = given(committed(observed_since="2020-01-01"))
    outcome = when(story, ticked("2022-06-01"))
    then(outcome).enters("power_sharing", on=WHOLE, trigger="loosen")
    assert outcome.decision.events[0].data.type == "meeting.missed"


# --- SLA ---------------------------------------------------------------------------------------------------------------


def three_months(*met, sla="s1"):
    return chain(
        *(on(f"2022-01-{day:02}", month(name, count, sla))
          for day, name, count in zip((2, 3, 4), ("2021-10", "2021-11", "2021-12"), met, strict=True))
    )  # fmt: skip


@pytest.mark.parametrize(
    ("met", "loosens"), [((89, 89, 89), True), ((89, 89, 90), False), ((90, 89, 89), False), ((89, 90, 89), False)]
)
def test_an_sla_missed_three_months_running_loosens(met, loosens):
    story = given(committed(), *[on(f"2021-{m}-20", held(f"2021-{m}-20")) for m in (10, 11, 12)])
    outcome = when(story, three_months(*met))
    if loosens:
        then(outcome).enters("power_sharing", on="2022-01-04", trigger="loosen", by="sla_missed")
    else:
        then(outcome).stays("commitment")


def test_d6_any_one_of_several_slas_loosens():
    story = given(committed(), on("2021-09-20", imposed("s2", 0.99)))
    then(when(story, three_months(98, 98, 98, sla="s2"))).enters("power_sharing", by="sla_missed")


def test_d6_a_withdrawn_sla_loosens_nothing():
    story = given(committed(), on("2021-09-20", imposed("s2", 0.99)), on("2021-12-31", e.SlaWithdrawn(sla="s2")))
    then(when(story, three_months(10, 10, 10, sla="s2"))).stays("commitment")


def test_d5_three_months_must_have_passed_inside_the_spell():
    story = given(committed(), on("2021-10-02", month("2021-08", 10)), on("2021-11-02", month("2021-09", 10)))
    then(when(story, on("2021-11-03", month("2021-10", 10)))).stays("commitment")
    then(when(story, on("2021-12-02", month("2021-11", 10)))).enters("power_sharing", on="2021-12-02")


def test_a_month_without_any_measure_is_no_month():
    story = given(committed(), on("2022-01-02", month("2021-10", 10), month("2021-11", 0, total=0)))
    then(when(story, on("2022-01-03", month("2021-12", 10)))).stays("commitment")


def test_a_corrected_month_counts_as_corrected():
    story = given(committed(), on("2022-01-02", month("2021-10", 10), month("2021-11", 10)))
    on("2022-01-03", month("2021-11", 95))(story)
    then(when(story, on("2022-01-04", month("2021-12", 10)))).stays("commitment")


def test_a_month_announced_before_it_is_over_waits_for_its_end():
    story = given(committed(), on("2021-12-03", month("2021-10", 10), month("2021-11", 10), month("2021-12", 10)))
    assert story.state.state == "commitment"
    assert story.finding("sla_missed", "2021-12-31T23:59", "loosen").at == at("2022-01-01")
    then(when(story, on("2022-01-05", negotiated("s7")))).enters("power_sharing", on="2022-01-01", by="sla_missed")


def test_a_month_said_to_lie_beyond_all_calendars_does_no_harm():
    story = given(committed(), on("2021-12-03", month("9999-12", 10), month("0000-01", 10)))
    assert next_due(story.state, story.policy) is not None
    then(when(story, on("2021-12-05", held("2021-12-05")))).stays("commitment")


# --- fade ----------------------------------------------------------------------------------------------------------------


def test_a_reference_withdrawn_fades():
    then(when(given(mature()), on("2023-03-20", e.ReferenceWithdrawn(side="client")))).enters(
        "commitment", on="2023-03-20", trigger="fade", by="reference_withdrawn"
    )


def test_d5_a_reference_withdrawn_before_the_maturity_does_not_fade_it():
    story = given(mature())
    then(when(story, on("2023-02-15", e.ReferenceWithdrawn(side="client")))).stays("maturity_or_separation.maturity")


def test_24_months_without_any_renown_fade_at_the_very_instant():
    story = given(mature())
    then(when(story, ticked("2025-02-28T23:59"))).stays("maturity_or_separation.maturity")
    outcome = when(story, ticked("2025-03-01"))
    entries = then(outcome).entries()
    assert (entries[0].data.trigger, entries[0].occurred_at) == ("fade", at("2025-03-01"))


@pytest.mark.parametrize("fact", [spoken(), reference("partner"), innovation()])
def test_each_sign_of_renown_starts_the_24_months_anew(fact):
    story = given(mature(), on("2024-06-15", fact))
    then(when(story, ticked("2026-06-14T23:59"))).stays("maturity_or_separation.maturity")
    outcome = when(story, ticked("2026-06-15"))
    assert then(outcome).entries()[0].data.cause == story.version(type(fact), -1)


def test_an_innovation_of_one_side_alone_is_no_renown():
    story = given(mature(), on("2024-06-15", innovation(joint=False)))
    then(when(story, ticked("2025-03-01"))).enters("commitment", trigger="fade")


def test_d5_the_24_months_start_at_the_entry_though_the_last_testimony_is_older():
    story = given(mature())
    finding = story.finding("renown_faded", "2024-03-01", "fade")
    assert (finding.met, finding.actual, finding.at) == (False, "12 months", at("2025-03-01"))


def test_d5_a_pause_in_separating_is_not_counted():
    story = given(
        mature(), asked("separate", "2024-03-01", reason="strategy"), asked("reconcile", "2024-06-01"),
    )  # fmt: skip
    assert story.state.state == "maturity_or_separation.maturity"
    pause = at("2024-06-01") - at("2024-03-01")
    assert story.finding("renown_faded", "2024-06-02", "fade").at == at("2025-03-01") + pause


def test_d5_only_the_pauses_after_the_last_sign_of_renown_count():
    story = given(
        mature(), asked("separate", "2023-06-01", reason="strategy"), asked("reconcile", "2023-09-01"),
        on("2023-10-01", spoken()),
        asked("separate", "2024-01-01", reason="strategy"), on("2024-01-11", spoken()),
        asked("reconcile", "2024-01-31"),
    )  # fmt: skip
    assert story.finding("renown_faded", "2024-02-01", "fade").at == at("2026-01-31")


def test_silence_brings_a_maturity_down_step_by_step_each_on_its_own_day():
    story = given(mature(observed_since="2020-01-01"))
    outcome = when(story, ticked("2026-01-01"))
    entries = then(outcome).entries()
    assert [(each.data.trigger, each.occurred_at) for each in entries] == [
        ("fade", at("2025-03-01")),
        ("loosen", at("2025-09-01")),
    ]
