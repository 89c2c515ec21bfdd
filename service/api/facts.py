"""Facts and transitions: what is recorded, what is asked, what follows."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from domain import commands as c
from domain import events as e
from domain import machine
from domain.types import Side
from events.store import Idempotency
from service.api.partnerships import AS_OF, KNOWN_AT, known_state, replayed, two_clocks
from service.api.recorded import RECEIPT, answer_events, wants_receipt
from service.api.route import Answer, Call, Parameter, Route
from service.api.sides import check_side
from service.asked import Asked, Outcome
from service.body import bad_shape, read_instant, shape
from service.errors import FieldError, ServiceError
from service.personal import holds_sealed
from service.projections import links as linked
from service.projections import partnerships as listed
from service.projections.links import Link
from service.views import guard_view, positions

ARRAY_LIMIT = 100


class Force(Struct, frozen=True, forbid_unknown_fields=True):
    """A stage to force: its id, the outcome of the fifth, or both with a dot."""

    to: str
    reason: Annotated[str, Meta(min_length=1, max_length=8_000)]


class TransitionBody(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A transition to ask for, or to force."""

    trigger: str | None = None
    side: Side | None = None
    reason: e.SeparationReason | None = None
    text: Annotated[str, Meta(min_length=1, max_length=8_000)] | None = None
    occurred_at: str | None = None
    force: Force | None = None


# --- reading a fact ----------------------------------------------------------------------------------------------------


def read_fact(value: Any, pointer: str = "") -> c.Fact:  # noqa: ANN401  # JSON before its shape is known
    """A fact from JSON: `type`, `occurred_at?` and the type's own fields.

    Raises ServiceError `bad_shape`, `unknown_type`, `wrong_route`, `naive_time`.
    """
    if not isinstance(value, dict):
        raise bad_shape(f"Expected `object`, got `{type(value).__name__}`", pointer)
    fields = dict(value)
    kind = fields.pop("type", None)
    at = fields.pop("occurred_at", None)
    if not isinstance(kind, str) or kind not in e.ALL:
        raise _unknown_type(kind, pointer)
    if kind not in e.FACTS:
        raise _wrong_route(kind, pointer)
    if at is not None and not isinstance(at, str):
        raise bad_shape(f"Expected `str`, got `{type(at).__name__}`", f"{pointer}/occurred_at")
    data = shape(fields, e.FACTS[kind], pointer)
    if holds_sealed(data):
        raise bad_shape("Expected `str`, got a sealed value, which only the log may hold", pointer)
    return c.Fact(data, None if at is None else read_instant(at, "occurred_at", f"{pointer}/occurred_at"))


def _unknown_type(kind: object, pointer: str) -> ServiceError:
    detail = f"type is {kind!r}; it is one of the facts of GET /openapi.json, such as promise.made."
    return ServiceError("unknown_type", detail, errors=[_at(pointer, "type")])


def _wrong_route(kind: str, pointer: str) -> ServiceError:
    route = e.ROUTED.get(kind, "no route: the system writes it")
    return ServiceError("wrong_route", f"{kind} is not recorded as a fact; use {route}.", errors=[_at(pointer, "type")])


def _at(pointer: str, name: str) -> FieldError:
    return FieldError(f"{pointer}/{name}", "see detail")


# --- recording ---------------------------------------------------------------------------------------------------------


async def record_facts(call: Call) -> Answer:
    """Record one fact, or an array of at most 100, all or nothing."""
    value, receipt = call.json(), wants_receipt(call)
    stream = await call.stream()
    facts = _read_facts(value)
    return await _record(call, stream, facts, await call.idempotency(201), receipt=receipt)


def _read_facts(value: Any) -> list[c.Fact]:  # noqa: ANN401  # JSON before its shape is known
    if not isinstance(value, list):
        return [read_fact(value)]
    _check_array(value)
    return [read_fact(each, f"/{index}") for index, each in enumerate(value)]


def _check_array(value: list[Any]) -> None:
    if not 1 <= len(value) <= ARRAY_LIMIT:
        raise ServiceError(
            "bad_shape", f"The array has {len(value)} facts; send 1 to {ARRAY_LIMIT}, or import as NDJSON."
        )


