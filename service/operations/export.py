"""What `noces export` does: it chooses a format and writes what the log says, as it is read."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import BinaryIO, Literal, get_args

from msgspec import Struct

from events.sqlite import SqliteFile
from service.clock import now
from service.errors import ServiceError
from service.exports.cloudevents import cloudevents
from service.exports.extract import Extract, extract_of
from service.exports.ndjson import ndjson
from service.exports.ocel_json import ocel_json
from service.exports.ocel_sqlite import write_ocel_sqlite
from service.exports.stays import stays
from service.exports.xes import xes
from service.files import taking, whole
from service.master import standing_key
from service.operations.progress import progress
from service.operations.reading import check_new, log_of
from service.settings import Settings, keys_path
from service.vault import Vault

Form = Literal["ndjson", "csv", "cloudevents", "ocel-json", "ocel-sqlite", "xes"]
FORMS: tuple[Form, ...] = get_args(Form)
SEALED = ("ndjson", "csv")
"""What never holds an opened value: the log's own bytes, and a table that has none."""


class Wanted(Struct, frozen=True, kw_only=True):
    """What is asked for."""

    form: Form = "ndjson"
    organisation: str | None = None
    partnerships: tuple[str, ...] = ()
    personal: bool = False
    out: Path | None = None


async def export(settings: Settings, wanted: Wanted, screen: BinaryIO) -> int:
    """How many bytes were written; a file gets its name when it is whole.

    Raises SettingsError for a database, an organisation, a master key or a folder that is not there, or a file that is;
    ServiceError for a partnership that is not there, and for what a format cannot do.
    """
    _check(wanted)
    name = wanted.organisation or settings.organisation
    async with AsyncExitStack() as stack:
        query = await stack.enter_async_context(log_of(settings, name))
        opener = await stack.enter_async_context(_vault(settings)) if wanted.personal else None
        extract = await extract_of(query, name, wanted.partnerships, opener)
        with progress("writing") as bar:
            if wanted.out is not None or not screen.isatty():
                extract.seen = _counting(bar, await extract.count())
            return await _write(extract, wanted, screen)


def _check(wanted: Wanted) -> None:
    if wanted.out is not None:
        check_new(wanted.out)
    if wanted.personal and wanted.form in SEALED:
        rest = ", ".join(each for each in FORMS if each not in SEALED)
        raise ServiceError("bad_parameter", f"--personal opens nothing in {wanted.form}; it belongs to {rest}.")
    if wanted.form == "ocel-sqlite" and wanted.out is None:
        raise ServiceError("bad_parameter", "ocel-sqlite is a database of its own; name its file with --out.")


def _counting(bar: Callable[[int, int], None], total: int) -> Callable[[int], None]:
    done = 0

    def seen(rows: int) -> None:
        nonlocal done
        done += rows
        bar(done, total)

    return seen


@asynccontextmanager
async def _vault(settings: Settings) -> AsyncIterator[Vault]:
    """Opens personal values, beside a running server too."""
    keys = await SqliteFile.open_readonly(keys_path(settings).absolute())
    try:
        yield Vault(await standing_key(settings, keys), keys)
    finally:
        await keys.close()


async def _write(extract: Extract, wanted: Wanted, screen: BinaryIO) -> int:
    if wanted.out is None:
        return await _pour(_pieces(extract, wanted.form), screen)
    if wanted.form == "ocel-sqlite":
        with taking(wanted.out) as fresh:
            await write_ocel_sqlite(extract, fresh)
        return wanted.out.stat().st_size
    with whole(wanted.out) as file:
        return await _pour(_pieces(extract, wanted.form), file)


def _pieces(extract: Extract, form: Form) -> AsyncIterator[bytes]:
    match form:
        case "csv":
            return stays(extract, now())
        case "cloudevents":
            return cloudevents(extract)
        case "ocel-json":
            return ocel_json(extract)
        case "xes":
            return xes(extract)
        case _:
            return ndjson(extract.query, extract.organisation, extract.rows())


async def _pour(pieces: AsyncIterator[bytes], file: BinaryIO) -> int:
    count = 0
    async for piece in pieces:
        count += file.write(piece)
    file.flush()
    return count
