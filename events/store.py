"""What every event store promises; one contract suite holds each of them to it (tests/events/contract.py)."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Literal, Protocol, TypeVar

from msgspec import Struct

from events.codec import Lived
from events.envelope import Context, NewEvent, RecordedEvent

Value = str | int | float | bytes | None


T = TypeVar("T")

ENTRY_LIMIT = 65_535
"""The most bytes that one entry may take."""


class Put(Struct, frozen=True):
    """Insert the row of a table, or replace the values of the row that has this key."""

    table: str
    key: dict[str, Value]
    values: dict[str, Value]


class Change(Struct, frozen=True):
    """Change some values of the row that has this key; nothing happens where there is none."""

    table: str
    key: dict[str, Value]
    values: dict[str, Value]


class Remove(Struct, frozen=True):
    """Remove the rows that have this key."""

    table: str
    key: dict[str, Value]


RowChange = Put | Change | Remove
"""A change of a read model or of working state (inbox, due) that commits with the events it belongs to."""

Projection = Callable[[str, RecordedEvent, Struct], Sequence[RowChange]]
"""An inline read model: the rows that follow from an organisation's event, given with its domain event."""


class Idempotency(Struct, frozen=True, kw_only=True):
    """The key that a caller gave: `digest` is an HMAC of the request, `status` the answer's HTTP status."""

    scope: str
    key: str
    digest: bytes
    status: int


class KeyRecord(Struct, frozen=True, kw_only=True):
    """What is remembered of a key: where its events begin and how many there are (the answer is rebuilt from them)."""

    digest: bytes
    status: int
    stream: str
    position: int
    count: int


class Append(Struct, frozen=True, kw_only=True):
    """One command's outcome, all or nothing.

    `expected` is the stream's version before it, 0 for a stream that must be new. `takes` and `frees` are claims: names
    that only one holder in the organisation may have. `reads` are other streams that were decided upon, with the
    versions seen. Names that the stream does not hold are not freed; freeing comes before taking. Without events, only
    its claims, rows and key are written, and the key remembers position 0.
    """

    organisation: str
    stream: str
    expected: int
    events: tuple[NewEvent, ...]
    context: Context
    takes: tuple[str, ...] = ()
    frees: tuple[str, ...] = ()
    reads: tuple[tuple[str, int], ...] = ()
    key: Idempotency | None = None
    rows: tuple[RowChange, ...] = ()


class Appended(Struct, frozen=True):
    """Durable: the events as recorded, in order."""

    events: tuple[RecordedEvent, ...]


class Repeated(Struct, frozen=True):
    """The same idempotency key, or the same event ids with the same content, were written before: nothing was added."""

    events: tuple[RecordedEvent, ...]
    key: KeyRecord | None = None


class Conflict(Struct, frozen=True):
    """Dropped alone, nothing of it was written.

    `version`: the stream is at `actual`. `claim`: `name` is held by `holder` (a stream). `read`: stream `name`
    moved on. `key`: the idempotency key was used for another request. `event`: an event id was used for other content.
    `too_large`: an entry has `actual` bytes.
    """

    reason: Literal["version", "claim", "read", "key", "event", "too_large"]
    detail: str
    name: str = ""
    holder: str = ""
    actual: int = 0


class Failed(Struct, frozen=True):
    """Dropped alone for a reason of its own, nothing of it was written: content without canonical bytes, a bug."""

    error: Exception


Result = Appended | Repeated | Conflict | Failed


class Head(Struct, frozen=True):
    """The end of an organisation's log; `recorded_at` never goes backwards."""

    position: int
    recorded_at: datetime | None


class Page(Struct, frozen=True):
    """Events in order, and the position scanned up to (also where a filter skipped everything)."""

    events: tuple[RecordedEvent, ...]
    position: int


class Snapshot(Struct, frozen=True, kw_only=True):
    """A folded state at a version; disposable. `fold` is the version of the folding code that made it."""

    stream: str
    version: int
    fold: int
    state: bytes


class StoreError(Exception):
    """The store could not do it and nothing was written; `code` is one of the published error codes."""

    def __init__(self, code: Literal["disk_full", "unavailable", "locked", "outcome_unknown"], message: str) -> None:
        super().__init__(message)
        self.code = code


class EventStore(Protocol):
    """An append-only log per organisation: dense positions in commit order, dense versions per stream."""

    async def append(self, batch: Sequence[Append]) -> list[Result]:
        """Write a batch in one transaction: each append whole, or dropped alone with its conflict.

        Later appends of the batch see the earlier ones. Entries are encoded here, with `recorded_at` =
        max(clock, the head's last). Answers only after the commit is durable; raises StoreError otherwise. An append
        that brings the transaction down fails alone, and the others are then written one by one.
        """
        ...

    async def head(self, organisation: str) -> Head:
        """The end of the log; position 0 for an organisation without events."""
        ...

    async def version(self, organisation: str, stream: str) -> int:
        """The version of a stream; 0 when it has no events."""
        ...

    async def read_stream(
        self, organisation: str, stream: str, *, after: int = 0, limit: int = 1_000, types: Sequence[str] = ()
    ) -> tuple[RecordedEvent, ...]:
        """The events of one stream with versions above `after`, in order."""
        ...

    async def read_log(
        self,
        organisation: str,
        *,
        after: int = 0,
        limit: int = 500,
        types: Sequence[str] = (),
        stream: str | None = None,
    ) -> Page:
        """The events of an organisation with positions above `after`, in order; a type may end in `.*`."""
        ...

    async def history(
        self, organisation: str, stream: str, *, after: int = 0, limit: int = 1_000
    ) -> tuple[Lived, ...]:  # fmt: skip
        """One stream as the fold takes it, from above a version on, in order."""
        ...

    async def recall(self, organisation: str, scope: str, key: str) -> KeyRecord | None:
        """What is remembered of an idempotency key."""
        ...

    async def holder(self, organisation: str, claim: str) -> str | None:
        """The stream that holds a claim."""
        ...

    async def load_snapshot(self, organisation: str, stream: str) -> Snapshot | None:
        """The newest snapshot of a stream."""
        ...

    async def save_snapshot(self, organisation: str, snapshot: Snapshot) -> None:
        """Keep a snapshot instead of the stream's older one."""
        ...


class Database(EventStore, Protocol):
    """An event store whose tables can be asked, and changed outside of any event."""

    async def query(self, sql: str, parameters: Sequence[Value] = (), /) -> Sequence[tuple[Value, ...]]:
        """The rows of a read-only statement."""
        ...

    async def write(self, rows: Sequence[RowChange]) -> None:
        """Change rows durably outside any event, in one transaction."""
        ...

    async def alone(self, work: Callable[[Any], T]) -> T:
        """Do a piece of work on the database in one transaction, while every writer waits."""
        ...
