"""Who asks: API keys, their scopes, sides and partnerships."""

import base64
import hashlib
import hmac
import secrets
import zlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from domain import events as e
from domain.types import Side
from events.codec import decode
from events.envelope import Context
from events.store import Idempotency, Put, RowChange
from service.asked import Administer, Asked, Outcome
from service.errors import ServiceError
from service.handler import Handler
from service.ids import Ids
from service.projections import Query
from service.projections import keys as table

SCOPES = ("read", "write", "transitions", "transitions:override", "hooks", "audit", "admin")
STREAM = "keys"
OPERATOR = "operator"
"""The scope, and the actor, of the command line on the server's own machine."""
OPERATOR_HEADER = "noces-organisation"

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


class Principal(Struct, frozen=True, kw_only=True):
    """A caller whose key was verified."""

    organisation: str
    key: str
    scopes: frozenset[str]
    side: Side | None = None
    partnerships: frozenset[str] | None = None
    expires_at: datetime | None = None

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


def mint(key_id: str) -> tuple[str, bytes]:
    """The text of a new key (`noces_<id>_<secret><checksum>`, 256 bits) and the digest that is kept."""
    number = secrets.randbits(256)
    secret = "".join(_ALPHABET[(number >> shift) & 31] for shift in range(255, -5, -5))
    text = f"noces_{key_id.removeprefix('key_')}_{secret}"
    return text + _checksum(text), hashlib.sha256(secret.encode()).digest()


def _checksum(text: str) -> str:
    number = zlib.crc32(text.encode())
    return "".join(_ALPHABET[(number >> shift) & 31] for shift in range(30, -5, -5))


def parse(text: str) -> tuple[str, bytes] | None:
    """(key id, digest of the secret) of a key's text; None for what is no key."""
    if len(text) > 200 or not text.isascii():  # noqa: PLR2004
        return None
    body, checksum = text[:-7], text[-7:]
    parts = body.split("_")
    if len(parts) != 3 or parts[0] != "noces" or not hmac.compare_digest(_checksum(body), checksum):  # noqa: PLR2004
        return None
    return f"key_{parts[1]}", hashlib.sha256(parts[2].encode()).digest()


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


class Keys:
    """Verifies, creates and revokes keys; what it knows it keeps until a key's event says otherwise."""

    def __init__(self, query: Query, handler: Handler, clock: Callable[[], datetime], ids: Ids) -> None:
        self._query = query
        self._handler = handler
        self._clock = clock
        self._ids = ids
        self._known: dict[str, tuple[bytes, Principal]] = {}
        self.run_token = secrets.token_urlsafe(32)
        """Lives as long as the process and stands in the lock file, which only its owner can read."""
        handler.on_recorded.append(self._forget)

    def _forget(self, _: str, events: tuple[object, ...]) -> None:
        if any(getattr(each, "stream", "") == STREAM for each in events):
            self.forget()

    def forget(self) -> None:
        """Ask the tables again for every key."""
        self._known.clear()

    async def authenticate(self, headers: Mapping[str, str]) -> Principal:
        """The caller. Raises ServiceError `unauthenticated`, the same for every reason."""
        text = credential(headers)
        if text is None:
            raise unauthenticated("No key was sent; use `Authorization: Bearer <key>` or `X-Api-Key`.")
        parsed = parse(text)
        if parsed is None and hmac.compare_digest(text.encode(), self.run_token.encode()):
            return _operator(headers.get(OPERATOR_HEADER, ""))
        if parsed is None:
            raise unauthenticated("This is no key of this service; a key looks like noces_<id>_<secret>.")
        key, digest = parsed
        known = self._known.get(key) or await self._load(key)
        if known is None or not hmac.compare_digest(known[0], digest):
            raise unauthenticated("This key is unknown, expired or revoked.")
        principal = known[1]
        if principal.expires_at is not None and principal.expires_at <= self._clock():
            raise unauthenticated("This key is unknown, expired or revoked.")
        return principal

    async def _load(self, key: str) -> tuple[bytes, Principal] | None:
        owner = await table.owner(self._query, key)
        if owner is None or owner[1] is None:
            return None
        found = await table.find_key(self._query, owner[0], key)
        if found is None or found.revoked_at is not None:
            return None
        principal = Principal(
            organisation=owner[0], key=key, scopes=frozenset(found.scopes), side=found.side,
            partnerships=None if found.partnerships is None else frozenset(found.partnerships),
            expires_at=found.expires_at,
        )  # fmt: skip
        self._known[key] = (owner[1], principal)
        return self._known[key]

    async def create(
        self, organisation: str, wanted: NewKey, context: Context, once: Idempotency | None = None
    ) -> tuple[str, str | None]:
        """(id, key) of a new key; its text is told this once, and not again where `once` was answered before."""
        check_scopes(wanted.scopes)
        key = self._ids.new("key")
        text, digest = mint(key)
        expires = None if wanted.expires_at is None else wanted.expires_at.isoformat().replace("+00:00", "Z")
        created = e.KeyCreated(
            key=key, name=wanted.name, scopes=wanted.scopes, side=wanted.side, partnerships=wanted.partnerships,
            expires_at=expires,
        )  # fmt: skip
        made = await self._administer(organisation, created, context, [_directory(key, organisation, digest)], once)
        known = decode(made.events[0])
        return (known.key, None) if made.replayed and isinstance(known, e.KeyCreated) else (key, text)

    async def rotate(
        self, organisation: str, key: str, context: Context, once: Idempotency | None = None
    ) -> str | None:
        """A new secret for a key, told this once; the old one ends at once."""
        text, digest = mint(key)
        rows = [_directory(key, organisation, digest)]
        made = await self._administer(organisation, e.KeyRotated(key=key), context, rows, once)
        return None if made.replayed else text

    async def revoke(self, organisation: str, key: str, context: Context) -> None:
        """End a key."""
        await self._administer(organisation, e.KeyRevoked(key=key), context, [])

    async def _administer(
        self,
        organisation: str,
        event: e.Event,
        context: Context,
        rows: Sequence[RowChange],
        once: Idempotency | None = None,
    ) -> Outcome:
        return await self._handler.handle(
            Asked(
                organisation=organisation, stream=STREAM, command=Administer(events=(event,)), context=context,
                key=once, rows=tuple(rows),
            )
        )  # fmt: skip


def _operator(organisation: str) -> Principal:
    if not organisation:
        raise ServiceError("bad_parameter", f"The operator names an organisation in the header {OPERATOR_HEADER}.")
    return Principal(organisation=organisation, key=OPERATOR, scopes=frozenset((*SCOPES, OPERATOR)))


def _directory(key: str, organisation: str, digest: bytes) -> Put:
    return Put("directory", {"id": key}, {"organisation": organisation, "digest": digest})


def unauthenticated(detail: str) -> ServiceError:
    """The error of a request without a usable key."""
    return ServiceError("unauthenticated", detail, headers={"WWW-Authenticate": 'Bearer realm="noces"'})


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
