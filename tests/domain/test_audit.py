"""An audit takes every decision again: what was decided comes out the same, what was altered comes out at its place."""

import hypothesis
import pytest
from hypothesis import strategies as st
from msgspec.structs import replace

from domain import events as e
from domain.audit import Divergence
from domain.policy import AUTOMATIC, POLICY_1, Policy
from tests.domain import strategies as life
from tests.domain.story import (
    NOW,
    asked,
    committed,
    forced,
    given,
    honeymoon,
    incident,
    mature,
    month,
    on,
    opened,
    retracted,
    separating,
    sharing,
    struggling,
    threat,
    ticked,
)  # fmt: skip
from tests.domain.test_properties import live

SWITCHED = Policy(automatic=(*AUTOMATIC, "share_power"))


@hypothesis.given(life.lives(), st.sampled_from([POLICY_1, SWITCHED]), st.booleans())
def test_whatever_was_decided_comes_out_the_same(steps, policy, observed):
    story = given(opened("2020-01-01", observed_since="2020-01-01" if observed else None), policy=policy)
    live(story, steps, lambda *_: None)
    assert story.divergences() == []
    assert story.divergences(strict=False) == []


def altered(story, version, **changes):
    """The story with other values in one event."""
    each = story.log[version - 1]
    if "occurred_at" in changes:
        each = replace(each, occurred_at=changes.pop("occurred_at"))
    story.log[version - 1] = replace(each, data=replace(each.data, **changes))
    # What follows from the altered event is the altered story's own.
    story.state = story.folded()
    return story.divergences(strict=False)


def codes(found):
    return [(each.version, each.code) for each in found]


def test_another_verdict_is_found_where_it_stands():
    story = given(struggling())
    entered = story.version("stage.entered")
    guards = story.log[entered - 1].data.guards
    wrong = (replace(guards[0], actual=999), *guards[1:])
    found = altered(story, entered, guards=wrong)
    assert codes(found) == [(entered, f"guard {guards[0].code}")]
    assert "999" in found[0].found


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"policy": 7}, "policy"), ({"decided_on": 1}, "decided_on"), ({"left": "commitment"}, "left"),
        ({"cause": 1}, "cause"), ({"cause": 99}, "cause"), ({"guards": ()}, "guards"), ({"ending": "exploded"}, "ending"),
        ({"respectful": True}, "respectful"), ({"separated_from": "honeymoon"}, "separated_from"),
    ],
)  # fmt: skip
def test_every_part_of_a_transition_is_taken_again(changes, code):
    story = given(struggling())
    entered = story.version("stage.entered")
    assert (entered, code) in codes(altered(story, entered, **changes))


def test_a_transition_that_no_guard_allows_is_found():
    story = given(honeymoon(), on("2020-03-01", incident("i1")))
    version = len(story.log) + 1
    entered = e.StageEntered(
        stage="power_struggle", left="honeymoon", trigger="face_reality", policy=1, guards=(), cause=version - 1,
        decided_on=version - 1,
    )  # fmt: skip
    story.log.append(e.Happened(version, "evt_x", story.state.newest, entered))
    story.decided.append(story.state.newest)
    story.state = story.folded()
    found = codes(story.divergences(strict=False))
    assert {(version, "guards"), (version, "target")} <= set(found)
    assert {each for each, _ in found} == {version}


def test_an_arrow_that_the_machine_has_not_is_found():
    story = given(struggling())
    entered = story.version("stage.entered")
    assert (entered, "arrow") in codes(altered(story, entered, stage="commitment", trigger="commit"))


def test_a_transition_taken_out_is_found_by_the_strict_audit_alone():
    story = given(struggling())
    entered = story.version("stage.entered")
    fact = entered - 1
    del story.log[entered - 1 :], story.decided[entered - 1 :]
    story.state = story.folded()
    assert story.divergences(strict=False) == []
    assert codes(story.divergences()) == [(fact, "missing")]


def test_a_refusal_is_taken_again_whoever_asked():
    story = given(sharing(), asked("commit", "2021-01-01"))
    refused = story.version("transition.refused")
    assert story.divergences() == []
    guards = story.log[refused - 1].data.guards
    unmet = next(place for place, each in enumerate(guards) if not each.met)
    wrong = tuple(replace(each, met=True) if place == unmet else each for place, each in enumerate(guards))
    assert codes(altered(story, refused, guards=wrong)) == [(refused, f"guard {guards[unmet].code}")]


def test_a_refusal_of_what_is_allowed_is_found():
    story = given(committed())
    version = story.version("stage.entered", -1)
    entered = story.log[version - 1]
    del story.log[version - 1 :], story.decided[version - 1 :]
    refused = e.TransitionRefused(trigger="commit", policy=1, guards=entered.data.guards, decided_on=version - 1)
    story.log.append(e.Happened(version, "evt_x", entered.occurred_at, refused))
    story.decided.append(entered.occurred_at)
    story.state = story.folded()
    assert codes(story.divergences(strict=False)) == [(version, "refusal")]


@pytest.mark.parametrize(
    "steps",
    [
        (separating(sharing(), "2021-03-01"), asked("reconcile", "2021-04-01", side="client")),
        (committed(), on("2024-01-05", threat())),
        (mature(), ticked("2030-01-01")),
        (struggling(), forced("power_sharing", NOW)),
        (struggling(), retracted(4, NOW)),
        (sharing(), on("2021-01-01", month("2020-12", 10))),
    ],
)  # fmt: skip
def test_lives_of_every_kind_come_out_as_they_were(steps):
    story = given(*steps)
    assert story.divergences() == []
    assert story.divergences(strict=False) == []


def test_a_forced_transition_needs_its_approval_just_before():
    story = given(struggling(), forced("power_sharing", NOW))
    entered = story.version("stage.entered", -1)
    assert (entered, "override") in codes(altered(story, entered, cause=2))


def test_a_divergence_says_what_was_expected_and_what_was_found():
    story = given(struggling())
    entered = story.version("stage.entered")
    (found,) = altered(story, entered, left="commitment")
    assert found == Divergence(version=entered, code="left", expected="honeymoon", found="commitment")
