"""Spells, overlaps and flags, as a reader of the history sees them."""

from datetime import timedelta
from itertools import pairwise
from time import perf_counter

import pytest

from domain import events as e
from domain.history import Overlap, overlaps, spells
from domain.measures import activation, overdue_promises, overlapping
from domain.partnership import Partnership, fold
from domain.policy import POLICY_1, Policy
from domain.types import STAGES
from tests.domain.story import (
    asked,
    at,
    budget,
    committed,
    crisis,
    dispute,
    forced,
    given,
    honeymoon,
    incident,
    innovation,
    later,
    measured,
    on,
    opened,
    overcome,
    peace,
    priorities,
    promise,
    retracted,
    revised,
    settled,
    sharing,
    spoken,
    struggling,
    threat,
    tradeoff,
    withdrawal,
)


def told(story, until):
    """Overlaps as (stage, from, to), days alone."""
    found = overlaps(story.state, story.policy, at(until))
    return [(each.stage, _day(each.start), each.end and _day(each.end)) for each in found]


def _day(when):
    return when.strftime("%Y-%m-%d" if when == when.replace(hour=0, minute=0) else "%Y-%m-%dT%H:%M")


# --- spells ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("days", "short"), [(0, True), (29.9, True), (30, False)])
def test_a_stay_under_thirty_days_that_has_ended_is_telescoped(days, short):
    story = given(honeymoon(), on(later("2020-01-01", days), threat()))
    stay = spells(story.state, at("2021-01-01"), POLICY_1)[0]
    assert (stay.telescoped, stay.days) == (short, int(days))


def test_the_stay_that_lasts_is_not_telescoped_however_young():
    story = given(struggling())
    assert [stay.telescoped for stay in spells(story.state, at("2020-06-02"), POLICY_1)] == [False, False]


def test_a_policy_says_how_short_is_short():
    story = given(struggling())
    assert spells(story.state, at("2020-07-01"), Policy(telescoped_days=200))[0].telescoped


def test_days_are_whole_and_those_of_an_open_spell_run_to_the_instant_asked():
    story = given(struggling())
    assert [stay.days for stay in spells(story.state, at("2020-06-10T23:59"), POLICY_1)] == [152, 9]


def test_what_began_after_the_instant_asked_is_not_told():
    story = given(sharing())
    earlier = spells(story.state, at("2020-07-01"), POLICY_1)
    assert [(stay.stage, stay.left_at is None) for stay in earlier] == [("honeymoon", False), ("power_struggle", True)]
    assert spells(story.state, at("2019-12-31"), POLICY_1) == ()
    assert spells(Partnership(), at("2020-01-01"), POLICY_1) == ()


def test_a_spell_says_who_brought_it_under_which_policy_and_whether_it_was_forced():
    story = given(struggling())
    story.policy_version = 7
    forced("power_sharing", "2020-07-01")(story)
    first, second, third = spells(story.state, at("2020-08-01"), POLICY_1)
    assert (first.trigger, first.policy, first.cause) == (None, None, 1)
    assert (second.trigger, second.policy, second.cause, second.forced) == (
        "face_reality", 1, story.version(e.PromiseMeasured), False,
    )  # fmt: skip
    assert (third.trigger, third.policy, third.forced) == ("share_power", 7, True)


def test_d18_spells_of_one_instant_keep_the_order_of_the_log():
    story = given(honeymoon(), on("2020-06-01", threat()), asked("separate", "2020-06-01", reason="breach"))
    stays = spells(story.state, at("2020-06-01"), POLICY_1)
    assert [(stay.stage, stay.days) for stay in stays] == [
        ("honeymoon", 152),
        ("power_struggle", 0),
        ("maturity_or_separation", 0),
    ]
    assert stays[-1].outcome == "separating"


# --- overlaps by open matters --------------------------------------------------------------------------------------------


def quiet(*steps):
    """A story in which no stage is ever active by its facts, so that only open matters keep one alive."""
    return given(*steps, policy=Policy(overlap_facts=100))


def test_a_dispute_keeps_the_struggle_alive_while_it_lasts():
    story = quiet(sharing(), on("2021-06-01", dispute()), on("2021-07-01", settled("d1", "client")))
    assert told(story, "2022-01-01") == [("power_struggle", "2021-06-01", "2021-07-01")]
    assert told(story, "2021-06-15") == [("power_struggle", "2021-06-01", None)]
    assert overlapping(story.state, POLICY_1, at("2021-06-15")) == ["power_struggle"]


def test_a_crisis_does_too():
    story = quiet(sharing(), on("2021-06-01", crisis()), on("2021-07-01T08:00", overcome()))
    assert told(story, "2022-01-01") == [("power_struggle", "2021-06-01", "2021-07-01T08:00")]


