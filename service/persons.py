"""Persons: what the log holds of somebody, told on request, and forgotten on request.

The event of an erasure comes first, then the key is destroyed and what lies beside the log is purged; where a crash
comes between, the next start goes on.
"""

import re
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from typing import Any, Protocol

import msgspec
import structlog
from msgspec import Struct

from domain import events as e
from domain.types import Sealed
from events.codec import decode, from_microseconds, read_entry
from events.envelope import Context, RecordedEvent
from events.store import Database, Idempotency
from service.asked import Administer, Asked
from service.errors import ServiceError
from service.handler import Handler
from service.inbox import Inbox
from service.personal import Kind, personal_fields
from service.projections import people as table
from service.projections.inbox import purge_rows
from service.vault import Vault, normal_name
from service.views import instant

STREAM = "persons"
AT_ONCE = 200
TELLING = [kind.type for kind in e.ALL.values() if "prose" in personal_fields(kind).values()]
"""The types of events that hold free text."""
_ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})")

log = structlog.get_logger()


class Forgetful(Database, Protocol):
    """A store that can leave nothing of what was deleted."""

    async def forget(self) -> None:
        """Leave nothing behind."""
        ...


class Mention(Struct, frozen=True, kw_only=True):
    """One value of the log that names a person, or a text that does."""

    position: int
    event: str
    type: str
    field: str
    value: str
    occurred_at: str
    recorded_at: str
    stream: str


