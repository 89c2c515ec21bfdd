"""The worked example of the domain's page, to the day."""

from domain import events as e
from domain.history import spells
from domain.policy import POLICY_1
from tests.domain.story import (
    asked,
    at,
    constraint,
    contract,
    given,
    measured,
    negotiated,
    on,
    opened,
    peace,
    promise,
    then,
    threat,
    when,
    withdrawal,
)

FIRST = (
    opened("2020-01-10", observed_since="2020-01-10"),
    on("2020-01-10", promise("p1", "delay", 30), promise("p2", "seniority", 8)),
    on("2020-02-01", contract("2020-02-01")),
)
STRUGGLE = (*FIRST, on("2020-06-01", measured("p1", 66)))
SHARED = (
    *STRUGGLE,
    asked("share_power", "2020-07-01"),
    on("2020-08-01", *peace(), constraint("client"), constraint("partner"), negotiated()),
    asked("share_power", "2020-09-01"),
)
WHOLE = (
    *SHARED,
    on("2021-01-15", threat("client")),
    on("2021-01-20", withdrawal("client")),
    on("2021-02-01", *peace()),
    asked("share_power", "2021-03-01"),
)


def test_sixty_six_days_of_thirty_end_the_honeymoon_on_the_day_they_were_measured():
    story = given(*FIRST)
    outcome = when(story, on("2020-06-01", measured("p1", 66)))
    then(outcome).wrote("promise.measured", "stage.entered").enters(
        "power_struggle", on="2020-06-01", trigger="face_reality", by="delay_doubled", cause=5
    )
    entered = outcome.decision.events[-1].data
    doubled = next(verdict for verdict in entered.guards if verdict.code == "delay_doubled")
    assert (doubled.actual, doubled.required) == (2.2, 2)
    assert story.version(e.PromiseMeasured) == 5


def test_power_is_not_shared_a_month_later_and_all_seven_guards_say_why():
    outcome = when(given(*STRUGGLE), asked("share_power", "2020-07-01"))
    then(outcome).wrote("transition.refused").is_refused(
        "budget_renegotiated", "priorities_agreed", "tradeoff_decided", "constraints_acknowledged", "self_reviews",
        "sla_negotiated",
    )  # fmt: skip
    verdicts = outcome.decision.events[-1].data.guards
    assert len(verdicts) == 7
    assert [verdict.code for verdict in verdicts if verdict.met] == ["no_threat_open"]


def test_power_is_shared_once_everything_was_agreed():
    story = given(*SHARED[:-1])
    then(when(story, asked("share_power", "2020-09-01"))).enters("power_sharing", on="2020-09-01")


def test_a_threat_throws_back_and_is_the_cause():
    story = given(*SHARED)
    outcome = when(story, on("2021-01-15", threat("client")))
    then(outcome).enters("power_struggle", on="2021-01-15", trigger="relapse", by="threat_open")
    assert story.state.spells[-1].cause == story.version(e.TerminationThreatened)


def test_the_second_peace_needs_what_was_done_since_but_the_sla_and_the_constraints_still_stand():
    story = given(*WHOLE[:-2])
    then(when(story, asked("share_power", "2021-01-31"))).is_refused(
        "budget_renegotiated", "priorities_agreed", "tradeoff_decided", "self_reviews"
    )
    on("2021-02-01", *peace())(story)
    then(when(story, asked("share_power", "2021-03-01"))).enters("power_sharing", on="2021-03-01")


def test_the_history_counts_143_92_136_and_45_days_and_an_open_spell():
    story = given(*WHOLE)
    told = spells(story.state, at("2021-04-01"), POLICY_1)
    assert [(stay.stage, stay.days) for stay in told] == [
        ("honeymoon", 143),
        ("power_struggle", 92),
        ("power_sharing", 136),
        ("power_struggle", 45),
        ("power_sharing", 31),
    ]
    assert [stay.left_at is None for stay in told] == [False, False, False, False, True]
    assert [stay.trigger for stay in told] == [None, "face_reality", "share_power", "relapse", "share_power"]
    assert told[0].cause == 1
    assert told[1].cause == story.version(e.PromiseMeasured)
    assert not any(stay.telescoped or stay.forced for stay in told)
