"""JSON Schemas of structs: facts and bodies as callers send them, events as the log keeps them."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec

from domain import events as e
from domain import machine
from domain.policy import AUTOMATIC, GUARDS
from service.auth import SCOPES
from service.connectors.model import Spec
from service.projections.inbox import STATUSES

Json = dict[str, Any]
Form = Literal["sent", "stored"]
"""`sent`: personal values are texts, null means absent. `stored`: personal values are sealed, nothing is null."""

REFERENCE = "#/components/schemas/"
NULL: Json = {"type": "null"}
ANYTHING: Json = {"description": "Any JSON value."}
INSTANT: Json = {"type": "string", "format": "date-time"}
TEXT: Json = {"type": "string"}
ASIDE = re.compile(r" \([A-Z]+ \d+\)")
"""A hint for who reads the code, such as the chapter that a struct comes from."""
IDLE: tuple[tuple[str, Any], ...] = (("default", None), ("required", []))
_TYPES = {str: "string", bool: "boolean", int: "integer"}


def components(kinds: Iterable[Any], form: Form = "sent", reference: str = REFERENCE) -> dict[str, Json]:
    """Every struct that these types are made of, by name."""
    _, found = msgspec.json.schema_components(kinds, schema_hook=lambda _: ANYTHING, ref_template=reference + "{name}")
    return {name: tidy(schema, form) for name, schema in found.items() if form == "stored" or name != "Sealed"}


def tidy(schema: Any, form: Form) -> Any:  # noqa: ANN401  # any part of a schema
    """A schema as people would write it: types beside enums, null among the types, no idle defaults."""
    if isinstance(schema, list):
        return [tidy(each, form) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: tidy(each, form) for name, each in schema.items() if (name, each) not in IDLE}
    if isinstance(found.get("description"), str):
        found["description"] = ASIDE.sub("", found["description"])
    if isinstance(found.get("anyOf"), list):
        found |= _united(found.pop("anyOf"), form)
    if isinstance(found.get("enum"), list) and "type" not in found:
        found = {"type": _TYPES[type(found["enum"][0])], **found}
    return found


def _united(choices: list[Json], form: Form) -> Json:
    sealed = [each for each in choices if each.get("$ref", "").endswith("/Sealed")]
    if form == "stored":
        choices = sealed or [each for each in choices if each != NULL]
    else:
        choices = [each for each in choices if each not in sealed]
    whole = [each for each in choices if each != NULL]
    if len(whole) == 1:
        return nullable(whole[0]) if NULL in choices else whole[0]
    if any("type" not in each for each in whole):
        return {"anyOf": choices}
    types = [each["type"] for each in whole]
    return {"type": [each for each in types if each != "integer" or "number" not in types]}


def nullable(schema: Json) -> Json:
    """A schema that takes null as well."""
    if "type" not in schema:
        return {"anyOf": [schema, NULL]} if schema else {}
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    found = {**schema, "type": [*types, "null"]}
    return {**found, "enum": [*schema["enum"], None]} if "enum" in schema else found


# --- facts -------------------------------------------------------------------------------------------------------------


def fact_components() -> dict[str, Json]:
    """One closed schema a fact type, twice: for a partnership's own route, and with the partnership or a link named."""
    found = components(e.FACTS.values())
    facts = {kind.__name__: _fact(name, found[kind.__name__]) for name, kind in e.FACTS.items()}
    targeted = {f"Targeted{name}": _targeted(schema) for name, schema in facts.items()}
    return {
        "Fact": _one_of("A fact; `type` says which, `occurred_at` when it was true (left out: now).", ""),
        **facts,
        "TargetedFact": {
            **_one_of("A fact of the partnership that is named by its id, or by a link.", "Targeted"),
            "allOf": [{"$ref": f"{REFERENCE}Target"}],
        },
        "Target": _target(),
        **targeted,
    }  # fmt: skip


def _fact(name: str, schema: Json) -> Json:
    described = {"description": schema["description"]} if "description" in schema else {}
    properties = {"type": {"type": "string", "const": name}, "occurred_at": nullable(INSTANT), **schema["properties"]}
    return {
        "title": name, **described, "type": "object", "properties": properties,
        "required": ["type", *schema.get("required", [])], "additionalProperties": False,
    }  # fmt: skip


