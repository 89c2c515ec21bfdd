"""Administration: the policies, and the tables made anew."""

from datetime import datetime
from typing import Any

import msgspec

from domain import events as e
from domain.policy import Policy, checked
from events.codec import decode
from events.envelope import RecordedEvent
from events.store import Idempotency
from service.api.partnerships import answered_before
from service.api.route import Answer, Call, Route
from service.asked import Administer, Asked, Outcome
from service.auth import OPERATOR
from service.errors import ServiceError
from service.policies import POLICY_STREAM
from service.projections.due import rows_of_all
from service.rebuilding import rebuild
from service.views import instant

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
    version = call.path_number("version")
    found = await call.services.store.read_stream(call.organisation, POLICY_STREAM, after=max(version - 1, 0), limit=1)
    if not version or not found:
        raise ServiceError("not_found", f"There is no policy version {call.path('version')!r} here.")
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
