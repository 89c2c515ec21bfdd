"""What throws a partnership back into the struggle, from each stage, and what does not."""

import pytest

from domain import events as e
from domain.policy import Policy
from tests.domain.story import (
    SHARED,
    asked,
    budget,
    cadence,
    chain,
    committed,
    forced,
    given,
    held,
    imposed,
    mature,
    measured,
    missed,
    month,
    negotiated,
    on,
    peace,
    promise,
    reality,
    revised,
    separating,
    sharing,
    then,
    threat,
    ticked,
    when,
    withdrawal,
)

AFTER = {"power_sharing": (sharing, "2020-12-01"), "commitment": (committed, "2021-10-15"),
         "maturity_or_separation.maturity": (mature, "2023-03-20")}  # fmt: skip


@pytest.mark.parametrize("state", AFTER)
def test_a_threat_throws_back_from_every_stage_that_shares_power(state):
    life, day = AFTER[state]
    then(when(given(life()), on(day, threat("partner")))).enters("power_struggle", on=day, by="threat_open")


@pytest.mark.parametrize("state", AFTER)
@pytest.mark.parametrize("concealed", [True, False])
def test_d17_a_concealed_reality_throws_back_from_every_stage_and_an_open_one_from_none(state, concealed):
    life, day = AFTER[state]
    outcome = when(given(life()), on(day, reality("other", concealed=concealed)))
    if concealed:
        then(outcome).enters("power_struggle", on=day, trigger="relapse", by="reality_concealed")
    else:
        then(outcome).stays(state)


# --- shocks, and only news (D3, D4) ------------------------------------------------------------------------------------


def test_d3_sixty_six_days_were_answered_and_sixty_eight_are_no_news():
    then(when(given(sharing()), on("2020-12-01", measured("p1", 68)))).stays("power_sharing")


@pytest.mark.parametrize(("value", "shock"), [(131, False), (132, True)])
def test_d3_as_much_worse_again_than_the_last_measure_is_a_shock(value, shock):
    outcome = when(given(sharing()), on("2020-12-01", measured("p1", value)))
    then(outcome).enters("power_struggle", by="delay_doubled") if shock else then(outcome).stays()


def blown(value, *, renegotiated=140):
    story = given(sharing(), on("2020-09-02", promise("b", "budget", 100), budget(renegotiated)))
    return when(story, on("2020-12-01", measured("b", value)))


@pytest.mark.parametrize(("value", "shock"), [(138, False), (181.9, False), (182, True)])
def test_d3_a_budget_is_held_against_the_renegotiated_one(value, shock):
    outcome = blown(value)
    then(outcome).enters("power_struggle", by="budget_blown") if shock else then(outcome).stays("power_sharing")


def test_d3_a_budget_renegotiated_in_another_currency_changes_nothing():
    story = given(sharing(), on("2020-09-02", promise("b", "budget", 100)))
    on("2020-09-03", e.BudgetRenegotiated(amount=140, currency="USD"))(story)
    then(when(story, on("2020-12-01", measured("b", 138)))).enters("power_struggle", by="budget_blown")


@pytest.mark.parametrize(("value", "shock"), [(119, False), (120, True)])
def test_d3_a_delay_is_held_against_the_revised_promise(value, shock):
    story = given(sharing(), on("2020-09-02", promise("d", "delay", 30), revised("d", 60)))
    outcome = when(story, on("2020-12-01", measured("d", value)))
    then(outcome).enters("power_struggle", by="delay_doubled") if shock else then(outcome).stays("power_sharing")


def test_d3_a_budget_renegotiated_before_the_promise_is_not_what_was_promised_since():
    story = given(sharing(), on("2020-09-02", budget(500)), on("2020-09-03", promise("b", "budget", 100)))
    then(when(story, on("2020-12-01", measured("b", 130)))).enters("power_struggle", by="budget_blown")


def test_d3_the_later_of_a_revision_and_a_renegotiation_is_in_force():
    story = given(
        sharing(), on("2020-09-02", promise("b", "budget", 100), budget(200)), on("2020-09-03", revised("b", 100))
    )
    then(when(story, on("2020-12-01", measured("b", 130)))).enters("power_struggle", by="budget_blown")
    story = given(
        sharing(), on("2020-09-02", promise("b", "budget", 100), revised("b", 100)), on("2020-09-03", budget(200))
    )
    then(when(story, on("2020-12-01", measured("b", 130)))).stays("power_sharing")


def test_d3_what_is_no_worse_than_the_last_measure_is_no_shock():
    outcome = when(given(sharing()), on("2020-12-01", measured("p1", 66)))
    then(outcome).stays()
    then(when(given(sharing()), on("2020-12-01", measured("p1", 61)))).stays()


