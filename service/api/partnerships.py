"""Partnerships: open, list, read, link, look back."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import unquote

from msgspec import Meta, Struct

from domain import commands as c
from domain.partnership import Partnership
from domain.types import STAGES, Day, Identifier, Words
from service.api.paging import page, read_cursor
from service.api.route import Answer, Call, Parameter, Route, no_partnership
from service.asked import Asked, Outcome
from service.body import read_instant
from service.errors import ServiceError
from service.projections import links as linked
from service.projections import partnerships as listed
from service.projections.links import Link

FOLDED = 200
"""The most partnerships that are folded anew for one page of the past."""
AS_OF = Parameter(name="as_of", description="What was true then (RFC 3339).")
KNOWN_AT = Parameter(name="known_at", description="Using only what was recorded by then (RFC 3339).")


class LinkBody(Struct, frozen=True, forbid_unknown_fields=True):
    """An id of another system."""

    system: Identifier
    kind: Identifier
    external_id: Identifier


class PartnershipBody(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A partnership to follow."""

    client: Words
    partner: Words
    critical: bool = False
    opened_at: str | None = None
    observed_since: Day | None = None
    links: Annotated[tuple[LinkBody, ...], Meta(max_length=20)] = ()


async def open_partnership(call: Call) -> Answer:
    """Open a partnership, or find the open one with `if_exists=return`."""
    body = call.body(PartnershipBody)
    if (wanted := call.query("if_exists")) not in (None, "return"):
        raise ServiceError("bad_parameter", f"if_exists is {wanted!r}; it takes `return`.")
    if call.principal.partnerships is not None:
        raise ServiceError("forbidden", "This key is bound to partnerships and cannot open others.")
    command = c.OpenPartnership(
        client=body.client, partner=body.partner, critical=body.critical,
        opened_at=None if body.opened_at is None else read_instant(body.opened_at, "opened_at", "/opened_at"),
        observed_since=body.observed_since,
        links=tuple(dict.fromkeys((link.system, link.kind, link.external_id) for link in body.links)),
    )  # fmt: skip
    identifier = call.services.ids.new("pn")
    asked = Asked(
        organisation=call.organisation, stream=listed.stream_of(identifier), command=command, context=call.context,
        key=await call.idempotency(201),
    )  # fmt: skip
    try:
        outcome = await call.services.handler.handle(asked)
    except ServiceError as error:
        if wanted == "return" and error.code in ("already_open", "link_taken"):
            return await answer_partnership(call, error.members["id"])
        raise
    return await _opened(call, outcome)


async def _opened(call: Call, outcome: Outcome) -> Answer:
    identifier = listed.partnership_of(outcome.events[0].stream)
    first = outcome.events[0]
    handler = call.services.handler
    known = outcome.replayed is not None
    policy = await (
        handler.policies.at(call.organisation, first.position)
        if known
        else handler.policies.in_force(call.organisation)
    )
    now = max(first.recorded_at, outcome.state.newest)
    view = call.services.views.partnership(identifier, outcome.state, policy, now, outcome.events[-1].position)
    headers = {"Location": f"/v1/partnerships/{identifier}", "ETag": f'"{outcome.state.etag}"', **replayed(outcome)}
    return Answer(status=201, body=view, headers=headers)


def replayed(outcome: Outcome) -> dict[str, str]:
    """The header that tells a repeated answer."""
    return answered_before(yes=outcome.replayed is not None)


def answered_before(*, yes: bool) -> dict[str, str]:
    """The header of an answer that is the first one again."""
    return {"Idempotency-Replayed": "true"} if yes else {}


async def list_partnerships(call: Call) -> Answer:
    """Partnerships in order of opening, filtered; or the one that a link belongs to."""
    parts = [call.query(name) for name in ("system", "kind", "external_id")]
    if any(part is not None for part in parts):
        return await _by_link(call, parts)
    only = call.principal.partnerships
    _known("stage", call.query("stage"), STAGES)
    _known("outcome", call.query("outcome"), OUTCOMES)
    wanted = listed.Filter(
        stage=call.query("stage"), outcome=call.query("outcome"), client=call.query("client"),
        partner=call.query("partner"), open=call.flag("open"), only=None if only is None else tuple(sorted(only)),
    )  # fmt: skip
    if any(each is not None for each in two_clocks(call)):
        return await _list_then(call, wanted)
    ids = await listed.list_ids(call.services.query, call.organisation, wanted, read_cursor(call), call.limit + 1)
    shown = ids[: call.limit]
    return page(call, [await view_now(call, each) for each in shown], shown[-1] if len(ids) > len(shown) else None)


