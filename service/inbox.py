"""Deliveries in: verified, durable, answered; then mapped, matched and applied item by item, exactly once each.

Nothing verified is dropped: what cannot be mapped, matched or accepted stays with its reason and can be run again.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime

import structlog
from msgspec import Struct
from msgspec.structs import replace

from domain import events as e
from events.codec import decode
from events.envelope import Context, RecordedEvent
from events.store import Append, Conflict, Database, RowChange, StoreError
from service.catalogue import Catalogue
from service.connectors.compiled import Connector
from service.connectors.engine import Arrival, Item, map_delivery
from service.connectors.formats import masked
from service.handler import Handler
from service.ids import Ids
from service.items import ITEM_STREAM, Items
from service.projections import inbox as table
from service.projections.inbox import StoredDelivery, StoredItem
from service.projections.keys import Source, find_source
from service.projections.links import Link
from service.sources import Found
from service.vault import Vault
from service.views import instant

log = structlog.get_logger()

SECRET_HEADERS = ("authorization", "cookie", "token", "signature", "secret", "password", "api-key", "apikey")
SPLIT_ANEW = "the connector was changed and now splits this delivery otherwise: see its other items"


class Receipt(Struct, frozen=True):
    """What the sender is told: the delivery's id, and whether all of it was known before."""

    inbox: str
    known: bool


