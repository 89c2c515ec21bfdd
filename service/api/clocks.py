"""Two clocks against each other, and a partnership's life event by event."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec

from domain.events import FactRetracted, Happened
from domain.partnership import Partnership, evolve, fold
from events.codec import happened
from service.api.partnerships import AS_OF, KNOWN_AT, PAGED, two_clocks
from service.api.route import Answer, Call, Parameter, Route, no_partnership
from service.errors import ServiceError
from service.views import instant

State = dict[str, Any]


async def diff_history(call: Call) -> Answer:
    """What was believed of an instant at a time, against what is known of that instant now.

    Without `known_at`, what was believed at the instant itself: "believed on 31 December" against "true on 31 December".
    """
    as_of, known_at = two_clocks(call)
    if as_of is None:
        raise ServiceError("bad_parameter", "as_of is missing; name the instant that is asked about.")
    believed = await _history(call, as_of, min(known_at or as_of, call.now))
    true = await _history(call, as_of, call.now)
    if true is None:
        raise no_partnership(call.partnership())
    stays = [] if believed is None else believed["stages"]
    pairs = list(zip(stays, true["stages"], strict=False))
    same = next((place for place, (one, other) in enumerate(pairs) if one != other), len(pairs))
    differs = None if same == len(stays) == len(true["stages"]) else same
    body = {
        "partnership": call.partnership(),
        "as_of": instant(as_of),
        "differs_from": differs,
        "believed": believed,
        "true": true,
    }
    return Answer(body=body)


async def _history(call: Call, as_of: datetime, known_at: datetime) -> dict[str, Any] | None:
    """The history by two clocks; None where nobody knew of the partnership."""
    stream = await call.stream()
    state = await call.services.states.at(call.organisation, stream, as_of, known_at)
    if state.opened is None:
        return None
    _, policy = await call.services.handler.policies.in_force(call.organisation)
    return await call.services.views.history(call.organisation, stream, state, policy, as_of, known_at)


async def replay_partnership(call: Call) -> Answer:
    """Each event with what it changed in the state: the paths, with the values before and after."""
    stream = await call.stream()
    first, last = call.number("from", 1, 1, 2**53 - 1), call.number("to", 2**53 - 1, 1, 2**53 - 1)
    first = max(first, call.number("cursor", 1, 1, 2**53 - 1))
    recorded = await call.services.states.recorded(call.organisation, stream)
    wanted = [each for each in recorded if first <= each.position <= last]
    shown = wanted[: call.limit]
    if not shown:
        return Answer(body={"items": [], "next": None})
    told = [happened(each) for each in recorded if each.position <= shown[-1].position]
    changes = list(_changes(told))[-len(shown) :]
    events = await call.services.views.events(call.organisation, shown)
    items = [{"event": event, "changes": each} for event, each in zip(events, changes, strict=True)]
    following = str(wanted[call.limit].position) if len(wanted) > len(shown) else None
    return Answer(body={"items": items, "next": following})


def _changes(history: list[Happened]) -> Iterator[list[dict[str, Any]]]:
    """What each event changed; a retraction folds everything before it again, without its fact."""
    state, before = Partnership(), State()
    for place, each in enumerate(history, 1):
        if isinstance(each.data, FactRetracted):
            state = fold(history[:place])
        else:
            evolve(state, each)
        after = _flat(state)
        yield [
            {"path": path, "before": before.get(path), "after": after.get(path)}
            for path in sorted({*before, *after})
            if before.get(path) != after.get(path)
        ]
        before = after


def _flat(state: Partnership) -> State:
    """A state as JSON pointers: a path for every field, and for every entry of what is kept by name."""
    plain = msgspec.to_builtins(state, str_keys=True)
    found: State = {}
    for name, value in plain.items():
        if name in ("version", "etag"):
            continue
        if isinstance(value, dict):
            found |= {f"/{name}/{_escaped(key)}": each for key, each in value.items()}
        else:
            found[f"/{name}"] = value
    return found


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


_BOUNDS = (
    Parameter(name="from", description="From this position on.", schema={"type": "integer", "minimum": 1}),
    Parameter(name="to", description="Up to this position.", schema={"type": "integer", "minimum": 1}),
)

ROUTES = (
    Route(
        method="GET", path="/v1/partnerships/{id:str}/history/diff", scope="read", run=diff_history,
        summary="What was believed, against what is known now", answers={200: "HistoryDiff"}, problems=(404, 422),
        parameters=(AS_OF, KNOWN_AT),
    ),
    Route(
        method="GET", path="/v1/partnerships/{id:str}/replay", scope="read", run=replay_partnership,
        summary="Its life, event by event", answers={200: "ReplayPage"}, problems=(404,), parameters=(*_BOUNDS, *PAGED),
    ),
)  # fmt: skip
