"""Read models as they should be: made again from a stream's events, and compared with the rows that are served."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from events.codec import decode
from events.store import Change, Put, Remove
from service.audit.entries import Finding
from service.audit.reading import Row, shown
from service.projections import Query
from service.projections.all import MODELLED, REBUILT, project

Key = tuple[str, tuple[tuple[str, Any], ...]]
"""A table, and the names and values of a row's key."""


class Models:
    """The rows that a log makes; how many of each table, so that rows which nothing made are noticed."""

    def __init__(self, organisation: str) -> None:
        self.organisation = organisation
        self.counts: Counter[str] = Counter()

    def made(self, rows: Iterable[Row]) -> dict[Key, dict[str, Any]]:
        """The rows that a stream's events make."""
        found: dict[Key, dict[str, Any]] = {}
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

    async def differences(self, query: Query, made: Mapping[Key, Mapping[str, Any]], stream: str) -> list[Finding]:
        """Where the rows that are served are others."""
        found: list[Finding] = []
        for (table, key), values in made.items():
            where = " AND ".join(f'"{name}" = ?' for name, _ in key)
            names = ", ".join(f'"{name}"' for name in values) or "1"
            sql = f"SELECT {names} FROM {table} WHERE {where}"  # noqa: S608  # names of our own
            rows = await query(sql, [value for _, value in key])
            if not rows:
                found.append(_differs(table, key, stream, "this row", "no row"))
            elif values and tuple(rows[0]) != tuple(values.values()):
                served = dict(zip(values, rows[0], strict=True))
                other = {name for name in values if values[name] != served[name]}
                found.append(
                    _differs(
                        table,
                        key,
                        stream,
                        *(shown({name: each[name] for name in sorted(other)}) for each in (values, served)),
                    )
                )
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


def _differs(table: str, key: Sequence[tuple[str, Any]], stream: str, expected: str, found: str) -> Finding:
    named = {name: value for name, value in key if name != "organisation"}
    partnership = stream.removeprefix("partnership-") if stream.startswith("partnership-") else None
    return Finding(
        code="read_model",
        partnership=partnership,
        stream=stream,
        expected=f"{table} {shown(named)}: {expected}",
        found=found,
    )
