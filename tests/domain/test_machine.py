"""The table and the machine say the same, and nothing else is possible."""

from itertools import product

import pytest

from domain import machine
from domain.guards import GUARD, READS, REMEDIES
from domain.machine import ARROWS, STATES, TABLE, TRIGGERS
from domain.policy import GUARDS, POLICY_1
from domain.types import STAGES

STAGE_ROWS = """
face_reality honeymoon power_struggle
share_power power_struggle power_sharing
commit power_sharing commitment
mature commitment maturity_or_separation.maturity
separate honeymoon maturity_or_separation.separating
separate power_struggle maturity_or_separation.separating
separate power_sharing maturity_or_separation.separating
separate commitment maturity_or_separation.separating
separate maturity_or_separation.maturity maturity_or_separation.separating
complete_separation maturity_or_separation.separating maturity_or_separation.separated
reconcile maturity_or_separation.separating honeymoon
reconcile maturity_or_separation.separating power_struggle
reconcile maturity_or_separation.separating power_sharing
reconcile maturity_or_separation.separating commitment
reconcile maturity_or_separation.separating maturity_or_separation.maturity
relapse power_sharing power_struggle
relapse commitment power_struggle
relapse maturity_or_separation.maturity power_struggle
loosen commitment power_sharing
fade maturity_or_separation.maturity commitment
"""


def test_the_arrows_are_those_of_the_page():
    rows = {tuple(row.split()) for row in STAGE_ROWS.strip().splitlines()}
    assert {(arrow.trigger, arrow.source, arrow.target) for arrow in ARROWS} == rows


def test_facts_decide_four_triggers_and_people_the_others():
    facts = {name for name, trigger in TRIGGERS.items() if trigger.decided_by == "facts"}
    assert facts == {"face_reality", "relapse", "loosen", "fade"}
    assert {name for name, trigger in TRIGGERS.items() if trigger.needs == "any"} == facts


@pytest.mark.parametrize(("source", "trigger"), list(product(STATES, TRIGGERS)))
def test_table_and_machine_agree_for_every_state_trigger_and_origin(source, trigger):
    for came_from in (None, *STATES):
        holds = dict.fromkeys(GUARDS[trigger], True)
        asked = machine.ask(POLICY_1.guards, trigger, source, holds, came_from)
        assert asked == machine.target(trigger, source, came_from)
        assert ((trigger, source) in TABLE) or asked is None


@pytest.mark.parametrize("arrow", ARROWS, ids=lambda arrow: f"{arrow.trigger} from {arrow.source}")
def test_one_guard_is_enough_where_any_is_and_missing_where_all_are(arrow):
    codes = GUARDS[arrow.trigger]
    for code in codes:
        one = {each: each == code for each in codes}
        all_but_one = {each: each != code for each in codes}
        for holds, needs in ((one, "any"), (all_but_one, "all")):
            moved = machine.ask(POLICY_1.guards, arrow.trigger, arrow.source, holds, arrow.came_from)
            if TRIGGERS[arrow.trigger].needs == needs:
                assert moved == (arrow.target if needs == "any" else None)


@pytest.mark.parametrize("arrow", ARROWS, ids=lambda arrow: f"{arrow.trigger} from {arrow.source}")
def test_no_guard_met_moves_nothing(arrow):
    holds = dict.fromkeys(GUARDS[arrow.trigger], False)
    assert machine.ask(POLICY_1.guards, arrow.trigger, arrow.source, holds, arrow.came_from) is None


def test_what_is_true_but_not_true_itself_does_not_hold():
    holds = dict.fromkeys(GUARDS["commit"], 1)
    assert machine.ask(POLICY_1.guards, "commit", "power_sharing", holds, None) is None


def test_every_state_is_reached_and_only_the_end_is_final():
    assert machine.reachable() == set(STATES)
    assert [state for state in STATES if not any(arrow.source == state for arrow in ARROWS)] == [machine.SEPARATED]


def test_every_guard_has_a_remedy_in_both_languages_and_says_what_it_reads():
    codes = {code for each in GUARDS.values() for code in each}
    assert codes == set(GUARD) == set(REMEDIES) == set(READS)
    for remedy in REMEDIES.values():
        assert remedy.en.endswith(".")
        assert remedy.fr.endswith(".")
        assert remedy.en != remedy.fr


def test_five_stages_have_labels_and_the_fifth_has_its_outcomes():
    assert set(machine.LABELS) == set(STAGES)
    assert {machine.split(state)[0] for state in STATES} == set(STAGES)
    assert [machine.split(state)[1] for state in STATES if "." in state] == ["maturity", "separating", "separated"]
    assert [machine.name(*machine.split(state)) for state in STATES] == list(STATES)


def test_the_machine_draws_itself_with_the_codes_of_its_guards():
    built = machine.build(GUARDS)
    conditions = {
        condition.func.__name__
        for event in built.events.values()
        for transitions in event.transitions.values()
        for transition in transitions
        for condition in transition.conditions
    }
    assert conditions >= {code for each in GUARDS.values() for code in each}


# --- what may be forced (D12) ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", STATES)
def test_d12_along_every_arrow_and_back_along_those_that_were_taken(source):
    forward = {arrow.target for arrow in ARROWS if arrow.source == source and arrow.came_from in (None, "commitment")}
    assert machine.legal_targets(source, "commitment", ()) == forward
    into = {
        arrow.source for arrow in ARROWS if arrow.target == source and arrow.trigger not in ("reconcile", "separate")
    }
    assert machine.legal_targets(source, "commitment", STATES) == (forward | into) - {source}


def test_d12_no_stage_is_skipped_on_the_way_back_either():
    assert machine.legal_targets("power_struggle", None, ["honeymoon"]) == {
        "power_sharing",
        "maturity_or_separation.separating",
        "honeymoon",
    }
    assert machine.legal_targets(machine.SEPARATING, "honeymoon", STATES) == {"honeymoon", machine.SEPARATED}


def test_a_forced_step_is_called_by_its_arrow_or_by_what_it_is():
    assert machine.trigger_between("power_sharing", "commitment") == "commit"
    assert machine.trigger_between("power_struggle", "honeymoon") == "force"
