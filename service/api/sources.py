"""Sources of deliveries, and the connectors that read them."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from domain import events as e
from domain.types import Words
from events.codec import from_microseconds
from service.api.paging import page, read_cursor
from service.api.partnerships import PAGED, answered_before
from service.api.route import Answer, Call, Route
from service.body import bad_shape
from service.connectors.compiled import Connector
from service.connectors.load import LARGEST
from service.errors import ServiceError
from service.projections import keys as table
from service.projections.inbox import last_seen
from service.silence import is_silent
from service.views import instant

SHORTEST = 60
"""Seconds of the shortest silence that can be watched."""


class SourceBody(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A source of deliveries to create."""

    connector: str
    name: Words
    secrets: Annotated[tuple[Words, ...], Meta(max_length=10)] = ()
    settings: dict[str, Any] = {}
    silence_after: Annotated[int, Meta(ge=SHORTEST, le=31_536_000)] | None = None


class SourceChange(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What to change of a source."""

    name: Words | None = None
    settings: dict[str, Any] | None = None
    silence_after: Annotated[int, Meta(ge=0, le=31_536_000)] | None = None


class SecretsBody(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The secrets that count from now on: the new one first, old ones while they still may sign."""

    secrets: Annotated[tuple[Words, ...], Meta(min_length=1, max_length=10)]


async def create_source(call: Call) -> Answer:
    """Add a source of deliveries; its URL goes into the sender's settings."""
    body = call.body(SourceBody)
    once = await call.idempotency(201)
    source, before = await call.services.sources.create(
        call.organisation, body.connector, body.name, body.secrets, body.settings, call.context, once,
        silence_after=body.silence_after,
    )  # fmt: skip
    headers = {"Location": f"/v1/sources/{source}", **answered_before(yes=before)}
    return Answer(status=201, body={"id": source, "url": call.services.sources.url(source)}, headers=headers)


async def list_sources(call: Call) -> Answer:
    """The organisation's sources, never their secrets."""
    found = await table.list_sources(call.services.query, call.organisation, read_cursor(call), call.limit + 1)
    shown = found[: call.limit]
    items = [await _source_view(call, each) for each in shown]
    return page(call, items, shown[-1].id if len(found) > len(shown) else None)


async def get_source(call: Call) -> Answer:
    """One source."""
    return Answer(body=await _source_view(call, await _source(call)))


async def change_source(call: Call) -> Answer:
    """Change a source's name or settings."""
    source = await _source(call)
    body = call.body(SourceChange)
    changes: list[e.SourceChanged | e.SourceWatched] = []
    if body.name is not None or body.settings is not None:
        changes.append(e.SourceChanged(source=source.id, name=body.name, settings=body.settings))
    if body.silence_after is not None:
        if 0 < body.silence_after < SHORTEST:
            raise bad_shape(f"Expected `0` or `int` >= {SHORTEST}", "/silence_after")
        changes.append(e.SourceWatched(source=source.id, silence_after=body.silence_after or None))
    if changes:
        await call.services.sources.change(call.organisation, source, changes, call.context)
    return await get_source(call)


async def rotate_source(call: Call) -> Answer:
    """Replace a source's secrets."""
    source = await _source(call)
    secrets, once = call.body(SecretsBody).secrets, await call.idempotency(200)
    before = await call.services.sources.rotate(call.organisation, source.id, secrets, call.context, once)
    return Answer(body=await _source_view(call, source), headers=answered_before(yes=before))


async def remove_source(call: Call) -> Answer:
    """Remove a source; its deliveries stay readable."""
    source = await _source(call)
    await call.services.sources.remove(call.organisation, source.id, call.context)
    return Answer(status=204)


async def _source(call: Call) -> table.Source:
    identifier = call.path("id")
    found = await table.find_source(call.services.query, call.organisation, identifier)
    if found is None:
        raise ServiceError("not_found", f"There is no source {identifier!r} here.")
    return found


async def _source_view(call: Call, source: table.Source) -> dict[str, Any]:
    heard = await last_seen(call.services.query, call.organisation, source.id)
    return {
        "id": source.id, "connector": source.connector, "name": source.name, "settings": source.settings,
        "url": call.services.sources.url(source.id), "created_at": instant(from_microseconds(source.created_at)),
        "last_seen": heard, "silence_after": source.silence_after, "silent": is_silent(source, heard, call.now),
    }  # fmt: skip


# --- connectors ----------------------------------------------------------------------------------------------------------


class ConnectorBody(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A connector file to add."""

    toml: Annotated[str, Meta(min_length=1, max_length=LARGEST)]


async def add_connector(call: Call) -> Answer:
    """Add a connector of your own from its TOML file; one of the same name takes the old one's place."""
    text = call.body(ConnectorBody).toml
    once = await call.idempotency(201)
    connector, new, before = await call.services.catalogue.add(call.organisation, text, call.context, once)
    headers = {"Location": f"/v1/connectors/{connector.name}", **answered_before(yes=before)}
    return Answer(status=201 if new else 200, body=_title(connector), headers=headers)


async def remove_connector(call: Call) -> Answer:
    """Remove a connector of your own that no source uses."""
    await call.services.catalogue.remove(call.organisation, call.path("name"), call.context)
    return Answer(status=204)


def _title(connector: Connector) -> dict[str, str]:
    return {"name": connector.name, "title": connector.spec.title, "summary": connector.spec.summary}


async def _connectors(call: Call) -> Mapping[str, Connector]:
    """Those that the caller may see: what an organisation has added is not for keys that are bound to partnerships."""
    catalogue = call.services.catalogue
    bound = call.principal.partnerships is not None
    return catalogue.shipped if bound else await catalogue.every(call.organisation)


async def list_connectors(call: Call) -> Answer:
    """The connectors at hand: shipped, of the operator, and your own."""
    every = await _connectors(call)
    return Answer(body={"items": [_title(each) for _, each in sorted(every.items())], "next": None})


async def get_connector(call: Call) -> Answer:
    """One connector: how its sender signs, what it knows, what it maps to."""
    name = call.path("name")
    if (connector := (await _connectors(call)).get(name)) is None:
        raise ServiceError("not_found", f"There is no connector {name!r}; see GET /v1/connectors.")
    return Answer(body=msgspec.to_builtins(connector.spec))


ROUTES = (
    Route(
        method="POST",
        path="/v1/sources",
        scope="hooks",
        run=create_source,
        summary="Add a source",
        body=SourceBody,
        answers={201: "NewSource"},
        problems=(413, 415, 422),
    ),
    Route(
        method="GET",
        path="/v1/sources",
        scope="hooks",
        run=list_sources,
        summary="List sources",
        answers={200: "SourcePage"},
        parameters=PAGED,
    ),
    Route(
        method="GET",
        path="/v1/sources/{id:str}",
        scope="hooks",
        run=get_source,
        summary="Read a source",
        answers={200: "Source"},
        problems=(404,),
    ),
    Route(
        method="PATCH",
        path="/v1/sources/{id:str}",
        scope="hooks",
        run=change_source,
        summary="Change a source",
        body=SourceChange,
        answers={200: "Source"},
        problems=(404, 413, 415, 422),
    ),
    Route(
        method="POST",
        path="/v1/sources/{id:str}/rotate",
        scope="hooks",
        run=rotate_source,
        summary="Replace its secrets",
        body=SecretsBody,
        answers={200: "Source"},
        problems=(404, 413, 415),
    ),
    Route(
        method="DELETE",
        path="/v1/sources/{id:str}",
        scope="hooks",
        run=remove_source,
        summary="Remove a source",
        answers={204: None},
        problems=(404,),
    ),
    Route(
        method="POST",
        path="/v1/connectors",
        scope="hooks",
        run=add_connector,
        summary="Add a connector",
        body=ConnectorBody,
        answers={201: "ConnectorTitle", 200: "ConnectorTitle"},
        problems=(409, 413, 415, 422),
    ),
    Route(
        method="DELETE",
        path="/v1/connectors/{name:str}",
        scope="hooks",
        run=remove_connector,
        summary="Remove a connector",
        answers={204: None},
        problems=(404, 409),
    ),
    Route(
        method="GET",
        path="/v1/connectors",
        scope="read",
        run=list_connectors,
        summary="List connectors",
        answers={200: "ConnectorPage"},
    ),
    Route(
        method="GET",
        path="/v1/connectors/{name:str}",
        scope="read",
        run=get_connector,
        summary="Read a connector",
        answers={200: "Connector"},
        problems=(404,),
    ),
)
