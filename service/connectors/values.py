"""Values of a connector file, compiled: where each comes from, what is done to it, and what is wrong with it."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import lru_cache

import jmespath
import msgspec
import re2
from msgspec import UNSET

from service.connectors.model import Instant, Json, Setting, SettingType, Source, TimeUnit, Value
from service.connectors.money import minor_units
from service.connectors.times import ReadTime, compile_time, written

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_REFERENCE = re.compile(r"(setting|header|let|body|source):(.*)", re.DOTALL)
_NUMBER = re.compile(r"[+-]?[0-9]{1,18}(\.[0-9]{1,18})?")
SOURCES = Source.__struct_fields__
_SOURCES = (*SOURCES, "template", "const")
_LARGEST = 2**53 - 1
_SHOWN = 200
# Whatever odd data can make JMESPath, numbers or dates raise; an item that does is failed, its neighbours are not.
ODD = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)

Where = tuple[str | int, ...]


class Unmappable(Exception):
    """An item that cannot be turned into facts, and why; caught where the item is mapped."""


class FieldError(Exception):
    """A field of a connector file that cannot work; `where` leads to it."""

    def __init__(self, where: Where, message: str) -> None:
        super().__init__(message)
        self.where = where


@dataclass(frozen=True, slots=True)
class Names:
    """What values may refer to: the file's settings and the `let`s written above."""

    settings: Mapping[str, Setting]
    lets: Mapping[str, "Compute"]


@dataclass(slots=True)
class Context:
    """One item and what surrounds it; `known` keeps the `let`s that were already computed."""

    item: Json
    body: Json
    headers: Mapping[str, str]
    settings: Mapping[str, Json]
    source: str
    received_at: datetime
    digest: str
    known: dict[str, Json] = field(default_factory=dict)


Compute = Callable[[Context], Json]


def empty(value: Json) -> bool:
    """Senders write "nothing" as null, as a missing key or as an empty string."""
    return value is None or value == ""


def shown(value: Json) -> str:
    """A value for a message, cut."""
    try:
        text = msgspec.json.encode(value).decode()
    except ODD:
        text = "something nested too deeply"
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."


def compile_regex(expression: str, where: Where, *, whole: bool = False) -> Callable[[str], str | None]:
    """A search in linear time (RE2): the first group where there is one, else the whole find; None without one."""
    options = re2.Options()
    options.log_errors = False
    try:
        compiled = re2.compile(expression, options=options)
    except re2.error as error:
        reason = error.args[0] if error.args else type(error).__name__
        told = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else reason
        raise FieldError(where, f"{expression!r} is no RE2 expression: {told}") from None

    def search(text: str) -> str | None:
        found = compiled.search(text)
        return None if found is None else found[group]

    group = 1 if compiled.groups and not whole else 0
    return search


def compile_path(expression: str, where: Where) -> Callable[[Json], Json]:
    """A JMESPath search that reports odd data as an item's failure."""
    try:
        parsed = jmespath.compile(expression)
    except ODD as error:
        reason = str(error).splitlines()[0].strip() if str(error) else type(error).__name__
        raise FieldError(where, f"{expression!r} is not a JMESPath: {reason}") from None

    def search(data: Json) -> Json:
        try:
            found: Json = parsed.search(data)
        except ODD as error:
            raise Unmappable(f"the path {expression!r} cannot be followed: {type(error).__name__}") from None
        return found

    return search


def compile_instant(instant: Instant, names: Names, where: Where) -> Callable[[Context], datetime | None]:
    """When something happened, read from where it stands; None where nothing does."""
    source = compile_source(instant, names, where)
    read = compile_reader(instant, names, where)
    fallback = instant.otherwise and compile_instant(instant.otherwise, names, (*where, "otherwise"))

    def compute(context: Context) -> datetime | None:
        if not empty(found := source(context)):
            return read(found, context)
        return fallback(context) if fallback else None

    return compute


def compile_reader(timed: Instant | Value, names: Names, where: Where) -> Callable[[Json, Context], datetime]:
    """A reader of times whose zone is declared, or chosen by a setting."""
    unit, setting = timed.unit or "iso", timed.zone_setting
    if setting is None:
        read = _time(unit, timed.zone, where)
        return lambda found, _: read(found)
    declared(setting, ("zone",), names, (*where, "zone_setting"))
    if unit != "iso" or timed.zone is not None:
        raise FieldError((*where, "zone_setting"), "a zone from a setting is for ISO times, and stands without `zone`")
    return lambda found, context: compile_time("iso", _zone_name(context.settings.get(setting)))(found)


def _zone_name(chosen: Json) -> str | None:
    return chosen if isinstance(chosen, str) else None


def declared(name: str, types: Sequence[SettingType], names: Names, where: Where) -> None:
    """Refuse the name of a setting that is not there, or is of another type."""
    if name not in names.settings or names.settings[name].type not in types:
        raise FieldError(where, f"there is no setting {name!r} of type {' or '.join(types)}")


