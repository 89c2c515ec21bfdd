"""Entries read and put in order: dense versions, times that never go back, names sorted, the policy in force."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any, NamedTuple


class Finding(NamedTuple):
    """What is otherwise than it should be, and where; position 0 is that of no entry."""

    position: int
    code: str
    expected: str
    found: str
    stream: str = ""

    def __str__(self) -> str:
        where = (f"position {self.position}" if self.position else "the capsule") + (
            f" ({self.stream})" if self.stream else ""
        )
        return f"{where}: {self.code}: expected {self.expected}, found {self.found}"


class Entry(NamedTuple):
    """One entry at its position."""

    position: int
    stream: str
    version: int
    type: str
    id: str
    occurred_at: datetime
    actor: str
    source: str
    data: dict[str, Any]


class EntryError(ValueError):
    """These bytes are no entry."""


def read_entry(raw: bytes, position: int) -> Entry:
    """An entry from its bytes. Raises EntryError."""
    try:
        value = json.loads(raw.decode(), object_pairs_hook=_in_order, parse_constant=_no_number)
        stream, kind, identifier, actor = (_text(value[name]) for name in ("stream", "type", "id", "actor"))
        version, data, source = value["version"], value["data"], value.get("source", "")
        occurred_at = instant(_text(value["occurred_at"]))
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise EntryError(str(error)) from error
    if type(version) is not int or not isinstance(data, dict):
        raise EntryError("version and data are of other kinds")
    return Entry(position, stream, version, kind, identifier, occurred_at, actor, _text(source), data)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise EntryError(f"{value!r} is no text")
    return value


def recorded_at(raw: bytes) -> str:
    """When an entry was recorded, in a form that sorts by time."""
    text = str(json.loads(raw)["recorded_at"])
    return text if "." in text else f"{text[:-1]}.000000Z"


def _in_order(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    if names != sorted(set(names)):
        raise ValueError(f"names are not sorted, or twice: {', '.join(names)}")
    return dict(pairs)


def _no_number(text: str) -> Any:  # noqa: ANN401  # it never answers
    raise ValueError(f"{text} is no number")


def instant(text: str) -> datetime:
    """An instant as entries write it: UTC, `Z`, whole seconds or microseconds."""
    if not text.endswith("Z"):
        raise ValueError(f"{text} is no instant in UTC")
    return datetime.fromisoformat(text[:-1]).replace(tzinfo=timezone.utc)  # noqa: UP017  # read by Pythons before 3.11 too


class Order:
    """The order of a log: what every entry owes to those before it."""

    def __init__(self) -> None:
        self._versions: dict[str, int] = {}
        self._recorded = ""

    def take(self, entry: Entry, recorded: str) -> list[Finding]:
        """What is out of order about the next entry."""
        found = []
        due = self._versions.get(entry.stream, 0) + 1
        if entry.version != due:
            found.append(Finding(entry.position, "version", str(due), str(entry.version), entry.stream))
        if recorded < self._recorded:
            found.append(Finding(entry.position, "recorded_at", f"{self._recorded} or later", recorded, entry.stream))
        self._versions[entry.stream] = entry.version
        self._recorded = max(recorded, self._recorded)
        return found
