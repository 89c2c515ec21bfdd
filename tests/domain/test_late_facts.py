"""Facts that arrive late or are taken back: the stage does not jump, and the log says what would have been."""

import pytest

from domain import commands as c
from domain import events as e
from domain.decide import Situation, decide, needs_past
from domain.path import hindsight, path
from domain.policy import Policy
from tests.domain.story import (
    NOW,
    asked,
    at,
    cadence,
    committed,
    contract,
    forced,
    given,
    held,
    honeymoon,
    incident,
    issued,
    mature,
    measured,
    month,
    on,
    opened,
    peace,
    reality,
    retracted,
    separating,
    sharing,
    spoken,
    struggling,
    then,
    threat,
    ticked,
    together,
    when,
    withdrawal,
)


def reassessed(outcome):
    """The reassessment of a decision as (because, recorded, otherwise), spells as (state, day)."""
    (found,) = [each.data for each in outcome.decision.events if isinstance(each.data, e.StageReassessed)]
    days = [[(spell.state, spell.entered_at[:10]) for spell in told] for told in (found.recorded, found.otherwise)]
    return found.because, *days


# --- late facts --------------------------------------------------------------------------------------------------------


def test_a_shock_told_late_says_that_the_struggle_began_earlier_and_moves_nothing():
    story = given(struggling())
    outcome = when(story, on("2020-04-01", reality(rework=0.6)))
    then(outcome).wrote("reality.discovered", "stage.reassessed").stays("power_struggle")
    assert reassessed(outcome) == (
        story.version(e.RealityDiscovered),
        [("power_struggle", "2020-06-01")],
        [("power_struggle", "2020-04-01")],
    )
    assert story.path() == [("honeymoon", "2020-01-01"), ("power_struggle", "2020-06-01")]


def test_a_threat_told_after_the_peace_would_have_thrown_back_and_the_log_says_so():
    story = given(sharing(), on("2020-12-01", threat()), on("2020-12-02", withdrawal(), *peace()))
    asked("share_power", "2021-01-01")(story)
    outcome = when(story, on("2020-10-01", reality(concealed=True)))
    assert reassessed(outcome)[1:] == (
        [("power_struggle", "2020-12-01"), ("power_sharing", "2021-01-01")],
        [("power_struggle", "2020-10-01"), ("power_sharing", "2021-01-01")],
    )
    assert story.state.state == "power_sharing"


@pytest.mark.parametrize("fact", [incident(), held("2020-04-01"), issued("a"), spoken(), reality("other")])
def test_a_late_fact_that_would_have_changed_nothing_says_nothing(fact):
    then(when(given(struggling()), on("2020-04-01", fact))).wrote(fact.type)


def test_what_was_said_once_is_not_said_again():
    story = given(struggling(), on("2020-04-01", reality(rework=0.6)))
    then(when(story, on("2020-04-02", reality(rework=0.7)))).wrote("reality.discovered")


def test_a_late_fact_in_the_current_spell_is_simply_decided():
    story = given(sharing(), on("2021-03-01", incident()))
    then(when(story, on("2020-12-01", threat()))).wrote("termination.threatened", "stage.entered").enters(
        "power_struggle", on="2020-12-01"
    )


def test_a_transition_is_never_dated_before_the_stage_that_it_leaves():
    story = given(honeymoon(), on("2020-03-01", incident()))
    then(when(story, on("2019-11-01", threat()))).enters("power_struggle", on="2020-01-01")


def test_a_policy_that_changed_since_is_not_blamed_on_a_late_fact():
    story = given(struggling())
    story.policy = Policy(delay_doubled=3.0)
    then(when(story, on("2020-04-01", reality("other")))).wrote("reality.discovered")


def test_time_that_passed_before_is_no_difference_in_hindsight():
    story = given(mature())
    ticked("2025-03-02")(story)
    on("2025-03-10", spoken())(story)
    assert story.state.state == "commitment"
    assert path(hindsight(story.log, story.policy)) == path(story.state)
    then(when(story, on("2024-01-01", reality("other")))).wrote("reality.discovered")


