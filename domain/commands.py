"""What can be asked of a partnership; imperative, as facts are past."""

from datetime import date, datetime

from msgspec import Struct

from domain.events import Event
from domain.partnership.standing import Word
from domain.types import Prose, Side


class OpenPartnership(Struct, frozen=True, kw_only=True):
    """Begin to follow a partnership."""

    client: str
    partner: str
    critical: bool = False
    opened_at: datetime | None = None
    observed_since: date | None = None
    links: tuple[tuple[str, str, str], ...] = ()


class Fact(Struct, frozen=True):
    """A fact as somebody reports it; without `occurred_at` it happened now.

    With `standing` it is recorded only while its matter stands so in the partnership's own record, and only when it is
    newer than what the record says last: for senders that tell how things are, not what has changed.
    """

    data: Event
    occurred_at: datetime | None = None
    standing: tuple[Word, ...] = ()


class RecordFacts(Struct, frozen=True):
    """Record facts, all or none."""

    facts: tuple[Fact, ...]


class AskTransition(Struct, frozen=True, kw_only=True):
    """Ask for a transition that people decide."""

    trigger: str
    side: Side = "client"
    reason: str | None = None
    text: Prose | None = None
    occurred_at: datetime | None = None


class RequestOverride(Struct, frozen=True, kw_only=True):
    """Ask to force a stage; another actor must approve."""

    override: str
    to: str
    reason: Prose
    by: str


class ApproveOverride(Struct, frozen=True, kw_only=True):
    """Perform a forced transition that another actor requested."""

    override: str
    by: str


class AddLink(Struct, frozen=True):
    """Tie an id of another system to the partnership."""

    system: str
    kind: str
    external_id: str


class RemoveLink(Struct, frozen=True):
    """Untie it."""

    system: str
    kind: str
    external_id: str


class Tick(Struct, frozen=True):
    """Append what time owes this partnership."""


Command = (
    OpenPartnership | RecordFacts | AskTransition | RequestOverride | ApproveOverride | AddLink | RemoveLink | Tick
)
