"""The documents: OpenAPI built from the routes, the structs and the views' schemas, and its older forms."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import msgspec
from msgspec import Struct

from service.api.all import ROUTES
from service.components import Json, body_components, connector_components, fact_components
from service.downgrade import openapi_3_0
from service.event_schemas import events_document
from service.openapi.headers import HEADERS, REQUEST_HEADERS
from service.openapi.operation import SCHEMES, TAGS, operation, path_of
from service.openapi.problems import problems
from service.schemas import ANSWERS
from service.swagger import swagger_2_0

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

SECURITY: dict[str, Json] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "`Authorization: Bearer <key>`"},
    "key": {"type": "apiKey", "in": "header", "name": "X-Api-Key", "description": "The key alone."},
    "basic": {"type": "http", "scheme": "basic", "description": "Any user, the key as password."},
}


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
