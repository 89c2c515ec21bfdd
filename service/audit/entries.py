"""The first pass of a verification: every entry by position, as bytes and as the row beside it says."""

from collections.abc import Iterable

import msgspec
from msgspec import Struct

from domain import events as e
from events.codec import FORMAT, canonical, microseconds, read_entry
from service.audit.reading import Adopted, Row, shown

_plain = msgspec.json.Decoder().decode
_sorted = msgspec.json.Encoder(order="sorted").encode


class Finding(Struct, frozen=True, kw_only=True):
    """What is otherwise than it should be, and exactly where."""

    code: str
    position: int | None = None
    partnership: str | None = None
    stream: str | None = None
    version: int | None = None
    expected: str
    found: str


class Entries:
    """The log by position: what was found so far, and what the second pass needs to know."""

    def __init__(self) -> None:
        self.position = 0
        self.streams: dict[str, int] = {}
        self.adopted = Adopted()
        self._recorded_at = 0

    def check(self, rows: Iterable[Row]) -> list[Finding]:
        """What is wrong with the next rows."""
        found: list[Finding] = []
        for row in rows:
            self._check_place(row, found)
            self._check_bytes(row, found)
        return found

    def index(self, rows: Iterable[Row]) -> None:
        """Take the next rows for what they say, without checking them."""
        for row in rows:
            self.position = row.position
            self.streams[row.stream] = row.version
            if row.type == e.PolicyAdopted.type and isinstance(data := row.happened().data, e.PolicyAdopted):
                self.adopted.take(row.position, data.version, data.policy)

    def _check_place(self, row: Row, found: list[Finding]) -> None:
        if row.position != self.position + 1:
            found.append(_at(row, "position", str(self.position + 1), str(row.position), self.position + 1))
        self.position = row.position
        version = self.streams.get(row.stream, 0)
        if row.version != version + 1:
            found.append(_at(row, "version", f"{row.stream} {version + 1}", f"{row.stream} {row.version}"))
        self.streams[row.stream] = row.version
        if row.recorded_at < self._recorded_at:
            found.append(_at(row, "recorded_at", f"at least {self._recorded_at}", str(row.recorded_at)))
        self._recorded_at = max(row.recorded_at, self._recorded_at)

    def _check_bytes(self, row: Row, found: list[Finding]) -> None:
        try:
            plain = _plain(row.entry)
            entry = read_entry(row.entry)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            found.append(_at(row, "entry", "an entry", str(error)))
            return
        if _sorted(plain) != row.entry and not _is_canonical(plain, row.entry):
            found.append(_at(row, "canonical", "canonical JSON", "other bytes of the same value"))
        told = (entry.stream, entry.version, entry.type, entry.schema, entry.id)
        beside = (row.stream, row.version, row.type, row.schema, row.id)
        if told != beside:
            found.append(_at(row, "columns", shown(told), shown(beside)))
        times = (microseconds(entry.occurred_at), microseconds(entry.recorded_at))
        if times != (row.occurred_at, row.recorded_at):
            found.append(_at(row, "columns", shown(times), shown((row.occurred_at, row.recorded_at))))
        if entry.v != FORMAT or entry.type not in e.ALL:
            found.append(_at(row, "type", "a known type and format", f"{entry.type}, format {entry.v}"))
            return
        try:
            data = row.happened().data
        except (msgspec.ValidationError, msgspec.DecodeError, ValueError) as error:
            found.append(_at(row, "data", f"the fields of {entry.type}", str(error)))
            return
        if isinstance(data, e.PolicyAdopted):
            self.adopted.take(row.position, data.version, data.policy)


def _is_canonical(plain: object, raw: bytes) -> bool:
    try:
        return canonical(plain) == raw
    except ValueError:
        return False


def _at(row: Row, code: str, expected: str, found: str, position: int | None = None) -> Finding:
    partnership = row.stream.removeprefix("partnership-") if row.stream.startswith("partnership-") else None
    return Finding(
        code=code, position=position or row.position, partnership=partnership, stream=row.stream, version=row.version,
        expected=expected, found=found,
    )  # fmt: skip
