"""Verification: hashes of nothing but what is there, every decision taken again, every table derived anew (RULINGS 15).

Two passes over a log that may be written meanwhile: by position, then stream by stream, up to the end that was fixed at
the start. The work on the bytes is done beside the event loop, or on it where nobody else waits for it.
"""

import hashlib
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from itertools import groupby
from operator import attrgetter

import msgspec

from domain.audit import Redecision, Step
from domain.partnership import FOLD, Partnership, fold
from events.codec import read_entry
from service.audit.by_position import Elsewhere, Line, Verification, by_position, finding_line, progress_line
from service.audit.entries import BROKEN, Entries, Finding, unreadable
from service.audit.models import Models
from service.audit.reading import (
    Row,
    ahead,
    end_of,
    log_pages,
    pages_by_stream,
    policy_rows,
    stream_pages,
    together,
)
from service.projections import Query
from service.projections.all import MODELLED
from service.projections.partnerships import partnership_in

DECIDED = ("stage.entered", "transition.refused")
ENTIRE = MODELLED.union(DECIDED)
"""Types of which more is needed than the fold takes."""
_sorted = msgspec.json.Encoder(order="sorted").encode
_unpack = msgspec.msgpack.Decoder(Partnership).decode

ATTEMPTS = 5
"""How often a table is compared again where its partnership goes on meanwhile."""
LAST = 2**53 - 1
"""Beyond every position."""


async def verify(query: Query, wanted: Verification, elsewhere: Elsewhere | None = None) -> AsyncIterator[Line]:
    """Progress, findings as they come, and one result; the first pass may be done elsewhere at the same time."""
    run = _Verifying(query, wanted, await end_of(query, wanted.organisation, wanted.known_at))
    async with aclosing(together(*await run.passes(elsewhere))) as lines:
        async for line in lines:
            yield line
    async for line in run.at_the_end():
        yield line
    yield run.result()


async def _in_turn(*parts: AsyncIterator[Line]) -> AsyncIterator[Line]:
    for part in parts:
        async for line in part:
            yield line


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
        self._open: _Stream | None = None
        """The stream that the second pass is in."""
        self._read = 0

    async def passes(self, elsewhere: Elsewhere | None) -> list[AsyncIterator[Line]]:
        """Both passes: one after the other, or at once where the first one is done elsewhere."""
        if elsewhere is None:
            first = by_position(self._query, self._wanted, self._end, self._entries)
            return [_in_turn(self._heard(first), self._by_stream())]
        # The second learns beforehand what it otherwise takes from the first.
        self._entries.expect(await policy_rows(self._query, self._wanted.organisation))
        return [self._heard(elsewhere(self._end)), self._by_stream()]

    async def _heard(self, lines: AsyncIterator[Line]) -> AsyncIterator[Line]:
        """What the first pass says."""
        async for line in lines:
            self._read = line.get("read", self._read)
            self._divergences += "finding" in line
            if "read" not in line:
                yield line

    async def _by_stream(self) -> AsyncIterator[Line]:
        """The second pass: decisions, states, read models and snapshots."""
        seen = 0
        async for page in ahead(pages_by_stream(self._query, self._wanted.organisation, self._end)):
            seen += len(page)
            for each in await self._end_of(await self._wanted.work(self._take, page)):
                yield self._tell(each)
            yield progress_line(self._end + seen, self._end)
        for each in await self._end_of([] if self._open is None else [self._open]):
            yield self._tell(each)

    def _take(self, page: Sequence[Row]) -> list["_Stream"]:
        """Take the next rows; the streams that have ended before the last of them."""
        ended = []
        for stream, rows in groupby(page, attrgetter("stream")):
            if self._open is None or self._open.stream != stream:
                ended += [] if self._open is None else [self._open]
                self._open = _Stream(self._wanted, self._entries, stream)
            self._open.take(list(rows))
        return ended

    async def _end_of(self, ended: Sequence["_Stream"]) -> list[Finding]:
        wanted = [each for each in ended if each.wanted]
        found = await self._wanted.work(self._finish, wanted)
        if self._wanted.known_at is None:
            found += await self._compare([each for each in wanted if not each.is_broken])
        return found

    def _finish(self, ended: Sequence["_Stream"]) -> list[Finding]:
        for each in ended:
            if each.is_partnership:
                self._total.update(each.line())
        return [finding for each in ended for finding in each.end()]

    async def _compare(self, ended: Sequence["_Stream"]) -> list[Finding]:
        """Where tables and snapshots are not what the streams' events make of them, those of meanwhile included."""
        made = await self._wanted.work(lambda: {each.stream: self._models.made(each.rows) for each in ended})
        for rows in made.values():
            self._models.count(rows)
        found = await self._models.differences(self._query, made)
        differing = [await self._compare_again(each, found[each.stream]) for each in ended if each.stream in found]
        return [finding for some in differing for finding in some] + await self._compare_snapshots(ended)

    async def _compare_again(self, second: "_Stream", found: list[Finding]) -> list[Finding]:
        """What still differs once the events are taken in that were recorded while the log was read."""
        newest = second.version
        for _ in range(ATTEMPTS):
            if not found or not (later := await self._since(second.stream, newest)):
                break
            newest = later[-1].version
            second.rows += [row for row in later if row.type in MODELLED]
            made = {second.stream: await self._wanted.work(self._models.made, second.rows)}
            found = (await self._models.differences(self._query, made)).get(second.stream, [])
        return found

    async def _since(self, stream: str, version: int) -> list[Row]:
        """What was recorded of a stream while the log was read."""
        pages = stream_pages(self._query, self._wanted.organisation, stream, LAST, after=version)
        return [row async for page in pages for row in page]

    async def _compare_snapshots(self, ended: Sequence["_Stream"]) -> list[Finding]:
        found: list[Finding] = []
        streams = {each.stream: each for each in ended}
        which = ", ".join("?" * len(streams))
        sql = f"""
            SELECT stream, version, fold, state FROM snapshots WHERE organisation = ? AND stream IN ({which})
            ORDER BY stream, version
        """  # noqa: S608  # marks alone
        for stream, version, made_by, raw in await self._query(sql, (self._models.organisation, *streams)):
            second, number = streams[str(stream)], int(str(version))
            if number > second.version and await self._since(second.stream, number - 1):
                continue  # saved meanwhile
            found += await self._wanted.work(second.compare_snapshot, number, int(str(made_by)), raw)  # type: ignore[arg-type]  # the table is STRICT
        return found

    async def at_the_end(self) -> AsyncIterator[Line]:
        """Rows that nothing made, or may have made meanwhile."""
        if self._wanted.known_at is None and self._wanted.partnerships is None:
            served = await self._models.served(self._query)
            async for page in log_pages(self._query, self._wanted.organisation, LAST, after=self._end):
                self._models.count_later(page)
            for each in self._models.surplus(served):
                yield self._tell(each)

    def result(self) -> Line:
        """What it came to."""
        return result_line(self._read, self._divergences, self._started, self._total.hexdigest())

    def _tell(self, finding: Finding) -> Line:
        self._divergences += 1
        return finding_line(finding)


