"""What holds for every life: nothing outside the table, the same fold however it is cut, no economy that shows."""

from datetime import timedelta
from itertools import pairwise

import hypothesis
import msgspec
import pytest
from hypothesis import note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from domain import commands as c
from domain import events as e
from domain import machine
from domain.decide import Situation, explain
from domain.errors import DomainError
from domain.guards import GUARD, READS, Case
from domain.history import overlaps, spells
from domain.owed import dues, next_due, silence
from domain.owed import next_alarm as alarm
from domain.partnership import Partnership, copy, evolve, evolve_apart, fold, share
from domain.path import hindsight, path
from domain.policy import AUTOMATIC, GUARDS, POLICY_1, Policy
from tests.domain import strategies as life
from tests.domain.reference import Plain
from tests.domain.story import NOW, Story, asked, at, given, opened, then, when

pack = msgspec.msgpack.Encoder().encode
unpack = msgspec.msgpack.Decoder(Partnership).decode
SWITCHED = Policy(automatic=(*AUTOMATIC, "share_power"))
POLICIES = st.sampled_from([POLICY_1, SWITCHED])
ARROWS = {(arrow.source, arrow.target) for arrow in machine.ARROWS}


# --- the fold ----------------------------------------------------------------------------------------------------------


@hypothesis.given(life.any_history())
def test_evolve_is_total_and_its_state_can_be_asked_anything(history):
    state = fold(history)
    assert state.version == len(history)
    for trigger in GUARDS:
        explain(state, trigger, POLICY_1, NOW, "client", "cost")
    next_due(state, POLICY_1)
    spells(state, NOW, POLICY_1)
    overlaps(state, POLICY_1, NOW)
    hindsight(history, POLICY_1)


@pytest.mark.parametrize("kind", sorted(life.BY_TYPE))
@hypothesis.given(st.data())
@settings(max_examples=5)
def test_every_type_of_event_leaves_the_state_alone_that_it_shares_containers_with(kind, data):
    history = data.draw(life.any_history(most=8))
    state = fold(history)
    before = pack(state)
    event = e.Happened(state.version + 1, "evt", data.draw(life.instants), data.draw(life.BY_TYPE[kind]))
    apart, whole = share(state), copy(state)
    evolve_apart(apart, event, set())
    evolve(whole, event)
    assert pack(state) == before
    assert apart == whole


@hypothesis.given(life.any_history(), st.data())
def test_a_fold_may_be_cut_anywhere_and_go_on_from_a_snapshot(history, data):
    cut = data.draw(st.integers(0, len(history)))
    snapshot = pack(fold(history[:cut]))
    assert fold(history[cut:], unpack(snapshot)) == fold(history)
    assert unpack(snapshot) == fold(history[:cut])


@hypothesis.given(life.any_history())
def test_a_state_comes_back_from_its_bytes_as_it_was(history):
    state = fold(history)
    again = unpack(pack(state))
    assert again == state
    assert _types(again) == _types(state)
    plain = msgspec.to_builtins(state, str_keys=True)
    assert msgspec.convert(plain, Partnership, str_keys=True, strict=False) == state
    assert b"\xff" not in msgspec.json.encode(plain, order="sorted")


def _types(value):
    """The shape of a value by its classes; plain numbers are numbers."""
    match value:
        case bool() | int() | float():
            return "number"
        case msgspec.Struct():
            return type(value), [_types(getattr(value, name)) for name in value.__struct_fields__]
        case dict():
            return dict, [_types(each) for each in value.values()]
        case list() | tuple():
            return type(value), [_types(each) for each in value]
        case _:
            return type(value)


@hypothesis.given(
    st.lists(life.dated(), max_size=25, unique_by=lambda each: each[0]), st.randoms(use_true_random=False)
)
def test_the_same_facts_in_any_order_of_arrival_end_in_the_same_tallies(facts, chance):
    opening = e.PartnershipOpened(client="C", partner="P", critical=False)
    told = [e.Happened(n, f"evt_{n}", when, fact) for n, (when, fact) in enumerate(_once(facts), 2)]
    shuffled = list(told)
    chance.shuffle(shuffled)
    first = e.Happened(1, "evt_1", life.START, opening)
    one, other = fold([first, *told]), fold([first, *shuffled])
    assert _tallies(one) == _tallies(other)


