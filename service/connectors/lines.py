"""Where in a TOML file a field stands, so that an error can name its line."""

import re
from collections.abc import Iterator

Where = tuple[str | int, ...]

_KEY = r"(?:[A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*')"
_DOTTED = rf"{_KEY}(?:\s*\.\s*{_KEY})*"
_HEADER = re.compile(rf"\s*(?P<open>\[\[?)\s*(?P<name>{_DOTTED})\s*\]\]?\s*(?:#.*)?")
_PAIR = re.compile(rf"\s*(?P<name>{_DOTTED})\s*=")


def line_of(text: str, where: Where) -> int | None:
    """The line of the field, or of the nearest table around it; None when nothing of it is there."""
    best: tuple[int, int] | None = None
    for path, number in _fields(text):
        length = len(path)
        if path == where[:length] and (best is None or length > best[0]):
            best = (length, number)
    return best[1] if best else None


def _fields(text: str) -> Iterator[tuple[Where, int]]:
    table: Where = ()
    counts: dict[Where, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.fullmatch(line):
            table = _table(_names(header["name"]), counts, one_more=header["open"] == "[[")
            yield table, number
        elif pair := _PAIR.match(line):
            yield (*table, *_names(pair["name"])), number


def _table(names: list[str], counts: dict[Where, int], *, one_more: bool) -> Where:
    path: Where = ()
    for index, name in enumerate(names):
        path = (*path, name)
        if one_more and index == len(names) - 1:
            counts[path] = counts.get(path, -1) + 1
        if path in counts:
            path = (*path, counts[path])
    return path


def _names(dotted: str) -> list[str]:
    return [name.strip("\"'") for name in re.findall(_KEY, dotted)]
