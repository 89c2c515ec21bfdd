"""The published contract: an OpenAPI document built from the routes, the structs and the views' schemas."""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from service import examples
from service.api.all import ROUTES
from service.api.route import ANY_KEY, PUBLIC, Parameter, Route
from service.auth import OPERATOR
from service.components import INSTANT, TEXT, Json, body_components, connector_components, fact_components, tidy
from service.downgrade import openapi_3_0
from service.edge import PATTERN
from service.error_guide import GUIDE, codes_of
from service.errors import RETRY_AFTER, STATUS, TITLES
from service.event_schemas import events_document
from service.hosts import PROBES
from service.schemas import ANSWERS, about, ref
from service.swagger import swagger_2_0

JSON = "application/json"
PROBLEM = "application/problem+json"
NDJSON = "application/x-ndjson"
PLAIN = "text/plain"
REPLY = "application/timestamp-reply"
BINARY = "application/octet-stream"
OPENAPI = "application/vnd.oai.openapi+json"
SCHEMES = ("bearer", "key", "basic")
KEYED = (401, 403)
ALWAYS = (400, 429, 500, 503)
LIMITED = 429
COUNTED = ["RateLimit-Policy", "RateLimit"]
WRITING = (413, 507)
DOCS = ("text/css", "image/svg+xml", JSON)

TAGS: tuple[tuple[str, str, str], ...] = (
    ("Partnerships", r"^/v1/partnerships(/\{id\}(/history|/links/.*)?)?$", "Open, find, link, and look back by two clocks."),
    ("Facts", r"/facts$", "What happened, in the past tense; stages follow from it."),
    ("Transitions", r"/transitions$|^/v1/overrides/", "What people decide, with what every guard says."),
    ("Events", r"/events(/\{position\})?$", "The log as a feed."),
    ("Keys", r"^/v1/(me|keys)", "Who may do what."),
    ("Sources", r"^/v1/(sources|connectors)", "Where deliveries come from, and how they are read."),
    ("Deliveries", r"^/(hooks|v1/inbox)", "Webhooks in, and what became of each."),
    ("Policies", r"^/v1/policies", "The thresholds that decisions are taken under."),
    ("Proofs", r"^/(v1/logs|t)/|/proof$", "What others can check without this service."),
    ("Service", r"", "The machine, health, documents."),
)  # fmt: skip
"""(name, paths, what it is), the first that fits a path."""

DESCRIPTION = """\
Noces follows each technology partnership through five stages: facts come in, guarded transitions follow from them, and
an append-only log answers what was known when, and why a stage changed.

- **Keys**: `Authorization: Bearer <key>`, `X-Api-Key: <key>`, or Basic with the key as password. The key decides the
  organisation; each route names the scope it needs. What another organisation owns is not found.
- **Times** are RFC 3339 with an offset (a time without one is refused) and answered in UTC. `as_of` asks what was true
  then, `known_at` what was recorded by then.
- **Retries**: send an `Idempotency-Key` with a POST; the same key and body are answered the same again.
- **Concurrency**: `ETag` is the version you saw; `If-Match` refuses to write when the partnership has moved on.
- **Lists** answer `items` and `next`; unknown query parameters and body fields are refused.
- **Errors** are problem documents (RFC 9457) whose `code` is one of a published list.

The same contract without `oneOf`, for tools that read older forms: `/docs/openapi-3.0.json`, `/docs/swagger-2.0.json`.
What the log keeps of every event: `/docs/events.json`."""


@cache
def openapi_bytes() -> bytes:
    """The document as it is served and committed."""
    return document_bytes(openapi_document())


def document_bytes(document: Json) -> bytes:
    """A document as it is committed: two blanks a level, one line break at the end."""
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def openapi_document() -> Json:
    """The OpenAPI 3.1 document."""
    paths: dict[str, Json] = {}
    for route in ROUTES:
        paths.setdefault(path_of(route), {})[route.method.lower()] = operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Noces", "version": "1.0.0", "summary": "The stages of technology partnerships, from facts.",
            "description": DESCRIPTION, "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "This server."}],
        "security": [{scheme: []} for scheme in SCHEMES],
        "tags": [{"name": name, "description": description} for name, _, description in TAGS],
        "paths": paths,
        "components": {
            "schemas": schemas(), "responses": problems(), "parameters": REQUEST_HEADERS, "headers": HEADERS,
            "securitySchemes": SECURITY,
        },
    }  # fmt: skip


