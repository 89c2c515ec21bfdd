"""THE TABLE: five stages, their triggers and guards, as one hierarchical machine.

`ARROWS` is all there is to know; the machine of the `transitions` library is built from it, asked wherever guards let a
trigger pass (each question once) and drawn for people, but never bound to a model and never fired on replay.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, Literal

from msgspec import Struct
from transitions import EventData
from transitions.extensions.nesting import HierarchicalMachine, NestedState

from domain.types import STAGES, Outcome, Stage

HONEYMOON = "honeymoon"
POWER_STRUGGLE = "power_struggle"
POWER_SHARING = "power_sharing"
COMMITMENT = "commitment"
FIFTH = "maturity_or_separation"
MATURITY = f"{FIFTH}.maturity"
SEPARATING = f"{FIFTH}.separating"
SEPARATED = f"{FIFTH}.separated"
STATES = (HONEYMOON, POWER_STRUGGLE, POWER_SHARING, COMMITMENT, MATURITY, SEPARATING, SEPARATED)

LABELS: dict[str, dict[str, str]] = {
    HONEYMOON: {"fr": "La lune de miel", "en": "Honeymoon"},
    POWER_STRUGGLE: {"fr": "La lutte pour le pouvoir", "en": "Power struggle"},
    POWER_SHARING: {"fr": "Le partage du pouvoir", "en": "Power sharing"},
    COMMITMENT: {"fr": "L'engagement", "en": "Commitment"},
    FIFTH: {"fr": "Maturité ou séparation", "en": "Maturity or separation"},
}


class Trigger(Struct, frozen=True):
    """A verb of the machine: who decides by default, and whether any guard is enough or all are needed."""

    name: str
    decided_by: Literal["facts", "people"]
    needs: Literal["any", "all"]


class Arrow(Struct, frozen=True):
    """One way from a state to another; `came_from` restricts `reconcile` to the state that a separation left."""

    trigger: str
    source: str
    target: str
    came_from: str | None = None


TRIGGERS: dict[str, Trigger] = {
    trigger.name: trigger
    for trigger in (
        Trigger("face_reality", "facts", "any"),
        Trigger("share_power", "people", "all"),
        Trigger("commit", "people", "all"),
        Trigger("mature", "people", "all"),
        Trigger("separate", "people", "all"),
        Trigger("complete_separation", "people", "all"),
        Trigger("reconcile", "people", "all"),
        Trigger("relapse", "facts", "any"),
        Trigger("loosen", "facts", "any"),
        Trigger("fade", "facts", "any"),
    )
}

ARROWS: tuple[Arrow, ...] = (
    Arrow("face_reality", HONEYMOON, POWER_STRUGGLE),
    Arrow("share_power", POWER_STRUGGLE, POWER_SHARING),
    Arrow("commit", POWER_SHARING, COMMITMENT),
    Arrow("mature", COMMITMENT, MATURITY),
    Arrow("relapse", POWER_SHARING, POWER_STRUGGLE),
    Arrow("relapse", COMMITMENT, POWER_STRUGGLE),
    Arrow("relapse", MATURITY, POWER_STRUGGLE),
    Arrow("loosen", COMMITMENT, POWER_SHARING),
    Arrow("fade", MATURITY, COMMITMENT),
    Arrow("separate", HONEYMOON, SEPARATING),
    Arrow("separate", POWER_STRUGGLE, SEPARATING),
    Arrow("separate", POWER_SHARING, SEPARATING),
    Arrow("separate", COMMITMENT, SEPARATING),
    Arrow("separate", MATURITY, SEPARATING),
    Arrow("reconcile", SEPARATING, HONEYMOON, came_from=HONEYMOON),
    Arrow("reconcile", SEPARATING, POWER_STRUGGLE, came_from=POWER_STRUGGLE),
    Arrow("reconcile", SEPARATING, POWER_SHARING, came_from=POWER_SHARING),
    Arrow("reconcile", SEPARATING, COMMITMENT, came_from=COMMITMENT),
    Arrow("reconcile", SEPARATING, MATURITY, came_from=MATURITY),
    Arrow("complete_separation", SEPARATING, SEPARATED),
)


def name(stage: Stage, outcome: Outcome | None) -> str:
    """The machine's name of a stage and its outcome."""
    return f"{stage}.{outcome}" if outcome else stage


def split(state: str) -> tuple[Stage, Outcome | None]:
    """A machine state as the contract's stage and outcome."""
    stage, _, outcome = state.partition(".")
    return stage, outcome or None  # type: ignore[return-value]  # states are checked at import