async def _record(
    call: Call, stream: str, facts: list[c.Fact], key: Idempotency | None, *, receipt: bool = False
) -> Answer:
    for fact in facts:
        await check_side(call, stream, fact)
    asked = Asked(
        organisation=call.organisation, stream=stream, command=c.RecordFacts(tuple(facts)), context=call.context,
        key=key, if_match=call.if_match,
    )  # fmt: skip
    return await answer_events(call, await call.services.handler.handle(asked), receipt=receipt)


async def record_anywhere(call: Call) -> Answer:
    """Record facts of one partnership, named by its id or by a link: one, or an array of at most 100."""
    if (wanted := call.query("results")) is not None:
        raise ServiceError(
            "bad_parameter", f"results is {wanted!r}; it is `all`, and for an import (application/x-ndjson) only."
        )
    value = call.json()
    lines = value if isinstance(value, list) else [value]
    _check_array(lines)
    targets, facts = [], []
    for index, line in enumerate(lines):
        pointer = f"/{index}" if isinstance(value, list) else ""
        target, fields = split_target(line, pointer)
        targets.append(await find_target(call, target))
        facts.append(read_fact(fields, pointer))
    if len(set(targets)) > 1:
        raise ServiceError(
            "bad_shape", "An array is one command for one partnership; send one array for each, or import as NDJSON."
        )
    return await _record(call, listed.stream_of(targets[0]), facts, await call.idempotency(201))


def split_target(line: Any, pointer: str = "") -> tuple[str | Link, dict[str, Any]]:  # noqa: ANN401  # JSON
    """The partnership that a line names (id or link), and the rest of the line."""
    if not isinstance(line, dict):
        raise bad_shape(f"Expected `object`, got `{type(line).__name__}`", pointer)
    fields = dict(line)
    partnership, link = fields.pop("partnership", None), fields.pop("link", None)
    if (partnership is None) == (link is None):
        raise bad_shape("Expected either `partnership` or `link`", pointer)
    if partnership is not None and not isinstance(partnership, str):
        raise bad_shape("Expected `str`", f"{pointer}/partnership")
    return partnership if isinstance(partnership, str) else shape(link, Link, f"{pointer}/link"), fields


async def find_target(call: Call, target: str | Link) -> str:
    """The partnership's id. Raises ServiceError `not_found`."""
    if isinstance(target, Link):
        found = await linked.find(call.services.query, call.organisation, target)
        if found is None or not call.principal.may_see(found):
            name = f"{target.system}/{target.kind}/{target.external_id}"
            raise ServiceError("not_found", f"No partnership has the link {name}; PUT it first.")
        return found
    await call.stream_of(target)
    return target


# --- transitions ---------------------------------------------------------------------------------------------------------


async def list_transitions(call: Call) -> Answer:
    """Every arrow that leaves the stage, and what its guards say: now, or by two clocks."""
    stream = await call.stream()
    as_of, known_at = two_clocks(call)
    state = await known_state(call, stream, as_of, known_at)
    _, policy = await call.services.handler.policies.in_force(call.organisation)
    now = as_of or max(known_at or call.now, state.newest)
    return Answer(body=await call.services.views.transitions(call.organisation, stream, state, policy, now))


async def ask_transition(call: Call) -> Answer:
    """Ask for a transition; with `force`, request an override that another actor must approve."""
    body, receipt = call.body(TransitionBody), wants_receipt(call)
    stream = await call.stream()
    if body.force is not None and receipt:
        raise ServiceError("bad_parameter", "A forced stage is entered when it is approved; ask for the receipt then.")
    if body.force is not None:
        return await _request_override(call, stream, body.force)
    if body.trigger is None:
        raise bad_shape("Object missing required field `trigger`")
    command = c.AskTransition(
        trigger=body.trigger, side=call.side(body.side), reason=body.reason, text=body.text,
        occurred_at=None if body.occurred_at is None else read_instant(body.occurred_at, "occurred_at", "/occurred_at"),
    )  # fmt: skip
    asked = Asked(
        organisation=call.organisation, stream=stream, command=command, context=call.context,
        key=await call.idempotency(201), if_match=call.if_match,
    )  # fmt: skip
    outcome = await call.services.handler.handle(asked)
    if outcome.refused:
        raise await _refused(call, stream, outcome)
    return await answer_events(call, outcome, receipt=receipt)


