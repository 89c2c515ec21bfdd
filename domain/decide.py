"""The decision: a partnership, a command, a policy and an instant in; events out, or one clear error.

Pure: the given state is never touched. First comes what time owes up to the command's own instant, then the command,
then the automatic transitions that follow from it, each at most once a fact.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from domain import commands as c
from domain import events as e
from domain import machine
from domain.automatic import STIRRING, consult
from domain.check import check_fact, opening_of
from domain.draft import Decided, Decision, Draft, Situation
from domain.errors import DomainError
from domain.guards import Case, Finding, judge, verdict
from domain.partnership import Partnership, Seen, fold, link_key
from domain.partnership.standing import stands
from domain.path import path, reassess
from domain.policy import Policy
from domain.types import Side

__all__ = ["Decided", "Decision", "Situation", "decide", "explain", "needs_past"]

TOLERANCE = timedelta(minutes=5)
"""How far ahead of the clock a fact may be dated."""

EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
"""No partnership is older; what is dated before is a mistake in a date."""

DAY = timedelta(hours=24)


def decide(state: Partnership, command: c.Command, situation: Situation) -> Decision:
    """Decide a command. Raises DomainError when it cannot be; a refused transition is a decision, not an error."""
    draft = Draft(state, situation)
    match command:
        case c.OpenPartnership():
            _open(draft, command)
        case c.RecordFacts():
            _record(draft, command.facts)
        case c.AskTransition():
            _ask(draft, command)
        case c.RequestOverride():
            _request_override(draft, command)
        case c.ApproveOverride():
            _approve_override(draft, command)
        case c.AddLink():
            _add_link(draft, command, situation.now)
        case c.RemoveLink():
            _remove_link(draft, command)
        case c.Tick():
            draft.settle(situation.now)
    return draft.decided()


def needs_past(state: Partnership, command: c.Command) -> bool:
    """Whether the whole stream must be at hand: a retraction, or an early fact that can change the path."""
    if not isinstance(command, c.RecordFacts) or state.since is None:
        return False
    newest = None if state.first_spell else state.since
    for fact in command.facts:
        if isinstance(fact.data, e.FactRetracted):
            return True
        early = newest is not None and fact.occurred_at is not None and fact.occurred_at < newest
        if early and type(fact.data) in STIRRING:
            return True
        # An earlier fact of the same array may begin a new spell.
        newest = max(newest or state.since, fact.occurred_at or state.since)
    return False


def explain(
    state: Partnership,
    trigger: str,
    policy: Policy,
    now: datetime,
    side: Side | None = None,
    reason: str | None = None,
) -> list[tuple[str, Finding]]:
    """What every guard of a trigger says, without asking for anything."""
    return judge(Case(state=state, policy=policy, now=now, trigger=trigger, side=side, reason=reason))


def _instant(draft: Draft, given: datetime | None) -> datetime:
    """When a thing happened, in UTC: as given, else now; refused when it lies ahead, or before anything."""
    now = draft.at_hand.now
    if given is None:
        return now
    if given > now + TOLERANCE:
        raise DomainError(
            "future_time",
            f"occurred_at {given.isoformat()} lies in the future (the clock here says {now.isoformat()});"
            " a fact has happened: send it when it has.",
        )
    if given < EARLIEST:
        raise DomainError(
            "wrong_dates", f"occurred_at {given.isoformat()} lies before {EARLIEST:%Y}; correct the year."
        )
    return given.astimezone(UTC)


# --- opening, links ----------------------------------------------------------------------------------------------


def _open(draft: Draft, command: c.OpenPartnership) -> None:
    at = _instant(draft, command.opened_at)
    opened = e.PartnershipOpened(
        client=command.client, partner=command.partner, critical=command.critical,
        observed_since=command.observed_since or draft.at_hand.now.date(),
    )  # fmt: skip
    draft.add(opened, at)
    for link in command.links:
        _add_link(draft, c.AddLink(*link), at)


def _add_link(draft: Draft, command: c.AddLink, at: datetime) -> None:
    claim = link_key(command.system, command.kind, command.external_id)
    if claim in draft.state.links:
        draft.decision.repeated.append(draft.state.links[claim])
        return
    draft.add(e.LinkAdded(system=command.system, kind=command.kind, external_id=command.external_id), at)
    draft.decision.takes.append(f"link/{claim}")


def _remove_link(draft: Draft, command: c.RemoveLink) -> None:
    claim = link_key(command.system, command.kind, command.external_id)
    if claim not in draft.state.links:
        raise DomainError(
            "unknown_link",
            f"This partnership has no link {command.system}/{command.kind}/{command.external_id}; see its `links`.",
        )
    removed = e.LinkRemoved(system=command.system, kind=command.kind, external_id=command.external_id)
    draft.add(removed, draft.at_hand.now)
    draft.decision.frees.append(f"link/{claim}")


# --- facts -------------------------------------------------------------------------------------------------------


def _record(draft: Draft, facts: Sequence[c.Fact]) -> None:
    for index, fact in enumerate(facts):
        try:
            at = _instant(draft, fact.occurred_at)
            if not fact.standing or stands(draft.state, fact.data, at, fact.standing):
                _record_one(draft, fact.data, at)
        except DomainError as error:
            error.index = index if len(facts) > 1 else None
            raise


def _record_one(draft: Draft, data: e.Event, at: datetime) -> None:
    check_fact(draft.state, data)
    if (first := opening_of(draft.state, data)) is not None:
        draft.decision.repeated.append(first)
        return
    if at > draft.state.newest:
        draft.settle(at)
    if isinstance(data, e.FactRetracted):
        _retract(draft, data, at)
        return
    late = at < draft.state.entered and not draft.state.first_spell
    seen = draft.bring(data, at, max(at, draft.state.newest))
    if late and type(data) in STIRRING:
        _reassess(draft, seen)


def _retract(draft: Draft, data: e.FactRetracted, at: datetime) -> None:
    past = draft.history()
    target = next((each for each in past if each.id == data.event), None)
    if target is None:
        raise DomainError(
            "unknown_event", f"Event {data.event!r} is not in this partnership; name one of its facts by id."
        )
    if target.data.type not in e.FACTS or isinstance(target.data, e.FactRetracted):
        raise DomainError(
            "not_retractable",
            f"Event {data.event!r} is a {target.data.type}, which follows from facts; retract the fact that caused it.",
        )
    already = [each for each in past if isinstance(each.data, e.FactRetracted) and each.data.event == data.event]
    if already:
        draft.decision.repeated.append(already[0].version)
        return
    seen = draft.add(data, at)
    draft.replace_state(fold(draft.history()))
    draft.follow(max(at, draft.state.newest), seen)
    _reassess(draft, seen)


def _reassess(draft: Draft, because: Seen) -> None:
    """Tell both paths when a late or retracted fact would have changed the one that was taken."""
    if draft.at_hand.past is None:
        return
    after = draft.history()
    before = [each for each in after if each.version < because.version]
    found = reassess(path(draft.state), before, after, draft.at_hand.policy)
    if found is None:
        return
    recorded, otherwise = found
    if not recorded and not otherwise and not draft.state.reassessed:
        return  # the paths agree, and nobody was told otherwise
    reassessed = e.StageReassessed(because=because.version, recorded=recorded, otherwise=otherwise)
    draft.add(reassessed, max(because.at, draft.state.entered))


# --- transitions that people ask for -----------------------------------------------------------------------------


def _ask(draft: Draft, command: c.AskTransition) -> None:
    if command.trigger not in machine.TRIGGERS:
        known = ", ".join(machine.TRIGGERS)
        raise DomainError("unknown_trigger", f"Trigger {command.trigger!r} does not exist; one of {known} does.")
    at = _instant(draft, command.occurred_at)
    if at > draft.state.newest:
        draft.settle(at)
    source = draft.state.state
    if (command.trigger, source) not in machine.TABLE:
        leaving = ", ".join(sorted({trigger for trigger, state in machine.TABLE if state == source})) or "none"
        raise DomainError(
            "transition_impossible", f"No arrow {command.trigger!r} leaves {source}; from here: {leaving}."
        )
    if at < draft.state.entered:
        raise DomainError(
            "before_stage_entry",
            f"occurred_at {at.isoformat()} lies before the entry into {source} ({draft.state.entered.isoformat()});"
            " a transition cannot leave a stage before it was entered.",
        )
    _answer(draft, command, at)


def _answer(draft: Draft, command: c.AskTransition, at: datetime) -> None:
    state, policy = draft.state, draft.at_hand.policy
    found = explain(state, command.trigger, policy, at, command.side, command.reason)
    target = consult(state, policy, command.trigger, found, state.returns_to)
    if target is None:
        _refuse(draft, command.trigger, found, at)
        return
    cause = _mark(draft, command, at, found)
    draft.enter(target, command.trigger, found, at, cause)
    draft.follow(max(at, draft.state.newest), cause)


def _refuse(draft: Draft, trigger: str, found: Sequence[tuple[str, Finding]], at: datetime) -> None:
    """Record the refusal, and name the one of the same day that says the same."""
    guards = tuple(verdict(*each) for each in found)
    draft.decision.refused = True
    known = draft.state.refusals.get(trigger)
    same = known is not None and known.guards == guards and abs(at - known.decided_at) < DAY
    if known is not None and same and not draft.decision.events:
        draft.decision.repeated.append(known.version)
    refused = e.TransitionRefused(
        trigger=trigger, policy=draft.at_hand.policy_version, guards=guards, decided_on=draft.state.version
    )
    draft.add(refused, at, decided_at=at)


def _mark(draft: Draft, command: c.AskTransition, at: datetime, found: Sequence[tuple[str, Finding]]) -> Seen:
    """The fact that a human transition writes itself, or the newest evidence: what brought the spell."""
    if command.trigger == "separate":
        reason: e.SeparationReason = command.reason  # type: ignore[assignment]  # its guard knows the reasons
        return draft.add(e.SeparationDecided(reason=reason, side=command.side, text=command.text), at)
    if command.trigger == "reconcile":
        return draft.add(e.SeparationRevoked(side=command.side), at)
    seen = [each for _, finding in found for each in finding.evidence]
    return max(seen, default=draft.state.last_entry)


# --- transitions that two actors force ---------------------------------------------------------------------------


def _request_override(draft: Draft, command: c.RequestOverride) -> None:
    _forceable(draft.state, command.to)
    asked = e.OverrideRequested(override=command.override, to=command.to, reason=command.reason, by=command.by)
    draft.add(asked, draft.at_hand.now)


def _forceable(state: Partnership, to: str) -> None:
    if to not in machine.STATES:
        raise DomainError("unknown_stage", f"{to!r} is no state; one of {', '.join(machine.STATES)} is.")
    legal = machine.legal_targets(state.state, state.returns_to, state.left_into_this)
    if to not in legal:
        raise DomainError(
            "transition_impossible",
            f"No arrow joins {state.state} and {to}; from here one may force {', '.join(sorted(legal)) or 'nothing'}.",
        )


def _approve_override(draft: Draft, command: c.ApproveOverride) -> None:
    asked = draft.state.overrides.get(command.override)
    if asked is None:
        raise DomainError("unknown_override", f"Override {command.override!r} is not waiting here.")
    if asked.by == command.by:
        raise DomainError(
            "same_actor", "A forced transition needs two actors; another key than the requester's approves."
        )
    now = max(draft.at_hand.now, draft.state.entered)
    draft.settle(now)
    _forceable(draft.state, asked.to)
    source = draft.state.state
    cause = draft.add(e.OverrideApproved(override=command.override), now)
    draft.enter(asked.to, machine.trigger_between(source, asked.to), [], now, cause, forced=asked.reason)
    draft.follow(max(now, draft.state.newest), cause)
