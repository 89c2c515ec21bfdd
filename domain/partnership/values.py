"""What a partnership remembers of its facts: frozen values, whichever of them arrived first."""

from bisect import bisect_left
from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta
from hashlib import blake2b
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar

import msgspec
from msgspec import Struct

from domain import events as e
from domain.types import Prose, Side

if TYPE_CHECKING:
    from _typeshed import SupportsDunderLT

KEPT_MOMENTS = 200
KEPT_MEASURES = 50
KEPT_MEETINGS = 600
KEPT_MONTHS = 240
KEPT_CLOSED = 1_000


class Seen(Struct, frozen=True, order=True, array_like=True, gc=False):
    """When something was true, and the version of the event that says so; sorts by time, then by arrival."""

    at: datetime
    version: int


class Measure(NamedTuple):
    """A measured or revised value of a promise."""

    at: datetime
    version: int
    value: float
    revised: bool


class Promise(Struct, frozen=True, gc=False):
    """A promise with its measures; `made` is absent while only measures have arrived (unmatched)."""

    made: Seen | None = None
    side: Side = "partner"
    kind: e.PromiseKind = "other"
    promised: float = 0.0
    unit: str = ""
    due_on: date | None = None
    measures: tuple[Measure, ...] = ()
    units: tuple[str, ...] = ()
    opening: bytes = b""


class Matter(Struct, frozen=True, gc=False):
    """Something with an opening and an end; either may arrive first. `opening` fingerprints what opened it."""

    opened: Seen | None = None
    closed: Seen | None = None
    own_parts: tuple[Side, ...] = ()
    failed: bool = False
    opening: bytes = b""


class Invoice(Struct, frozen=True, gc=False):
    """An invoice and its payment; either may arrive first."""

    issued: Seen | None = None
    amount: int = 0
    currency: str = ""
    due_on: date | None = None
    paid: Seen | None = None
    paid_on: date | None = None
    overdue: Seen | None = None
    opening: bytes = b""


class Incident(Struct, frozen=True, gc=False):
    """An incident; `last` is its newest resolution or reopening."""

    raised: Seen | None = None
    priority: int = 5
    last: Seen | None = None
    resolved: bool = False
    opening: bytes = b""


class Term(NamedTuple):
    """What was said about an SLA."""

    at: datetime
    version: int
    how: Literal["negotiated", "imposed", "withdrawn"]
    target: float


class SlaMonth(NamedTuple):
    """A month's attainment: `met` of `total`."""

    month: int
    at: datetime
    version: int
    met: int
    total: int


class Sla(Struct, frozen=True, gc=False):
    """An SLA's terms and its measured months, both in order."""

    terms: tuple[Term, ...] = ()
    months: tuple[SlaMonth, ...] = ()


class Meeting(NamedTuple):
    """A meeting that was held, or missed, on a day."""

    at: datetime
    version: int
    day: date
    held: bool


class Cadence(NamedTuple):
    """An agreed rhythm of meetings."""

    at: datetime
    version: int
    every_days: int


class Reality(NamedTuple):
    """A reality that came to light."""

    at: datetime
    version: int
    about: str
    rework_share: float
    concealed: bool


class Budget(NamedTuple):
    """A renegotiated budget."""

    at: datetime
    version: int
    amount: int
    currency: str


class Spell(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """One stay in a state, from its `stage.entered` (or the opening)."""

    state: str
    entered_at: datetime
    version: int
    trigger: str | None = None
    cause: int
    policy: int | None = None
    forced: bool = False


class Separation(Struct, frozen=True, gc=False):
    """The separation that is under way, or that ended it all."""

    at: datetime
    version: int
    reason: e.SeparationReason
    side: Side


class Override(Struct, frozen=True, gc=False):
    """A forced transition that waits for its second actor."""

    to: str
    by: str
    version: int
    reason: Prose


class Refusal(Struct, frozen=True, gc=False):
    """The last refusal of a trigger."""

    version: int
    decided_at: datetime
    guards: tuple[e.Verdict, ...]


T = TypeVar("T", bound="SupportsDunderLT[Any]")


def sorted_in(known: tuple[T, ...], item: T, most: int) -> tuple[T, ...]:
    """The sorted tuple with one more item, at most so many: the oldest goes, but never the very first."""
    if not known or not item < known[-1]:
        grown = (*known, item)
    else:
        at = bisect_left(known, item)
        grown = (*known[:at], item, *known[at:])
    return grown if len(grown) <= most else (grown[0], *grown[2:])


def between(known: Iterable[Seen], start: datetime, end: datetime) -> list[Seen]:
    """The moments from start to end, both included."""
    return [seen for seen in known if start <= seen.at <= end]


KEPT_WHOLE = 64
"""The most bytes of an opening that are kept as they are: a digest is slower, and would be no shorter."""
PROSE = ("text", "subject")
_pack = msgspec.msgpack.Encoder().encode
Said = tuple[Callable[[e.Event], tuple[object, ...]], bool]
_SAID: dict[type[e.Event], Said] = {}
"""Filled as types are met."""


def fingerprint(fact: e.Event) -> bytes:
    """What an opening says, personal values aside, to tell a repetition from a contradiction; a digest where it is long."""
    said, numbers = _SAID.get(type(fact)) or _said(type(fact))
    found = said(fact)
    if numbers:
        # 30 is 30.0 and -0.0 is 0, as in the log.
        found = tuple([value + 0.0 if isinstance(value, (int, float)) else value for value in found])
    packed = _pack(found)
    return packed if len(packed) <= KEPT_WHOLE else blake2b(packed, digest_size=KEPT_WHOLE).digest()


def _said(kind: type[e.Event]) -> Said:
    """What is read of a type's facts, and whether there are numbers with fractions among it."""
    fields = [each for each in msgspec.structs.fields(kind) if each.name not in PROSE]
    numbers = any("float" in str(each.type) for each in fields)
    return _SAID.setdefault(kind, (attrgetter("type", *(each.name for each in fields)), numbers))


def due_day(invoice: Invoice, payment_days: int = 30, at_most: int = 60) -> date:
    """The day an invoice falls due: the contract's, else 30 days after issue, never later than 60 (L441-10)."""
    if invoice.issued is None:
        message = "An invoice that was never issued has no due day."
        raise ValueError(message)
    issued = invoice.issued.at.date()
    return min(invoice.due_on or issued + timedelta(days=payment_days), issued + timedelta(days=at_most))


def link_key(system: str, kind: str, external_id: str) -> str:
    """A link as one string; the parts cannot hold the separator."""
    return f"{system}\x1f{kind}\x1f{external_id}"


def silence_key(fact: e.MeetingMissed | e.InvoiceOverdue) -> str:
    """What a fact of silence is about, as one string: the clock writes each once, and never again once retracted."""
    if isinstance(fact, e.MeetingMissed):
        return f"{fact.type}/{fact.level}/{fact.due_on}"
    return f"{fact.type}/{fact.invoice}"