def _once(facts):
    """Every id opened once, as the door sees to."""
    seen = set()
    for when_, fact in facts:
        key = (type(fact), getattr(fact, next(iter(fact.__struct_fields__), ""), None))
        opens = isinstance(
            fact, (e.PromiseMade, e.InvoiceIssued, e.IncidentRaised, e.DisputeOpened, e.CrisisOpened, e.ContractSigned)
        )
        if not opens or key not in seen:
            seen.add(key)
            yield when_, fact


def _tallies(state):
    """The state without what tells the order of arrival; versions here are the facts' own."""
    plain = msgspec.to_builtins(state, str_keys=True)
    for each in ("version", "etag"):
        del plain[each]
    return plain


# --- decisions -----------------------------------------------------------------------------------------------------------


def live(story, steps, between=lambda story, command, now: None):
    """A life of facts, questions and ticks; what is impossible is passed over."""
    for when_, what in steps:
        command, now = c.RecordFacts((c.Fact(what, when_),)), NOW
        if what == "tick":
            command, now = c.Tick(), when_
        elif isinstance(what, str):
            command = c.AskTransition(trigger=what, reason="cost", occurred_at=when_)
        between(story, command, now)
        try:
            story.do(command, now)
        except DomainError as error:
            note(f"{when_:%Y-%m-%d} {error}")


@hypothesis.given(life.lives(), POLICIES, st.booleans())
def test_the_economical_decision_writes_what_the_plain_one_writes(steps, policy, observed):
    def compare(story, command, now):
        if not isinstance(command, (c.RecordFacts, c.Tick)):
            return
        situation = Situation(policy=policy, policy_version=1, now=now, ids="evt_{}".format)
        try:
            expected = Plain(story.state, situation).run(command)
        except DomainError:
            return
        decided = story.decide(command, now).events
        assert [each for each in decided if not isinstance(each.data, e.StageReassessed)] == expected

    story = given(opened("2020-01-01", observed_since="2020-01-01" if observed else None), policy=policy)
    live(story, steps, compare)


@hypothesis.given(life.lives(), POLICIES)
def test_what_is_remembered_of_the_future_is_what_would_be_found_anew(steps, policy):
    def compare(story, _command, _now):
        fresh = unpack(pack(story.state))
        assert dues(story.state, policy) == dues(fresh, policy)
        assert dues(fresh, policy) == (silence(fresh, policy), alarm(fresh, policy))

    live(given(opened("2020-01-01", observed_since="2020-01-01"), policy=policy), steps, compare)


@hypothesis.given(life.lives(late=False), POLICIES, st.booleans())
def test_a_life_told_in_order_looks_the_same_in_hindsight(steps, policy, observed):
    story = given(opened("2020-01-01", observed_since="2020-01-01" if observed else None), policy=policy)
    live(story, steps)
    assert path(hindsight(story.log, policy)) == path(story.state)
    assert not any(isinstance(each.data, e.StageReassessed) for each in story.log)


@hypothesis.given(steps=life.lives(), fact=life.dated())
def test_a_guard_finds_the_same_after_a_fact_that_it_does_not_read(steps, fact):
    story = given(opened("2020-01-01"))
    live(story, steps)
    when_, data = fact
    after = copy(story.state)
    evolve(after, e.Happened(after.version + 1, "evt", when_, data))
    for trigger, codes in GUARDS.items():
        case = {"policy": POLICY_1, "now": NOW, "trigger": trigger, "side": "client", "reason": "cost"}
        for code in codes:
            if type(data) not in READS[code]:
                assert GUARD[code](Case(state=after, **case)) == GUARD[code](Case(state=story.state, **case)), code


# --- D19 -----------------------------------------------------------------------------------------------------------------


def no_more_than_one_cycle_a_fact(policy, facts):
    """Whatever the thresholds: each new fact brings each trigger at most once, and then there is rest."""
    story = given(opened("2020-01-01", observed_since="2020-01-01"), policy=policy)
    for when_, fact in facts:
        try:
            decision = story.do(c.RecordFacts((c.Fact(fact, when_),)))
        except DomainError:
            continue
        causes, fired = [], []
        for each in decision.events:
            if isinstance(each.data, e.StageEntered):
                fired.append(each.data.trigger)
                continue
            causes.append(fired)
            fired = []
        for each in [*causes, fired]:
            assert len(each) == len(set(each))
    for _ in range(2):
        story.do(c.Tick(), story.state.newest)
    assert story.do(c.Tick(), story.state.newest).events == []


facts_that_tell = st.lists(life.dated(life.telling_facts), max_size=40)


