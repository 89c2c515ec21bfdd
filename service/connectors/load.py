"""Connector files read and checked: whatever is wrong in one is told with its file, its line and its field."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from service.connectors.compiled import Connector, FactFields, compile_connector
from service.connectors.context import ODD, FieldError, Where
from service.connectors.lines import line_of
from service.connectors.model import Spec

SHIPPED = Path(__file__).parent
SAMPLES = SHIPPED / "samples"
HEADERS = ".headers.json"
LARGEST = 65_536
_FIELD = re.compile(r"\.([^.\[\]]+)|\[([0-9]+)\]|\[\.\.\.\]")
_UNKNOWN = re.compile(r"unknown field `([^`]*)`")


class ConnectorError(ValueError):
    """A connector file that cannot be used; the text is one sentence with file, line, field and what was expected."""

    def __init__(self, file: str, line: int | None, field: str | None, problem: str) -> None:
        places = [file, f"line {line}" if line else "", field or ""]
        super().__init__(f"{', '.join(place for place in places if place)}: {problem}.")
        self.file = file
        self.line = line
        self.field = field
        self.problem = problem


def load_text(text: str, file: str, fact_fields: FactFields) -> Connector:
    """The connector that `text` describes; `fact_fields` names every fact a rule may write and its fields."""
    raw = _parsed(text, file)
    try:
        return compile_connector(msgspec.convert(raw, Spec), fact_fields)
    except msgspec.ValidationError as error:
        problem, _, path = str(error).partition(" - at `$")
        where = _where(path.rstrip("`"))
        unknown = _UNKNOWN.search(problem)
        raise _located(text, file, (*where, unknown[1]) if unknown else where, problem) from None
    except FieldError as error:
        raise _located(text, file, error.where, str(error)) from None
    except ODD as error:
        raise ConnectorError(file, None, None, f"the file cannot be read ({type(error).__name__})") from None


def load_file(path: Path, fact_fields: FactFields) -> Connector:
    """The connector in a file that is called after it."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConnectorError(path.name, None, None, f"the file cannot be read ({type(error).__name__})") from None
    connector = load_text(text, path.name, fact_fields)
    if connector.name != path.stem:
        problem = f"the name is {connector.name!r}: expected {path.stem!r}, as the file is called"
        raise _located(text, path.name, ("name",), problem)
    return connector


def load_directory(directory: Path, fact_fields: FactFields) -> dict[str, Connector]:
    """Every `*.toml` of a directory, by name."""
    if not directory.is_dir():
        raise ConnectorError(str(directory), None, None, "there is no such directory: expected one with *.toml files")
    return {path.stem: load_file(path, fact_fields) for path in sorted(directory.glob("*.toml"))}


class Shelf(Mapping[str, Connector]):
    """Connectors by name; the shipped ones are read when they are asked for first, for reading all slows the start."""

    def __init__(self, shipped: dict[str, Path], added: dict[str, Connector], fact_fields: FactFields) -> None:
        self._shipped = shipped
        self._known = dict(added)
        self._names = sorted([*shipped, *added])
        self._fact_fields = fact_fields

    def __getitem__(self, name: str) -> Connector:
        if name not in self._known:
            self._known[name] = load_file(self._shipped[name], self._fact_fields)
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def load_connectors(fact_fields: FactFields, directory: Path | None = None) -> Shelf:
    """The shipped connectors and those of a user's directory; a name is taken once, so that no file hides another."""
    shipped = {path.stem: path for path in SHIPPED.glob("*.toml")}
    added = load_directory(directory, fact_fields) if directory is not None else {}
    for name in added:
        if name in shipped:
            problem = f"the name {name!r} belongs to a shipped connector: choose another and call the file so"
            raise ConnectorError(f"{name}.toml", None, "name", problem)
    return Shelf(shipped, added, fact_fields)


def read_sample(path: Path) -> tuple[bytes, tuple[tuple[str, str], ...]]:
    """(body, headers) of a saved delivery; its headers may stand beside it as `<stem>.headers.json`."""
    beside = path.with_name(path.stem + HEADERS)
    given = msgspec.json.decode(beside.read_bytes(), type=dict[str, object]) if beside.exists() else {}
    return path.read_bytes(), tuple((name.lower(), value) for name, value in given.items() if isinstance(value, str))


def samples(name: str) -> dict[str, Path]:
    """The samples of a shipped connector: one delivery for each event that its sender documents."""
    folder = SAMPLES / name
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    return {path.stem: path for path in found if not path.name.endswith(HEADERS)}


def _parsed(text: str, file: str) -> dict[str, object]:
    if len(text) > LARGEST:
        raise ConnectorError(file, None, None, f"the file has {len(text)} characters: expected at most {LARGEST}")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"line ([0-9]+)", str(error))
        number = int(line[1]) if line else len(text.splitlines())  # else "at end of document"
        raise ConnectorError(file, number, None, f"this is not TOML: {error}") from None
    except RecursionError:
        raise ConnectorError(file, None, None, "the file is nested too deeply") from None


def _where(path: str) -> Where:
    found = _FIELD.finditer(path)
    return tuple(int(match[2]) if match[2] else match[1] or "..." for match in found)


def _located(text: str, file: str, where: Where, problem: str) -> ConnectorError:
    field = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in where).lstrip(".")
    return ConnectorError(file, line_of(text, where), field or None, problem)
