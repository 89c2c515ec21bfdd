"""How a partnership ended, fixed at `separated` (D11)."""

from datetime import datetime

from domain.machine import HONEYMOON, POWER_STRUGGLE
from domain.measures import open_threats
from domain.partnership import Partnership
from domain.types import Ending

HARD = ("performance", "breach")
LIFE = ("acquisition", "strategy", "technology")
"""Reasons that are nobody's fault: without thanks, nobody said whether the end was respectful."""


def ending(state: Partnership, at: datetime) -> tuple[Ending, bool | None]:
    """The ending, and whether it was respectful: what was built preserved, thanks given, no threat open."""
    reason = state.separation.reason if state.separation else "other"
    threat = bool(open_threats(state, at))
    thanked = _done(state, "thanks_given", at)
    preserved = _done(state, "legacy_preserved", at) or "contract/start" not in state.moments
    respectful: bool | None = preserved and thanked and not threat
    if not thanked and not threat and reason in LIFE:
        respectful = None
    return _how(state.came_from, threat=threat, hard=reason in HARD and not respectful), respectful


def _how(came_from: str | None, *, threat: bool, hard: bool) -> Ending:
    if came_from == HONEYMOON:
        return "stillborn"
    return "exploded" if came_from == POWER_STRUGGLE or threat or hard else "parted"


def _done(state: Partnership, step: str, at: datetime) -> bool:
    """Whether a handover step was completed since the separation was decided (D9)."""
    start = state.separation.at if state.separation else state.entered
    return any(start <= seen.at <= at for seen in state.moments.get(f"handover.completed/{step}", ()))
