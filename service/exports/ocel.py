"""OCEL 2.0: which objects an event is about, and what it says of them."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from domain import events as e
from domain.types import SIDES, Side
from service.exports.attributes import Type, Value, typed
from service.exports.extract import TOLD, Json, Life, Told

OBJECTS: Mapping[str, Mapping[str, Type]] = {
    "partnership": {
        "critical": "boolean", "stage": "string", "outcome": "string", "ending": "string", "respectful": "boolean",
    },
    "client": {"name": "string"},
    "partner": {"name": "string"},
    "contract": {
        "starts_on": "string", "ends_on": "string", "notice_days": "integer", "amount": "integer", "currency": "string",
        "effective_on": "string",
    },
    "promise": {
        "side": "string", "kind": "string", "promised": "float", "unit": "string", "due_on": "string",
        "evidence": "string", "actual": "float",
    },
    "invoice": {"amount": "integer", "currency": "string", "due_on": "string", "paid_on": "string"},
    "incident": {"priority": "integer", "within_sla": "boolean"},
    "crisis": {"severity": "integer"},
    "meeting": {"level": "string", "day": "string", "held": "boolean"},
}  # fmt: skip
"""The types of objects and their attributes, whose values are what the facts of their own family say."""

NAMED = ("contract", "promise", "invoice", "incident", "crisis")
"""Objects that a fact names in a field; a name is known in its partnership only."""

OPENINGS = {
    kind.type for kind in (
        e.PartnershipOpened, e.ContractSigned, e.PromiseMade, e.InvoiceIssued, e.IncidentRaised, e.CrisisOpened,
        e.MeetingHeld, e.MeetingMissed,
    )
}  # fmt: skip
"""What they say of an object holds from its beginning; whatever others say changes it when they occur."""

NO_OUTCOME = "none"
"""The outcome of a stage that has none: a value of OCEL cannot be absent once it was there."""


class Thing(NamedTuple):
    """An object that an event is about: in which part, what the event says of it, and of what it is a part itself."""

    id: str
    type: str
    qualifier: str
    values: Mapping[str, Value]
    parts: tuple[tuple[str, str], ...] = ()
    """(id of another object, qualifier)."""


EVENTS: Mapping[str, str] = {name: kind.__name__ for name, kind in TOLD.items()}
"""The types of events and their names in tables."""


def things(told: Told, life: Life) -> Iterator[Thing]:
    """The objects of an event, each once, and none before those that it is a part of."""
    yield from _parties(told, life)
    partnership = Thing(life.partnership, "partnership", "partnership", _of_partnership(told))
    if told.entry.type == e.PartnershipOpened.type:
        parts = tuple((_party(side, life), side) for side in SIDES)
        partnership = partnership._replace(parts=parts)
    yield partnership
    yield from _named(told, life.partnership)
    if told.entry.type in (e.MeetingHeld.type, e.MeetingMissed.type):
        yield _meeting(told, life.partnership)


def _parties(told: Told, life: Life) -> Iterator[Thing]:
    """Both where the partnership is opened, else the one whose side a fact is about."""
    for side in SIDES:
        if told.entry.type == e.PartnershipOpened.type:
            yield Thing(_party(side, life), side, side, {"name": getattr(life.opened, side)})
        elif told.data.get("side") == side:
            yield Thing(_party(side, life), side, "side", {})


def _party(side: Side, life: Life) -> str:
    return f"{side}:{getattr(life.opened, side)}"


def _named(told: Told, partnership: str) -> Iterator[Thing]:
    family = told.entry.type.partition(".")[0]
    for kind in NAMED:
        if (name := told.data.get(kind)) is not None:
            said = _values(kind, told.data) if family == kind else {}
            yield Thing(f"{partnership}/{kind}/{name}", kind, kind, said, ((partnership, "partnership"),))


def _meeting(told: Told, partnership: str) -> Thing:
    level, held = told.data["level"], told.entry.type == e.MeetingHeld.type
    day = told.data["on_date" if held else "due_on"]
    said = {"level": level, "day": day, "held": held}
    return Thing(f"{partnership}/meeting/{level}/{day}", "meeting", "meeting", said, ((partnership, "partnership"),))


def _of_partnership(told: Told) -> Mapping[str, Value]:
    match told.entry.type:
        case e.PartnershipOpened.type:
            return {"critical": told.data["critical"], "stage": "honeymoon", "outcome": NO_OUTCOME}
        case e.StageEntered.type:
            return _values("partnership", {"outcome": NO_OUTCOME, **told.data})
        case _:
            return {}


def _values(kind: str, data: Json) -> Mapping[str, Value]:
    return {name: typed(form, data[name]) for name, form in OBJECTS[kind].items() if data.get(name) is not None}