async def _list_then(call: Call, wanted: listed.Filter) -> Answer:
    """The portfolio by two clocks: each state folded anew, a bounded number a page, so that one may hold few."""
    as_of, known_at = two_clocks(call)
    by_name = listed.Filter(client=wanted.client, partner=wanted.partner, only=wanted.only)
    ids = await listed.list_ids(call.services.query, call.organisation, by_name, read_cursor(call), FOLDED + 1)
    items: list[dict[str, Any]] = []
    last = ""
    for last in ids[:FOLDED]:
        state = await call.services.states.at(call.organisation, listed.stream_of(last), as_of, known_at)
        if state.opened is not None and wanted.fits(state.state):
            items.append(await _view_then(call, last, state))
        if len(items) == call.limit:
            break
    return page(call, items, last if ids and last != ids[-1] else None)


def _known(name: str, given: str | None, known: Sequence[str]) -> None:
    """Refuse a filter that can never match: a typing error must not look like an empty portfolio."""
    if given is not None and given not in known:
        raise ServiceError("bad_parameter", f"{name} is {given!r}; it is one of {', '.join(known)}.")


async def _by_link(call: Call, parts: list[str | None]) -> Answer:
    if None in parts:
        raise ServiceError("bad_parameter", "A link is found by system, kind and external_id together.")
    found = await linked.find(call.services.query, call.organisation, Link(*[str(part) for part in parts]))
    if found is None or not call.principal.may_see(found):
        return page(call, [], None)
    as_of, known_at = two_clocks(call)
    if as_of is None and known_at is None:
        return page(call, [await view_now(call, found)], None)
    state = await call.services.states.at(call.organisation, listed.stream_of(found), as_of, known_at)
    return page(call, [await _view_then(call, found, state)] if state.opened else [], None)


async def view_now(call: Call, identifier: str) -> dict[str, Any]:
    """A partnership as it is."""
    stream = listed.stream_of(identifier)
    state = await call.services.states.load(call.organisation, stream)
    policy = await call.services.handler.policies.in_force(call.organisation)
    position = await call.services.views.position(call.organisation, stream, state.version)
    return call.services.views.partnership(identifier, state, policy, max(call.now, state.newest), position)


async def answer_partnership(call: Call, identifier: str) -> Answer:
    """A partnership with its ETag."""
    view = await view_now(call, identifier)
    state = await call.services.states.load(call.organisation, listed.stream_of(identifier))
    return Answer(body=view, headers={"ETag": f'"{state.etag}"'})


def two_clocks(call: Call) -> tuple[datetime | None, datetime | None]:
    """`as_of` and `known_at`; what will be known is not known yet."""
    as_of, known_at = call.instant("as_of"), call.instant("known_at")
    if known_at is not None and known_at > call.now:
        raise ServiceError(
            "future_time", f"known_at {known_at.isoformat()} lies in the future; nobody knows what will be known."
        )
    return as_of, known_at


async def known_state(call: Call, stream: str, as_of: datetime | None, known_at: datetime | None) -> Partnership:
    """The state by two clocks. Raises ServiceError `not_found` where nobody knew of the partnership."""
    state = await call.services.states.at(call.organisation, stream, as_of, known_at)
    if state.opened is None:
        raise no_partnership(call.partnership())
    return state


async def get_partnership(call: Call) -> Answer:
    """One partnership, now or by two clocks."""
    stream = await call.stream()
    as_of, known_at = two_clocks(call)
    if as_of is None and known_at is None:
        return await answer_partnership(call, call.partnership())
    return Answer(body=await _view_then(call, call.partnership(), await known_state(call, stream, as_of, known_at)))