def test_a_threat_does_until_its_own_side_withdraws_it():
    story = quiet(sharing(), on("2022-03-01", threat("partner")), forced("power_sharing", "2022-03-05"))
    on("2022-03-10", withdrawal("client"))(story)
    on("2022-03-20", withdrawal("partner"))(story)
    assert told(story, "2023-01-01") == [("power_struggle", "2022-03-05", "2022-03-20")]


def test_matters_that_overlap_each_other_are_one_overlap():
    story = quiet(
        sharing(), on("2021-06-01", dispute("a")), on("2021-06-10", dispute("b")),
        on("2021-06-20", settled("a")), on("2021-07-01", settled("b")),
        on("2021-07-01", dispute("c")), on("2021-07-05", settled("c")),
    )  # fmt: skip
    assert told(story, "2022-01-01") == [("power_struggle", "2021-06-01", "2021-07-05")]


def test_the_time_in_which_it_was_the_authoritative_stage_is_no_overlap():
    story = quiet(honeymoon(), on("2020-05-01", dispute()), on("2020-06-01", threat(), withdrawal()))
    forced("power_sharing", "2020-08-01")(story)
    on("2020-09-01", settled("d1"))(story)
    assert told(story, "2021-06-01") == [
        ("power_struggle", "2020-05-01", "2020-06-01"),
        ("power_struggle", "2020-08-01", "2020-09-01"),
    ]


def test_a_promise_past_its_day_keeps_the_honeymoon_alive_until_it_is_measured():
    life = [on("2020-02-01", promise("q", "other", 5, due_on="2020-06-30")), on("2020-08-01", measured("q", 5))]
    assert told(quiet(struggling(), *life), "2021-06-01") == [("honeymoon", "2020-07-01", "2020-08-01")]
    assert told(quiet(struggling(), life[0]), "2020-06-30T23:59") == []
    assert told(quiet(struggling(), life[0]), "2020-07-01") == [("honeymoon", "2020-07-01", None)]
    state = quiet(struggling(), life[0]).state
    assert not overdue_promises(state, at("2020-06-30T23:59"))
    assert list(overdue_promises(state, at("2020-07-01"))) == ["q"]


def test_a_promise_measured_in_time_or_never_due_keeps_nothing_alive():
    for due_on, day in ((None, None), ("2021-06-30", "2021-06-30"), ("9999-12-31", None)):
        story = quiet(sharing(), on("2020-12-01", promise("q", "other", 5, due_on=due_on)))
        if day:
            on(day, measured("q", 5))(story)
        assert told(story, "2022-01-01") == []


def test_a_revision_does_not_measure_a_promise():
    story = quiet(
        sharing(), on("2020-12-01", promise("q", "other", 5, due_on="2021-06-30")), on("2021-06-01", revised("q", 6))
    )
    assert told(story, "2022-01-01") == [("honeymoon", "2021-07-01", None)]
    assert list(overdue_promises(story.state, at("2022-01-01"))) == ["q"]


def test_the_overlap_begins_when_the_promise_was_told_if_its_day_was_past():
    story = quiet(sharing(), on("2021-08-01", promise("q", "other", 5, due_on="2021-06-30")))
    assert told(story, "2022-01-01") == [("honeymoon", "2021-08-01", None)]


# --- overlaps by activation ------------------------------------------------------------------------------------------------


def honest(*steps):
    """A honeymoon without any fact but its opening."""
    return given(opened("2020-01-01"), *steps)


SHARES = [budget(), priorities(), tradeoff()]


def test_d15_three_facts_of_a_quarter_of_all_make_a_stage_overlap_for_their_window_and_the_calm_days():
    story = honest(on("2020-03-01", SHARES[0]), on("2020-03-05", SHARES[1]), on("2020-03-10", SHARES[2]))
    # The first leaves the window after 180 days, on 2020-08-28; thirty calm days later the overlap is over.
    assert told(story, "2021-01-01") == [("power_sharing", "2020-03-10", "2020-09-27")]
    assert told(story, "2020-09-26") == [("power_sharing", "2020-03-10", None)]
    assert told(story, "2020-03-09") == []


def test_d15_two_facts_are_not_enough_however_alone_they_are():
    assert told(honest(on("2020-09-01", *SHARES[:2])), "2021-01-01") == []


def test_d15_less_than_a_quarter_is_not_enough():
    loud = [threat("client"), withdrawal("client")] * 5
    story = given(opened("2020-01-01"), on("2020-06-01", *loud), on("2020-06-02", *SHARES))
    assert activation(story.state, POLICY_1, at("2020-06-02"))[1] == [1, 10, 3, 0, 0]
    assert not [each for each in told(story, "2020-06-03") if each[0] == "power_sharing"]
    story = given(opened("2020-06-01"), on("2020-06-01", *loud[:8]), on("2020-06-02", *SHARES))
    assert [each for each in told(story, "2020-06-03") if each[0] == "power_sharing"] == [
        ("power_sharing", "2020-06-02", None)
    ]