class Inbox:
    """Receives deliveries and has their items applied."""

    def __init__(
        self, store: Database, handler: Handler, catalogue: Catalogue, vault: Vault,
        clock: Callable[[], datetime], ids: Ids, count: Callable[[str, str], None] = lambda *_: None,
    ) -> None:  # fmt: skip
        self._vault = vault
        self._store = store
        self._query = store.query
        self._catalogue = catalogue
        self._clock = clock
        self._ids = ids
        self._work: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        self._queued: set[tuple[str, str]] = set()
        self._worker: asyncio.Task[None] | None = None
        self.items = Items(store, handler, vault, ids, count, self.run)
        handler.on_recorded.append(self._look_for_links)

    # --- receiving ---------------------------------------------------------------------------------------------------

    async def receive(
        self, found: Found, trust: str, headers: Sequence[tuple[str, str]], body: bytes
    ) -> Receipt:  # fmt: skip
        """Store a verified delivery; answers only when it is durable. Raises StoreError when it is not."""
        organisation, source, connector = found.organisation, found.source, found.connector
        now = self._clock()
        body = masked(
            connector.spec.format, connector.spec.mask, body
        )  # before anything keeps it, or makes a key of it
        items = map_delivery(connector, source.settings, Arrival(body, headers, source.id, now))
        inbox = self._ids.new("inb")
        while True:
            known = await table.known_items(self._query, organisation, source.id, [item.key for item in items])
            fresh = [item for item in items if item.key not in known]
            if not fresh:
                await self._store.write([table.seen_row(organisation, source.id, instant(now))])
                return Receipt(min(item.inbox for item in known.values()), known=True)
            delivery = StoredDelivery(
                id=inbox, source=source.id, received_at=instant(now), trust=trust,
                headers=[each for each in headers if not _secret(each[0])], body=body,
            )  # fmt: skip
            if await self._stored(organisation, delivery, fresh):
                self.run(organisation, inbox)
                return Receipt(inbox, known=False)

    async def _stored(self, organisation: str, delivery: StoredDelivery, items: Sequence[Item]) -> bool:
        """Write the delivery with the claims of its items; false when another delivery was faster with one of them."""
        sealed = await self._vault.wrap(organisation, _place(delivery.id), delivery.body)
        rows = [
            table.delivery_row(organisation, replace(delivery, body=sealed)),
            table.seen_row(organisation, delivery.source, delivery.received_at),
        ]
        return await self._claimed(organisation, delivery, items, rows)

    async def _claimed(
        self,
        organisation: str,
        delivery: StoredDelivery,
        items: Sequence[Item],
        rows: Sequence[RowChange],
        first: int = 0,
    ) -> bool:
        """Write items, each with its claim; false when another delivery was faster with one of them."""
        fresh = [
            StoredItem(
                source=delivery.source, key=item.key, inbox=delivery.id, ordinal=ordinal, status="received",
                rule=item.rule, reason=None, partnership=None,
            )
            for ordinal, item in enumerate(items, first)
        ]  # fmt: skip
        append = Append(
            organisation=organisation, stream=f"{ITEM_STREAM}-{delivery.id}", expected=0, events=(),
            context=Context(actor=delivery.source),
            rows=(*rows, *(table.item_row(organisation, each) for each in fresh)),
            takes=tuple(f"item/{delivery.source}/{item.key}" for item in items),
        )  # fmt: skip
        (result,) = await self._store.append([append])
        return not isinstance(result, Conflict)

    # --- applying ----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the worker."""
        self._worker = asyncio.create_task(self._apply_for_ever(), name="inbox")

    async def stop(self) -> None:
        """End the worker; what is left is found again at the next start."""
        if self._worker is not None:
            self._worker.cancel()
            await asyncio.gather(self._worker, return_exceptions=True)

    def run(self, organisation: str, inbox: str) -> None:
        """Let the worker look at a delivery."""
        if (organisation, inbox) not in self._queued:
            self._queued.add((organisation, inbox))
            self._work.put_nowait((organisation, inbox))

    async def recover(self) -> None:
        """Find the deliveries that a crash left received."""
        for organisation, inbox in await table.deliveries_with(self._query, "received", 100_000):
            self.run(organisation, inbox)

    async def idle(self) -> None:
        """Wait until nothing is left to apply."""
        await self._work.join()

    async def _apply_for_ever(self) -> None:
        await self.recover()
        while True:
            organisation, inbox = await self._work.get()
            self._queued.discard((organisation, inbox))
            try:
                await self.apply(organisation, inbox)
            except StoreError as error:
                log.warning("inbox_waits", inbox=inbox, reason=error.code)
                asyncio.get_running_loop().call_later(1.0, self.run, organisation, inbox)
            except Exception:
                log.exception("inbox_failed", inbox=inbox)
            finally:
                self._work.task_done()

    async def find(self, organisation: str, inbox: str) -> StoredDelivery | None:
        """A delivery as it came; its body, which names people, is sealed in the table."""
        stored = await table.find_delivery(self._query, organisation, inbox)
        if stored is None:
            return None
        return await self._opened(organisation, stored)

    async def every(self, organisation: str, at_once: int) -> AsyncIterator[StoredDelivery]:
        """Every delivery that still has its body, read some at a time."""
        after = ""
        while page := await table.page_of(self._query, organisation, after, at_once):
            for each in page:
                yield await self._opened(organisation, each)
            after = page[-1].id

    async def _opened(self, organisation: str, stored: StoredDelivery) -> StoredDelivery:
        if stored.purged_at is not None:
            return stored
        return replace(stored, body=await self._vault.unwrap(organisation, _place(stored.id), stored.body))

    async def apply(self, organisation: str, inbox: str, *, again: Sequence[str] = ("received",)) -> list[StoredItem]:
        """Apply the items of a delivery that have one of these statuses; what was applied stays so."""
        delivery = await self.find(organisation, inbox)
        source = None if delivery is None else await find_source(self._query, organisation, delivery.source)
        connector = None if source is None else await self._catalogue.find(organisation, source.connector)
        if delivery is not None and delivery.purged_at is None and source is not None and connector is not None:
            await self._apply_delivery(organisation, delivery, _mapped(delivery, source, connector), again)
        return await table.items_of(self._query, organisation, inbox)

    async def _apply_delivery(
        self, organisation: str, delivery: StoredDelivery, mapped: Mapping[str, Item], again: Sequence[str]
    ) -> None:
        wanted = (*again, "unmatched")
        stored = await table.items_of(self._query, organisation, delivery.id)
        if any(item.key not in mapped and item.status in wanted for item in stored):
            stored = await self._split_anew(organisation, delivery, mapped, stored, wanted)
        await self.items.apply(
            organisation,
            delivery,
            [(each, mapped[each.key]) for each in stored if each.status in wanted and each.key in mapped],
        )

    async def _split_anew(
        self, organisation: str, delivery: StoredDelivery, mapped: Mapping[str, Item], stored: Sequence[StoredItem],
        wanted: Sequence[str],
    ) -> list[StoredItem]:  # fmt: skip
        """The items of a delivery whose connector was mended: those that it did not have before are added."""
        known = await table.known_items(self._query, organisation, delivery.source, list(mapped))
        fresh = [item for key, item in mapped.items() if key not in known]
        if fresh and not await self._claimed(organisation, delivery, fresh, [], len(stored)):
            return list(stored)  # another delivery was faster; the next replay sees what it left
        for item in stored:
            if item.key not in mapped and item.status in wanted:
                await self.items.settle(organisation, item, "ignored", rule=item.rule, reason=SPLIT_ANEW)
        return await table.items_of(self._query, organisation, delivery.id)

    # --- again -------------------------------------------------------------------------------------------------------

    def _look_for_links(self, organisation: str, events: tuple[RecordedEvent, ...]) -> None:
        for each in events:
            if each.type == e.LinkAdded.type:
                data = decode(each)
                if isinstance(data, e.LinkAdded):
                    link = Link(data.system, data.kind, data.external_id)
                    asyncio.ensure_future(self._run_waiting(organisation, link))  # noqa: RUF006  # the loop keeps it until the next step

    async def _run_waiting(self, organisation: str, link: Link) -> None:
        for inbox in await table.waiting_for(self._query, organisation, link):
            self.run(organisation, inbox)


def _mapped(delivery: StoredDelivery, source: Source, connector: Connector) -> dict[str, Item]:
    at = datetime.fromisoformat(delivery.received_at)
    arrival = Arrival(delivery.body, delivery.headers, source.id, at)
    return {item.key: item for item in map_delivery(connector, source.settings, arrival)}


def _place(inbox: str) -> str:
    return f"inbox/{inbox}"


def _secret(name: str) -> bool:
    return any(word in name.lower() for word in SECRET_HEADERS)
