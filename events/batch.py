"""A batch of appends meets the log: who is written, who was written before, who loses.

Every store asks here under its head lock, so that all keep the same promises; a store only looks up and writes down.
"""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Protocol

from msgspec import Struct

from events.codec import UncanonicalError, canonical, decode, encode_entry
from events.envelope import NewEvent, RecordedEvent
from events.store import (
    ENTRY_LIMIT,
    Append,
    Appended,
    Conflict,
    Failed,
    Head,
    Idempotency,
    KeyRecord,
    Projection,
    Repeated,
    Result,
    RowChange,
)

Name = tuple[str, str]


class Known(Protocol):
    """What the log holds before the batch, asked once for all its appends; what is not there is left out."""

    def head(self, organisation: str) -> Head:
        """The end of the log."""

    def versions(self, organisation: str, streams: Collection[str]) -> dict[str, int]:
        """The versions of streams, 0 for a new one."""

    def holders(self, organisation: str, claims: Collection[str]) -> dict[str, str]:
        """The streams that hold claims."""

    def remembered(self, organisation: str, keys: Collection[Name]) -> dict[Name, KeyRecord]:
        """What is remembered of idempotency keys, each a scope and a key."""

    def found(self, organisation: str, ids: Collection[str]) -> dict[str, RecordedEvent]:
        """The events with these ids."""

    def span(self, organisation: str, position: int, count: int) -> tuple[RecordedEvent, ...]:
        """So many events from a position on."""


class Log(Struct):
    """One organisation's log as the batch leaves it."""

    position: int
    recorded_at: datetime
    versions: dict[str, int]
    claims: dict[str, str]
    keys: dict[Name, KeyRecord]
    events: dict[str, RecordedEvent]
    moved: bool = False


class Batch:
    """Appends in order, each seeing its predecessors; nothing that loses takes a position.

    What the store has to write down afterwards: `written`, the heads of `logs` that moved, `keys`, `claims`, `rows`.
    """

    def __init__(self, known: Known, clock: datetime, projections: Sequence[Projection] = ()) -> None:
        self._known = known
        self._clock = clock.astimezone(UTC)
        self._projections = projections
        self.logs: dict[str, Log] = {}
        self.written: list[tuple[str, RecordedEvent]] = []
        self.keys: list[tuple[str, Idempotency, KeyRecord]] = []
        self.claims: dict[Name, str | None] = {}
        self.rows: list[RowChange] = []

    def decide(self, appends: Sequence[Append]) -> list[Result]:
        """The result of each append."""
        for organisation in dict.fromkeys(append.organisation for append in appends):
            mine = [append for append in appends if append.organisation == organisation]
            self.logs[organisation] = self._look_up(organisation, mine)
        return [self._decide_one(append) for append in appends]

    def _look_up(self, organisation: str, appends: Sequence[Append]) -> Log:
        head = self._known.head(organisation)
        streams = {append.stream for append in appends}.union(name for append in appends for name, _ in append.reads)
        claims = {name for append in appends for name in (*append.takes, *append.frees)}
        keys = {(append.key.scope, append.key.key) for append in appends if append.key}
        return Log(
            position=head.position,
            recorded_at=max(self._clock, head.recorded_at or self._clock),
            versions=self._known.versions(organisation, streams),
            claims=self._known.holders(organisation, claims) if claims else {},
            keys=self._known.remembered(organisation, keys) if keys else {},
            events=self._known.found(organisation, [event.id for append in appends for event in append.events]),
        )

    def _decide_one(self, append: Append) -> Result:
        log = self.logs[append.organisation]
        return (
            self._repeated_key(log, append)
            or _repeated_events(log, append)
            or _moved(log, append)
            or _held(log, append)
            or self._write(log, append)
        )

    def _repeated_key(self, log: Log, append: Append) -> Result | None:
        record = log.keys.get((append.key.scope, append.key.key)) if append.key else None
        if append.key is None or record is None:
            return None
        if record.digest != append.key.digest:
            detail = f"Idempotency key {append.key.key!r} was used for another request; choose a new one."
            return Conflict("key", detail, append.key.key)
        return Repeated(self._span(append.organisation, record), record)

    def _span(self, organisation: str, record: KeyRecord) -> tuple[RecordedEvent, ...]:
        wanted = range(record.position, record.position + record.count)
        here = {event.position: event for owner, event in self.written if owner == organisation}
        if record.position in here:
            return tuple(here[position] for position in wanted)
        return self._known.span(organisation, record.position, record.count) if record.count else ()

    def _write(self, log: Log, append: Append) -> Result:
        try:
            events = _encode(log, append)
        except UncanonicalError as error:
            return Failed(error)
        for event in events:
            if len(event.entry) > ENTRY_LIMIT:
                detail = f"Event {event.id!r} has an entry of {len(event.entry)} bytes; at most {ENTRY_LIMIT} are kept."
                return Conflict("too_large", detail, event.id, actual=len(event.entry))
        rows = self._rows(append, events)
        self._advance(log, append, events)
        self._claim(log, append)
        self._remember(log, append)
        self.rows += rows
        return Appended(events)

    def _rows(self, append: Append, events: tuple[RecordedEvent, ...]) -> list[RowChange]:
        rows = list(append.rows)
        for new, event in zip(append.events, events, strict=True):
            for projection in self._projections:
                rows += projection(append.organisation, event, new.data)
        return rows

    def _advance(self, log: Log, append: Append, events: tuple[RecordedEvent, ...]) -> None:
        log.position += len(events)
        log.versions[append.stream] = append.expected + len(events)
        log.moved = log.moved or bool(events)
        for event in events:
            log.events[event.id] = event
            self.written.append((append.organisation, event))

    def _claim(self, log: Log, append: Append) -> None:
        for name in append.frees:
            if log.claims.get(name) == append.stream:
                del log.claims[name]
                self.claims[append.organisation, name] = None
        for name in append.takes:
            log.claims[name] = self.claims[append.organisation, name] = append.stream

    def _remember(self, log: Log, append: Append) -> None:
        if append.key is None:
            return
        count = len(append.events)
        position = log.position - count + 1 if count else 0
        record = KeyRecord(
            digest=append.key.digest, status=append.key.status, stream=append.stream, position=position, count=count
        )
        log.keys[append.key.scope, append.key.key] = record
        self.keys.append((append.organisation, append.key, record))