def compile_value(value: Value, names: Names, where: Where) -> Compute:
    """One function that computes the value, or None where there is nothing."""
    check_json(value.const, (*where, "const"))
    check_json(value.default, (*where, "default"))
    check_json(value.map, (*where, "map"))
    source = _extracted(value, compile_source(value, names, where), where)
    table = _table(value, names, where)
    fallback = _fallback(value, names, where)
    finish = _finish(value, names, where)

    def compute(context: Context) -> Json:
        found = source(context)
        given = found
        if table is not None and not empty(found):
            found = table(context).get(key_text(found))
        if empty(found) and fallback is not None:
            found = fallback(context)
        if empty(found) and not empty(given):
            raise Unmappable(f"{shown(given)} is in no map: expected one of {', '.join(_keys(table, context))}")
        return None if empty(found) else finish(found, context)

    return compute


def _extracted(value: Value, source: Compute, where: Where) -> Compute:
    if value.extract is None:
        return source
    search = compile_regex(value.extract, (*where, "extract"))

    def extract(context: Context) -> Json:
        found = source(context)
        return None if empty(found) else search(key_text(found))

    return extract


def compile_source(value: Source, names: Names, where: Where) -> Compute:
    """The raw value, from the one source that is given."""
    possible = _SOURCES if isinstance(value, Value) else SOURCES
    given = [kind for kind in possible if getattr(value, kind) not in (None, UNSET)]
    if len(given) != 1:
        found = " and ".join(given) or "none"
        raise FieldError(where, f"it comes from one place, found {found}: give one of {', '.join(possible)}")
    kind = given[0]
    if isinstance(value, Value) and kind == "const":
        constant = value.const
        return lambda _: constant
    return compile_reference(kind, str(getattr(value, kind)), names, where)


def compile_reference(kind: str, name: str, names: Names, where: Where) -> Compute:  # noqa: PLR0911  # one table, a line a kind
    """What `path`, `body`, `header`, `setting`, `let` or `template` stands for."""
    match kind:
        case "header":
            return lambda context: context.headers.get(name.lower())
        case "setting":
            if name not in names.settings:
                raise FieldError((*where, kind), f"there is no setting {name!r}: declare it under [settings.{name}]")
            return lambda context: context.settings.get(name)
        case "let":
            return _let(name, names, where)
        case "template":
            return compile_template(name, names, (*where, kind))
        case "source":
            return lambda context: context.source
        case "delivery":
            return (
                (lambda context: context.digest) if name == "digest" else (lambda context: written(context.received_at))
            )
        case "path_setting":
            return _chosen_path(name, names, (*where, kind))
        case "paths_setting":
            return _chosen_paths(name, names, (*where, kind))
        case _:
            pass
    search = compile_path(name, (*where, kind))
    return (lambda context: search(context.item)) if kind == "path" else (lambda context: search(context.body))


def _chosen_path(name: str, names: Names, where: Where) -> Compute:
    """A path that whoever added the source has chosen; nothing where none was."""
    declared(name, ("path",), names, where)

    def follow(context: Context) -> Json:
        chosen = context.settings.get(name)
        return chosen_search(chosen)(context.item) if isinstance(chosen, str) else None

    return follow


def _chosen_paths(name: str, names: Names, where: Where) -> Compute:
    """An object of what the chosen paths give; members that give nothing are left out."""
    declared(name, ("paths",), names, where)

    def follow(context: Context) -> Json:
        chosen = context.settings.get(name)
        paths = chosen.items() if isinstance(chosen, Mapping) else ()
        found = {each: chosen_search(str(path))(context.item) for each, path in paths}
        return {each: value for each, value in found.items() if not empty(value)}

    return follow


@lru_cache(maxsize=1_000)
def chosen_search(path: str) -> Callable[[Json], Json]:
    """A search along a path from a setting, which was checked when it was set."""
    try:
        return compile_path(path, ())
    except FieldError as error:
        raise Unmappable(str(error)) from None


def _let(name: str, names: Names, where: Where) -> Compute:
    if (compute := names.lets.get(name)) is None:
        raise FieldError((*where, "let"), f"there is no let {name!r} above: declare it under [let.{name}]")

    def remember(context: Context) -> Json:
        if name not in context.known:
            context.known[name] = compute(context)
        return context.known[name]

    return remember


def compile_template(text: str, names: Names, where: Where, missing: str | None = None) -> Compute:
    """Text with {JMESPath}, {setting:NAME}, {header:NAME}, {let:NAME}; nothing when a part is, unless `missing`."""
    pieces = _PLACEHOLDER.split(text)
    if any(brace in piece for piece in pieces[::2] for brace in "{}"):
        raise FieldError(where, f"the braces of {text!r} do not pair: expected {{path}} or {{setting:NAME}}")
    parts = [_part(piece, names, where) if odd % 2 else piece for odd, piece in enumerate(pieces)]

    def fill(context: Context) -> Json:
        texts = [part if isinstance(part, str) else _rendered(part(context), missing) for part in parts]
        return None if None in texts else "".join(text for text in texts if text is not None)

    return fill


