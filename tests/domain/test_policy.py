"""Policies: read, written, refused in one sentence, and obeyed."""

import pytest

from domain.policy import AUTOMATIC, GUARDS, POLICY_1, Policy, checked, parse_policy, policy_toml
from tests.domain.story import asked, given, honeymoon, measured, on, struggling, then, when


def test_policy_1_has_the_thresholds_of_the_page():
    assert (POLICY_1.delay_doubled, POLICY_1.budget_blown, POLICY_1.rework_half, POLICY_1.seniority_halved) == (
        2,
        1.3,
        0.5,
        0.5,
    )
    assert (POLICY_1.lesser_delay, POLICY_1.lesser_budget, POLICY_1.lesser_breaches) == (1.25, 1.1, 2)
    assert (POLICY_1.lesser_breaches_days, POLICY_1.honeymoon_days, POLICY_1.self_review_days) == (180, 730, 180)
    assert (POLICY_1.sla_months_running, POLICY_1.sla_months_kept, POLICY_1.sla_months_window) == (3, 5, 6)
    assert (POLICY_1.cadence_share, POLICY_1.cadence_months, POLICY_1.crisis_free_months) == (0.8, 6, 24)
    assert (POLICY_1.own_parts_share, POLICY_1.punctual_share, POLICY_1.punctual_months) == (0.8, 0.95, 12)
    assert (POLICY_1.payment_days, POLICY_1.payment_days_at_most) == (30, 60)
    assert (POLICY_1.partnership_years, POLICY_1.commitment_months, POLICY_1.mature_cadence_months) == (3, 12, 12)
    assert (POLICY_1.missed_meetings_running, POLICY_1.relapse_sla_months) == (2, 2)
    assert (POLICY_1.loosen_cadence_share, POLICY_1.loosen_cadence_months, POLICY_1.loosen_sla_months) == (0.5, 6, 3)
    assert (POLICY_1.fade_months, POLICY_1.activation_days, POLICY_1.overlap_share) == (24, 180, 0.25)
    assert (POLICY_1.overlap_facts, POLICY_1.overlap_calm_days, POLICY_1.telescoped_days) == (3, 30, 30)
    assert POLICY_1.automatic == AUTOMATIC == ("relapse", "loosen", "fade", "face_reality")


@pytest.mark.parametrize("policy", [POLICY_1, Policy(delay_doubled=3.5, automatic=("share_power",), honeymoon_days=1)])
def test_a_policy_comes_back_from_its_text_as_it_was(policy):
    assert parse_policy(policy_toml(policy)) == policy


def test_what_a_text_leaves_out_is_as_in_policy_1():
    assert parse_policy("delay_doubled = 3\n") == Policy(delay_doubled=3.0)
    assert parse_policy("") == POLICY_1


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("delay_doubled = ", "cannot be read"),
        ("delay_tripled = 3", "delay_tripled"),
        ("delay_doubled = 0", "delay_doubled"),
        ("delay_doubled = nan", "delay_doubled"),
        ("delay_doubled = inf", "delay_doubled"),
        ("honeymoon_days = 0", "honeymoon_days"),
        ("rework_half = 1.5", "rework_half"),
        ("missed_meetings_running = 0", "missed_meetings_running"),
        ('automatic = ["commit"]', "commit"),
        ('automatic = ["elope"]', "elope"),
        ('[guards]\nelope = ["reason_given"]', "elope"),
        ("[guards]\ncommit = []", "no guards"),
    ],
)
def test_what_is_no_policy_is_refused_in_one_sentence(text, says):
    with pytest.raises(ValueError, match=says) as refused:
        parse_policy(text)
    assert str(refused.value).endswith(".")


def test_a_guard_of_another_trigger_is_refused():
    with pytest.raises(ValueError, match="reason_given"):
        checked(Policy(guards={**GUARDS, "commit": ("reason_given",)}))
    assert checked(POLICY_1) is POLICY_1


def test_a_guard_left_out_is_not_asked():
    policy = Policy(guards={**GUARDS, "share_power": ("no_threat_open",), "face_reality": ("threat_open",)})
    story = given(honeymoon(), policy=policy)
    then(when(story, on("2020-06-01", measured("p1", 300)))).stays("honeymoon")
    story = given(struggling())
    story.policy, story.policy_version = policy, 2
    outcome = when(story, asked("share_power", "2020-07-01"))
    then(outcome).enters("power_sharing")
    entered = outcome.decision.events[-1].data
    assert (entered.policy, [verdict.code for verdict in entered.guards]) == (2, ["no_threat_open"])


def test_a_trigger_without_guards_waits_for_nobody_or_for_ever():
    policy = Policy(guards={**GUARDS, "share_power": (), "face_reality": ()})
    then(when(given(honeymoon(), policy=policy), on("2020-06-01", measured("p1", 300)))).stays("honeymoon")
    story = given(struggling())
    story.policy = policy
    then(when(story, asked("share_power", "2020-07-01"))).enters("power_sharing")


@pytest.mark.parametrize(("threshold", "shock"), [(2.2, True), (2.21, False)])
def test_a_threshold_is_what_the_policy_says(threshold, shock):
    outcome = when(given(honeymoon(), policy=Policy(delay_doubled=threshold)), on("2020-06-01", measured("p1", 66)))
    then(outcome).enters("power_struggle") if shock else then(outcome).stays("honeymoon")
