"""Import: NDJSON of any size, a fact a line, refused lines reported and the others kept (RULINGS 8)."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from typing import IO

import msgspec
from msgspec import Struct

from domain import commands as c
from domain.errors import DomainError
from events.store import Idempotency, StoreError
from service.api.facts import find_target, read_fact, split_target
from service.api.route import Call
from service.api.sides import check_side
from service.asked import Asked, Outcome
from service.body import read_json
from service.errors import ServiceError
from service.projections import partnerships as listed

LINE_LIMIT = 65_536
REFUSED_SHOWN = 10_000
UNDER_WAY = 512
"""How many lines may wait for the writer at once."""
BLOCK = 200
"""How many lines are read before their keys are looked up together."""


class Summary(Struct, kw_only=True):
    """The last line of an import's answer."""

    lines: int = 0
    accepted: int = 0
    repeated: int = 0
    refused: int = 0
    last_position: int = 0


class Line(Struct, frozen=True, kw_only=True):
    """One line that can be read: what it says, of which partnership, and its key."""

    number: int
    stream: str
    fact: c.Fact
    key: Idempotency | None


class Import:
    """One import: lines go to the writer in their order, answers are gathered as they become durable."""

    def __init__(self, call: Call, prefix: str | None, report: IO[bytes], *, every: bool = False) -> None:
        self._call = call
        self._every = every
        self._prefix = prefix
        self._report = report
        self._pending: list[tuple[int, asyncio.Future[Outcome]]] = []
        self.summary = Summary()

    async def take(self, block: list[tuple[int, bytes]]) -> None:
        """Take some lines; a refused one never stops the others."""
        self.summary.lines += len(block)
        lines: list[Line] = []
        for number, raw in block:
            try:
                lines.append(await self._read(number, raw))
            except (ServiceError, DomainError) as error:
                self._refuse(number, error)
        known = await self._known(lines)
        for line in lines:
            await self._submit(line, known)
        await self.gather(len(self._pending) - UNDER_WAY)

    async def _read(self, number: int, raw: bytes) -> Line:
        if len(raw) > LINE_LIMIT:
            raise ServiceError("too_large", f"A line takes at most {LINE_LIMIT} bytes; this one has more.")
        value = read_json(raw)
        given = value.pop("key", None) if isinstance(value, dict) else None
        if given is not None and not (isinstance(given, str) and 1 <= len(given) <= 255):  # noqa: PLR2004
            raise ServiceError("bad_shape", "key takes 1 to 255 characters.")
        target, fields = split_target(value)
        fact = read_fact(fields)
        stream = listed.stream_of(await find_target(self._call, target))
        await check_side(self._call, stream, fact)
        return Line(number=number, stream=stream, fact=fact, key=await self._key(given, number, raw))

    async def _key(self, given: str | None, number: int, raw: bytes) -> Idempotency | None:
        name = given or (f"{self._prefix}/{number}" if self._prefix else None)
        if name is None:
            return None
        digest = await self._call.services.vault.digest(self._call.organisation, b"line", raw.strip())
        return Idempotency(scope=f"import/{self._call.principal.key}", key=name, digest=digest, status=201)

    async def _known(self, lines: list[Line]) -> dict[str, tuple[bytes, int, int]]:
        """(digest, first position, count of events) of the lines' keys that were used before."""
        keys = [line.key for line in lines if line.key is not None]
        if not keys:
            return {}
        marks = ", ".join("?" * len(keys))
        sql = f"SELECT key, digest, position, count FROM idempotency WHERE organisation = ? AND scope = ? AND key IN ({marks})"  # noqa: S608  # only marks
        scope = (self._call.organisation, keys[0].scope)
        found = await self._call.services.query(sql, (*scope, *(key.key for key in keys)))
        return {row[0]: row[1:] for row in found}  # type: ignore[misc]  # the columns' own types

    async def _submit(self, line: Line, known: dict[str, tuple[bytes, int, int]]) -> None:
        if line.key is not None and line.key.key in known:
            self._repeat(line.number, line.key, *known[line.key.key])
            return
        asked = Asked(
            organisation=self._call.organisation, stream=line.stream, command=c.RecordFacts((line.fact,)),
            context=self._call.context, key=line.key, bulk=True,
        )  # fmt: skip
        self._pending.append((line.number, await self._call.services.handler.submit(asked)))

    def _repeat(self, number: int, key: Idempotency, digest: bytes, position: int, count: int) -> None:
        if digest != key.digest:
            self._refuse(number, ServiceError("key_reused", f"Key {key.key!r} was used for another line."))
            return
        self._tell(number, "repeated", position)
        self.summary.repeated += 1
        self.summary.last_position = max(self.summary.last_position, position + count - 1)

    async def gather(self, most: int) -> None:
        """Wait for the oldest lines under way."""
        ready, self._pending = self._pending[: max(most, 0)], self._pending[max(most, 0) :]
        for number, future in ready:
            try:
                outcome = await future
            except (ServiceError, DomainError, StoreError) as error:
                self._refuse(number, error)
            else:
                self._count(number, outcome)

    def _tell(self, number: int, status: str, position: int | None = None) -> None:
        if self._every:
            told = {"line": number, "status": status} | ({} if position is None else {"position": position})
            self._report.write(msgspec.json.encode(told) + b"\n")

    def _count(self, number: int, outcome: Outcome) -> None:
        position = outcome.events[0].position if outcome.events else None
        if outcome.repeated or outcome.replayed is not None:
            self._tell(number, "repeated", position)
            self.summary.repeated += 1
        else:
            self._tell(number, "accepted", position)
            self.summary.accepted += 1
        if outcome.events:
            self.summary.last_position = max(self.summary.last_position, outcome.events[-1].position)

    def _refuse(self, number: int, error: ServiceError | DomainError | StoreError) -> None:
        self.summary.refused += 1
        if self._every or self.summary.refused <= REFUSED_SHOWN:
            detail = error.detail if isinstance(error, ServiceError) else str(error)
            self._report.write(
                msgspec.json.encode({"line": number, "status": "refused", "code": error.code, "detail": detail}) + b"\n"
            )


