"""How partnerships end: deciding, taking back, handing over, and what the end was."""

import pytest

from domain import events as e
from domain.history import spells
from tests.domain.story import (
    HANDOVER,
    RESPECT,
    asked,
    at,
    chain,
    committed,
    contract,
    forced,
    given,
    handed_over,
    honeymoon,
    incident,
    mature,
    measured,
    on,
    reality,
    separating,
    sharing,
    step_done,
    struggling,
    then,
    threat,
    ticked,
    when,
    withdrawal,
)

SEPARATING = "maturity_or_separation.separating"
SEPARATED = "maturity_or_separation.separated"
LIVES = {
    "honeymoon": (honeymoon, "2020-05-01"),
    "power_struggle": (struggling, "2020-07-01"),
    "power_sharing": (sharing, "2020-12-01"),
    "commitment": (committed, "2021-10-01"),
    "maturity_or_separation.maturity": (mature, "2023-04-01"),
}
LATER = "2024-01-01"


# --- separate ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", LIVES)
def test_every_stage_can_be_left_for_a_reason(state):
    life, day = LIVES[state]
    outcome = when(given(life()), asked("separate", day, reason="strategy", side="partner", text="We part."))
    then(outcome).wrote("separation.decided", "stage.entered").enters(SEPARATING, on=day, trigger="separate")
    decided, entered = (each.data for each in outcome.decision.events)
    assert (decided.reason, decided.side, decided.text) == ("strategy", "partner", "We part.")
    assert (entered.left, entered.cause) == (state, outcome.story.version(e.SeparationDecided))
    assert entered.separated_from == state.partition(".")[0]


@pytest.mark.parametrize("reason", [None, "because"])
def test_without_a_reason_that_exists_nobody_separates(reason):
    outcome = when(given(sharing()), asked("separate", LATER, reason=reason))
    then(outcome).is_refused("reason_given")
    assert outcome.decision.events[-1].data.guards[0].actual == (reason or "none")


def test_a_critical_partnership_needs_an_exit_plan_and_another_does_not():
    story = given(sharing(critical=True))
    then(when(story, asked("separate", "2020-12-01", reason="cost"))).is_refused("exit_plan_recorded")
    on("2020-12-02", e.ExitPlanRecorded())(story)
    then(when(story, asked("separate", "2020-12-01", reason="cost"))).is_refused("exit_plan_recorded")
    then(when(story, asked("separate", "2020-12-03", reason="cost"))).enters(SEPARATING)
    then(when(given(sharing()), asked("separate", "2020-12-03", reason="cost"))).enters(SEPARATING)


def test_nobody_separates_twice():
    story = given(separating(sharing(), "2020-12-01"))
    then(when(story, asked("separate", "2020-12-02", reason="cost"))).fails("transition_impossible", says="reconcile")


# --- reconcile -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", LIVES)
def test_a_separation_taken_back_leads_where_it_came_from(state):
    life, day = LIVES[state]
    story = given(separating(life(), day))
    outcome = when(story, asked("reconcile", at(day).replace(day=20)))
    then(outcome).wrote("separation.revoked", "stage.entered").enters(state, trigger="reconcile")


@pytest.mark.parametrize("reason", ["performance", "breach"])
@pytest.mark.parametrize("state", LIVES)
def test_when_performance_or_a_breach_was_the_reason_it_leads_into_the_struggle(state, reason):
    life, day = LIVES[state]
    story = given(separating(life(), day, reason))
    then(when(story, asked("reconcile", at(day).replace(day=20)))).enters("power_struggle")


def test_only_the_side_that_decided_may_take_it_back():
    story = given(separating(sharing(), "2020-12-01", side="partner"))
    then(when(story, asked("reconcile", "2020-12-02", side="client"))).is_refused("asked_by_decider")
    then(when(story, asked("reconcile", "2020-12-02", side="partner"))).enters("power_sharing")


