"""Recording facts: arrays, openings that happen once, checks, links, times, and what was never matched."""

import hypothesis
import pytest
from hypothesis import settings
from hypothesis import strategies as st

from domain import commands as c
from domain import events as e
from domain.decide import Situation, decide
from domain.measures import unmatched
from domain.partnership import Partnership
from domain.types import Sealed
from tests.domain.story import (
    NOW,
    asked,
    at,
    budget,
    chain,
    constraint,
    contract,
    crisis,
    day,
    dispute,
    given,
    honeymoon,
    incident,
    issued,
    later,
    measured,
    month,
    negotiated,
    on,
    opened,
    overcome,
    paid,
    peace,
    promise,
    reality,
    revised,
    settled,
    sharing,
    struggling,
    then,
    threat,
    together,
    when,
)
from tests.domain.strategies import BY_TYPE

OPEN = opened("2020-01-01")


# --- opening ---------------------------------------------------------------------------------------------------------


def test_a_partnership_opens_in_its_honeymoon():
    outcome = when(given(), opened("2020-01-10", critical=True))
    then(outcome).wrote("partnership.opened")
    state = outcome.story.state
    assert (state.state, state.critical, state.version, state.etag) == ("honeymoon", True, 1, 1)
    assert state.entered == at("2020-01-10")


def test_silence_is_no_fact_before_it_was_observed_by_default_from_now_on():
    assert given(opened("2020-01-10")).state.observed_since == NOW.date()
    assert given(opened("2020-01-10", observed_since="2020-02-01")).state.observed_since == day("2020-02-01")


# --- arrays ----------------------------------------------------------------------------------------------------------


def test_an_array_is_recorded_in_its_order_with_what_follows_from_each():
    outcome = when(given(honeymoon()), together("2020-06-01", measured("p1", 66), budget(), incident()))
    then(outcome).wrote("promise.measured", "stage.entered", "budget.renegotiated", "incident.raised")


def test_one_refused_fact_refuses_the_array_and_names_its_place():
    outcome = when(given(honeymoon()), together("2020-06-01", incident(), measured("p1", 66, "weeks")))
    then(outcome).fails("wrong_unit", index=1)


def test_a_time_ahead_is_refused_and_names_its_place():
    facts = (c.Fact(incident("a"), at("2020-06-01")), c.Fact(incident("b"), later(NOW, 1)))
    then(when(given(OPEN), lambda story: story.do(c.RecordFacts(facts)))).fails("future_time", index=1, says="future")


def test_a_single_fact_has_no_place_to_name():
    then(when(given(OPEN), on(later(NOW, 1), incident()))).fails("future_time")


def test_a_clock_five_minutes_fast_is_forgiven():
    then(when(given(OPEN), on(later(NOW, 5 / 1440), incident()))).wrote("incident.raised")


def test_a_time_before_anything_is_a_mistake():
    then(when(given(OPEN), on("1899-12-31", incident()))).fails("wrong_dates", says="1900")


def test_without_a_time_a_fact_happened_now_and_offsets_become_utc():
    story = given(OPEN)
    decision = story.do(c.RecordFacts((c.Fact(incident()),)))
    assert decision.events[0].occurred_at == NOW
    decision = story.do(c.RecordFacts((c.Fact(incident("b"), at("2020-06-01T01:00:00+02:00")),)))
    assert decision.events[0].occurred_at.isoformat() == "2020-05-31T23:00:00+00:00"


# --- opening twice ---------------------------------------------------------------------------------------------------

OPENINGS = {
    "contract": (contract("2020-01-01"), contract("2020-01-02")),
    "promise": (promise("p", "delay", 30), promise("p", "delay", 31)),
    "dispute": (dispute(), dispute(side="partner")),
    "crisis": (crisis(), e.CrisisOpened(crisis="k1", severity=3)),
    "invoice": (issued("a"), issued("a", 101)),
    "incident": (incident(), e.IncidentRaised(incident="i1", priority=1)),
    "demand": (
        e.DemandRaised(demand="d", side="client", text="x"),
        e.DemandRaised(demand="d", side="partner", text="x"),
    ),
    "request": (e.ExpertTimeRequested(request="r", hours=4), e.ExpertTimeRequested(request="r", hours=5)),
    "change": (
        e.ChangePrepared(change="c", teams_ready=1, teams_affected=2),
        e.ChangePrepared(change="c", teams_ready=2, teams_affected=2),
    ),
}


