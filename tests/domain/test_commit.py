"""What a commitment rests on, each guard from both sides."""

import pytest

from domain import events as e
from tests.domain.story import (
    asked,
    committed,
    crisis,
    dispute,
    forced,
    formalised,
    given,
    held,
    imposed,
    issued,
    mapped,
    measured,
    missed,
    month,
    negotiated,
    on,
    overcome,
    paid,
    peace,
    promise,
    ready_to_commit,
    settled,
    sharing,
    struggling,
    then,
    threat,
    when,
    withdrawal,
)

ASKED = "2021-09-01"


def finding(story, code, day=ASKED):
    return story.finding(code, day, "commit")


def refused_for(*guards, after=()):
    story = given(ready_to_commit(), *after)
    then(when(story, asked("commit", ASKED))).is_refused(*guards).stays("power_sharing")


def test_all_ten_guards_met_commit():
    outcome = when(given(ready_to_commit()), asked("commit", ASKED))
    then(outcome).enters("commitment", on=ASKED, trigger="commit")
    assert len(outcome.decision.events[-1].data.guards) == 10


def test_nothing_done_names_everything_that_is_missing():
    story = given(sharing())
    then(when(story, asked("commit", "2020-10-01"))).is_refused(
        "commitment_formalised", "sla_kept", "cadence_kept", "crisis_survived", "knowledge_mapped"
    )


@pytest.mark.parametrize(("fact", "guard"), [(formalised, "commitment_formalised"), (mapped, "knowledge_mapped")])
def test_both_sides_sign_and_both_map_what_they_know(fact, guard):
    story = given(sharing(), on("2020-10-01", fact("client"), fact("client")))
    assert (finding(story, guard).met, finding(story, guard).actual) == (False, "client")
    on("2020-10-02", fact("partner"))(story)
    assert (finding(story, guard).met, finding(story, guard).actual) == (True, "client and partner")


def test_what_one_side_says_after_the_day_does_not_count_on_that_day():
    story = given(sharing(), on("2020-10-01", formalised("client")), on("2020-10-03", formalised("partner")))
    assert not finding(story, "commitment_formalised", "2020-10-02").met
    assert finding(story, "commitment_formalised", "2020-10-03").met


# --- sla_kept ------------------------------------------------------------------------------------------------------------


def kept_months(*met, sla="s1", target=0.9):
    """Months of 2021 from January on, each reported on the second of the next one."""
    facts = [on(f"2021-{n + 1:02}-02", month(f"2021-{n:02}", count, sla)) for n, count in enumerate(met, 1)]
    return given(sharing(), on("2020-12-01", negotiated(sla, target)), *facts)


@pytest.mark.parametrize(
    ("met", "kept"),
    [
        ((90, 90, 90), True),
        ((89, 90, 90), False),
        ((90, 90, 89), False),
        ((90, 90, 90, 89), False),
        ((89, 89, 89, 90, 90, 90), True),
        ((90, 90, 90, 89, 90, 90), True),
        ((90, 90, 90, 89, 89, 90), False),
        ((89, 90, 90, 90, 90, 90, 89), True),
        ((90, 90, 89, 90, 90, 90, 89), False),
        ((90, 90, 89, 90, 89, 90, 90), False),
    ],
)
def test_an_sla_is_kept_in_three_months_running_or_five_of_the_last_six(met, kept):
    story = kept_months(*met)
    assert finding(story, "sla_kept", f"2021-{len(met) + 1:02}-03").met == kept


def test_d6_three_months_running_have_no_hole_between_them():
    story = given(sharing(), on("2021-05-02", month("2021-01", 95), month("2021-02", 95), month("2021-04", 95)))
    assert not finding(story, "sla_kept", "2021-05-03").met


def test_d6_every_sla_in_force_must_be_kept_and_the_worst_is_shown():
    story = kept_months(95, 95, 95)
    assert finding(story, "sla_kept", "2021-04-03").met
    on("2021-04-02", negotiated("s2"))(story)
    worst = finding(story, "sla_kept", "2021-04-03")
    assert (worst.met, worst.actual) == (False, "s2: 0 of 0 months kept")
    on("2021-04-03", e.SlaWithdrawn(sla="s2"))(story)
    assert finding(story, "sla_kept", "2021-04-03").met


