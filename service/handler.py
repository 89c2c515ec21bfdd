"""The write path: a command waits in the queue, is decided on the state its predecessor left, and is answered when durable.

One writer a process. A batch is one transaction; who loses a claim or a version loses alone. Nothing is acknowledged
before the commit, and a caller that went away changes nothing for the others.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog

from domain import events as e
from domain.partnership import Partnership, fold
from events.envelope import RecordedEvent
from events.store import (
    Append,
    Appended,
    Conflict,
    EventStore,
    Failed,
    KeyRecord,
    Repeated,
    Result,
    StoreError,
)
from service.asked import Asked, Job, Outcome, answer, fail
from service.claims import key_reused, lost
from service.dues import Dues
from service.errors import ServiceError
from service.ids import Ids
from service.names import check_names
from service.planning import Planning, stale
from service.policies import POLICY_STREAM, Policies
from service.queue import FairQueue
from service.sealing import Sealing
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
        self._sealing = Sealing(vault, ids)
        self._queue: FairQueue[Job] = FairQueue()
        self._running: set[tuple[str, str, str]] = set()
        self._writer: asyncio.Task[None] | None = None
        self._writing = False
        self._background: set[asyncio.Task[Any]] = set()
        self.states = states
        self.policies = Policies(store)
        self._planning = Planning(store, states, self.policies, clock, ids)
        self._dues = Dues(self.policies, clock, quiet)
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
            for job in reversed(self._planning.postponed):
                self._queue.put(job, first=True)
            self._planning.postponed.clear()
            self._writing = False

    async def _write_batch(self, jobs: list[Job]) -> None:
        if planned := await self._planning.plan(jobs):
            await self._commit(await self._dues.told(planned))

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
        self._dues.forget(job.place)

    def _recorded(self, job: Job, events: tuple[RecordedEvent, ...]) -> None:
        asked = job.asked
        state = job.decision.state if job.decision is not None else Partnership()
        if job.decision is not None:
            self.states.keep(*job.place, state)
            if self.states.worth_a_snapshot(*job.place, state):
                self._in_background(self.states.snapshot(*job.place, state))
        if asked.stream == POLICY_STREAM:
            self.policies.forget(asked.organisation)
            self._dues.forget_all(asked.organisation)
        refused = job.decision is not None and job.decision.refused
        if job.stale:
            fail(job, stale(state))
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
            self._planning.postponed.append(job)

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
