"""Verification: hashes of nothing but what is there, every decision taken again, every table derived anew (RULINGS 15).

Two passes over a log that may be written meanwhile: by position, then stream by stream, up to the end that was fixed at
the start. The work on the bytes is done beside the event loop.
"""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, ParamSpec, TypeVar

import msgspec
from msgspec import Struct

from domain.audit import Redecision, Step
from domain.events import Happened
from domain.partnership import FOLD, Partnership, fold
from events.codec import read_entry
from service.audit.entries import UNREADABLE, Entries, Finding, at_row
from service.audit.leaves import Leaves, read_leaves, signed_heads
from service.audit.models import Models
from service.audit.reading import Row, ahead, end_of, log_pages, streams
from service.projections import Query
from service.projections.all import MODELLED
from service.proofs.log_keys import log_verifiers
from service.proofs.tables import find_tree

DECIDED = ("stage.entered", "transition.refused")
_sorted = msgspec.json.Encoder(order="sorted").encode
_unpack = msgspec.msgpack.Decoder(Partnership).decode

Line = dict[str, Any]
P = ParamSpec("P")
T = TypeVar("T")


class Verification(Struct, kw_only=True):
    """What is to be verified."""

    organisation: str
    known_at: int | None = None
    """Up to what was recorded by this instant, in microseconds; None: the whole log."""
    strict: bool = False
    partnerships: frozenset[str] | None = None
    """Only these partnerships in the second pass; the first one always reads the whole log."""
    alone: bool = False
    """Whether nobody else waits for the event loop: the work is then done on it, and not beside it."""
    held: tuple[str, ...] = ()
    """Signed checkpoints that were kept outside the database."""


async def verify(query: Query, wanted: Verification) -> AsyncIterator[Line]:
    """Progress, findings as they come, and one result."""
    run = _Verifying(query, wanted, await end_of(query, wanted.organisation, wanted.known_at))
    for part in (run.by_position, run.by_stream, run.at_the_end):
        async for line in part():
            yield line
    yield run.result()


class _Verifying:
    """A verification under way."""

    def __init__(self, query: Query, wanted: Verification, end: int) -> None:
        self._query = query
        self._wanted = wanted
        self._end = end
        self._started = time.perf_counter()
        self._entries = Entries()
        self._models = Models(wanted.organisation)
        self._total = hashlib.sha256(f"fold {FOLD}\n".encode())
        self._divergences = 0

    async def by_position(self) -> AsyncIterator[Line]:
        """The first pass: every entry as it lies there."""
        tree = await find_tree(self._query, self._wanted.organisation)
        verifiers = [] if tree is None else await log_verifiers(self._query, self._wanted.organisation, tree)
        heads, unsigned = await signed_heads(self._query, self._wanted.organisation, self._wanted.held, verifiers)
        for each in unsigned:
            yield self._tell(each)
        leaves = Leaves(heads)
        async for page in ahead(log_pages(self._query, self._wanted.organisation, self._end)):
            tiles = await read_leaves(self._query, self._wanted.organisation, page)
            for each in await self._work(lambda: [*self._entries.check(page), *leaves.check(page, tiles)]):  # noqa: B023  # awaited at once
                yield self._tell(each)
            yield self._progress(page[-1].position)
        if self._wanted.known_at is None:
            for each in [*await _check_head(self._query, self._wanted, self._entries.position), *leaves.end()]:
                yield self._tell(each)

    async def by_stream(self) -> AsyncIterator[Line]:
        """The second pass: decisions, states, read models and snapshots."""
        seen, second = 0, None
        names = sorted(self._entries.streams)
        async for stream, page, last in ahead(streams(self._query, self._wanted.organisation, names, self._end)):
            second = second or _Stream(self._wanted, self._entries, stream)
            await self._work(second.take, page)
            seen += len(page)
            if not last:
                continue
            yield self._progress(self._end + seen)
            if second.wanted:
                for each in await self._end_of(second):
                    yield self._tell(each)
            second = None

    async def _end_of(self, second: "_Stream") -> list[Finding]:
        found = await self._work(second.end)
        if second.is_partnership:
            self._total.update(second.line())
        if self._wanted.known_at is None:
            found += await self._compare(second)
        return found

    async def _compare(self, second: "_Stream") -> list[Finding]:
        """Where tables and snapshots are not what the stream's events make of them."""
        if second.is_broken:
            return []
        made = await self._work(self._models.made, second.rows)
        found = await self._models.differences(self._query, made, second.stream)
        sql = "SELECT version, fold, state FROM snapshots WHERE organisation = ? AND stream = ?"
        for version, made_by, raw in await self._query(sql, (self._models.organisation, second.stream)):
            found += await self._work(second.compare_snapshot, int(str(version)), int(str(made_by)), raw)  # type: ignore[arg-type]  # the table is STRICT
        return found

    async def at_the_end(self) -> AsyncIterator[Line]:
        """Rows that nothing made."""
        if self._wanted.known_at is None and self._wanted.partnerships is None:
            for each in await self._models.surplus(self._query):
                yield self._tell(each)

    async def _work(self, work: Callable[P, T], *values: P.args, **named: P.kwargs) -> T:
        return work(*values, **named) if self._wanted.alone else await asyncio.to_thread(work, *values, **named)

    def result(self) -> Line:
        """What it came to."""
        return result_line(self._entries.position, self._divergences, self._started, self._total.hexdigest())

    def _tell(self, finding: Finding) -> Line:
        self._divergences += 1
        return {"finding": {name: value for name, value in msgspec.to_builtins(finding).items() if value is not None}}

    def _progress(self, position: int) -> Line:
        return {"progress": {"position": position, "of": 2 * self._end}}


