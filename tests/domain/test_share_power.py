"""What must be shared before power is, each guard from both sides."""

import pytest

from domain import events as e
from domain.policy import AUTOMATIC, Policy
from tests.domain.story import (
    asked,
    at,
    budget,
    constraint,
    given,
    honeymoon,
    imposed,
    later,
    measured,
    negotiated,
    on,
    peace,
    priorities,
    reality,
    review,
    sharing,
    struggling,
    then,
    threat,
    tradeoff,
    when,
    withdrawal,
)

ENTERED = "2020-06-01"
ALL = (*peace(), constraint("client"), constraint("partner"), negotiated())


def without(*kinds):
    return [fact for fact in ALL if not isinstance(fact, kinds)]


def test_all_seven_guards_met_share_power():
    story = given(struggling(), on("2020-08-01", *ALL))
    outcome = when(story, asked("share_power", "2020-08-02"))
    then(outcome).wrote("stage.entered").enters("power_sharing", on="2020-08-02", trigger="share_power")
    assert len(outcome.decision.events[0].data.guards) == 7


@pytest.mark.parametrize(
    ("kind", "guard"),
    [
        (e.BudgetRenegotiated, "budget_renegotiated"),
        (e.PrioritiesAgreed, "priorities_agreed"),
        (e.TradeoffDecided, "tradeoff_decided"),
        (e.ConstraintAcknowledged, "constraints_acknowledged"),
        (e.SelfReviewRecorded, "self_reviews"),
        (e.SlaNegotiated, "sla_negotiated"),
    ],
)
def test_one_thing_left_undone_refuses_and_names_itself_alone(kind, guard):
    story = given(struggling(), on("2020-08-01", *without(kind)))
    then(when(story, asked("share_power", "2020-08-02"))).is_refused(guard).stays("power_struggle")


@pytest.mark.parametrize(("fact", "guard"), [(constraint, "constraints_acknowledged"), (review, "self_reviews")])
@pytest.mark.parametrize("side", ["client", "partner"])
def test_one_side_alone_is_not_both(fact, guard, side):
    kind = type(fact(side))
    story = given(struggling(), on("2020-08-01", *without(kind), fact(side), fact(side)))
    then(when(story, asked("share_power", "2020-08-02"))).is_refused(guard)
    assert story.finding(guard, "2020-08-02", "share_power").actual == side


@pytest.mark.parametrize("fact", [budget(), priorities(), tradeoff()])
def test_what_was_agreed_before_the_struggle_is_not_what_it_taught(fact):
    story = given(struggling(), on("2020-08-01", *without(type(fact))), on("2020-05-31T23:59:59", fact))
    assert then(when(story, asked("share_power", "2020-08-02"))).decision.refused
    story = given(struggling(), on("2020-08-01", *without(type(fact))), on(ENTERED, fact))
    then(when(story, asked("share_power", "2020-08-02"))).enters("power_sharing")


def test_constraints_and_slas_stand_whenever_they_were_said():
    early = (constraint("client"), constraint("partner"), negotiated())
    story = given(struggling(), on("2020-02-01", *early), on("2020-08-01", *peace()))
    then(when(story, asked("share_power", "2020-08-02"))).enters("power_sharing")


@pytest.mark.parametrize(("days", "fresh"), [(180, True), (180.001, False)])
def test_a_self_review_is_fresh_for_180_days(days, fresh):
    story = given(struggling(), on("2020-08-01", *ALL))
    outcome = when(story, asked("share_power", later("2020-08-01", days)))
    then(outcome).enters("power_sharing") if fresh else then(outcome).is_refused("self_reviews")


def test_a_threat_must_be_withdrawn_by_the_side_that_made_it():
    story = given(struggling(), on("2020-08-01", *ALL), on("2020-08-02", threat("partner"), withdrawal("client")))
    then(when(story, asked("share_power", "2020-08-03"))).is_refused("no_threat_open")
    on("2020-08-04", withdrawal("partner"))(story)
    then(when(story, asked("share_power", "2020-08-05"))).enters("power_sharing")


def test_d6_an_imposed_sla_refuses_until_the_same_id_is_negotiated_or_withdrawn():
    story = given(struggling(), on("2020-08-01", *ALL), on("2020-08-02", imposed("s2")))
    then(when(story, asked("share_power", "2020-08-03"))).is_refused("sla_negotiated")
    assert story.finding("sla_negotiated", "2020-08-03", "share_power").actual == "1 negotiated, 1 imposed"
    for answer in (negotiated("s2"), e.SlaWithdrawn(sla="s2")):
        answered = given(
            struggling(), on("2020-08-01", *ALL), on("2020-08-02", imposed("s2")), on("2020-08-04", answer)
        )
        then(when(answered, asked("share_power", "2020-08-05"))).enters("power_sharing")


def test_an_sla_imposed_over_a_negotiated_one_counts_as_imposed():
    story = given(struggling(), on("2020-08-01", *ALL), on("2020-08-02", imposed("s1")))
    then(when(story, asked("share_power", "2020-08-03"))).is_refused("sla_negotiated")


