"""Events of every type, built from their own fields, and lives in which things do happen."""

import math
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
from hypothesis import strategies as st
from msgspec import inspect

from domain import events as e
from domain.machine import STATES
from domain.policy import AUTOMATIC, GUARDS, Policy
from domain.types import SIDES
from tests.domain.story import (
    budget,
    cadence,
    constraint,
    contract,
    crisis,
    day,
    dispute,
    formalised,
    held,
    imposed,
    incident,
    innovation,
    issued,
    mapped,
    measured,
    missed,
    month,
    negotiated,
    overcome,
    paid,
    peace,
    priorities,
    promise,
    reality,
    reference,
    review,
    revised,
    settled,
    spoken,
    step_done,
    threat,
    tradeoff,
    withdrawal,
)

# --- any event, from its type ------------------------------------------------------------------------------------------

FROM, TO = datetime(1990, 1, 1, tzinfo=UTC), datetime(2029, 12, 31, tzinfo=UTC)
instants = st.datetimes(FROM.replace(tzinfo=None), TO.replace(tzinfo=None), timezones=st.just(UTC))


def value(kind: inspect.Type) -> st.SearchStrategy[Any]:  # noqa: C901, PLR0912  # one branch a type
    """Values of a type as msgspec describes it, extremes included."""
    match kind:
        case inspect.Metadata(type=inner):
            return value(inner)
        case inspect.BoolType():
            return st.booleans()
        case inspect.IntType(ge=low, le=high):
            return st.integers(-(2**31) if low is None else low, 2**31 if high is None else high)
        case inspect.FloatType(ge=low, gt=above, le=high, lt=below):
            least = above if low is None else low
            most = high if below is None else below
            return st.floats(
                0.0 if least is None else least, 1e14 if most is None else min(most, 1e14), allow_nan=False,
                exclude_min=low is None and above is not None, exclude_max=most is not None and high is None,
            ).map(lambda number: 0.0 if math.isclose(number, 0, abs_tol=1e-5) and least == 0 else number)  # fmt: skip
        case inspect.StrType(pattern=pattern) if pattern:
            return st.from_regex(pattern.replace(r"\d", "[0-9]"), fullmatch=True).map(str.strip)
        case inspect.StrType(min_length=least, max_length=most):
            return st.text("abcé", min_size=least or 0, max_size=min(most or 20, 20))
        case inspect.LiteralType(values=values):
            return st.sampled_from(sorted(values, key=str))
        case inspect.DateType():
            return st.dates(date.min, date.max)
        case inspect.DateTimeType():
            return instants
        case inspect.VarTupleType(item_type=item, min_length=least, max_length=most):
            return st.lists(value(item), min_size=least or 0, max_size=min(most or 3, 4)).map(tuple)
        case inspect.UnionType(types=types):
            return st.one_of(*map(value, types))
        case inspect.NoneType():
            return st.none()
        case inspect.StructType(cls=cls):
            return st.just(Policy()) if cls is Policy else structs(cls)
        case inspect.DictType():
            return st.dictionaries(st.text("ab", max_size=3), st.integers(0, 9), max_size=2)
        case inspect.AnyType():
            return st.integers(0, 9)
        case _:
            message = f"No strategy for {kind}."
            raise TypeError(message)


def structs(cls: type[msgspec.Struct]) -> st.SearchStrategy[Any]:
    """Structs of a class, built from its fields."""
    described = inspect.type_info(cls)
    assert isinstance(described, inspect.StructType)
    return st.builds(cls, **{each.name: value(each.type) for each in described.fields})


def stages() -> st.SearchStrategy[e.StageEntered]:
    """Entries into stages that exist; what the system writes names no other."""
    pairs = st.sampled_from([(state.partition(".")[0], state.partition(".")[2] or None) for state in STATES])
    return st.builds(
        lambda pair, entered: msgspec.structs.replace(entered, stage=pair[0], outcome=pair[1]),
        pairs,
        structs(e.StageEntered),
    )


BY_TYPE = {name: stages() if kind is e.StageEntered else structs(kind) for name, kind in e.ALL.items()}
any_event = st.sampled_from(sorted(BY_TYPE)).flatmap(BY_TYPE.__getitem__)


