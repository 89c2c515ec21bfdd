"""Who asks: API keys, their scopes, sides and partnerships."""

import asyncio
import base64
import hmac
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

import structlog
from msgspec import Struct
from msgspec.structs import replace

from domain import events as e
from domain.types import Side
from events.codec import decode, from_microseconds, microseconds
from events.envelope import Context
from events.store import Idempotency, RowChange, StoreError
from service.asked import Administer, Asked, Outcome
from service.errors import ServiceError
from service.handler import Handler
from service.ids import Ids
from service.key_text import mint, parse
from service.projections import Query, Write
from service.projections import keys as table
from service.rounds import Rounds
from service.views import instant

SCOPES = ("read", "write", "transitions", "transitions:override", "hooks", "audit", "admin")
STREAM = "keys"
OPERATOR = "operator"
"""The scope, and the actor, of the command line on the server's own machine."""
OPERATOR_HEADER = "noces-organisation"

FRESH = timedelta(seconds=1)
"""How long a key is believed without asking again: another node's revocation holds here within this time."""
USE_TOLD = 60.0
"""Seconds between two writes of when keys were last used."""
LONGEST_OVERLAP = 2_592_000
"""The most seconds, 30 days, that the secret before a rotation goes on working."""

UNUSABLE = "This key is unknown, expired or revoked."

log = structlog.get_logger()


class Principal(Struct, frozen=True, kw_only=True):
    """A caller whose key was verified."""

    organisation: str
    key: str
    scopes: frozenset[str]
    side: Side | None = None
    partnerships: frozenset[str] | None = None
    expires_at: datetime | None = None
    requests_per_minute: int | None = None
    """How much it may ask; None: as much as any key."""

    def may_see(self, partnership: str) -> bool:
        """Whether the key is bound to other partnerships."""
        return self.partnerships is None or partnership in self.partnerships


class NewKey(Struct, frozen=True, kw_only=True):
    """What a key shall be."""

    scopes: tuple[str, ...]
    name: str | None = None
    side: Side | None = None
    partnerships: tuple[str, ...] | None = None
    expires_at: datetime | None = None
    requests_per_minute: int | None = None


class KeyChange(Struct, frozen=True, kw_only=True):
    """What shall change of a key; None stays as it is, 0 requests a minute: as many as any key."""

    name: str | None = None
    expires_at: datetime | None = None
    requests_per_minute: int | None = None


def credential(headers: Mapping[str, str]) -> str | None:
    """The key that a request carries: Bearer, X-Api-Key, or the password of Basic."""
    scheme, _, value = headers.get("authorization", "").partition(" ")
    match scheme.lower():
        case "bearer":
            return value.strip()
        case "basic":
            try:
                return base64.b64decode(value, validate=True).decode("utf-8").partition(":")[2]
            except ValueError:
                return ""
        case _:
            return headers.get("x-api-key")


class Known(Struct, frozen=True):
    """A key as it was found, and when."""

    owned: table.Owned
    principal: Principal
    asked_at: datetime

    def holds(self, digest: bytes, now: datetime) -> bool:
        """Whether a secret's digest is the key's, or the one before it during an overlap."""
        if self.owned.digest is not None and hmac.compare_digest(self.owned.digest, digest):
            return True
        until = self.owned.earlier_until
        if self.owned.earlier is None or until is None or until <= microseconds(now):
            return False
        return hmac.compare_digest(self.owned.earlier, digest)