def test_d8_without_any_sla_in_force_the_guard_says_so_with_an_empty_evidence():
    story = given(struggling(), on("2020-08-01", *ALL, e.SlaWithdrawn(sla="s1")))
    finding = story.finding("sla_negotiated", "2020-08-02", "share_power")
    assert (finding.met, finding.actual, finding.evidence) == (False, "no SLA in force", ())


# --- time and order --------------------------------------------------------------------------------------------------


def test_d1_the_guards_see_what_was_true_at_the_transitions_own_instant():
    story = given(struggling(), on("2020-08-01", *ALL), on("2020-08-10", threat()))
    then(when(story, asked("share_power", "2020-08-11"))).is_refused("no_threat_open")
    outcome = when(story, asked("share_power", "2020-08-09"))
    entries = then(outcome).entries()
    assert [(each.data.trigger, each.occurred_at) for each in entries] == [
        ("share_power", at("2020-08-09")),
        ("relapse", at("2020-08-10")),
    ]
    assert entries[0].decided_at == at("2020-08-09")


def test_a_transition_cannot_leave_a_stage_before_it_was_entered():
    story = given(struggling(), on("2020-08-01", *ALL))
    then(when(story, asked("share_power", "2020-05-31"))).fails("before_stage_entry")


def test_the_cause_of_a_human_transition_is_its_newest_evidence():
    story = given(struggling(), on("2020-08-01", *ALL))
    then(when(story, asked("share_power", "2020-08-02"))).enters(
        "power_sharing", cause=story.version(negotiated().type)
    )


# --- refusals --------------------------------------------------------------------------------------------------------


def test_a_refusal_is_an_event_that_raises_the_version_but_not_the_etag():
    story = given(struggling())
    etag, version = story.state.etag, story.state.version
    then(when(story, asked("share_power", "2020-07-01"))).wrote("transition.refused")
    assert (story.state.etag, story.state.version) == (etag, version + 1)


@pytest.mark.parametrize(("hours", "same"), [(0, True), (23.9, True), (24, False)])
def test_the_same_refusal_within_24_hours_names_the_first_one(hours, same):
    story = given(struggling(), asked("share_power", "2020-07-01"))
    first = story.version("transition.refused")
    decision = story.decide_step(asked("share_power", later("2020-07-01", hours / 24)))
    assert decision.refused
    assert decision.repeated == ([first] if same else [])


def test_a_refusal_with_other_verdicts_is_a_new_one():
    story = given(struggling(), asked("share_power", "2020-07-01"), on("2020-07-01T01:00", budget()))
    assert story.decide_step(asked("share_power", "2020-07-01T02:00")).repeated == []


# --- D19 ---------------------------------------------------------------------------------------------------------------

SWITCHED = Policy(automatic=(*AUTOMATIC, "share_power"))


def test_d19_a_policy_may_share_power_by_itself_as_soon_as_the_last_thing_is_done():
    story = given(struggling(), on("2020-08-01", *ALL[:-1]), policy=SWITCHED)
    assert story.state.state == "power_struggle"
    outcome = when(story, on("2020-08-05", ALL[-1]))
    then(outcome).enters("power_sharing", on="2020-08-05", trigger="share_power")


def test_d19_a_relapse_is_not_undone_by_what_was_agreed_before_it():
    story = given(struggling(), on("2020-08-01", *ALL), policy=SWITCHED)
    then(when(story, on("2020-09-01", threat()))).enters("power_struggle", on="2020-09-01")
    then(when(story, on("2020-09-02", withdrawal()))).stays("power_struggle")
    then(when(story, on("2020-09-03", budget(), priorities()))).stays("power_struggle")
    outcome = when(story, on("2020-09-03", tradeoff()))
    then(outcome).enters("power_sharing", on="2020-09-03")
    assert [state for state, _ in story.path()] == [
        "honeymoon",
        "power_struggle",
        "power_sharing",
        "power_struggle",
        "power_sharing",
    ]


def test_a_chain_of_automatic_transitions_is_followed_to_its_end_each_trigger_once():
    story = given(honeymoon(), on("2020-08-01", *ALL), policy=SWITCHED)
    outcome = when(story, on("2020-06-01", measured("p1", 66)))
    entries = then(outcome).entries()
    assert [(each.data.trigger, each.occurred_at) for each in entries] == [
        ("face_reality", at("2020-06-01")),
        ("share_power", at("2020-08-01")),
    ]
    assert [each.decided_at for each in entries] == [at("2020-08-01")] * 2
    story = given(honeymoon(), on("2020-08-01", *ALL), on("2020-09-01", reality(concealed=True)), policy=SWITCHED)
    entries = then(when(story, on("2020-06-01", measured("p1", 66)))).entries()
    assert [each.data.trigger for each in entries] == ["face_reality", "share_power", "relapse"]


def test_sharing_power_is_peoples_to_decide_by_default():
    story = given(struggling(), on("2020-08-01", *ALL))
    assert story.state.state == "power_struggle"
    assert given(sharing()).state.state == "power_sharing"