def _compile(arrows: Iterable[Arrow]) -> dict[tuple[str, str], dict[str | None, str]]:
    table: dict[tuple[str, str], dict[str | None, str]] = {}
    for arrow in arrows:
        targets = table.setdefault((arrow.trigger, arrow.source), {})
        if arrow.came_from in targets or arrow.trigger not in TRIGGERS or {arrow.source, arrow.target} - set(STATES):
            message = f"The table is wrong at {arrow}."
            raise ValueError(message)
        targets[arrow.came_from] = arrow.target
    return table


TABLE = _compile(ARROWS)
"""(trigger, source) -> where it leads; what the fold and the explanations read, equal to the machine by test."""


def target(trigger: str, source: str, came_from: str | None = None) -> str | None:
    """Where an arrow leads by the table, or None where there is none."""
    targets = TABLE.get((trigger, source), {})
    return targets.get(None) or targets.get(came_from)


class _Asked(Struct):
    """What the machine is asked about: a bare holder of `state`, bound to nothing."""

    state: str


def _condition(code: str) -> Callable[[EventData], bool]:
    """A guard as the machine calls it; its `__name__` is what diagrams print."""

    def condition(event: EventData) -> bool:
        return code in event.kwargs["holds"]

    condition.__name__ = code
    return condition


class _State(NestedState):
    separator = "."


class Machine(HierarchicalMachine):
    """The hierarchical machine; one instance a set of guard lists, bound to no model."""

    state_cls = _State


Guards = tuple[tuple[str, tuple[str, ...]], ...]
"""The guards of every trigger, as something that can be looked up."""


def build(guards: Mapping[str, Iterable[str]], machine: type[HierarchicalMachine] = Machine) -> HierarchicalMachine:
    """The machine of the table with these guards per trigger: one transition a guard where any of them is enough."""
    stages = [*STAGES[:4], {"name": FIFTH, "children": ["maturity", "separating", "separated"]}]
    built = machine(model=None, states=stages, initial=HONEYMOON, auto_transitions=False, send_event=True)
    for arrow in ARROWS:
        codes = [*guards[arrow.trigger], *([f"came_from_{arrow.came_from}"] if arrow.came_from else [])]
        ways = [[code] for code in codes] if TRIGGERS[arrow.trigger].needs == "any" else [codes]
        for way in ways:
            conditions: list[Any] = [_condition(code) for code in way]
            built.add_transition(arrow.trigger, arrow.source, arrow.target, conditions=conditions)
    return built


def ask(
    guards: Mapping[str, tuple[str, ...]], trigger: str, source: str, holds: Mapping[str, bool], came_from: str | None
) -> str | None:
    """The state that the machine goes to, or None when it stays where it is."""
    if (trigger, source) not in TABLE:
        return None
    return _answer(
        tuple(guards.items()), trigger, source, frozenset(code for code, met in holds.items() if met is True), came_from
    )


@lru_cache(maxsize=4_096)
def _answer(guards: Guards, trigger: str, source: str, met: frozenset[str], came_from: str | None) -> str | None:
    """What the machine answers: a function of these alone, so that it is asked each question once."""
    asked = _Asked(source)
    moved = _machine(guards).trigger_event(asked, trigger, holds={*met, f"came_from_{came_from}"})
    return asked.state if moved else None


@lru_cache(maxsize=64)
def _machine(guards: Guards) -> HierarchicalMachine:
    return build(dict(guards))


def legal_targets(source: str, came_from: str | None, left: Iterable[str]) -> frozenset[str]:
    """Where a partnership may be forced to: along an arrow, or back along one that it took itself.

    `left` are the states that it left into this one; where `reconcile` leads, `came_from` has said.
    """
    forward = {arrow.target for arrow in ARROWS if arrow.source == source and arrow.came_from in (None, came_from)}
    back = {
        arrow.source for arrow in ARROWS if arrow.target == source and arrow.trigger not in ("reconcile", "separate")
    }
    return frozenset((forward | back & set(left)) - {source})


def trigger_between(source: str, to: str) -> str:
    """The trigger of the arrow from one state to another; `force` where only a way back exists."""
    return next((arrow.trigger for arrow in ARROWS if (arrow.source, arrow.target) == (source, to)), "force")


def reachable(start: str = HONEYMOON) -> frozenset[str]:
    """Every state that arrows lead to."""
    found, edge = {start}, [start]
    while edge:
        here = edge.pop()
        fresh = {arrow.target for arrow in ARROWS if arrow.source == here} - found
        found |= fresh
        edge.extend(fresh)
    return frozenset(found)


if reachable() != frozenset(STATES):
    message = f"States that no arrow reaches: {', '.join(set(STATES) - reachable())}."
    raise ValueError(message)
