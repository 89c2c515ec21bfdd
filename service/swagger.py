"""The contract for tools that read Swagger 2.0: one body, one answer a status, one type a value."""

from collections.abc import Mapping
from typing import Any

from service.components import REFERENCE, Json
from service.downgrade import bare, flattened, lowered, used

JSON = "application/json"
DEFINITIONS = "#/definitions/"
MOVED: Mapping[str, str] = {
    REFERENCE: DEFINITIONS,
    "#/components/responses/": "#/responses/",
    "#/components/parameters/": "#/parameters/",
}
"""Where OpenAPI 3 keeps what is named -> where Swagger does."""


def swagger_2_0(document: Json) -> Json:
    """The 3.1 document as Swagger 2.0."""
    flat = flattened(document)
    components = flat["components"]
    found: Json = {
        "swagger": "2.0",
        "info": {key: each for key, each in flat["info"].items() if key not in ("summary", "license")}
        | {"license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"}},
        "basePath": "/",
        "consumes": [JSON],
        "produces": [JSON],
        "security": bare(flat["security"]),
        "tags": flat["tags"],
        "paths": {
            path: {method: _operation(route, components) for method, route in methods.items()}
            for path, methods in flat["paths"].items()
        },
        "parameters": {name: _parameter(each) for name, each in components["parameters"].items()},
        "responses": {name: _response(each, components) for name, each in components["responses"].items()},
        "definitions": {name: lowered(each, "2.0") for name, each in components["schemas"].items()},
        "securityDefinitions": _security(components["securitySchemes"]),
    }
    moved: Json = _moved(found)
    moved["definitions"] = used(moved, moved["definitions"], DEFINITIONS)
    return moved


def _security(schemes: Json) -> Json:
    return {
        "bearer": {"type": "apiKey", "in": "header", "name": "Authorization", "description": "`Bearer <key>`"},
        "key": schemes["key"],
        "basic": {"type": "basic", "description": schemes["basic"]["description"]},
    }


def _operation(route: Json, components: Json) -> Json:
    found = {
        key: each for key, each in route.items() if key not in ("requestBody", "parameters", "responses", "security")
    }
    parameters = [each if "$ref" in each else _parameter(each) for each in route["parameters"]]
    if "requestBody" in route:
        media_type, schema = next((name, each["schema"]) for name, each in route["requestBody"]["content"].items())
        parameters.append({"name": "body", "in": "body", "required": True, "schema": lowered(schema, "2.0")})
        found["consumes"] = [media_type]
    return {
        **found,
        "produces": _produced(route, components),
        "parameters": parameters,
        "responses": {status: _response(each, components) for status, each in route["responses"].items()},
        "security": bare(route["security"]),
    }


def _produced(route: Json, components: Json) -> list[str]:
    answers = [_resolved(each, components) for each in route["responses"].values()]
    return list(dict.fromkeys(media_type for each in answers for media_type in each.get("content", ())))


def _resolved(answer: Json, components: Json) -> Json:
    found: Json = components["responses"][answer["$ref"].rpartition("/")[2]] if "$ref" in answer else answer
    return found


def _parameter(parameter: Json) -> Json:
    """A parameter with its type beside its name."""
    found = {key: each for key, each in parameter.items() if key not in ("schema", "example")}
    example = {"x-example": parameter["example"]} if "example" in parameter else {}
    return {**found, **lowered(parameter["schema"], "2.0"), **example, "description": parameter["description"]}


def _response(answer: Json, components: Json) -> Json:
    if "$ref" in answer:
        return answer
    found: Json = {"description": answer["description"], "headers": _headers(answer, components)}
    content = answer.get("content", {})
    media_type = JSON if JSON in content else next(iter(content), None)
    if media_type is not None:
        found["schema"] = lowered(content[media_type]["schema"], "2.0")
        if "example" in content[media_type]:
            found["examples"] = {media_type: content[media_type]["example"]}
    return found


def _headers(answer: Json, components: Json) -> Json:
    known = {name: components["headers"][each["$ref"].rpartition("/")[2]] for name, each in answer["headers"].items()}
    return {name: {**each["schema"], "description": each["description"]} for name, each in known.items()}


def _moved(part: Any) -> Any:  # noqa: ANN401  # any part of a document
    """The same with every reference where Swagger keeps it."""
    match part:
        case {"$ref": str(reference)}:
            prefix = next(each for each in MOVED if reference.startswith(each))
            return {"$ref": MOVED[prefix] + reference.removeprefix(prefix)}
        case dict():
            return {key: _moved(each) for key, each in part.items()}
        case list():
            return [_moved(each) for each in part]
        case _:
            return part