def test_a_fade_that_the_clock_brought_last_is_seen_in_hindsight_too():
    story = given(mature(), ticked("2025-03-02"))
    assert story.log[-1].data.type == "stage.entered"
    assert path(hindsight(story.log, story.policy)) == path(story.state)


@pytest.mark.parametrize("reason", ["breach", "strategy"])
def test_a_reconciliation_leads_in_hindsight_where_it_led(reason):
    story = given(separating(sharing(), "2020-12-01", reason), asked("reconcile", "2020-12-05"))
    assert path(hindsight(story.log, story.policy)) == path(story.state)


def test_a_forced_step_stands_in_hindsight_where_it_is_still_legal():
    story = given(sharing(), on("2020-12-01", threat()), forced("power_sharing", "2020-12-02"))
    assert path(hindsight(story.log, story.policy)) == path(story.state)
    outcome = when(story, retracted(story.version(e.TerminationThreatened), "2020-12-03"))
    assert reassessed(outcome)[2] == []


def test_automatic_sharing_is_decided_anew_and_needs_all_its_guards():
    policy = Policy(automatic=("relapse", "loosen", "fade", "face_reality", "share_power"))
    story = given(struggling(), on("2020-08-01", *peace()), policy=policy)
    assert path(hindsight(story.log, policy)) == path(story.state)
    assert story.state.state == "power_struggle"


# --- retraction ----------------------------------------------------------------------------------------------------------


def test_a_retracted_cause_leaves_the_stage_and_tells_the_path_without_it():
    story = given(struggling())
    cause = story.version(e.PromiseMeasured)
    outcome = when(story, retracted(cause, "2020-06-10"))
    then(outcome).wrote("fact.retracted", "stage.reassessed").stays("power_struggle")
    assert reassessed(outcome) == (story.version(e.FactRetracted), [("power_struggle", "2020-06-01")], [])
    assert story.state.promises["p1"].measures == ()


def test_when_the_paths_agree_again_that_is_said_too():
    story = given(struggling())
    retracted(story.version(e.PromiseMeasured), "2020-06-10")(story)
    outcome = when(story, on("2020-06-01", measured("p1", 66)))
    then(outcome).wrote("promise.measured").stays()
    again = given(struggling(), on("2020-04-01", reality(rework=0.6)))
    outcome = when(again, retracted(again.version(e.RealityDiscovered), "2020-07-01"))
    assert reassessed(outcome)[1:] == ([], [])
    assert again.state.reassessed == ()


def test_a_retraction_can_bring_a_transition():
    story = given(sharing(), on("2020-12-02", withdrawal()), on("2020-12-01", threat()))
    assert story.state.state == "power_sharing"
    outcome = when(story, retracted(story.version(e.ThreatWithdrawn), "2020-12-20"))
    then(outcome).enters("power_struggle", on="2020-12-01", trigger="relapse")


def test_a_fact_is_retracted_once():
    story = given(struggling())
    cause = story.version(e.PromiseMeasured)
    retracted(cause, "2020-06-10")(story)
    outcome = when(story, retracted(cause, "2020-06-11"))
    then(outcome).wrote()
    assert outcome.decision.repeated == [story.version(e.FactRetracted)]


def test_an_unknown_event_and_what_follows_from_facts_are_not_retracted():
    story = given(struggling())
    then(when(story, retracted(99, "2020-06-10"))).fails("unknown_event", says="evt_99")
    for kind in ("stage.entered", "partnership.opened"):
        then(when(story, retracted(story.version(kind), "2020-06-10"))).fails("not_retractable", says=kind)
    retracted(story.version(e.PromiseMeasured), "2020-06-10")(story)
    then(when(story, retracted(story.version(e.FactRetracted), "2020-06-11"))).fails("not_retractable")


