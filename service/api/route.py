"""A route as data, and the one path that every request takes: who asks, may they, what do they say."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import msgspec
from litestar import Response
from litestar.response import Stream
from msgspec import Struct, field

from domain.types import Side
from events.envelope import Context
from events.store import Idempotency
from service.auth import OPERATOR, SCOPES, Principal
from service.body import read_instant, read_json, shape
from service.errors import ServiceError
from service.projections import partnerships as listed
from service.settings import SettingsError

if TYPE_CHECKING:
    from service.services import Services

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
PUBLIC = "public"
"""The scope of a route that needs no key."""
ANY_KEY = "any key"
"""The scope of a route that every key may ask."""
DECLARED = frozenset({*SCOPES, PUBLIC, ANY_KEY, OPERATOR})
ORGANISATION_WIDE = ("hooks", "audit", "admin")
"""Scopes that mean nothing in a key that is bound to partnerships."""
FOR_BOTH_SIDES = ("hooks", "admin")
"""Scopes that mean nothing in a key with a side: a source speaks for both, and so do keys and policies."""
PAGE_LIMIT = 500
DEFAULT_PAGE = 100

T = TypeVar("T")


class Answer(Struct, kw_only=True):
    """What a route answers: a value that becomes JSON, or bytes of another type."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = {}
    media_type: str = "application/json"
    stream: AsyncIterator[bytes] | None = None

    def content(self) -> bytes:
        """The body's bytes."""
        if self.body is None:
            return b""
        return self.body if isinstance(self.body, bytes) else msgspec.json.encode(self.body)


class Parameter(Struct, frozen=True, kw_only=True):
    """A query parameter, for the published document; unknown ones are refused."""

    name: str
    description: str
    schema: dict[str, Any] = field(default_factory=lambda: {"type": "string"})


