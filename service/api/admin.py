"""Administration: keys, policies, and who am I."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from domain import events as e
from domain.policy import Policy, checked
from domain.types import Identifier, Side, Words
from events.codec import decode, from_microseconds
from events.envelope import RecordedEvent
from events.store import Idempotency
from service.api.paging import page, read_cursor
from service.api.partnerships import PAGED, answered_before
from service.api.route import Answer, Call, Route
from service.asked import Administer, Asked, Outcome
from service.auth import OPERATOR, NewKey, check_scopes
from service.body import read_instant
from service.errors import ServiceError
from service.policies import POLICY_STREAM
from service.projections import keys as table
from service.projections.due import rows_of_all
from service.rebuilding import rebuild
from service.views import instant

# --- keys ----------------------------------------------------------------------------------------------------------------


class KeyBody(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A key to create."""

    scopes: tuple[str, ...]
    name: Words | None = None
    side: Side | None = None
    partnerships: Annotated[tuple[Identifier, ...], Meta(min_length=1, max_length=100)] | None = None
    expires_at: str | None = None


async def create_key(call: Call) -> Answer:
    """Create a key; its text is answered this once."""
    body = call.body(KeyBody)
    check_scopes(body.scopes)
    wanted = NewKey(
        scopes=body.scopes, name=body.name, side=body.side, partnerships=body.partnerships,
        expires_at=None if body.expires_at is None else read_instant(body.expires_at, "expires_at", "/expires_at"),
    )  # fmt: skip
    once = await call.idempotency(201)
    key, text = await call.services.keys.create(call.organisation, wanted, call.context, once)
    headers = {"Location": f"/v1/keys/{key}", **answered_before(yes=text is None)}
    return Answer(status=201, body={"id": key, "key": text}, headers=headers)


async def list_keys(call: Call) -> Answer:
    """The organisation's keys, never their secrets."""
    found = await table.list_keys(call.services.query, call.organisation, read_cursor(call), call.limit + 1)
    shown = found[: call.limit]
    return page(call, [_key_view(key) for key in shown], shown[-1].id if len(found) > len(shown) else None)


async def get_key(call: Call) -> Answer:
    """One key."""
    return Answer(body=_key_view(await _key(call)))


async def rotate_key(call: Call) -> Answer:
    """A new secret for a key; the old one ends at once."""
    key = await _key(call)
    text = await call.services.keys.rotate(call.organisation, key.id, call.context, await call.idempotency(200))
    return Answer(body={"id": key.id, "key": text}, headers=answered_before(yes=text is None))


async def revoke_key(call: Call) -> Answer:
    """End a key."""
    key = await _key(call)
    await call.services.keys.revoke(call.organisation, key.id, call.context)
    return Answer(status=204)


async def _key(call: Call) -> table.Key:
    identifier = call.path("id")
    found = await table.find_key(call.services.query, call.organisation, identifier)
    if found is None or found.revoked_at is not None:
        raise ServiceError("not_found", f"There is no key {identifier!r} here.")
    return found


def _key_view(key: table.Key) -> dict[str, Any]:
    view: dict[str, Any] = msgspec.to_builtins(key)
    return view | {"created_at": _from_microseconds(key.created_at), "revoked_at": _from_microseconds(key.revoked_at)}


def _from_microseconds(value: int | None) -> str | None:
    return None if value is None else instant(from_microseconds(value))


async def me(call: Call) -> Answer:
    """What the key may do, and whose log it reads."""
    principal = call.principal
    body = {
        "key": principal.key, "organisation": principal.organisation, "log": principal.organisation,
        "scopes": sorted(principal.scopes), "side": principal.side,
        "partnerships": None if principal.partnerships is None else sorted(principal.partnerships),
    }  # fmt: skip
    return Answer(body=body)


# --- the tables ------------------------------------------------------------------------------------------------------------


