"""What time owes: silence that becomes a fact, and when the clock must look again."""

import pytest

from domain import commands as c
from domain.owed import next_due, silence
from domain.partnership import Partnership
from domain.policy import Policy
from tests.domain.story import (
    asked,
    at,
    cadence,
    given,
    held,
    honeymoon,
    incident,
    issued,
    later,
    mature,
    measured,
    missed,
    month,
    on,
    opened,
    paid,
    reality,
    separating,
    sharing,
    struggling,
    then,
    ticked,
    when,
)


def observed(*steps, since="2020-01-01", policy=None):
    return given(opened("2020-01-01", observed_since=since), *steps, **({"policy": policy} if policy else {}))


def due(story):
    return next_due(story.state, story.policy)


# --- meetings ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("every", "at_instant"), [(7, "2020-01-11T12:00"), (30, "2020-02-15"), (91, "2020-05-16T12:00")]
)
def test_a_meeting_is_missed_at_its_due_day_and_half_its_rhythm(every, at_instant):
    story = observed(on("2020-01-01", cadence(every)))
    assert due(story) == at(at_instant)
    then(when(story, ticked(later(at_instant, -1 / 86_400)))).wrote()
    outcome = when(story, ticked(at_instant))
    then(outcome).wrote("meeting.missed")
    assert outcome.decision.events[0].occurred_at == at(at_instant)
    assert outcome.decision.takes == [f"clock/meeting.missed/operational/{outcome.decision.events[0].data.due_on}"]


def test_every_missed_meeting_is_written_in_order_and_once():
    story = observed(on("2020-01-01", cadence(30)))
    outcome = when(story, ticked("2020-05-01"))
    days = [each.data.due_on.isoformat() for each in outcome.decision.events]
    assert days == ["2020-01-31", "2020-03-01", "2020-03-31"]
    then(when(story, ticked("2020-05-01"))).wrote()


def test_a_meeting_held_moves_the_next_one():
    story = observed(on("2020-01-01", cadence(30)), on("2020-02-14", held("2020-02-14")))
    assert due(story) == at("2020-03-30")


def test_a_new_rhythm_begins_with_its_agreement():
    story = observed(on("2020-01-01", cadence(91)), on("2020-02-01", cadence(7)))
    assert due(story) == at("2020-02-11T12:00")


def test_each_level_has_its_own_rhythm():
    story = observed(on("2020-01-01", cadence(30), cadence(7, "tactical")))
    assert silence(story.state, story.policy).data.level == "tactical"


def test_a_policy_may_be_more_or_less_patient():
    story = observed(on("2020-01-01", cadence(30)), policy=Policy(meeting_tolerance=0.0))
    assert due(story) == at("2020-01-31")


def test_silence_before_it_was_observed_is_no_fact():
    story = observed(on("2020-01-01", cadence(30)), since="2021-01-01")
    assert due(story) == at("2021-01-10")
    assert silence(story.state, story.policy).data.due_on.isoformat() == "2020-12-26"


@pytest.mark.parametrize("day", ["9999-12-31", "2025-01-01"])
def test_a_meeting_said_to_lie_ahead_does_not_silence_the_clock(day):
    story = observed(on("2020-01-01", cadence(30)), on("2020-01-02", held(day)))
    assert due(story) == at("2020-02-16")


def test_a_day_at_the_end_of_the_calendar_does_no_harm():
    story = observed(on("2020-01-01", cadence(30), issued("a", due_on="9999-12-31")), since="9999-12-31")
    assert due(story) > at("2999-01-01")
    then(when(story, ticked("2029-01-01"))).wrote()


# --- invoices ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("due_on", "instant"), [(None, "2020-02-02"), ("2020-01-15", "2020-01-16"), ("2020-12-01", "2020-03-03")]
)
def test_an_invoice_is_overdue_at_the_midnight_after_its_due_day(due_on, instant):
    story = observed(on("2020-01-02", issued("a", due_on=due_on)))
    assert due(story) == at(instant)
    outcome = when(story, ticked(instant))
    then(outcome).wrote("invoice.overdue")
    assert (outcome.decision.events[0].occurred_at, outcome.decision.takes) == (
        at(instant),
        ["clock/invoice.overdue/a"],
    )


def test_an_invoice_overdue_before_it_was_observed_is_no_fact():
    story = observed(on("2020-01-02", issued("a")), since="2020-02-02")
    assert due(story) is None
    assert due(observed(on("2020-01-02", issued("a")), since="2020-02-01")) == at("2020-02-02")


@pytest.mark.parametrize("first", [True, False])
def test_a_paid_invoice_owes_nothing_whichever_arrives_first(first):
    facts = [on("2020-01-02", issued("a")), on("2020-01-03", paid("a", "2020-01-03"))]
    assert due(observed(*(facts if first else reversed(facts)))) is None