def test_what_counts_is_the_negotiated_target_never_the_imposed_one():
    story = kept_months(91, 91, 91)
    on("2021-04-02", imposed("s1", 0.99))(story)
    assert finding(story, "sla_kept", "2021-04-03").met
    alone = given(sharing(), on("2020-12-01", e.SlaWithdrawn(sla="s1"), imposed("s2", 0.5)))
    on("2021-04-02", *(month(f"2021-0{n}", 99, "s2") for n in (1, 2, 3)))(alone)
    assert not finding(alone, "sla_kept", "2021-04-03").met


def test_a_month_counts_for_the_commitment_too_only_when_it_is_over():
    story = given(sharing(), on("2021-03-20", *(month(f"2021-0{n}", 95) for n in (1, 2, 3))))
    assert not finding(story, "sla_kept", "2021-03-31T23:59").met
    assert finding(story, "sla_kept", "2021-04-01").met


def test_months_of_long_ago_keep_nothing():
    story = kept_months(95, 95, 95)
    assert finding(story, "sla_kept", "2021-08-01").met
    assert not finding(story, "sla_kept", "2021-09-02").met


def test_no_sla_in_force_is_unmet_and_says_so():
    story = given(sharing(), on("2020-12-01", e.SlaWithdrawn(sla="s1")))
    assert (finding(story, "sla_kept").met, finding(story, "sla_kept").actual) == (False, "no SLA in force")


# --- cadence_kept ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kept", "lost", "enough"), [(4, 1, True), (3, 1, False), (1, 0, True), (0, 1, False)])
def test_eight_of_ten_meetings_were_held(kept, lost, enough):
    days = [f"2021-06-{day:02}" for day in range(1, 30, 4)]
    facts = [on(day, held(day)) for day in days[:kept]]
    facts += [on(day, missed(day)) for day in days[kept : kept + lost]]
    assert finding(given(sharing(), *facts), "cadence_kept").met == enough


def test_meetings_of_six_months_count_for_a_commitment_and_of_twelve_for_a_maturity():
    story = given(sharing(), on("2021-01-10", missed("2021-01-05")), on("2021-06-10", held("2021-06-10")))
    assert story.finding("cadence_kept", "2021-07-01", "commit").actual == 0.5
    assert story.finding("cadence_kept", "2021-07-10", "commit").actual == 1.0
    assert story.finding("cadence_kept", "2021-07-10", "mature").actual == 0.5


def test_no_cadence_agreed_is_unmet_and_asks_to_agree_one():
    story = given(struggling(), forced("power_sharing", "2020-09-01"), on("2021-06-10", held("2021-06-10")))
    assert finding(story, "cadence_kept").actual == "no cadence agreed"


def test_a_cadence_without_any_meeting_is_unmet():
    story = given(sharing())
    assert finding(story, "cadence_kept").actual == "no meeting held or due"


# --- crises and disputes -----------------------------------------------------------------------------------------------------


def test_a_crisis_overcome_is_one_survived_and_a_failed_one_is_not():
    story = given(sharing(), on("2020-10-01", crisis()), on("2020-10-05", overcome()))
    assert finding(story, "crisis_survived", "2020-10-05").met
    story = given(sharing(), on("2020-10-01", crisis()), on("2020-10-05", e.CrisisFailed(crisis="k1")))
    assert not finding(story, "crisis_survived", "2020-10-05").met


def test_24_months_without_a_crisis_do_as_well_to_the_day():
    story = given(sharing())
    assert not finding(story, "crisis_survived", "2022-08-31T23:59").met
    assert finding(story, "crisis_survived", "2022-09-01").met
    on("2021-01-01", crisis())(story)
    assert not finding(story, "crisis_survived", "2022-09-01").met


def test_a_crisis_before_the_spell_does_not_disturb_its_calm():
    story = given(sharing(), on("2020-08-31", crisis()))
    assert finding(story, "crisis_survived", "2022-09-01").met


@pytest.mark.parametrize(
    ("parts", "enough"),
    [
        ([("client", "partner")] * 4 + [()], True),
        ([("client", "partner")] * 3 + [()], False),
        ([("client",)] * 5, False),
        ([("partner", "client")], True),
    ],
)
def test_each_side_recorded_its_own_part_in_eight_of_ten(parts, enough):
    facts = [on("2020-10-01", dispute(f"d{n}"), settled(f"d{n}", *own)) for n, own in enumerate(parts)]
    assert finding(given(sharing(), *facts), "own_parts_recorded").met == enough


def test_crises_count_with_disputes_but_failed_ones_have_no_part_to_record():
    story = given(sharing(), on("2020-10-01", crisis("a"), overcome("a", "client")))
    assert finding(story, "own_parts_recorded").actual == 0.0
    story = given(sharing(), on("2020-10-01", crisis("a"), e.CrisisFailed(crisis="a")))
    assert finding(story, "own_parts_recorded").actual == "no dispute or crisis closed"


