"""Times as senders write them, read into UTC: epochs, ISO with its dialects, `/Date(ms)/`, days."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from functools import cache
from zoneinfo import ZoneInfo

from service.connectors.model import Json, TimeUnit

ReadTime = Callable[[Json], datetime]

_SHOWN = 60
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_NUMBER = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,9})?")
_DOTNET = re.compile(r"/Date\((-?[0-9]{1,20})([+-][0-9]{4})?\)/")  # the offset is only for display
_DAY = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_ISO = re.compile(
    r"(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ](?P<hour>[0-9]{2}):(?P<minute>[0-9]{2})"
    r"(:(?P<second>[0-9]{2})([.,](?P<fraction>[0-9]{1,9}))?)? ?(?P<zone>[Zz]|[+-][0-9]{2}(:?[0-9]{2})?)?"
)


def compile_time(unit: TimeUnit, zone: str | None) -> ReadTime:
    """A reader of times in `unit`; raises ValueError for a zone that does not exist or that nothing needs."""
    if zone is not None and unit != "iso":
        raise ValueError(f"`zone` is for ISO times that are written without one; unit {unit!r} needs none")
    local = _zone(zone)
    match unit:
        case "iso":
            return lambda found: _iso(found, local)
        case "dotnet":
            return _dotnet
        case "date":
            return _day
        case _:
            return lambda found: _epoch(found, _PER_SECOND[unit])


def written(at: datetime) -> str:
    """RFC 3339 in UTC, with six digits of a second or none."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


@cache
def _zone(name: str | None) -> tzinfo | None:
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"`zone` {name!r} is not known: expected a name like Europe/Paris or UTC") from None


def is_zone(name: str) -> bool:
    """Whether a name is that of a time zone."""
    try:
        return _zone(name) is not None
    except ValueError:
        return False


def _epoch(found: Json, per_second: int) -> datetime:
    text = repr(found) if isinstance(found, int | float) and not isinstance(found, bool) else found
    if not isinstance(text, str) or not _NUMBER.fullmatch(text.strip()):
        raise ValueError(f"{_shown(found)} is not a number of time units since 1970")
    return _after_epoch(Decimal(text.strip()), per_second)


def _after_epoch(count: Decimal, per_second: int) -> datetime:
    microseconds = int((count * 10**6 / per_second).to_integral_value("ROUND_FLOOR"))
    try:
        return _EPOCH + timedelta(microseconds=microseconds)
    except OverflowError:
        raise ValueError(f"{count} is outside the calendar: expected another unit, such as ms or us") from None


def _dotnet(found: Json) -> datetime:
    match = _DOTNET.fullmatch(found.strip()) if isinstance(found, str) else None
    if match is None:
        raise ValueError(f"{_shown(found)} is not a time like /Date(1493926583000)/")
    return _after_epoch(Decimal(match[1]), 1_000)


def _day(found: Json) -> datetime:
    match = _DAY.fullmatch(found.strip()) if isinstance(found, str) else None
    if match is None:
        raise ValueError(f"{_shown(found)} is not a day like 2026-01-31")
    return _dated(found, match[0])


def _iso(found: Json, local: tzinfo | None) -> datetime:
    text = found.strip() if isinstance(found, str) else ""
    if _DAY.fullmatch(text):
        return _dated(found, text)
    match = _ISO.fullmatch(text)
    if match is None:
        raise ValueError(f"{_shown(found)} is not a time like 2026-01-31T12:00:00Z")
    zone = _offset(match["zone"]) if match["zone"] else local
    if zone is None:
        raise ValueError(f"{_shown(found)} has no zone: declare `zone` beside its path")
    fraction = int((match["fraction"] or "").ljust(6, "0")[:6])  # cut, never rounded into the next second
    day = _dated(found, match["day"])
    try:
        clock = day.replace(hour=int(match["hour"]), minute=int(match["minute"]), second=int(match["second"] or 0))
        return clock.replace(microsecond=fraction, tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"{_shown(found)} is not on the clock") from None


def _dated(found: Json, day: str) -> datetime:
    try:
        return datetime.fromisoformat(day).replace(tzinfo=UTC)
    except ValueError:
        raise ValueError(f"{_shown(found)} is not in the calendar") from None


def _offset(text: str) -> tzinfo:
    if text in "Zz":
        return UTC
    digits = text[1:].replace(":", "").ljust(4, "0")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-offset if text[0] == "-" else offset)


def _shown(found: Json) -> str:
    text = repr(found)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
