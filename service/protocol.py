"""The edge of a connection: a request's head has a size and a time, which uvicorn leaves open."""

import asyncio
from http import HTTPStatus

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.errors import ServiceError, problem_bytes

HEAD_LIMIT = 65_536
"""The most bytes of a request line and its headers, beside what arrives with their end."""


def bounded(seconds: float) -> type[HttpToolsProtocol]:
    """The protocol of connections whose heads arrive within so many seconds."""

    class Bounded(_BoundedProtocol):
        head_seconds = seconds

    return Bounded


class _BoundedProtocol(HttpToolsProtocol):
    head_seconds = 30.0
    _in_head = False
    _head = 0
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._expect_nothing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._in_head and not self.transport.is_closing():
            self._head += len(data)
            if self._head > HEAD_LIMIT:
                self._refuse(ServiceError("too_large", f"The head of the request is larger than {HEAD_LIMIT} bytes."))

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head, self._head = True, 0
        if self._deadline is None:
            self._expect_head()

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._expect_nothing()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        self._refuse(ServiceError("bad_request", msg))

    def _expect_head(self) -> None:
        self._deadline = self.loop.call_later(self.head_seconds, self._give_up)

    def _expect_nothing(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        self._deadline = None
        if self._in_head:
            self._refuse(ServiceError("bad_request", f"The head did not arrive within {self.head_seconds:g} seconds."))
        else:
            self.transport.close()

    def _refuse(self, error: ServiceError) -> None:
        body = problem_bytes(error, "")
        head = (
            f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}\r\ncontent-type: application/problem+json\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()
