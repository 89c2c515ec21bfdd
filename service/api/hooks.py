"""Webhooks in: public, proven by the source's own scheme, durable before the answer; and the inbox to look at."""

import base64
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from service.api.paging import page, read_cursor
from service.api.partnerships import PAGED
from service.api.route import PUBLIC, Answer, Call, Method, Parameter, Route
from service.connectors.handshake import Reply, greet
from service.connectors.model import Answer as Wanted
from service.errors import ServiceError
from service.inbox import Receipt
from service.projections import inbox as table
from service.projections import partnerships as listed
from service.projections.inbox import STATUSES, StoredDelivery, StoredItem
from service.signature import Delivery, Refused, verify
from service.sources import Found


async def receive(call: Call) -> Answer:
    """Take a delivery: answered once it is durable, as the sender's protocol wants; 200 where every item was known."""
    found = await _source(call)
    delivery = _delivery(call)
    spec = found.connector.spec
    if (reply := greet(spec, delivery, found.secrets, proven=False)) is not None:
        return _greeting(reply)
    proof = verify(spec.scheme, delivery, found.secrets, call.now)
    if isinstance(proof, Refused):
        call.services.telemetry.refused(found.source.id, proof.reason)
        raise ServiceError(proof.reason, proof.detail)
    if (reply := greet(spec, delivery, found.secrets, proven=True)) is not None:
        return _greeting(reply)
    call.services.admission.sender(call.request.scope, found.source.id)
    receipt = await call.services.inbox.receive(found, proof.trust, delivery.headers, call.raw)
    return _received(spec.answer, receipt)


async def greet_by_get(call: Call) -> Answer:
    """Answer a sender that only makes sure that somebody is there (GLPI's challenge), as its connector says."""
    return await _greet(call)


async def greet_by_options(call: Call) -> Answer:
    """Answer a sender that asks whether it may send (CloudEvents' handshake), as its connector says."""
    return await _greet(call)


async def _greet(call: Call) -> Answer:
    found = await _source(call)
    reply = greet(found.connector.spec, _delivery(call), found.secrets, proven=False)
    if reply is None:
        call.services.telemetry.refused(found.source.id, "bad_format")
        method = call.request.method
        raise ServiceError(
            "method_not_allowed", f"This source takes POST; this {method} is no handshake of its sender."
        )
    return _greeting(reply)


async def _source(call: Call) -> Found:
    identifier = call.path("source")
    if (found := await call.services.sources.find(identifier)) is None:
        raise ServiceError("not_found", f"There is no source {identifier!r}.")
    return found


def _greeting(reply: Reply) -> Answer:
    return Answer(status=reply.status, body=reply.body, media_type=reply.media_type, headers=reply.headers)


def _received(wanted: Wanted, receipt: Receipt) -> Answer:
    """The answer in the sender's words where it has some; a repetition answers 200 with the first delivery's id."""
    if wanted.text is not None:
        return Answer(status=wanted.status, body=wanted.text.encode(), media_type=wanted.media_type)
    return Answer(status=200 if receipt.known else wanted.status, body={"inbox": receipt.inbox})


