"""Items: what a delivery says, one by one: matched with a partnership, recorded under a key of its own, and settled."""

import asyncio
import base64
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import TypeVar

import msgspec

from domain import commands as c
from domain.errors import DomainError
from events.envelope import Context, Trust
from events.store import Append, Database, Idempotency, RowChange, StoreError
from service.api.facts import read_fact
from service.asked import Asked, Outcome
from service.connectors.engine import Item
from service.errors import ServiceError
from service.handler import Handler
from service.ids import Ids
from service.projections import inbox as table
from service.projections import links as linked
from service.projections import partnerships as listed
from service.projections.inbox import StoredDelivery, StoredItem
from service.projections.links import Link
from service.vault import Vault

T = TypeVar("T")
AT_ONCE = 100
"""So many items of a delivery may wait for their commit together."""

ITEM_STREAM = "inbox"
NOTHING_NEW = "the log says so already, or something newer: see `standing` of the rule's facts"
SEALED = "sealed:"
"""Begins a reason that is stored sealed."""


class Items:
    """Applies items; `again` has a delivery looked at once more."""

    def __init__(
        self, store: Database, handler: Handler, vault: Vault, ids: Ids, count: Callable[[str, str], None],
        again: Callable[[str, str], None],
    ) -> None:  # fmt: skip
        self._store = store
        self._query = store.query
        self._handler = handler
        self._vault = vault
        self._ids = ids
        self._count = count
        self._again = again

    async def apply(
        self, organisation: str, delivery: StoredDelivery, items: Sequence[tuple[StoredItem, Item]]
    ) -> None:
        """Decided in their order; many wait for their commit together."""
        ends: list[asyncio.Task[None]] = []
        try:
            for stored, item in items:
                if item.opens is not None or item.new_links or len(ends) >= AT_ONCE:
                    await _all(ends)
                began = await self._guarded(
                    organisation, stored, item, self._begin(organisation, delivery, stored, item)
                )
                if began is not None:
                    ends.append(asyncio.create_task(self._guarded(organisation, stored, item, began)))
            await _all(ends)
        finally:
            for each in ends:
                each.cancel()

    async def _guarded(self, organisation: str, stored: StoredItem, item: Item, work: Awaitable[T]) -> T | None:
        """Do a part of applying an item; what the log refuses is the item's end."""
        try:
            return await work
        except (DomainError, ServiceError) as error:
            if error.code == "still_running":
                return None  # somebody else applies this very item, and says what became of it
            reason = error.message if isinstance(error, DomainError) else error.detail
            if isinstance(error, ServiceError) and error.status == 503:  # noqa: PLR2004
                raise StoreError("unavailable", reason) from error
            await self.settle(organisation, stored, "failed", rule=item.rule, reason=f"{error.code}: {reason}")
            return None

    async def _begin(
        self, organisation: str, delivery: StoredDelivery, stored: StoredItem, item: Item
    ) -> Coroutine[None, None, None]:
        """Give an item's facts their place in the queue, in the delivery's order; what is left is to wait and to tell."""
        if item.ignored is not None:
            return self.settle(organisation, stored, "ignored", rule=item.rule, reason=item.ignored)
        if item.failed is not None:
            return self.settle(organisation, stored, "failed", rule=item.rule, reason=item.failed)
        links = [Link(link.system, link.kind, link.external_id) for link in item.links]
        partnership = await self._find(organisation, links)
        if partnership is None and item.opens is None:
            return self._wait_for_link(organisation, stored, item, links)
        context = Context(
            actor=delivery.source,
            source=delivery.source,
            trust=msgspec.convert(delivery.trust, Trust),
            causation_id=delivery.id,
        )
        if partnership is None and item.opens is not None:
            partnership = await self._open(organisation, context, item, links, stored)
        stream = listed.stream_of(str(partnership))
        for link in item.new_links:
            added = c.AddLink(link.system, link.kind, link.external_id)
            await self._handler.handle(Asked(organisation=organisation, stream=stream, command=added, context=context))
        recorded = await self._handler.begin(self._facts(organisation, stream, context, stored, item))
        return self._finish(organisation, stored, item, str(partnership), recorded)

    async def _wait_for_link(self, organisation: str, stored: StoredItem, item: Item, links: Sequence[Link]) -> None:
        names = ", ".join(f"{link.system}/{link.kind}/{link.external_id}" for link in links)
        waiting = table.waits_for(organisation, stored, links)
        reason = f"no partnership has the link {names}; PUT it and this item is applied"
        called = msgspec.json.encode(item.called).decode() if item.called else None
        await self.settle(organisation, stored, "unmatched", rule=item.rule, reason=reason, rows=waiting, called=called)
        if await self._find(organisation, links) is not None:
            self._again(organisation, stored.inbox)  # the link came between looking for it and waiting for it

    def _facts(self, organisation: str, stream: str, context: Context, stored: StoredItem, item: Item) -> Asked:
        """The item's facts and its status, in one append under the item's own key."""
        done = table.settled(
            organisation, stored.source, stored.key, "applied", rule=item.rule,
            partnership=listed.partnership_of(stream),
        )  # fmt: skip
        rows = (done, table.waits_no_more(organisation, stored.source, stored.key))
        facts = tuple(
            c.Fact(read_fact({"type": fact.type, **fact.fields}).data, fact.occurred_at, fact.standing)
            for fact in item.facts
        )
        key = Idempotency(scope=f"source/{stored.source}", key=stored.key, digest=b"item", status=201)
        return Asked(
            organisation=organisation, stream=stream, command=c.RecordFacts(facts), context=context, key=key, rows=rows
        )

    async def _finish(
        self, organisation: str, stored: StoredItem, item: Item, partnership: str, recorded: asyncio.Future[Outcome]
    ) -> None:
        outcome = await asyncio.shield(recorded)
        if item.facts and not outcome.events:
            await self.settle(
                organisation, stored, "ignored", rule=item.rule, reason=NOTHING_NEW, partnership=partnership
            )
            return
        if outcome.replayed is not None:
            await self.settle(organisation, stored, "applied", rule=item.rule, partnership=partnership)
        self._count(stored.source, "applied")

    async def _open(
        self, organisation: str, context: Context, item: Item, links: Sequence[Link], stored: StoredItem
    ) -> str:
        """Open the partnership that the connector says this delivery begins."""
        if item.opens is None:
            message = "This item opens nothing."
            raise ValueError(message)
        every = [*links, *(Link(link.system, link.kind, link.external_id) for link in item.new_links)]
        command = c.OpenPartnership(
            client=item.opens.client, partner=item.opens.partner, opened_at=item.opens.opened_at,
            links=tuple(dict.fromkeys((link.system, link.kind, link.external_id) for link in every)),
        )  # fmt: skip
        identifier = self._ids.new("pn")
        key = Idempotency(scope=f"source/{stored.source}", key=f"open/{stored.key}", digest=b"open", status=201)
        asked = Asked(
            organisation=organisation, stream=listed.stream_of(identifier), command=command, context=context, key=key
        )
        try:
            outcome = await self._handler.handle(asked)
        except ServiceError as error:
            # Somebody opened it at the same instant, or the pair is open already: the delivery belongs there.
            if error.code in ("already_open", "link_taken"):
                return str(error.members["id"])
            raise
        return listed.partnership_of(outcome.events[0].stream)

    async def _find(self, organisation: str, links: Sequence[Link]) -> str | None:
        for link in links:
            found = await linked.find(self._query, organisation, link)
            if found is not None:
                return found
        return None

    async def settle(
        self, organisation: str, item: StoredItem, status: str, *, rule: str | None = None, reason: str | None = None,
        partnership: str | None = None, rows: Sequence[RowChange] = (), called: str | None = None,
    ) -> None:  # fmt: skip
        """Write what became of an item; a reason is sealed where it is stored."""
        changed = table.settled(
            organisation,
            item.source,
            item.key,
            status,
            rule=rule,
            reason=None if reason is None else await self._sealed_reason(organisation, item, reason),
            partnership=partnership,
            called=called,
        )
        append = Append(
            organisation=organisation, stream=f"{ITEM_STREAM}-{item.inbox}", expected=0, events=(),
            context=Context(actor=item.source), rows=(changed, *rows),
        )  # fmt: skip
        await self._store.append([append])
        self._count(item.source, status)

    async def reason(self, organisation: str, item: StoredItem) -> str | None:
        """The reason of what became of an item, opened."""
        if item.reason is None or not item.reason.startswith(SEALED):
            return item.reason
        wrapped = base64.b64decode(item.reason.removeprefix(SEALED))
        return (await self._vault.unwrap(organisation, _reason_place(item), wrapped)).decode()

    async def _sealed_reason(self, organisation: str, item: StoredItem, reason: str) -> str:
        """A reason may quote what a sender wrote, and so name people: it is sealed where it is stored."""
        wrapped = await self._vault.wrap(organisation, _reason_place(item), reason.encode())
        return SEALED + base64.b64encode(wrapped).decode()


async def _all(ends: list[asyncio.Task[None]]) -> None:
    """Wait until all have ended, then raise what one of them raised."""
    await asyncio.wait(ends) if ends else None
    for each in ends:
        each.result()
    ends.clear()


def _reason_place(item: StoredItem) -> str:
    return f"reason/{item.source}/{item.key}"
