"""The one path that every request takes: who asks, may they, what do they say, what comes of it, how it is told."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs

import msgspec
import structlog
from litestar import Litestar, Request, Response
from litestar.enums import ScopeType
from litestar.exceptions import HTTPException, MethodNotAllowedException, NotFoundException
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp, Receive, Scope, Send
from msgspec.structs import replace

from domain.errors import DomainError
from events.codec import UnreadableError
from events.store import StoreError
from service import importing
from service.api.all import ROUTES
from service.api.route import (
    ANY_KEY,
    PUBLIC,
    Answer,
    Call,
    Method,
    Route,
    check_query,
    check_routes,
    check_scope,
    require_media_type,
    response,
)
from service.arriving import check_coding, pieces, read_raw
from service.auth import OPERATOR, Principal
from service.edge import with_edge
from service.errors import FieldError, ServiceError, problem_answer
from service.request_log import Told
from service.services import Services
from service.settings import Settings

NOBODY = Principal(organisation="", key="", scopes=frozenset())
NDJSON = "application/x-ndjson"
BY_PATH = ("/hooks/", "/t/")
"""Public addresses whose route finds out who asks, and counts whom it finds."""

log = structlog.get_logger()


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
            error = _blamed(services, request.scope, error)
            status = error.status
            answered = problem_response(error, request)
            if status == 401 and route.path.startswith("/docs"):  # noqa: PLR2004
                answered.headers["WWW-Authenticate"] = 'Basic realm="noces"'  # so that browsers ask for the key
        services.telemetry.answered(route.method, route.path, status, time.perf_counter() - started)
        return answered

    return handle


async def _serve(services: Services, route: Route, request: Request[Any, Any, Any]) -> Response[Any]:
    call = await _admitted(services, route, request)
    if _is_import(route, request):
        with services.admission.places.hold(call.principal.key):
            return response(await _import(call))
    if route.method != "GET":
        limit = services.settings.hook_body_limit if route.path.startswith("/hooks/") else services.settings.body_limit
        call.raw = await read_raw(request.receive, request.headers, limit, services.settings.receive_seconds)
    answer = await route.run(call)
    if answer.stream is not None:
        answer.stream = services.admission.places.kept(call.principal.key, answer.stream)
    return response(answer)


async def _admitted(services: Services, route: Route, request: Request[Any, Any, Any]) -> Call:
    """A request whose caller may do what it asks; what is known of it is there for the log, also where it is refused."""
    principal = NOBODY
    request.scope["state"]["route"] = route.path
    if route.scope == PUBLIC:
        if not route.path.startswith(BY_PATH):
            services.admission.stranger(request.scope)
    else:
        principal = await services.authenticate(request.headers)
        request.scope["state"]["principal"] = principal
        services.admission.caller(request.scope, principal)
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
    check_coding(call.request.headers)
    arriving = pieces(call.request.receive, call.services.settings.receive_seconds)
    told = importing.run_import(call, arriving, call.idempotency_key)
    body = b"".join([part async for part in told])
    return Answer(body=body, media_type=NDJSON)


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
            check_coding(request.headers)
            arriving = pieces(receive, services.settings.receive_seconds)
            told = importing.run_import(call, arriving, call.idempotency_key, every=True)
            lines = services.admission.places.kept(call.principal.key, told)
        except Exception as error:  # noqa: BLE001  # whatever it is, the caller gets a problem document
            refused = problem_response(_blamed(services, scope, error), request)
            await refused.to_asgi_response(None, request)(scope, receive, send)
            return
        start: Any = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", NDJSON.encode())]}
        await send(start)
        try:
            async for each in lines:
                body: Any = {"type": "http.response.body", "body": each, "more_body": True}
                await send(body)
        except ServiceError as error:  # the answer has begun: its last line says why there is no summary
            cut = msgspec.json.encode({"status": "cut", "code": error.code, "detail": error.detail}) + b"\n"
            await send({"type": "http.response.body", "body": cut, "more_body": True})
        end: Any = {"type": "http.response.body", "body": b"", "more_body": False}
        await send(end)

    return app


def _is_live(scope: Scope, route: Route) -> bool:
    if scope["type"] != ScopeType.HTTP or (scope["method"], scope["path"]) != (route.method, route.path):
        return False
    # Latin-1 takes any byte; of bytes, `parse_qs` makes ASCII and stumbles over the others.
    return parse_qs(scope["query_string"].decode("latin-1")).get("results") == ["all"]


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
            allow = (error.headers or {}).get("allow", "")
            return ServiceError(
                "method_not_allowed", f"This address takes {allow}; see /docs.", headers={"Allow": allow}
            )
        case UnreadableError():
            log.error("unreadable_entry", why=str(error))
            return ServiceError("internal", "The log holds an entry that cannot be read; noces verify tells its place.")
        case HTTPException() if error.status_code < 500:  # noqa: PLR2004
            return ServiceError("bad_request", "The request cannot be read; see /docs.")
        case _:
            log.error("unforeseen", exc_info=error)
            return ServiceError("internal", "Something went wrong here, and was logged; nothing was written.")


def _blamed(services: Services, scope: Any, error: Exception) -> ServiceError:  # noqa: ANN401  # an ASGI scope
    """The error that is told; one of authentication is counted, also where its sender is only told to wait."""
    found = as_service_error(error)
    if found.code == "unauthenticated":
        services.telemetry.unauthenticated(found.reason)
    return services.admission.blame(scope, found)


_STORE_DETAIL = {
    "disk_full": "The disk is full; nothing was written. Reading goes on; try again when there is room.",
    "unavailable": "The log cannot be written at the moment; use an Idempotency-Key and try again.",
}


def problem_response(error: ServiceError, request: Request[Any, Any, Any]) -> Response[bytes]:
    """The problem document of an error."""
    state = request.scope.get("state", {})
    state["reason"] = error.reason or error.code
    raw, headers = problem_answer(error, str(state.get("request_id", "")))
    return Response(content=raw, status_code=error.status, headers=headers, media_type="application/problem+json")


def _handling(services: Services) -> Callable[[Request[Any, Any, Any], Exception], Response[bytes]]:
    """What answers where no route was found, and what Litestar itself could not do."""

    def handle(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
        return problem_response(_blamed(services, request.scope, error), request)

    return handle


# --- the application -----------------------------------------------------------------------------------------------------


def exposed(routes: Sequence[Route], settings: Settings) -> list[Route]:
    """The routes with who may read the documentation and the metrics as the settings have it."""
    found = []
    for route in routes:
        chosen, scope = "public", ANY_KEY
        if route.path.startswith("/docs") or route.path == "/openapi.json":
            chosen = settings.docs
        elif route.path == "/metrics":
            chosen, scope = settings.metrics, "admin"
        if chosen != "off":
            found.append(replace(route, scope=scope) if chosen == "key" else route)
    return found


def _handler(path: str, method: Method, run: Callable[..., Awaitable[Response[Any]]]) -> HTTPRouteHandler:
    return HTTPRouteHandler(path=path, http_method=[method], status_code=200, include_in_schema=False)(run)


def _without_options(routes: Sequence[Route]) -> Mapping[str, list[str]]:
    """The methods of each path that answers OPTIONS in no way of its own (Litestar's answer names some methods only)."""
    found: dict[str, list[str]] = {}
    for route in routes:
        found.setdefault(route.path, ["OPTIONS"]).append(route.method)
    return {path: methods for path, methods in found.items() if methods.count("OPTIONS") == 1}


def _telling(methods: Sequence[str]) -> Callable[[], Awaitable[Response[bytes]]]:
    allow = ", ".join(sorted({*methods, *(["HEAD"] if "GET" in methods else [])}))

    async def options() -> Response[bytes]:
        return Response(content=b"", status_code=204, headers={"Allow": allow})

    return options


def build(services: Services, routes: Sequence[Route] = ROUTES, tell: Callable[[Told], None] | None = None) -> ASGIApp:
    """The application over running services; `tell` is told of each request.

    Raises SettingsError for a route that says not who may ask it, and for hosts and origins that are none.
    """
    routes = exposed(routes, services.settings)
    check_routes(routes)
    options = [_handler(path, "OPTIONS", _telling(methods)) for path, methods in _without_options(routes).items()]
    handlers = [_handler(route.path, route.method, endpoint(services, route)) for route in routes]
    handlers.sort(key=lambda each: "OPTIONS" not in each.http_methods)  # else Litestar puts its own there
    handle = _handling(services)
    litestar = Litestar(
        route_handlers=[*options, *handlers], openapi_config=None, debug=False,
        exception_handlers={HTTPException: handle, Exception: handle},
        request_max_body_size=None, logging_config=None,
    )  # fmt: skip
    return with_edge(with_live_import(litestar, services), services.settings, services.ids.new, tell, as_service_error)
