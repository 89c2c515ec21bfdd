"""Searches, compiled: JMESPath through a body, RE2 through a text."""

from collections.abc import Callable
from functools import lru_cache

import jmespath
import re2

from service.connectors.context import ODD, FieldError, Unmappable, Where
from service.connectors.model import Json


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


@lru_cache(maxsize=1_000)
def chosen_search(path: str) -> Callable[[Json], Json]:
    """A search along a path from a setting, which was checked when it was set."""
    try:
        return compile_path(path, ())
    except FieldError as error:
        raise Unmappable(str(error)) from None
