"""What is done with the log and its tables."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import msgspec

from service import doctor
from service.app import beside
from service.doctor import Finding
from service.operations.reach import answered, client, reached
from service.settings import Settings


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
