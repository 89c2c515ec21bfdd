"""What a verification finds, and what it asks of every entry: its place, its bytes, and the row beside it."""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from domain import events as e
from domain.policy import checked
from events.codec import FORMAT, UNREADABLE, Entry, UnreadableError, microseconds, read_entry
from service.audit.reading import Adopted, Row, WholeRow, shown
from service.audit.written import is_as_written, read_alike
from service.projections.partnerships import PREFIX, partnership_in


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

    def check(self, rows: Sequence[WholeRow]) -> list[Finding]:
        """What is wrong with the next rows."""
        found = self._check_places(rows)
        alike: dict[tuple[str, int], list[WholeRow]] = {}
        for row in rows:
            alike.setdefault((row.type, row.schema), []).append(row)
        for (kind, schema), some in alike.items():
            if not _are_in_order(kind, schema, some):
                for row in some:
                    self._check_row(row, found)
        return found

    def take(self, row: WholeRow, entry: Entry) -> list[Finding]:
        """What is wrong with the next row, where the row was made from its entry."""
        found = self._check_places([row])
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

    def _check_places(self, rows: Iterable[WholeRow]) -> list[Finding]:
        """Where positions, versions or times do not go on from the rows before."""
        found: list[Finding] = []
        streams, position, recorded_at = self.streams, self.position, self._recorded_at
        for row in rows:
            position, stream, version = position + 1, row.stream, streams.get(row.stream, 0) + 1
            if row.position != position:
                found.append(at_row(row, "position", str(position), str(row.position), position))
                position = row.position
            if row.version != version:
                found.append(at_row(row, "version", f"{stream} {version}", f"{stream} {row.version}"))
            streams[stream] = row.version
            if row.recorded_at < recorded_at:
                found.append(at_row(row, "recorded_at", f"at least {recorded_at}", str(row.recorded_at)))
            else:
                recorded_at = row.recorded_at
        self.position, self._recorded_at = position, recorded_at
        return found

    def _check_row(self, row: WholeRow, found: list[Finding]) -> None:
        try:
            entry = read_entry(row.entry)
        except UnreadableError as error:
            found.append(at_row(row, "entry", "an entry", str(error)))
            return
        if (told := _header(entry)) != (beside := _beside(row)):
            found.append(at_row(row, "columns", shown(told), shown(beside)))
        self._check_entry(row, entry, found)

    def _check_entry(self, row: Row, entry: Entry, found: list[Finding]) -> None:
        if not is_as_written(entry, row.entry):
            found.append(at_row(row, "canonical", "canonical JSON", "other bytes of the same value"))
        if entry.v != FORMAT or entry.type not in e.ALL:
            found.append(at_row(row, "type", "a known type and format", f"{entry.type}, format {entry.v}"))
        elif entry.type == e.PolicyAdopted.type or not row.stream.startswith(PREFIX):
            self._check_data(row, found)

    def _check_data(self, row: Row, found: list[Finding]) -> None:
        """What no second pass folds is read here."""
        try:
            data = row.happened().data
            if isinstance(data, e.PolicyAdopted):
                self.adopted.take(row.position, data.version, checked(data.policy))
        except BROKEN as error:
            found.append(unreadable(row, error))


def _are_in_order(kind: str, schema: int, rows: Sequence[WholeRow]) -> bool:
    """Whether nothing is wrong with rows of one type, at one look; where something may be, each is looked at."""
    entries = read_alike(kind, schema, [row.entry for row in rows])
    return (
        entries is not None
        and [_header(entry) for entry in entries] == [_beside(row) for row in rows]
        and {entry.v for entry in entries} == {FORMAT}
        and all(row.stream.startswith(PREFIX) for row in rows)
    )


def _header(entry: Entry) -> tuple[object, ...]:
    return (
        entry.stream, entry.version, entry.type, entry.schema, entry.id, microseconds(entry.occurred_at),
        microseconds(entry.recorded_at),
    )  # fmt: skip


def _beside(row: WholeRow) -> tuple[object, ...]:
    return (row.stream, row.version, row.type, row.schema, row.id, row.occurred_at, row.recorded_at)


BROKEN = (*UNREADABLE, ArithmeticError)
"""What reading a broken entry may raise, and taking its decision again: an instant may be too early to count back from."""


def unreadable(row: Row, error: Exception) -> Finding:
    """The finding of an entry that cannot be read, or whose decision cannot be taken again."""
    return at_row(row, "data", f"the fields of {row.type}", str(error))


def at_row(row: Row, code: str, expected: str, found: str, position: int | None = None) -> Finding:
    """A finding at a row's place."""
    return Finding(
        code=code, position=position or row.position, partnership=partnership_in(row.stream), stream=row.stream,
        version=row.version, expected=expected, found=found,
    )  # fmt: skip