def test_d3_a_revision_alone_is_no_relapse():
    then(when(given(sharing()), on("2020-12-01", revised("p1", 300)))).stays("power_sharing")


def test_d3_a_revision_is_not_the_last_measure():
    story = given(sharing(), on("2020-11-01", revised("p1", 20)))
    then(when(story, on("2020-12-01", measured("p1", 68)))).stays("power_sharing")


def test_d3_a_revision_of_the_same_instant_is_in_force():
    story = given(sharing(), on("2020-09-02", promise("d", "delay", 30)), on("2020-12-01", revised("d", 60)))
    then(when(story, on("2020-12-01", measured("d", 70)))).stays("power_sharing")


def test_d3_a_clients_budget_that_shrinks_is_news_too():
    story = given(sharing(), on("2020-09-02", promise("b", "budget", 130, side="client")))
    then(when(story, on("2020-12-01", measured("b", 101)))).stays()
    then(when(story, on("2020-12-02", measured("b", 100)))).enters("power_struggle", by="budget_blown")


@pytest.mark.parametrize(("value", "shock"), [(4.1, False), (4, True)])
def test_seniority_halved_is_a_shock(value, shock):
    outcome = when(given(sharing()), on("2020-12-01", measured("p2", value)))
    then(outcome).enters("power_struggle", by="seniority_halved") if shock else then(outcome).stays()


@pytest.mark.parametrize(("share", "shock"), [(0.49, False), (0.5, True)])
def test_half_of_the_work_to_be_redone_is_a_shock(share, shock):
    outcome = when(given(sharing()), on("2020-12-01", reality(rework=share)))
    then(outcome).enters("power_struggle", by="rework_half") if shock else then(outcome).stays()


def test_lesser_breaches_are_a_shock_and_those_before_the_entry_do_not_help():
    story = given(sharing(), on("2020-08-31", reality("legacy")), on("2020-09-10", reality("process")))
    assert story.state.state == "power_sharing"
    then(when(story, on("2020-09-20", reality("legacy")))).enters("power_struggle", by="lesser_breaches")


def test_d4_two_years_with_a_known_gap_are_no_relapse():
    story = given(sharing(), on("2020-12-01", reality("other")))
    assert "honeymoon_over" not in story.policy.guards["relapse"]
    then(when(story, ticked("2022-12-02"))).stays("power_sharing")


@pytest.mark.parametrize("state", ["commitment", "maturity_or_separation.maturity"])
@pytest.mark.parametrize("shock", [measured("p1", 200), measured("p2", 1), reality(rework=0.9)])
def test_no_shock_throws_back_partners_who_are_committed(state, shock):
    life, day = AFTER[state]
    story = given(life(), on(day, reality("legacy"), reality("process")))
    then(when(story, on(day, shock))).stays(state)


# --- since entering (D5) -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("late", [threat(), reality(concealed=True), reality(rework=0.9), measured("p1", 300)])
def test_d5_what_is_dated_before_the_entry_throws_nobody_back_however_late_it_is_told(late):
    then(when(given(sharing()), on("2020-08-15", late))).stays("power_sharing")


def test_d5_what_was_told_before_a_human_transition_does_not_undo_it():
    life = chain(sharing(), on("2020-12-01", threat()), forced("power_sharing", "2020-12-02"))
    story = given(life)
    assert story.state.state == "power_sharing"
    then(when(story, ticked("2020-12-03"))).stays("power_sharing")


def test_d18_at_the_very_instant_of_the_entry_what_the_log_tells_after_it_counts():
    outcome = when(given(sharing()), on(SHARED, threat()))
    then(outcome).enters("power_struggle", on=SHARED)
    assert outcome.story.path()[-2:] == [("power_sharing", SHARED), ("power_struggle", SHARED)]


def test_a_threat_withdrawn_at_once_but_told_late_is_still_a_threat_of_its_day():
    story = given(sharing())
    on("2020-12-02", withdrawal())(story)
    then(when(story, on("2020-12-01", threat()))).stays("power_sharing")


# --- meetings and SLA ----------------------------------------------------------------------------------------------------

BAD = (on("2020-12-01", month("2020-10", 80)), on("2020-12-01T01:00", month("2020-11", 80)))
SILENT = (on("2020-10-25", missed("2020-10-10")), on("2020-11-20", missed("2020-11-05")))


def test_two_meetings_and_two_sla_months_missed_running_throw_back():
    story = given(sharing(), *SILENT, BAD[0])
    then(when(story, BAD[1])).enters("power_struggle", on="2020-12-01T01:00", by="meetings_and_sla_missed")


