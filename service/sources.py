"""Sources: where deliveries come from, with secrets that only the vault can read."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from domain import events as e
from events.codec import decode
from events.envelope import Context
from events.store import Idempotency, Put, Remove, RowChange
from service.connectors.compiled import Connector
from service.connectors.settings import SettingsError, resolve_settings
from service.errors import ServiceError
from service.handler import Administer, Asked, Handler, Outcome
from service.ids import Ids
from service.projections import Query
from service.projections import keys as table
from service.projections.keys import Source
from service.settings import Settings
from service.vault import Vault

STREAM = "sources"


class Sources:
    """Creates, changes and finds sources."""

    def __init__(
        self, query: Query, handler: Handler, vault: Vault, connectors: Mapping[str, Connector], settings: Settings,
        ids: Ids,
    ) -> None:  # fmt: skip
        self._query = query
        self._handler = handler
        self._vault = vault
        self._connectors = connectors
        self._settings = settings
        self._ids = ids
        self._known: dict[str, tuple[str, Source, tuple[str, ...]]] = {}
        handler.on_recorded.append(self._forget)

    def _forget(self, _: str, events: tuple[Any, ...]) -> None:
        if any(each.stream == STREAM for each in events):
            self.forget()

    def forget(self) -> None:
        """Ask the tables again for every source."""
        self._known.clear()

    def url(self, source: str) -> str:
        """The address that goes into the sender's settings."""
        return f"{self._settings.base_url}/hooks/{source}"

    async def create(
        self, organisation: str, connector: str, name: str, secrets: Sequence[str], settings: dict[str, Any],
        context: Context, once: Idempotency | None = None,
    ) -> tuple[str, bool]:  # fmt: skip
        """(id of a new source, whether `once` was answered before). Raises ServiceError `bad_settings`."""
        self._check(connector, settings)
        source = self._ids.new("src")
        created = e.SourceCreated(source=source, connector=connector, name=name, settings=settings)
        directory = Put("directory", {"id": source}, {"organisation": organisation, "digest": None})
        rows = [directory, self._secrets(organisation, source, secrets)]
        made = await self._administer(organisation, created, context, rows, once)
        known = decode(made.events[0])
        return known.source if isinstance(known, e.SourceCreated) else source, made.replayed is not None

    async def change(
        self, organisation: str, source: Source, name: str | None, settings: dict[str, Any] | None, context: Context
    ) -> None:  # fmt: skip
        """Change a source. Raises ServiceError `bad_settings`."""
        if settings is not None:
            self._check(source.connector, settings)
        await self._administer(
            organisation, e.SourceChanged(source=source.id, name=name, settings=settings), context, []
        )

    async def rotate(
        self, organisation: str, source: str, secrets: Sequence[str], context: Context, once: Idempotency | None = None
    ) -> bool:
        """Replace the secrets that a sender may sign with; whether `once` was answered before."""
        rows = [self._secrets(organisation, source, secrets)]
        made = await self._administer(organisation, e.SourceSecretsRotated(source=source), context, rows, once)
        return made.replayed is not None

    async def remove(self, organisation: str, source: str, context: Context) -> None:
        """Remove a source with its secrets; the directory forgets it."""
        rows: list[RowChange] = [
            Remove("directory", {"id": source}),
            Remove("vault", {"organisation": organisation, "holder": _holder(source)}),
        ]
        await self._administer(organisation, e.SourceRemoved(source=source), context, rows)

    async def find(self, source: str) -> tuple[str, Source, tuple[str, ...]] | None:
        """(organisation, source, secrets) by the id in a hook's address."""
        if source not in self._known:
            found = await self._load(source)
            if found is None:
                return None
            self._known[source] = found
        return self._known[source]

    async def _load(self, source: str) -> tuple[str, Source, tuple[str, ...]] | None:
        owner = await table.owner(self._query, source)
        found = await table.find_source(self._query, owner[0], source) if owner else None
        if owner is None or found is None or found.connector not in self._connectors:
            return None
        sql = "SELECT wrapped FROM vault WHERE organisation = ? AND holder = ?"
        rows = await self._query(sql, (owner[0], _holder(source)))
        wrapped = rows[0][0] if rows else None
        raw = self._vault.unwrap(owner[0], _holder(source), wrapped) if isinstance(wrapped, bytes) else b"[]"
        return owner[0], found, msgspec.json.decode(raw, type=tuple[str, ...])

    def _check(self, connector: str, settings: dict[str, Any]) -> None:
        if connector not in self._connectors:
            known = ", ".join(sorted(self._connectors))
            raise ServiceError("bad_settings", f"There is no connector {connector!r}; known: {known}.")
        try:
            resolve_settings(self._connectors[connector].spec, settings)
        except SettingsError as error:
            raise ServiceError("bad_settings", f"{error}.") from error

    def _secrets(self, organisation: str, source: str, secrets: Sequence[str]) -> Put:
        wrapped = self._vault.wrap(organisation, _holder(source), msgspec.json.encode(list(secrets)))
        return Put("vault", {"organisation": organisation, "holder": _holder(source)}, {"wrapped": wrapped})

    async def _administer(
        self, organisation: str, event: e.Event, context: Context, rows: Sequence[RowChange],
        once: Idempotency | None = None,
    ) -> Outcome:  # fmt: skip
        asked = Asked(
            organisation=organisation, stream=STREAM, command=Administer(events=(event,)), context=context, key=once,
            rows=tuple(rows),
        )  # fmt: skip
        return await self._handler.handle(asked)


def _holder(source: str) -> str:
    return f"secrets/{source}"
