"""OpenID Connect: bearer tokens of a company's own issuer, as good as keys where settings say so.

Only signatures of the issuer's published keys count, by asymmetric algorithms alone. The keys are fetched behind the
requests; an issuer that is away locks nobody out whose key is known.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx
import jwt
import msgspec
import structlog
from msgspec import Struct

from domain.types import Side
from service.auth import SCOPES, Principal, unauthenticated
from service.errors import ServiceError
from service.settings import Settings, SettingsError

LONGEST_TOKEN = 8_192
LARGEST_DOCUMENT = 1_000_000
FETCH_SECONDS = 5.0
WAIT_SECONDS = 2.0
"""How long a request waits for the issuer's keys; they are read on behind it."""
REFRESH = timedelta(hours=1)
"""How old the issuer's keys may grow before they are asked for again, behind a request."""
PAUSE = timedelta(seconds=30)
"""The least time between two questions to the issuer, however many tokens name unknown keys."""
LEEWAY = 60
"""Seconds that the issuer's clock may differ from ours."""
ALGORITHMS: Mapping[tuple[str, str | None], tuple[str, ...]] = {
    ("RSA", None): ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    ("EC", "P-256"): ("ES256",),
    ("EC", "P-384"): ("ES384",),
    ("EC", "P-521"): ("ES512",),
    ("OKP", "Ed25519"): ("EdDSA",),
}
"""By the kind and the curve of a key, what it may have signed with: a secret shared with others signs nothing here."""

log = structlog.get_logger()


class IssuerKey(Struct, frozen=True):
    """A public key of the issuer and the algorithms that it may be used with."""

    public: Any
    algorithms: tuple[str, ...]


class Rules(Struct, frozen=True, kw_only=True):
    """How claims become a caller."""

    issuer: str
    audience: str
    scopes_claim: str
    scopes: Mapping[str, Sequence[str]]
    """Values of the claim to scopes; a value that is a scope's own name needs no line."""
    organisation: str
    organisation_claim: str
    side_claim: str
    partnerships_claim: str


def read_rules(settings: Settings) -> Rules | None:
    """The rules of the settings; None where no issuer is set. Raises SettingsError."""
    if not settings.oidc_issuer:
        return None
    where = urlsplit(settings.oidc_issuer)
    if where.scheme != "https" and where.hostname not in ("127.0.0.1", "::1", "localhost"):
        message = f"NOCES_OIDC_ISSUER is {settings.oidc_issuer!r}; it takes an https address."
        raise SettingsError(message)
    if not settings.oidc_audience:
        message = "NOCES_OIDC_AUDIENCE is not set; without it a token for any other service would be taken here."
        raise SettingsError(message)
    try:
        scopes = msgspec.json.decode(settings.oidc_scopes or "{}", type=dict[str, tuple[str, ...]])
    except msgspec.DecodeError as error:
        message = f'NOCES_OIDC_SCOPES takes JSON such as {{"noces-readers": ["read"]}}: {error}.'
        raise SettingsError(message) from error
    if unknown := {each for given in scopes.values() for each in given} - set(SCOPES):
        message = f"NOCES_OIDC_SCOPES names {', '.join(sorted(unknown))}; scopes are {', '.join(SCOPES)}."
        raise SettingsError(message)
    return Rules(
        issuer=settings.oidc_issuer, audience=settings.oidc_audience, scopes_claim=settings.oidc_scopes_claim,
        scopes=scopes, organisation=settings.oidc_organisation or settings.organisation,
        organisation_claim=settings.oidc_organisation_claim, side_claim=settings.oidc_side_claim,
        partnerships_claim=settings.oidc_partnerships_claim,
    )  # fmt: skip


