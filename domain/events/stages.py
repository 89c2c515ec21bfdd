"""What the system writes about stages: entered, refused, seen otherwise since, and what each guard saw."""

from typing import ClassVar

from msgspec import Struct

from domain.events.base import Event
from domain.types import Ending, Outcome, Prose, Stage

Figure = int | float | str


class Verdict(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """What one guard saw: figures, and the versions of its evidence (at most 20; `count` when there were more)."""

    code: str
    met: bool
    actual: Figure
    required: Figure
    evidence: tuple[int, ...]
    count: int | None = None


class StageEntered(Event, frozen=True, kw_only=True):
    """A transition: `cause` and `decided_on` are versions of this stream, `policy` the version decided under."""

    type: ClassVar = "stage.entered"
    stage: Stage
    outcome: Outcome | None = None
    left: str
    trigger: str
    policy: int
    guards: tuple[Verdict, ...]
    cause: int
    decided_on: int
    forced: bool | None = None
    reason: Prose | None = None
    ending: Ending | None = None
    respectful: bool | None = None
    separated_from: Stage | None = None


class TransitionRefused(Event, frozen=True, kw_only=True):
    type: ClassVar = "transition.refused"
    trigger: str
    policy: int
    guards: tuple[Verdict, ...]
    decided_on: int


class PathSpell(Struct, frozen=True, gc=False, omit_defaults=True):
    """One stay of a path as `stage.reassessed` tells it."""

    state: str
    entered_at: str
    trigger: str | None = None


class StageReassessed(Event, frozen=True, kw_only=True):
    """A late or retracted fact would have changed the path: both paths, from the first spell that differs."""

    type: ClassVar = "stage.reassessed"
    because: int
    recorded: tuple[PathSpell, ...]
    otherwise: tuple[PathSpell, ...]
