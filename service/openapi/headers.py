"""Headers of the contract: those a caller may send, those an answer carries."""

from typing import Any

from service.api.route import PUBLIC, Route
from service.auth import OPERATOR
from service.components import TEXT, Json
from service.edge import PATTERN
from service.hosts import PROBES

COUNTED = ["RateLimit-Policy", "RateLimit"]


def _header(name: str, description: str, **schema: Any) -> Json:  # noqa: ANN401  # keywords of a schema
    return {"name": name, "in": "header", "description": description, "schema": {**TEXT, **schema}}


REQUEST_HEADERS: dict[str, Json] = {
    "IdempotencyKey": _header(
        "Idempotency-Key", "The same key with the same body is answered as the first time; with another body it is refused.",
        minLength=1, maxLength=257,
    ),
    "IfMatch": _header("If-Match", "The ETag that was seen; 412 when the partnership has moved on."),
    "RequestId": _header(
        "X-Request-Id", "Your name for this request, echoed; without one, or with other characters, one is given.",
        pattern=PATTERN,
    ),
    "CorrelationId": _header("X-Correlation-Id", "Written into the events, to find again what belongs together."),
}  # fmt: skip

HEADERS: dict[str, Json] = {
    "X-Request-Id": {"description": "The request's id, as in logs and problems.", "schema": TEXT},
    "ETag": {"description": "The version to send as If-Match; absent in answers that look back.", "schema": TEXT},
    "Location": {"description": "Where the new thing is.", "schema": TEXT},
    "Link": {"description": 'The next page, `rel="next"`; absent on the last.', "schema": TEXT},
    "Idempotency-Replayed": {"description": "`true` where this is the first answer again.", "schema": TEXT},
    "Retry-After": {"description": "Seconds to wait.", "schema": TEXT},
    "RateLimit-Policy": {
        "description": "The limit that counted this request: `q` requests in `w` seconds.",
        "schema": TEXT,
    },
    "RateLimit": {
        "description": "What is left of it: `r` requests, which last when spread over `t` seconds.",
        "schema": TEXT,
    },
    "WWW-Authenticate": {"description": "How to say who asks.", "schema": TEXT},
}


def header_references(*names: str) -> Json:
    """Headers by reference."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def header_parameters(route: Route) -> list[Json]:
    """The headers that a route looks at, by reference."""
    names = []
    if repeatable(route):
        names.append("IdempotencyKey")
    if 412 in route.problems and route.path.startswith(("/v1/partnerships", "/v1/facts")):  # noqa: PLR2004
        names.append("IfMatch")
    if route.method != "GET" and route.scope != PUBLIC:
        names.append("CorrelationId")
    return [{"$ref": f"#/components/parameters/{name}"} for name in (*names, "RequestId")]


def answer_headers(route: Route, status: int, name: str | None) -> list[str]:
    """The names of the headers that an answer carries."""
    found = ["X-Request-Id"]
    if _is_counted(route):
        found += COUNTED
    if name in ("Partnership", "Recorded"):
        found.append("ETag")
    if status == 201 and name in ("Partnership", "NewKey", "NewSource", "ConnectorTitle", "AdoptedPolicy"):  # noqa: PLR2004
        found.append("Location")
    if any(each.name == "cursor" for each in route.parameters) and name != "EventPage":
        found.append("Link")
    if repeatable(route):
        found.append("Idempotency-Replayed")
    return found


def repeatable(route: Route) -> bool:
    """Whether a route takes an Idempotency-Key."""
    return route.method == "POST" and route.idempotent_key and route.scope != PUBLIC


def _is_counted(route: Route) -> bool:
    """Whether an answer tells of a rate: not to who asks whether the service lives, who shakes hands, or the operator."""
    shaking_hands = route.path.startswith("/hooks/") and route.method != "POST"
    return route.path not in PROBES and route.scope != OPERATOR and not shaking_hands