def test_an_overdue_invoice_is_said_to_be_so_once():
    story = observed(on("2020-01-02", issued("a")), ticked("2021-01-01"))
    assert due(story) is None
    on("2021-01-02", paid("a", "2021-01-02"))(story)
    assert due(story) is None


# --- first time, then the command ------------------------------------------------------------------------------------------


def test_what_time_owes_comes_before_the_fact_that_finds_it():
    story = observed(on("2020-01-01", cadence(30)))
    then(when(story, on("2020-02-20", incident()))).wrote("meeting.missed", "incident.raised")


def test_what_time_owes_comes_before_the_question_that_finds_it():
    story = given(honeymoon(), on("2020-02-01", reality("other")))
    outcome = when(story, asked("separate", "2022-06-01", reason="cost"))
    then(outcome).wrote("stage.entered", "separation.decided", "stage.entered")
    assert outcome.decision.events[-1].data.left == "power_struggle"


def test_a_fact_of_long_ago_brings_no_time_with_it():
    story = observed(on("2020-01-01", cadence(30)), on("2020-02-10", incident()))
    then(when(story, on("2020-02-09", incident("b")))).wrote("incident.raised")


def test_one_command_settles_so_much_and_the_clock_goes_on_with_the_rest():
    story = observed(on("2004-01-01", cadence(7)), since="2004-01-01")
    outcome = when(story, ticked("2020-01-05"))
    assert len(outcome.decision.events) == 700
    assert due(story) < at("2020-01-05")
    outcome = when(story, ticked("2020-01-05"))
    assert 0 < len(outcome.decision.events) < 700
    assert due(story) > at("2020-01-05")


def test_two_nodes_decide_the_same_silence_under_the_same_claim():
    story = observed(on("2020-01-01", cadence(30)))
    one = story.decide(c.Tick(), at("2020-04-01"))
    other = story.decide(c.Tick(), at("2020-04-02"))
    assert (one.events, one.takes) == (other.events, other.takes)


def test_the_clock_moves_no_etag_unless_a_stage_moved():
    story = given(honeymoon(observed_since="2020-01-01"), on("2020-02-01", cadence(30), reality("other")))
    etag = story.state.etag
    ticked("2020-06-01")(story)
    assert (story.state.etag, story.state.version > etag) == (etag, True)
    ticked("2022-01-05")(story)
    assert story.state.state == "power_struggle"
    assert story.state.etag > etag


def test_the_clock_leaves_the_unopened_and_the_ended_alone():
    assert next_due(Partnership(), Policy()) is None
    then(when(given(), ticked("2025-01-01"))).wrote()
    assert due(given(separating(sharing(observed_since="2020-01-01"), "2020-10-01"))) is None


# --- when to look again ----------------------------------------------------------------------------------------------------


def test_the_clock_looks_when_a_honeymoon_with_a_gap_turns_two():
    assert due(given(honeymoon())) is None
    assert due(given(honeymoon(), on("2020-02-01", reality("other")))) == at("2021-12-31")


def test_the_clock_looks_when_renown_fades():
    assert due(given(mature())) == at("2025-03-01")


def test_the_clock_looks_at_once_where_a_new_policy_made_something_due():
    story = given(honeymoon(), on("2020-03-01", measured("p1", 50)))
    assert due(story) == at("2021-12-31")
    story.policy = Policy(delay_doubled=1.5)
    assert due(story) == story.state.newest
    outcome = when(story, ticked("2020-04-01"))
    then(outcome).enters("power_struggle", on="2020-03-01", by="delay_doubled")


def test_any_fact_brings_what_a_new_policy_made_due():
    story = given(honeymoon(), on("2020-03-01", measured("p1", 50)))
    story.policy = Policy(delay_doubled=1.5)
    then(when(story, on("2020-02-15", incident()))).wrote("incident.raised", "stage.entered").enters(
        "power_struggle", on="2020-03-01"
    )


def test_a_struggle_waits_for_nothing():
    assert due(given(struggling())) is None


def test_decided_at_is_what_the_guards_saw_and_occurred_at_when_it_was_true():
    story = given(honeymoon(), on("2020-03-01", incident()))
    entry = then(when(story, on("2020-02-20", measured("p1", 90)))).entries()[0]
    assert (entry.occurred_at, entry.decided_at) == (at("2020-02-20"), at("2020-03-01"))
    entry = then(when(given(mature()), ticked("2025-06-01"))).entries()[0]
    assert (entry.occurred_at, entry.decided_at) == (at("2025-03-01"), at("2025-06-01"))


def test_d2_a_transition_takes_the_latest_instant_among_its_evidence():
    story = given(sharing(), on("2020-12-10", missed("2020-12-02")), on("2020-11-05", missed("2020-10-30")))
    on("2020-12-20", month("2020-10", 1))(story)
    outcome = when(story, on("2020-12-15", month("2020-11", 1)))
    then(outcome).enters("power_struggle", on="2020-12-20", by="meetings_and_sla_missed")
