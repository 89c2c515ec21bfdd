"""Schemas told to people: a row a field, types in words, parts as links."""

from collections.abc import Callable
from html import escape

from service.web.marks import Json, code, element, inline, table

LISTED = 12
"""How many values of an enumeration are shown before the rest is left to the document."""


def fields(schema: Json) -> str:
    """The fields of an object, as a table; other shapes in words."""
    if "properties" not in schema:
        return element("p", kind(schema))
    required = schema.get("required", [])
    rows = [
        (code(name) + ("" if name in required else optional()), kind(each), inline(each.get("description", "")))
        for name, each in schema["properties"].items()
    ]
    return table(("field", "type", ""), rows)


def optional() -> str:
    """The mark of what may be left out."""
    return " " + element("span", "optional", class_="quiet")


def kind(schema: Json) -> str:
    """A schema's type in words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return element("a", escape(name), href=f"#schema-{name}")
    for key, word in (("anyOf", " or "), ("oneOf", " or "), ("allOf", ", narrowed: ")):
        choices = [kind(each) for each in schema.get(key, ()) if "$ref" in each or "type" in each]
        if choices:
            return word.join(choices)
    return ", ".join(said for tell in _TELLERS if (said := tell(schema)))


def _type(schema: Json) -> str:
    types = schema.get("type", "any")
    if types == "array":
        return f"list of {kind(schema['items'])}"
    if types == "object" and isinstance(schema.get("additionalProperties"), dict) and schema["additionalProperties"]:
        return f"object of {kind(schema['additionalProperties'])}"
    if "enum" in schema or "const" in schema:
        return ""
    return " or ".join([types] if isinstance(types, str) else types)


def _values(schema: Json) -> str:
    values = [schema["const"]] if "const" in schema else schema.get("enum", [])
    shown = " ".join(code("null" if each is None else str(each)) for each in values[:LISTED])
    return f"{shown} …" if len(values) > LISTED else shown


def _format(schema: Json) -> str:
    return escape(schema.get("format", ""))


def _pattern(schema: Json) -> str:
    return code(schema["pattern"]) if "pattern" in schema else ""


def _bounds(schema: Json) -> str:
    for least, most, unit in (
        ("minimum", "maximum", ""),
        ("minLength", "maxLength", " characters"),
        ("minItems", "maxItems", " items"),
    ):
        low, high = schema.get(least), schema.get(most)
        if low is not None and high is not None:
            return f"{low:,} to {high:,}{unit}" if low != high else f"{low:,}{unit}"
        if low is not None or high is not None:
            return f"at least {low:,}{unit}" if high is None else f"at most {high:,}{unit}"
    return ""


_TELLERS: tuple[Callable[[Json], str], ...] = (_type, _values, _format, _pattern, _bounds)
