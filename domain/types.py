"""The words that facts are written in: sides, dates, money, ratios, and personal values that can be forgotten."""

from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Literal

from msgspec import Meta, Struct

Side = Literal["client", "partner"]
SIDES: tuple[Side, Side] = ("client", "partner")
Stage = Literal["honeymoon", "power_struggle", "power_sharing", "commitment", "maturity_or_separation"]
STAGES: tuple[Stage, ...] = ("honeymoon", "power_struggle", "power_sharing", "commitment", "maturity_or_separation")
Outcome = Literal["maturity", "separating", "separated"]
Ending = Literal["stillborn", "exploded", "parted"]

TEXT_LIMIT = 8_000
NAME_LIMIT = 200
LIST_LIMIT = 100

Identifier = Annotated[str, Meta(min_length=1, max_length=NAME_LIMIT)]
Words = Annotated[str, Meta(min_length=1, max_length=1_000)]
WordsList = Annotated[tuple[Words, ...], Meta(min_length=1, max_length=50)]
Month = Annotated[str, Meta(pattern=r"^\d{4}-(0[1-9]|1[0-2])$", max_length=7)]
Currency = Annotated[str, Meta(pattern=r"^[A-Z]{3}$", max_length=3)]
Money = Annotated[int, Meta(ge=0, le=2**53 - 1, description="minor units of the currency")]
Count = Annotated[int, Meta(ge=0, le=2**53 - 1)]
Quantity = Annotated[float, Meta(ge=0, lt=1e15)]
Share = Annotated[float, Meta(ge=0, le=1)]
Hours = Annotated[float, Meta(ge=0, le=100_000)]
Day = date


class Sealed(Struct, frozen=True, forbid_unknown_fields=True):
    """A personal value as the log keeps it: `p` names whose key opens `c`; destroying one key forgets it everywhere."""

    p: str
    c: str


Name = Annotated[str, Meta(min_length=1, max_length=NAME_LIMIT, extra={"personal": "person"})] | Sealed
Prose = Annotated[str, Meta(min_length=1, max_length=TEXT_LIMIT, extra={"personal": "prose"})] | Sealed


def person(value: Name) -> str:
    """The stable identity of a person: the sealed one, or the name itself where nothing was sealed (tests)."""
    return value.p if isinstance(value, Sealed) else value


def midnight(day: date) -> datetime:
    """The first instant of a UTC day."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def whole_days(start: datetime, end: datetime) -> int:
    """Whole days between two instants, floored (DOMAIN: floor of seconds / 86,400)."""
    return (end - start) // timedelta(days=1)


def month_index(day: date) -> int:
    """Months since year 0, so that "running" means consecutive integers."""
    return day.year * 12 + day.month - 1


def parse_month(month: str) -> int:
    """`2024-03` as a month index."""
    return int(month[:4]) * 12 + int(month[5:7]) - 1


def month_start(index: int) -> datetime:
    """The first instant of the month with this index."""
    return datetime(index // 12, index % 12 + 1, 1, tzinfo=UTC)


def months_before(instant: datetime, months: int) -> datetime:
    """The same clock time so many months earlier, on the last day of the month where the day does not exist."""
    index = instant.year * 12 + instant.month - 1 - months
    year, month = index // 12, index % 12 + 1
    last = (datetime(year + month // 12, month % 12 + 1, 1) - timedelta(days=1)).day  # noqa: DTZ001 (only its day is read)
    return instant.replace(year=year, month=month, day=min(instant.day, last))


def whole_months(start: datetime, end: datetime) -> int:
    """Whole calendar months between two instants, none before the first is full."""
    months = month_index(end) - month_index(start)
    return max(months - (months_before(start, -months) > end), 0)
