"""A line a request: who asked which route, and what came of it; never what was asked for or said.

A path, a query, a body and most headers hold names and secrets, so that none of them stands here: only the route's
pattern, ids that the service gave, and figures.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from contextvars import ContextVar
from datetime import datetime
from typing import Any, Self

import msgspec
from msgspec import Struct

REQUEST_ID: ContextVar[str] = ContextVar("request_id")
"""The id of the request that is being answered, for whatever else is logged meanwhile."""


class Told(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is told of a request."""

    request_id: str
    method: str
    route: str | None
    """The route's pattern; None where no route was found."""
    status: int
    ms: float
    key: str | None = None
    organisation: str | None = None
    reason: str | None = None
    """Why it was refused: a published code, or why a credential was none."""

    @classmethod
    def of(cls, state: Mapping[str, Any], method: str, status: int, seconds: float) -> Self:
        """What the state of a request says in the end; status 0 where the caller was gone before the answer."""
        asked = state.get("principal")
        return cls(
            request_id=state["request_id"], method=method, route=state.get("route"), status=status,
            ms=round(seconds * 1_000, 2), key=getattr(asked, "key", "") or None,
            organisation=getattr(asked, "organisation", "") or None, reason=state.get("reason"),
        )  # fmt: skip


class RequestLog:
    """Writes the lines of a turn of the event loop at once: one instant and one system call for many requests."""

    def __init__(self, write: Callable[[bytes], object], clock: Callable[[], datetime], *, json: bool) -> None:
        self._write = write
        self._clock = clock
        self._encode = _as_json if json else _as_text
        self._told: list[Told] = []

    def tell(self, told: Told) -> None:
        """Write a line, soon."""
        if not self._told:
            asyncio.get_running_loop().call_soon(self.flush)
        self._told.append(told)

    def flush(self) -> None:
        """Write what is not yet written."""
        told, self._told = self._told, []
        at = f"{self._clock():%Y-%m-%dT%H:%M:%S.%fZ}"
        with suppress(OSError):  # nobody reads the log any more: no reason to serve nobody
            self._write(b"".join([self._encode(at, each) for each in told]))


def _as_json(at: str, told: Told) -> bytes:
    return b'{"event":"request","timestamp":"%s",%s\n' % (at.encode(), msgspec.json.encode(told)[1:])


def _as_text(at: str, told: Told) -> bytes:
    asked = f"{told.key or ''} {told.organisation or ''} {told.reason or ''}".rstrip()
    line = f"{at} {told.method} {told.route or '-'} {told.status} {told.ms:g} ms {told.request_id} {asked}\n"
    return line.encode()
