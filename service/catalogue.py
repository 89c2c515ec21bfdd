"""The catalogue of connectors: the shipped ones, those of the operator's folder, and those an organisation has added."""

import hashlib
from collections.abc import Mapping

import structlog

from domain import events as e
from events.envelope import Context, RecordedEvent
from events.store import Idempotency, RowChange
from service.asked import Administer, Asked, Outcome
from service.connectors.compiled import Connector, FactFields
from service.connectors.load import ConnectorError, load_text
from service.errors import ServiceError
from service.handler import Handler
from service.projections import Query
from service.projections import connectors as table
from service.projections import keys as sources

log = structlog.get_logger()

STREAM = "connectors"
POSTED = "connector.toml"
"""What a file that was posted is called in messages."""


class Catalogue:
    """Finds connectors by name, and adds an organisation's own."""

    def __init__(
        self, query: Query, handler: Handler, shipped: Mapping[str, Connector], fact_fields: FactFields
    ) -> None:  # fmt: skip
        self._query = query
        self._handler = handler
        self._fact_fields = fact_fields
        self._own: dict[str, Mapping[str, Connector]] = {}
        self.shipped = shipped
        handler.on_recorded.append(self._forget)

    def _forget(self, organisation: str, events: tuple[RecordedEvent, ...]) -> None:
        if any(each.stream == STREAM for each in events):
            self._own.pop(organisation, None)

    async def every(self, organisation: str) -> Mapping[str, Connector]:
        """All connectors that an organisation may use, by name."""
        if organisation not in self._own:
            self._own[organisation] = self._loaded(await table.texts(self._query, organisation))
        return {**self._own[organisation], **self.shipped}

    def _loaded(self, texts: Mapping[str, str]) -> dict[str, Connector]:
        found: dict[str, Connector] = {}
        for name, text in texts.items():
            try:
                found[name] = load_text(text, f"{name}.toml", self._fact_fields)
            except ConnectorError as error:  # it was good when it was added; the release has changed
                log.warning("connector_unusable", connector=name, reason=str(error))
        return found

    async def find(self, organisation: str, name: str) -> Connector | None:
        """A connector by its name."""
        return self.shipped.get(name) or (await self.every(organisation)).get(name)

    async def add(
        self, organisation: str, text: str, context: Context, once: Idempotency | None = None
    ) -> tuple[Connector, bool, bool]:  # fmt: skip
        """(connector, whether anything is new, whether `once` was answered before); the same name takes the old one's place.

        Raises ServiceError `bad_connector` with file, line and field, `name_taken` for a shipped connector's name.
        """
        try:
            connector = load_text(text, POSTED, self._fact_fields)
        except ConnectorError as error:
            raise ServiceError("bad_connector", str(error)) from error
        name = connector.name
        if name in self.shipped:
            raise ServiceError("name_taken", f"The name {name!r} belongs to a shipped connector; choose another.")
        if (await table.texts(self._query, organisation)).get(name) == text:
            return connector, False, False
        added = e.ConnectorAdded(connector=name, digest=hashlib.sha256(text.encode()).hexdigest())
        row = table.connector_row(organisation, name, text)
        outcome = await self._administer(organisation, added, row, context, once)
        return connector, True, outcome.replayed is not None

    async def remove(self, organisation: str, name: str, context: Context) -> None:
        """Remove an own connector. Raises ServiceError `not_found`, `in_use`."""
        if name not in await table.texts(self._query, organisation):
            raise ServiceError("not_found", f"There is no connector {name!r} of your own; shipped ones stay.")
        if used := await sources.sources_of(self._query, organisation, name):
            raise ServiceError("in_use", f"The source {used[0]} uses the connector {name!r}; remove that source first.")
        gone = e.ConnectorRemoved(connector=name)
        await self._administer(organisation, gone, table.connector_gone(organisation, name), context, None)

    async def _administer(
        self, organisation: str, event: e.Event, row: RowChange, context: Context, once: Idempotency | None
    ) -> Outcome:
        asked = Asked(
            organisation=organisation, stream=STREAM, command=Administer(events=(event,)), context=context, key=once,
            rows=(row,),
        )  # fmt: skip
        return await self._handler.handle(asked)
