"""What is done with the log and its tables."""

import asyncio
import os
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import msgspec

from service import doctor
from service.app import running
from service.doctor import Finding
from service.operations.keys_file import restore_beside, restore_vault
from service.operations.progress import progress
from service.operations.reach import answered, client, reached
from service.operations.reading import beside
from service.rebuilding import look_again
from service.restoring import LINE_LIMIT, restore_log
from service.settings import Settings

TRIES = 300
"""How often a head is asked for while its tree grows: a server waits two seconds each time, so ten minutes."""
PAUSE = 0.05
"""Seconds between two tries: another process may need the server too."""


async def import_file(settings: Settings, file: Path, **wanted: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:  # noqa: ANN401  # click's options
    """(refused lines, summary) of an import."""
    headers = {"Content-Type": "application/x-ndjson"}
    if wanted.get("prefix"):
        headers["Idempotency-Key"] = wanted["prefix"]
    if wanted.get("url"):
        headers["Authorization"] = f"Bearer {wanted.get('key') or ''}"
        async with reached(wanted["url"], {}, trust_env=True) as http:
            return await _send(http, file, headers)
    async with client(settings, wanted.get("organisation")) as http:
        return await _send(http, file, headers)


async def restore_file(settings: Settings, file: Path, organisation: str | None, keys: Path | None) -> dict[str, Any]:
    """What `restore_log` answers, with the keys of a file where one is given.

    Raises StoreError `locked` while a server runs: a restore decides nothing and asks nobody.
    """
    name = organisation or settings.organisation
    if keys is not None:
        await restore_vault(settings, keys, name)
    with file.open("rb") as lines, progress("restoring") as tell:  # a local file, read in pieces
        async with running(settings) as services:
            await services.vault.new_organisation(name)
            pieces, size = iter(partial(lines.readline, LINE_LIMIT + 2), b""), os.fstat(lines.fileno()).st_size
            told = await restore_log(services.store, name, pieces, lambda _: tell(lines.tell(), size))
            if keys is not None:
                await restore_beside(services.store, keys, name)
                await services.trees.grow(name)
            await look_again(services)
            return told


async def _send(
    http: httpx.AsyncClient, file: Path, headers: dict[str, str]
) -> tuple[list[dict[str, Any]], dict[str, Any]]:  # fmt: skip
    response = await http.post("/v1/facts", content=_chunks(file), headers=headers)
    if not response.is_success:
        answered(response)
    *refused, summary = [msgspec.json.decode(line) for line in response.content.splitlines()]
    return refused, summary


async def _chunks(file: Path) -> AsyncIterator[bytes]:
    with file.open("rb") as lines:  # a local file, read in pieces
        while block := lines.read(65_536):
            yield block


async def rebuild(settings: Settings) -> dict[str, Any]:
    """Make the read models anew: `{"events", "equal", "different"}`."""
    async with client(settings) as http:
        told: dict[str, Any] = answered(await http.post("/v1/rebuild"))
        return told


async def examine(settings: Settings) -> list[Finding]:
    """What the doctor says."""
    async with beside(settings) as database:
        return await doctor.examine(settings, database)


async def checkpoint(settings: Settings, organisation: str | None) -> str:
    """The signed head of a log."""
    async with client(settings, organisation) as http:
        return await awaited_head(http, address(settings, organisation))


async def awaited_head(http: httpx.AsyncClient, log: str, pause: float = PAUSE) -> str:
    """The signed head of the log at an address, however long its tree takes to grow over what was there before it.

    Raises ServiceError `busy` where it has not in `TRIES` times the server's patience.
    """
    answer = await http.get(f"{log}/checkpoint")
    for _ in range(TRIES - 1):
        if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
            break
        await asyncio.sleep(pause)
        answer = await http.get(f"{log}/checkpoint")
    return told_text(answer)


async def witness(settings: Settings, organisation: str | None, note: bytes) -> str:
    """A checkpoint with the cosignatures that were taken."""
    async with client(settings, organisation) as http:
        path = f"{address(settings, organisation)}/witness"
        return told_text(await http.post(path, content=note, headers={"Content-Type": "text/plain"}))


def address(settings: Settings, organisation: str | None) -> str:
    """Where a log's routes begin."""
    return f"/v1/logs/{quote(organisation or settings.organisation, safe='')}"


def told_text(response: httpx.Response) -> str:
    """The answer's text. Raises ServiceError with the problem's own words."""
    if not response.is_success:
        answered(response)
    return str(response.text)


async def rotate_key(settings: Settings, organisation: str | None) -> dict[str, str]:
    """The name and the new key of a log. Raises StoreError `locked` while a server runs."""
    async with running(settings) as services:
        tree = await services.trees.rotate(organisation or settings.organisation)
        return {"origin": tree.origin, "verifier": tree.verifier}


async def fork(settings: Settings, organisation: str | None, reason: str) -> dict[str, str]:
    """The name and key under which a log goes on. Raises StoreError `locked` while a server runs."""
    async with running(settings, forking=True) as services:
        tree = await services.trees.fork(organisation or settings.organisation, reason)
        return {"origin": tree.origin, "verifier": tree.verifier}