def test_either_side_may_take_back_a_separation_that_was_forced():
    story = given(sharing(), forced(SEPARATING, "2020-12-01"))
    then(when(story, asked("reconcile", "2020-12-02", side="partner"))).enters("power_sharing")


def test_a_second_separation_remembers_nothing_of_the_first():
    first = chain(separating(sharing(), "2020-12-01", "breach", side="partner"), handed_over("2020-12-02"))
    story = given(first, asked("reconcile", "2020-12-03", side="partner"), forced(SEPARATING, "2020-12-04"))
    assert story.state.separation is None
    then(when(story, asked("complete_separation", "2020-12-05"))).is_refused(*HANDOVER)
    then(when(story, asked("reconcile", "2020-12-05", side="client"))).enters("power_struggle")


# --- complete_separation ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("left_out", HANDOVER)
def test_every_step_of_the_handover_is_needed(left_out):
    steps = [step for step in HANDOVER if step != left_out]
    story = given(separating(sharing(), "2020-12-01"), handed_over("2020-12-10", *steps))
    then(when(story, asked("complete_separation", "2020-12-11"))).is_refused(left_out)
    handed_over("2020-12-12", left_out)(story)
    then(when(story, asked("complete_separation", "2020-12-12"))).enters(SEPARATED, on="2020-12-12")


def test_a_critical_partnership_hands_its_knowledge_over_too():
    life = chain(sharing(critical=True), on("2020-11-01", e.ExitPlanRecorded()))
    story = given(separating(life, "2020-12-01"), handed_over("2020-12-10"))
    then(when(story, asked("complete_separation", "2020-12-11"))).is_refused("knowledge_transferred")
    handed_over("2020-12-12", "knowledge_transferred")(story)
    then(when(story, asked("complete_separation", "2020-12-13"))).enters(SEPARATED)


def test_d9_steps_of_a_separation_that_was_taken_back_do_not_count_for_the_next():
    first = (separating(sharing(), "2020-12-01"), handed_over("2020-12-10"), asked("reconcile", "2020-12-11"))
    story = given(*first, asked("separate", "2020-12-20", reason="cost"))
    then(when(story, asked("complete_separation", "2020-12-21"))).is_refused(*HANDOVER)


def test_d10_a_lost_deal_has_nothing_to_hand_over():
    story = given(separating(honeymoon(signed=False), "2020-03-01", "cost"))
    then(when(story, asked("complete_separation", "2020-03-02"))).enters(SEPARATED)
    assert (story.state.ending, story.state.separated_from) == ("stillborn", "honeymoon")


def test_d10_a_contract_told_meanwhile_is_one():
    story = given(separating(honeymoon(signed=False), "2020-03-01", "cost"), on("2020-03-02", contract("2020-02-01")))
    then(when(story, asked("complete_separation", "2020-03-03"))).is_refused(*HANDOVER)


# --- how it ended (D11) ----------------------------------------------------------------------------------------------------


def ended(state, reason="strategy", *steps, before=(), contracts=True):
    """A whole life: separated in the end, with these steps beside the handover."""
    life, day = LIVES[state]
    story = given(separating(life(signed=contracts) if not contracts else life(), day, reason), *before)
    handed_over(LATER, *HANDOVER, *steps)(story)
    asked("complete_separation", LATER)(story)
    assert story.state.state == SEPARATED
    return story.state.ending, story.state.respectful