class Tokens:
    """Verifies bearer tokens of one issuer."""

    def __init__(
        self, rules: Rules, clock: Callable[[], datetime], actor: Callable[[str, str], Awaitable[str]],
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:  # fmt: skip
        self._rules = rules
        self._clock = clock
        self._actor = actor
        self._http = httpx.AsyncClient(timeout=FETCH_SECONDS, follow_redirects=False, transport=transport)
        self._keys: dict[str, IssuerKey] = {}
        self._fetched: datetime | None = None
        self._asked: datetime | None = None
        self._fetching: asyncio.Task[None] | None = None

    async def close(self) -> None:
        """Ask the issuer nothing more."""
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.gather(self._fetching, return_exceptions=True)
        await self._http.aclose()

    async def authenticate(self, token: str) -> Principal:
        """The caller whom a token names.

        Raises ServiceError `unauthenticated`, or `unavailable` while no key of the issuer is known.
        """
        if len(token) > LONGEST_TOKEN:
            raise unauthenticated(f"The token is longer than {LONGEST_TOKEN} characters.", "token_too_long")
        claims = await self._verified(token)
        self._check_times(claims)
        organisation = self._organisation(claims)
        return Principal(
            organisation=organisation, key=await self._actor(organisation, str(claims["sub"])), scopes=self._scopes(claims),
            side=self._side(claims), partnerships=self._partnerships(claims),
        )  # fmt: skip

    # --- the signature ---------------------------------------------------------------------------------------------

    async def _verified(self, token: str) -> dict[str, Any]:
        try:
            header = jwt.get_unverified_header(token)
        except jwt.PyJWTError:
            raise _refused("token_format") from None
        kid, algorithm = header.get("kid"), header.get("alg")
        if not any(algorithm in allowed for allowed in ALGORITHMS.values()):
            raise _refused("token_algorithm")
        key = await self._key(kid if isinstance(kid, str) else None)
        if algorithm not in key.algorithms:
            raise _refused("token_algorithm")
        try:
            claims: dict[str, Any] = jwt.decode(
                token, key.public, algorithms=list(key.algorithms), audience=self._rules.audience, issuer=self._rules.issuer,
                # The times are compared with the service's own clock, below.
                options={"require": ["exp", "iss", "aud", "sub"], "verify_exp": False, "verify_nbf": False, "verify_iat": False},
            )  # fmt: skip
        except jwt.InvalidIssuerError:
            raise _refused("token_issuer") from None
        except jwt.InvalidAudienceError:
            raise _refused("token_audience") from None
        except jwt.InvalidSignatureError:
            raise _refused("token_signature") from None
        except (jwt.PyJWTError, ValueError, TypeError):
            raise _refused("token_format") from None
        return claims

    async def _key(self, kid: str | None) -> IssuerKey:
        found = self._known(kid)
        if found is None:
            await self._fetch_again()
            found = self._known(kid)
        elif not self._within(REFRESH, self._fetched):
            self._begin_fetch()
        if found is not None:
            return found
        if not self._keys:
            raise ServiceError("unavailable", "The issuer of tokens does not answer; use a key, or try again.")
        raise _refused("token_key")

    def _known(self, kid: str | None) -> IssuerKey | None:
        if kid is not None:
            return self._keys.get(kid)
        return next(iter(self._keys.values())) if len(self._keys) == 1 else None

    def _within(self, span: timedelta, since: datetime | None) -> bool:
        """Whether something is not longer ago; where the clock was set back nobody knows, and it is taken to be."""
        return since is not None and timedelta() <= self._clock() - since < span

    # --- the issuer's keys -----------------------------------------------------------------------------------------

    async def _fetch_again(self) -> None:
        """Wait for the issuer's keys a short while, together with whoever waits already."""
        task = self._begin_fetch()
        if task is not None:
            await asyncio.wait((task,), timeout=WAIT_SECONDS)

    def _begin_fetch(self) -> asyncio.Task[None] | None:
        if self._fetching is not None and not self._fetching.done():
            return self._fetching
        if self._within(PAUSE, self._asked):
            return None
        self._asked = self._clock()
        self._fetching = asyncio.create_task(self._fetch(), name="issuer keys")
        return self._fetching

    async def _fetch(self) -> None:
        try:
            async with asyncio.timeout(2 * FETCH_SECONDS):
                self._keys = read_keys(await self._published())
            self._fetched = self._clock()
        except (
            httpx.HTTPError,
            httpx.InvalidURL,
            msgspec.DecodeError,
            ValueError,
            KeyError,
            TypeError,
            TimeoutError,
        ) as error:
            log.warning("issuer_not_read", issuer=self._rules.issuer, reason=str(error) or type(error).__name__)

    async def _published(self) -> Sequence[object]:
        about = await self._document(self._rules.issuer.rstrip("/") + "/.well-known/openid-configuration")
        if about.get("issuer") != self._rules.issuer:
            raise ValueError(f"it calls itself {about.get('issuer')!r}")
        address = str(about["jwks_uri"])
        if urlsplit(address).scheme != urlsplit(self._rules.issuer).scheme:
            raise ValueError("its keys lie at an address of another scheme")
        return msgspec.convert((await self._document(address))["keys"], list[Any])

    async def _document(self, address: str) -> dict[str, Any]:
        async with self._http.stream("GET", address) as answer:
            answer.raise_for_status()
            raw = b""
            async for chunk in answer.aiter_bytes():
                raw += chunk
                if len(raw) > LARGEST_DOCUMENT:
                    raise ValueError(f"it answers more than {LARGEST_DOCUMENT} bytes")
        return msgspec.json.decode(raw, type=dict[str, Any])

    # --- the claims ------------------------------------------------------------------------------------------------

    def _check_times(self, claims: Mapping[str, Any]) -> None:
        now = self._clock().timestamp()
        try:
            expires, begins = float(claims["exp"]), float(claims.get("nbf", 0))
        except (TypeError, ValueError):
            raise _refused("token_format") from None
        # Written so that a time which is no number (NaN) is refused.
        if not now < expires + LEEWAY:
            raise _refused("token_expired")
        if not begins - LEEWAY <= now:
            raise _refused("token_not_yet_valid")

    def _organisation(self, claims: Mapping[str, Any]) -> str:
        if not self._rules.organisation_claim:
            return self._rules.organisation
        found = claim(claims, self._rules.organisation_claim)
        if not isinstance(found, str) or not 1 <= len(found) <= 200 or not found.isprintable():  # noqa: PLR2004
            raise _refused("token_organisation")
        return found

    def _scopes(self, claims: Mapping[str, Any]) -> frozenset[str]:
        given = claim(claims, self._rules.scopes_claim)
        named = given.split() if isinstance(given, str) else _texts(given)
        mapped = {scope for name in named for scope in self._rules.scopes.get(name, ())}
        return frozenset(mapped | {name for name in named if name in SCOPES})

    def _side(self, claims: Mapping[str, Any]) -> Side | None:
        if not self._rules.side_claim:
            return None
        match claim(claims, self._rules.side_claim):
            case msgspec.UNSET:
                return None
            case "client":
                return "client"
            case "partner":
                return "partner"
            case _:
                raise _refused("token_side")

    def _partnerships(self, claims: Mapping[str, Any]) -> frozenset[str] | None:
        if not self._rules.partnerships_claim:
            return None
        found = claim(claims, self._rules.partnerships_claim)
        return None if found is msgspec.UNSET else frozenset([found] if isinstance(found, str) else _texts(found))


def read_keys(listed: Sequence[object]) -> dict[str, IssuerKey]:
    """The keys of a JWK set that may sign tokens, by their ids; others, and what is none, are left out."""
    found: dict[str, IssuerKey] = {}
    for each in listed:
        if not isinstance(each, Mapping):
            continue
        kind, curve = str(each.get("kty")), str(each.get("crv"))
        allowed = ALGORITHMS.get((kind, None if kind == "RSA" else curve), ())
        if each.get("alg") is not None:
            allowed = tuple(name for name in allowed if name == each["alg"])
        if not allowed or each.get("use", "sig") != "sig":
            continue
        try:
            public = jwt.PyJWK.from_dict(dict(each), algorithm=allowed[0]).key
        except (jwt.PyJWTError, ValueError, TypeError):
            continue
        found[str(each.get("kid", ""))] = IssuerKey(public, allowed)
    return found


def claim(claims: Mapping[str, Any], path: str) -> Any:  # noqa: ANN401  # a claim may be any JSON
    """A claim by its name, or by a path of names with dots (`realm_access.roles`); UNSET where it is not."""
    if path in claims:
        return claims[path]
    value: Any = claims
    for name in path.split("."):
        value = value.get(name, msgspec.UNSET) if isinstance(value, Mapping) else msgspec.UNSET
    return value


def _texts(value: object) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def _refused(reason: str) -> ServiceError:
    return unauthenticated("This token is not accepted here; ask its issuer for a new one for this service.", reason)
