"""Forced transitions: two actors, along an arrow or back along one."""

import pytest

from domain import commands as c
from domain import events as e
from tests.domain.story import (
    asked,
    at,
    committed,
    forced,
    given,
    handed_over,
    honeymoon,
    measured,
    on,
    opened,
    reality,
    retracted,
    separating,
    sharing,
    struggling,
    then,
    threat,
    ticked,
    when,
)

SEPARATING = "maturity_or_separation.separating"


def requested(to, *, by="key_1", day="2025-01-01"):
    command = c.RequestOverride(override="ovr", to=to, reason="The board says so.", by=by)
    return lambda story: story.do(command, at(day))


def approved(*, by="key_2", override="ovr", day="2025-01-02"):
    return lambda story: story.do(c.ApproveOverride(override=override, by=by), at(day))


def test_a_request_moves_nothing_and_an_approval_by_another_actor_performs_it():
    story = given(struggling())
    then(when(story, requested("power_sharing"))).wrote("override.requested").stays("power_struggle")
    outcome = when(story, approved())
    then(outcome).wrote("override.approved", "stage.entered").enters(
        "power_sharing", on="2025-01-02", trigger="share_power"
    )
    entered = outcome.decision.events[-1].data
    assert (entered.forced, entered.reason, entered.guards) == (True, "The board says so.", ())
    assert entered.cause == story.version(e.OverrideApproved)
    assert story.state.spells[-1].forced


def test_nobody_approves_what_he_asked_for_himself():
    then(when(given(struggling(), requested("power_sharing")), approved(by="key_1"))).fails("same_actor")


def test_an_approval_is_good_once_and_only_for_what_was_asked():
    story = given(struggling(), requested("power_sharing"))
    then(when(story, approved(override="other"))).fails("unknown_override")
    approved()(story)
    then(when(story, approved())).fails("unknown_override")


@pytest.mark.parametrize("to", ["commitment", "maturity_or_separation.maturity", "maturity_or_separation.separated"])
def test_where_no_arrow_leads_nobody_is_forced(to):
    then(when(given(struggling()), requested(to))).fails("transition_impossible")


def test_a_state_that_does_not_exist_is_refused():
    then(when(given(struggling()), requested("divorce"))).fails("unknown_stage", says="divorce")


def test_an_approval_looks_again_at_where_the_partnership_is_now():
    story = given(sharing(), requested("commitment", day="2020-10-01"), on("2020-10-02", threat()))
    then(when(story, approved(day="2020-10-03"))).fails("transition_impossible")


def test_an_approval_first_settles_what_time_owes():
    story = given(
        opened("2020-01-01"), on("2020-02-01", reality("other")), requested("power_struggle", day="2020-03-01")
    )
    then(when(story, approved(day="2025-01-02"))).fails("transition_impossible")
    outcome = when(story, ticked("2025-01-02"))
    then(outcome).enters("power_struggle", on="2021-12-31", trigger="face_reality")


def test_d12_a_transition_whose_cause_was_retracted_can_be_undone():
    story = given(struggling())
    retracted(story.version(e.PromiseMeasured), "2020-06-10")(story)
    assert story.state.state == "power_struggle"
    outcome = when(story, forced("honeymoon", "2020-06-11"))
    then(outcome).enters("honeymoon", on="2020-06-11", trigger="force")
    then(when(story, on("2020-06-12", measured("p1", 60)))).enters("power_struggle")


def test_d12_nobody_is_forced_back_to_where_he_has_never_been():
    then(when(given(struggling()), requested("commitment"))).fails("transition_impossible", says="honeymoon")
    story = given(committed(), on("2021-10-01", threat()))
    then(when(story, forced("commitment", "2021-10-02"))).enters("commitment", trigger="force")


def test_a_separation_is_forced_back_only_to_where_it_came_from():
    story = given(separating(sharing(), "2020-12-01"))
    then(when(story, requested("commitment"))).fails("transition_impossible")
    then(when(story, forced("power_sharing", "2020-12-02"))).enters("power_sharing", trigger="reconcile")


def test_even_the_end_can_be_undone_by_two():
    life = (separating(sharing(), "2020-12-01"), handed_over("2020-12-02"), asked("complete_separation", "2020-12-03"))
    story = given(*life)
    outcome = when(story, forced(SEPARATING, "2020-12-04"))
    then(outcome).enters(SEPARATING)
    assert (story.state.ending, story.state.came_from) == (None, "power_sharing")
    assert outcome.decision.events[-1].data.separated_from == "power_sharing"
    then(when(story, asked("reconcile", "2020-12-05"))).enters("power_sharing")


def test_a_forced_end_is_judged_as_any_other():
    story = given(separating(struggling(), "2020-07-01"))
    outcome = when(story, forced("maturity_or_separation.separated", "2020-07-02"))
    assert outcome.decision.events[-1].data.ending == "exploded"


def test_facts_follow_a_forced_step_as_any_other():
    story = given(honeymoon(), forced("power_struggle", "2020-03-01"), forced("power_sharing", "2020-03-02"))
    then(when(story, on("2020-03-03", threat()))).enters("power_struggle", trigger="relapse")
