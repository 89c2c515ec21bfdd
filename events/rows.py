"""Row changes as SQL: one text per shape of change, so that the database prepares it once."""

from collections.abc import Iterable, Iterator
from functools import cache
from itertools import groupby
from operator import itemgetter

from events.store import Change, Put, Remove, RowChange, Value

Statement = tuple[str, tuple[Value, ...]]


def statement(change: RowChange) -> Statement:
    """The SQL of one change, with `?` for each value, and the values."""
    key = change.key
    match change:
        case Put(table, _, values):
            return _put(table, tuple(key), tuple(values)), (*key.values(), *values.values())
        case Change(table, _, values):
            return _change(table, tuple(key), tuple(values)), (*values.values(), *key.values())
        case Remove(table, _):
            return _remove(table, tuple(key)), tuple(key.values())


def grouped(changes: Iterable[RowChange]) -> Iterator[tuple[str, list[tuple[Value, ...]]]]:
    """Changes in their order, neighbours of one shape together: the SQL and each one's values."""
    for sql, group in groupby(map(statement, changes), key=itemgetter(0)):
        yield sql, [values for _, values in group]


@cache
def _put(table: str, key: tuple[str, ...], columns: tuple[str, ...]) -> str:
    named = _names(*key, *columns)
    marks = ", ".join("?" for _ in named)
    updates = ", ".join(f"{name} = excluded.{name}" for name in _names(*columns))
    return (
        f"INSERT INTO {_name(table)} ({', '.join(named)}) VALUES ({marks}) "  # noqa: S608 (names come from code)
        f"ON CONFLICT ({', '.join(_names(*key))}) DO {f'UPDATE SET {updates}' if updates else 'NOTHING'}"
    )


@cache
def _change(table: str, key: tuple[str, ...], columns: tuple[str, ...]) -> str:
    settings = ", ".join(f"{name} = ?" for name in _names(*columns))
    return f"UPDATE {_name(table)} SET {settings} WHERE {_where(key)}"  # noqa: S608 (names come from code)


@cache
def _remove(table: str, key: tuple[str, ...]) -> str:
    return f"DELETE FROM {_name(table)} WHERE {_where(key)}"  # noqa: S608 (names come from code)


def _where(key: tuple[str, ...]) -> str:
    return " AND ".join(f"{name} = ?" for name in _names(*key))


def _names(*names: str) -> list[str]:
    return [_name(name) for name in names]


def _name(name: str) -> str:
    if not (name.isidentifier() and name.isascii()):
        raise ValueError(f"{name!r} cannot name a table or column.")
    return f'"{name}"'