class Keys:
    """Verifies, creates and revokes keys; what it knows it believes for a second, and no longer than a key's event says."""

    def __init__(
        self, query: Query, write: Write, handler: Handler, clock: Callable[[], datetime], ids: Ids
    ) -> None:  # fmt: skip
        self._query = query
        self._write = write
        self._handler = handler
        self._clock = clock
        self._ids = ids
        self._known: dict[str, Known] = {}
        self._forgotten = 0
        """How often all was forgotten: what was read before the last time is not kept."""
        self._rotating = asyncio.Lock()
        self._used: dict[tuple[str, str], datetime] = {}
        self.rounds = Rounds("keys", self.tell_use, USE_TOLD)
        """Every minute: no request waits for it."""
        self.run_token = secrets.token_urlsafe(32)
        """Lives as long as the process and stands in the lock file, which only its owner can read."""
        handler.on_recorded.append(self._forget)

    # --- when keys are used ----------------------------------------------------------------------------------------

    async def tell_use(self) -> bool:
        """Write down when keys were last used; where that cannot be written now, it is tried again."""
        used, self._used = self._used, {}
        try:
            if used:
                await self._write([table.seen_row(*place, at) for place, at in used.items()])
        except StoreError as error:
            log.warning("key_use_not_written", code=error.code)
            self._used = used | self._used
        return False

    def last_used(self, organisation: str, key: table.Key) -> datetime | None:
        """When a key was last used, to the second of now."""
        stored = None if key.last_used is None else from_microseconds(key.last_used)
        return self._used.get((organisation, key.id), stored)

    # --- who asks --------------------------------------------------------------------------------------------------

    def _forget(self, _: str, events: tuple[object, ...]) -> None:
        if any(getattr(each, "stream", "") == STREAM for each in events):
            self.forget()

    def forget(self) -> None:
        """Ask the tables again for every key."""
        self._known.clear()
        self._forgotten += 1

    async def authenticate(self, headers: Mapping[str, str]) -> Principal:
        """The caller. Raises ServiceError `unauthenticated`, the same for every reason."""
        text = credential(headers)
        if text is None:
            raise unauthenticated("No key was sent; use `Authorization: Bearer <key>` or `X-Api-Key`.", "no_key")
        parsed = parse(text)
        if parsed is None and hmac.compare_digest(text.encode(), self.run_token.encode()):
            return _operator(headers.get(OPERATOR_HEADER, ""))
        principal = await self._principal(parsed)
        if principal.scopes == {*table.TOKEN}:
            raise unauthenticated(UNUSABLE, "key_is_token")
        return principal

    async def authenticate_token(self, text: str) -> Principal:
        """The reader whose token stands in a path. Raises ServiceError `unauthenticated`; a key is no token."""
        principal = await self._principal(parse(text))
        if principal.scopes != {*table.TOKEN}:
            raise unauthenticated(UNUSABLE, "key_is_no_token")
        return principal

    async def _principal(self, parsed: tuple[str, bytes] | None) -> Principal:
        if parsed is None:
            raise unauthenticated("This is no key of this service; a key looks like noces_<id>_<secret>.", "key_format")
        key, digest = parsed
        now = self._clock()
        known = self._known.get(key)
        if known is None or not timedelta() <= now - known.asked_at < FRESH:
            known = await self._load(key, now)
        if known is None or not known.holds(digest, now):
            raise unauthenticated(UNUSABLE, "key_unknown" if known is None else "key_secret")
        principal = known.principal
        if principal.expires_at is not None and principal.expires_at <= now:
            raise unauthenticated(UNUSABLE, "key_expired")
        self._used[principal.organisation, key] = now
        return principal

    async def _load(self, key: str, now: datetime) -> Known | None:
        self._known.pop(key, None)
        forgotten = self._forgotten
        owned = await table.owner(self._query, key)
        if owned is None or owned.digest is None:
            return None
        found = await table.find_key(self._query, owned.organisation, key)
        if found is None or found.revoked_at is not None:
            return None
        principal = Principal(
            organisation=owned.organisation, key=key, scopes=frozenset(found.scopes), side=found.side,
            partnerships=None if found.partnerships is None else frozenset(found.partnerships),
            expires_at=found.expires_at, requests_per_minute=found.requests_per_minute,
        )  # fmt: skip
        known = Known(owned, principal, now)
        if forgotten == self._forgotten:
            self._known[key] = known
        return known

    # --- administration --------------------------------------------------------------------------------------------

    async def create(
        self, organisation: str, wanted: NewKey, context: Context, once: Idempotency | None = None
    ) -> tuple[str, str | None]:
        """(id, key) of a new key; its text is told this once, and not again where `once` was answered before."""
        if wanted.scopes != table.TOKEN:
            check_scopes(wanted.scopes)
        key = self._ids.new("key")
        text, digest = mint(key)
        created = e.KeyCreated(
            key=key, name=wanted.name, scopes=wanted.scopes, side=wanted.side, partnerships=wanted.partnerships,
            expires_at=instant(wanted.expires_at),
        )  # fmt: skip
        events: list[e.Event] = [created]
        if wanted.requests_per_minute is not None:
            events.append(e.KeyLimited(key=key, requests_per_minute=wanted.requests_per_minute))
        rows = [table.owned_row(key, table.Owned(organisation, digest, None, None))]
        made = await self._administer(organisation, events, context, rows, once)
        known = decode(made.events[0])
        return (known.key, None) if made.replayed and isinstance(known, e.KeyCreated) else (key, text)

    async def change(self, organisation: str, key: str, wanted: KeyChange, context: Context) -> None:
        """Another name, another end or another limit for a key."""
        events: list[e.Event] = []
        if wanted.name is not None or wanted.expires_at is not None:
            events.append(e.KeyChanged(key=key, name=wanted.name, expires_at=instant(wanted.expires_at)))
        if wanted.requests_per_minute is not None:
            events.append(e.KeyLimited(key=key, requests_per_minute=wanted.requests_per_minute or None))
        if events:
            await self._administer(organisation, events, context, [])

    async def rotate(
        self, organisation: str, key: str, overlap: timedelta, context: Context, once: Idempotency | None = None
    ) -> str | None:
        """A new secret for a key, told this once; the one before it works for the overlap, or ends at once."""
        text, digest = mint(key)
        async with self._rotating:  # one by one: the secret before is the one that the rotation before has told
            before = await table.owner(self._query, key)
            owned = table.Owned(organisation, digest, None, None)
            until = self._clock() + overlap if overlap and before is not None else None
            if until is not None and before is not None:
                owned = replace(owned, earlier=before.digest, earlier_until=microseconds(until))
            rotated = e.KeyRotated(key=key, overlap_until=instant(until))
            made = await self._administer(organisation, [rotated], context, [table.owned_row(key, owned)], once)
        return None if made.replayed else text

    async def revoke(self, organisation: str, key: str, context: Context) -> None:
        """End a key."""
        await self._administer(organisation, [e.KeyRevoked(key=key)], context, [])

    async def _administer(
        self,
        organisation: str,
        events: Sequence[e.Event],
        context: Context,
        rows: Sequence[RowChange],
        once: Idempotency | None = None,
    ) -> Outcome:
        return await self._handler.handle(
            Asked(
                organisation=organisation, stream=STREAM, command=Administer(events=tuple(events)), context=context,
                key=once, rows=tuple(rows),
            )
        )  # fmt: skip