@pytest.mark.parametrize("kind", OPENINGS)
def test_what_opens_something_is_recorded_once_and_contradicted_never(kind):
    first, other = OPENINGS[kind]
    story = given(OPEN, on("2020-02-01", first))
    outcome = when(story, on("2020-03-01", first))
    then(outcome).wrote()
    assert outcome.decision.repeated == [2]
    outcome = when(story, on("2020-03-01", other))
    then(outcome).fails("already_recorded", says=kind.capitalize())
    assert outcome.error.version == 2


def test_advice_says_the_same_whatever_its_words():
    story = given(OPEN, on("2020-02-01", e.AdviceGiven(advice="a", text="Test more.")))
    assert when(story, on("2020-03-01", e.AdviceGiven(advice="a", text="Test."))).decision.repeated == [2]


def test_sealed_prose_does_not_tell_a_repetition_from_a_contradiction():
    one, two = (e.DisputeOpened(dispute="d", side="client", subject=Sealed("per_1", cipher)) for cipher in ("AA", "BB"))
    assert when(given(OPEN, on("2020-02-01", one)), on("2020-03-01", two)).decision.repeated == [2]


def test_a_number_written_otherwise_is_the_same_number():
    story = given(OPEN, on("2020-02-01", promise("p", "delay", 30), promise("q", "other", 0.0)))
    assert when(story, on("2020-03-01", promise("p", "delay", 30.0))).decision.repeated == [2]
    assert when(story, on("2020-03-01", promise("q", "other", -0.0))).decision.repeated == [3]


def test_a_retracted_opening_can_be_made_again():
    story = given(OPEN, on("2020-02-01", issued("a")))
    story.do(c.RecordFacts((c.Fact(e.FactRetracted(event="evt_2", reason="typo"), at("2020-02-02")),)))
    then(when(story, on("2020-02-03", issued("a", 101)))).wrote("invoice.issued")


def test_what_replaces_is_not_an_opening():
    story = given(sharing())
    agreed = e.CadenceAgreed(level="operational", every_days=7)
    then(when(story, on("2020-12-01", agreed, agreed))).wrote("cadence.agreed")
    assert story.state.cadences["operational"][-1].every_days == 7


# --- checks ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fact", "code"),
    [
        (promise("x", "delay", 0), "unmeasurable_promise"),
        (promise("x", "budget", 0), "unmeasurable_promise"),
        (promise("x", "seniority", 0), "unmeasurable_promise"),
        (promise("x", "named_staff", 0), "unmeasurable_promise"),
        (measured("p1", 5, "weeks"), "wrong_unit"),
        (e.PromiseRevised(promise="p1", promised=5, unit="weeks", reason="x"), "wrong_unit"),
        (month("2020-03", 5, total=4), "wrong_unit"),
        (e.ChangePrepared(change="c", teams_ready=3, teams_affected=2), "wrong_unit"),
        (e.ContractSigned(contract="c9", starts_on=day("2020-01-01"), amount=5), "incomplete_money"),
        (e.ContractRenewed(contract="c9", starts_on=day("2020-01-01"), currency="EUR"), "incomplete_money"),
        (e.ContractSigned(contract="c9", starts_on=day("2020-02-01"), ends_on=day("2020-01-31")), "wrong_dates"),
    ],
)
def test_what_could_never_be_true_is_refused(fact, code):
    then(when(given(honeymoon()), on("2020-03-01", fact))).fails(code)


