"""The composition root: the one place where clock, chance, files and routes are put together."""

import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import structlog
from litestar import Litestar, Request, Response
from litestar.enums import ScopeType
from litestar.exceptions import HTTPException, MethodNotAllowedException, NotFoundException
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from domain import events as e
from domain.errors import DomainError
from events.envelope import Context
from events.sqlite import SqliteStore
from events.store import Database, StoreError
from service import demo, importing
from service.api.all import ROUTES
from service.api.route import (
    PUBLIC,
    Answer,
    Call,
    Route,
    check_query,
    check_routes,
    check_scope,
    read_raw,
    require_media_type,
    response,
)
from service.auth import OPERATOR, SCOPES, Keys, NewKey, Principal
from service.catalogue import Catalogue
from service.clock import Clock
from service.connectors.compiled import Connector
from service.connectors.load import load_connectors
from service.errors import FieldError, ServiceError, problem_bytes
from service.handler import Handler
from service.ids import Ids
from service.inbox import Inbox
from service.oidc import Tokens, read_rules
from service.projections.all import MIGRATIONS, project
from service.services import Services
from service.settings import Settings
from service.silence import Silence
from service.sources import Sources
from service.states import States
from service.telemetry import Telemetry
from service.vault import Vault, read_master_key
from service.views import Views

NOBODY = Principal(organisation="", key="", scopes=frozenset())
NDJSON = "application/x-ndjson"
FACT_FIELDS = {name: frozenset(kind.__struct_fields__) for name, kind in e.FACTS.items()}
"""What a connector may write: every fact and its fields."""

log = structlog.get_logger()


def now() -> datetime:
    """The wall clock, in UTC."""
    return datetime.now(UTC)


def connectors_at_hand(settings: Settings) -> Mapping[str, Connector]:
    """The shipped connectors and those of the operator's folder."""
    return load_connectors(FACT_FIELDS, Path(settings.connectors) if settings.connectors else None)


# --- the parts ---------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def running(settings: Settings, clock: Callable[[], datetime] = now) -> AsyncIterator[Services]:
    """Open the log and start everything that works behind the routes."""
    path = settings.database_path
    path.parent.mkdir(parents=True, exist_ok=True)
    store = await SqliteStore.open(path, migrations=MIGRATIONS, clock=clock, projections=(project,))
    try:
        services = assemble(settings, store, clock)
        await services.vault.check()
        services.handler.start(on_death=_end_process)
        services.inbox.start()
        services.time.start()
        services.silence.start()
        services.keys.start(store.write)
        try:
            yield services
        finally:
            await services.keys.stop(store.write)
            if services.tokens is not None:
                await services.tokens.close()
            await services.silence.stop()
            await services.time.stop()
            await services.inbox.stop()
            await services.handler.stop()
    finally:
        await store.close()


@asynccontextmanager
async def beside(settings: Settings) -> AsyncIterator[Database | None]:
    """The database for reading only, also beside a running server; None where there is none yet."""
    path = settings.database_path.absolute()
    if not path.exists():
        yield None
        return
    store = await SqliteStore.open_readonly(path)
    try:
        yield store
    finally:
        await store.close()


def assemble(settings: Settings, store: SqliteStore, clock: Callable[[], datetime]) -> Services:
    """Put the parts together; nothing runs yet."""
    ids = Ids(clock)
    key_path = settings.database_path.parent / "master.key"
    vault = Vault(read_master_key(settings.master_key, key_path), store.query)
    states = States(store)
    telemetry = Telemetry()
    handler = Handler(store, states, vault, clock, ids, timedelta(seconds=settings.clock_quiet_seconds))
    catalogue = Catalogue(store.query, handler, connectors_at_hand(settings), FACT_FIELDS)
    services = Services(
        settings=settings, clock=clock, ids=ids, store=store, announce=store.lock.write, vault=vault,
        states=states, handler=handler,
        keys=Keys(store.query, handler, clock, ids),
        sources=Sources(store.query, handler, vault, catalogue, settings, ids),
        catalogue=catalogue,
        inbox=Inbox(store, handler, catalogue, vault, clock, ids, telemetry.item),
        silence=Silence(store.query, clock, telemetry.silent),
        time=Clock(store.query, handler, clock, settings.clock_seconds),
        views=Views(store.query, vault), telemetry=telemetry,
    )  # fmt: skip
    if (rules := read_rules(settings)) is not None:
        services.tokens = Tokens(rules, clock, services.actor_of)
    handler.on_recorded.append(services.recorded)
    return services


