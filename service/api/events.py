"""The log as a feed: pages by position, or a stream of lines."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

import msgspec

from domain import events as e
from events.envelope import RecordedEvent
from events.store import Page
from service.api.paging import next_link
from service.api.partnerships import AS_OF, KNOWN_AT, two_clocks
from service.api.route import Answer, Call, Parameter, Route
from service.errors import ServiceError
from service.projections import partnerships as listed
from service.states import two_clocks as by_clocks

NDJSON = "application/x-ndjson"
WAIT_LIMIT = 30
Chosen = Callable[[Sequence[RecordedEvent]], Sequence[RecordedEvent]]
"""Which of the events that were read are told."""
FEED = (
    Parameter(
        name="after", description="Events with positions above this one.", schema={"type": "integer", "minimum": 0}
    ),
    Parameter(
        name="limit", description="Events a page, 1 to 500.", schema={"type": "integer", "minimum": 1, "maximum": 500}
    ),
    Parameter(name="type", description="Only these types, separated by commas; `stage.*` takes a family."),
    Parameter(name="partnership", description="Only this partnership."),
    Parameter(name="wait", description="Seconds to wait for the first event, 0 to 30.", schema={"type": "integer"}),
    Parameter(name="cursor", description="`next` of the page before; the same as `after`."),
)


async def list_events(call: Call) -> Answer:
    """Events of the organisation in the order of the log; `position` is how far was read, also where nothing matched."""
    return await _feed(call, await _stream(call))


async def list_partnership_events(call: Call) -> Answer:
    """Events of one partnership in the order of the log, by two clocks: those that a state of then was made of."""
    as_of, known_at = two_clocks(call)
    return await _feed(call, await call.stream(), lambda events: by_clocks(events, as_of, known_at, read=_itself))


def _itself(event: RecordedEvent) -> RecordedEvent:
    return event


def _every(events: Sequence[RecordedEvent]) -> Sequence[RecordedEvent]:
    return events


async def _feed(call: Call, stream: str | None, chosen: Chosen = _every) -> Answer:
    types, after = _types(call), _after(call)
    if NDJSON in call.request.headers.get("accept", ""):
        lines = _lines(call, after, types, stream, chosen)
        return Answer(stream=lines, media_type=NDJSON, headers={"Vary": "Accept"})
    page = await _read(call, after, types, stream)
    wait = call.number("wait", 0, 0, WAIT_LIMIT) if call.query("wait") else 0
    if not page.events and wait:
        with call.services.admission.places.hold(call.principal.key):
            page = await _wait(call, after, types, stream, wait)
    items = await call.services.views.events(call.organisation, chosen(page.events))
    body = {"items": items, "next": str(page.position), "position": page.position}
    more = next_link(call, str(page.position)) if len(page.events) == call.limit else {}
    return Answer(body=body, headers={"Vary": "Accept", **more})


async def _lines(
    call: Call, after: int, types: Sequence[str], stream: str | None, chosen: Chosen
) -> AsyncIterator[bytes]:
    """The feed up to where the log ends now, a line an event."""
    end = (await call.services.store.head(call.organisation)).position
    while after < end:
        page = await _read(call, after, types, stream)
        found = chosen([each for each in page.events if each.position <= end])
        items = await call.services.views.events(call.organisation, found)
        yield b"".join(msgspec.json.encode(item) + b"\n" for item in items)
        if page.position <= after:
            break
        after = page.position


async def get_event(call: Call) -> Answer:
    """One event by its position."""
    return Answer(body=(await call.services.views.events(call.organisation, [await find_event(call)]))[0])


async def find_event(call: Call) -> RecordedEvent:
    """The event of the path, which the key may see. Raises ServiceError `not_found`."""
    position = call.path_number("position")
    page = await call.services.store.read_log(call.organisation, after=max(position - 1, 0), limit=1)
    if not position or not page.events or page.events[0].position != position or not _visible(call, page.events[0]):
        raise no_event(call)
    return page.events[0]


def no_event(call: Call) -> ServiceError:
    """The problem of a position that no event has, as far as the caller may see."""
    return ServiceError("not_found", f"There is no event at position {call.path('position')!r} here.")


def _visible(call: Call, event: RecordedEvent) -> bool:
    return call.principal.partnerships is None or call.principal.may_see(listed.partnership_of(event.stream))


def _after(call: Call) -> int:
    name = "cursor" if call.query("cursor") is not None else "after"
    return call.number(name, 0, 0, 2**53 - 1)


async def _stream(call: Call) -> str | None:
    wanted = call.query("partnership")
    bound = call.principal.partnerships
    if wanted is None and bound is not None:
        if len(bound) > 1:
            raise ServiceError(
                "bad_parameter", "This key is bound to several partnerships; name one with ?partnership=."
            )
        wanted = next(iter(bound), "")
    if wanted is None:
        return None
    return await call.stream_of(wanted)


def _types(call: Call) -> list[str]:
    wanted = [each for each in (call.query("type") or "").split(",") if each]
    for each in wanted:
        family = each.removesuffix("*")
        if each not in e.ALL and not (each.endswith(".*") and any(known.startswith(family) for known in e.ALL)):
            raise ServiceError("bad_parameter", f"type {each!r} is no event type; write promise.made or stage.*.")
    return wanted


async def _read(call: Call, after: int, types: Sequence[str], stream: str | None) -> Page:
    return await call.services.store.read_log(
        call.organisation, after=after, limit=call.limit, types=types, stream=stream
    )


async def _wait(call: Call, after: int, types: Sequence[str], stream: str | None, seconds: int) -> Page:
    """Wait until something new is recorded, then read; the position scanned so far is not scanned again."""
    page = Page((), after)
    try:
        async with asyncio.timeout(seconds):
            while not page.events:
                changed = call.services.changed(call.organisation)
                page = await _read(call, page.position, types, stream)
                if not page.events:
                    await changed.wait()
    except TimeoutError:
        pass
    return page


ROUTES = (
    Route(
        method="GET", path="/v1/events", scope="read", run=list_events, summary="The log as a feed",
        answers={200: "EventPage"}, problems=(404,), parameters=FEED,
    ),
    Route(
        method="GET", path="/v1/events/{position:str}", scope="read", run=get_event, summary="One event",
        answers={200: "Event"}, problems=(404,),
    ),
    Route(
        method="GET", path="/v1/partnerships/{id:str}/events", scope="read", run=list_partnership_events,
        summary="Events of one partnership", answers={200: "EventPage"}, problems=(404, 422),
        parameters=(*(each for each in FEED if each.name not in ("partnership", "wait")), AS_OF, KNOWN_AT),
    ),
)  # fmt: skip
