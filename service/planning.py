"""Planning: what each command of a batch comes to, decided on the state that its predecessor left."""

from collections.abc import Callable, Sequence
from datetime import datetime

import structlog
from msgspec.structs import replace

from domain import commands as c
from domain import events as e
from domain.decide import Decided, Decision, Situation, decide, needs_past
from domain.errors import DomainError
from domain.partnership import Partnership
from domain.policy import Policy
from events.codec import read_entry
from events.envelope import NewEvent, RecordedEvent
from events.store import Append, EventStore, Idempotency, StoreError
from service.asked import Administer, Job, Outcome, answer, fail
from service.claims import claims
from service.errors import ServiceError
from service.ids import Ids
from service.policies import POLICY_STREAM, Policies
from service.sealing import identity
from service.states import States

log = structlog.get_logger()


class Planning:
    """Turns commands into what they append; those in `postponed` are to be decided again, before their followers."""

    def __init__(
        self, store: EventStore, states: States, policies: Policies, clock: Callable[[], datetime], ids: Ids
    ) -> None:  # fmt: skip
        self._store = store
        self._states = states
        self._policies = policies
        self._clock = clock
        self._ids = ids
        self.postponed: list[Job] = []

    async def plan(self, jobs: Sequence[Job]) -> list[tuple[Job, Append]]:
        """What a batch appends; whoever cannot be decided is told at once."""
        working: dict[tuple[str, str], Partnership] = {}
        planned: list[tuple[Job, Append]] = []
        for job in jobs:
            if any(job.place == waiting.place for waiting in self.postponed):
                self.postponed.append(job)
                continue
            try:
                append = await self._append(job, working)
            except (DomainError, ServiceError, StoreError) as error:
                fail(job, error)
            except Exception as error:  # one caller's accident must not end the writer
                log.exception("command_failed", stream=job.asked.stream)
                fail(job, error)
            else:
                if append is not None:
                    planned.append((job, append))
        return planned

    async def _append(self, job: Job, working: dict[tuple[str, str], Partnership]) -> Append | None:
        """What a command appends; None where it was answered already, or waits for this batch to be recorded."""
        asked = job.asked
        if isinstance(asked.command, Administer):
            return await self._administration(job, asked.command)
        state = working.get(job.place) or self._states.at_hand(*job.place) or await self._states.load(*job.place)
        if asked.if_match is not None and asked.if_match != state.etag:
            raise stale(state)
        past: list[e.Happened] | None = None
        if needs_past(state, asked.command):
            if job.place in working:
                self.postponed.append(job)
                return None
            past = await self._states.past(*job.place)
        version, policy = self._policies.at_hand(asked.organisation) or await self._policies.in_force(
            asked.organisation
        )
        situation = Situation(
            policy=policy, policy_version=version, now=self._clock(), past=None if past is None else (lambda: past)
        )
        decision = decide(state, asked.command, situation)
        job.stale = asked.if_match is not None and _moved_by_time(decision, asked.command)
        if job.stale:
            until = min(situation.now, decision.events[-1].occurred_at)
            decision = decide(state, c.Tick(), replace(situation, now=until))
        return await self._append_of(job, state, decision, (version, policy), working)

    async def _append_of(
        self, job: Job, state: Partnership, decision: Decision, policy: tuple[int, Policy],
        working: dict[tuple[str, str], Partnership],
    ) -> Append | None:  # fmt: skip
        asked = job.asked
        if decision.repeated and job.place in working:
            self.postponed.append(job)  # what it repeats may not be recorded yet
            return None
        if decision.repeated and await self._answer_repetition(job, state, decision):
            return None
        job.decision = decision
        events = tuple(self._new_event(job, each) for each in decision.events)
        working[job.place] = decision.state
        rows = () if job.stale else asked.rows
        # What says nothing new leaves no key: asked again, it finds the first event again.
        key = asked.key if events and not job.stale else None
        if key is not None and decision.refused:
            key = Idempotency(scope=key.scope, key=key.key, digest=key.digest, status=409)
        takes, frees = claims(asked.stream, decision)
        return Append(
            organisation=asked.organisation, stream=asked.stream, expected=state.version, events=events,
            context=asked.context, takes=takes, frees=frees, reads=((POLICY_STREAM, policy[0]),), key=key, rows=rows,
        )  # fmt: skip

    async def _answer_repetition(self, job: Job, state: Partnership, decision: Decision) -> bool:
        """Answer from the first event what says nothing new: an opening again, a refusal again by the same actor."""
        version = decision.repeated[0]
        if decision.refused:
            (known,) = await self._store.read_stream(*job.place, after=version - 1, limit=1)
            same_actor = _actor(known) == job.asked.context.actor
            if same_actor:
                answer(job, Outcome(events=(known,), state=state, refused=True, repeated=True))
            return same_actor
        if decision.events:
            return False
        found = [(await self._store.read_stream(*job.place, after=each - 1, limit=1))[0] for each in decision.repeated]
        job.repeats = tuple(found)
        if job.asked.rows:
            return False
        answer(job, Outcome(events=job.repeats, state=state, repeated=True))
        return True

    def _new_event(self, job: Job, decided: Decided) -> NewEvent:
        known = job.event_ids.get(identity(decided.data)) if job.event_ids else None
        event_id = known or self._ids.new("evt")
        side = getattr(decided.data, "side", None)
        return NewEvent(
            id=event_id, data=decided.data, occurred_at=decided.occurred_at, decided_at=decided.decided_at, side=side
        )

    async def _administration(self, job: Job, command: Administer) -> Append:
        asked = job.asked
        version = await self._store.version(asked.organisation, asked.stream)
        if command.expected is not None and command.expected != version:
            raise ServiceError(
                "stale_version", f"This stream is at version {version}; read it again.", etag=str(version)
            )
        now = self._clock()
        events = tuple(NewEvent(id=self._ids.new("evt"), data=data, occurred_at=now) for data in command.events)
        return Append(
            organisation=asked.organisation, stream=asked.stream, expected=version, events=events,
            context=asked.context, takes=command.takes, frees=command.frees, key=asked.key, rows=asked.rows,
        )  # fmt: skip


def stale(state: Partnership) -> ServiceError:
    """The problem of who decided on a state that is no longer the newest."""
    return ServiceError(
        "stale_version", f'The partnership has moved on to ETag "{state.etag}"; read it again and decide anew.',
        etag=f'"{state.etag}"',
    )  # fmt: skip


def _actor(recorded: RecordedEvent) -> str:
    return read_entry(recorded.entry).actor


def _moved_by_time(decision: Decision, command: object) -> bool:
    """Whether time moved the stage before the command itself was looked at."""
    own = {id(fact.data) for fact in command.facts} if isinstance(command, c.RecordFacts) else set()
    for each in decision.events:
        if id(each.data) in own or isinstance(
            each.data, (e.TransitionRefused, e.SeparationDecided, e.SeparationRevoked)
        ):
            return False
        if isinstance(each.data, e.StageEntered):
            return not (isinstance(command, c.AskTransition) and each.data.trigger == command.trigger)
    return False