def test_a_retraction_in_an_array_may_name_what_stands_before_it():
    story = given(honeymoon())
    version = story.state.version + 1
    retraction = e.FactRetracted(event=f"evt_{version}", reason="typo")
    then(when(story, together("2020-03-01", incident(), retraction))).wrote("incident.raised", "fact.retracted")
    assert story.state.incidents == {}


def test_a_retraction_today_does_not_hurry_a_history_told_from_its_beginning():
    story = given(opened("2020-01-01"), on("2020-02-01", reality("other")), on("2020-02-02", incident()))
    retracted(story.version(e.IncidentRaised), "2020-02-03")(story)
    assert story.state.newest == at("2020-02-01")


# --- silence that was taken back (D13) --------------------------------------------------------------------------------------


def test_d13_a_missed_meeting_that_was_retracted_is_not_written_again_but_the_next_one_is():
    story = given(
        opened("2020-01-01", observed_since="2020-01-01"), on("2020-01-01", cadence(30)), ticked("2020-02-20")
    )
    assert story.version(e.MeetingMissed)
    retracted(story.version(e.MeetingMissed), "2020-02-21")(story)
    then(when(story, ticked("2020-03-10"))).wrote()
    outcome = when(story, ticked("2020-03-20"))
    then(outcome).wrote("meeting.missed")
    assert outcome.decision.events[0].data.due_on.isoformat() == "2020-03-01"


def test_d13_an_overdue_invoice_that_was_retracted_is_not_written_again():
    story = given(
        opened("2020-01-01", observed_since="2020-01-01"), on("2020-01-01", issued("a")), ticked("2020-03-01")
    )
    retracted(story.version(e.InvoiceOverdue), "2020-03-02")(story)
    then(when(story, ticked("2021-01-01"))).wrote()


# --- the past that a decision needs -----------------------------------------------------------------------------------------


def needs(story, *facts):
    return needs_past(
        story.state, c.RecordFacts(tuple(c.Fact(fact, at(when_) if when_ else None) for fact, when_ in facts))
    )


def test_only_what_can_change_the_path_needs_the_whole_stream():
    story = given(sharing())
    assert needs(story, (threat(), "2020-08-31T23:59"))
    assert not needs(story, (threat(), "2020-09-01"))
    assert not needs(story, (threat(), None))
    assert not needs(story, (incident(), "2020-02-01"))
    assert not needs(story, (contract("2020-01-01", "c9"), "2020-02-01"))
    assert needs(story, (e.FactRetracted(event="evt_1", reason="x"), None))
    assert not needs(given(honeymoon()), (threat(), "2019-02-01"))
    assert needs(given(honeymoon()), (threat(), "2020-05-01"), (threat(), "2020-04-01"))
    assert not needs_past(story.state, c.Tick())


def test_without_the_past_at_hand_a_late_fact_is_recorded_all_the_same():
    story = given(struggling())
    command = c.RecordFacts((c.Fact(reality(rework=0.6), at("2020-04-01")),))
    decision = decide(story.state, command, Situation(policy=story.policy, policy_version=1, now=NOW))
    assert [each.data.type for each in decision.events] == ["reality.discovered"]


def test_a_long_path_is_told_up_to_a_hundred_spells():
    story = given(honeymoon(), on("2020-02-10", threat(), withdrawal()))
    for _ in range(60):
        forced("power_sharing", "2020-03-01")(story)
        forced("power_struggle", "2020-03-01")(story)
    assert len(story.state.spells) > 120
    outcome = when(story, on("2020-02-05", reality(rework=0.9)))
    found = outcome.decision.events[-1].data
    assert (len(found.recorded), len(found.otherwise)) == (100, 100)


def test_promises_and_months_of_long_ago_are_weighed_in_their_own_time():
    story = given(committed(), on("2022-01-02", month("2021-10", 10), month("2021-11", 10), month("2021-12", 10)))
    assert story.state.state == "power_sharing"
    outcome = when(story, on("2021-12-15", threat()))
    assert reassessed(outcome)[2] == [("power_struggle", "2021-12-15")]
