"""What only years bring, each guard from both sides."""

from domain import events as e
from tests.domain.story import (
    MATURED,
    asked,
    committed,
    contract,
    day,
    given,
    innovation,
    missed,
    on,
    ready_to_mature,
    reference,
    sharing,
    spoken,
    struggling,
    then,
    when,
)


def finding(story, code, when):
    return story.finding(code, when, "mature")


def test_all_five_guards_met_make_mature():
    outcome = when(given(ready_to_mature()), asked("mature", MATURED))
    then(outcome).enters("maturity_or_separation.maturity", on=MATURED, trigger="mature")
    entered = outcome.decision.events[-1].data
    assert (entered.stage, entered.outcome, len(entered.guards)) == ("maturity_or_separation", "maturity", 5)


def test_too_early_names_everything_that_is_missing():
    then(when(given(committed()), asked("mature", "2021-10-01"))).is_refused(
        "partnership_age", "time_in_commitment", "made_public", "innovated_together"
    )


def test_three_years_since_the_first_contract_to_the_day():
    story = given(committed())
    assert not finding(story, "partnership_age", "2023-01-31T23:59").met
    assert finding(story, "partnership_age", "2023-02-01").met


def test_the_first_contract_is_the_one_that_began_first_whenever_it_was_told():
    story = given(committed(), on("2021-09-05", contract("2018-05-01", "c0")))
    assert finding(story, "partnership_age", "2021-09-06").met
    renewed = e.ContractRenewed(contract="c00", starts_on=day("2017-01-01"))
    story = given(committed(), on("2021-09-05", renewed))
    assert finding(story, "partnership_age", "2021-09-06").met


def test_a_contract_signed_before_it_begins_counts_from_its_signature():
    story = given(struggling(signed=False), on("2020-07-01", contract("2020-12-01")))
    assert not finding(story, "partnership_age", "2023-06-30").met
    assert finding(story, "partnership_age", "2023-07-01").met


def test_no_contract_has_no_age():
    assert finding(given(struggling(signed=False)), "partnership_age", "2029-01-01").actual == "no contract signed"


def test_twelve_months_in_commitment_to_the_day():
    story = given(committed())
    assert not finding(story, "time_in_commitment", "2022-08-31T23:59").met
    assert finding(story, "time_in_commitment", "2022-09-01").met


def test_a_testimony_or_a_reference_that_stands_makes_public():
    story = given(sharing())
    assert not finding(story, "made_public", "2021-01-01").met
    on("2020-10-01", reference("partner"))(story)
    assert finding(story, "made_public", "2021-01-01").met
    on("2020-10-02", e.ReferenceWithdrawn(side="partner"))(story)
    assert not finding(story, "made_public", "2021-01-01").met
    on("2020-10-03", reference("partner"))(story)
    assert finding(story, "made_public", "2021-01-01").met
    assert finding(given(sharing(), on("2020-10-01", spoken())), "made_public", "2021-01-01").met


def test_one_side_withdraws_only_its_own_reference():
    story = given(
        sharing(), on("2020-10-01", reference("partner")), on("2020-10-02", e.ReferenceWithdrawn(side="client"))
    )
    assert finding(story, "made_public", "2021-01-01").met


def test_an_innovation_counts_when_it_was_made_together():
    story = given(sharing(), on("2020-10-01", innovation(joint=False)))
    assert not finding(story, "innovated_together", "2021-01-01").met
    on("2020-10-01", innovation())(story)
    assert finding(story, "innovated_together", "2021-01-01").met


def test_a_cadence_lost_in_the_year_refuses():
    lost = [on(f"2022-05-{n:02}", missed(f"2022-05-{n:02}")) for n in (2, 4, 6, 8)]
    story = given(ready_to_mature(), *lost)
    then(when(story, asked("mature", MATURED))).is_refused("cadence_kept")