async def _view_then(call: Call, identifier: str, state: Partnership) -> dict[str, Any]:
    """A partnership as its state of then tells it."""
    as_of, known_at = two_clocks(call)
    policy = await call.services.handler.policies.in_force(call.organisation)
    position = await call.services.views.position(call.organisation, listed.stream_of(identifier), state.version)
    return call.services.views.partnership(
        identifier, state, policy, as_of or max(known_at or call.now, state.newest), position
    )


async def get_history(call: Call) -> Answer:
    """The stages a partnership went through, by two clocks."""
    stream = await call.stream()
    as_of, known_at = two_clocks(call)
    state = await known_state(call, stream, as_of, known_at)
    _, policy = await call.services.handler.policies.in_force(call.organisation)
    body = await call.services.views.history(
        call.organisation, stream, state, policy, as_of or max(call.now, state.newest), known_at or call.now
    )
    return Answer(body=body)


async def put_link(call: Call) -> Answer:
    """Tie an id of another system to the partnership."""
    return await _change_link(call, c.AddLink(*_link(call)))


async def delete_link(call: Call) -> Answer:
    """Untie an id of another system."""
    return await _change_link(call, c.RemoveLink(*_link(call)))


def _link(call: Call) -> tuple[str, str, str]:
    # The id as it was sent: routing drops the slashes that an address, for one, begins with or doubles.
    external_id = unquote(call.request.scope["raw_path"].decode("ascii").split("/", 7)[7])
    parts = (call.path("system"), call.path("kind"), external_id)
    if not all(0 < len(part) <= 200 and part.isprintable() for part in parts):  # noqa: PLR2004
        raise ServiceError("bad_parameter", "system, kind and external_id take 1 to 200 printable characters each.")
    return parts


async def _change_link(call: Call, command: c.AddLink | c.RemoveLink) -> Answer:
    stream = await call.stream()
    asked = Asked(
        organisation=call.organisation, stream=stream, command=command, context=call.context, if_match=call.if_match
    )
    try:
        await call.services.handler.handle(asked)
    except ServiceError as error:
        if error.code == "link_taken" and not call.principal.may_see(error.members["id"]):
            raise ServiceError("link_taken", "This link belongs to a partnership that this key may not see.") from None
        raise
    return await answer_partnership(call, call.partnership())


OUTCOMES = ("maturity", "separating", "separated")

PAGED = (
    Parameter(name="cursor", description="`next` of the page before."),
    Parameter(
        name="limit", description="Items a page, 1 to 500.", schema={"type": "integer", "minimum": 1, "maximum": 500}
    ),
)
_FILTERS = tuple(
    Parameter(name=name, description=f"Only this {name}.")
    for name in ("stage", "outcome", "client", "partner", "open", "system", "kind", "external_id")
)

ROUTES = (
    Route(
        method="POST", path="/v1/partnerships", scope="write", run=open_partnership, summary="Open a partnership",
        body=PartnershipBody, answers={200: "Partnership", 201: "Partnership"}, problems=(409, 422),
        parameters=(Parameter(name="if_exists", description="`return` answers 200 with the open one."),),
    ),
    Route(
        method="GET", path="/v1/partnerships", scope="read", run=list_partnerships, summary="List or find partnerships",
        answers={200: "PartnershipPage"}, problems=(422,), parameters=(*_FILTERS, AS_OF, KNOWN_AT, *PAGED),
    ),
    Route(
        method="GET", path="/v1/partnerships/{id:str}", scope="read", run=get_partnership, summary="Read a partnership",
        answers={200: "Partnership"}, problems=(404, 422), parameters=(AS_OF, KNOWN_AT),
    ),
    Route(
        method="GET", path="/v1/partnerships/{id:str}/history", scope="read", run=get_history,
        summary="The stages it went through", answers={200: "History"}, problems=(404, 422), parameters=(AS_OF, KNOWN_AT),
    ),
    Route(
        method="PUT", path="/v1/partnerships/{id:str}/links/{system:str}/{kind:str}/{external_id:path}", scope="write",
        run=put_link, summary="Link an id of another system", answers={200: "Partnership"}, problems=(404, 409, 412),
    ),
    Route(
        method="DELETE", path="/v1/partnerships/{id:str}/links/{system:str}/{kind:str}/{external_id:path}", scope="write",
        run=delete_link, summary="Remove a link", answers={200: "Partnership"}, problems=(404, 412),
    ),
)  # fmt: skip