async def _refused(call: Call, stream: str, outcome: Outcome) -> ServiceError:
    recorded = next(each for each in outcome.events if each.type == e.TransitionRefused.type)
    data = msgspec.json.decode(recorded.entry)["data"]
    versions = [(stream, version) for guard in data["guards"] for version in guard["evidence"]]
    known = await positions(call.services.query, call.organisation, versions)
    guards = [guard_view(guard, stream, known) for guard in data["guards"]]
    unmet = ", ".join(guard["code"] for guard in guards if not guard["met"])
    return ServiceError(
        "transition_refused", f"{data['trigger']} is not allowed yet: {unmet}; each guard says what would meet it.",
        guards=guards, position=recorded.position, etag=f'"{outcome.state.etag}"', headers=replayed(outcome),
    )  # fmt: skip


async def _request_override(call: Call, stream: str, force: Force) -> Answer:
    if "transitions:override" not in call.principal.scopes:
        raise ServiceError("forbidden", "Forcing a stage needs a key with the scope 'transitions:override'.")
    override = call.services.ids.new("ovr")
    command = c.RequestOverride(override=override, to=state_named(force.to), reason=force.reason, by=call.principal.key)
    asked = Asked(
        organisation=call.organisation, stream=stream, command=command, context=call.context,
        key=await call.idempotency(202), if_match=call.if_match,
    )  # fmt: skip
    outcome = await call.services.handler.handle(asked)
    requested = msgspec.json.decode(outcome.events[-1].entry)["data"]
    body = {"id": requested["override"], "partnership": call.partnership(), "to": requested["to"]}
    return Answer(status=202, body=body, headers=replayed(outcome))


def state_named(to: str) -> str:
    """A machine state from a stage's id, an outcome's name, or both."""
    return next((state for state in machine.STATES if to and to in (state, state.partition(".")[2])), to)


async def approve_override(call: Call) -> Answer:
    """Perform a forced transition that another actor requested."""
    override, receipt = call.path("id"), wants_receipt(call)
    stream = await _stream_of_override(call, override)
    asked = Asked(
        organisation=call.organisation, stream=stream,
        command=c.ApproveOverride(override=override, by=call.principal.key), context=call.context,
        key=await call.idempotency(201),
    )  # fmt: skip
    return await answer_events(call, await call.services.handler.handle(asked), receipt=receipt)


async def _stream_of_override(call: Call, override: str) -> str:
    sql = "SELECT stream FROM overrides WHERE organisation = ? AND id = ?"
    rows = await call.services.query(sql, (call.organisation, override))
    if not rows or not call.principal.may_see(listed.partnership_of(str(rows[0][0]))):
        raise ServiceError("unknown_override", f"Override {override!r} is not waiting here.")
    return str(rows[0][0])


_FACT_PROBLEMS = (404, 409, 412, 413, 415, 422, 507)

ROUTES = (
    Route(
        method="POST", path="/v1/partnerships/{id:str}/facts", scope="write", run=record_facts,
        summary="Record facts", body="Fact", answers={200: "Recorded", 201: "Recorded"}, problems=_FACT_PROBLEMS,
        parameters=(RECEIPT,),
    ),
    Route(
        method="POST", path="/v1/facts", scope="write", run=record_anywhere,
        summary="Record facts by id or link, or import NDJSON", body="TargetedFact",
        answers={200: "Recorded", 201: "Recorded"}, problems=_FACT_PROBLEMS,
        parameters=(Parameter(name="results", description="NDJSON: `all` answers every line as soon as it is durable."),),
    ),
    Route(
        method="GET", path="/v1/partnerships/{id:str}/transitions", scope="read", run=list_transitions,
        summary="What may happen next, and what each guard says", answers={200: "Transitions"}, problems=(404, 422),
        parameters=(AS_OF, KNOWN_AT),
    ),
    Route(
        method="POST", path="/v1/partnerships/{id:str}/transitions", scope="transitions", run=ask_transition,
        summary="Ask for a transition, or force one", body=TransitionBody,
        answers={201: "Recorded", 202: "Override"}, problems=_FACT_PROBLEMS, parameters=(RECEIPT,),
    ),
    Route(
        method="POST", path="/v1/overrides/{id:str}/approve", scope="transitions:override", run=approve_override,
        summary="Approve a forced transition", answers={201: "Recorded"}, problems=(403, 404, 409), parameters=(RECEIPT,),
    ),
)  # fmt: skip
