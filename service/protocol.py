"""The edge of a connection: how many there are, and the size and time of all that arrives and leaves; uvicorn leaves it open."""

import asyncio
import math
from http import HTTPStatus
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from service.errors import ServiceError, problem_bytes
from service.headers import ON_EVERY_ANSWER
from service.settings import Settings

NEVER = math.inf
UPGRADING = (b"connection", b"upgrade", b"http2-settings")
"""Headers by which a caller asks for another protocol; those who do want the connection kept."""
TAKEN = 16_384
"""Bytes that a caller must take of its answers within `send_seconds`, or be given up."""
SWEEPS = 4
"""How often within the shortest deadline the connections are looked at: one is closed at most a fourth later."""


def bounded(settings: Settings) -> type[HttpToolsProtocol]:
    """The protocol of connections within the limits of the settings."""

    class Bounded(_BoundedProtocol):
        limits = settings
        sweep = Sweep(min(settings.head_seconds, settings.send_seconds, 4.0) / SWEEPS)

    return Bounded


class Sweep:
    """Looks at all connections now and then, so that no request pays for a timer of its own."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._connections: set[_BoundedProtocol] = set()
        self._next: asyncio.TimerHandle | None = None

    def add(self, connection: "_BoundedProtocol") -> None:
        """Look at a connection from now on."""
        self._connections.add(connection)
        if self._next is None:
            self._next = connection.loop.call_later(self._seconds, self._look, connection.loop)

    def leave(self, connection: "_BoundedProtocol") -> None:
        """Look at it no more."""
        self._connections.discard(connection)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for each in tuple(self._connections):
            each.look(now)
        self._next = loop.call_later(self._seconds, self._look, loop) if self._connections else None


class _BoundedProtocol(HttpToolsProtocol):
    limits: Settings
    sweep: Sweep
    _in_head = False
    _piece = 0
    """Bytes of the piece that is read now."""
    _first = 0
    """Bytes of the piece in which the head began; whole requests may lie there before it."""
    _head = 0
    """Bytes of all pieces of the head, that first one included: never less than the head itself."""
    _head_since = NEVER
    """Since when a head is awaited."""
    _stuck_since = NEVER
    """Since when the caller has taken hardly anything of what was written to it."""
    _lying = 0
    """How much lay there at that time."""
    _running: RequestResponseCycle | None = None
    """The request that is being answered; those behind it wait in the pipeline."""

    # --- a connection ------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        if len(self.connections) >= self.limits.connections:
            self.transport = transport
            self.sweep.add(self)
            self._answer(ServiceError("busy", "Too many connections are open; try again in a moment."))
            return
        super().connection_made(transport)
        self.sweep.add(self)
        self._head_since = self.loop.time()

    def connection_lost(self, exc: Exception | None) -> None:
        self.sweep.leave(self)
        super().connection_lost(exc)

    def look(self, now: float) -> None:
        """End what has taken too long: a head that does not arrive, an answer that nobody takes."""
        if self._stuck_since != NEVER or self.transport.is_closing():
            self._look_at_what_lies(now)
        if now - self._stuck_since > self.limits.send_seconds:
            self.transport.abort()
        elif now - self._head_since > self.limits.head_seconds and not self.transport.is_closing():
            self._head_since = NEVER
            if self._in_head:
                seconds = self.limits.head_seconds
                self._refuse(ServiceError("bad_request", f"The head did not arrive within {seconds:g} seconds."))
            else:
                self.transport.close()

    def _look_at_what_lies(self, now: float) -> None:
        lying = self.transport.get_write_buffer_size()
        if self._stuck_since == NEVER or self._lying - lying >= TAKEN:
            self._stuck_since, self._lying = now, lying

    # --- what arrives --------------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        self._unset_keepalive_if_required()
        self._piece = len(data)
        if self._in_head:
            self._head += self._piece
        self._parse(data)
        if self._in_head:
            if self._head - self._first > self.limits.head_limit:
                self._refuse(self._too_large())
        elif self._head_since == NEVER and self._is_idle():
            self._head_since = self.loop.time()  # blank lines before a head, for which uvicorn waits without end

    def _is_idle(self) -> bool:
        running: RequestResponseCycle | None = self.cycle
        return running is None or running.response_complete

    def _parse(self, data: bytes) -> None:
        while data:
            try:
                self.parser.feed_data(data)
                return
            except httptools.HttpParserUpgrade as wish:
                data = self._without_upgrade() + data[wish.args[0] :]
            except httptools.HttpParserError:
                if not self.transport.is_closing():
                    self._refuse(ServiceError("bad_request", "This is no HTTP request; see /docs."))
                return

    def _without_upgrade(self) -> bytes:
        """The head of a request that would like another protocol, without that wish: else its body would be lost."""
        kept = [(name, value) for name, value in self.headers if name not in UPGRADING]
        lines = [self.parser.get_method() + b" " + self.url + b" HTTP/1.1", *(b"%s: %s" % each for each in kept)]
        return b"\r\n".join([*lines, b"", b""])

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = True
        self._first = self._head = self._piece
        if self._head_since == NEVER:
            self._head_since = self.loop.time()

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._head_since = NEVER
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                self._stop(ServiceError("method_not_allowed", "This server is no proxy: it does not take CONNECT."))
            return
        if len(self.headers) > self.limits.header_limit:
            self._stop(ServiceError("too_large", f"A request takes at most {self.limits.header_limit} headers."))
        if self._head > self.limits.head_limit:
            size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
            if size > self.limits.head_limit:
                self._stop(self._too_large())
        super().on_headers_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:  # noqa: ANN401  # an ASGI application
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def on_message_complete(self) -> None:
        if not self.parser.should_upgrade():
            super().on_message_complete()

    # --- what leaves -----------------------------------------------------------------------------------------------------

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stuck_since, self._lying = self.loop.time(), self.transport.get_write_buffer_size()

    def resume_writing(self) -> None:
        self._stuck_since = NEVER
        super().resume_writing()

    def _too_large(self) -> ServiceError:
        return ServiceError("too_large", f"The head of the request is larger than {self.limits.head_limit} bytes.")

    def _stop(self, error: ServiceError) -> None:
        """Refuse from inside the parser, which reads no further."""
        self._refuse(error)
        raise _Refused

    def _refuse(self, error: ServiceError) -> None:
        """Answer an error and close; where whole requests before it await their answers, close behind those instead."""
        self._in_head = False
        self._head_since = NEVER
        running = self._running
        if running is None or running.response_complete or (running is self.cycle and running.more_body):
            self._answer(error)
            return
        while self.pipeline and self.pipeline[0][0].more_body:
            self.pipeline.popleft()
        newest = self.pipeline[0][0] if self.pipeline else running
        newest.keep_alive = False
        self.flow.pause_reading()

    def _answer(self, error: ServiceError) -> None:
        body = problem_bytes(error, "")
        headers = [
            (b"content-type", b"application/problem+json"), (b"content-length", b"%d" % len(body)),
            (b"connection", b"close"), *ON_EVERY_ANSWER,
        ]  # fmt: skip
        if error.status == HTTPStatus.SERVICE_UNAVAILABLE:
            headers.append((b"retry-after", b"1"))
        head = b"".join(b"%s: %s\r\n" % each for each in headers)
        status = f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}\r\n".encode()
        self.transport.write(status + head + b"\r\n" + body)
        self.transport.close()


class _Refused(Exception):
    """Ends the parser's work on a connection that was refused."""