def test_d8_nothing_closed_is_met_with_an_empty_evidence():
    found = finding(given(sharing()), "own_parts_recorded")
    assert (found.met, found.evidence) == (True, ())


@pytest.mark.parametrize(
    ("opening", "closing", "guard"),
    [
        (dispute(), settled("d1", "client", "partner"), "no_dispute_open"),
        (crisis("k9"), overcome("k9", "client", "partner"), "no_crisis_open"),
    ],
)
def test_d17_no_dispute_and_no_crisis_may_be_open(opening, closing, guard):
    refused_for(guard, after=[on("2021-08-25", opening)])
    story = given(ready_to_commit(), on("2021-08-25", opening), on("2021-08-26", closing))
    then(when(story, asked("commit", ASKED))).enters("commitment")


def test_a_threat_that_a_force_passed_over_still_stands_against_a_commitment():
    story = given(ready_to_commit(), on("2021-08-25", threat()), forced("power_sharing", "2021-08-26"))
    then(when(story, asked("commit", ASKED))).is_refused("no_threat_open")


# --- payments ------------------------------------------------------------------------------------------------------------


def billed(*steps):
    return finding(given(sharing(), *steps), "payments_punctual")


@pytest.mark.parametrize(("late", "enough"), [(5, True), (6, False)])
def test_95_of_100_by_amount_were_paid_on_their_day(late, enough):
    found = billed(
        on("2021-06-01", issued("a", 100 - late), issued("b", late)),
        on("2021-07-01", paid("a", "2021-07-01")), on("2021-07-02", paid("b", "2021-07-02")),
    )  # fmt: skip
    assert (found.met, found.actual) == (enough, (100 - late) / 100)


@pytest.mark.parametrize(
    ("due_on", "paid_on", "in_time"),
    [
        (None, "2021-07-01", True),
        (None, "2021-07-02", False),
        ("2021-06-10", "2021-06-10", True),
        ("2021-06-10", "2021-06-11", False),
        ("2021-07-31", "2021-07-31", True),
        ("2021-08-15", "2021-07-31", True),
        ("2021-08-15", "2021-08-01", False),
    ],
)
def test_an_invoice_is_due_as_the_contract_says_else_after_30_days_never_after_60(due_on, paid_on, in_time):
    found = billed(on("2021-06-01", issued("a", due_on=due_on)), on("2021-08-02", paid("a", paid_on)))
    assert found.met == in_time


def test_the_worst_currency_counts():
    found = billed(
        on("2021-06-01", issued("a", 1_000_000), issued("b", 1, currency="CHF")),
        on("2021-06-02", paid("a", "2021-06-02")),
    )  # fmt: skip
    assert (found.met, found.actual) == (False, 0.0)


def test_an_unpaid_invoice_counts_the_day_after_its_due_day():
    story = given(sharing(), on("2021-06-01", issued("a")))
    assert finding(story, "payments_punctual", "2021-07-01T23:59").actual == "no invoice fell due"
    assert finding(story, "payments_punctual", "2021-07-02").actual == 0.0


def test_invoices_of_more_than_twelve_months_ago_are_forgotten():
    story = given(sharing(), on("2020-10-01", issued("a")))
    assert finding(story, "payments_punctual", "2021-10-30").actual == 0.0
    assert finding(story, "payments_punctual", "2021-10-31").actual == "no invoice fell due"


def test_d8_no_invoice_due_is_met_with_an_empty_evidence():
    found = billed()
    assert (found.met, found.actual, found.evidence) == (True, "no invoice fell due", ())


def test_an_invoice_of_nothing_hurts_nobody():
    assert billed(on("2021-06-01", issued("a", 0))).met


# --- after it --------------------------------------------------------------------------------------------------------------


def test_after_a_relapse_what_was_signed_still_stands():
    story = given(committed(), on("2021-10-01", threat()), on("2021-10-02", withdrawal()), on("2021-10-03", *peace()))
    then(when(story, asked("share_power", "2021-10-04"))).enters("power_sharing")
    assert finding(story, "commitment_formalised", "2021-10-05").met


def test_no_commitment_leaves_the_struggle():
    story = given(ready_to_commit(), on("2021-08-25", promise("x", "delay", 10)), on("2021-08-26", measured("x", 20)))
    then(when(story, asked("commit", ASKED))).fails("transition_impossible", says="share_power")
