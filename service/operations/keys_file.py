"""The keys of a log in a file beside its export: what the log itself never holds, all of it wrapped or hashed.

Of the vault the wrapped keys of persons and texts, of the database wrapped secrets, digests of API keys, the log's signing
keys and heads, and the idempotency keys and delivery items that were used. It opens under the same master key alone.
"""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from events.sqlite import SqliteFile
from events.store import Database, Put, Value
from service.clock import now
from service.errors import ServiceError
from service.files import whole
from service.operations.reading import check_new, log_of
from service.projections import Query
from service.proofs.tables import find_tree
from service.settings import Settings, SettingsError, keys_path
from service.vault import ORGANISATION_KEY, STEPS

FORMAT = 1
IN_VAULT = ("vault", "people")
BESIDE_LOG = ("secrets", "directory", "trees", "checkpoints", "cosignatures", "stamps", "idempotency", "claims")
BLOCK = 1_000

_ALL = "SELECT * FROM {table} WHERE organisation = ?"
_ITEMS = " AND name LIKE 'item/%'"
"""Of the claims only those of deliveries: the others follow from the log."""
_COLUMNS = "SELECT name, pk FROM pragma_table_info(?)"


class Head(Struct, frozen=True):
    """The first line of the file."""

    noces_keys: int
    organisation: str


class Line(Struct, frozen=True):
    """A row of a table; bytes are base64."""

    table: str
    row: dict[str, Any]


async def export_keys(settings: Settings, organisation: str, out: Path) -> None:
    """Write the file, its owner's alone; after the log, so that no entry of the export lacks its key."""
    check_new(out)
    vault = await SqliteFile.open_readonly(keys_path(settings).absolute())
    try:
        async with log_of(settings, organisation) as query:
            with whole(out) as file:
                file.write(msgspec.json.encode(Head(FORMAT, organisation)) + b"\n")
                async for line in _rows(vault.query, query, organisation):
                    file.write(msgspec.json.encode(line) + b"\n")
    finally:
        await vault.close()


async def _rows(vault: Query, log: Query, organisation: str) -> AsyncIterator[dict[str, Any]]:
    for table in (*IN_VAULT, *BESIDE_LOG):
        query = vault if table in IN_VAULT else log
        names = [str(name) for name, _ in await query(_COLUMNS, (table,))]
        sql = _ALL.format(table=table) + (_ITEMS if table == "claims" else "")
        for row in await query(sql, (organisation,)):
            yield {"table": table, "row": {name: _told(value) for name, value in zip(names, row, strict=True)}}


def _told(value: Value) -> Any:  # noqa: ANN401  # JSON of a column
    return {"bytes": value} if isinstance(value, bytes) else value


def _taken(value: Any) -> Value:  # noqa: ANN401  # as above
    return msgspec.convert(value["bytes"], bytes) if isinstance(value, dict) else value


def read_lines(file: Path, organisation: str) -> Iterator[Line]:
    """The rows of the file, one after the other. Raises ServiceError `bad_shape` where it is another one."""
    with file.open("rb") as lines:
        try:
            head = msgspec.json.decode(next(lines, b""), type=Head)
            if head != Head(FORMAT, organisation):
                raise ServiceError(
                    "bad_shape", f"{file} holds the keys of {head.organisation!r}, not of {organisation!r}."
                )
            for raw in lines:
                line = msgspec.json.decode(raw, type=Line)
                if line.table not in (*IN_VAULT, *BESIDE_LOG) or line.row.get("organisation") != organisation:
                    raise ServiceError("bad_shape", f"{file} holds a row of {line.table!r} that is none of the keys'.")
                yield line
        except msgspec.MsgspecError as error:
            raise ServiceError(
                "bad_shape", f"{file} is no file of keys as `noces export --with-keys` writes it: {error}."
            ) from error


async def restore_vault(settings: Settings, file: Path, organisation: str) -> None:
    """Put the wrapped keys back, before the log is opened. Raises SettingsError where the organisation has others."""
    path = keys_path(settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    vault = await SqliteFile.open(path, migrations=STEPS, clock=now)
    try:
        sql = "SELECT wrapped FROM vault WHERE organisation = ? AND holder = ?"
        known = await vault.query(sql, (organisation, ORGANISATION_KEY))
        for line in read_lines(file, organisation):
            row = {name: _taken(value) for name, value in line.row.items()}
            if known and line.table == "vault" and row["holder"] == ORGANISATION_KEY and row["wrapped"] != known[0][0]:
                raise SettingsError(f"{organisation!r} has keys of its own here already; restore into a new database.")
        await _put(vault, file, organisation, IN_VAULT)
    finally:
        await vault.close()


async def restore_beside(store: Database, file: Path, organisation: str) -> None:
    """Put back what lies beside the log, after its entries; a tree that is not there is grown anew from them."""
    has_tree = await find_tree(store.query, organisation) is not None
    await _put(store, file, organisation, [each for each in BESIDE_LOG if each != "trees" or not has_tree])


async def _put(target: SqliteFile | Database, file: Path, organisation: str, tables: Sequence[str]) -> None:
    columns = {table: {str(name): bool(pk) for name, pk in await target.query(_COLUMNS, (table,))} for table in tables}
    wanted = (line for line in read_lines(file, organisation) if line.table in tables)
    while block := [_row(line, columns[line.table]) for line in islice(wanted, BLOCK)]:
        await target.write(block)


def _row(line: Line, columns: Mapping[str, bool]) -> Put:
    """The change that makes a row; of columns that the table has, for their names become SQL."""
    if unknown := set(line.row) - set(columns):
        raise ServiceError("bad_shape", f"{line.table} has no column {min(unknown)!r}; the file is of another release.")
    values = {name: _taken(value) for name, value in line.row.items()}
    if line.table == "trees":
        values["size"] = 0
    return Put(
        line.table,
        {name: value for name, value in values.items() if columns[name]},
        {name: value for name, value in values.items() if not columns[name]},
    )