def schemas() -> dict[str, Json]:
    """Every named schema: facts, bodies, answers."""
    bodies = [route.body for route in ROUTES if isinstance(route.body, type) and issubclass(route.body, Struct)]
    return {**fact_components(), **body_components(bodies), **ANSWERS, **connector_components()}


# --- what is said once ---------------------------------------------------------------------------------------------------

SECURITY: dict[str, Json] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "`Authorization: Bearer <key>`"},
    "key": {"type": "apiKey", "in": "header", "name": "X-Api-Key", "description": "The key alone."},
    "basic": {"type": "http", "scheme": "basic", "description": "Any user, the key as password."},
}


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


def problems() -> dict[str, Json]:
    """One response a status, with its codes."""
    return {f"Problem{status}": _problem(status) for status in TITLES}


def _problem(status: int) -> Json:
    codes = codes_of(status)
    told = "\n".join(f"- `{code}`: {GUIDE[code].meaning}" for code in codes)
    more = ["Retry-After"] if status in RETRY_AFTER else ["WWW-Authenticate"] if status == KEYED[0] else []
    if status == LIMITED:
        more += COUNTED
    narrowed = {"properties": {"status": {"const": status}, "code": {"enum": codes}}}
    return {
        "description": f"{TITLES[status]}.\n\n{told}",
        "headers": header_references("X-Request-Id", *more),
        "content": {PROBLEM: {"schema": {"allOf": [ref("Problem"), narrowed]}, "example": _problem_example(codes[0])}},
    }


def _problem_example(code: str) -> Json:
    shown = {
        name: each for name, each in examples.ANSWERS["Problem"].items() if name != "errors" or code == "bad_shape"
    }
    base, _, _ = shown["type"].rpartition("/")
    status = STATUS[code]
    more = {
        "type": f"{base}/{code}",
        "code": code,
        "title": TITLES[status],
        "status": status,
        "detail": GUIDE[code].meaning,
    }
    return {**shown, **more}


def header_references(*names: str) -> Json:
    """Headers by reference."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


# --- one route -----------------------------------------------------------------------------------------------------------


def path_of(route: Route) -> str:
    """A route's path as OpenAPI writes it."""
    return re.sub(r"\{(\w+):\w+\}", r"{\1}", route.path)


def tag_of(path: str) -> str:
    """The chapter that a path belongs to."""
    return next(name for name, pattern, _ in TAGS if re.search(pattern, path))


def operation(route: Route) -> Json:
    """One route as OpenAPI has it."""
    path = path_of(route)
    found: Json = {
        "operationId": route.run.__name__, "tags": [tag_of(path)], "summary": route.summary,
        "description": _described(route), "x-scope": route.scope,
        "parameters": [*_path_parameters(route), *map(_query_parameter, route.parameters), *_header_parameters(route)],
        "requestBody": _body(route), "responses": {**_answers(route), **_problem_references(route)},
        "security": [] if route.scope == PUBLIC else [{scheme: _roles(route)} for scheme in SCHEMES],
    }  # fmt: skip
    return {name: each for name, each in found.items() if each is not None}


def _described(route: Route) -> str:
    said = re.sub(r"\s+", " ", route.run.__doc__ or route.summary).strip()
    needs = {
        PUBLIC: "Public.",
        OPERATOR: "Only with the token in the lock file beside the database.",
        ANY_KEY: "Any key.",
    }
    return f"{said}\n\n{needs.get(route.scope, f'Scope: `{route.scope}`.')}"


def _roles(route: Route) -> list[str]:
    return [] if route.scope == ANY_KEY else [route.scope]


