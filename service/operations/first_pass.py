"""The first pass of a large verification in a process of its own, so that two cores work on it.

`python -m service.operations.first_pass` reads what is asked as JSON from its input and writes lines of JSON.
"""

import asyncio
import sys
from collections.abc import AsyncIterator

import msgspec
from msgspec import Struct

from service.audit.by_position import Elsewhere, Line, Verification, by_position
from service.collector import calm_collector
from service.operations.reading import beside
from service.settings import Settings, SettingsError

WORTH = 100_000
"""So many entries are worth another process; below it, starting one takes longer than it saves."""
LINE_LIMIT = 2**20


class Asked(Struct, frozen=True):
    """What the other process is to do."""

    database: str
    verification: Verification
    end: int


def elsewhere(database: str, wanted: Verification) -> Elsewhere:
    """The first pass over a database, done by another process."""
    return lambda end: _heard(Asked(database, wanted, end))


async def _heard(asked: Asked) -> AsyncIterator[Line]:
    command = (sys.executable, "-m", "service.operations.first_pass")
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, limit=LINE_LIMIT)
    if process.stdin is None or process.stdout is None:
        raise SettingsError("The first pass could not be started.")
    try:
        process.stdin.write(msgspec.json.encode(asked))
        process.stdin.close()
        async for raw in process.stdout:
            line: Line = msgspec.json.decode(raw)
            yield line
        if await process.wait():
            raise SettingsError("The process of the first pass failed; what it said stands above.")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _work(asked: Asked) -> None:
    async with beside(Settings(database=asked.database)) as database:
        if database is None:
            raise SettingsError(f"There is no database at {asked.database}.")
        async for line in by_position(database.query, asked.verification, asked.end):
            sys.stdout.buffer.write(msgspec.json.encode(line) + b"\n")
            sys.stdout.buffer.flush()


if __name__ == "__main__":
    with calm_collector():
        asyncio.run(_work(msgspec.json.decode(sys.stdin.buffer.read(), type=Asked)))
