"""Shapes: a value as text, number or truth, and what JSON can hold."""

import math
import re
from decimal import Decimal

from msgspec import UNSET

from service.connectors.context import FieldError, Unmappable, Where, key_text, shown
from service.connectors.model import Json

_NUMBER = re.compile(r"[+-]?[0-9]{1,18}(\.[0-9]{1,18})?")
_LARGEST = 2**53 - 1


def shaped(found: Json, shape: str | None, scale: Decimal) -> Json:
    """A value in the shape that is asked for, as it came without one; numbers are multiplied by the scale."""
    match shape:
        case "string":
            return key_text(found)
        case "lower":
            return key_text(found).lower()
        case "upper":
            return key_text(found).upper()
        case "number" | "integer":
            return number(found, scale, whole=shape == "integer")
        case "boolean":
            return _boolean(found)
        case _:
            return found


def number(found: Json, scale: Decimal, *, whole: bool) -> int | float:
    """An exact number from a number or its text, times the scale."""
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
