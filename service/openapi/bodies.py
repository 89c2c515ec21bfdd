"""Bodies of the contract: what a route takes, and what it answers."""

from service import examples
from service.api.route import Route
from service.components import TEXT, Json
from service.openapi.headers import answer_headers, header_references
from service.schemas import ANSWERS, about, ref

JSON = "application/json"
NDJSON = "application/x-ndjson"
PLAIN = "text/plain"
REPLY = "application/timestamp-reply"
BINARY = "application/octet-stream"
OPENAPI = "application/vnd.oai.openapi+json"
DOCS = ("text/css", "image/svg+xml", JSON)


PLAINLY: dict[object, tuple[str, tuple[str, ...], Json]] = {
    "CosignedNote": (
        "A checkpoint as it was answered, with the lines of its witnesses behind it.",
        (PLAIN,), {"example": examples.COSIGNED},
    ),
    "TimestampReply": (
        "The authority's reply (RFC 3161, DER) over the SHA-256 of the checkpoint as the log signed it alone.",
        (REPLY, BINARY), {},
    ),
}  # fmt: skip
"""Bodies that are no JSON: what each is, its media types, and an example."""


def body(route: Route) -> Json | None:
    """What a route takes; None where it takes nothing."""
    if route.body is None:
        return None
    if route.body == "Delivery":
        what = "Whatever the sender sends; its connector says how it is proven and read."
        return {"description": what, "required": True, "content": {"*/*": {"schema": {}}}}
    if route.body in PLAINLY:
        what, kinds, shown = PLAINLY[route.body]
        content = {kind: {"schema": TEXT, **shown} for kind in kinds}
        return {"description": what, "required": True, "content": content}
    name = route.body if isinstance(route.body, str) else route.body.__name__
    content = {JSON: {"schema": ref(name), "examples": {"one": {"value": examples.BODIES[name]}}}}
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


def answers(route: Route) -> Json:
    """What a route answers when all is well, by status."""
    return {str(status): _answer(route, status, name) for status, name in route.answers.items()}


def _answer(route: Route, status: int, name: str | None) -> Json:
    found: Json = {
        "description": _told(route, status, name), "headers": header_references(*answer_headers(route, status, name)),
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
    content = {JSON: {"schema": ref(name), **shown}}
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
