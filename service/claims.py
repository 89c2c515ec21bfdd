"""What only one may hold at a time: the claims of a decision, and the problem of who comes second."""

from collections.abc import Iterator

from domain import events as e
from domain.decide import Decision
from domain.machine import SEPARATED
from domain.partnership.values import link_key, silence_key
from events.store import Conflict
from service.errors import ServiceError
from service.projections.partnerships import partnership_of

CLAIMING = frozenset(
    kind.type
    for kind in (
        e.PartnershipOpened, e.StageEntered, e.LinkAdded, e.LinkRemoved, e.MeetingMissed, e.InvoiceOverdue,
    )
)  # fmt: skip
"""The types of events that take or free claims."""


def claims(stream: str, decision: Decision) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The claims that a decision takes, and those that it frees."""
    takes = [_claim(stream, each) for each in decision.takes]
    frees = [_claim(stream, each) for each in decision.frees]
    pair = pair_of(str(decision.state.client), str(decision.state.partner))
    for each in decision.events:
        for name, holder in _pair_claims(stream, each.data, pair):
            (takes if holder else frees).append(name)
    return tuple(takes), tuple(frees)


def pair_of(client: str, partner: str) -> str:
    """The claim of an open partnership on its two parties."""
    return f"pair/{client}\x1f{partner}"


def recorded_claims(stream: str, data: e.Event, pair: str) -> Iterator[tuple[str, str | None]]:
    """(claim, its holder or nobody) as a recorded event leaves them; `pair` is the claim of the partnership's parties."""
    match data:
        case e.LinkRemoved():
            yield f"link/{link_key(data.system, data.kind, data.external_id)}", None
        case e.LinkAdded():
            yield f"link/{link_key(data.system, data.kind, data.external_id)}", stream
        case e.MeetingMissed() | e.InvoiceOverdue():
            yield _claim(stream, f"clock/{silence_key(data)}"), stream
        case _:
            yield from _pair_claims(stream, data, pair)


def _pair_claims(stream: str, data: e.Event, pair: str) -> Iterator[tuple[str, str | None]]:
    if isinstance(data, e.PartnershipOpened) or (isinstance(data, e.StageEntered) and data.left == SEPARATED):
        yield pair, stream
    elif isinstance(data, e.StageEntered) and data.outcome == "separated":
        yield pair, None


def _claim(stream: str, claim: str) -> str:
    """The clock's claims are the partnership's own; links are the organisation's."""
    kind, _, rest = claim.partition("/")
    return f"clock/{partnership_of(stream)}/{rest}" if kind == "clock" else claim


def lost(conflict: Conflict) -> ServiceError:
    """The problem of who wanted what the log holds already, or can never hold."""
    match conflict.reason:
        case "key":
            return key_reused()
        case "too_large":
            detail = f"An entry takes at most 65,535 bytes; this one has {conflict.actual}."
            return ServiceError("entry_too_large", detail)
        case "event":
            return ServiceError("already_recorded", f"Event {conflict.name!r} was recorded with other content.")
        case _:
            return _claimed(conflict)


def key_reused() -> ServiceError:
    """The problem of an Idempotency-Key that was used for another request."""
    return ServiceError(
        "key_reused", "This Idempotency-Key was used for another request; use a new key for a new request."
    )


def _claimed(conflict: Conflict) -> ServiceError:
    holder = partnership_of(conflict.holder)
    kind, _, name = conflict.name.partition("/")
    if kind == "pair":
        client, _, partner = name.partition("\x1f")
        detail = f"Partnership {holder} between {client!r} and {partner!r} is open already; record facts there."
        return ServiceError("already_open", detail, id=holder)
    if kind == "link":
        detail = f"Link {name.replace(chr(31), '/')} belongs to {holder}; remove it there first."
        return ServiceError("link_taken", detail, id=holder)
    return ServiceError("name_taken", f"{conflict.name} is taken by {holder}.", id=holder)
