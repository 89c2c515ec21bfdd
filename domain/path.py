"""The path through the stages: as recorded, and as it would have been had every fact arrived in its own time."""

from collections.abc import Sequence
from datetime import datetime

from domain import events as e
from domain import machine
from domain.automatic import Move, automatic, next_move, stirred
from domain.owed import next_alarm
from domain.partnership import Partnership, Seen, Spell, evolve
from domain.policy import Policy

Path = tuple[e.PathSpell, ...]

TOLD_AT_MOST = 100
"""How many spells of a path one event tells; the first that differ say what happened."""


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
    return retell(sorted(history, key=lambda each: (each.occurred_at, each.version)), policy).state


def retell(history: Sequence[e.Happened], policy: Policy) -> "Told":
    """A history told again in the given order under a policy: facts are kept, what followed from them is found anew."""
    retracted = {each.data.event for each in history if isinstance(each.data, e.FactRetracted)}
    told = Told(policy)
    for each in history:
        if each.id not in retracted and not isinstance(each.data, (e.StageReassessed, e.TransitionRefused)):
            told.take(each)
    return told


class Told:
    """A story told in its own order: a state, and the instant at which time alone changes it next.

    `through` are the guards that let each automatic spell in, by the spell's place.
    """

    def __init__(self, policy: Policy) -> None:
        self.state = Partnership()
        self.policy = policy
        self.alarm: datetime | None = None
        self.through: dict[int, tuple[str, ...]] = {}

    def take(self, each: e.Happened) -> None:
        """Take the next event of the story: a fact as it is, a transition where it is taken again."""
        at, seen = self.horizon(each.occurred_at), Seen(each.occurred_at, each.version)
        if self.alarm is not None and self.alarm <= at:
            self.follow(at, self.state.last_entry)
        if isinstance(each.data, e.StageEntered) and not self.again(each.data):
            return
        evolve(self.state, each)
        if self.state.opened is not None and self.stirs(each.data):
            self.follow(at, seen)

    def horizon(self, at: datetime) -> datetime:
        """The `now` that guards see: a late fact is judged on everything that is known when it comes."""
        return at if self.state.since is None else max(at, self.state.newest)

    def stirs(self, data: e.Event) -> bool:
        """Whether an event may bring a transition."""
        return isinstance(data, (e.PartnershipOpened, e.StageEntered)) or type(data) in stirred(self.state, self.policy)

    def again(self, entered: e.StageEntered) -> bool:
        """Whether a transition is taken again: people's, where the path now stands; automatic ones are decided anew."""
        here, there = self.state.state, machine.name(entered.stage, entered.outcome)
        if entered.forced:
            return there in machine.legal_targets(here, self.state.returns_to, self.state.left_into_this)
        if entered.trigger in self.policy.automatic:
            return False
        return machine.target(entered.trigger, here, self.state.returns_to) == there

    def follow(self, horizon: datetime, cause: Seen) -> None:
        """Automatic transitions to their end, each at most once."""
        fired: set[str] = set()
        triggers = automatic(self.state, self.policy)
        while (move := next_move(self.state, self.policy, horizon, cause, triggers)) is not None:
            self.enter(move, cause)
            fired.add(move.trigger)
            triggers = tuple(each for each in automatic(self.state, self.policy) if each not in fired)
        self.alarm = next_alarm(self.state, self.policy)

    def enter(self, move: Move, cause: Seen) -> None:
        """Take an automatic transition."""
        stage, outcome = machine.split(move.target)
        entered = e.StageEntered(
            stage=stage, outcome=outcome, left=self.state.state, trigger=move.trigger, policy=0, guards=(),
            cause=cause.version, decided_on=cause.version,
        )  # fmt: skip
        evolve(self.state, e.Happened(cause.version, "", move.at, entered))
        self.through[len(self.state.spells) - 1] = tuple(code for code, found in move.found if found.met)


def reassess(
    recorded: Path, before: Sequence[e.Happened], after: Sequence[e.Happened], policy: Policy
) -> tuple[Path, Path] | None:
    """Both paths from the first spell that differs, where what came in between has changed the path told in order.

    Empty paths where the recorded one now agrees; None where nothing has changed.
    """
    otherwise = path(hindsight(after, policy))
    if otherwise == path(hindsight(before, policy)):
        return None
    same = 0
    while same < min(len(recorded), len(otherwise)) and recorded[same] == otherwise[same]:
        same += 1
    return recorded[same : same + TOLD_AT_MOST], otherwise[same : same + TOLD_AT_MOST]
