"""Operations of the contract: one route as OpenAPI has it, and the chapter it stands in."""

import re

from service import examples
from service.api.route import ANY_KEY, PUBLIC, Parameter, Route
from service.auth import OPERATOR
from service.components import INSTANT, TEXT, Json, tidy
from service.openapi.bodies import answers, body
from service.openapi.headers import header_parameters
from service.openapi.problems import problem_references

SCHEMES = ("bearer", "key", "basic")

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
        "parameters": [*_path_parameters(route), *map(_query_parameter, route.parameters), *header_parameters(route)],
        "requestBody": body(route), "responses": {**answers(route), **problem_references(route)},
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