class Lines:
    """Lines of a body that arrives in pieces; an endless line is cut behind its limit and refused by its length."""

    def __init__(self) -> None:
        self._rest = b""
        self._number = 0

    def feed(self, chunk: bytes) -> list[tuple[int, bytes]]:
        """The lines that a piece completes, numbered from 1, blank ones left out."""
        *whole, rest = (self._rest + chunk).split(b"\n")
        self._rest = rest[: LINE_LIMIT + 1]
        return self._numbered(whole)

    def end(self) -> list[tuple[int, bytes]]:
        """The last line, where no newline ends it."""
        rest, self._rest = self._rest, b""
        return self._numbered([rest])

    def _numbered(self, lines: list[bytes]) -> list[tuple[int, bytes]]:
        first = self._number + 1
        self._number += len(lines)
        return [(number, line) for number, line in enumerate(lines, first) if line.strip()]


async def run_import(
    call: Call, chunks: AsyncIterator[bytes], prefix: str | None, *, every: bool = False
) -> AsyncIterator[bytes]:
    """Import a body and answer refused lines, then the summary; with `every`, each line as soon as it is durable."""
    with tempfile.SpooledTemporaryFile(max_size=1_000_000) as report:
        work, lines = Import(call, prefix, report, every=every), Lines()
        try:
            async for chunk in chunks:
                await _take(work, lines.feed(chunk))
                if every:
                    await work.gather(UNDER_WAY + BLOCK)
                    yield _drained(report)
        except ServiceError:  # the body was cut: it is answered when what was read is durable
            await work.gather(UNDER_WAY + BLOCK)
            raise
        await _take(work, lines.end())
        await work.gather(UNDER_WAY + BLOCK)
        yield _drained(report)
        yield msgspec.json.encode(work.summary) + b"\n"


async def _take(work: Import, lines: list[tuple[int, bytes]]) -> None:
    for start in range(0, len(lines), BLOCK):
        await work.take(lines[start : start + BLOCK])


def _drained(report: IO[bytes]) -> bytes:
    report.seek(0)
    told = report.read()
    report.seek(0)
    report.truncate()
    return told