@pytest.mark.parametrize(
    "instead",
    [
        {"meetings": (SILENT[1],)},
        {"meetings": (*SILENT, on("2020-11-25", held("2020-11-25")))},
        {"meetings": (SILENT[0], on("2020-10-30", missed("2020-10-20", "tactical")))},
        {"months": (BAD[1],)},
        {"months": (on("2020-12-01", month("2020-10", 80)), on("2020-12-01T01:00", month("2020-11", 90)))},
        {"months": (on("2020-12-01", month("2020-09", 80)), on("2020-12-01T01:00", month("2020-11", 80)))},
    ],
    ids=["one meeting", "held since", "two levels", "one month", "month kept", "a hole between"],
)
def test_one_of_them_alone_or_interrupted_does_not(instead):
    steps = (*instead.get("meetings", SILENT), *instead.get("months", BAD))
    assert given(sharing(), *steps).state.state == "power_sharing"


def test_d5_a_month_that_began_before_the_spell_does_not_count():
    late = chain(sharing(), forced("power_struggle", "2020-10-02"), forced("power_sharing", "2020-10-02T12:00"))
    story = given(late, on("2020-11-20", missed("2020-11-10")), on("2020-12-20", missed("2020-12-10")), BAD[0])
    then(when(story, BAD[1])).stays("power_sharing")
    then(when(story, on("2021-01-02", month("2020-12", 10)))).enters("power_struggle")


def test_d5_a_meeting_due_before_the_spell_does_not_count_though_it_was_missed_in_it():
    story = given(sharing(), on("2020-09-05", missed("2020-08-31")), on("2020-11-20", missed("2020-11-05")), BAD[0])
    then(when(story, BAD[1])).stays("power_sharing")
    then(when(story, on("2020-12-10", missed("2020-12-05")))).enters("power_struggle")


def test_a_month_counts_when_it_is_over_and_the_clock_knows_when():
    story = given(sharing(), *SILENT, BAD[0])
    then(when(story, on("2020-11-28", month("2020-11", 80)))).enters("power_struggle", on="2020-12-01")
    story = given(sharing(), *SILENT, on("2020-11-25", month("2020-10", 80)))
    then(when(story, on("2020-11-28", month("2020-11", 80)))).stays("power_sharing")
    then(when(story, ticked("2020-11-30T23:59"))).stays("power_sharing")
    then(when(story, ticked("2020-12-02"))).enters("power_struggle", on="2020-12-01", by="meetings_and_sla_missed")


def test_d6_any_one_sla_missed_is_enough_and_an_imposed_one_counts_too():
    story = given(sharing(), on("2020-09-03", imposed("s2", 0.99)), *SILENT)
    good = [on("2020-12-01", month("2020-10", 95), month("2020-11", 95))]
    bad = on("2020-12-01T01:00", month("2020-10", 98, "s2"), month("2020-11", 98, "s2"))
    then(when(given(sharing(), *SILENT), good[0])).stays("power_sharing")
    then(when(story, chain(*good, bad))).enters("power_struggle", by="meetings_and_sla_missed")


def test_d6_an_imposed_target_does_not_replace_the_negotiated_one():
    story = given(sharing(), on("2020-09-03", imposed("s1", 0.99)), *SILENT)
    then(when(story, on("2020-12-01", month("2020-10", 95), month("2020-11", 95)))).stays("power_sharing")


def test_meetings_and_sla_throw_back_nobody_but_those_who_share_power():
    story = given(committed(), on("2021-09-25", cadence(7)))
    quiet = (on("2021-11-25", missed("2021-11-10")), on("2021-12-20", missed("2021-12-05")))
    bad = on("2022-01-02", month("2021-11", 10), month("2021-12", 10))
    then(when(story, chain(*quiet, bad))).stays("commitment")


# --- and after it ----------------------------------------------------------------------------------------------------------


def test_a_relapse_is_answered_by_a_new_peace_and_the_same_threat_does_not_come_twice():
    story = given(sharing(), on("2020-12-01", threat()), on("2020-12-05", withdrawal()), on("2020-12-10", *peace()))
    then(when(story, asked("share_power", "2020-12-11"))).enters("power_sharing")
    then(when(story, on("2020-12-12", negotiated("s9")))).stays("power_sharing")


def test_d7_a_relapse_comes_before_a_loosening_whatever_order_a_policy_names():
    bad = [month(f"2021-{name}", 10) for name in ("10", "11", "12")]
    story = given(committed(), on("2022-01-02", *bad, threat()), policy=Policy(automatic=("face_reality",)))
    assert story.state.state == "commitment"
    story.policy = Policy(automatic=("loosen", "fade", "face_reality", "relapse"))
    then(when(story, ticked("2022-01-03"))).wrote("stage.entered").enters("power_struggle", trigger="relapse")


def test_no_relapse_while_separating():
    story = given(separating(sharing(), "2020-12-01"))
    then(when(story, on("2020-12-02", threat(), reality(concealed=True)))).stays("maturity_or_separation.separating")
