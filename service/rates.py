"""How much one caller may ask: token buckets by key, address and source, and places for what takes long.

The answers say where a caller stands in the fields `RateLimit-Policy` and `RateLimit` of
draft-ietf-httpapi-ratelimit-headers-11.
"""

import math
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager

from service.errors import ServiceError
from service.headers import Headers

WINDOW = 60
"""Seconds in which an empty bucket is full again."""
KNOWN = 100_000
"""How many callers are remembered at most, twice; beyond that those forgotten begin anew, with a full bucket."""


class Buckets:
    """Token buckets of one policy. Each is a single number: the moment at which it will be full.

    A request takes one token, which comes back after `WINDOW / quota` seconds; whoever has none left waits. Buckets
    that were full for a whole window are forgotten, which loses nothing.
    """

    def __init__(self, name: str, quota: int, clock: Callable[[], float], known: int = KNOWN) -> None:
        self.name = name
        self._quota = quota
        self._clock = clock
        self._known = known
        self._young: dict[str, float] = {}
        self._old: dict[str, float] = {}
        self._turn = clock() + WINDOW
        self._told = {quota: self._policy(quota)}

    def take(self, who: str, quota: int | None = None) -> Headers:
        """Take a token of a caller, whose quota may be its own; what to tell of it.

        Raises ServiceError `rate_limited` where there is none; `Exhausted` also says what to tell.
        """
        quota = quota or self._quota
        now = self._clock()
        if now >= self._turn or len(self._young) >= self._known:
            self._old, self._young, self._turn = self._young, {}, now + WINDOW
        step = WINDOW / quota
        full_at = max(self._young.get(who) or self._old.get(who, now), now) + step
        over = full_at - now - WINDOW
        if over > 1e-6:  # noqa: PLR2004  # a microsecond is no reason to wait
            raise Exhausted(self.name, quota, math.ceil(over), self._headers(quota, 0, math.ceil(over)))
        self._young[who] = full_at
        left = int((WINDOW - (full_at - now)) / step + 1e-6)
        return self._headers(quota, left, math.ceil(left * step))

    def _headers(self, quota: int, left: int, seconds: int) -> Headers:
        """`t` is chosen so that what is left, spread over it, never runs out."""
        policy = self._told.get(quota) or self._policy(quota)
        return [policy, (b"ratelimit", b'"%s";r=%d;t=%d' % (self.name.encode(), left, max(seconds, 1)))]

    def _policy(self, quota: int) -> tuple[bytes, bytes]:
        return (b"ratelimit-policy", b'"%s";q=%d;w=%d' % (self.name.encode(), quota, WINDOW))


class Exhausted(ServiceError):
    """No token is left."""

    def __init__(self, policy: str, quota: int, seconds: int, told: Headers) -> None:
        super().__init__(
            "rate_limited", f"More than {quota} requests a minute for one {policy}; try again in {seconds} seconds.",
            headers={"Retry-After": str(seconds)}, reason=f"rate_{policy}",
        )  # fmt: skip
        self.told = told


class Places:
    """How many of the requests that take long, such as imports and waiting feeds, are open at once."""

    def __init__(self, each: int, together: int) -> None:
        self._each = each
        self._together = together
        self._taken: Counter[str] = Counter()

    def check(self, who: str) -> None:
        """Whether there is room. Raises ServiceError `rate_limited` for a caller who has enough, `busy` where all are taken."""
        if self._taken[who] >= self._each:
            raise ServiceError(
                "rate_limited", f"{self._each} imports, waiting feeds and streams of this key are open; end one first.",
                headers={"Retry-After": "5"}, reason="rate_streams",
            )  # fmt: skip
        if self._taken.total() >= self._together:
            raise ServiceError(
                "busy", f"{self._together} imports, waiting feeds and streams are open here; try again later.",
                headers={"Retry-After": "5"}, reason="rate_streams",
            )  # fmt: skip

    @contextmanager
    def hold(self, who: str) -> Iterator[None]:
        """Take a place for as long as it takes. Raises as `check` does."""
        self.check(who)
        self._taken[who] += 1
        try:
            yield
        finally:
            self._taken[who] -= 1
            if not self._taken[who]:
                del self._taken[who]

    def kept(self, who: str, stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """A stream that holds a place from its first piece to its last. Raises as `check` does, before it begins."""
        self.check(who)
        return self._holding(who, stream)

    async def _holding(self, who: str, stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        with self.hold(who):
            async for piece in stream:
                yield piece
