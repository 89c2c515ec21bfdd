"""The state of a partnership: bounded, cheap to copy, and a function of the set of facts but for its spells."""

import copy as copying
from datetime import date, datetime

from msgspec import Struct, field

from domain import events as e
from domain.machine import HONEYMOON, POWER_STRUGGLE
from domain.partnership.values import (
    Budget,
    Cadence,
    Incident,
    Invoice,
    Matter,
    Meeting,
    Override,
    Promise,
    Reality,
    Refusal,
    Seen,
    Separation,
    Sla,
    Spell,
)
from domain.types import Ending, Stage


class Partnership(Struct, dict=True):
    """A folded partnership; mutable inside the fold, treated as frozen by everyone else.

    What repeats without end is bounded: the newest is kept, and tallies of the rest. Values are frozen and the
    containers flat, so a copy is shallow. `dict=True` leaves room for what is computed from it once and not recorded.
    """

    version: int = 0
    etag: int = 0
    client: str = ""
    partner: str = ""
    critical: bool = False
    observed_since: date | None = None
    opened: Seen | None = None
    latest: datetime | None = None

    state: str = HONEYMOON
    since: datetime | None = None
    spells: list[Spell] = field(default_factory=list)
    came_from: str | None = None
    separation: Separation | None = None
    separated_from: Stage | None = None
    ending: Ending | None = None
    respectful: bool | None = None
    overrides: dict[str, Override] = field(default_factory=dict)
    refusals: dict[str, Refusal] = field(default_factory=dict)
    reassessed: tuple[e.PathSpell, ...] = ()
    links: dict[str, int] = field(default_factory=dict)

    promises: dict[str, Promise] = field(default_factory=dict)
    realities: tuple[Reality, ...] = ()
    budgets: tuple[Budget, ...] = ()
    moments: dict[str, tuple[Seen, ...]] = field(default_factory=dict)

    contracts: dict[str, Matter] = field(default_factory=dict)
    disputes: dict[str, Matter] = field(default_factory=dict)
    crises: dict[str, Matter] = field(default_factory=dict)
    advice: dict[str, Matter] = field(default_factory=dict)
    demands: dict[str, Matter] = field(default_factory=dict)
    requests: dict[str, Matter] = field(default_factory=dict)
    changes: dict[str, Matter] = field(default_factory=dict)

    invoices: dict[str, Invoice] = field(default_factory=dict)
    awaited: dict[str, int] = field(default_factory=dict)
    punctuality: dict[int, tuple[tuple[str, int, int], ...]] = field(default_factory=dict)
    incidents: dict[str, Incident] = field(default_factory=dict)
    slas: dict[str, Sla] = field(default_factory=dict)
    cadences: dict[str, tuple[Cadence, ...]] = field(default_factory=dict)
    meetings: dict[str, tuple[Meeting, ...]] = field(default_factory=dict)
    last_met: dict[str, date] = field(default_factory=dict)
    forgiven: dict[str, int] = field(default_factory=dict)
    contacts: dict[str, tuple[datetime, bool]] = field(default_factory=dict)
    colours: dict[int, int] = field(default_factory=dict)

    @property
    def stage(self) -> Stage:
        """The authoritative stage."""
        return self.state.partition(".")[0]  # type: ignore[return-value]  # states come from the machine

    @property
    def outcome(self) -> str | None:
        """What the fifth stage came to; None in the other four."""
        return self.state.partition(".")[2] or None

    @property
    def entered(self) -> datetime:
        """When the current spell began."""
        if self.since is None:
            message = "A partnership that was never opened has no stage."
            raise ValueError(message)
        return self.since

    @property
    def newest(self) -> datetime:
        """The newest instant that it has lived: of its facts and decisions, not of what is said about it."""
        return self.latest or self.entered

    @property
    def first_spell(self) -> bool:
        """Whether the opening's honeymoon is still on: no earlier spell has answered any fact."""
        return len(self.spells) <= 1

    @property
    def last_entry(self) -> Seen:
        """The event that began the current spell."""
        spell = self.spells[-1]
        return Seen(spell.entered_at, spell.version)

    @property
    def returns_to(self) -> str | None:
        """Where `reconcile` leads: back, or into the struggle when performance or a breach was the reason."""
        hard = self.separation is not None and self.separation.reason in ("performance", "breach")
        return POWER_STRUGGLE if hard else self.came_from

    @property
    def left_into_this(self) -> frozenset[str]:
        """The states that this partnership itself left into the one it is in."""
        pairs = zip(self.spells, self.spells[1:], strict=False)
        return frozenset(before.state for before, after in pairs if after.state == self.state)


CONTAINERS = tuple(
    each for each in Partnership.__struct_fields__ if isinstance(getattr(Partnership(), each), (dict, list))
)
"""The fields that change in place; a copy must not share them with a state that somebody reads."""


def copy(state: Partnership) -> Partnership:
    """A state that can be evolved without touching the given one."""
    fresh = copying.copy(state)
    own(fresh, CONTAINERS)
    return fresh


def share(state: Partnership) -> Partnership:
    """A state that still shares every container with the given one; `own` what an event changes before it evolves."""
    return copying.copy(state)


def own(state: Partnership, containers: tuple[str, ...]) -> None:
    """Give a state its own copies of these containers."""
    for each in containers:
        setattr(state, each, getattr(state, each).copy())
