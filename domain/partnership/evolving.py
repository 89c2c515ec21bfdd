"""The register of how each type of event changes the state, filled by the modules beside it."""

from collections.abc import Callable
from typing import NamedTuple, TypeVar

from domain import events as e
from domain.partnership.colours import COLOURS

Evolve = Callable[..., None]
"""(state, fact, seen): takes one fact of its own type into a state."""

E = TypeVar("E", bound=Evolve)


class Rule(NamedTuple):
    """What an event of one type does: its function, what it changes in place, and what else it moves."""

    evolve: Evolve | None
    changes: tuple[str, ...]
    colour: int | None
    moves_etag: bool
    moves_time: bool


RULES: dict[type[e.Event], Rule] = {}

QUIET = (e.TransitionRefused, e.MeetingMissed, e.InvoiceOverdue, e.StageReassessed)
"""What leaves the ETag alone: somebody's refused attempt and what the clock says (a stage that follows moves it)."""

TALK = frozenset(kind for kind in e.ALL.values() if kind.type.startswith(e.SYSTEM_PREFIXES)) - {
    e.StageEntered, e.TransitionRefused,
} | {e.FactRetracted}  # fmt: skip
"""What is said about a partnership or around it: it happens on the wall clock and brings its life no further."""


def evolves(*kinds: type[e.Event], changes: tuple[str, ...] = ()) -> Callable[[E], E]:
    """Register a function for types of events, with the containers that it changes in place."""

    def register(function: E) -> E:
        for kind in kinds:
            rule(kind, function, changes)
        return function

    return register


def rule(kind: type[e.Event], function: Evolve | None, changes: tuple[str, ...] = ()) -> None:
    """Register what an event of a type does."""
    colour = COLOURS.get(kind.type)
    RULES[kind] = Rule(
        evolve=function, changes=changes if colour is None else (*changes, "colours"),
        colour=None if colour is None else colour - 1, moves_etag=kind not in QUIET, moves_time=kind not in TALK,
    )  # fmt: skip


def missing() -> list[str]:
    """The types of events that have no rule."""
    return sorted(kind.type for kind in e.ALL.values() if kind not in RULES)
