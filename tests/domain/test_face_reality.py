"""What ends a honeymoon, each guard from both sides of its threshold."""

from itertools import permutations

import pytest

from domain import events as e
from domain.history import flags
from domain.policy import Policy
from tests.domain.story import (
    asked,
    at,
    given,
    honeymoon,
    later,
    measured,
    on,
    opened,
    promise,
    reality,
    revised,
    separating,
    then,
    threat,
    ticked,
    when,
    withdrawal,
)

YEAR_2 = "2021-12-31"
"""730 days after the opening on 2020-01-01."""


def promised(kind, value, **how):
    return given(opened("2020-01-01"), on("2020-01-02", promise("p", kind, value, **how)))


@pytest.mark.parametrize(
    ("kind", "side", "value", "harmless", "enough", "guard"),
    [
        ("delay", "partner", 30, 59.9, 60, "delay_doubled"),
        ("delay", "client", 30, 59.9, 60, "delay_doubled"),
        ("budget", "partner", 100, 129.99, 130, "budget_blown"),
        ("budget", "partner", 0.1, 0.1299, 0.13, "budget_blown"),
        ("budget", "client", 130, 100.01, 100, "budget_blown"),
        ("budget", "client", 1_000_000, 1_000_000, 400_000, "budget_blown"),
        ("budget", "client", 100, 77, 0, "budget_blown"),
        ("seniority", "partner", 8, 4.01, 4, "seniority_halved"),
        ("seniority", "partner", 8, 8, 0, "seniority_halved"),
    ],
)
def test_a_promise_broken_by_the_threshold_ends_the_honeymoon_and_just_below_it_does_not(
    kind, side, value, harmless, enough, guard
):
    then(when(promised(kind, value, side=side), on("2020-03-01", measured("p", harmless)))).stays("honeymoon")
    outcome = when(promised(kind, value, side=side), on("2020-03-01", measured("p", enough)))
    then(outcome).enters("power_struggle", on="2020-03-01", trigger="face_reality", by=guard)


@pytest.mark.parametrize("kind", ["named_staff", "integration", "process", "term", "other"])
def test_no_other_kind_of_promise_is_a_shock_by_itself(kind):
    then(when(promised(kind, 10), on("2020-03-01", measured("p", 0)))).stays("honeymoon")


@pytest.mark.parametrize(("value", "shock"), [(59, False), (60, True)])
def test_a_revision_is_measured_against_the_first_promise_as_a_measure_is(value, shock):
    outcome = when(promised("delay", 30), on("2020-03-01", revised("p", value)))
    then(outcome).enters("power_struggle", by="delay_doubled") if shock else then(outcome).stays()


def test_a_revision_does_not_undo_the_first_promise():
    story = promised("delay", 30)
    on("2020-02-01", revised("p", 50))(story)
    then(when(story, on("2020-03-01", measured("p", 60)))).enters("power_struggle", by="delay_doubled")


@pytest.mark.parametrize(("share", "shock"), [(0.49, False), (0.5, True), (None, False)])
def test_half_of_the_work_to_be_redone_is_a_shock(share, shock):
    outcome = when(given(opened("2020-01-01")), on("2020-03-01", reality(rework=share)))
    then(outcome).enters("power_struggle", by="rework_half") if shock else then(outcome).stays()


def test_an_open_threat_ends_the_honeymoon():
    outcome = when(given(opened("2020-01-01")), on("2020-03-01", threat("partner")))
    then(outcome).enters("power_struggle", on="2020-03-01", by="threat_open")


def test_a_threat_that_was_withdrawn_before_it_was_told_ends_nothing():
    story = given(opened("2020-01-01"), on("2020-03-02", withdrawal("partner")))
    then(when(story, on("2020-03-01", threat("partner")))).stays("honeymoon")


# --- lesser breaches ---------------------------------------------------------------------------------------------------