class Persons:
    """Finds, tells and erases people, and free texts."""

    def __init__(
        self, store: Forgetful, handler: Handler, vault: Vault, inbox: Inbox, clock: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._handler = handler
        self._vault = vault
        self._inbox = inbox
        self._clock = clock

    async def find(self, organisation: str, person: str) -> table.Person:
        """A person by id. Raises ServiceError `not_found`."""
        found = await table.find_person(self._store.query, organisation, person)
        if found is None:
            raise ServiceError("not_found", f"There is no person {person!r} here.")
        return found

    async def tell(self, organisation: str, person: str) -> dict[str, Any]:
        """Everything that is held of a person: every value that names them, and the deliveries that do."""
        await self.find(organisation, person)
        mentions, names = await self._mentions(organisation, person), await self._names(organisation, person)
        texts = [each async for _, found in self._texts(organisation, names) for each in found]
        told = sorted([*mentions, *texts], key=lambda each: each.position)
        return {
            "id": person, "names": sorted(names), "events": [msgspec.to_builtins(each) for each in told],
            "deliveries": sorted(await self._deliveries(organisation, mentions, names)),
        }  # fmt: skip

    # --- forgetting ------------------------------------------------------------------------------------------------

    async def erase(
        self, organisation: str, person: str, context: Context, once: Idempotency | None = None
    ) -> dict[str, Any]:
        """Forget a person, and the free texts that name them: `{"id", "erased_at", "position", "deliveries"}`.

        Asked again, it answers the same without a second event.
        """
        await self.find(organisation, person)
        for event in [each async for each, _ in self._texts(organisation, await self._names(organisation, person))]:
            await self._record(organisation, event.id, e.TextErased(event=event.id), context)
            await self._vault.destroy(organisation, event.id)
        await self._record(organisation, person, e.PersonErased(person=person), context, once)
        return await self._forgotten(organisation, person, await self._purge_person(organisation, person))

    async def erase_text(
        self, organisation: str, position: int, context: Context, once: Idempotency | None = None
    ) -> dict[str, Any]:
        """Forget the free text of one event. Raises ServiceError `not_found` where there is none."""
        page = await self._store.read_log(organisation, after=position - 1, limit=1)
        event = next((each for each in page.events if each.position == position), None)
        holder = None if event is None else _text_holder(decode(event))
        if event is None or holder is None:
            raise ServiceError("not_found", f"There is no event with free text at position {position} here.")
        await self._record(organisation, holder, e.TextErased(event=holder), context, once)
        return await self._forgotten(organisation, holder, await self._purge_text(organisation, holder))

    async def resume(self) -> None:
        """Go on with erasures that a crash cut short."""
        for organisation, holder in await table.all_erased(self._store.query):
            if not await self._vault.holds(organisation, holder):
                continue
            log.warning("erasure_resumed", organisation=organisation, holder=holder)
            if holder.startswith("per_"):
                await self._purge_person(organisation, holder)
            else:
                await self._purge_text(organisation, holder)

    async def _record(
        self, organisation: str, holder: str, event: e.Event, context: Context, once: Idempotency | None = None
    ) -> None:
        if await table.erased(self._store.query, organisation, holder) is None:
            command = Administer(events=(event,))
            asked = Asked(organisation=organisation, stream=STREAM, command=command, context=context, key=once)
            await self._handler.handle(asked)

    async def _forgotten(self, organisation: str, holder: str, deliveries: int) -> dict[str, Any]:
        found = await table.erased(self._store.query, organisation, holder)
        if found is None:
            message = f"The erasure of {holder} is recorded, but not in the table."
            raise LookupError(message)
        at, position = found
        return {
            "id": holder,
            "erased_at": instant(from_microseconds(at)),
            "position": position,
            "deliveries": deliveries,
        }

    async def _purge_person(self, organisation: str, person: str) -> int:
        """What lies beside the log goes first: while the key is there, the names are known to look for."""
        mentions, names = await self._mentions(organisation, person), await self._names(organisation, person)
        return await self._purge(organisation, person, await self._deliveries(organisation, mentions, names))

    async def _purge_text(self, organisation: str, holder: str) -> int:
        sql = "SELECT entry FROM events WHERE organisation = ? AND id = ?"
        entries = [row[0] for row in await self._store.query(sql, (organisation, holder)) if isinstance(row[0], bytes)]
        causes = {read_entry(each).causation_id or "" for each in entries}
        return await self._purge(organisation, holder, {each for each in causes if each.startswith("inb_")})

    async def _purge(self, organisation: str, holder: str, deliveries: set[str]) -> int:
        now = instant(self._clock())
        rows = [
            row for each in sorted(deliveries) for row in await purge_rows(self._store.query, organisation, each, now)
        ]
        if rows:
            await self._store.write(rows)
        await self._vault.destroy(organisation, holder)
        await self._store.forget()
        return len(deliveries)

    # --- looking ---------------------------------------------------------------------------------------------------

    async def _names(self, organisation: str, person: str) -> set[str]:
        """Every spelling of the name that the log knows; none after an erasure."""
        if not await self._vault.holds(organisation, person):
            return set()
        return {each.value for each in await self._mentions(organisation, person)}

    async def _texts(self, organisation: str, names: set[str]) -> AsyncIterator[tuple[RecordedEvent, list[Mention]]]:
        """The events whose free text holds one of the names, with those texts."""
        wanted, after = {normal_name(name) for name in names}, 0
        while wanted:
            page = await self._store.read_log(organisation, after=after, limit=AT_ONCE, types=TELLING)
            await self._vault.fetch_keys(organisation, [event.id for event in page.events])
            for event in page.events:
                texts = self._mentions_in(organisation, event.id, event, "prose")
                if found := [each for each in texts if any(name in normal_name(each.value) for name in wanted)]:
                    yield event, found
            if not page.events:
                return
            after = page.position

    async def _mentions(self, organisation: str, person: str) -> list[Mention]:
        await self._vault.fetch_keys(organisation, [person])
        found: list[Mention] = []
        for position in await table.positions_of(self._store.query, organisation, person):
            (event,) = (await self._store.read_log(organisation, after=position - 1, limit=1)).events
            found += self._mentions_in(organisation, person, event, "person")
        return found

    def _mentions_in(self, organisation: str, holder: str, event: RecordedEvent, wanted: Kind) -> list[Mention]:
        entry = read_entry(event.entry)
        data = decode(event)
        return [
            Mention(
                position=event.position, event=event.id, type=event.type, field=name, stream=event.stream,
                value=self._vault.open(organisation, event.id, name, sealed),
                occurred_at=instant(entry.occurred_at), recorded_at=instant(event.recorded_at),
            )
            for name, kind in personal_fields(type(data)).items() if kind == wanted
            for sealed in _values(getattr(data, name)) if isinstance(sealed, Sealed) and sealed.p == holder
        ]  # fmt: skip

    async def _deliveries(self, organisation: str, mentions: Sequence[Mention], names: set[str]) -> set[str]:
        """The deliveries that led to events about a person, and those whose stored bodies name one of the names."""
        found: set[str] = set()
        for each in {mention.position for mention in mentions}:
            (event,) = (await self._store.read_log(organisation, after=each - 1, limit=1)).events
            cause = read_entry(event.entry).causation_id
            if cause is not None and cause.startswith("inb_"):
                found.add(cause)
        wanted = {normal_name(name) for name in names}
        async for delivery in self._inbox.every(organisation, AT_ONCE):
            told = _readable(delivery.body) + " " + " ".join(value for _, value in delivery.headers).casefold()
            if any(name in told for name in wanted):
                found.add(delivery.id)
        return found


def _values(value: object) -> Sequence[object]:
    return value if isinstance(value, tuple) else (value,)


def _text_holder(data: e.Event) -> str | None:
    """Whose key opens an event's free text: the event's in which it was said first."""
    fields = personal_fields(type(data))
    values = [getattr(data, name) for name, kind in fields.items() if kind == "prose"]
    return next((each.p for each in values if isinstance(each, Sealed)), None)


def _readable(body: bytes) -> str:
    """A body's text as names are compared, escapes of JSON undone."""
    text = body.decode("utf-8", errors="replace")
    return normal_name(_ESCAPED.sub(lambda found: chr(int(found[1], 16)), text))