def _targeted(schema: Json) -> Json:
    target = {"partnership": nullable(TEXT), "link": nullable({"$ref": f"{REFERENCE}Link"})}
    return {**schema, "properties": {**target, **schema["properties"]}}


def _target() -> Json:
    link = {"$ref": f"{REFERENCE}Link"}
    return {
        "description": "Either `partnership` or `link`.",
        "oneOf": [
            {"properties": {"partnership": TEXT, "link": NULL}, "required": ["partnership"]},
            {"properties": {"link": link, "partnership": NULL}, "required": ["link"]},
        ],
    }


def _one_of(description: str, prefix: str) -> Json:
    names = {name: f"{REFERENCE}{prefix}{kind.__name__}" for name, kind in e.FACTS.items()}
    return {
        "description": description, "type": "object", "oneOf": [{"$ref": each} for each in names.values()],
        "discriminator": {"propertyName": "type", "mapping": names},
    }  # fmt: skip


# --- bodies ------------------------------------------------------------------------------------------------------------

_FORCED = [*machine.STATES, *(state.rpartition(".")[2] for state in machine.STATES if "." in state)]
REFINED: Mapping[tuple[str, str], Json] = {
    ("PartnershipBody", "opened_at"): {"format": "date-time", "description": "When it began; left out: now."},
    ("PartnershipBody", "observed_since"): {"description": "From when on silence counts; for partnerships told later."},
    ("TransitionBody", "trigger"): {"enum": [*machine.TRIGGERS, None]},
    ("TransitionBody", "occurred_at"): {"format": "date-time"},
    ("TransitionBody", "side"): {"description": "The side that asks; left out: the key's, else the client."},
    ("TransitionBody", "reason"): {"description": "Needed by `separate`."},
    ("TransitionBody", "force"): {"description": "Asks for an override instead, which another actor must approve."},
    ("Force", "to"): {"enum": _FORCED},
    ("KeyBody", "scopes"): {"items": {"type": "string", "enum": list(SCOPES)}, "minItems": 1},
    ("KeyBody", "side"): {"description": "The key then speaks for this side only."},
    ("KeyBody", "partnerships"): {"description": "The key then sees these only."},
    ("KeyBody", "expires_at"): {"format": "date-time"},
    ("KeyChange", "expires_at"): {"format": "date-time"},
    ("SourceBody", "connector"): {"description": "A name of GET /v1/connectors."},
    ("SourceBody", "secrets"): {"description": "What the sender signs with, the newest first; never shown again."},
    ("SourceBody", "silence_after"): {"description": "Seconds of silence after which it counts as silent; left out: never."},
    ("SourceChange", "silence_after"): {"description": "0: it is not watched any more."},
    ("ConnectorBody", "toml"): {"description": "The file, as docs/connectors tells."},
    ("ReplayBody", "status"): {"enum": list(STATUSES)},
    ("Policy", "automatic"): {"items": {"type": "string", "enum": [*AUTOMATIC, "share_power"]}, "default": list(AUTOMATIC)},
    ("Policy", "guards"): {"default": {name: list(codes) for name, codes in GUARDS.items()}},
}  # fmt: skip
"""What the routes check beyond the types of their structs."""


def body_components(kinds: Iterable[Any]) -> dict[str, Json]:
    """The structs that routes take as bodies."""
    found = components(kinds)
    for (name, field), more in REFINED.items():
        if name in found:
            found[name]["properties"][field] |= more
    if "TransitionBody" in found:
        found["TransitionBody"]["anyOf"] = [
            {"properties": {"trigger": TEXT}, "required": ["trigger"]},
            {"properties": {"force": {"type": "object"}}, "required": ["force"]},
        ]
    return found


def connector_components() -> dict[str, Json]:
    """A connector as GET /v1/connectors/{name} shows it; its parts carry its name, for others have a Link too."""
    found = components([Spec], reference=f"{REFERENCE}Connector")
    return {"Connector" if name == "Spec" else f"Connector{name}": _renamed(schema) for name, schema in found.items()}


def _renamed(schema: Json) -> Json:
    return {name: each for name, each in schema.items() if name not in ("title", "additionalProperties")}