async def rebuild_tables(call: Call) -> Answer:
    """Make the read models of all organisations anew; for the operator's command line alone."""
    return Answer(body=await rebuild(call.services))


# --- policies --------------------------------------------------------------------------------------------------------------


async def list_policies(call: Call) -> Answer:
    """Every policy that was adopted, in order."""
    recorded = await call.services.store.read_stream(call.organisation, POLICY_STREAM)
    return Answer(body={"items": [_policy_view(each) for each in recorded], "next": None})


async def get_policy(call: Call) -> Answer:
    """One policy by its version."""
    text = call.path("version")
    version = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0  # noqa: PLR2004
    found = await call.services.store.read_stream(call.organisation, POLICY_STREAM, after=max(version - 1, 0), limit=1)
    if not version or not found:
        raise ServiceError("not_found", f"There is no policy version {text!r} here.")
    return Answer(body=_policy_view(found[0]))


async def adopt_policy(call: Call) -> Answer:
    """Adopt a policy; decisions from now on name its version. Fields left out keep the values of policy 1."""
    policy = call.body(Policy)
    try:
        checked(policy)
    except ValueError as error:
        raise ServiceError("bad_policy", str(error)) from error
    outcome = await _adopt(call, policy, await call.idempotency(201))
    view = _policy_view(outcome.events[0])
    headers = {"Location": f"/v1/policies/{view['version']}", **answered_before(yes=outcome.replayed is not None)}
    return Answer(status=201, body=view, headers=headers)


async def _adopt(call: Call, policy: Policy, once: Idempotency | None) -> Outcome:
    """Adopt under the next version; whoever was faster takes that one first, and only If-Match makes that an error."""
    version = await call.services.store.version(call.organisation, POLICY_STREAM)
    expected = version if call.if_match is None else call.if_match
    adopted = e.PolicyAdopted(version=expected + 1, policy=policy)
    asked = Asked(
        organisation=call.organisation, stream=POLICY_STREAM, context=call.context,
        command=Administer(events=(adopted,), expected=expected), key=once,
        rows=await rows_of_all(call.services.query, call.organisation, call.now),
    )  # fmt: skip
    try:
        return await call.services.handler.handle(asked)
    except ServiceError as error:
        if error.code != "stale_version" or call.if_match is not None:
            raise
        return await _adopt(call, policy, once)


def _policy_view(recorded: RecordedEvent) -> dict[str, Any]:
    data = decode(recorded)
    if not isinstance(data, e.PolicyAdopted):
        message = f"A {data.type} stands in the policy stream."
        raise TypeError(message)
    adopted_at: datetime = recorded.recorded_at
    return {
        "version": recorded.version, "position": recorded.position, "adopted_at": instant(adopted_at),
        "policy": msgspec.to_builtins(data.policy),
    }  # fmt: skip


ROUTES = (
    Route(
        method="POST",
        path="/v1/rebuild",
        scope=OPERATOR,
        run=rebuild_tables,
        summary="Make the read models anew",
        answers={200: "Rebuilt"},
        idempotent_key=False,
    ),
    Route(method="GET", path="/v1/me", scope="", run=me, summary="Who am I", answers={200: "Me"}),
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
        method="POST",
        path="/v1/keys/{id:str}/rotate",
        scope="admin",
        run=rotate_key,
        summary="Rotate a key",
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
    Route(
        method="GET",
        path="/v1/policies",
        scope="read",
        run=list_policies,
        summary="Every policy",
        answers={200: "PolicyPage"},
    ),
    Route(
        method="GET",
        path="/v1/policies/{version:str}",
        scope="read",
        run=get_policy,
        summary="Read a policy",
        answers={200: "AdoptedPolicy"},
        problems=(404,),
    ),
    Route(
        method="POST",
        path="/v1/policies",
        scope="admin",
        run=adopt_policy,
        summary="Adopt a policy",
        body=Policy,
        answers={201: "AdoptedPolicy"},
        problems=(409, 412, 413, 415, 422),
    ),
)
