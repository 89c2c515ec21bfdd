"""The edge of the application: what every request passes on its way in, and every answer on its way out."""

import re
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from service.admission import TOLD
from service.errors import ServiceError, problem_answer
from service.headers import ON_EVERY_ANSWER, UNLESS_SAID, Headers
from service.hosts import Origins, host_check
from service.request_log import REQUEST_ID, Told
from service.settings import Settings

App = Callable[[Any, Any, Any], Awaitable[None]]
"""An ASGI application."""
STRICT_TRANSPORT = (b"strict-transport-security", b"max-age=31536000")

PATTERN = "^[A-Za-z0-9._:/+=-]{1,200}$"
_ID = re.compile(f"(?!noces_)(?:{PATTERN})")
"""A request id that may stand in logs: no blank and no @, so no name or address, and no key."""


def with_edge(
    inner: App, settings: Settings, new_id: Callable[[str], str], tell: Callable[[Told], None] | None,
    foreseen: Callable[[Exception], ServiceError],
) -> App:  # fmt: skip
    """Name each request, check its host, answer browsers' questions, add what every answer carries, tell of each.

    `foreseen` names any error as a published one. Raises SettingsError where hosts or origins are none.
    """
    check_host, origins = host_check(settings), Origins(settings)
    always = [*ON_EVERY_ANSWER, *([STRICT_TRANSPORT] if settings.base_url.startswith("https://") else [])]
    if origins.any:
        always.append((b"vary", b"Origin"))

    async def app(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401  # ASGI has no types of its own
        if scope["type"] != "http":
            await inner(scope, receive, send)
            return
        started = time.perf_counter()
        method, path, headers = scope["method"], scope["path"], dict(scope["headers"])
        request_id = _name(scope, headers, new_id)
        origin = headers.get(b"origin") if origins.any else None
        more = [*always, (b"x-request-id", request_id.encode()), *(origins.headers(path, origin) if origin else ())]
        sending = _Sending(send, scope["state"], more)
        try:
            check_host(scope)
            if method == "OPTIONS" and origin is not None and b"access-control-request-method" in headers:
                await _answer_preflight(sending, origins.preflight(path, origin))
            else:
                await inner({**scope, "method": "GET"} if method == "HEAD" else scope, receive, sending)
        except Exception as error:
            if sending.status:
                raise
            await _answer(sending, foreseen(error), request_id)
        finally:
            if tell is not None:
                tell(Told.of(scope["state"], method, sending.status, time.perf_counter() - started))

    return app


class _Sending:
    """Sends an answer on, its head completed with what every answer carries; `status` is 0 until it has begun."""

    def __init__(self, send: Any, state: Mapping[str, Any], more: Headers) -> None:  # noqa: ANN401  # as above
        self.status = 0
        self._send = send
        self._state = state
        self._more = more

    async def __call__(self, message: Any) -> None:  # noqa: ANN401  # as above
        """Send one message of ASGI."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = _completed(message["headers"], [*self._more, *self._state.get(TOLD, ())])
        await self._send(message)


def _name(scope: Any, headers: Mapping[bytes, bytes], new_id: Callable[[str], str]) -> str:  # noqa: ANN401  # as above
    """Give a request its id, for its answer and for all that is logged while it is served."""
    request_id = _request_id(headers.get(b"x-request-id"), new_id)
    REQUEST_ID.set(request_id)
    scope.setdefault("state", {})["request_id"] = request_id
    return request_id


def _request_id(given: bytes | None, new_id: Callable[[str], str]) -> str:
    if given is not None and _ID.fullmatch(text := given.decode("latin-1")):
        return text
    return new_id("req")


def _completed(given: Headers, more: Headers) -> Headers:
    """An answer's headers with what every answer carries; what the route said itself stays."""
    said = dict(given)
    return [*given, *more, *[each for each in UNLESS_SAID if each[0] not in said]]


async def _answer_preflight(send: Any, allowed: Headers) -> None:  # noqa: ANN401  # as above
    await send({"type": "http.response.start", "status": 204, "headers": allowed})
    await send({"type": "http.response.body", "body": b""})


async def _answer(send: Any, error: ServiceError, request_id: str) -> None:  # noqa: ANN401  # as above
    body, headers = problem_answer(error, request_id)
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    raw += [(b"content-type", b"application/problem+json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": error.status, "headers": raw})
    await send({"type": "http.response.body", "body": body})
