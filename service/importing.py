"""Import: NDJSON of any size, a fact a line, refused lines reported and the others kept (RULINGS 8)."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from typing import IO, Any

import msgspec
from msgspec import Struct

from domain import commands as c
from domain.errors import DomainError
from events.store import Idempotency, StoreError
from service.api.facts import check_side, find_target, read_fact, split_target
from service.api.route import Call
from service.body import read_json
from service.errors import ServiceError
from service.handler import Asked, Outcome
from service.projections import partnerships as listed

LINE_LIMIT = 65_536
REFUSED_SHOWN = 10_000
UNDER_WAY = 512
"""How many lines may wait for the writer at once."""


class Summary(Struct, kw_only=True):
    """The last line of an import's answer."""

    lines: int = 0
    accepted: int = 0
    repeated: int = 0
    refused: int = 0
    last_position: int = 0


class Import:
    """One import: lines go to the writer in their order, answers are gathered as they become durable."""

    def __init__(self, call: Call, prefix: str | None, report: IO[bytes]) -> None:
        self._call = call
        self._prefix = prefix
        self._report = report
        self._pending: list[tuple[int, asyncio.Future[Outcome]]] = []
        self.summary = Summary()

    async def line(self, number: int, raw: bytes) -> None:
        """Take one line; a refused one never stops the others."""
        self.summary.lines += 1
        try:
            known, future = await self._submit(number, raw)
        except (ServiceError, DomainError) as error:
            self._refuse(number, error)
            return
        if known:
            self.summary.repeated += 1
        elif future is not None:
            self._pending.append((number, future))
        if len(self._pending) >= UNDER_WAY:
            await self.gather(UNDER_WAY // 2)

    async def _submit(self, number: int, raw: bytes) -> tuple[bool, asyncio.Future[Outcome] | None]:
        if len(raw) > LINE_LIMIT:
            raise ServiceError("too_large", f"A line takes at most {LINE_LIMIT} bytes; this one has {len(raw)}.")
        value = read_json(raw)
        given = value.pop("key", None) if isinstance(value, dict) else None
        if given is not None and not (isinstance(given, str) and 1 <= len(given) <= 255):  # noqa: PLR2004
            raise ServiceError("bad_shape", "key takes 1 to 255 characters.")
        target, fields = split_target(value)
        fact = read_fact(fields)
        check_side(self._call, fact)
        stream = listed.stream_of(await find_target(self._call, target))
        key = await self._key(given, number, raw)
        services, organisation = self._call.services, self._call.organisation
        if key is not None:
            record = await services.store.recall(organisation, key.scope, key.key)
            if record is not None:
                if record.digest != key.digest:
                    raise ServiceError("key_reused", f"Key {key.key!r} was used for another line.")
                return True, None
        asked = Asked(
            organisation=organisation, stream=stream, command=c.RecordFacts((fact,)), context=self._call.context,
            key=key, bulk=True,
        )  # fmt: skip
        return False, await services.handler.submit(asked)

    async def _key(self, given: str | None, number: int, raw: bytes) -> Idempotency | None:
        name = given or (f"{self._prefix}/{number}" if self._prefix else None)
        if name is None:
            return None
        digest = await self._call.services.vault.digest(self._call.organisation, b"line", raw.strip())
        return Idempotency(scope=f"import/{self._call.principal.key}", key=name, digest=digest, status=201)

    async def gather(self, most: int | None = None) -> None:
        """Wait for the oldest lines under way."""
        ready, self._pending = self._pending[:most], self._pending[most:] if most else []
        for number, future in ready:
            try:
                outcome = await future
            except (ServiceError, DomainError, StoreError) as error:
                self._refuse(number, error)
            else:
                self._count(outcome)

    def _count(self, outcome: Outcome) -> None:
        if outcome.repeated or outcome.replayed is not None:
            self.summary.repeated += 1
        else:
            self.summary.accepted += 1
        if outcome.events:
            self.summary.last_position = max(self.summary.last_position, outcome.events[-1].position)

    def _refuse(self, number: int, error: ServiceError | DomainError | StoreError) -> None:
        self.summary.refused += 1
        if self.summary.refused <= REFUSED_SHOWN:
            detail = error.detail if isinstance(error, ServiceError) else str(error)
            self._report.write(msgspec.json.encode({"line": number, "code": error.code, "detail": detail}) + b"\n")


async def split_lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Lines of a body that arrives in pieces; an endless line is cut behind its limit and refused by its length."""
    rest = b""
    async for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line
        rest = rest[: LINE_LIMIT + 1] if len(rest) > LINE_LIMIT else rest
    if rest:
        yield rest


async def run_import(call: Call, chunks: AsyncIterator[bytes], prefix: str | None) -> AsyncIterator[bytes]:
    """Import a body and answer refused lines, then the summary."""
    with tempfile.SpooledTemporaryFile(max_size=1_000_000) as report:
        work = Import(call, prefix, report)
        number = 0
        async for line in split_lines(chunks):
            number += 1
            if line.strip():
                await work.line(number, line)
        await work.gather()
        report.seek(0)
        while block := report.read(65_536):
            yield block
        yield msgspec.json.encode(work.summary) + b"\n"


def summary_of(lines: bytes) -> dict[str, Any]:
    """The summary at the end of an import's answer."""
    found: dict[str, Any] = msgspec.json.decode(lines.rstrip().rsplit(b"\n", 1)[-1])
    return found
