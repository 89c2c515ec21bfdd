"""The state: bounded, copied safely, and never wiser than its facts."""

from datetime import date, timedelta

import msgspec
import pytest

from domain import events as e
from domain.measures import punctuality
from domain.partnership import Partnership, copy, evolve, fold, share
from domain.partnership.colours import COLOURS, MOST, counted
from domain.partnership.evolving import RULES
from domain.partnership.values import KEPT_CLOSED, KEPT_MOMENTS, KEPT_WHOLE, fingerprint, sorted_in
from domain.policy import POLICY_1
from domain.types import Sealed, months_before, person, whole_months
from tests.domain.story import (
    at,
    contract,
    day,
    dispute,
    given,
    held,
    incident,
    issued,
    month,
    on,
    opened,
    paid,
    promise,
    sharing,
    threat,
)

OPENED = e.Happened(1, "evt_1", at("2020-01-01"), e.PartnershipOpened(client="C", partner="P", critical=False))


def told(*facts, start="2020-01-01"):
    """A history of facts, one a day."""
    first = at(start)
    return [OPENED, *(e.Happened(n, f"evt_{n}", first + timedelta(days=n), fact) for n, fact in enumerate(facts, 2))]


# --- bounds ------------------------------------------------------------------------------------------------------------


def test_of_what_repeats_the_first_and_the_newest_are_kept_whatever_comes_first():
    kept = ()
    for item in [(5,), (1,), (9,), (3,), (7,), (2,)]:
        kept = sorted_in(kept, item, 4)
    assert kept == ((1,), (5,), (7,), (9,))


def test_moments_are_bounded_and_the_first_one_stays():
    state = fold(told(*[threat()] * (KEPT_MOMENTS + 50)))
    moments = state.moments["termination.threatened/client"]
    assert len(moments) == KEPT_MOMENTS
    assert moments[0].version == 2


@pytest.mark.parametrize(
    ("opens", "closes", "container"),
    [
        (incident, lambda key: e.IncidentResolved(incident=key), "incidents"),
        (
            lambda key: e.AdviceGiven(advice=key, text="x"),
            lambda key: e.AdviceAnswered(advice=key, accepted=True),
            "advice",
        ),
        (issued, lambda key: paid(key, "2020-02-01"), "invoices"),
    ],
)
def test_what_was_closed_long_ago_is_forgotten_and_what_is_open_is_not(opens, closes, container):
    facts = [opens("open")]
    for n in range(2 * KEPT_CLOSED + 10):
        facts += [opens(f"k{n:05}"), closes(f"k{n:05}")]
    kept = getattr(fold(told(*facts, start="2010-01-01")), container)
    assert "open" in kept
    assert KEPT_CLOSED <= len(kept) <= 2 * KEPT_CLOSED + 1
    assert f"k{2 * KEPT_CLOSED + 9:05}" in kept
    assert "k00000" not in kept