def test_d15_a_pause_shorter_than_the_calm_days_does_not_end_an_overlap():
    story = honest(on("2020-03-01", *SHARES), on("2020-09-10", *SHARES))
    assert told(story, "2021-01-01") == [("power_sharing", "2020-03-01", None)]
    story = honest(on("2020-03-01", *SHARES), on("2020-10-10", *SHARES))
    assert told(story, "2021-01-01") == [
        ("power_sharing", "2020-03-01", "2020-09-27"),
        ("power_sharing", "2020-10-10", None),
    ]


def test_d15_a_measured_promise_is_of_the_struggle_when_it_misses_and_of_the_honeymoon_when_it_keeps():
    made = on("2020-01-01", *(promise(f"q{n}", "other", 5) for n in range(3)))
    story = given(opened("2020-01-01"), made, on("2020-02-01", *(measured(f"q{n}", 5 if n else 4) for n in range(3))))
    assert activation(story.state, POLICY_1, at("2020-02-01"))[1] == [6, 1, 0, 0, 0]
    delays = on("2020-01-01", *(promise(f"d{n}", "delay", 5) for n in range(2)))
    story = given(opened("2020-01-01"), delays, on("2020-02-01", measured("d0", 5), measured("d1", 5.1)))
    assert activation(story.state, POLICY_1, at("2020-02-01"))[1] == [4, 1, 0, 0, 0]
    assert activation(honest(on("2020-02-01", measured("q", 5))).state, POLICY_1, at("2020-02-01"))[1] == [
        1,
        0,
        0,
        0,
        0,
    ]


def test_activation_looks_180_days_back_and_without_any_fact_is_nothing():
    story = given(opened("2020-01-01"))
    assert activation(story.state, POLICY_1, at("2020-06-28T23:00"))[0]["honeymoon"] == 1.0
    assert activation(story.state, POLICY_1, at("2020-06-29"))[0] == dict.fromkeys(STAGES, 0.0)


def test_facts_of_the_system_and_plain_ones_have_no_colour():
    story = given(struggling(), asked("share_power", "2020-07-01"), on("2020-07-01", incident()))
    assert sum(activation(story.state, POLICY_1, at("2020-07-01"))[1]) == 2


def test_a_retracted_fact_has_no_colour_any_more():
    story = honest(on("2020-03-01", *SHARES))
    retracted(story.version(e.BudgetRenegotiated), "2020-03-02")(story)
    assert told(story, "2021-01-01") == []


def test_spells_of_the_fifth_stage_overlap_the_others():
    story = given(
        sharing(), on("2021-06-01", spoken(), innovation()), on("2021-06-02", spoken()), on("2021-06-03", spoken())
    )
    assert ("maturity_or_separation", "2021-06-03", "2021-12-28") in told(story, "2023-01-01")


def test_no_overlap_before_the_opening_and_none_of_what_was_never_opened():
    story = given(opened("2020-06-01"), on("2020-03-01", *SHARES))
    assert told(story, "2021-01-01")[0][1] == "2020-06-01"
    assert told(story, "2020-05-01") == []
    assert overlaps(Partnership(), POLICY_1, at("2020-01-01")) == ()


def test_history_and_the_present_agree_on_what_overlaps():
    story = given(
        sharing(), on("2020-10-01", dispute()), on("2020-11-01", settled("d1", "client")), on("2020-12-01", *peace())
    )
    for day in range(0, 500, 7):
        when = later("2020-01-02", day)
        now = {each.stage for each in overlaps(story.state, POLICY_1, when) if each.end is None}
        assert set(overlapping(as_of(story, when), POLICY_1, when)) <= now


def as_of(story, when):
    return fold([each for each in story.log if each.occurred_at <= when])


def test_overlaps_are_told_in_order_and_none_meets_the_next_of_its_stage():
    story = given(
        committed(), on("2021-10-01", dispute()), on("2022-10-01", settled("d1")), on("2022-11-01", dispute("d2"))
    )
    found = overlaps(story.state, POLICY_1, at("2024-01-01"))
    assert list(found) == sorted(found, key=lambda each: each.start)
    for stage in STAGES:
        own = [each for each in found if each.stage == stage]
        assert all(before.end is not None and before.end < after.start for before, after in pairwise(own))
    assert all(isinstance(each, Overlap) for each in found)


@pytest.mark.long
def test_twenty_years_of_daily_facts_are_swept_at_once():
    events = [e.Happened(1, "evt_1", at("2000-01-01"), e.PartnershipOpened(client="C", partner="P", critical=False))]
    kinds = [budget(), threat(), withdrawal(), spoken(), innovation(), promise("p", "delay", 3)]
    first = at("2000-01-01")
    events += [
        e.Happened(n, f"evt_{n}", first + timedelta(days=n), kinds[n // 97 % len(kinds)]) for n in range(2, 7_302)
    ]
    state = fold(events)
    began = perf_counter()
    found = overlaps(state, POLICY_1, at("2021-01-01"))
    assert len(found) > 20
    assert perf_counter() - began < 1
