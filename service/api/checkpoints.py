"""Checkpoints: what was signed, and what witnesses and time-stamping authorities said of it."""

import re
from typing import Any

from service.api.logs import BINARY, TEXT, answer_head, noted, own_log
from service.api.paging import page, read_cursor
from service.api.partnerships import PAGED
from service.api.route import Answer, Call, Parameter, Route, require_media_type
from service.errors import ServiceError
from service.proofs.signed import Signed, list_signed
from service.views import instant

REPLY = "application/timestamp-reply"
LARGEST = 2**53 - 1


async def get_checkpoint(call: Call) -> Answer:
    """The signed head of the tree over everything that is recorded, or with `size` the one signed for that size.

    With the lines of the witnesses that have cosigned it (C2SP tlog-checkpoint, tlog-cosignature).
    """
    own_log(call)
    alone = call.flag("cosigned") is False
    if call.query("size") is not None:
        found = await _signed(call, call.number("size", 0, 0, LARGEST))
        return noted(found.alone if alone else found.note)
    if alone:
        raise ServiceError("bad_parameter", "cosigned=false is for the checkpoint of one size; name it with ?size=.")
    return await answer_head(call)


async def _signed(call: Call, size: int) -> Signed:
    found = await call.services.attested.find(call.organisation, size)
    if found is None:
        raise ServiceError(
            "not_found", f"No checkpoint was signed for {size} entries; see /v1/logs/{{log}}/checkpoints."
        )
    return found


async def list_checkpoints(call: Call) -> Answer:
    """The checkpoints that were signed under the log's present name, in order of size, and who vouches for each."""
    own_log(call)
    tree = await call.services.trees.tree(call.organisation)
    cursor = read_cursor(call) or "-1"
    if not re.fullmatch(r"-1|\d{1,16}", cursor, re.ASCII):
        raise ServiceError("bad_parameter", "This cursor was not given by this service; send `next` as it came.")
    after = int(cursor)
    found = await list_signed(call.services.query, call.organisation, tree.origin, after, call.limit + 1)
    shown = found[: call.limit]
    return page(call, [_view(each) for each in shown], str(shown[-1].size) if len(found) > len(shown) else None)


def _view(signed: Signed) -> dict[str, Any]:
    return {"size": signed.size, "witnesses": signed.witness_names, "stamped_at": instant(signed.stamped_at)}


async def witness_checkpoint(call: Call) -> Answer:
    """Take cosignatures: a checkpoint as it was answered, with the witnesses' lines behind it (C2SP tlog-cosignature).

    Lines of others are left out; of each witness the first for a size stays, so that the same twice changes nothing.
    """
    own_log(call)
    return noted((await call.services.attested.cosign(call.organisation, call.text())).note)


async def stamp_checkpoint(call: Call) -> Answer:
    """Take the reply of a time-stamping authority (RFC 3161) over the checkpoint of a size, as the log signed it alone.

    The first stays. The hash and the authority's consent are checked here, its certificates are not.
    """
    own_log(call)
    signed = await _of_path(call)
    require_media_type(call.request.headers.get("content-type", ""), call.route.media_types)
    return Answer(body=_view(await call.services.attested.stamp(call.organisation, signed, call.raw)))


async def get_stamp(call: Call) -> Answer:
    """The reply of the time-stamping authority, as it was given (DER)."""
    own_log(call)
    signed = await _of_path(call)
    reply = await call.services.attested.find_stamp(call.organisation, signed)
    if reply is None:
        raise ServiceError("not_found", f"The checkpoint of {signed.size} entries was not stamped.")
    return Answer(body=reply, media_type=REPLY)


async def _of_path(call: Call) -> Signed:
    text = call.path("size")
    size = int(text) if text.isascii() and text.isdigit() and len(text) < 17 else -1  # noqa: PLR2004
    return await _signed(call, size)


ROUTES = (
    Route(
        method="GET", path="/v1/logs/{log:str}/checkpoint", scope="audit", run=get_checkpoint,
        summary="The signed head of the log", answers={200: TEXT}, problems=(404, 409),
        parameters=(
            Parameter(
                name="size", description="The checkpoint that was signed for so many entries; default: of all, signed now.",
                schema={"type": "integer", "minimum": 0},
            ),
            Parameter(
                name="cosigned", description="With `size`: `false` leaves out the lines of witnesses.",
                schema={"type": "boolean"},
            ),
        ),
    ),
    Route(
        method="GET", path="/v1/logs/{log:str}/checkpoints", scope="audit", run=list_checkpoints,
        summary="The checkpoints that were signed", answers={200: "SignedPage"}, problems=(404,), parameters=PAGED,
    ),
    Route(
        method="POST", path="/v1/logs/{log:str}/witness", scope="audit", run=witness_checkpoint,
        summary="Take a witness's cosignature", body="CosignedNote", answers={200: TEXT}, problems=(404, 413, 415, 422),
        media_types=(TEXT,), idempotent_key=False,
    ),
    Route(
        method="POST", path="/v1/logs/{log:str}/checkpoints/{size:str}/timestamp", scope="admin", run=stamp_checkpoint,
        summary="Take a stamp of time", body="TimestampReply", answers={200: "SignedCheckpoint"},
        problems=(404, 409, 413, 415, 422), media_types=(REPLY, BINARY), idempotent_key=False,
    ),
    Route(
        method="GET", path="/v1/logs/{log:str}/checkpoints/{size:str}/timestamp", scope="audit", run=get_stamp,
        summary="A stamp of time", answers={200: REPLY}, problems=(404,),
    ),
)  # fmt: skip
