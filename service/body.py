"""Request bodies: bytes to structs, refusing at the door whatever would be odd behind it."""

import json
import re
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec

from service.errors import FieldError, ServiceError

DEPTH_LIMIT = 32

T = TypeVar("T")

_PATH = re.compile(r" - at `\$(.*)`$")
_SURROGATE = re.compile("[\ud800-\udfff]")
_FRACTION = re.compile(r"(\.\d{6})\d+")
_INSTANT = re.compile(r"^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?([Zz]|[+-]\d{2}:?\d{2})?$")


def read_json(raw: bytes) -> Any:  # noqa: ANN401  # JSON before its shape is known
    """JSON in UTF-8 without duplicate keys, NUL, lone surrogates, NaN or deep nesting.

    Raises ServiceError `bad_json` or `bad_text`.
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ServiceError("bad_json", f"The body is not UTF-8 (byte {error.start}); send JSON in UTF-8.") from None
    _check_depth(text)
    try:
        value = _decode(text)
    except json.JSONDecodeError as error:
        raise ServiceError(
            "bad_json", f"The body is not JSON: {error.msg} (line {error.lineno}, column {error.colno})."
        ) from None
    except RecursionError:
        raise _too_deep() from None
    except ValueError as error:
        raise ServiceError("bad_json", f"The body is not JSON: {error}.") from None
    if "\\u" in text or "\0" in text:
        _check_text(value)
    return value


def _check_depth(text: str) -> None:
    """A cheap bound before the parser: no more opening brackets in a row of depth than the limit."""
    if text.count("[") + text.count("{") <= DEPTH_LIMIT:
        return
    depth, quoted, escaped = 0, False, False
    for letter in text:
        if quoted:
            quoted, escaped = (letter != '"' or escaped), (letter == "\\" and not escaped)
        elif letter == '"':
            quoted = True
        elif letter in "[{":
            depth += 1
            if depth > DEPTH_LIMIT:
                raise _too_deep()
        elif letter in "]}":
            depth -= 1


def _too_deep() -> ServiceError:
    return ServiceError("bad_json", f"The body nests deeper than {DEPTH_LIMIT} levels; flatten it.")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ServiceError("bad_json", f"The key {twice!r} stands twice in one object; send it once.")
    return found


def _constant(name: str) -> Any:  # noqa: ANN401  # never returns
    raise ServiceError("bad_json", f"{name} is no JSON number; leave the field out.")


_decode = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant).decode


def _check_text(value: object) -> None:
    match value:
        case str():
            check_text(value)
        case dict():
            for name, each in value.items():
                check_text(name)
                _check_text(each)
        case list():
            for each in value:
                _check_text(each)
        case _:
            pass


def check_text(text: str) -> None:
    """Refuse what the databases and JSON readers disagree on: U+0000 and lone surrogates."""
    if "\0" in text:
        raise ServiceError("bad_text", "A text holds the character U+0000, which no store keeps; remove it.")
    if _SURROGATE.search(text):
        raise ServiceError("bad_text", "A text holds a lone surrogate, which is no character; send valid Unicode.")


def shape(value: Any, kind: type[T], at: str = "") -> T:  # noqa: ANN401  # JSON before its shape is known
    """A JSON value as a struct; unknown fields and wrong types are refused with a pointer to them."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise bad_shape(str(error), at) from None


def bad_shape(message: str, at: str = "") -> ServiceError:
    """The error of a body that has the wrong shape."""
    found = _PATH.search(message)
    pointer = at + _pointer(found[1] if found else "")
    detail = _PATH.sub("", message)
    where = f" at {pointer}" if pointer else ""
    return ServiceError("bad_shape", f"{detail}{where}.", errors=[FieldError(pointer, detail)])


def _pointer(path: str) -> str:
    return path.replace("[...]", "/*").replace("[", "/").replace("]", "").replace(".", "/")


def read_instant(text: str, name: str, at: str | None = None) -> datetime:
    """An RFC 3339 instant in UTC; finer than microseconds is cut, a naive one refused.

    `at` is its pointer in a body.
    """
    if not _INSTANT.match(text):
        raise _no_instant(
            "bad_parameter", f"{name} is {text!r}; send an RFC 3339 instant such as 2024-03-01T09:00:00Z.", at
        )
    try:
        instant = datetime.fromisoformat(_FRACTION.sub(r"\1", text))
    except ValueError:
        raise _no_instant("bad_parameter", f"{name} is {text!r}, which is no instant of the calendar.", at) from None
    if instant.tzinfo is None:
        raise _no_instant(
            "naive_time", f"{name} {text!r} has no offset; add Z or +02:00 so that it names one instant.", at
        )
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        raise _no_instant("bad_parameter", f"{name} is {text!r}, beyond the calendar.", at) from None


def _no_instant(code: str, detail: str, at: str | None) -> ServiceError:
    return ServiceError(code, detail, errors=[] if at is None else [FieldError(at, detail)])
