"""Read models as they should be: made again from a stream's events, and compared with the rows that are served."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from events.codec import decode
from events.store import Change, Put, Remove
from service.audit.entries import Finding
from service.audit.reading import Row, shown
from service.projections import Query
from service.projections.all import MODELLED, REBUILT, project
from service.projections.partnerships import partnership_in

Key = tuple[str, tuple[tuple[str, Any], ...]]
"""A table, and the names and values of a row's key."""
Values = dict[str, Any]
Made = dict[Key, Values]
Names = tuple[str, ...]
AT_ONCE = 500
"""Rows that one query asks for."""


class Models:
    """The rows that a log makes; how many of each table, so that rows which nothing made are noticed."""

    def __init__(self, organisation: str) -> None:
        self.organisation = organisation
        self.counts: Counter[str] = Counter()

    def made(self, rows: Iterable[Row]) -> Made:
        """The rows that a stream's events make."""
        found: Made = {}
        for row in rows:
            recorded = row.recorded()
            for change in project(self.organisation, recorded, decode(recorded)):
                key = (change.table, tuple(change.key.items()))
                match change:
                    case Put():
                        found[key] = {**found.get(key, {}), **change.values}
                    case Change():
                        if key in found:
                            found[key] |= change.values
                    case Remove():
                        wanted = set(change.key.items())
                        for each in [each for each in found if each[0] == change.table and wanted <= set(each[1])]:
                            del found[each]
        return found

    async def differences(self, query: Query, made: Mapping[str, Made]) -> dict[str, list[Finding]]:
        """Where the rows that are served are others than those that streams have made, by stream."""
        alike: defaultdict[tuple[str, Names, Names], list[tuple[str, Key, Values]]] = defaultdict(list)
        for stream, rows in made.items():
            for key, values in rows.items():
                alike[key[0], tuple(name for name, _ in key[1]), tuple(values)].append((stream, key, values))
        found: defaultdict[str, list[Finding]] = defaultdict(list)
        for (table, key_names, names), asked in alike.items():
            served = await _served(query, table, key_names, names, [key for _, key, _ in asked])
            for stream, key, values in asked:
                row = served.get(key)
                if row is None:
                    found[stream].append(_differs(key, stream, "this row", "no row"))
                elif row != values:
                    other = sorted(name for name in names if values[name] != row[name])
                    sides = (shown({name: each[name] for name in other}) for each in (values, row))
                    found[stream].append(_differs(key, stream, *sides))
        return found

    def count(self, made: Iterable[Key]) -> None:
        """Take rows that a stream has made."""
        self.counts.update(table for table, _ in made)

    def count_later(self, rows: Iterable[Row]) -> None:
        """Take the rows that events may have put in while the log was read."""
        for row in rows:
            if row.type in MODELLED:
                self.counts.update(
                    change.table
                    for change in project(self.organisation, row.recorded(), row.happened().data)
                    if isinstance(change, Put)
                )

    async def served(self, query: Query) -> dict[str, int]:
        """How many rows each table holds."""
        found = {}
        for table in REBUILT:
            sql = f"SELECT count(*) FROM {table} WHERE organisation = ?"  # noqa: S608  # names of our own
            found[table] = int(str((await query(sql, (self.organisation,)))[0][0]))
        return found

    def surplus(self, served: Mapping[str, int]) -> list[Finding]:
        """Tables that hold rows which no event made."""
        return [
            Finding(code="read_model", stream=table, expected=f"{self.counts[table]} rows", found=f"{count} rows")
            for table, count in served.items()
            if count > self.counts[table]
        ]


async def _served(query: Query, table: str, key_names: Names, names: Names, keys: Sequence[Key]) -> Made:
    """Those rows of a table that have these keys, some at a time."""
    found: Made = {}
    columns = ", ".join(f'served."{name}"' for name in (*key_names, *names))
    alike = " AND ".join(f'served."{name}" = asked."{name}"' for name in key_names)
    asked = ", ".join(f'"{name}"' for name in key_names)
    for some in (keys[at : at + AT_ONCE] for at in range(0, len(keys), AT_ONCE)):
        rows = ", ".join([f"({', '.join('?' * len(key_names))})"] * len(some))
        # The join is written so that each wanted row is looked up by its key; IN would walk the whole table.
        sql = f"WITH asked({asked}) AS (VALUES {rows}) SELECT {columns} FROM asked CROSS JOIN {table} served ON {alike}"  # noqa: S608  # names of our own
        for row in await query(sql, [value for _, key in some for _, value in key]):
            key = table, tuple(zip(key_names, row, strict=False))
            found[key] = dict(zip(names, row[len(key_names) :], strict=True))
    return found


def _differs(key: Key, stream: str, expected: str, found: str) -> Finding:
    table, named = key
    place = shown({name: value for name, value in named if name != "organisation"})
    return Finding(
        code="read_model",
        partnership=partnership_in(stream),
        stream=stream,
        expected=f"{table} {place}: {expected}",
        found=found,
    )
