"""Values of a connector file, compiled: what is done to what a reference gives, and when something happened."""

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal

from msgspec import UNSET

from service.connectors.context import (
    Compute,
    Context,
    FieldError,
    Names,
    Unmappable,
    Where,
    declared,
    empty,
    key_text,
    shown,
)
from service.connectors.model import Instant, Json, TimeUnit, Value
from service.connectors.money import minor_units
from service.connectors.references import compile_source
from service.connectors.searches import compile_regex
from service.connectors.shapes import check_json, number, shaped
from service.connectors.times import ReadTime, compile_time, written


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
    return lambda found, _: _cut(shaped(found, shape, scale), cut)


def _minor(value: Value, names: Names, where: Where) -> Callable[[Json, Context], Json]:
    if value.scale is not None or value.shape is not None or value.minor_of is None:
        raise FieldError((*where, "minor_of"), "an amount is turned into minor units alone: leave `scale` and `as` out")
    currency = compile_value(value.minor_of, names, (*where, "minor_of"))

    def turn(found: Json, context: Context) -> Json:
        if empty(code := currency(context)):
            if value.optional:
                return None
            raise Unmappable("the currency of the amount is missing")
        return number(found, minor_units(key_text(code)), whole=True)

    return turn


def _cut(found: Json, most: int | None) -> Json:
    return found[:most] if isinstance(found, str) else found


def _time(unit: TimeUnit, zone: str | None, where: Where) -> ReadTime:
    try:
        return compile_time(unit, zone)
    except ValueError as error:
        raise FieldError((*where, "zone"), str(error)) from None
