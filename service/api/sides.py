"""What a key with a side may say: its own side's facts, and what no side says alone."""

import msgspec
from msgspec import Struct

from domain import commands as c
from domain import events as e
from service.api.route import Call, wrong_side
from service.errors import ServiceError


class _Said(Struct):
    """What an entry tells of who recorded it."""

    actor: str


async def check_side(call: Call, stream: str, fact: c.Fact) -> None:
    """Refuse a fact that the key's side may not record in this stream. Raises ServiceError `wrong_side`."""
    bound = call.principal.side
    if bound is None:
        return
    for side in _speaking(fact.data):
        if side != bound:
            raise wrong_side(bound, side)
    if isinstance(fact.data, e.FactRetracted) and not await _recorded_itself(call, stream, fact.data.event):
        raise ServiceError(
            "wrong_side",
            f"This key speaks for the {bound} only and takes back only what it recorded itself; event "
            f"{fact.data.event!r} is another's: use a key without a side.",
        )


def _speaking(data: e.Event) -> list[str]:
    """The sides in whose name a fact speaks: the one it names, and those that own their part in it."""
    side = getattr(data, "side", None)
    return [*([] if side is None else [side]), *getattr(data, "own_parts", ())]


async def _recorded_itself(call: Call, stream: str, event: str) -> bool:
    """Whether the caller recorded an event; one that is not there is left to the decision, which says so."""
    sql = "SELECT entry FROM events WHERE organisation = ? AND stream = ? AND id = ?"
    rows = await call.services.query(sql, (call.organisation, stream, event))
    if not rows:
        return True
    entry = rows[0][0]
    return isinstance(entry, bytes) and msgspec.json.decode(entry, type=_Said).actor == call.principal.key
