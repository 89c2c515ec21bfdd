"""Problems of the contract: one response a status, and which of them a route may answer."""

from collections.abc import Sequence

from service import examples
from service.api.route import ANY_KEY, PUBLIC, Route
from service.components import Json
from service.error_guide import GUIDE, codes_of
from service.errors import RETRY_AFTER, STATUS, TITLES
from service.hosts import PROBES
from service.openapi.headers import COUNTED, header_references, repeatable
from service.schemas import ref

PROBLEM = "application/problem+json"
KEYED = (401, 403)
ALWAYS = (400, 429, 500, 503)
LIMITED = 429
WRITING = (413, 507)


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


def problems_of(route: Route) -> Sequence[int]:
    """Every error status that a route may answer."""
    keyed = () if route.scope == PUBLIC else KEYED[:1] if route.scope == ANY_KEY else KEYED
    writing = () if route.method == "GET" else WRITING
    shaped = (415,) if route.body not in (None, "Delivery") else ()
    repeated = (409, 422) if repeatable(route) else ()
    always = set(ALWAYS) - ({LIMITED} if route.path in PROBES else set())
    return sorted({*always, *keyed, *writing, *shaped, *repeated, *route.problems})


def problem_references(route: Route) -> Json:
    """The problems that a route may answer, by status."""
    return {str(status): {"$ref": f"#/components/responses/Problem{status}"} for status in problems_of(route)}
