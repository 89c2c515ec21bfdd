"""The answer to what was recorded, with receipts where they are asked for."""

from typing import Any

import structlog

from domain import events as e
from events.store import StoreError
from service.api.partnerships import replayed
from service.api.route import Answer, Call, Parameter
from service.asked import Outcome
from service.errors import ServiceError
from service.proofs.receipts import prove

RECEIPT = Parameter(
    name="receipt", description="`true`: every `stage.entered` of the answer carries its proof (C2SP tlog-proof).",
    schema={"type": "boolean"},
)  # fmt: skip

log = structlog.get_logger()


def wants_receipt(call: Call) -> bool:
    """Whether receipts are asked for; to be read before anything is written."""
    return bool(call.flag("receipt"))


async def answer_events(call: Call, outcome: Outcome, *, receipt: bool) -> Answer:
    """The events and what followed from them."""
    events = await call.services.views.events(call.organisation, outcome.events)
    if receipt:
        await _add_receipts(call, [each for each in events if each["type"] == e.StageEntered.type])
    state = outcome.state
    body = {"events": events, "stage": state.stage, "outcome": state.outcome, "version": state.version}
    status = 200 if outcome.repeated else 201
    return Answer(status=status, body=body, headers={"ETag": f'"{state.etag}"', **replayed(outcome)})


async def _add_receipts(call: Call, entered: list[dict[str, Any]]) -> None:
    """The proof of each of these events; null where none can be made now, for what is recorded stays recorded."""
    proofs: dict[int, str] = {}
    try:
        if entered:
            proofs = await prove(call.services.trees, call.organisation, [each["position"] for each in entered])
    except (ServiceError, StoreError, OSError) as error:
        log.warning("receipt_missing", organisation=call.organisation, reason=getattr(error, "code", "io"))
    for each in entered:
        each["receipt"] = proofs.get(each["position"])
