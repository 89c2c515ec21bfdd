"""Every read model and working table: the one list that opening, rebuilding and checking go by."""

from collections.abc import Sequence

from msgspec import Struct

from domain.events import Event
from events.envelope import RecordedEvent
from events.migrations import Migration
from events.store import RowChange
from service.projections import Project, connectors, due, inbox, keys, links, partnerships, people
from service.proofs.tables import ATTESTED, FORKS, STAMPS
from service.proofs.tables import DDL as TREES

MIGRATIONS: tuple[Migration, ...] = (
    Migration(101, "partnerships", partnerships.DDL),
    Migration(102, "links", links.DDL),
    Migration(103, "due", due.DDL),
    Migration(104, "keys", keys.DDL),
    Migration(105, "inbox", inbox.DDL),
    Migration(106, "connectors", connectors.DDL),
    Migration(107, "silence", keys.SILENCE + inbox.SEEN),
    Migration(110, "overlap", keys.OVERLAP),
    Migration(113, "people", people.DDL),
    Migration(116, "trees", TREES),
    Migration(117, "forks", FORKS),
    Migration(120, "quota", keys.QUOTA),
    Migration(121, "attested", ATTESTED),
    Migration(122, "stamps", STAMPS),
)

PROJECTIONS: tuple[Project, ...] = (partnerships.project, links.project, keys.project, people.project)
LISTED: frozenset[type[Event]] = frozenset({*partnerships.LISTED, *links.LISTED, *keys.LISTED, *people.LISTED})
"""The events that some read model is made of; most facts change none, and need not be asked about."""
MODELLED = frozenset(kind.type for kind in LISTED)
"""The same by their names."""
REBUILT: tuple[str, ...] = (*partnerships.TABLES, *links.TABLES, *keys.TABLES, *people.TABLES)
"""Tables that events alone make, so that `noces rebuild` can make them anew."""


def project(organisation: str, recorded: RecordedEvent, data: Struct) -> Sequence[RowChange]:
    """All row changes of an event."""
    if not isinstance(data, Event):
        message = f"{type(data).__name__} is no domain event."
        raise TypeError(message)
    if type(data) not in LISTED:
        return ()
    return [change for each in PROJECTIONS for change in each(organisation, recorded, data)]