def problems_of(route: Route) -> Sequence[int]:
    """Every error status that a route may answer."""
    keyed = () if route.scope == PUBLIC else KEYED[:1] if route.scope == ANY_KEY else KEYED
    writing = () if route.method == "GET" else WRITING
    shaped = (415,) if route.body not in (None, "Delivery") else ()
    repeatable = (409, 422) if _repeatable(route) else ()
    always = set(ALWAYS) - ({LIMITED} if route.path in PROBES else set())
    return sorted({*always, *keyed, *writing, *shaped, *repeatable, *route.problems})


def _repeatable(route: Route) -> bool:
    """Whether a route takes an Idempotency-Key."""
    return route.method == "POST" and route.idempotent_key and route.scope != PUBLIC


def _problem_references(route: Route) -> Json:
    return {str(status): {"$ref": f"#/components/responses/Problem{status}"} for status in problems_of(route)}


def _path_parameters(route: Route) -> list[Json]:
    names = re.findall(r"\{(\w+):(\w+)\}", route.path)
    return [
        {
            "name": name, "in": "path", "required": True, "schema": TEXT, "example": path_example(route.path, name),
            "description": "May hold slashes." if kind == "path" else f"Such as `{path_example(route.path, name)}`.",
        }
        for name, kind in names
    ]  # fmt: skip


def path_example(path: str, name: str) -> str:
    """An example of a path's parameter; an id is one of the collection before it."""
    collection = path.partition("/{id")[0].rpartition("/")[2]
    return examples.PATHS[collection if name == "id" else name]


_QUERY: dict[str, Json] = {
    "as_of": INSTANT, "known_at": INSTANT, "open": {"type": "boolean"},
    "wait": {"type": "integer", "minimum": 0, "maximum": 30}, "if_exists": {"type": "string", "enum": ["return"]},
    "results": {"type": "string", "enum": ["all"]},
}  # fmt: skip


def _query_parameter(parameter: Parameter) -> Json:
    schema = _QUERY.get(parameter.name) or tidy(parameter.schema, "sent")
    return {"name": parameter.name, "in": "query", "description": parameter.description, "schema": schema}


def _header_parameters(route: Route) -> list[Json]:
    names = []
    if _repeatable(route):
        names.append("IdempotencyKey")
    if 412 in route.problems and route.path.startswith(("/v1/partnerships", "/v1/facts")):  # noqa: PLR2004
        names.append("IfMatch")
    if route.method != "GET" and route.scope != PUBLIC:
        names.append("CorrelationId")
    return [{"$ref": f"#/components/parameters/{name}"} for name in (*names, "RequestId")]


# --- bodies and answers --------------------------------------------------------------------------------------------------


def _body(route: Route) -> Json | None:
    if route.body is None:
        return None
    if route.body == "Delivery":
        what = "Whatever the sender sends; its connector says how it is proven and read."
        return {"description": what, "required": True, "content": {"*/*": {"schema": {}}}}
    if route.body == "CosignedNote":
        what = "A checkpoint as it was answered, with the lines of its witnesses behind it."
        return {
            "description": what,
            "required": True,
            "content": {PLAIN: {"schema": TEXT, "example": examples.COSIGNED}},
        }
    if route.body == "TimestampReply":
        what = "The authority's reply (RFC 3161, DER) over the SHA-256 of the checkpoint as the log signed it alone."
        return {"description": what, "required": True, "content": {each: {"schema": TEXT} for each in (REPLY, BINARY)}}
    name = route.body if isinstance(route.body, str) else route.body.__name__
    content: Json = {JSON: {"schema": ref(name), "examples": {"one": {"value": examples.BODIES[name]}}}}
    if name in ("Fact", "TargetedFact"):
        content[JSON] = _facts(name)
    if name == "TargetedFact":
        content[NDJSON] = {
            "schema": about("A TargetedFact a line, with an optional `key` that makes it recordable once.", TEXT),
            "example": examples.IMPORT,
        }
    if name == "TransitionBody":
        content[JSON]["examples"]["force"] = {"value": examples.FORCE}
    return {"required": True, "content": content}


