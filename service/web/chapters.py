"""The chapters of the documentation, from the OpenAPI document: routes, facts, shapes, errors."""

from collections.abc import Iterable, Iterator
from html import escape

from domain import events as e
from service import examples
from service.error_guide import GUIDE
from service.errors import STATUS
from service.web.marks import Json, block, code, element, folded, inline, one_line, pretty, prose, table
from service.web.shapes import fields, kind, optional

JSON = "application/json"
TARGET = "#/components/"


def routes(document: Json, tag: str) -> Iterator[tuple[str, str, Json]]:
    """(method, path, operation) of a chapter."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if tag in operation["tags"]:
                yield method.upper(), path, operation


def chapter(document: Json, tag: Json) -> str:
    """One tag: what it is, then its routes."""
    parts = [route(document, *each) for each in routes(document, tag["name"])]
    return element(
        "section",
        element("h2", escape(tag["name"])) + prose(tag["description"]) + "".join(parts),
        id=anchor(tag["name"]),
    )


def anchor(name: str) -> str:
    """A chapter's name in links."""
    return "chapter-" + name.lower().replace(" ", "-")


# --- one route -----------------------------------------------------------------------------------------------------------


def route(document: Json, method: str, path: str, operation: Json) -> str:
    """One route with everything that a caller needs."""
    parts = [
        _title(method, path, operation),
        prose(operation["description"].rpartition("\n\n")[0]),
        _parameters(document, operation),
        _body(document, operation),
        _answers(operation),
        _problems(document, operation),
        folded("curl", block(curl(method, path, operation)), open=""),
    ]
    return element("article", "".join(parts), id=operation["operationId"])


def _title(method: str, path: str, operation: Json) -> str:
    needs = operation["description"].rpartition("\n\n")[2].rstrip(".")
    link = element("a", escape(operation["summary"]), href=f"#{operation['operationId']}")
    line = element("span", method, class_=f"method {method.lower()}") + element("code", escape(path), class_="path")
    return element("h3", link) + element("p", line + element("span", inline(needs), class_="scope"), class_="route")


def _resolved(document: Json, part: Json) -> Json:
    found = document
    if "$ref" not in part:
        return part
    for name in part["$ref"].removeprefix("#/").split("/"):
        found = found[name]
    return found


def _parameters(document: Json, operation: Json) -> str:
    found = [_resolved(document, each) for each in operation["parameters"]]
    rows = [
        (
            code(each["name"]) + ("" if each.get("required") else optional()),
            each["in"],
            kind(each["schema"]),
            inline(each["description"]),
        )
        for each in found
    ]
    return element("h4", "Parameters") + table(("name", "in", "type", ""), rows)


def _body(document: Json, operation: Json) -> str:
    if "requestBody" not in operation:
        return ""
    body = operation["requestBody"]
    parts = [element("h4", "Body"), prose(body["description"]) if "description" in body else ""]
    for media_type, content in body["content"].items():
        parts.append(element("p", f"{code(media_type)} {_shape(content['schema'])}"))
        parts.append(_own_fields(document, content["schema"]))
        parts += [block(pretty(each["value"])) for each in content.get("examples", {}).values()]
        parts += [block(content["example"])] if "example" in content else []
    return "".join(parts)


def _shape(schema: Json) -> str:
    return inline(schema.get("description", "")) or (kind(schema) if schema else "")


def _own_fields(document: Json, schema: Json) -> str:
    """The fields of a body that has one shape; facts have a chapter of their own."""
    named = _resolved(document, schema)
    return fields(named) if "$ref" in schema and "properties" in named else ""


def _answers(operation: Json) -> str:
    found = {status: each for status, each in operation["responses"].items() if "$ref" not in each}
    return element("h4", "Answers") + "".join(_answer(status, each) for status, each in found.items())


def _answer(status: str, answer: Json) -> str:
    shapes = "; ".join(f"{code(name)} {_shape(each['schema'])}" for name, each in answer.get("content", {}).items())
    headers = " ".join(code(name) for name in answer["headers"])
    line = element("span", status, class_="status") + inline(answer["description"])
    shown = [each["example"] for each in answer.get("content", {}).values() if "example" in each]
    texts = [each if isinstance(each, str) else pretty(each) for each in shown]
    told = f"{shapes.rstrip('.')}. " if shapes else ""
    details = element("p", f"{told}Headers: {headers}.") + "".join(map(block, texts))
    return folded(line, details)


