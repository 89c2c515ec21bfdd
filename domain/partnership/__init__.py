"""The state of a partnership, and how each fact changes it.

Everything but the spells is a function of the set of facts, whatever their order of arrival: what came in is kept
sorted by `occurred_at`.
"""

from collections.abc import Sequence

from domain import events as e
from domain.partnership import daily, matters, promises, stages  # noqa: F401  # importing them registers their rules
from domain.partnership.colours import count
from domain.partnership.evolving import RULES, missing
from domain.partnership.state import CONTAINERS, Partnership, copy, own, share
from domain.partnership.values import Seen, Spell, link_key, silence_key

__all__ = [
    "CONTAINERS", "FOLD", "Partnership", "Seen", "Spell", "copy", "evolve", "evolve_apart", "fold", "link_key", "share",
]  # fmt: skip

FOLD = 2
"""The version of this folding code; snapshots of another version are thrown away."""


def evolve(state: Partnership, happened: e.Happened) -> None:
    """Take one recorded event into the state. Total: every event of every type has its place."""
    data, at, version = happened.data, happened.occurred_at, happened.version
    change, _, colour, moves_etag, moves_time = RULES[type(data)]
    state.version = version
    if moves_etag:
        state.etag = version
    if moves_time and (state.latest is None or state.latest < at):
        state.latest = at
    if change is not None:
        change(state, data, Seen(at, version))
    if colour is not None:
        count(state.colours, colour, at.toordinal())


def evolve_apart(state: Partnership, happened: e.Happened, owned: set[str]) -> None:
    """Evolve a state that shares its containers: those that this event changes are copied first, once."""
    fresh = tuple(each for each in RULES[type(happened.data)].changes if each not in owned)
    own(state, fresh)
    owned.update(fresh)
    evolve(state, happened)


def fold(history: Sequence[e.Happened], state: Partnership | None = None) -> Partnership:
    """The state after a history; what a `fact.retracted` names is left out.

    With a state to start from, the history must not retract anything that the state already holds.
    """
    state = Partnership() if state is None else copy(state)
    retracted = {each.data.event for each in history if type(each.data) is e.FactRetracted}
    for each in history:
        if retracted and each.id in retracted:
            _skip(state, each)
        else:
            evolve(state, each)
    return state


def _skip(state: Partnership, retracted: e.Happened) -> None:
    """Leave a fact out; a silence that was taken back is remembered, so that the clock does not tell it again (D13)."""
    state.version = retracted.version
    if isinstance(retracted.data, (e.MeetingMissed, e.InvoiceOverdue)):
        state.forgiven[silence_key(retracted.data)] = retracted.version


if missing():
    message = f"evolve has no rule for {', '.join(missing())}."
    raise TypeError(message)
