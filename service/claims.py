"""What only one may hold at a time: the claims of a decision, and the problem of who comes second."""

from domain import events as e
from domain.decide import Decision
from domain.machine import SEPARATED
from events.store import Conflict
from service.errors import ServiceError
from service.projections.partnerships import partnership_of


def claims(stream: str, decision: Decision) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The claims that a decision takes, and those that it frees."""
    takes = [_claim(stream, each) for each in decision.takes]
    frees = [_claim(stream, each) for each in decision.frees]
    pair = f"pair/{decision.state.client}\x1f{decision.state.partner}"
    for each in decision.events:
        if isinstance(each.data, e.PartnershipOpened):
            takes.append(pair)
        elif isinstance(each.data, e.StageEntered):
            if each.data.outcome == "separated":
                frees.append(pair)
            elif each.data.left == SEPARATED:
                takes.append(pair)
    return tuple(takes), tuple(frees)


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