def result_line(events: int, divergences: int, started: float, state_hash: str) -> Line:
    """The last line of an audit; `started` is of the performance counter."""
    return {
        "result": {
            "events": events, "ok": not divergences, "divergences": divergences,
            "seconds": round(time.perf_counter() - started, 3), "state_hash": state_hash,
        }
    }  # fmt: skip


def state_line(identifier: str, state: Partnership) -> bytes:
    """A partnership's line of the state hash: its id and the SHA-256 of its state as JSON, all names sorted."""
    plain = _sorted(msgspec.to_builtins(state, str_keys=True))
    return f"{identifier} {hashlib.sha256(plain).hexdigest()}\n".encode()


class _Stream:
    """One stream in the second pass."""

    def __init__(self, wanted: Verification, entries: Entries, stream: str) -> None:
        self.stream = stream
        self.identifier = partnership_in(stream)
        self.is_partnership = self.identifier is not None
        self.wanted = wanted.partnerships is None or self.identifier in wanted.partnerships
        self._adopted = entries.adopted
        self._again = Redecision(entries.adopted.policies, strict=wanted.strict)
        self._strict = wanted.strict
        self._version = 0
        self._positions: list[int] = []
        self._unreadable: list[Finding] = []
        self.is_broken = False
        self.rows: list[Row] = []

    @property
    def version(self) -> int:
        """How many of its events were read."""
        return self._version

    def take(self, page: Sequence[Row]) -> None:
        """Take the next rows: decisions are taken again, states folded."""
        self._version = page[-1].version
        if not self.wanted:
            return
        modelled = [row for row in page if row.type in MODELLED]
        self.rows += modelled
        for row in page if self.is_partnership else modelled:
            try:
                happened = row.happened()
                at = read_entry(row.entry).decided_at if row.type in ENTIRE else None
                if self.is_broken or not self.is_partnership:
                    continue
                self._positions.append(row.position)
                if self._strict or row.type in DECIDED:
                    self._again.take(Step(happened, at, self._adopted.in_force(row.position)))
                else:
                    self._again.evolve(happened)
            except BROKEN as error:
                self.is_broken = True
                # What is wrong in a stream of another kind is told by the first pass.
                self._unreadable += [unreadable(row, error)] if self.is_partnership else []

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
        if not 0 < version <= len(self._again.history):
            return [self._at(version, "snapshot", f"a version up to {len(self._again.history)}", str(version))]
        try:
            same = _unpack(raw) == fold(self._again.history[:version])
        except (msgspec.DecodeError, msgspec.ValidationError) as error:
            return [self._at(version, "snapshot", "a folded state", str(error))]
        return [] if same else [self._at(version, "snapshot", "the fold of its events", "another state")]

    def _at(self, version: int, code: str, expected: str, found: str) -> Finding:
        position = self._positions[version - 1] if 0 < version <= len(self._positions) else None
        return Finding(
            code=code, position=position, partnership=self.identifier, stream=self.stream, version=version,
            expected=expected, found=found,
        )  # fmt: skip