def _part(placeholder: str, names: Names, where: Where) -> Compute:
    if (reference := _REFERENCE.fullmatch(placeholder)) is not None:
        return compile_reference(reference[1], reference[2], names, where)
    return compile_reference("path", placeholder, names, where)


def _rendered(value: Json, missing: str | None) -> str | None:
    if missing is None:
        return None if empty(value) else key_text(value)
    return missing if empty(value) else value if isinstance(value, str) else shown(value)


def key_text(value: Json) -> str:
    """A scalar as text: how maps, templates and links see it."""
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, bool | int | float):
        return msgspec.json.encode(value).decode()
    raise Unmappable(f"{shown(value)} is no text or number: expected a single value")


def _table(value: Value, names: Names, where: Where) -> Callable[[Context], Mapping[str, Json]] | None:
    if value.map_setting is not None:
        name = value.map_setting
        if name not in names.settings or names.settings[name].type != "map":
            raise FieldError((*where, "map_setting"), f"there is no setting {name!r} of type map")
        return lambda context: _mapping(context.settings.get(name))
    table = value.map
    return None if table is None else lambda _: table


def _mapping(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, Mapping) else {}


def _keys(table: Callable[[Context], Mapping[str, Json]] | None, context: Context) -> list[str]:
    return sorted(table(context)) if table is not None else []


def _fallback(value: Value, names: Names, where: Where) -> Compute | None:
    if value.otherwise is not None:
        return compile_value(value.otherwise, names, (*where, "otherwise"))
    default = value.default
    return None if default is UNSET else lambda _: default


def _finish(value: Value, names: Names, where: Where) -> Callable[[Json, Context], Json]:
    timed = value.unit or value.zone or value.zone_setting or value.shape in ("date", "instant")
    if timed:
        if value.shape not in (None, "date", "instant") or value.scale is not None:
            raise FieldError(where, "a time is read `as` date or instant and takes no `scale`")
        read = compile_reader(value, names, where)
        if value.shape == "date":
            return lambda found, context: read(found, context).date().isoformat()
        return lambda found, context: written(read(found, context))
    if value.minor_of is not None:
        return _minor(value, names, where)
    shape = value.shape or (None if value.scale is None else "number")
    scale = Decimal(1) if value.scale is None else Decimal(str(value.scale))
    cut = value.cut
    return lambda found, _: _cut(_shaped(found, shape, scale), cut)


def _minor(value: Value, names: Names, where: Where) -> Callable[[Json, Context], Json]:
    if value.scale is not None or value.shape is not None or value.minor_of is None:
        raise FieldError((*where, "minor_of"), "an amount is turned into minor units alone: leave `scale` and `as` out")
    currency = compile_value(value.minor_of, names, (*where, "minor_of"))

    def turn(found: Json, context: Context) -> Json:
        if empty(code := currency(context)):
            if value.optional:
                return None
            raise Unmappable("the currency of the amount is missing")
        return _number(found, minor_units(key_text(code)), whole=True)

    return turn


def _cut(found: Json, most: int | None) -> Json:
    return found[:most] if isinstance(found, str) else found


def _time(unit: TimeUnit, zone: str | None, where: Where) -> ReadTime:
    try:
        return compile_time(unit, zone)
    except ValueError as error:
        raise FieldError((*where, "zone"), str(error)) from None


def _shaped(found: Json, shape: str | None, scale: Decimal) -> Json:
    match shape:
        case "string":
            return key_text(found)
        case "lower":
            return key_text(found).lower()
        case "upper":
            return key_text(found).upper()
        case "number" | "integer":
            return _number(found, scale, whole=shape == "integer")
        case "boolean":
            return _boolean(found)
        case _:
            return found


def _number(found: Json, scale: Decimal, *, whole: bool) -> int | float:
    text = found.strip() if isinstance(found, str) else ""
    if isinstance(found, int | float) and not isinstance(found, bool) and abs(found) <= _LARGEST:
        text = format(Decimal(repr(found)), "f")
    if not _NUMBER.fullmatch(text):
        raise Unmappable(f"{shown(found)} is not a number up to {_LARGEST}")
    exact = Decimal(text) * scale
    if exact == exact.to_integral_value():
        return int(exact)
    if whole:
        raise Unmappable(f"{shown(found)} gives {exact}, which is not a whole number")
    return float(exact)


def _boolean(found: Json) -> bool:
    known = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    text = key_text(found).lower()
    if text not in known:
        raise Unmappable(f"{shown(found)} is not true or false")
    return known[text]


def check_json(value: Json, where: Where) -> None:
    """Refuse what TOML can hold and JSON cannot: dates without quotes, infinities."""
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            check_json(each, where)
    elif value is not UNSET and not isinstance(value, str | bool | int | float | None):
        raise FieldError(where, f"{value} is no JSON value: write a date as text, in quotes")
    elif isinstance(value, float) and not math.isfinite(value):
        raise FieldError(where, f"{value} is no JSON value: expected a finite number")