def _end_process() -> None:
    """A dead writer would leave every caller waiting: end, and let the supervisor start anew."""
    os.kill(os.getpid(), signal.SIGTERM)


async def first_start(services: Services) -> str | None:
    """Make the organisation, its first key and the demo on first start; the key's text, told this once."""
    organisation = services.settings.organisation
    if not await services.create_organisation(organisation):
        return None
    wanted = NewKey(scopes=SCOPES, name="first key")
    _, key = await services.keys.create(organisation, wanted, Context(actor="system"))
    if services.settings.demo:
        await demo.tell(services, organisation)
    return key


# --- requests ----------------------------------------------------------------------------------------------------------


def endpoint(services: Services, route: Route) -> Callable[[Request[Any, Any, Any]], Awaitable[Response[Any]]]:
    """A route as a Litestar handler: who asks, may they, what do they say, what comes of it."""

    async def handle(request: Request[Any, Any, Any]) -> Response[Any]:
        started = time.perf_counter()
        status = 500
        try:
            answered = await _serve(services, route, request)
            status = answered.status_code or 200
        except Exception as error:  # noqa: BLE001  # whatever it is, the caller gets a problem document
            error = as_service_error(error)
            status = error.status
            answered = problem_response(error, request)
            if error.code == "unauthenticated":
                services.telemetry.unauthenticated(error.reason)
        services.telemetry.answered(route.method, route.path, status, time.perf_counter() - started)
        return answered

    return handle


async def _serve(services: Services, route: Route, request: Request[Any, Any, Any]) -> Response[Any]:
    call = await _admitted(services, route, request)
    if _is_import(route, request):
        return response(await _import(call))
    if route.method != "GET":
        limit = services.settings.hook_body_limit if route.path.startswith("/hooks/") else services.settings.body_limit
        call.raw = await read_raw(request, limit, services.settings.receive_seconds)
    return response(await route.run(call))


async def _admitted(services: Services, route: Route, request: Request[Any, Any, Any]) -> Call:
    """A request whose caller may do what it asks."""
    principal = NOBODY
    if route.scope != PUBLIC:
        principal = await services.authenticate(request.headers)
        check_scope(principal, route.scope)
        if principal.key == OPERATOR:
            await services.create_organisation(principal.organisation)
    check_query(route, request.query_params)
    return Call(services=services, request=request, route=route, principal=principal, now=services.clock())


def _is_import(route: Route, request: Request[Any, Any, Any]) -> bool:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return route.path == "/v1/facts" and media_type == NDJSON


async def _import(call: Call) -> Answer:
    """Read all lines before answering: many senders send everything before they read anything."""
    if (results := call.query("results")) is not None:
        raise ServiceError("bad_parameter", f"results is {results!r}; it takes `all`.")
    told = importing.run_import(call, call.request.stream(), call.idempotency_key)
    body = b"".join([part async for part in told])
    return Answer(body=body, media_type=NDJSON)


async def _chunks(receive: Receive) -> AsyncIterator[bytes]:
    """The pieces of a body as they arrive; a caller that goes away ends it."""
    more = True
    while more:
        message: Any = await receive()
        more = message["type"] == "http.request" and message.get("more_body", False)
        yield message.get("body", b"")


def with_live_import(inner: ASGIApp, services: Services) -> ASGIApp:
    """Answer an import line by line while it arrives (`?results=all`), which needs both ends of the connection at once."""
    route = next(each for each in ROUTES if (each.method, each.path) == ("POST", "/v1/facts"))

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if not _is_live(scope, route):
            await inner(scope, receive, send)
            return
        request: Request[Any, Any, Any] = Request(scope, receive, send)
        try:
            call = await _admitted(services, route, request)
            require_media_type(request.headers.get("content-type", ""), (NDJSON,))
            lines = importing.run_import(call, _chunks(receive), call.idempotency_key, every=True)
        except Exception as error:  # noqa: BLE001  # whatever it is, the caller gets a problem document
            refused = problem_response(as_service_error(error), request)
            await refused.to_asgi_response(None, request)(scope, receive, send)
            return
        start: Any = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", NDJSON.encode())]}
        await send(start)
        async for told in lines:
            body: Any = {"type": "http.response.body", "body": told, "more_body": True}
            await send(body)
        end: Any = {"type": "http.response.body", "body": b"", "more_body": False}
        await send(end)

    return app


