"""Keys, and who am I."""

from datetime import timedelta
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from domain.types import Identifier, Side, Words
from events.codec import from_microseconds
from service import auth
from service.api.paging import page, read_cursor
from service.api.partnerships import PAGED, answered_before
from service.api.route import ANY_KEY, Answer, Call, Parameter, Route
from service.auth import LONGEST_OVERLAP, SCOPES, NewKey, check_scopes
from service.body import read_instant
from service.errors import ServiceError
from service.projections import keys as table
from service.views import instant

Requests = Annotated[int, Meta(ge=1, le=10_000_000)]
ChangedRequests = Annotated[int, Meta(ge=0, le=10_000_000, description="0: as many as any key.")]


class KeyBody(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A key to create."""

    scopes: tuple[str, ...]
    name: Words | None = None
    side: Side | None = None
    partnerships: Annotated[tuple[Identifier, ...], Meta(min_length=1, max_length=100)] | None = None
    expires_at: str | None = None
    requests_per_minute: Requests | None = None


class KeyChange(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What shall change; what is left out stays."""

    name: Words | None = None
    expires_at: str | None = None
    requests_per_minute: ChangedRequests | None = None


async def create_key(call: Call) -> Answer:
    """Create a key; its text is answered this once."""
    body = call.body(KeyBody)
    check_scopes(body.scopes)
    wanted = NewKey(
        scopes=body.scopes, name=body.name, side=body.side, partnerships=body.partnerships,
        expires_at=None if body.expires_at is None else read_instant(body.expires_at, "expires_at", "/expires_at"),
        requests_per_minute=body.requests_per_minute,
    )  # fmt: skip
    once = await call.idempotency(201)
    key, text = await call.services.keys.create(call.organisation, wanted, call.context, once)
    headers = {"Location": f"/v1/keys/{key}", **answered_before(yes=text is None)}
    return Answer(status=201, body={"id": key, "key": text}, headers=headers)


async def list_keys(call: Call) -> Answer:
    """The organisation's keys, never their secrets."""
    found = await table.list_keys(call.services.query, call.organisation, read_cursor(call), call.limit + 1)
    shown = found[: call.limit]
    return page(call, [_key_view(call, key) for key in shown], shown[-1].id if len(found) > len(shown) else None)


async def get_key(call: Call) -> Answer:
    """One key."""
    return Answer(body=_key_view(call, await _key(call)))


async def change_key(call: Call) -> Answer:
    """Change a key's name, its limit or when it expires; its scopes, side and partnerships are for good."""
    key = await _key(call)
    body = call.body(KeyChange)
    expires = None if body.expires_at is None else read_instant(body.expires_at, "expires_at", "/expires_at")
    wanted = auth.KeyChange(name=body.name, expires_at=expires, requests_per_minute=body.requests_per_minute)
    await call.services.keys.change(call.organisation, key.id, wanted, call.context)
    return await get_key(call)


async def rotate_key(call: Call) -> Answer:
    """A new secret for a key; the one before it works on for `overlap` seconds, or ends at once."""
    key = await _key(call)
    overlap = timedelta(seconds=call.number("overlap", 0, 0, LONGEST_OVERLAP))
    once = await call.idempotency(200)
    text = await call.services.keys.rotate(call.organisation, key.id, overlap, call.context, once)
    return Answer(body={"id": key.id, "key": text}, headers=answered_before(yes=text is None))


async def revoke_key(call: Call) -> Answer:
    """End a key."""
    key = await _key(call)
    await call.services.keys.revoke(call.organisation, key.id, call.context)
    return Answer(status=204)


async def _key(call: Call) -> table.Key:
    identifier = call.path("id")
    found = await table.find_key(call.services.query, call.organisation, identifier)
    if found is None or found.revoked_at is not None or found.is_token:
        raise ServiceError("not_found", f"There is no key {identifier!r} here.")
    return found


def _key_view(call: Call, key: table.Key) -> dict[str, Any]:
    view: dict[str, Any] = msgspec.to_builtins(key)
    used = call.services.keys.last_used(call.organisation, key)
    return view | {
        "created_at": instant(from_microseconds(key.created_at)),
        "revoked_at": None if key.revoked_at is None else instant(from_microseconds(key.revoked_at)),
        "last_used": None if used is None else instant(used),
    }


async def me(call: Call) -> Answer:
    """What the key may do, and whose log it reads."""
    principal = call.principal
    body = {
        "key": principal.key, "organisation": principal.organisation, "log": principal.organisation,
        "scopes": sorted(principal.scopes & {*SCOPES}), "side": principal.side,
        "partnerships": None if principal.partnerships is None else sorted(principal.partnerships),
    }  # fmt: skip
    return Answer(body=body)


ROUTES = (
    Route(method="GET", path="/v1/me", scope=ANY_KEY, run=me, summary="Who am I", answers={200: "Me"}),
    Route(
        method="POST",
        path="/v1/keys",
        scope="admin",
        run=create_key,
        summary="Create a key",
        body=KeyBody,
        answers={201: "NewKey"},
        problems=(413, 415),
    ),
    Route(
        method="GET",
        path="/v1/keys",
        scope="admin",
        run=list_keys,
        summary="List keys",
        answers={200: "KeyPage"},
        parameters=PAGED,
    ),
    Route(
        method="GET",
        path="/v1/keys/{id:str}",
        scope="admin",
        run=get_key,
        summary="Read a key",
        answers={200: "Key"},
        problems=(404,),
    ),
    Route(
        method="PATCH",
        path="/v1/keys/{id:str}",
        scope="admin",
        run=change_key,
        summary="Change a key",
        body=KeyChange,
        answers={200: "Key"},
        problems=(404, 413, 415),
    ),
    Route(
        method="POST",
        path="/v1/keys/{id:str}/rotate",
        scope="admin",
        run=rotate_key,
        summary="Rotate a key",
        parameters=(
            Parameter(
                name="overlap",
                description="For how many seconds the secret before works on; default 0, at most 30 days.",
                schema={"type": "integer", "minimum": 0, "maximum": LONGEST_OVERLAP, "default": 0},
            ),
        ),
        answers={200: "NewKey"},
        problems=(404,),
    ),
    Route(
        method="DELETE",
        path="/v1/keys/{id:str}",
        scope="admin",
        run=revoke_key,
        summary="Revoke a key",
        answers={204: None},
        problems=(404,),
    ),
)