@st.composite
def any_history(draw: st.DrawFn, most: int = 30) -> list[e.Happened]:
    """Events of any type in any order, after an opening; nothing the system would not read back."""
    opening = draw(BY_TYPE["partnership.opened"])
    events = [opening, *draw(st.lists(any_event.filter(lambda each: each.type != "partnership.opened"), max_size=most))]
    return [e.Happened(n, f"evt_{n}", draw(instants), data) for n, data in enumerate(events, 1)]


# --- lives: few ids, few days, thresholds within reach -----------------------------------------------------------------

START = datetime(2020, 1, 1, tzinfo=UTC)
sides = st.sampled_from(SIDES)
keys = st.sampled_from(["a", "b"])
slas = st.sampled_from(["s1", "s2"])
days = st.integers(0, 2_000).map(lambda n: START + timedelta(days=n))
levels = st.sampled_from(["operational", "strategic"])
months = st.builds("{}-{:02}".format, st.integers(2020, 2025), st.integers(1, 12))
parts = st.lists(sides, max_size=2).map(tuple)

plain_facts = st.one_of(
    st.builds(incident, keys),
    st.builds(e.IncidentResolved, incident=keys),
    st.builds(
        e.HoursInvested, side=sides, hours=st.just(2.0), on_date=st.just(day("2021-01-01")), kind=st.just("build")
    ),
    st.builds(e.PulseAnswered, side=sides, score=st.integers(1, 5)),
)
telling_facts = st.one_of(
    st.builds(promise, keys, st.sampled_from(["delay", "budget", "seniority", "named_staff", "other"]),
              st.sampled_from([10, 100]), side=sides),
    st.builds(measured, keys, st.sampled_from([0, 4, 5, 10, 11, 13, 20, 50, 100, 110, 125, 130, 200])),
    st.builds(revised, keys, st.sampled_from([5, 10, 20, 100, 300])),
    st.builds(reality, st.sampled_from(["legacy", "process", "other"]), rework=st.sampled_from([None, 0.4, 0.5]),
              concealed=st.booleans()),
    st.builds(threat, sides),
    st.builds(withdrawal, sides),
    st.builds(budget, st.sampled_from([10, 100, 200])),
    st.builds(priorities),
    st.builds(tradeoff),
    st.builds(review, sides),
    st.builds(constraint, sides),
    st.builds(negotiated, slas, st.sampled_from([0.5, 0.9])),
    st.builds(imposed, slas, st.sampled_from([0.5, 0.99])),
    st.builds(lambda sla: e.SlaWithdrawn(sla=sla), slas),
    st.builds(month, months, st.sampled_from([10, 95]), slas),
    st.builds(cadence, st.sampled_from([7, 30, 91]), levels),
    st.builds(formalised, sides),
    st.builds(mapped, sides),
    st.builds(dispute, keys),
    st.builds(lambda key, own: settled(key, *own), keys, parts),
    st.builds(crisis, keys),
    st.builds(lambda key, own: overcome(key, *own), keys, parts),
    st.builds(lambda key: e.CrisisFailed(crisis=key), keys),
    st.builds(issued, keys, st.sampled_from([50, 100])),
    st.builds(paid, keys, st.sampled_from(["2020-06-01", "2021-06-01"])),
    st.builds(contract, st.sampled_from(["2019-01-01", "2020-02-01"]), keys),
    st.builds(spoken),
    st.builds(reference, sides),
    st.builds(lambda side: e.ReferenceWithdrawn(side=side), sides),
    st.builds(innovation, joint=st.booleans()),
    st.builds(e.ExitPlanRecorded),
    st.builds(step_done, st.sampled_from(["data_returned", "access_revoked", "invoices_settled", "legacy_preserved",
                                          "thanks_given"])),
)  # fmt: skip


@st.composite
def dated(draw: st.DrawFn, facts: st.SearchStrategy[e.Event] = telling_facts | plain_facts) -> tuple[datetime, e.Event]:
    """A fact and its day; meetings happen on theirs."""
    when = draw(days)
    level, was_held = draw(levels), draw(st.sampled_from([True, False, None, None, None, None]))
    if was_held is None:
        return when, draw(facts)
    return when, held(when, level) if was_held else missed(when, level)


