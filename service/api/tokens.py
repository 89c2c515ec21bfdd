"""Tokens: addresses that read one log's checkpoints and tiles, for tools that send no header."""

from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from domain.types import Words
from events.codec import from_microseconds
from service.api.logs import BINARY, TEXT, answer_head, answer_tile, own_log
from service.api.paging import page, read_cursor
from service.api.partnerships import PAGED, answered_before
from service.api.route import PUBLIC, Answer, Call, Route
from service.auth import NewKey
from service.body import read_instant
from service.errors import ServiceError
from service.projections import keys as table
from service.views import instant


class TokenBody(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A token to create."""

    name: Words
    expires_at: str | None = None


async def create_token(call: Call) -> Answer:
    """Create an address under which the log's checkpoints and tiles are read without a header; it is told this once."""
    own_log(call)
    body = call.body(TokenBody)
    wanted = NewKey(
        scopes=table.TOKEN, name=body.name,
        expires_at=None if body.expires_at is None else read_instant(body.expires_at, "expires_at", "/expires_at"),
    )  # fmt: skip
    once = await call.idempotency(201)
    token, text = await call.services.keys.create(call.organisation, wanted, call.context, once)
    prefix = None if text is None else f"{call.services.settings.base_url}/t/{text}/"
    told = {"id": token, "token": text, "prefix": prefix}
    return Answer(status=201, body=told, headers=answered_before(yes=text is None))


async def list_tokens(call: Call) -> Answer:
    """The log's tokens, revoked ones too, never their texts."""
    own_log(call)
    found = await table.list_keys(
        call.services.query, call.organisation, read_cursor(call), call.limit + 1, tokens=True
    )  # fmt: skip
    shown = found[: call.limit]
    return page(call, [_view(call, each) for each in shown], shown[-1].id if len(found) > len(shown) else None)


def _view(call: Call, token: table.Key) -> dict[str, Any]:
    return {
        "id": token.id, "name": token.name, "created_at": instant(from_microseconds(token.created_at)),
        "expires_at": instant(token.expires_at),
        "revoked_at": None if token.revoked_at is None else instant(from_microseconds(token.revoked_at)),
        "last_used": instant(call.services.keys.last_used(call.organisation, token)),
    }  # fmt: skip


async def revoke_token(call: Call) -> Answer:
    """End a token: its address is none any more."""
    own_log(call)
    token = call.path("id")
    found = await table.find_key(call.services.query, call.organisation, token)
    if found is None or found.revoked_at is not None or not found.is_token:
        raise ServiceError("not_found", f"There is no token {token!r} here.")
    await call.services.keys.revoke(call.organisation, token, call.context)
    return Answer(status=204)


# --- reading ---------------------------------------------------------------------------------------------------------------


async def get_checkpoint_by_token(call: Call) -> Answer:
    """The signed head of the log that the token in the path reads (C2SP tlog-checkpoint)."""
    return await answer_head(await _known(call))


async def get_tile_by_token(call: Call) -> Answer:
    """A tile or a bundle of entries of the log that the token in the path reads (C2SP tlog-tiles)."""
    return await answer_tile(await _known(call))


async def _known(call: Call) -> Call:
    """The same call by whom the token names. Raises ServiceError `not_found`, as for an address that is none."""
    try:
        principal = await call.services.keys.authenticate_token(call.path("token"))
    except ServiceError as error:
        call.services.telemetry.unauthenticated(error.reason)
        raise ServiceError("not_found", "There is nothing at this address; see /docs.", reason=error.reason) from None
    call.request.scope["state"]["principal"] = principal
    call.services.admission.caller(call.request.scope, principal)
    return replace(call, principal=principal)


ROUTES = (
    Route(
        method="POST", path="/v1/logs/{log:str}/tokens", scope="admin", run=create_token, summary="Create a token",
        body=TokenBody, answers={201: "NewToken"}, problems=(404, 413, 415),
    ),
    Route(
        method="GET", path="/v1/logs/{log:str}/tokens", scope="admin", run=list_tokens, summary="List tokens",
        answers={200: "TokenPage"}, problems=(404,), parameters=PAGED,
    ),
    Route(
        method="DELETE", path="/v1/logs/{log:str}/tokens/{id:str}", scope="admin", run=revoke_token,
        summary="Revoke a token", answers={204: None}, problems=(404,),
    ),
    Route(
        method="GET", path="/t/{token:str}/checkpoint", scope=PUBLIC, run=get_checkpoint_by_token,
        summary="The signed head of the log, without a header", answers={200: TEXT}, problems=(404, 409),
    ),
    Route(
        method="GET", path="/t/{token:str}/tile/{tile:path}", scope=PUBLIC, run=get_tile_by_token,
        summary="A tile of the tree, without a header", answers={200: BINARY}, problems=(404,),
    ),
)  # fmt: skip