def _repeated_events(log: Log, append: Append) -> Result | None:
    ids = [event.id for event in append.events]
    recorded = [log.events[id_] for id_ in ids if id_ in log.events]
    if not recorded:
        return None if len(set(ids)) == len(ids) else Conflict("event", "An event id stands twice in one append.")
    for new in append.events:
        event = log.events.get(new.id)
        if event is None or event.stream != append.stream or not _same(new, event):
            detail = f"Event id {recorded[0].id!r} was used before, for another event or among others."
            return Conflict("event", detail, recorded[0].id)
    return Repeated(tuple(recorded))


def _same(new: NewEvent, recorded: RecordedEvent) -> bool:
    if new.occurred_at != recorded.occurred_at:
        return False
    stored = decode(recorded)
    return type(stored) is type(new.data) and canonical(stored) == canonical(new.data)


def _moved(log: Log, append: Append) -> Conflict | None:
    actual = log.versions[append.stream]
    if actual != append.expected:
        detail = f"Stream {append.stream!r} is at version {actual}, not {append.expected}; read it again."
        return Conflict("version", detail, append.stream, actual=actual)
    for stream, seen in append.reads:
        actual = log.versions[stream]
        if actual != seen:
            detail = f"Stream {stream!r} moved on from version {seen} to {actual}; decide again."
            return Conflict("read", detail, stream, actual=actual)
    return None


def _held(log: Log, append: Append) -> Conflict | None:
    for name in append.takes:
        holder = log.claims.get(name, append.stream)
        if holder != append.stream:
            return Conflict("claim", f"{name!r} is held by {holder!r}.", name, holder)
    return None


def _encode(log: Log, append: Append) -> tuple[RecordedEvent, ...]:
    return tuple(
        encode_entry(
            event, append.context, append.stream, append.expected + place, log.recorded_at, log.position + place
        )
        for place, event in enumerate(append.events, 1)
    )