AGREED = (*peace(), constraint("client"), constraint("partner"), negotiated())
SIGNED = (formalised("client"), formalised("partner"), mapped("client"), mapped("partner"), cadence(30), crisis("k"),
          overcome("k", "client", "partner"))  # fmt: skip
RENOWN = (spoken(), innovation(), contract("2015-01-01", "old"))


def good_months(when: datetime) -> list[e.Event]:
    """The last three months reported as kept, and a meeting held."""
    return [*_months(when, 95), held(when)]


def bad_months(when: datetime) -> list[e.Event]:
    """The last three months reported as missed, and two meetings missed."""
    return [missed(when - timedelta(days=2)), missed(when - timedelta(days=1)), *_months(when, 10)]


def _months(when: datetime, met: int) -> list[e.Event]:
    first = when.year * 12 + when.month - 1
    return [month(f"{n // 12}-{n % 12 + 1:02}", met) for n in range(first - 3, first)]


Act = Callable[[datetime], list[e.Event | str]]
"""What happens on a day: facts, triggers that somebody asks for, and `tick` when the clock looks."""


def always(*what: e.Event | str) -> Act:
    return lambda _: list(what)


ACTS: dict[str, Act] = {
    "quarrel": always(threat("client"), withdrawal("client")),
    "threat": always(threat("partner")),
    "calm": always(withdrawal("partner"), withdrawal("client")),
    "shock": always(promise("x", "delay", 10), measured("x", 20)),
    "discovery": always(reality(concealed=True)),
    "peace": always(*AGREED, "share_power"),
    "commitment": lambda when: [*SIGNED, *good_months(when), "commit"],
    "maturity": lambda when: [*RENOWN, held(when), "mature"],
    "kept": lambda when: [held(when)],
    "wear": bad_months,
    "withdrawn": always(e.ReferenceWithdrawn(side="client")),
    "goodbye": always(e.ExitPlanRecorded(), "separate"),
    "again": always("reconcile"),
    "the end": always(*map(step_done, ("data_returned", "access_revoked", "invoices_settled")), "complete_separation"),
    "asked": always("share_power", "commit", "mature"),
    "clock": always("tick"),
}
SO_FAR = [("quarrel", 60), ("peace", 90), ("commitment", 100), *[("kept", 28)] * 14, ("maturity", 20)]
"""How far a life has come before anything may happen."""

GAPS = st.sampled_from([0, 0, 1, 5, 30, 60, 200, 400])
LATE = st.sampled_from([0, 0, 0, 0, 0, 0, 3, 40, 300])


@st.composite
def lives(draw: st.DrawFn, *, late: bool = True) -> list[tuple[datetime, e.Event | str]]:
    """A life that goes through its stages, in the order in which it is told; some of it late."""
    when, told = START, []
    so_far = SO_FAR[: draw(st.sampled_from([0, 1, 2, 3, 9, 18, 18]))]
    then = draw(st.lists(st.sampled_from([*ACTS, *["fact"] * 5]), min_size=4, max_size=20))
    for name, gap in [*so_far, *((name, None) for name in then)]:
        when += timedelta(days=draw(GAPS) if gap is None else gap)
        day = when - timedelta(days=draw(LATE)) if late and gap is None else when
        what = [draw(telling_facts | plain_facts)] if name == "fact" else ACTS[name](day)
        told += [(day, each) for each in what]
    return told


# --- policies ----------------------------------------------------------------------------------------------------------


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """Any thresholds, with power shared automatically and any of its guards left out."""
    described = inspect.type_info(Policy)
    assert isinstance(described, inspect.StructType)
    plain = {each.name: each.type for each in described.fields if each.name not in ("automatic", "guards")}
    changed = {name: draw(value(kind)) for name, kind in plain.items() if draw(st.booleans())}
    guards = {
        trigger: tuple(code for code in codes if draw(st.integers(0, 3))) if trigger == "share_power" else codes
        for trigger, codes in GUARDS.items()
    }
    return Policy(automatic=(*AUTOMATIC, "share_power"), guards=guards, **changed)