LESSER = {
    "delay": (promise("a", "delay", 100), measured("a", 125), measured("a", 124)),
    "budget": (promise("b", "budget", 100), measured("b", 110), measured("b", 109)),
    "staff": (promise("c", "named_staff", 5), measured("c", 4), measured("c", 5)),
    "legacy": (None, reality("legacy"), reality("other")),
    "process": (None, reality("process"), reality("staffing")),
}


@pytest.mark.parametrize(("first", "second"), list(permutations(LESSER, 2)))
def test_two_lesser_breaches_of_different_matters_within_180_days_are_a_shock(first, second):
    made = [each for each, _, _ in (LESSER[first], LESSER[second]) if each]
    for number, shock in ((1, True), (2, False)):
        story = given(opened("2020-01-01"), *([on("2020-01-01", *made)] if made else []))
        then(when(story, on("2020-02-01", LESSER[first][1]))).stays("honeymoon")
        outcome = when(story, on("2020-03-01", LESSER[second][number]))
        then(outcome).enters("power_struggle", by="lesser_breaches") if shock else then(outcome).stays()


@pytest.mark.parametrize(("days", "shock"), [(180, True), (180.01, False)])
def test_lesser_breaches_add_up_for_180_days(days, shock):
    story = given(opened("2020-01-01"), on("2020-02-01", reality("legacy")))
    outcome = when(story, on(later("2020-02-01", days), reality("process")))
    then(outcome).enters("power_struggle", by="lesser_breaches") if shock else then(outcome).stays()


def test_a_policy_may_want_three_lesser_breaches_and_two_are_shown_as_two():
    story = given(
        opened("2020-01-01"), on("2020-02-01", reality("legacy"), reality("process")), policy=Policy(lesser_breaches=3)
    )
    found = story.finding("lesser_breaches", "2020-03-01", "face_reality")
    assert (found.met, found.actual, len(found.evidence)) == (False, 2, 2)
    then(when(story, on("2020-03-01", reality("legacy")))).enters("power_struggle", by="lesser_breaches")


@pytest.mark.parametrize(("days", "shock"), [(180, True), (181, False)])
def test_a_lesser_breach_is_dated_by_its_measure_not_by_its_promise(days, shock):
    made = (promise("a", "delay", 100), promise("b", "budget", 100))
    story = given(opened("2020-01-01"), on("2020-01-01", *made), on("2020-02-01", measured("a", 130)))
    outcome = when(story, on(later("2020-02-01", days), measured("b", 120)))
    then(outcome).enters("power_struggle", by="lesser_breaches") if shock else then(outcome).stays()


def test_the_same_promise_measured_twice_is_one_lesser_breach():
    story = given(opened("2020-01-01"), on("2020-01-01", promise("a", "delay", 100)))
    then(when(story, on("2020-02-01", measured("a", 130), measured("a", 131)))).stays("honeymoon")


def test_a_lesser_breach_of_long_ago_still_counts_with_the_one_before_it_however_late_that_is_told():
    story = given(opened("2020-01-01"), on("2020-06-01", reality("legacy")), on("2021-06-01", reality("legacy")))
    outcome = when(story, on("2020-07-01", reality("process")))
    then(outcome).enters("power_struggle", on="2020-07-01", by="lesser_breaches")


# --- time --------------------------------------------------------------------------------------------------------------


def test_two_years_and_a_known_gap_end_the_honeymoon_at_the_very_instant():
    story = given(opened("2020-01-01"), on("2020-03-01", reality("other")))
    then(when(story, ticked("2021-12-30T23:59:59"))).stays("honeymoon")
    outcome = when(story, ticked("2022-05-01"))
    then(outcome).enters("power_struggle", on=YEAR_2, by="honeymoon_over", cause=story.version(e.RealityDiscovered))


@pytest.mark.parametrize(("actual", "gap"), [(30, False), (30.5, True)])
def test_a_gap_is_any_promise_that_was_not_quite_kept(actual, gap):
    story = promised("delay", 30)
    on("2020-03-01", measured("p", actual))(story)
    outcome = when(story, ticked(YEAR_2))
    then(outcome).enters("power_struggle", on=YEAR_2) if gap else then(outcome).stays("honeymoon")