def _problems(document: Json, operation: Json) -> str:
    """The errors that a route may answer, by status, each code with its meaning at hand."""
    rows = []
    for status, answer in operation["responses"].items():
        if "$ref" in answer:
            title, _, codes = _resolved(document, answer)["description"].partition("\n\n")
            names = [line[3:].partition("`")[0] for line in codes.splitlines()]
            links = " ".join(element("a", code(name), href=f"#error-{name}") for name in names)
            rows.append((element("span", status, class_="status problem"), inline(title.rstrip(".")), links))
    return folded(
        f"Errors: {', '.join(status for status, each in operation['responses'].items() if '$ref' in each)}",
        table(("status", "title", "codes"), rows),
    )


def curl(method: str, path: str, operation: Json) -> str:
    """A route as a command to paste."""
    for parameter in operation["parameters"]:
        if parameter.get("in") == "path":
            path = path.replace(f"{{{parameter['name']}}}", parameter["example"])
    lines = [f'curl {"" if method == "GET" else f"-X {method} "}"$NOCES_URL{path}"']
    if operation["security"]:
        lines.append('-H "Authorization: Bearer $NOCES_KEY"')
    content = operation.get("requestBody", {}).get("content", {})
    if JSON in content:
        text = one_line(next(iter(content[JSON]["examples"].values()))["value"]).replace("'", "'\\''")
        lines += ['-H "Content-Type: application/json"', f"-d '{text}'"]
    elif content:
        lines.append("--data-binary @delivery.json")
    return " \\\n  ".join(lines)


# --- facts, shapes, errors -------------------------------------------------------------------------------------------------


def facts(document: Json) -> str:
    """Every fact with its fields and an example."""
    schemas = document["components"]["schemas"]
    said = "What callers record: `type` says which, `occurred_at` when it was true. Personal names and texts are sealed in the log."
    parts = [_fact(name, schemas[each.__name__]) for name, each in e.FACTS.items()]
    return element(
        "section", element("h2", f"The {len(parts)} facts") + prose(said) + "".join(parts), id=anchor("The facts")
    )


def _fact(name: str, schema: Json) -> str:
    own = {key: each for key, each in schema["properties"].items() if key not in ("type", "occurred_at")}
    names = " ".join(own) or "no fields"
    line = code(name) + element("span", escape(names), class_="quiet")
    said = prose(schema["description"]) if "description" in schema else ""
    return folded(
        line,
        said + fields({**schema, "properties": own}) + block(pretty(examples.FACTS[name])),
        id=f"fact-{name}",
        class_="fact",
    )


def shapes(document: Json) -> str:
    """Every named shape but the single facts."""
    single = {f"{prefix}{each.__name__}" for each in e.FACTS.values() for prefix in ("", "Targeted")}
    parts = [
        folded(code(name), prose(each.get("description", "")) + _whole(name, each), id=f"schema-{name}", class_="fact")
        for name, each in document["components"]["schemas"].items()
        if name not in single
    ]
    return element("section", element("h2", "Shapes") + "".join(parts), id=anchor("Shapes"))


def _whole(name: str, schema: Json) -> str:
    if name in ("Fact", "TargetedFact"):
        links: Iterable[str] = (element("a", code(each), href=f"#fact-{each}") for each in e.FACTS)
        more = "`partnership` or `link` beside the fields of one of " if name == "TargetedFact" else "One of "
        return element("p", inline(more) + " ".join(links))
    return fields(schema)


def errors() -> str:
    """Every code with what it means and what to do."""
    rows = [
        (
            element("code", escape(name), id=f"error-{name}"),
            str(STATUS[name]),
            inline(each.meaning),
            inline(each.remedy),
        )
        for name, each in GUIDE.items()
    ]
    return element(
        "section",
        element("h2", "Errors") + table(("code", "status", "meaning", "what to do"), rows),
        id=anchor("Errors"),
    )