@pytest.mark.parametrize("unit", ["euro", "EURO", "eur", "E1R", "€€€", "ÉUR"])
def test_the_unit_of_a_budget_is_its_currency(unit):
    fact = e.PromiseMade(promise="x", side="client", kind="budget", promised=5, unit=unit, evidence="none", text="x")
    then(when(given(OPEN), on("2020-03-01", fact))).fails("wrong_unit", says=unit)


@pytest.mark.parametrize("kind", ["other", "integration", "process", "term"])
def test_a_promise_that_is_no_ratio_may_count_nothing(kind):
    then(when(given(OPEN), on("2020-03-01", promise("x", kind, 0)))).wrote("promise.made")


def test_the_unit_is_checked_whoever_comes_first():
    story = given(OPEN, on("2020-02-01", measured("x", 5, "weeks")))
    then(when(story, on("2020-02-02", measured("x", 6, "days")))).fails("wrong_unit")
    then(when(story, on("2020-02-02", promise("x", "delay", 5)))).fails("wrong_unit", says="weeks")
    then(when(given(honeymoon()), on("2020-03-01", measured("p1", 31, "days")))).wrote("promise.measured")


@pytest.mark.parametrize("kind", sorted(set(e.ALL) - set(e.FACTS)))
@settings(max_examples=1)
@hypothesis.given(st.data())
def test_what_the_system_writes_is_no_fact_and_the_refusal_names_the_route(kind, data):
    fact = data.draw(BY_TYPE[kind])
    then(when(given(OPEN), on("2020-02-01", fact))).fails("wrong_route", says=e.ROUTED.get(kind, "system"))


# --- unmatched -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fact", "missing", "name"),
    [
        (measured("x", 5), promise("x", "delay", 5), "promise/x"),
        (revised("x", 5), promise("x", "delay", 5), "promise/x"),
        (e.RealityDiscovered(side="client", about="other", text="x", promise="x", concealed=False),
         promise("x", "delay", 5), "promise/x"),
        (paid("x", "2020-02-01"), issued("x"), "invoice/x"),
        (e.InvoiceOverdue(invoice="x"), issued("x"), "invoice/x"),
        (e.IncidentResolved(incident="x"), incident("x"), "incident/x"),
        (settled("x"), dispute("x"), "dispute/x"),
        (overcome("x"), crisis("x"), "crisis/x"),
        (e.AdviceAnswered(advice="x", accepted=True), e.AdviceGiven(advice="x", text="x"), "advice/x"),
        (e.DemandRefused(demand="x", side="client", reason="x"), e.DemandRaised(demand="x", side="partner", text="x"),
         "demand/x"),
        (e.ExpertTimeGranted(request="x", hours=3), e.ExpertTimeRequested(request="x", hours=4), "request/x"),
        (month("2020-01", 5, "x"), e.SlaNegotiated(sla="x", metric="m", target=0.5), "sla/x"),
        (e.ContractNoticeGiven(contract="x", side="client", effective_on=day("2021-01-01")),
         contract("2020-01-01", "x"), "contract/x"),
        (e.ContractAmended(contract="x", starts_on=day("2020-01-01")), contract("2020-01-01", "x"), "contract/x"),
    ],
)  # fmt: skip
def test_what_names_the_unknown_is_kept_and_matched_when_it_arrives(fact, missing, name):
    story = given(OPEN, on("2020-02-02", fact))
    assert unmatched(story.state) == [name]
    on("2020-02-01", missing)(story)
    assert unmatched(story.state) == []


def test_a_renewal_proves_that_there_was_a_contract():
    story = given(OPEN, on("2020-02-02", e.ContractRenewed(contract="x", starts_on=day("2020-01-01"))))
    assert unmatched(story.state) == []
    then(when(story, on("2020-02-03", contract("2019-01-01", "x")))).wrote("contract.signed")


def test_the_latest_word_on_a_matter_is_the_one_that_happened_last():
    story = given(OPEN, on("2020-03-02", e.CrisisFailed(crisis="k1")), on("2020-03-01", overcome("k1")))
    assert story.state.crises["k1"].failed
    on("2020-03-03", overcome("k1", "client"))(story)
    assert (story.state.crises["k1"].failed, story.state.crises["k1"].own_parts) == (False, ("client",))