def test_a_honeymoon_in_which_nothing_was_measured_stays_and_is_flagged():
    story = given(honeymoon())
    then(when(story, ticked(YEAR_2))).wrote().stays("honeymoon")
    assert flags(story.state, story.policy, at("2021-12-30T23:59")) == ()
    assert flags(story.state, story.policy, at(YEAR_2)) == ("unverified_honeymoon",)


def test_d14_a_later_lone_reality_ends_an_unverified_honeymoon_on_its_own_day():
    story = given(honeymoon())
    outcome = when(story, on("2022-04-01", reality("other")))
    then(outcome).enters("power_struggle", on="2022-04-01", by="honeymoon_over")


def test_d14_so_does_a_first_gap_that_is_measured_only_then():
    story = given(honeymoon())
    then(when(story, on("2022-04-01", measured("p1", 30)))).stays("honeymoon")
    then(when(story, on("2022-05-01", measured("p1", 31)))).enters(
        "power_struggle", on="2022-05-01", by="honeymoon_over"
    )


def test_a_measured_promise_takes_the_flag_away_kept_or_not():
    story = given(honeymoon(), on("2020-03-01", measured("p1", 30)))
    assert flags(story.state, story.policy, at(YEAR_2)) == ()


def test_a_revision_measures_nothing():
    story = given(honeymoon(), on("2020-03-01", revised("p1", 31)))
    assert flags(story.state, story.policy, at("2021-12-31")) == ("unverified_honeymoon",)


def test_no_flag_outside_the_honeymoon():
    story = given(honeymoon(), on("2020-03-01", threat()))
    assert flags(story.state, story.policy, at("2025-01-01")) == ()


# --- who decides, and when ---------------------------------------------------------------------------------------------


def test_d2_a_measure_that_arrives_before_its_promise_fires_when_the_promise_arrives_dated_by_the_measure():
    story = given(opened("2020-01-01"), on("2020-06-01", measured("p", 66)))
    assert story.state.state == "honeymoon"
    outcome = when(story, on("2020-01-10", promise("p", "delay", 30)))
    then(outcome).enters("power_struggle", on="2020-06-01", cause=story.version(e.PromiseMeasured))


def test_what_came_to_light_before_the_opening_counts_from_the_opening_on():
    story = given(opened("2020-01-01"))
    then(when(story, on("2019-12-01", reality(rework=0.9)))).enters("power_struggle", on="2020-01-01")


def test_a_second_honeymoon_asks_for_news_only():
    life = separating(given_and_reconciled, "2020-05-01")
    story = given(life, asked("reconcile", "2020-06-01"))
    assert story.state.state == "honeymoon"
    then(when(story, ticked("2025-01-01"))).stays("honeymoon")
    then(when(story, on("2025-02-01", reality("other")))).enters("power_struggle", on="2025-02-01", by="honeymoon_over")


def given_and_reconciled(story):
    opened("2020-01-01")(story)
    return on("2020-02-01", reality("other"))(story)


def test_a_policy_may_leave_it_to_people_and_then_the_same_guards_answer_them():
    story = given(honeymoon(), policy=Policy(automatic=()))
    then(when(story, asked("face_reality", "2020-03-01"))).is_refused(
        "delay_doubled", "budget_blown", "rework_half", "seniority_halved", "lesser_breaches", "threat_open",
        "honeymoon_over",
    )  # fmt: skip
    then(when(story, on("2020-06-01", measured("p1", 66)))).stays("honeymoon")
    then(when(story, asked("face_reality", "2020-07-01"))).enters("power_struggle", on="2020-07-01", by="delay_doubled")


def test_every_guard_is_recorded_and_never_only_the_first():
    story = given(honeymoon())
    outcome = when(story, on("2020-06-01", measured("p1", 66)))
    assert [verdict.code for verdict in outcome.decision.events[-1].data.guards] == list(
        story.policy.guards["face_reality"]
    )
