"""Bodies on their way in: pieces within a time, whole ones within a size as well."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from service.errors import ServiceError

PLAIN = {"content-encoding": ("identity",), "transfer-encoding": ("identity", "chunked")}
"""How a body may be sent."""

Receive = Callable[[], Awaitable[Any]]


async def read_raw(receive: Receive, headers: Mapping[str, str], limit: int, seconds: float) -> bytes:
    """A body's bytes, as they were sent. Raises ServiceError `too_large`, `bad_request`, `unsupported_media_type`."""
    check_coding(headers)
    announced = headers.get("content-length", "0")
    if announced.isdigit() and int(announced) > limit:
        raise too_large(limit)
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(seconds):
            more = True
            while more:
                chunk, more = await _piece(receive)
                size += len(chunk)
                if size > limit:
                    raise too_large(limit)
                chunks.append(chunk)
    except TimeoutError:
        raise _late("The body", seconds) from None
    return b"".join(chunks)


async def pieces(receive: Receive, seconds: float) -> AsyncIterator[bytes]:
    """The pieces of a body of any size, each within a time. Raises ServiceError `bad_request`."""
    more = True
    while more:
        try:
            async with asyncio.timeout(seconds):
                chunk, more = await _piece(receive)
        except TimeoutError:
            raise _late("The next piece of the body", seconds) from None
        yield chunk


async def _piece(receive: Receive) -> tuple[bytes, bool]:
    message = await receive()
    if message["type"] != "http.request":
        raise ServiceError("bad_request", "The connection ended before the body did.")
    return message.get("body", b""), message.get("more_body", False)


def check_coding(headers: Mapping[str, str]) -> None:
    """Refuse a body that is packed: what it would unpack to has no measure. Raises `unsupported_media_type`."""
    for name, taken in PLAIN.items():
        coding = headers.get(name, "identity").strip().lower()
        if coding not in taken:
            raise ServiceError(
                "unsupported_media_type",
                f"The body is packed ({coding[:40]!r}); send it as it is, without {name.title()}.",
            )


def too_large(limit: int) -> ServiceError:
    """The error of a body beyond its limit."""
    return ServiceError(
        "too_large", f"The body is larger than {limit} bytes; send less at a time, or import as NDJSON."
    )


def _late(what: str, seconds: float) -> ServiceError:
    return ServiceError("bad_request", f"{what} did not arrive within {seconds:g} seconds; send it again.")
