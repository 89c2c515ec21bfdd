"""The write path: a command waits in the queue, is decided on the state its predecessor left, and is answered when durable.

One writer a process. A batch is one transaction; who loses a claim or a version loses alone. Nothing is acknowledged
before the commit, and a caller that went away changes nothing for the others.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog
from msgspec.structs import replace

from domain import commands as c
from domain import events as e
from domain.decide import Decided, Decision, Situation, decide, needs_past
from domain.errors import DomainError
from domain.owed import next_due
from domain.partnership import Partnership, fold
from domain.policy import Policy
from events.codec import read_entry
from events.envelope import NewEvent, RecordedEvent
from events.store import (
    Append,
    Appended,
    Conflict,
    EventStore,
    Failed,
    Idempotency,
    KeyRecord,
    Repeated,
    Result,
    RowChange,
    StoreError,
)
from service.asked import Administer, Asked, Job, Outcome, answer, fail
from service.claims import claims, key_reused, lost
from service.errors import ServiceError
from service.ids import Ids
from service.names import check_names
from service.policies import POLICY_STREAM, Policies
from service.projections.due import due_row
from service.queue import FairQueue
from service.sealing import Sealing, identity
from service.states import States
from service.vault import Vault

BATCH = 128
PATIENCE = timedelta(seconds=5)

log = structlog.get_logger()


class Handler:
    """Takes commands, writes what follows from them, and keeps the states that readers see."""

    def __init__(
        self, store: EventStore, states: States, vault: Vault, clock: Callable[[], datetime], ids: Ids,
        quiet: timedelta = timedelta(),
    ) -> None:  # fmt: skip
        self._store = store
        self._vault = vault
        self._clock = clock
        self._ids = ids
        self._sealing = Sealing(vault, ids)
        self._quiet = quiet
        self._queue: FairQueue[Job] = FairQueue()
        self._running: set[tuple[str, str, str]] = set()
        self._due: dict[tuple[str, str], datetime | None] = {}
        self._writer: asyncio.Task[None] | None = None
        self._writing = False
        self._postponed: list[Job] = []
        self._background: set[asyncio.Task[Any]] = set()
        self.states = states
        self.policies = Policies(store)
        self.on_recorded: list[Callable[[str, tuple[RecordedEvent, ...]], None]] = []

    # --- life ------------------------------------------------------------------------------------------------------

    def start(self, on_death: Callable[[], None]) -> None:
        """Start the writer; `on_death` ends the process, for a dead writer would leave every caller waiting."""
        self._writer = asyncio.create_task(self._write_for_ever(), name="writer")

        def ended(task: asyncio.Task[None]) -> None:
            if not task.cancelled():
                log.critical("writer_died", error=repr(task.exception()))
                on_death()

        self._writer.add_done_callback(ended)

    async def stop(self) -> None:
        """Let what was queued be written, then end the writer."""
        await asyncio.gather(*self._background, return_exceptions=True)
        while len(self._queue) or self._writing:  # noqa: ASYNC110  # once in a life; an event would outlive its use
            await asyncio.sleep(0.01)
        if self._writer is not None:
            self._writer.cancel()
            await asyncio.gather(self._writer, *self._background, return_exceptions=True)

    # --- asking ----------------------------------------------------------------------------------------------------

    async def handle(self, asked: Asked) -> Outcome:
        """Write a command and answer when it is durable.

        Raises DomainError, ServiceError (stale_version, key_reused, still_running, link_taken, already_open, busy) or
        StoreError; then nothing was written.
        """
        # A caller that goes away leaves the key running until its command has ended.
        return await asyncio.shield(await self.begin(asked))

    async def begin(self, asked: Asked) -> asyncio.Future[Outcome]:
        """As `handle`, but back as soon as the command has its place in the queue: order of beginning is order of decision."""
        if asked.key is None:
            future = await self.submit(asked)
            future.add_done_callback(_heard)
            return future
        running = (asked.organisation, asked.key.scope, asked.key.key)
        if running in self._running:
            raise ServiceError(
                "still_running", "A request with this Idempotency-Key is still running; ask again in a second.",
                headers={"Retry-After": "1"},
            )  # fmt: skip
        self._running.add(running)
        try:
            known = await self._store.recall(asked.organisation, asked.key.scope, asked.key.key)
            future = await self.submit(asked) if known is None else _done(await self._replay(asked, known))
        except BaseException:
            self._running.discard(running)
            raise
        future.add_done_callback(lambda ended: self._ran(running, ended))
        return future

    def _ran(self, running: tuple[str, str, str], ended: asyncio.Future[Outcome]) -> None:
        self._running.discard(running)
        _heard(ended)

    async def submit(self, asked: Asked) -> asyncio.Future[Outcome]:
        """Put a command in the queue; the future answers when it is durable. Order of submission is order of decision."""
        check_names(asked.command)
        job = Job(asked=asked, future=asyncio.get_running_loop().create_future(), deadline=self._clock() + PATIENCE)
        await self._sealing.seal(job)
        self._queue.put(job)
        return job.future

    async def _replay(self, asked: Asked, known: KeyRecord) -> Outcome:
        """The first answer again, rebuilt from the log."""
        if asked.key is not None and known.digest != asked.key.digest:
            raise key_reused()
        page = await self._store.read_log(asked.organisation, after=known.position - 1, limit=known.count)
        last = page.events[-1]
        past = await self.states.past(asked.organisation, last.stream)
        state = fold([each for each in past if each.version <= last.version])
        refused = any(each.type == e.TransitionRefused.type for each in page.events)
        return Outcome(events=page.events, state=state, refused=refused, replayed=known)

    # --- writing ---------------------------------------------------------------------------------------------------

    async def _write_for_ever(self) -> None:
        while True:
            jobs = await self._queue.take(BATCH)
            self._writing = True
            await self._write_batch(jobs)
            # Whoever must be decided again goes before its followers, in the order in which they came.
            for job in reversed(self._postponed):
                self._queue.put(job, first=True)
            self._postponed.clear()
            self._writing = False

    async def _write_batch(self, jobs: list[Job]) -> None:
        working: dict[tuple[str, str], Partnership] = {}
        planned: list[tuple[Job, Append]] = []
        for job in jobs:
            if any(job.place == waiting.place for waiting in self._postponed):
                self._postponed.append(job)
                continue
            try:
                append = await self._plan(job, working)
            except (DomainError, ServiceError, StoreError) as error:
                fail(job, error)
            except Exception as error:  # one caller's accident must not end the writer
                log.exception("command_failed", stream=job.asked.stream)
                fail(job, error)
            else:
                if append is not None:
                    planned.append((job, append))
        if planned:
            await self._commit(await self._with_due(planned))

    async def _with_due(self, planned: list[tuple[Job, Append]]) -> list[tuple[Job, Append]]:
        """Tell the clock when to look again, once for each partnership of the batch: with the last append to it."""
        last = {job.place: number for number, (job, _) in enumerate(planned) if job.decision is not None}
        for number in last.values():
            job, append = planned[number]
            _, policy = await self.policies.in_force(job.asked.organisation)
            planned[number] = (job, replace(append, rows=(*append.rows, *self._due_rows(job, policy))))
        return planned

    async def _commit(self, planned: list[tuple[Job, Append]]) -> None:
        try:
            # Keys before the entries that need them: an entry must never be durable without its key.
            await self._vault.keep([row for job, _ in planned if not job.stale for row in job.sealed_rows])
            results = await self._store.append([append for _, append in planned])
        except Exception as error:  # whatever it is, nothing was written, and the writer goes on
            if not isinstance(error, StoreError):
                log.exception("batch_failed")
            for job, _ in planned:
                self._forget(job)
                fail(job, error)
            return
        self._announce(planned, results)
        for (job, _), result in zip(planned, results, strict=True):
            await self._finish(job, result)

    def _announce(self, planned: list[tuple[Job, Append]], results: Sequence[Result]) -> None:
        """Tell who listens what the batch has recorded, once for each organisation, before anybody is answered."""
        recorded: dict[str, list[RecordedEvent]] = {}
        for (job, _), result in zip(planned, results, strict=True):
            if isinstance(result, Appended):
                recorded.setdefault(job.asked.organisation, []).extend(result.events)
        for organisation, events in recorded.items():
            for each in self.on_recorded:
                each(organisation, tuple(events))

    async def _plan(self, job: Job, working: dict[tuple[str, str], Partnership]) -> Append | None:
        asked = job.asked
        if isinstance(asked.command, Administer):
            return await self._plan_administration(job, asked.command)
        state = working.get(job.place) or self.states.at_hand(*job.place) or await self.states.load(*job.place)
        if asked.if_match is not None and asked.if_match != state.etag:
            raise _stale(state)
        past: list[e.Happened] | None = None
        if needs_past(state, asked.command):
            if job.place in working:
                self._postponed.append(job)
                return None
            past = await self.states.past(*job.place)
        version, policy = self.policies.at_hand(asked.organisation) or await self.policies.in_force(asked.organisation)
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
            self._postponed.append(job)  # what it repeats may not be recorded yet
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

    def _due_rows(self, job: Job, policy: Policy) -> list[RowChange]:
        due = next_due(job.decision.state, policy) if job.decision is not None else None
        now = self._clock()
        dated = _dated(job.asked.command)
        # Somebody is telling an old story: time waits for the rest of it.
        if due is not None and dated is not None and dated < now - timedelta(days=1):
            due = max(due, now + self._quiet)
        if self._due.get(job.place, ...) == due:
            return []
        self._due[job.place] = due
        return [due_row(*job.place, due)]

    async def _plan_administration(self, job: Job, command: Administer) -> Append:
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

    # --- after the commit --------------------------------------------------------------------------------------------

    async def _finish(self, job: Job, result: Result) -> None:
        match result:
            case Appended(events):
                self._recorded(job, events)
            case Repeated(events, known):
                self.states.evict(*job.place)
                await self._finish_repeated(job, events, known)
            case Failed(error):
                self._forget(job)
                fail(job, error)
            case Conflict():
                self._forget(job)
                self._finish_conflict(job, result)

    def _forget(self, job: Job) -> None:
        self.states.evict(*job.place)
        self._due.pop(job.place, None)

    def _recorded(self, job: Job, events: tuple[RecordedEvent, ...]) -> None:
        asked = job.asked
        state = job.decision.state if job.decision is not None else Partnership()
        if job.decision is not None:
            self.states.keep(*job.place, state)
            if self.states.worth_a_snapshot(*job.place, state):
                self._in_background(self.states.snapshot(*job.place, state))
        if asked.stream == POLICY_STREAM:
            self.policies.forget(asked.organisation)
            self._due = {place: due for place, due in self._due.items() if place[0] != asked.organisation}
        refused = job.decision is not None and job.decision.refused
        if job.stale:
            fail(job, _stale(state))
        answer(job, Outcome(events=events or job.repeats, state=state, refused=refused, repeated=not events))

    async def _finish_repeated(self, job: Job, events: tuple[RecordedEvent, ...], known: KeyRecord | None) -> None:
        if known is not None:
            try:
                answer(job, await self._replay(job.asked, known))
            except (ServiceError, StoreError) as error:
                fail(job, error)
            return
        state = await self.states.load(*job.place)
        answer(job, Outcome(events=events, state=state, repeated=True))

    def _finish_conflict(self, job: Job, conflict: Conflict) -> None:
        if conflict.reason in ("version", "read"):
            self.policies.forget(job.asked.organisation)
            self._again(job)
        else:
            fail(job, lost(conflict))

    def _again(self, job: Job) -> None:
        """Another node was faster: decide again until patience ends."""
        if self._clock() > job.deadline:
            fail(
                job,
                ServiceError(
                    "busy", "This partnership is being written by many; try again.", headers={"Retry-After": "1"}
                ),
            )
        else:
            job.decision = None
            self._postponed.append(job)

    def _in_background(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)


# --- small things ------------------------------------------------------------------------------------------------------


def _heard(ended: asyncio.Future[Outcome]) -> None:
    """The caller has what it came to, or went away: then nobody asks for the error."""
    if not ended.cancelled():
        ended.exception()


def _done(outcome: Outcome) -> asyncio.Future[Outcome]:
    future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
    future.set_result(outcome)
    return future


def _actor(recorded: RecordedEvent) -> str:
    return read_entry(recorded.entry).actor


def _dated(command: c.Command | Administer) -> datetime | None:
    """The earliest instant that a command speaks of, where it names one."""
    match command:
        case c.RecordFacts(facts):
            return min((fact.occurred_at for fact in facts if fact.occurred_at is not None), default=None)
        case c.AskTransition(occurred_at=at) | c.OpenPartnership(opened_at=at):
            return at
        case _:
            return None


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


def _stale(state: Partnership) -> ServiceError:
    return ServiceError(
        "stale_version", f'The partnership has moved on to ETag "{state.etag}"; read it again and decide anew.',
        etag=f'"{state.etag}"',
    )  # fmt: skip
