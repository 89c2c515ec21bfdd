"""A log in memory with the promises of the real ones, but for durability; for tests."""

import asyncio
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from datetime import datetime

from events.batch import Batch, Name
from events.codec import Lived, happened, named
from events.envelope import RecordedEvent
from events.store import (
    Append,
    Change,
    Failed,
    Head,
    KeyRecord,
    Page,
    Projection,
    Put,
    Remove,
    Result,
    RowChange,
    Snapshot,
    Value,
)

Row = dict[str, Value]
Key = frozenset[tuple[str, Value]]


class _Log:
    """One organisation's log."""

    def __init__(self) -> None:
        self.events: list[RecordedEvent] = []
        self.streams: dict[str, list[RecordedEvent]] = defaultdict(list)
        self.ids: dict[str, RecordedEvent] = {}
        self.claims: dict[str, str] = {}
        self.keys: dict[Name, KeyRecord] = {}
        self.snapshots: dict[str, Snapshot] = {}

    def add(self, event: RecordedEvent) -> None:
        self.events.append(event)
        self.streams[event.stream].append(event)
        self.ids[event.id] = event


class _Known:
    """What the logs hold, as a batch asks for it."""

    def __init__(self, logs: dict[str, _Log]) -> None:
        self._logs = logs

    def head(self, organisation: str) -> Head:
        events = self._logs[organisation].events
        return Head(len(events), events[-1].recorded_at if events else None)

    def versions(self, organisation: str, streams: Collection[str]) -> dict[str, int]:
        return {stream: len(self._logs[organisation].streams.get(stream, ())) for stream in streams}

    def holders(self, organisation: str, claims: Collection[str]) -> dict[str, str]:
        held = self._logs[organisation].claims
        return {name: held[name] for name in claims if name in held}

    def remembered(self, organisation: str, keys: Collection[Name]) -> dict[Name, KeyRecord]:
        kept = self._logs[organisation].keys
        return {key: kept[key] for key in keys if key in kept}

    def found(self, organisation: str, ids: Collection[str]) -> dict[str, RecordedEvent]:
        recorded = self._logs[organisation].ids
        return {id_: recorded[id_] for id_ in ids if id_ in recorded}

    def span(self, organisation: str, position: int, count: int) -> tuple[RecordedEvent, ...]:
        return tuple(self._logs[organisation].events[position - 1 : position - 1 + count])


class MemoryStore:
    """An EventStore that forgets everything when it goes; see events/store.py for what it promises."""

    def __init__(self, clock: Callable[[], datetime], projections: Sequence[Projection] = ()) -> None:
        self._clock = clock
        self._projections = projections
        self._logs: dict[str, _Log] = defaultdict(_Log)
        self._known = _Known(self._logs)
        self._tables: dict[str, dict[Key, Row]] = defaultdict(dict)

    def rows(self, table: str) -> list[Row]:
        """The rows of a table, in the order in which they came."""
        return [dict(row) for row in self._tables[table].values()]

    async def append(self, batch: Sequence[Append]) -> list[Result]:
        """Write a batch at once, or one by one where it cannot be written together."""
        await asyncio.sleep(0)  # other tasks get their turn, as with a real store
        try:
            return self._write_batch(batch)
        except Exception as error:  # noqa: BLE001 (kept in the result)
            return [Failed(error)] if len(batch) == 1 else [self._append_alone(append) for append in batch]

    def _append_alone(self, append: Append) -> Result:
        try:
            return self._write_batch([append])[0]
        except Exception as error:  # noqa: BLE001 (kept in the result)
            return Failed(error)

    def _write_batch(self, batch: Sequence[Append]) -> list[Result]:
        decided = Batch(self._known, self._clock(), self._projections)
        results = decided.decide(batch)
        self._change_rows(decided.rows)
        for organisation, event in decided.written:
            self._logs[organisation].add(event)
        for organisation, key, record in decided.keys:
            self._logs[organisation].keys[key.scope, key.key] = record
        for (organisation, name), stream in decided.claims.items():
            self._claim(organisation, name, stream)
        return results

    def _claim(self, organisation: str, name: str, stream: str | None) -> None:
        claims = self._logs[organisation].claims
        if stream is None:
            claims.pop(name, None)
        else:
            claims[name] = stream

    async def write(self, rows: Sequence[RowChange]) -> None:
        """Change rows outside any event."""
        await asyncio.sleep(0)
        self._change_rows(rows)

    def _change_rows(self, rows: Sequence[RowChange]) -> None:
        for change in rows:
            _change_row(self._tables[change.table], change)

    async def head(self, organisation: str) -> Head:
        """The end of the log; position 0 for an organisation without events."""
        await asyncio.sleep(0)
        return self._known.head(organisation)

    async def version(self, organisation: str, stream: str) -> int:
        """The version of a stream; 0 when it has no events."""
        await asyncio.sleep(0)
        return self._known.versions(organisation, [stream])[stream]

    async def read_stream(
        self, organisation: str, stream: str, *, after: int = 0, limit: int = 1_000, types: Sequence[str] = ()
    ) -> tuple[RecordedEvent, ...]:
        """The events of one stream with versions above `after`, in order."""
        await asyncio.sleep(0)
        events = self._logs[organisation].streams.get(stream, [])[after:]
        return tuple(_of_types(events, types)[:limit])

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
        await asyncio.sleep(0)
        log = self._logs[organisation]
        among = log.events if stream is None else log.streams.get(stream, [])
        first = bisect_right(among, after, key=lambda event: event.position)
        events = tuple(_of_types(among[first:], types)[:limit])
        last = events[-1].position if events else after
        return Page(events, last if len(events) >= limit else max(last, len(log.events)))

    async def history(
        self, organisation: str, stream: str, *, after: int = 0, limit: int = 1_000
    ) -> tuple[Lived, ...]:  # fmt: skip
        """One stream as the fold takes it, from above a version on, in order."""
        events = await self.read_stream(organisation, stream, after=after, limit=limit)
        return tuple(map(happened, events))

    async def recall(self, organisation: str, scope: str, key: str) -> KeyRecord | None:
        """What is remembered of an idempotency key."""
        await asyncio.sleep(0)
        return self._logs[organisation].keys.get((scope, key))

    async def holder(self, organisation: str, claim: str) -> str | None:
        """The stream that holds a claim."""
        await asyncio.sleep(0)
        return self._logs[organisation].claims.get(claim)

    async def load_snapshot(self, organisation: str, stream: str) -> Snapshot | None:
        """The newest snapshot of a stream."""
        await asyncio.sleep(0)
        return self._logs[organisation].snapshots.get(stream)

    async def save_snapshot(self, organisation: str, snapshot: Snapshot) -> None:
        """Keep a snapshot instead of the stream's older one."""
        await asyncio.sleep(0)
        kept = self._logs[organisation].snapshots.get(snapshot.stream)
        if kept is None or kept.version <= snapshot.version or kept.fold != snapshot.fold:
            self._logs[organisation].snapshots[snapshot.stream] = snapshot


def _of_types(events: list[RecordedEvent], types: Sequence[str]) -> list[RecordedEvent]:
    wanted = set(named(types))
    return [event for event in events if event.type in wanted] if types else events


def _change_row(table: dict[Key, Row], change: RowChange) -> None:
    identity = frozenset(change.key.items())
    mine = [identity] if identity in table else [key for key, row in table.items() if identity <= row.items()]
    match change:
        case Put() if not mine:
            table[identity] = {**change.key, **change.values}
        case Put() | Change():
            for key in mine:
                table[key].update(change.values)
        case Remove():
            for key in mine:
                del table[key]