@hypothesis.given(life.policies(), facts_that_tell)
def test_d19_random_policies_find_no_more_than_one_cycle_a_fact(policy, facts):
    no_more_than_one_cycle_a_fact(policy, facts)


@pytest.mark.long
@hypothesis.given(life.policies(), facts_that_tell)
@settings(max_examples=1_000)
def test_d19_a_thousand_random_policies_find_no_more_than_one_cycle_a_fact(policy, facts):
    no_more_than_one_cycle_a_fact(policy, facts)


# --- every command in every order ----------------------------------------------------------------------------------------


class Partners(RuleBasedStateMachine):
    """A partnership that anything may happen to; the table must hold all the same."""

    @initialize(critical=st.booleans(), policy=st.sampled_from([POLICY_1, SWITCHED]))
    def open(self, critical, policy):
        self.story = Story(policy=policy)
        opened("2020-01-01", critical=critical, observed_since="2020-01-01")(self.story)
        self.now = at("2020-01-02")
        self.overrides = []

    def do(self, command, now=None):
        try:
            self.story.do(command, now or self.now)
        except DomainError as error:
            note(error.message)

    @rule(days=st.integers(0, 200))
    def time_passes(self, days):
        self.now += timedelta(days=days)

    @rule(days=st.integers(1, 400))
    def the_clock_looks(self, days):
        self.now += timedelta(days=days)
        self.do(c.Tick())

    @rule(fact=life.telling_facts | life.plain_facts, ago=st.sampled_from([0, 0, 0, 5, 100]))
    def a_fact_arrives(self, fact, ago):
        self.do(c.RecordFacts((c.Fact(fact, self.now - timedelta(days=ago)),)))

    @rule(name=st.sampled_from(["quarrel", "peace", "peace", "commitment", "commitment", "maturity", "wear", "again"]))
    def much_happens(self, name):
        for what in life.ACTS[name](self.now):
            if isinstance(what, str):
                self.do(c.AskTransition(trigger=what, occurred_at=self.now))
            else:
                self.do(c.RecordFacts((c.Fact(what, self.now),)))

    @rule(
        trigger=st.sampled_from(sorted(machine.TRIGGERS)),
        side=life.sides,
        reason=st.sampled_from(["cost", "breach", None]),
    )
    def somebody_asks(self, trigger, side, reason):
        self.do(c.AskTransition(trigger=trigger, side=side, reason=reason, occurred_at=self.now))

    @rule(data=st.data())
    def somebody_retracts(self, data):
        version = data.draw(st.integers(1, self.story.state.version))
        fact = e.FactRetracted(event=f"evt_{version}", reason="It was wrong.")
        self.do(c.RecordFacts((c.Fact(fact, self.now),)))

    @precondition(lambda self: self.story.state.version % 3 == 0)
    @rule(to=st.sampled_from(machine.STATES))
    def two_actors_force(self, to):
        override = f"ovr_{self.story.state.version}"
        self.do(c.RequestOverride(override=override, to=to, reason="It must be.", by="key_1"))
        self.do(c.ApproveOverride(override=override, by="key_2"))

    @invariant()
    def every_entry_goes_along_an_arrow_or_is_forced_back_along_one(self):
        entries = [each.data for each in self.story.log if isinstance(each.data, e.StageEntered)] if self.told else []
        for entered in entries:
            here = machine.name(entered.stage, entered.outcome)
            assert here in machine.STATES
            if entered.forced:
                assert {(entered.left, here), (here, entered.left)} & ARROWS
            else:
                assert (entered.left, here) in ARROWS

    @invariant()
    def each_spell_begins_where_and_not_before_the_last_one_ended(self):
        if self.told:
            for before, after in pairwise(self.story.state.spells):
                assert before.entered_at <= after.entered_at
                assert before.state != after.state

    @invariant()
    def the_clock_has_nothing_to_do_before_it_says(self):
        if self.told:
            due = next_due(self.story.state, self.story.policy)
            quiet = self.story.state.newest if due is None else min(due - timedelta(seconds=1), self.now)
            decision = self.story.decide(c.Tick(), quiet)
            assert decision.events == [] or due <= quiet

    @property
    def told(self):
        return hasattr(self, "story")


TestPartners = Partners.TestCase
TestPartners.settings = settings(stateful_step_count=40)


def test_asking_in_vain_leaves_a_partnership_where_it_was():
    story = given(opened("2020-01-01"))
    then(when(story, asked("separate", "2020-01-02"))).is_refused("reason_given").stays("honeymoon")