def test_forgotten_invoices_are_remembered_as_tallies_of_their_days():
    facts = []
    for n in range(2 * KEPT_CLOSED + 10):
        late = n % 4 == 0
        on_the_day = (at("2010-01-01") + timedelta(days=2 * n + 2 + 30 + late)).date().isoformat()
        facts += [issued(f"k{n:05}", 10), paid(f"k{n:05}", on_the_day)]
    state = fold(told(*facts, start="2010-01-01"))
    found = punctuality(state, POLICY_1, date(2009, 1, 1), date(2040, 1, 1))
    count = 2 * KEPT_CLOSED + 10
    assert found.due == {"EUR": count * 10}
    assert found.punctual == {"EUR": (count - (count + 3) // 4) * 10}


def test_a_month_is_what_was_said_of_it_last_whatever_came_first():
    facts = [("2020-03-05", month("2020-01", 1)), ("2020-03-01", month("2020-02", 2)), ("2020-04-01", month("2020-02", 3)),
             ("2020-03-04", month("2020-01", 4))]  # fmt: skip
    for told_in in (facts, facts[::-1]):
        events = [e.Happened(n, "", at(when), fact) for n, (when, fact) in enumerate(told_in, 2)]
        assert [each.met for each in fold([OPENED, *events]).slas["s1"].months] == [1, 3]


def test_a_contract_known_by_its_renewals_began_with_the_first_and_a_signature_says_better():
    renewal = e.ContractRenewed(contract="c1", starts_on=day("2020-01-01"))
    events = [
        e.Happened(n, "", at(when), renewal) for n, when in enumerate(("2022-01-01", "2021-01-01", "2023-01-01"), 2)
    ]
    assert fold([OPENED, *events]).contracts["c1"].opened.at == at("2021-01-01")
    signed = e.Happened(5, "", at("2022-06-01"), contract("2020-01-01"))
    for told_in in ([*events, signed], [signed, *events]):
        assert fold([OPENED, *told_in]).contracts["c1"].opened.at == at("2022-06-01")


def test_a_day_counts_a_thousand_facts_of_a_colour_and_never_spills_into_the_next():
    state = fold([OPENED, *(e.Happened(n, "", at("2020-03-01"), threat()) for n in range(2, MOST + 50))])
    assert counted(state.colours[at("2020-03-01").toordinal()]) == [(1, MOST)]


def test_the_same_person_designated_twice_is_one_contact():
    contact = e.ContactDesignated(side="client", person=Sealed("per_1", "AAAA"))
    again = e.ContactTrained(side="client", person=Sealed("per_1", "BBBB"))
    state = fold(told(contact, again))
    assert list(state.contacts) == ["client/per_1"]
    at_once = e.ContactRemoved(side="client", person="Ada"), e.ContactDesignated(side="client", person="Ada")
    state = fold([OPENED, *(e.Happened(n, "", at("2020-02-01"), fact) for n, fact in enumerate(at_once, 2))])
    assert state.contacts["client/Ada"][1]
    gone = fold(told(e.ContactRemoved(side="client", person="Ada"), e.ContactDesignated(side="client", person="Ada")))
    assert gone.contacts["client/Ada"][1]
    assert person("Ada") == "Ada"


# --- copies --------------------------------------------------------------------------------------------------------------


def test_a_copy_can_be_evolved_without_touching_the_first():
    state = given(sharing()).state
    before = msgspec.msgpack.encode(state)
    fresh = copy(state)
    for n, kind in enumerate((threat(), dispute(), incident(), issued("a"), held("2021-01-01")), state.version + 1):
        evolve(fresh, e.Happened(n, f"evt_{n}", at("2021-01-01"), kind))
    assert msgspec.msgpack.encode(state) == before
    assert share(state) == state


def test_a_fold_that_goes_on_from_a_state_leaves_that_state_alone():
    history = told(threat(), dispute(), incident())
    half = fold(history[:2])
    before = msgspec.msgpack.encode(half)
    assert fold(history[2:], half) == fold(history)
    assert msgspec.msgpack.encode(half) == before


# --- rules ---------------------------------------------------------------------------------------------------------------


def test_every_type_has_its_rule_and_every_colour_a_type():
    assert set(RULES) == set(e.ALL.values())
    assert set(COLOURS) <= set(e.ALL)
    for kind, rule in RULES.items():
        assert set(rule.changes) <= set(Partnership.__struct_fields__)
        assert (rule.colour is not None) == (kind.type in COLOURS)


PAGE = """
1 partnership.opened contract.signed promise.made
2 contract.notice_given promise.revised reality.discovered demand.raised demand.refused termination.threatened
2 threat.withdrawn dispute.opened sla.imposed crisis.opened crisis.failed
3 dispute.settled readjustment.planned imperfection.accepted constraint.acknowledged budget.renegotiated
3 priorities.agreed tradeoff.decided self_review.recorded contact.designated contact.trained contact.removed
3 process.documented change.prepared expert_time.requested expert_time.granted hours.invested sla.negotiated
3 culture.agreed cadence.agreed advice.answered
4 contract.renewed knowledge.transferred crisis.overcome knowledge.mapped commitment.formalised innovation.delivered
4 mirror.reviewed
5 testimony.given reference.granted separation.decided handover.completed
"""


def test_colours_are_those_of_the_page():
    rows = [line.split() for line in PAGE.strip().splitlines()]
    assert {kind: int(stage) for stage, *kinds in rows for kind in kinds} == COLOURS


def test_an_unopened_partnership_has_no_stage_of_its_own_yet():
    with pytest.raises(ValueError, match="never opened"):
        _ = Partnership().entered


def test_fingerprints_tell_types_and_contents_apart_but_not_words():
    assert fingerprint(incident("a")) != fingerprint(incident("b"))
    assert fingerprint(issued("a", 1)) != fingerprint(issued("a", 2))
    assert fingerprint(promise("a", "delay", 1)) == fingerprint(promise("a", "delay", 1.0))
    assert 0 < len(fingerprint(dispute())) <= KEPT_WHOLE


def test_a_long_opening_has_a_fingerprint_as_short_as_others():
    long, other = fingerprint(incident("a" * 200)), fingerprint(incident("a" * 199 + "b"))
    assert len(long) == len(other) == KEPT_WHOLE
    assert long != other


# --- calendars -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "months", "end"),
    [
        ("2021-03-31", 1, "2021-02-28"),
        ("2024-03-31", 1, "2024-02-29"),
        ("2021-01-15T10:30", 13, "2019-12-15T10:30"),
        ("2021-01-31", -1, "2021-02-28"),
        ("2020-12-31", -2, "2021-02-28"),
    ],
)
def test_months_before_keep_the_day_where_it_exists(start, months, end):
    assert months_before(at(start), months) == at(end)


@pytest.mark.parametrize(
    ("start", "end", "months"),
    [("2021-01-31", "2021-02-28", 1), ("2021-01-15", "2021-02-14T23:59", 0), ("2021-01-15", "2023-01-15", 24),
     ("2021-05-01", "2021-01-01", 0)],
)  # fmt: skip
def test_whole_months_are_full_ones(start, end, months):
    assert whole_months(at(start), at(end)) == months


def test_time_runs_by_facts_and_decisions_never_by_what_is_said_about_them():
    story = given(opened("2020-01-01"), on("2020-02-01", incident()))
    state = copy(story.state)
    talk = [
        e.LinkAdded(system="s", kind="k", external_id="x"),
        e.FactRetracted(event="evt_9", reason="x"),
        e.PersonErased(person="per_1"),
        e.OverrideRequested(override="o", to="commitment", reason="x", by="k"),
        e.StageReassessed(because=1, recorded=(), otherwise=()),
    ]
    for n, data in enumerate(talk, state.version + 1):
        evolve(state, e.Happened(n, f"evt_{n}", at("2029-01-01"), data))
    assert state.newest == at("2020-02-01")
    evolve(
        state,
        e.Happened(
            99, "evt_99", at("2021-01-01"), e.TransitionRefused(trigger="commit", policy=1, guards=(), decided_on=1)
        ),
    )
    assert state.newest == at("2021-01-01")
    assert day("2021-01-01") == date(2021, 1, 1)
