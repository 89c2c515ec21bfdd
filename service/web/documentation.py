"""The documentation for people: one page made from the contract, with one style sheet and no script."""

from collections.abc import Mapping
from functools import cache
from html import escape
from importlib.resources import files

from service import diagram
from service.web import chapters
from service.web.marks import Json, element, prose

POLICY = "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
HEADERS: dict[str, str] = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
"""What every answer of the documentation carries, beside what every answer does."""

ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'%3E%3Crect width='32' height='32' "
    "rx='8' fill='%236b46a3'/%3E%3Ccircle cx='12' cy='16' r='6.5' fill='none' stroke='%23fff' stroke-width='2.5'/%3E"
    "%3Ccircle cx='20' cy='16' r='6.5' fill='none' stroke='%23fff' stroke-width='2.5'/%3E%3C/svg%3E"
)
DOCUMENTS: Mapping[str, str] = {
    "openapi.json": "OpenAPI 3.1",
    "docs/openapi-3.0.json": "OpenAPI 3.0",
    "docs/swagger-2.0.json": "Swagger 2.0",
    "docs/events.json": "Entries of the log",
}


@cache
def page() -> bytes:
    """The whole page."""
    from service.openapi import openapi_document  # noqa: PLC0415  # it reads the routes, the one of this page among them

    document = openapi_document()
    main = [
        _introduction(document),
        *(chapters.chapter(document, tag) for tag in document["tags"]),
        chapters.facts(document),
        chapters.shapes(document),
        chapters.errors(),
    ]
    body = _menu(document) + element("main", "".join(main), id="main")
    return f'<!doctype html>\n<html lang="en">{_head()}{element("body", _skip() + body)}</html>\n'.encode()


def _head() -> str:
    return element(
        "head",
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><title>Noces: the API</title>'
        f'<link rel="icon" href="{escape(ICON)}"><link rel="stylesheet" href="docs/style.css">',
    )


def _skip() -> str:
    return element("a", "To the text", href="#main", class_="skip")


def _introduction(document: Json) -> str:
    links = [element("a", escape(text), href=path) for path, text in DOCUMENTS.items()]
    drawing = '<img src="docs/machine.svg" alt="The five stages and the triggers between them; GET /v1/machine has them as data.">'
    parts = [
        element("h1", "Noces") + element("p", escape(document["info"]["summary"]), class_="lead"),
        element("p", " ".join(links), class_="documents"),
        prose(document["info"]["description"].partition("\n\nThe same contract")[0]),
        element("figure", element("a", drawing, href="docs/machine.svg")),
    ]
    return element("section", "".join(parts), id=chapters.anchor("Start"))


def _menu(document: Json) -> str:
    """Links to every chapter and route."""
    parts = [_entry("Start", "")]
    for tag in document["tags"]:
        found = chapters.routes(document, tag["name"])
        parts.append(_entry(tag["name"], "".join(_route(*each) for each in found)))
    parts += [_entry(name, "") for name in ("The facts", "Shapes", "Errors")]
    return element("nav", element("ul", "".join(parts)), aria_label="Chapters")


def _entry(name: str, routes: str) -> str:
    link = element("a", escape(name), href=f"#{chapters.anchor(name)}")
    return element("li", link + (element("ul", routes) if routes else ""))


def _route(method: str, path: str, operation: Json) -> str:
    mark = element("span", method, class_=f"method {method.lower()}")
    link = element("a", mark + escape(operation["summary"]), href=f"#{operation['operationId']}", title=path)
    return element("li", link)


# --- files -----------------------------------------------------------------------------------------------------------------


def asset(name: str) -> tuple[str, bytes] | None:
    """(media type, bytes) of a file of the page, or None."""
    if name == "style.css":
        return "text/css; charset=utf-8", _style()
    if name == "machine.svg":
        return "image/svg+xml", diagram.svg().encode()
    if f"docs/{name}" in DOCUMENTS:
        from service.openapi import documents  # noqa: PLC0415  # as above

        return "application/json", documents()[name]
    return None


@cache
def _style() -> bytes:
    return files("service.web").joinpath("static", "style.css").read_bytes()
