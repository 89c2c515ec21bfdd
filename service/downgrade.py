"""The contract for tools that read OpenAPI 3.0: facts as one flat object, no `oneOf`, null as a flag."""

import copy
from collections.abc import Iterable
from typing import Any, Literal

from domain import events as e
from service.components import REFERENCE, Json

Dialect = Literal["3.0", "2.0"]
JSON = "application/json"
GONE = ("anyOf", "oneOf", "allOf", "discriminator", "const", "contentMediaType", "examples", "title")
"""Keywords that are rewritten or left out."""
WIDER = {"minimum": min, "minLength": min, "maximum": max, "maxLength": max, "minItems": min, "maxItems": max}
FLAT = "Which fields go with which `type`: see /docs, or the facts of openapi.json."


def openapi_3_0(document: Json) -> Json:
    """The 3.1 document as 3.0: nullable instead of null, facts flat."""
    found: Json = flattened(document)
    found["openapi"] = "3.0.3"
    found["info"].pop("summary")
    found["info"]["license"] = {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"}
    components = found["components"]
    components["schemas"] = {name: lowered(each, "3.0") for name, each in components["schemas"].items()}
    for part in (found["paths"], components["responses"], components["parameters"], components["headers"]):
        _rewrite(part)
    for route in operations(found):
        route["security"] = bare(route["security"])
    components["schemas"] = used(found, components["schemas"], REFERENCE)
    return found


def flattened(document: Json) -> Json:
    """A copy of the document with one wide object for all facts, sent one at a time."""
    found = copy.deepcopy(document)
    schemas = found["components"]["schemas"]
    for name in ("Fact", "TargetedFact"):
        prefix = name.removesuffix("Fact")
        schemas[name] = _wide([schemas[f"{prefix}{kind.__name__}"] for kind in e.FACTS.values()])
    for route in operations(found):
        content = route.get("requestBody", {}).get("content", {}).get(JSON, {})
        for choice in content.get("schema", {}).get("oneOf", ())[:1]:
            route["requestBody"]["content"][JSON] = {"schema": choice, "example": content["examples"]["one"]["value"]}
    return found


def _wide(facts: Iterable[Json]) -> Json:
    """One object with every field of every fact, each as wide as its widest use."""
    properties: Json = {}
    for fact in facts:
        for name, schema in fact["properties"].items():
            properties[name] = schema if name not in properties else _widened(properties[name], schema)
    properties["type"] = {"type": "string", "enum": list(e.FACTS)}
    return {"description": FLAT, "type": "object", "properties": properties, "required": ["type"]}


def _widened(one: Json, other: Json) -> Json:
    found: Json = {}
    for key in one.keys() & other.keys():
        if one[key] == other[key]:
            found[key] = one[key]
        elif key == "type":
            found[key] = _types(one, other)
        elif key == "enum":
            found[key] = [*one[key], *(each for each in other[key] if each not in one[key])]
        elif key in WIDER:
            found[key] = WIDER[key](one[key], other[key])
    return {key: found[key] for key in one if key in found}


def _types(one: Json, other: Json) -> list[str] | str:
    """The types of both; a property may be null as soon as one use of it may."""
    both = [each if isinstance(each, list) else [each] for each in (one["type"], other["type"])]
    found = list(dict.fromkeys([*both[0], *both[1]]))
    return found if len(found) > 1 else found[0]


def operations(document: Json) -> list[Json]:
    """Every route of a document."""
    return [route for methods in document["paths"].values() for route in methods.values()]


def bare(security: list[Json]) -> list[Json]:
    """Keys without their scopes, which older forms allow for OAuth only."""
    return [{scheme: [] for scheme in each} for each in security]


# --- schemas -------------------------------------------------------------------------------------------------------------


def lowered(schema: Any, dialect: Dialect) -> Any:  # noqa: ANN401  # any part of a schema
    """A schema without what the older form does not know."""
    if isinstance(schema, list):
        return [lowered(each, dialect) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return {"$ref": schema["$ref"]}
    choices = [each for key in ("anyOf", "allOf") for each in schema.get(key, ()) if "$ref" in each]
    if choices and "properties" not in schema:
        return _choice(schema, choices[0], dialect)
    found = {key: each for key, each in schema.items() if key not in GONE}
    if "const" in schema:
        found["enum"] = [schema["const"]]
        found.setdefault("type", "string" if isinstance(schema["const"], str) else "integer")
    _plain_type(found, dialect)
    _plain_bounds(found)
    return {key: _inner(key, each, dialect) for key, each in found.items()}


def _inner(key: str, value: Any, dialect: Dialect) -> Any:  # noqa: ANN401  # a keyword's value
    """The schemas inside a schema; other values, a property called `type` among them, are left as they are."""
    if key == "properties":
        return {name: lowered(each, dialect) for name, each in value.items()}
    return lowered(value, dialect) if key in ("items", "additionalProperties") else value


def _choice(schema: Json, reference: Json, dialect: Dialect) -> Json:
    """A reference that may be null, or that was narrowed here."""
    if {"type": "null"} not in schema.get("anyOf", ()):
        return reference
    return {"allOf": [reference], "nullable": True} if dialect == "3.0" else {"allOf": [reference], "x-nullable": True}


def _plain_type(found: Json, dialect: Dialect) -> None:
    """One type at most; null becomes a flag."""
    types = found.get("type")
    if not isinstance(types, list):
        return
    rest = [each for each in types if each != "null"]
    found.pop("type")
    if len(rest) == 1:
        found["type"] = rest[0]
        if "null" in types:
            found["nullable" if dialect == "3.0" else "x-nullable"] = True
    if dialect == "2.0" and "enum" in found:
        found["enum"] = [each for each in found["enum"] if each is not None]


def _plain_bounds(found: Json) -> None:
    for bound, exclusive in (("maximum", "exclusiveMaximum"), ("minimum", "exclusiveMinimum")):
        if exclusive in found:
            found |= {bound: found[exclusive], exclusive: True}


def _rewrite(part: Any) -> None:  # noqa: ANN401  # any part of a document
    """Bring every schema inside a part of the document down to 3.0."""
    for key, each in part.items() if isinstance(part, dict) else ():
        if key == "schema" and isinstance(each, dict):
            part[key] = lowered(each, "3.0")
        elif key not in ("example", "examples"):
            for inner in each if isinstance(each, list) else (each,):
                _rewrite(inner)


def used(document: Json, schemas: Json, prefix: str) -> Json:
    """The schemas that something refers to, directly or not."""
    outside = {key: each for key, each in document.items() if key not in ("components", "definitions")}
    responses = document.get("components", {}).get("responses") or document.get("responses")
    waiting, found = _references([outside, responses], prefix), set[str]()
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting |= _references(schemas[name], prefix)
    return {name: each for name, each in schemas.items() if name in found}


def _references(part: Any, prefix: str) -> set[str]:  # noqa: ANN401  # any part of a document
    match part:
        case {"$ref": str(reference)}:
            return {reference.removeprefix(prefix)} if reference.startswith(prefix) else set()
        case dict():
            return set().union(*(_references(each, prefix) for each in part.values()))
        case list():
            return set().union(*(_references(each, prefix) for each in part))
        case _:
            return set()