def _facts(name: str) -> Json:
    """One fact, or an array that is recorded as a whole or not at all."""
    several = {"type": "array", "items": ref(name), "minItems": 1, "maxItems": 100}
    one = examples.BODIES[name]
    earlier = {key: each for key, each in one.items() if key == "link"} | examples.FACTS["promise.made"]
    return {
        "schema": {"oneOf": [ref(name), about("All or nothing, for one partnership.", several)]},
        "examples": {"one": {"value": one}, "several": {"value": [earlier | {"occurred_at": examples.BEGUN}, one]}},
    }


def _answers(route: Route) -> Json:
    return {str(status): _answer(route, status, name) for status, name in route.answers.items()}


def _answer(route: Route, status: int, name: str | None) -> Json:
    found: Json = {
        "description": _told(route, status, name), "headers": header_references(*_answer_headers(route, status, name)),
    }  # fmt: skip
    if name is not None:
        found["content"] = _content(route, status, name)
    return found


def _told(route: Route, status: int, name: str | None) -> str:
    if name is None:
        return "Done."
    said = ANSWERS[name]["description"] if name in ANSWERS else "The document."
    again = status == 200 and len(route.answers) > 1  # noqa: PLR2004
    return f"{said} Nothing new: it was there before." if again else str(said)


def _answer_headers(route: Route, status: int, name: str | None) -> list[str]:
    found = ["X-Request-Id"]
    if _is_counted(route):
        found += COUNTED
    if name in ("Partnership", "Recorded"):
        found.append("ETag")
    if status == 201 and name in ("Partnership", "NewKey", "NewSource", "ConnectorTitle", "AdoptedPolicy"):  # noqa: PLR2004
        found.append("Location")
    if any(each.name == "cursor" for each in route.parameters) and name != "EventPage":
        found.append("Link")
    if _repeatable(route):
        found.append("Idempotency-Replayed")
    return found


def _is_counted(route: Route) -> bool:
    """Whether an answer tells of a rate: not to who asks whether the service lives, who shakes hands, or the operator."""
    shaking_hands = route.path.startswith("/hooks/") and route.method != "POST"
    return route.path not in PROBES and route.scope != OPERATOR and not shaking_hands


def _content(route: Route, status: int, name: str) -> Json:
    if name == "text/css":
        return {each: {"schema": {} if each == JSON else TEXT} for each in DOCS}
    if "/" in name:
        return {name: {"schema": TEXT}}
    if name == "AuditLines":
        return {NDJSON: {"schema": about(str(ANSWERS[name]["description"]), TEXT), "example": examples.AUDITED}}
    if name == "Greeting":
        return {PLAIN: {"schema": TEXT}, JSON: {"schema": {"type": "object"}}}
    if name == "OpenAPI":
        return {OPENAPI: {"schema": {"type": "object"}}}
    shown = {"example": examples.ANSWERS[name]} if name in examples.ANSWERS else {}
    content: Json = {JSON: {"schema": ref(name), **shown}}
    if name == "EventPage":
        content[NDJSON] = {"schema": about("An Event a line, up to where the log ends now.", TEXT)}
    if name == "Machine":
        content |= {"image/svg+xml": {"schema": TEXT}, "text/vnd.mermaid": {"schema": TEXT}}
    if name == "Recorded" and status == 200 and route.path == "/v1/facts":  # noqa: PLR2004
        content[NDJSON] = {
            "schema": about("An ImportedLine a refused line (at most 10,000), then one ImportSummary.", TEXT),
            "example": examples.IMPORTED,
        }
    return content


# --- files ---------------------------------------------------------------------------------------------------------------


@cache
def documents() -> Mapping[str, bytes]:
    """Every committed document by its file name."""
    document = openapi_document()
    found = {
        "openapi.json": document, "openapi-3.0.json": openapi_3_0(document), "swagger-2.0.json": swagger_2_0(document),
        "events.json": events_document(),
    }  # fmt: skip
    return {name: document_bytes(each) for name, each in found.items()}


def write_documents(folder: Path) -> list[Path]:
    """Write every document into a folder; the paths that were written."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, raw in documents().items():
        path = folder / name
        path.write_bytes(raw)
        written.append(path)
    return written
