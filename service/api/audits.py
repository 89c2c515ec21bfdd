"""Audits: the log read again, findings as they come."""

import time
from collections.abc import AsyncIterator
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from domain.policy import Policy, checked
from domain.types import Identifier
from events.codec import microseconds
from service.api.route import Answer, Call, Route
from service.audit.by_position import Line, Verification
from service.audit.otherwise import Otherwise, tell_otherwise
from service.audit.verifying import verify
from service.body import read_instant
from service.errors import ServiceError

NDJSON = "application/x-ndjson"
PACE = 0.25
"""The least seconds between two lines of progress."""


class AuditBody(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is to be found out."""

    mode: Literal["verify", "what_if", "hindsight"]
    strict: bool = False
    policy: Policy | None = None
    as_of: str | None = None
    known_at: str | None = None
    partnerships: Annotated[tuple[Identifier, ...], Meta(min_length=1, max_length=1_000)] | None = None


async def audit(call: Call) -> Answer:
    """Read the log again: `verify` what is recorded, ask `what_if` another policy had held, or tell it in `hindsight`."""
    body = call.body(AuditBody)
    _check(body)
    known_at = None if body.known_at is None else read_instant(body.known_at, "known_at", "/known_at")
    if known_at is not None and known_at > call.now:
        raise ServiceError(
            "future_time", f"known_at {body.known_at} lies in the future; nobody knows what will be known."
        )
    only = None if body.partnerships is None else frozenset(body.partnerships)
    until = None if known_at is None else microseconds(known_at)
    if body.mode == "verify":
        held = call.services.trees.kept.newest(call.organisation)
        verification = Verification(
            organisation=call.organisation, known_at=until, strict=body.strict, partnerships=only,
            held=() if held is None else (held,),
        )  # fmt: skip
        return _answer(verify(call.services.query, verification))
    otherwise = Otherwise(
        organisation=call.organisation, mode=body.mode, policy=body.policy, known_at=until, partnerships=only,
        as_of=None if body.as_of is None else read_instant(body.as_of, "as_of", "/as_of"),
    )  # fmt: skip
    return _answer(tell_otherwise(call.services.query, otherwise))


def _check(body: AuditBody) -> None:
    """Refuse what a mode does not take, rather than leave it out unsaid."""
    if body.mode == "verify" and (body.policy is not None or body.as_of is not None):
        raise ServiceError("bad_parameter", "`verify` takes the log as it is recorded: no policy, and no as_of.")
    if body.mode != "verify" and body.strict:
        raise ServiceError("bad_parameter", f"`strict` is for `verify`; `{body.mode}` asks every fact anyway.")
    if body.mode == "what_if" and body.policy is None:
        raise ServiceError("bad_parameter", "`what_if` takes the policy that might have held.")
    if body.policy is not None:
        try:
            checked(body.policy)
        except ValueError as error:
            raise ServiceError("bad_policy", str(error)) from error


def _answer(lines: AsyncIterator[Line]) -> Answer:
    return Answer(stream=_paced(lines), media_type=NDJSON)


async def _paced(lines: AsyncIterator[Line]) -> AsyncIterator[bytes]:
    """The lines as bytes; progress is told now and then, everything else always."""
    told = 0.0
    async for line in lines:
        now = time.monotonic()
        if "progress" not in line or now - told >= PACE:
            told = now if "progress" in line else told
            yield msgspec.json.encode(line) + b"\n"


ROUTES = (
    Route(
        method="POST", path="/v1/audits", scope="audit", run=audit, summary="Audit the log", body=AuditBody,
        answers={200: "AuditLines"}, problems=(413, 415, 422), idempotent_key=False,
    ),
)  # fmt: skip
