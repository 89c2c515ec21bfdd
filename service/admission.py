"""Who is let in how often: a key by its own requests, a stranger by its address, a sender by its source."""

from collections.abc import Callable
from typing import Any

from service.auth import OPERATOR, Principal
from service.callers import caller_address
from service.errors import ServiceError
from service.headers import Headers
from service.hosts import PROBES
from service.rates import Buckets, Exhausted, Places
from service.settings import Settings

TOLD = "rate"
"""Where the state of a request keeps what its answer tells of the rate."""


class Admission:
    """Counts requests and refuses those beyond the limits; a refused one changes nothing.

    Whoever has a usable key is never held up by others at the same address: a stranger's requests count by address,
    those with a key by key, and deliveries that were proven by source.
    """

    def __init__(self, settings: Settings, clock: Callable[[], float], limited: Callable[[str], None]) -> None:
        self._address_of = caller_address(settings)
        self._keys = Buckets("key", settings.key_requests, clock)
        self._addresses = Buckets("address", settings.address_requests, clock)
        self._sources = Buckets("source", settings.source_requests, clock)
        self._limited = limited
        self.places = Places(settings.key_streams, settings.streams)

    def caller(self, scope: Any, principal: Principal) -> None:  # noqa: ANN401  # an ASGI scope
        """Count a request with a key; the command line on the server's own machine is not counted."""
        if principal.key != OPERATOR:
            self._take(scope, self._keys, principal.key, principal.requests_per_minute)

    def stranger(self, scope: Any) -> None:  # noqa: ANN401  # as above
        """Count a request without a key, unless it only asks whether the service lives."""
        if scope["path"] not in PROBES:
            self._take(scope, self._addresses, self._address_of(scope))

    def sender(self, scope: Any, source: str) -> None:  # noqa: ANN401  # as above
        """Count a delivery that was proven."""
        self._take(scope, self._sources, source)

    def blame(self, scope: Any, error: ServiceError) -> ServiceError:  # noqa: ANN401  # as above
        """The error that a stranger is told: after too many of them, to wait."""
        state = scope.get("state", {})
        if "principal" in state or TOLD in state or not 400 <= error.status < 500:  # noqa: PLR2004
            return error
        try:
            self.stranger(scope)
        except Exhausted as limited:
            return limited
        return error

    def _take(self, scope: Any, buckets: Buckets, who: str, quota: int | None = None) -> None:  # noqa: ANN401  # as above
        told: Headers
        try:
            told = buckets.take(who, quota)
        except Exhausted as limited:
            self._limited(buckets.name)
            scope["state"][TOLD] = limited.told
            raise
        scope["state"][TOLD] = told
