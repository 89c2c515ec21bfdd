"""What the write path is asked, and what it answers."""

import asyncio
from datetime import datetime

from msgspec import Struct, field

from domain import commands as c
from domain import events as e
from domain.decide import Decision
from domain.partnership import Partnership
from events.codec import UncanonicalError
from events.envelope import Context, RecordedEvent
from events.store import Idempotency, KeyRecord, RowChange
from service.errors import ServiceError


class Administer(Struct, frozen=True, kw_only=True):
    """Events of the organisation's own streams (keys, sources, policies), decided by whoever asks."""

    events: tuple[e.Event, ...]
    takes: tuple[str, ...] = ()
    frees: tuple[str, ...] = ()
    expected: int | None = None


class Asked(Struct, kw_only=True):
    """A command with everything around it that the log should know."""

    organisation: str
    stream: str
    command: c.Command | Administer
    context: Context
    key: Idempotency | None = None
    if_match: int | None = None
    bulk: bool = False
    rows: tuple[RowChange, ...] = ()
    ids: tuple[str, ...] = ()
    """The ids of a command's own facts, in order, where the caller derives them."""


class Outcome(Struct, frozen=True, kw_only=True):
    """What came of it: the events, the state after them, and whether they were there before."""

    events: tuple[RecordedEvent, ...]
    state: Partnership
    refused: bool = False
    repeated: bool = False
    replayed: KeyRecord | None = None


class Job(Struct, kw_only=True, eq=False):
    """A command on its way through the writer, and who waits for its outcome."""

    asked: Asked
    future: asyncio.Future[Outcome]
    deadline: datetime
    event_ids: dict[str, str] = field(default_factory=dict)
    sealed_rows: list[RowChange] = field(default_factory=list)
    decision: Decision | None = None
    repeats: tuple[RecordedEvent, ...] = ()
    stale: bool = False
    """Time moved the stage before the command: what time brought is written, and the caller told to read again."""

    @property
    def turn(self) -> tuple[str, str]:
        """Whose turn it takes in the queue."""
        return self.asked.organisation, self.asked.context.actor

    @property
    def bulk(self) -> bool:
        """Whether it waits behind what people ask."""
        return self.asked.bulk

    @property
    def place(self) -> tuple[str, str]:
        """Organisation and stream."""
        return self.asked.organisation, self.asked.stream


def answer(job: Job, outcome: Outcome) -> None:
    """Tell who asked; a caller that went away hears nothing."""
    if not job.future.done():
        job.future.set_result(outcome)


def fail(job: Job, error: Exception) -> None:
    """Tell who asked that nothing was written, and why."""
    if isinstance(error, UncanonicalError):
        error = ServiceError("bad_shape", str(error))
    if not job.future.done():
        job.future.set_exception(error)
