"""For which hosts this service answers, and to pages of which origins."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from service.errors import ServiceError
from service.headers import Headers
from service.settings import Settings, SettingsError

PROBES = ("/healthz", "/readyz")
"""What a load balancer asks by address."""
METHODS = b"GET, HEAD, POST, PUT, PATCH, DELETE"
ASKED_WITH = (
    b"Authorization, Content-Type, X-Api-Key, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, X-Request-Id, "
    b"X-Correlation-Id"
)
TOLD_WITH = (
    b"ETag, Location, Link, Retry-After, RateLimit, RateLimit-Policy, Idempotency-Replayed, X-Request-Id, "
    b"WWW-Authenticate"
)
REMEMBERED = b"600"
"""Seconds that a browser may remember what it was allowed."""

_HOST = re.compile(r"(\*\.)?[a-z0-9._-]+|\[[0-9a-f:]+\]")
_ORIGIN = re.compile(r"https?://([a-z0-9._-]+|\[[0-9a-f:]+\])(:\d+)?")


def listed(text: str) -> tuple[str, ...]:
    """The parts of a setting that are separated by commas, in small letters."""
    return tuple(each.strip().lower() for each in text.split(",") if each.strip())


def host_check(settings: Settings) -> Callable[[Mapping[str, Any]], None]:
    """A check of a request's ASGI scope that raises ServiceError `bad_request`. Raises SettingsError."""
    allowed = listed(settings.allowed_hosts)
    for each in allowed:
        if not _HOST.fullmatch(each):
            message = f"NOCES_ALLOWED_HOSTS names {each!r}; it takes hosts without port such as noces.example or *.noces.example."
            raise SettingsError(message)
    names = frozenset(each for each in allowed if not each.startswith("*."))
    endings = tuple(each[1:] for each in allowed if each.startswith("*."))

    def check(scope: Mapping[str, Any]) -> None:
        given = [value for name, value in scope["headers"] if name == b"host"]
        if len(given) != 1 and (given or scope["http_version"] == "1.1"):
            raise ServiceError("bad_request", f"The request has {len(given)} Host headers; send one.")
        if not allowed or scope["path"] in PROBES:
            return
        host = re.sub(r":\d*$", "", given[0].decode("latin-1").lower()).removesuffix(".") if given else ""
        if host not in names and not host.endswith(endings or ("\0",)):
            raise ServiceError("bad_request", f"This service does not answer for the host {host[:100]!r}.")

    return check


class Origins:
    """Which pages' scripts may read the answers: none, unless the settings name their origins."""

    def __init__(self, settings: Settings) -> None:
        found = listed(settings.cors_origins)
        for each in found:
            if not _ORIGIN.fullmatch(each):
                message = f"NOCES_CORS_ORIGINS names {each!r}; it takes origins such as https://app.example, no star and no path."
                raise SettingsError(message)
        self._allowed = frozenset(each.encode() for each in found)

    @property
    def any(self) -> bool:
        """Whether any origin is allowed, so that answers vary by it."""
        return bool(self._allowed)

    def headers(self, path: str, origin: bytes | None) -> Headers:
        """What lets a page read an answer."""
        if origin is None or origin not in self._allowed or path.startswith("/hooks/"):
            return []
        return [(b"access-control-allow-origin", origin), (b"access-control-expose-headers", TOLD_WITH)]

    def preflight(self, path: str, origin: bytes | None) -> Headers:
        """What more a browser is told that asks whether a page may send a request; nothing where it may not."""
        if not self.headers(path, origin):
            return []
        return [
            (b"access-control-allow-methods", METHODS), (b"access-control-allow-headers", ASKED_WITH),
            (b"access-control-max-age", REMEMBERED),
        ]  # fmt: skip
