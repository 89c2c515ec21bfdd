"""Folded states at hand: from the cache, else from the newest snapshot and the tail of the stream, else from the start."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from functools import partial
from typing import TypeVar

import msgspec

from domain.events import FactRetracted, Happened
from domain.partnership import FOLD, Partnership, fold
from events.codec import happened
from events.envelope import RecordedEvent
from events.snapshots import StateCache
from events.store import EventStore, Snapshot

PAGE = 1_000
SNAPSHOT_EVERY = 500

T = TypeVar("T", Happened, RecordedEvent)

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(Partnership).decode


class States:
    """Loads and keeps partnerships; what it hands out is to be treated as frozen."""

    def __init__(self, store: EventStore, most: int = 10_000) -> None:
        self._store = store
        self._cache: StateCache[Partnership] = StateCache(most)
        self._snapshots: StateCache[int] = StateCache(most)

    async def load(self, organisation: str, stream: str) -> Partnership:
        """The state of a stream now; version 0 where it has no events."""
        state = self._cache.get(organisation, stream)
        if state is None:
            state = await self._fold(organisation, stream)
            self._cache.put(organisation, stream, state)
        return state

    def at_hand(self, organisation: str, stream: str) -> Partnership | None:
        """The state where it need not be loaded."""
        return self._cache.get(organisation, stream)

    def known(self, organisation: str, stream: str) -> bool:
        """Whether a state is at hand, so that the partnership needs no looking up."""
        state = self.at_hand(organisation, stream)
        return state is not None and state.version > 0

    async def _fold(self, organisation: str, stream: str) -> Partnership:
        snapshot = await self._store.load_snapshot(organisation, stream)
        if snapshot is None or snapshot.fold != FOLD:
            return fold(await self.past(organisation, stream))
        tail = await self.past(organisation, stream, after=snapshot.version)
        # A retraction reaches back behind the snapshot: only the whole stream knows the state without the fact.
        if any(isinstance(each.data, FactRetracted) for each in tail):
            return fold(await self.past(organisation, stream))
        self._snapshots.put(organisation, stream, snapshot.version)
        return fold(tail, _unpack(snapshot.state))

    async def past(self, organisation: str, stream: str, after: int = 0) -> list[Happened]:
        """The stream as the fold takes it."""
        return await _every(partial(self._store.history, organisation, stream), after)

    async def recorded(self, organisation: str, stream: str, after: int = 0) -> list[RecordedEvent]:
        """The stream's entries, page by page."""
        return await _every(partial(self._store.read_stream, organisation, stream), after)

    def keep(self, organisation: str, stream: str, state: Partnership) -> None:
        """Keep the state that a committed decision left."""
        self._cache.put(organisation, stream, state)

    def evict(self, organisation: str, stream: str) -> None:
        """Forget a state that may not be the stored one."""
        self._cache.evict(organisation, stream)

    def worth_a_snapshot(self, organisation: str, stream: str, state: Partnership) -> bool:
        """Whether enough has happened since the last snapshot; true once for each."""
        last = self._snapshots.get(organisation, stream) or 0
        if state.version - last < SNAPSHOT_EVERY:
            return False
        self._snapshots.put(organisation, stream, state.version)
        return True

    async def snapshot(self, organisation: str, stream: str, state: Partnership) -> None:
        """Save a snapshot."""
        saved = Snapshot(stream=stream, version=state.version, fold=FOLD, state=_pack(state))
        await self._store.save_snapshot(organisation, saved)

    async def at(
        self, organisation: str, stream: str, as_of: datetime | None, known_at: datetime | None
    ) -> Partnership:
        """The state by two clocks: only what was true by `as_of`, using only what was recorded by `known_at`."""
        if as_of is None and known_at is None:
            return await self.load(organisation, stream)
        recorded = await self.recorded(organisation, stream)
        return fold(two_clocks(recorded, as_of, known_at))


async def _every(read: Callable[..., Awaitable[Sequence[T]]], after: int) -> list[T]:
    """What a stream holds from above a version on, read page by page."""
    found: list[T] = []
    while page := await read(after=after, limit=PAGE):
        found += page
        after = page[-1].version
        if len(page) < PAGE:
            break
    return found


def two_clocks(
    recorded: Sequence[RecordedEvent], as_of: datetime | None, known_at: datetime | None,
    read: Callable[[RecordedEvent], T] = happened,  # type: ignore[assignment]  # the fold's form, unless another is asked
) -> list[T]:  # fmt: skip
    """What was true by `as_of` and recorded by `known_at`; a retraction says that its fact was never true."""
    return [
        read(each)
        for each in recorded
        if (known_at is None or each.recorded_at <= known_at)
        and (as_of is None or each.occurred_at <= as_of or each.type == FactRetracted.type)
    ]