def result_line(events: int, divergences: int, started: float, state_hash: str) -> Line:
    """The last line of an audit; `started` is of the performance counter."""
    return {
        "result": {
            "events": events, "ok": not divergences, "divergences": divergences,
            "seconds": round(time.perf_counter() - started, 3), "state_hash": state_hash,
        }
    }  # fmt: skip


async def _check_head(query: Query, wanted: Verification, position: int) -> list[Finding]:
    """The end that writers go on from is the end of the log."""
    rows = await query("SELECT position FROM heads WHERE organisation = ?", (wanted.organisation,))
    head = int(str(rows[0][0])) if rows else 0
    if head < position or (head > position and await _is_gone(query, wanted.organisation, position + 1)):
        return [
            Finding(
                code="head", position=position + 1, expected=f"entries up to {head}", found=f"entries up to {position}"
            )
        ]
    return []


async def _is_gone(query: Query, organisation: str, position: int) -> bool:
    """Whether an entry is missing that was not just written meanwhile."""
    return not await query("SELECT 1 FROM events WHERE organisation = ? AND position = ?", (organisation, position))


def state_line(identifier: str, state: Partnership) -> bytes:
    """A partnership's line of the state hash: its id and the SHA-256 of its state as JSON, all names sorted."""
    plain = _sorted(msgspec.to_builtins(state, str_keys=True))
    return f"{identifier} {hashlib.sha256(plain).hexdigest()}\n".encode()


class _Stream:
    """One stream in the second pass."""

    def __init__(self, wanted: Verification, entries: Entries, stream: str) -> None:
        self.stream = stream
        self.is_partnership = stream.startswith("partnership-")
        self.identifier = stream.removeprefix("partnership-") if self.is_partnership else None
        self.wanted = wanted.partnerships is None or self.identifier in wanted.partnerships
        self._adopted = entries.adopted
        self._again = Redecision(entries.adopted.policies, strict=wanted.strict)
        self._positions: list[int] = []
        self._history: list[Happened] = []
        self._unreadable: list[Finding] = []
        self.is_broken = False
        self.rows: list[Row] = []

    def take(self, page: list[Row]) -> None:
        """Take the next rows: decisions are taken again, states folded."""
        if not self.wanted:
            return
        self.rows += [row for row in page if row.type in MODELLED]
        if not self.is_partnership:
            return
        for row in page:
            try:
                happened = row.happened()
                at = read_entry(row.entry).decided_at if row.type in DECIDED else None
            except UNREADABLE as error:
                self.is_broken = True
                self._unreadable.append(at_row(row, "data", f"the fields of {row.type}", str(error)))
                continue
            self._positions.append(row.position)
            self._history.append(happened)
            if not self.is_broken:
                self._again.take(Step(happened, at, self._adopted.in_force(row.position)))

    def end(self) -> list[Finding]:
        """Where decisions come out otherwise."""
        if self.is_broken or not self.is_partnership:
            return self._unreadable
        return [self._at(each.version, each.code, each.expected, each.found) for each in self._again.end()]

    def line(self) -> bytes:
        """The partnership's line of the state hash."""
        return state_line(str(self.identifier), self._again.state)

    def compare_snapshot(self, version: int, made_by: int, raw: bytes) -> list[Finding]:
        """Whether a stored snapshot is the fold of what it stands for; one of an older fold is read by nobody."""
        if self.is_broken or made_by != FOLD:
            return []
        if not 0 < version <= len(self._history):
            return [self._at(version, "snapshot", f"a version up to {len(self._history)}", str(version))]
        try:
            same = _unpack(raw) == fold(self._history[:version])
        except (msgspec.DecodeError, msgspec.ValidationError) as error:
            return [self._at(version, "snapshot", "a folded state", str(error))]
        return [] if same else [self._at(version, "snapshot", "the fold of its events", "another state")]

    def _at(self, version: int, code: str, expected: str, found: str) -> Finding:
        position = self._positions[version - 1] if 0 < version <= len(self._positions) else None
        return Finding(
            code=code, position=position, partnership=self.identifier, stream=self.stream, version=version,
            expected=expected, found=found,
        )  # fmt: skip