def _is_live(scope: Scope, route: Route) -> bool:
    if scope["type"] != ScopeType.HTTP or (scope["method"], scope["path"]) != (route.method, route.path):
        return False
    return parse_qs(scope["query_string"]).get(b"results") == [b"all"]


# --- errors ------------------------------------------------------------------------------------------------------------

STORE_CODES = {
    "disk_full": "disk_full",
    "unavailable": "unavailable",
    "locked": "unavailable",
    "outcome_unknown": "unavailable",
}


def as_service_error(error: Exception) -> ServiceError:  # noqa: PLR0911  # one table, a line a kind
    """Any error as one of the published ones; what nobody foresaw is logged and told without detail."""
    match error:
        case ServiceError():
            return error
        case DomainError():
            errors = [FieldError(f"/{error.index}", error.message)] if error.index is not None else []
            return ServiceError(error.code, error.message, errors=errors)
        case StoreError():
            return ServiceError(STORE_CODES[error.code], _STORE_DETAIL[STORE_CODES[error.code]])
        case NotFoundException():
            return ServiceError("not_found", "There is nothing at this address; see /docs.")
        case MethodNotAllowedException():
            return ServiceError("method_not_allowed", "This address does not take this method; see /docs.")
        case HTTPException() if error.status_code < 500:  # noqa: PLR2004
            return ServiceError("bad_request", "The request cannot be read; see /docs.")
        case _:
            log.error("unforeseen", exc_info=error)
            return ServiceError("internal", "Something went wrong here, and was logged; nothing was written.")


_STORE_DETAIL = {
    "disk_full": "The disk is full; nothing was written. Reading goes on; try again when there is room.",
    "unavailable": "The log cannot be written at the moment; use an Idempotency-Key and try again.",
}


def problem_response(error: ServiceError, request: Request[Any, Any, Any]) -> Response[bytes]:
    """The problem document of an error."""
    headers = dict(error.headers)
    if error.status in (503, 507):
        headers.setdefault("Retry-After", "1" if error.status == 503 else "30")  # noqa: PLR2004
    raw = problem_bytes(error, str(request.scope.get("state", {}).get("request_id", "")))
    return Response(content=raw, status_code=error.status, headers=headers, media_type="application/problem+json")


def _handle_error(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    return problem_response(as_service_error(error), request)


# --- the application -----------------------------------------------------------------------------------------------------


def with_request_id(inner: ASGIApp, ids: Ids) -> ASGIApp:
    """Echo the caller's request id, or give one; it is the `instance` of problems and stands in every log line."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await inner(scope, receive, send)
            return
        given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"").decode("latin-1")
        request_id = given if 0 < len(given) <= 200 and given.isascii() and given.isprintable() else ids.new("req")  # noqa: PLR2004
        scope.setdefault("state", {})["request_id"] = request_id

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *SECURITY_HEADERS, (b"x-request-id", request_id.encode())]
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            await inner(scope, receive, send_with_id)

    return app


SECURITY_HEADERS = [(b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer")]


def build(services: Services, routes: Sequence[Route] = ROUTES) -> ASGIApp:
    """The application over running services. Raises SettingsError for a route that says not who may ask it."""
    check_routes(routes)
    handlers = [
        HTTPRouteHandler(path=route.path, http_method=[route.method], status_code=200, include_in_schema=False)(
            endpoint(services, route)
        )
        for route in sorted(routes, key=lambda each: each.method != "OPTIONS")  # else Litestar puts its own there
    ]
    litestar = Litestar(
        route_handlers=handlers, openapi_config=None, debug=False,
        exception_handlers={HTTPException: _handle_error, Exception: _handle_error},
        request_max_body_size=None, logging_config=None,
    )  # fmt: skip
    return with_request_id(with_live_import(litestar, services), services.ids)