class Route(Struct, frozen=True, kw_only=True):
    """One route: what it needs, what it takes, what it answers."""

    method: Method
    path: str
    scope: str
    run: Callable[["Call"], Awaitable[Answer]]
    summary: str
    body: Any = None
    answers: dict[int, Any] = {}
    problems: tuple[int, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    media_types: tuple[str, ...] = ("application/json",)
    idempotent_key: bool = True
    """Whether a POST takes an Idempotency-Key."""
    open_query: bool = False


class Call(Struct, kw_only=True):
    """One request on its way through a route."""

    services: "Services"
    request: Any
    route: Route
    principal: Principal
    now: datetime
    raw: bytes = b""

    # --- what came ---------------------------------------------------------------------------------------------------

    @property
    def organisation(self) -> str:
        """The organisation that the key decides."""
        return self.principal.organisation

    def path(self, name: str) -> str:
        """A parameter of the path."""
        return str(self.request.path_params[name]).lstrip("/")

    def query(self, name: str) -> str | None:
        """A query parameter, once at most."""
        values = self.request.query_params.getall(name, [])
        if len(values) > 1:
            raise ServiceError("bad_parameter", f"{name} stands {len(values)} times; send it once.")
        return str(values[0]) if values else None

    def flag(self, name: str) -> bool | None:
        """A query parameter that is true or false."""
        match self.query(name):
            case None:
                return None
            case "true" | "1":
                return True
            case "false" | "0":
                return False
            case other:
                raise ServiceError("bad_parameter", f"{name} is {other!r}; send true or false.")

    def path_number(self, name: str) -> int:
        """A number of the path, from 1 on; 0 where what stands there is none, or has more than 18 digits."""
        text = self.path(name)
        return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0  # noqa: PLR2004

    def instant(self, name: str) -> datetime | None:
        """A query parameter that is an instant."""
        text = self.query(name)
        # A plus sign in a query that was not percent-encoded arrives as a blank.
        return None if text is None else read_instant(text.replace(" ", "+"), name)

    def number(self, name: str, default: int, least: int, most: int) -> int:
        """A query parameter that is a whole number within bounds."""
        text = self.query(name)
        if text is None:
            return default
        if not text.isascii() or not text.isdigit() or len(text) > 19 or not least <= int(text) <= most:  # noqa: PLR2004
            raise ServiceError("bad_parameter", f"{name} is {text!r}; send a whole number from {least} to {most}.")
        return int(text)

    @property
    def limit(self) -> int:
        """How many items a page shall have."""
        return self.number("limit", DEFAULT_PAGE, 1, PAGE_LIMIT)

    def json(self) -> Any:  # noqa: ANN401  # JSON before its shape is known
        """The body as JSON. Raises ServiceError `unsupported_media_type`, `bad_json`, `bad_text`."""
        require_media_type(self.request.headers.get("content-type", ""), self.route.media_types)
        return read_json(self.raw)

    def text(self) -> str:
        """The body as text. Raises ServiceError `unsupported_media_type`, `bad_text`."""
        require_media_type(self.request.headers.get("content-type", ""), self.route.media_types)
        try:
            return self.raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise ServiceError("bad_text", f"The body is not UTF-8 (byte {error.start}); send text in UTF-8.") from None

    def body(self, kind: type[T]) -> T:
        """The body as a struct."""
        return shape(self.json(), kind)

    # --- who and how ---------------------------------------------------------------------------------------------------

    @property
    def context(self) -> Context:
        """Who writes, for the envelope."""
        return Context(
            actor=self.principal.key, correlation_id=_printable(self.request.headers.get("x-correlation-id"))
        )

    def side(self, asked: Side | None) -> Side:
        """The side that speaks: the key's, else the one asked for, else the client whose log this is."""
        bound = self.principal.side
        if bound is not None and asked is not None and asked != bound:
            raise wrong_side(bound, asked)
        return bound or asked or "client"

    def partnership(self) -> str:
        """The partnership of the path, which the key may see."""
        identifier = self.path("id")
        self.visible(identifier)
        return identifier

    def visible(self, identifier: str) -> None:
        """Answer as for a missing one when the key is bound elsewhere."""
        if not self.principal.may_see(identifier):
            raise no_partnership(identifier)

    async def stream(self) -> str:
        """The stream of the path's partnership. Raises ServiceError `not_found`."""
        return await self.stream_of(self.path("id"))

    async def stream_of(self, identifier: str) -> str:
        """The stream of a partnership that is there and that the key may see. Raises ServiceError `not_found`."""
        self.visible(identifier)
        stream = listed.stream_of(identifier)
        known = self.services.states.known(self.organisation, stream)
        if not known and not await listed.exists(self.services.query, self.organisation, identifier):
            raise no_partnership(identifier)
        return stream

    @property
    def if_match(self) -> int | None:
        """The version that the caller has seen."""
        given = self.request.headers.get("if-match")
        if given is None or given.strip() == "*":
            return None
        text = given.strip().removeprefix("W/").strip('"')
        if not text.isascii() or not text.isdigit() or len(text) > 18:  # noqa: PLR2004
            raise ServiceError(
                "stale_version", f"If-Match {given!r} is no ETag of this service; send the one you were given."
            )
        return int(text)

    @property
    def idempotency_key(self) -> str | None:
        """The caller's Idempotency-Key, quoted or not."""
        given = self.request.headers.get("idempotency-key")
        if given is None:
            return None
        key = given[1:-1] if len(given) > 1 and given[0] == given[-1] == '"' else given
        if not 1 <= len(key) <= 255 or not key.isprintable():  # noqa: PLR2004
            raise ServiceError("bad_request", "Idempotency-Key takes 1 to 255 printable characters.")
        return str(key)

    async def idempotency(self, status: int) -> Idempotency | None:
        """The caller's Idempotency-Key with the identity of this request."""
        key = self.idempotency_key
        if key is None:
            return None
        target = f"{self.request.method} {self.request.url.path}?{self.request.url.query or ''}"
        digest = await self.services.vault.digest(self.organisation, target.encode(), self.raw)
        return Idempotency(scope=self.principal.key, key=key, digest=digest, status=status)


def require_media_type(given: str, wanted: tuple[str, ...]) -> str:
    """The media type of a body, one of those wanted. Raises ServiceError `unsupported_media_type`."""
    media_type = given.partition(";")[0].strip().lower()
    if media_type in wanted or ("application/json" in wanted and media_type.endswith("+json")):
        return media_type
    raise ServiceError("unsupported_media_type", f"Content-Type is {given or 'missing'!r}; send {' or '.join(wanted)}.")


def wrong_side(bound: Side, asked: str) -> ServiceError:
    """The error of a key that speaks for the other side."""
    return ServiceError("wrong_side", f"This key speaks for the {bound} only, not for the {asked}.")


def no_partnership(identifier: str) -> ServiceError:
    """The error of a partnership that is not there, or not this caller's."""
    return ServiceError("not_found", f"There is no partnership {identifier!r} here.")


def _printable(text: str | None) -> str | None:
    return text[:200] if text and text.isprintable() else None


def check_routes(routes: Sequence[Route]) -> None:
    """Refuse to start with a route that says not who may ask it. Raises SettingsError."""
    for route in routes:
        if route.scope not in DECLARED:
            message = (
                f"{route.method} {route.path} declares the scope {route.scope!r}; a route says who may ask it: "
                f"one of {', '.join(sorted(DECLARED))}."
            )
            raise SettingsError(message)


def check_scope(principal: Principal, scope: str) -> None:
    """Refuse a key that lacks the scope of a route."""
    if scope != ANY_KEY and scope not in principal.scopes:
        raise ServiceError(
            "forbidden",
            f"This needs a key with the scope {scope!r}; this key has {', '.join(sorted(principal.scopes))}.",
        )
    if principal.partnerships is not None and scope in ORGANISATION_WIDE:
        raise ServiceError("forbidden", f"This key is bound to partnerships; {scope!r} is for the whole organisation.")
    if principal.side is not None and scope in FOR_BOTH_SIDES:
        raise ServiceError(
            "forbidden", f"This key speaks for the {principal.side} only; {scope!r} decides for both sides."
        )


def check_query(route: Route, given: Mapping[str, Any]) -> None:
    """Refuse query parameters that a route does not know: a typing error must not widen an answer."""
    known = {parameter.name for parameter in route.parameters}
    unknown = sorted(set(given) - known)
    if unknown and not route.open_query:
        raise ServiceError(
            "bad_parameter",
            f"Query parameter {unknown[0]!r} is not known here; known: {', '.join(sorted(known)) or 'none'}.",
        )


def response(answer: Answer) -> Response[Any]:
    """An answer as Litestar sends it."""
    if answer.stream is not None:
        return Stream(answer.stream, status_code=answer.status, headers=answer.headers, media_type=answer.media_type)
    return Response(
        content=answer.content(), status_code=answer.status, headers=answer.headers, media_type=answer.media_type
    )