def _operator(organisation: str) -> Principal:
    if not organisation:
        raise ServiceError("bad_parameter", f"The operator names an organisation in the header {OPERATOR_HEADER}.")
    return Principal(organisation=organisation, key=OPERATOR, scopes=frozenset((*SCOPES, OPERATOR)))


def unauthenticated(detail: str, reason: str) -> ServiceError:
    """The error of a request without a usable key or token."""
    return ServiceError("unauthenticated", detail, headers={"WWW-Authenticate": 'Bearer realm="noces"'}, reason=reason)


def check_scopes(scopes: tuple[str, ...]) -> None:
    """Refuse scopes that do not exist."""
    if unknown := set(scopes) - set(SCOPES) or not scopes:
        shown = ", ".join(sorted(unknown)) if isinstance(unknown, set) else "none"
        raise ServiceError("bad_shape", f"Scopes {shown}: a key has one or more of {', '.join(SCOPES)}.")


def parse_duration(text: str) -> timedelta:
    """`90d`, `12h` or `30m` as a duration. Raises ServiceError `bad_parameter`."""
    units = {"d": "days", "h": "hours", "m": "minutes"}
    if not text[:-1].isdigit() or text[-1:] not in units or len(text) > 7:  # noqa: PLR2004
        raise ServiceError("bad_parameter", f"{text!r} is no duration; write 90d, 12h or 30m.")
    return timedelta(**{units[text[-1]]: int(text[:-1])})
