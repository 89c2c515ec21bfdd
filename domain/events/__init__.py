"""What can happen: every fact of a partnership's life, and what the system writes about it.

A fact's `occurred_at` stands in its entry, not here. Optional means absent: an event field's only default is None.
Names and fields are for ever; a changed shape is a new schema number and an upcaster (events/upcasters.py). One file a
chapter; whoever uses an event takes it from here.
"""

from domain.events import administration, commitment, daily, promises, sharing, stages
from domain.events.administration import *
from domain.events.base import *
from domain.events.base import Event
from domain.events.commitment import *
from domain.events.daily import *
from domain.events.promises import *
from domain.events.sharing import *
from domain.events.stages import *

CHAPTERS = (promises, sharing, daily, commitment, stages, administration)
"""In the order in which a partnership lives through them; documents list the events so."""

ALL: dict[str, type[Event]] = {
    kind.type: kind
    for chapter in CHAPTERS
    for kind in vars(chapter).values()
    if isinstance(kind, type) and issubclass(kind, Event) and kind.__module__ == chapter.__name__
}

SYSTEM_PREFIXES = (
    "stage.", "transition.", "policy.", "link.", "key.", "source.", "connector.", "subscription.", "person.",
    "override.", "log.", "text.",
)  # fmt: skip
ROUTED: dict[str, str] = {
    "partnership.opened": "POST /v1/partnerships",
    "separation.decided": "POST /v1/partnerships/{id}/transitions with trigger `separate`",
    "separation.revoked": "POST /v1/partnerships/{id}/transitions with trigger `reconcile`",
    "stage.entered": "POST /v1/partnerships/{id}/transitions",
    "transition.refused": "POST /v1/partnerships/{id}/transitions",
    "policy.adopted": "POST /v1/policies",
    "link.added": "PUT /v1/partnerships/{id}/links/{system}/{kind}/{external_id}",
    "link.removed": "DELETE /v1/partnerships/{id}/links/{system}/{kind}/{external_id}",
}
FACTS: dict[str, type[Event]] = {
    name: kind for name, kind in ALL.items() if not name.startswith(SYSTEM_PREFIXES) and name not in ROUTED
}
