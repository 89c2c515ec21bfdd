"""What `noces log timestamp` does: a signed head, stamped by an authority of time, and kept."""

from collections.abc import Sequence
from typing import Any

import httpx
from cryptography.x509 import Certificate

from service.errors import ServiceError
from service.operations.log import address, awaited_head, told_text
from service.operations.reach import answered, client
from service.proofs.note import read_checkpoint, text_of
from service.proofs.stamp import StampError, check_answer, request_for
from service.settings import Settings

PATIENCE = 30.0
"""Seconds that an authority may take."""
QUERY, REPLY = "application/timestamp-query", "application/timestamp-reply"


async def timestamp(
    settings: Settings, organisation: str | None, url: str, roots: Sequence[Certificate]
) -> dict[str, Any]:  # fmt: skip
    """The checkpoint that was stamped: `{"size", "witnesses", "stamped_at"}`. Raises ServiceError `bad_timestamp`."""
    log = address(settings, organisation)
    async with client(settings, organisation) as http:
        size = read_checkpoint(text_of(await awaited_head(http, log))).size
        note = told_text(await http.get(f"{log}/checkpoint?size={size}&cosigned=false"))
        reply = await _stamped(url, note, roots)
        path = f"{log}/checkpoints/{size}/timestamp"
        told: dict[str, Any] = answered(await http.post(path, content=reply, headers={"Content-Type": REPLY}))
        return told


async def _stamped(url: str, note: str, roots: Sequence[Certificate]) -> bytes:
    """The authority's reply, checked."""
    request = request_for(note)
    try:
        async with httpx.AsyncClient(timeout=PATIENCE) as http:
            answer = await http.post(url, content=request.as_bytes(), headers={"Content-Type": QUERY})
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ServiceError("unavailable", f"The authority at {url} does not answer: {error}.") from error
    if not answer.is_success:
        raise ServiceError("unavailable", f"The authority at {url} answered {answer.status_code}.")
    try:
        check_answer(answer.content, note, request, roots)
    except StampError as error:
        raise ServiceError("bad_timestamp", str(error)) from error
    return answer.content
