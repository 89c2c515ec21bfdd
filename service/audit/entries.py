"""The first pass of a verification: every entry by position, as bytes and as the row beside it says."""

from collections.abc import Iterable

import msgspec
from msgspec import Struct

from domain import events as e
from domain.policy import checked
from events.codec import FORMAT, Entry, canonical, holds_odd_number, microseconds, read_entry
from service.audit.reading import Adopted, Row, WholeRow, shown
from service.projections.partnerships import partnership_in


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

    def check(self, rows: Iterable[WholeRow]) -> list[Finding]:
        """What is wrong with the next rows."""
        found: list[Finding] = []
        for row in rows:
            self._check_place(row, found)
            self._check_bytes(row, found)
        return found

    def take(self, row: WholeRow, entry: Entry) -> list[Finding]:
        """What is wrong with the next row, where the row was made from its entry."""
        found: list[Finding] = []
        self._check_place(row, found)
        self._check_entry(row, entry, found)
        return found

    def index(self, rows: Iterable[WholeRow]) -> None:
        """Take the next rows for what they say, without checking them."""
        for row in rows:
            self.position = row.position
            self.streams[row.stream] = row.version
            self._recorded_at = row.recorded_at
            if row.type == e.PolicyAdopted.type and isinstance(data := row.happened().data, e.PolicyAdopted):
                self.adopted.take(row.position, data.version, data.policy)

    def expect(self, policies: Iterable[Row]) -> None:
        """The policies that were adopted, where another reads the log at the same time."""
        for row in policies:
            self._check_data(row, [])  # what is wrong with it is told where it is read by position

    def _check_place(self, row: WholeRow, found: list[Finding]) -> None:
        if row.position != self.position + 1:
            found.append(at_row(row, "position", str(self.position + 1), str(row.position), self.position + 1))
        self.position = row.position
        version = self.streams.get(row.stream, 0)
        if row.version != version + 1:
            found.append(at_row(row, "version", f"{row.stream} {version + 1}", f"{row.stream} {row.version}"))
        self.streams[row.stream] = row.version
        if row.recorded_at < self._recorded_at:
            found.append(at_row(row, "recorded_at", f"at least {self._recorded_at}", str(row.recorded_at)))
        else:
            self._recorded_at = row.recorded_at

    def _check_bytes(self, row: WholeRow, found: list[Finding]) -> None:
        try:
            entry = read_entry(row.entry)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            found.append(at_row(row, "entry", "an entry", str(error)))
            return
        told = (
            entry.stream, entry.version, entry.type, entry.schema, entry.id, microseconds(entry.occurred_at),
            microseconds(entry.recorded_at),
        )  # fmt: skip
        beside = (row.stream, row.version, row.type, row.schema, row.id, row.occurred_at, row.recorded_at)
        if told != beside:
            found.append(at_row(row, "columns", shown(told), shown(beside)))
        self._check_entry(row, entry, found)

    def _check_entry(self, row: Row, entry: Entry, found: list[Finding]) -> None:
        if not _is_canonical(entry, row.entry):
            found.append(at_row(row, "canonical", "canonical JSON", "other bytes of the same value"))
        if entry.v != FORMAT or entry.type not in e.ALL:
            found.append(at_row(row, "type", "a known type and format", f"{entry.type}, format {entry.v}"))
            return
        if entry.type == e.PolicyAdopted.type or partnership_in(row.stream) is None:
            self._check_data(row, found)

    def _check_data(self, row: Row, found: list[Finding]) -> None:
        """What no second pass folds is read here."""
        try:
            data = row.happened().data
            if isinstance(data, e.PolicyAdopted):
                self.adopted.take(row.position, data.version, checked(data.policy))
        except UNREADABLE as error:
            found.append(unreadable(row, error))


_sorted = msgspec.json.Encoder(order="sorted").encode
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, ValueError, LookupError, TypeError, ArithmeticError)
"""What reading a broken entry may raise, and taking its decision again: an instant may be too early to count back from."""


def _is_canonical(entry: Entry, raw: bytes) -> bool:
    """Whether the log would write the entry in these bytes; one that holds more than it reads is looked at as a whole."""
    try:
        written = _sorted(entry) if _is_plain(entry, raw) else canonical(entry, lambda _: entry.data)
        return written == raw or canonical(msgspec.json.decode(raw)) == raw
    except ValueError:
        return False


def _is_plain(entry: Entry, raw: bytes) -> bool:
    """Whether sorted JSON holds nothing that needs a second look: names beyond ASCII, NUL, odd numbers."""
    return raw.isascii() and b"\\u0000" not in raw and not holds_odd_number([entry.data])


def unreadable(row: Row, error: Exception) -> Finding:
    """The finding of an entry that cannot be read, or whose decision cannot be taken again."""
    return at_row(row, "data", f"the fields of {row.type}", str(error))


def at_row(row: Row, code: str, expected: str, found: str, position: int | None = None) -> Finding:
    """A finding at a row's place."""
    return Finding(
        code=code, position=position or row.position, partnership=partnership_in(row.stream), stream=row.stream,
        version=row.version, expected=expected, found=found,
    )  # fmt: skip
