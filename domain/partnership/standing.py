"""What a partnership's own record says of the matter that a fact names: unknown, open or closed, and since when."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, NamedTuple

from domain import events as e
from domain.partnership.matters import MATTERS, matters
from domain.partnership.state import Partnership
from domain.partnership.values import Promise, Seen

Word = Literal["unknown", "open", "closed"]
KINDS = ("incident", "invoice", "promise", *MATTERS)
"""The fields that name a matter."""


class Standing(NamedTuple):
    """How a matter stands; `since` is the newest fact that opened, closed or reopened it."""

    word: Word
    since: Seen | None


def names_a_matter(fact: type[e.Event]) -> bool:
    """Whether facts of a type name a matter that has a standing."""
    return any(kind in fact.__struct_fields__ for kind in KINDS)


def standing(state: Partnership, fact: e.Event) -> Standing:
    """How the matter of a fact stands. Raises ValueError for a fact that names none."""
    kind = next((kind for kind in KINDS if kind in fact.__struct_fields__), None)
    if kind is None:
        message = f"{fact.type} names no matter that could be open or closed."
        raise ValueError(message)
    opened, closed, is_closed = _found(state, kind, getattr(fact, kind))
    if opened is None:
        return Standing("unknown", None)
    return Standing("closed" if is_closed else "open", max(opened, closed) if closed is not None else opened)


def stands(state: Partnership, fact: e.Event, at: datetime, wanted: Sequence[Word]) -> bool:
    """Whether the matter of a fact stands as wanted, and the fact is newer than what is known of it."""
    word, since = standing(state, fact)
    return word in wanted and (since is None or since.at <= at)


def _found(state: Partnership, kind: str, key: str) -> tuple[Seen | None, Seen | None, bool]:
    """(when it was opened, its newest other turn, whether it is closed)."""
    if kind == "incident":
        incident = state.incidents.get(key)
        return (incident.raised, incident.last, incident.resolved) if incident else (None, None, False)
    if kind == "invoice":
        invoice = state.invoices.get(key)
        return (invoice.issued, invoice.paid, invoice.paid is not None) if invoice else (None, None, False)
    if kind == "promise":
        return _promise(state.promises.get(key) or Promise())
    matter = matters(state, kind).get(key)
    return (matter.opened, matter.closed, matter.closed is not None) if matter else (None, None, False)


def _promise(promise: Promise) -> tuple[Seen | None, Seen | None, bool]:
    """A promise is closed once it was measured; a revision keeps it open."""
    measured = [Seen(each.at, each.version) for each in promise.measures if not each.revised]
    return promise.made, max(measured, default=None), bool(measured)
