"""The path through the stages: as recorded, and as it would have been had every fact arrived in its own time."""

from collections.abc import Sequence
from datetime import datetime

from domain import events as e
from domain import machine
from domain.guards import Case, judge
from domain.owed import automatic
from domain.partnership import Partnership, Spell, evolve
from domain.policy import Policy

Path = tuple[e.PathSpell, ...]


def path(state: Partnership) -> Path:
    """The spells of a state."""
    return tuple(_spell(spell) for spell in state.spells)


def _spell(spell: Spell) -> e.PathSpell:
    return e.PathSpell(spell.state, instant(spell.entered_at), spell.trigger)


def instant(at: datetime) -> str:
    """An instant as entries write it."""
    return at.isoformat().replace("+00:00", "Z")


def hindsight(history: Sequence[e.Happened], policy: Policy) -> Partnership:
    """The state had each fact been recorded when it occurred; what people decided stands where an arrow allows it."""
    state = Partnership()
    retracted = {each.data.event for each in history if isinstance(each.data, e.FactRetracted)}
    for each in sorted(history, key=lambda each: (each.occurred_at, each.version)):
        if each.id in retracted or isinstance(each.data, (e.StageReassessed, e.TransitionRefused)):
            continue
        if isinstance(each.data, e.StageEntered):
            _again(state, each, each.data)
        else:
            evolve(state, each)
            if state.opened is not None:
                _follow(state, policy, each)
    return state


def _again(state: Partnership, each: e.Happened, entered: e.StageEntered) -> None:
    """A transition that people decided is taken again from where the path now stands; automatic ones are decided anew."""
    trigger = machine.TRIGGERS.get(entered.trigger)
    decided_by_facts = trigger is not None and trigger.decided_by == "facts" and not entered.forced
    here = machine.name(entered.stage, entered.outcome)
    if not decided_by_facts and (entered.forced or machine.target(entered.trigger, state.state, state.came_from) == here):
        evolve(state, each)


def _follow(state: Partnership, policy: Policy, each: e.Happened) -> None:
    for trigger in automatic(state, policy):
        case = Case(state=state, policy=policy, now=max(each.occurred_at, state.newest), trigger=trigger)
        met = [finding for _, finding in judge(case) if finding.met]
        target = machine.target(trigger, state.state)
        if met and target is not None:
            at = max(min(finding.at or each.occurred_at for finding in met), state.entered)
            stage, outcome = machine.split(target)
            entered = e.StageEntered(
                stage=stage, outcome=outcome, left=state.state, trigger=trigger, policy=0, guards=(), cause=each.version,
                decided_on=each.version,
            )  # fmt: skip
            evolve(state, e.Happened(each.version, each.id, at, entered))
            return


def reassess(recorded: Path, history: Sequence[e.Happened], policy: Policy) -> tuple[Path, Path]:
    """Both paths from the first spell that differs; empty where they agree."""
    otherwise = path(hindsight(history, policy))
    same = 0
    while same < min(len(recorded), len(otherwise)) and recorded[same] == otherwise[same]:
        same += 1
    return (recorded[same:], otherwise[same:]) if recorded[same:] or otherwise[same:] else ((), ())