# --- links -----------------------------------------------------------------------------------------------------------

LINK = ("hubspot", "company", "123")


def linked(*link):
    return lambda story: story.do(c.AddLink(*link))


def test_a_link_is_added_once_and_claimed():
    story = given(OPEN)
    outcome = when(story, linked(*LINK))
    then(outcome).wrote("link.added")
    assert outcome.decision.takes == ["link/hubspot\x1fcompany\x1f123"]
    outcome = when(story, linked(*LINK))
    assert (outcome.decision.events, outcome.decision.repeated, outcome.decision.takes) == ([], [2], [])


def test_a_link_is_removed_and_freed_and_must_have_been_there():
    story = given(OPEN, linked(*LINK))
    outcome = when(story, lambda story: story.do(c.RemoveLink(*LINK)))
    then(outcome).wrote("link.removed")
    assert outcome.decision.frees == ["link/hubspot\x1fcompany\x1f123"]
    then(when(story, lambda story: story.do(c.RemoveLink(*LINK)))).fails("unknown_link")


def test_links_come_with_the_opening_dated_with_it():
    command = c.OpenPartnership(client="C", partner="P", opened_at=at("2020-01-01"), links=(LINK, LINK))
    decision = given().do(command)
    assert [(each.data.type, each.occurred_at) for each in decision.events] == [
        ("partnership.opened", at("2020-01-01")),
        ("link.added", at("2020-01-01")),
    ]


def test_a_link_added_today_does_not_hurry_a_history_told_from_its_beginning():
    story = given(OPEN, on("2020-02-01", reality("other")), linked(*LINK))
    assert story.state.newest == at("2020-02-01")
    then(when(story, on("2020-02-01", promise("p", "delay", 30)))).stays("honeymoon")
    then(when(story, on("2020-06-01", measured("p", 60)))).enters("power_struggle", on="2020-06-01", by="delay_doubled")


# --- asking ----------------------------------------------------------------------------------------------------------


def test_a_trigger_that_does_not_exist_is_named_with_those_that_do():
    then(when(given(OPEN), asked("elope", "2020-02-01"))).fails("unknown_trigger", says="reconcile")


def test_where_no_arrow_leaves_the_refusal_names_those_that_do():
    then(when(given(OPEN), asked("commit", "2020-02-01"))).fails("transition_impossible", says="face_reality, separate")


def test_people_may_ask_for_what_facts_decide_and_hear_why_not():
    then(when(given(sharing()), asked("relapse", "2020-12-01"))).is_refused(
        "delay_doubled", "budget_blown", "rework_half", "seniority_halved", "lesser_breaches", "threat_open",
        "reality_concealed", "meetings_and_sla_missed",
    )  # fmt: skip


def test_a_decision_needs_no_past_but_for_retractions_and_early_facts():
    situation = Situation(policy=given().policy, policy_version=1, now=NOW)
    state = given(struggling()).state
    decide(state, c.RecordFacts((c.Fact(threat(), at("2020-07-01")),)), situation)
    decide(Partnership(), c.OpenPartnership(client="C", partner="P"), situation)
    with pytest.raises(RuntimeError, match="past"):
        decide(state, c.RecordFacts((c.Fact(e.FactRetracted(event="e", reason="r"), at("2020-07-01")),)), situation)


def test_telescoped_stays_happen_on_one_day_and_are_all_stored():
    story = given(honeymoon(), on("2020-06-01", measured("p1", 66)), asked("separate", "2020-06-01", reason="breach"))
    chain(
        asked("reconcile", "2020-06-01"),
        on("2020-06-01", *peace(), constraint("client"), constraint("partner"), negotiated()),
        asked("share_power", "2020-06-01"),
    )(story)
    assert [state for state, _ in story.path()] == [
        "honeymoon",
        "power_struggle",
        "maturity_or_separation.separating",
        "power_struggle",
        "power_sharing",
    ]
