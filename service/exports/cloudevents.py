"""CloudEvents 1.0 in structured JSON form: the one place that knows how an event of ours is one of theirs."""

from collections.abc import AsyncIterator
from urllib.parse import quote

import msgspec

from service.event_schemas import DEFINITIONS, SCHEMAS, shape_name
from service.exports.extract import Extract, Json
from service.projections.partnerships import partnership_in

PREFIX = "io.readthedocs.noces."
"""Before the name of each type, as CloudEvents asks: the reversed name of where the documentation is."""

EXTENSIONS = {
    "actor": "actor", "side": "side", "trust": "trust", "source": "sourceid", "stream": "stream",
    "recorded_at": "recordedtime", "decided_at": "decidedtime", "correlation_id": "correlationid",
    "causation_id": "causationid",
}  # fmt: skip
"""Fields of an entry and the extension attributes that carry them; texts, and absent where the field is."""

SEQUENCE_DIGITS = 16
"""Positions stay below 2^53: with leading zeros they sort as texts, which the extension `sequence` asks for."""


def source_of(organisation: str) -> str:
    """The URI of a log: where its checkpoint and tiles are."""
    return f"/v1/logs/{quote(organisation, safe='')}"


def cloud_event(event: Json, organisation: str, *, sealed: bool) -> Json:
    """An event with its position as a CloudEvent; `sealed` says that its data is as the log keeps it.

    Only then is there a `dataschema`. Numbers beside the data are texts: an Integer of CloudEvents has 32 bits.
    """
    schema = {"dataschema": f"{SCHEMAS}{DEFINITIONS}{shape_name(event['type'], event['schema'])}"} if sealed else {}
    position = event["position"]
    stream = event["stream"]
    subject = {} if (partnership := partnership_in(stream)) is None else {"subject": partnership}
    return {
        "specversion": "1.0", "id": event["id"], "source": source_of(organisation), "type": PREFIX + event["type"],
        **subject, "time": event["occurred_at"], "datacontenttype": "application/json", **schema,
        "sequence": f"{position:0{SEQUENCE_DIGITS}d}", "position": str(position), "streamversion": str(event["version"]),
        **{name: event[field] for field, name in EXTENSIONS.items() if field in event},
        "data": event["data"],
    }  # fmt: skip


async def cloudevents(extract: Extract) -> AsyncIterator[bytes]:
    """A CloudEvent a line, for every event of the log."""
    sealed = extract.opener is None
    async for page in extract.rows():
        events = await extract.entries(page)
        yield b"".join(
            msgspec.json.encode(cloud_event(event, extract.organisation, sealed=sealed)) + b"\n" for event in events
        )