def _delivery(call: Call) -> Delivery:
    request = call.request
    raw_query = request.scope.get("query_string", b"").decode("latin-1")
    raw_path = request.scope.get("raw_path") or request.scope["path"].encode()
    url = call.services.settings.base_url + raw_path.decode("latin-1").partition("?")[0]
    return Delivery(
        method=request.method, url=f"{url}?{raw_query}" if raw_query else url,
        headers=tuple((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in request.scope["headers"]),
        query=tuple((str(name), str(value)) for name, value in request.query_params.multi_items()), body=call.raw,
    )  # fmt: skip


# --- the inbox -------------------------------------------------------------------------------------------------------------


class ReplayBody(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which deliveries to run again."""

    status: str
    source: str | None = None


async def list_inbox(call: Call) -> Answer:
    """Deliveries in order, by source and by the status of any of their items."""
    status = _status(call.query("status"))
    found = await table.list_deliveries(
        call.services.query, call.organisation, status, call.query("source"), read_cursor(call), call.limit + 1
    )
    shown = found[: call.limit]
    items = [await _view(call, each, whole=False) for each in shown]
    return page(call, items, shown[-1] if len(found) > len(shown) else None)


def _status(status: str | None) -> str | None:
    if status is not None and status not in STATUSES:
        raise ServiceError("bad_parameter", f"status is {status!r}; it is one of {', '.join(STATUSES)}.")
    return status


async def get_delivery(call: Call) -> Answer:
    """One delivery: headers without secrets, the raw body, its items with what became of each."""
    return Answer(body=await _view(call, call.path("id"), whole=True))


async def replay_delivery(call: Call) -> Answer:
    """Run a delivery's failed, ignored and unmatched items again; what was applied stays so."""
    identifier = call.path("id")
    if (await _find(call, identifier)).purged_at is not None:
        raise ServiceError("purged", f"The body of {identifier} was purged; ask the sender to send it anew.")
    await call.services.inbox.apply(call.organisation, identifier, again=("received", "failed", "ignored"))
    return await get_delivery(call)


async def replay_inbox(call: Call) -> Answer:
    """Run all deliveries of a status again."""
    body = call.body(ReplayBody)
    status = _status(body.status)
    after, count = "", 0
    while True:
        found = await table.list_deliveries(call.services.query, call.organisation, status, body.source, after, 500)
        if not found:
            break
        for each in found:
            await call.services.inbox.apply(call.organisation, each, again=("received", "failed", "ignored"))
        after, count = found[-1], count + len(found)
    return Answer(body={"replayed": count})


async def _find(call: Call, identifier: str) -> StoredDelivery:
    found = await call.services.inbox.find(call.organisation, identifier)
    if found is None:
        raise ServiceError("not_found", f"There is no delivery {identifier!r} here.")
    return found


async def _view(call: Call, identifier: str, *, whole: bool) -> dict[str, Any]:
    delivery = await _find(call, identifier)
    items = await table.items_of(call.services.query, call.organisation, identifier)
    view: dict[str, Any] = {
        "id": delivery.id, "source": delivery.source, "status": table.status_of(items),
        "received_at": delivery.received_at, "trust": delivery.trust,
        "items": [await _item_view(call, item, whole=whole) for item in items],
    }  # fmt: skip
    if whole:
        view |= {
            "headers": [list(each) for each in delivery.headers], "purged_at": delivery.purged_at, **_body(delivery.body),
        }  # fmt: skip
    return view


async def _item_view(call: Call, item: StoredItem, *, whole: bool) -> dict[str, Any]:
    view: dict[str, Any] = {
        "key": item.key, "status": item.status, "rule": item.rule, "partnership": item.partnership,
        "reason": await call.services.inbox.items.reason(call.organisation, item),
    }  # fmt: skip
    if whole:
        view["suggestions"] = await _suggestions(call, item)
        known = await call.services.store.recall(call.organisation, f"source/{item.source}", item.key)
        view["positions"] = (
            [] if known is None or not known.count else list(range(known.position, known.position + known.count))
        )
    return view


async def _suggestions(call: Call, item: StoredItem) -> Sequence[dict[str, Any]]:
    """Open partnerships of the same name as the sender uses, with the links to give them: a person decides."""
    if item.status != "unmatched" or item.called is None:
        return []
    links = [msgspec.to_builtins(each) for each in await table.awaited(call.services.query, call.organisation, item)]
    found = await listed.called(call.services.query, call.organisation, msgspec.json.decode(item.called))
    return [{"partnership": identifier, "called": name, "links": links} for identifier, name in found]


def _body(raw: bytes) -> dict[str, str]:
    try:
        return {"body": raw.decode("utf-8")}
    except UnicodeDecodeError:
        return {"body_base64": base64.b64encode(raw).decode()}


_STATUS = Parameter(
    name="status", description="Deliveries with an item of this status.", schema={"enum": list(STATUSES)}
)

HANDSHAKES: tuple[tuple[Method, Callable[[Call], Awaitable[Answer]]], ...] = (
    ("GET", greet_by_get),
    ("OPTIONS", greet_by_options),
)
"""The methods by which a sender may make sure that somebody is there, beside POST."""

ROUTES = (
    Route(
        method="POST", path="/hooks/{source:str}", scope=PUBLIC, run=receive, summary="Take a delivery",
        body="Delivery", answers={200: "Receipt", 202: "Receipt"}, problems=(401, 404, 413, 507), open_query=True,
        idempotent_key=False,
    ),
    *(
        Route(
            method=method, path="/hooks/{source:str}", scope=PUBLIC, run=run, open_query=True,
            summary="Answer a handshake", answers={200: "Greeting"}, problems=(404, 405),
        )
        for method, run in HANDSHAKES
    ),
    Route(
        method="GET", path="/v1/inbox", scope="hooks", run=list_inbox, summary="List deliveries",
        answers={200: "InboxPage"},
        parameters=(_STATUS, Parameter(name="source", description="Only this source."), *PAGED),
    ),
    Route(
        method="GET", path="/v1/inbox/{id:str}", scope="hooks", run=get_delivery, summary="Read a delivery",
        answers={200: "Delivered"}, problems=(404,),
    ),
    Route(
        method="POST", path="/v1/inbox/{id:str}/replay", scope="hooks", run=replay_delivery, summary="Run a delivery again",
        answers={200: "Delivered"}, problems=(404,), idempotent_key=False,
    ),
    Route(
        method="POST", path="/v1/inbox/replay", scope="hooks", run=replay_inbox, summary="Run deliveries again",
        body=ReplayBody, answers={200: "Replayed"}, problems=(413, 415), idempotent_key=False,
    ),
)  # fmt: skip