@pytest.mark.parametrize(
    ("state", "reason", "steps", "expected"),
    [
        ("honeymoon", "cost", RESPECT, ("stillborn", True)),
        ("honeymoon", "breach", (), ("stillborn", False)),
        ("power_struggle", "mutual", RESPECT, ("exploded", True)),
        ("power_struggle", "acquisition", (), ("exploded", None)),
        ("power_sharing", "mutual", RESPECT, ("parted", True)),
        ("power_sharing", "mutual", (), ("parted", False)),
        ("commitment", "performance", RESPECT, ("parted", True)),
        ("commitment", "performance", ("thanks_given",), ("exploded", False)),
        ("commitment", "breach", ("legacy_preserved",), ("exploded", False)),
        ("commitment", "cost", ("legacy_preserved",), ("parted", False)),
        ("maturity_or_separation.maturity", "acquisition", (), ("parted", None)),
        ("maturity_or_separation.maturity", "strategy", ("legacy_preserved",), ("parted", None)),
        ("maturity_or_separation.maturity", "technology", RESPECT, ("parted", True)),
        ("maturity_or_separation.maturity", "technology", ("thanks_given",), ("parted", False)),
        ("maturity_or_separation.maturity", "insolvency", (), ("parted", False)),
    ],
)
def test_d11_how_it_ended_and_whether_with_respect(state, reason, steps, expected):
    assert ended(state, reason, *steps) == expected


def test_d11_an_open_threat_explodes_whatever_was_said():
    assert ended("commitment", "strategy", *RESPECT, before=[on("2021-10-05", threat())]) == ("exploded", False)
    calm = [on("2021-10-05", threat()), on("2021-10-06", withdrawal())]
    assert ended("commitment", "strategy", *RESPECT, before=calm) == ("parted", True)


def test_d11_where_nothing_was_built_thanks_are_respect_enough():
    assert ended("honeymoon", "cost", "thanks_given", contracts=False) == ("stillborn", True)


def test_d11_thanks_given_before_the_separation_are_not_thanks_for_it():
    story = given(sharing(), on("2020-11-01", *map(step_done, RESPECT)), asked("separate", "2020-12-01", reason="cost"))
    handed_over("2020-12-02")(story)
    asked("complete_separation", "2020-12-03")(story)
    assert story.state.respectful is False


def test_d11_the_end_is_written_down_and_later_facts_do_not_change_it():
    story = given(separating(sharing(), "2020-12-01", "breach"), handed_over("2020-12-02"))
    outcome = when(story, asked("complete_separation", "2020-12-03"))
    entered = outcome.decision.events[-1].data
    assert (entered.ending, entered.respectful, entered.separated_from) == ("exploded", False, "power_sharing")
    on("2020-12-04", *map(step_done, RESPECT))(story)
    assert (story.state.ending, story.state.respectful) == ("exploded", False)


# --- after it --------------------------------------------------------------------------------------------------------------


def test_after_the_end_facts_are_accepted_and_move_nothing():
    story = given(
        separating(sharing(), "2020-12-01"), handed_over("2020-12-02"), asked("complete_separation", "2020-12-03")
    )
    for fact in (threat(), reality(concealed=True), measured("p1", 900), incident()):
        then(when(story, on("2020-12-04", fact))).wrote(fact.type).stays(SEPARATED)
    then(when(story, ticked("2029-01-01"))).wrote()
    then(when(story, asked("reconcile", "2020-12-05"))).fails("transition_impossible", says="none")


def test_while_separating_the_clock_is_silent_about_meetings_and_the_pause_is_not_made_up_for():
    since = "2020-01-01"
    story = given(separating(sharing(observed_since=since), "2020-11-01"))
    then(when(story, ticked("2021-03-01"))).wrote().stays(SEPARATING)
    asked("reconcile", "2021-03-01")(story)
    outcome = when(story, ticked("2021-04-10"))
    first = outcome.decision.events[0]
    assert first.data.type == "meeting.missed"
    assert first.occurred_at > at("2021-03-01")


def test_a_maturity_separated_and_reconciled_goes_on():
    story = given(separating(mature(), "2023-04-01"), asked("reconcile", "2023-05-01"))
    told = spells(story.state, at("2023-06-01"), story.policy)
    assert [(stay.stage, stay.outcome) for stay in told[-3:]] == [
        ("maturity_or_separation", "maturity"),
        ("maturity_or_separation", "separating"),
        ("maturity_or_separation", "maturity"),
    ]
