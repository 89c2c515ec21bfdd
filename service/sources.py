"""Sources: where deliveries come from, with secrets that only the vault can read."""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from domain import events as e
from events.codec import decode
from events.envelope import Context
from events.store import Idempotency, Put, Remove, RowChange
from service.asked import Administer, Asked, Outcome
from service.catalogue import STREAM as CONNECTORS
from service.catalogue import Catalogue
from service.connectors.compiled import Connector
from service.connectors.settings import SettingsError, resolve_settings
from service.errors import ServiceError
from service.handler import Handler
from service.ids import Ids
from service.projections import Query
from service.projections import keys as table
from service.projections.keys import Source
from service.settings import Settings
from service.vault import Vault

STREAM = "sources"


class Found(Struct, frozen=True):
    """A source with all that its deliveries need."""

    organisation: str
    source: Source
    connector: Connector
    secrets: tuple[str, ...]


class Sources:
    """Creates, changes and finds sources."""

    def __init__(
        self, query: Query, handler: Handler, vault: Vault, catalogue: Catalogue, settings: Settings, ids: Ids
    ) -> None:  # fmt: skip
        self._query = query
        self._handler = handler
        self._vault = vault
        self._catalogue = catalogue
        self._settings = settings
        self._ids = ids
        self._known: dict[str, Found] = {}
        handler.on_recorded.append(self._forget)

    def _forget(self, _: str, events: tuple[Any, ...]) -> None:
        if any(each.stream in (STREAM, CONNECTORS) for each in events):
            self.forget()

    def forget(self) -> None:
        """Ask the tables again for every source."""
        self._known.clear()

    def url(self, source: str) -> str:
        """The address that goes into the sender's settings."""
        return f"{self._settings.base_url}/hooks/{source}"

    async def create(
        self, organisation: str, connector: str, name: str, secrets: Sequence[str], settings: dict[str, Any],
        context: Context, once: Idempotency | None = None, *, silence_after: int | None = None,
    ) -> tuple[str, bool]:  # fmt: skip
        """(id of a new source, whether `once` was answered before). Raises ServiceError `bad_settings`."""
        await self._check(organisation, connector, settings)
        source = self._ids.new("src")
        made: list[e.Event] = [e.SourceCreated(source=source, connector=connector, name=name, settings=settings)]
        if silence_after is not None:
            made.append(e.SourceWatched(source=source, silence_after=silence_after))
        directory = table.owned_row(source, table.Owned(organisation, None, None, None))
        rows = [directory, await self._secrets(organisation, source, secrets)]
        outcome = await self._administer(organisation, made, context, rows, once)
        known = decode(outcome.events[0])
        return known.source if isinstance(known, e.SourceCreated) else source, outcome.replayed is not None

    async def change(
        self, organisation: str, source: Source, changes: Sequence[e.SourceChanged | e.SourceWatched], context: Context
    ) -> None:  # fmt: skip
        """Change a source. Raises ServiceError `bad_settings`."""
        for each in changes:
            if isinstance(each, e.SourceChanged) and each.settings is not None:
                await self._check(organisation, source.connector, each.settings)
        await self._administer(organisation, changes, context, [])

    async def rotate(
        self, organisation: str, source: str, secrets: Sequence[str], context: Context, once: Idempotency | None = None
    ) -> bool:
        """Replace the secrets that a sender may sign with; whether `once` was answered before."""
        rows = [await self._secrets(organisation, source, secrets)]
        made = await self._administer(organisation, [e.SourceSecretsRotated(source=source)], context, rows, once)
        return made.replayed is not None

    async def remove(self, organisation: str, source: str, context: Context) -> None:
        """Remove a source with its secrets; the directory forgets it."""
        rows: list[RowChange] = [
            Remove("directory", {"id": source}),
            Remove("secrets", {"organisation": organisation, "holder": _holder(source)}),
        ]
        await self._administer(organisation, [e.SourceRemoved(source=source)], context, rows)

    async def find(self, source: str) -> Found | None:
        """A source by the id in a hook's address."""
        if source not in self._known:
            found = await self._load(source)
            if found is None:
                return None
            self._known[source] = found
        return self._known[source]

    async def _load(self, source: str) -> Found | None:
        owner = await table.owner(self._query, source)
        found = await table.find_source(self._query, owner.organisation, source) if owner else None
        connector = await self._catalogue.find(owner.organisation, found.connector) if owner and found else None
        if owner is None or found is None or connector is None:
            return None
        sql = "SELECT wrapped FROM secrets WHERE organisation = ? AND holder = ?"
        rows = await self._query(sql, (owner.organisation, _holder(source)))
        wrapped = rows[0][0] if rows else None
        raw = b"[]"
        if isinstance(wrapped, bytes):
            raw = await self._vault.unwrap(owner.organisation, _holder(source), wrapped)
        return Found(owner.organisation, found, connector, msgspec.json.decode(raw, type=tuple[str, ...]))

    async def _check(self, organisation: str, name: str, settings: dict[str, Any]) -> None:
        connector = await self._catalogue.find(organisation, name)
        if connector is None:
            known = ", ".join(sorted(await self._catalogue.every(organisation)))
            raise ServiceError("bad_settings", f"There is no connector {name!r}; known: {known}.")
        try:
            resolve_settings(connector.spec, settings)
        except SettingsError as error:
            raise ServiceError("bad_settings", str(error)) from error

    async def _secrets(self, organisation: str, source: str, secrets: Sequence[str]) -> Put:
        wrapped = await self._vault.wrap(organisation, _holder(source), msgspec.json.encode(list(secrets)))
        return Put("secrets", {"organisation": organisation, "holder": _holder(source)}, {"wrapped": wrapped})

    async def _administer(
        self, organisation: str, events: Sequence[e.Event], context: Context, rows: Sequence[RowChange],
        once: Idempotency | None = None,
    ) -> Outcome:  # fmt: skip
        asked = Asked(
            organisation=organisation, stream=STREAM, command=Administer(events=tuple(events)), context=context, key=once,
            rows=tuple(rows),
        )  # fmt: skip
        return await self._handler.handle(asked)


def _holder(source: str) -> str:
    return f"secrets/{source}"
