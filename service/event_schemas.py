"""What the log keeps: a JSON Schema (2020-12) of the entry and of every event type and version of its shape."""

from domain import events as e
from events.codec import FORMAT
from service.components import TEXT, Json, components
from service.schemas import SIDE, TRUST, about

SCHEMAS = "https://noces.readthedocs.io/schemas/events.json"
"""The name of this document."""

DEFINITIONS = "#/$defs/"
TOP = 2**53 - 1
POSITIVE: Json = {"type": "integer", "minimum": 1, "maximum": TOP}
INSTANT: Json = {
    "type": "string",
    "format": "date-time",
    "pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{6})?Z$",
    "description": "UTC, whole seconds or microseconds.",
}
SEALED: Json = {
    "description": "A personal value: `p` names whose key opens `c` (base64url); destroying one key forgets it everywhere.",
    "type": "object",
    "properties": {"p": TEXT, "c": {"type": "string", "pattern": "^[A-Za-z0-9_-]+$"}},
    "required": ["p", "c"],
    "additionalProperties": False,
}


def events_document() -> Json:
    """The schema that every entry of the log meets."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMAS,
        "title": "Entries of a Noces log",
        "description": (
            "An entry is RFC 8785 canonical JSON, written once and hashed as it stands. What is absent is left out, never"
            " null. `data` has the shape of (`type`, `schema`). The position is not inside: it is the entry's place in the log."
        ),
        "type": "object",
        "properties": _envelope(),
        "required": ["v", "id", "stream", "version", "type", "schema", "occurred_at", "recorded_at", "actor", "data"],
        "additionalProperties": False,
        "oneOf": [_of_type(kind) for kind in e.ALL.values()],
        "$defs": _definitions(),
    }


def _envelope() -> Json:
    return {
        "v": about("The form of the envelope.", {"type": "integer", "const": FORMAT}),
        "id": about("Unique in the log.", TEXT),
        "stream": about("`partnership-<id>`, or one of the organisation's own.", TEXT),
        "version": about("Its place in its stream.", POSITIVE),
        "type": {"type": "string", "enum": list(e.ALL)},
        "schema": about("The version of the type's shape.", POSITIVE),
        "occurred_at": INSTANT,
        "recorded_at": INSTANT,
        "decided_at": INSTANT,
        "actor": about("Who wrote it, as an opaque id.", TEXT),
        "side": SIDE,
        "source": TEXT,
        "trust": TRUST,
        "correlation_id": TEXT,
        "causation_id": TEXT,
        "data": {"type": "object"},
    }


def _of_type(kind: type[e.Event]) -> Json:
    data = {"$ref": f"{DEFINITIONS}{shape_name(kind.type, kind.schema)}"}
    return {"properties": {"type": {"const": kind.type}, "schema": {"const": kind.schema}, "data": data}}


def shape_name(kind: str, schema: int) -> str:
    """A shape's name: the type and the version of its shape."""
    return f"{kind}.{schema}"


def _definitions() -> Json:
    """Every shape by type and version, then the parts that they share."""
    found = components(e.ALL.values(), "stored", DEFINITIONS)
    named = {shape_name(kind.type, kind.schema): found.pop(kind.__name__) for kind in e.ALL.values()}
    return {**named, **found, "Sealed": SEALED}
