"""The inbox: every verified delivery, durable before it is answered, and its items with what became of each.

An item's status: received, applied, ignored, unmatched or failed. A delivery's status is derived from its items.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from events.store import Change, Put, Remove, RowChange, Value
from service.projections import Query, Row
from service.projections.links import Link

STATUSES = ("received", "applied", "ignored", "unmatched", "failed")

DDL = """
CREATE TABLE inbox (
  organisation TEXT NOT NULL,
  id TEXT NOT NULL,
  source TEXT NOT NULL,
  received_at TEXT NOT NULL,
  trust TEXT NOT NULL,
  headers TEXT NOT NULL,
  body BLOB NOT NULL,
  PRIMARY KEY (organisation, id)
) STRICT;
CREATE INDEX inbox_by_source ON inbox (organisation, source, id);
CREATE TABLE inbox_items (
  organisation TEXT NOT NULL,
  source TEXT NOT NULL,
  key TEXT NOT NULL,
  inbox TEXT NOT NULL,
  ordinal INTEGER NOT NULL,
  status TEXT NOT NULL,
  rule TEXT,
  reason TEXT,
  partnership TEXT,
  PRIMARY KEY (organisation, source, key)
) STRICT;
CREATE INDEX inbox_items_by_delivery ON inbox_items (organisation, inbox, ordinal);
CREATE INDEX inbox_items_by_status ON inbox_items (status, organisation, source);
CREATE TABLE inbox_waiting (
  organisation TEXT NOT NULL,
  system TEXT NOT NULL,
  kind TEXT NOT NULL,
  external_id TEXT NOT NULL,
  source TEXT NOT NULL,
  key TEXT NOT NULL,
  PRIMARY KEY (organisation, system, kind, external_id, source, key)
) STRICT;
"""

SEEN = """
CREATE TABLE sources_seen (
  organisation TEXT NOT NULL,
  source TEXT NOT NULL,
  last_seen TEXT NOT NULL,
  PRIMARY KEY (organisation, source)
) STRICT;
ALTER TABLE inbox_items ADD COLUMN called TEXT;
"""


class StoredItem(Struct, frozen=True, kw_only=True):
    """One item of a delivery and what became of it."""

    source: str
    key: str
    inbox: str
    ordinal: int
    status: str
    rule: str | None
    reason: str | None
    partnership: str | None
    called: str | None = None
    """What the sender calls the partnership, as a JSON array, while the item is unmatched."""


class StoredDelivery(Struct, frozen=True, kw_only=True):
    """A delivery as it came; `headers` hold no secrets, and `body` is sealed where it is stored."""

    id: str
    source: str
    received_at: str
    trust: str
    headers: list[tuple[str, str]]
    body: bytes
    purged_at: str | None = None
    """When headers and body were forgotten; the items keep their keys, so that the delivery is still known."""


def delivery_row(organisation: str, delivery: StoredDelivery) -> Put:
    """The row of a new delivery."""
    values: dict[str, Value] = {
        "source": delivery.source, "received_at": delivery.received_at, "trust": delivery.trust,
        "headers": msgspec.json.encode(delivery.headers).decode(), "body": delivery.body,
    }  # fmt: skip
    return Put("inbox", {"organisation": organisation, "id": delivery.id}, values)


def seen_row(organisation: str, source: str, at: str) -> Put:
    """When a source was last heard of."""
    return Put("sources_seen", {"organisation": organisation, "source": source}, {"last_seen": at})


async def last_seen(query: Query, organisation: str, source: str) -> str | None:
    """When a source was last heard of; None before its first delivery."""
    sql = "SELECT last_seen FROM sources_seen WHERE organisation = ? AND source = ?"
    rows = await query(sql, (organisation, source))
    return str(rows[0][0]) if rows else None


def item_row(organisation: str, item: StoredItem) -> Put:
    """The row of a new item."""
    values: dict[str, Value] = {
        "inbox": item.inbox, "ordinal": item.ordinal, "status": item.status, "rule": item.rule,
        "reason": item.reason, "partnership": item.partnership,
    }  # fmt: skip
    return Put("inbox_items", _key(organisation, item.source, item.key), values)


def _key(organisation: str, source: str, key: str) -> dict[str, Value]:
    return {"organisation": organisation, "source": source, "key": key}


def settled(
    organisation: str, source: str, key: str, status: str, *, rule: str | None = None, reason: str | None = None,
    partnership: str | None = None, called: str | None = None,
) -> Change:  # fmt: skip
    """The change that says what became of an item."""
    values: dict[str, Value] = {
        "status": status, "rule": rule, "reason": reason, "partnership": partnership, "called": called,
    }  # fmt: skip
    return Change("inbox_items", _key(organisation, source, key), values)


def waits_for(organisation: str, item: StoredItem, links: Iterable[Link]) -> list[RowChange]:
    """The rows that bring an unmatched item back when one of its links appears."""
    key = _key(organisation, item.source, item.key)
    return [
        Put("inbox_waiting", {**key, "system": link.system, "kind": link.kind, "external_id": link.external_id}, {})
        for link in links
    ]


def waits_no_more(organisation: str, source: str, key: str) -> Remove:
    """The end of the wait."""
    return Remove("inbox_waiting", _key(organisation, source, key))


_ITEM_NAMES = StoredItem.__struct_fields__
_ITEM = f"SELECT {', '.join(_ITEM_NAMES)} FROM inbox_items"  # noqa: S608  # our own names


def _item(row: Row) -> StoredItem:
    return msgspec.convert(dict(zip(_ITEM_NAMES, row, strict=True)), StoredItem)


async def known_items(query: Query, organisation: str, source: str, keys: Sequence[str]) -> dict[str, StoredItem]:
    """The items of these keys that came before."""
    found: dict[str, StoredItem] = {}
    for start in range(0, len(keys), 500):
        part = keys[start : start + 500]
        sql = f"{_ITEM} WHERE organisation = ? AND source = ? AND key IN ({', '.join('?' * len(part))})"
        for row in await query(sql, (organisation, source, *part)):
            item = _item(row)
            found[item.key] = item
    return found


async def items_of(query: Query, organisation: str, inbox: str) -> list[StoredItem]:
    """The items that a delivery brought first."""
    rows = await query(f"{_ITEM} WHERE organisation = ? AND inbox = ? ORDER BY ordinal", (organisation, inbox))
    return [_item(row) for row in rows]


async def deliveries_with(query: Query, status: str, limit: int) -> list[tuple[str, str]]:
    """(organisation, delivery) that have items of a status, of all organisations."""
    sql = "SELECT DISTINCT organisation, inbox FROM inbox_items WHERE status = ? LIMIT ?"
    return [(str(organisation), str(inbox)) for organisation, inbox in await query(sql, (status, limit))]


async def waiting_for(query: Query, organisation: str, link: Link) -> list[str]:
    """The deliveries with items that wait for a link."""
    sql = (
        "SELECT DISTINCT i.inbox FROM inbox_waiting w JOIN inbox_items i ON i.organisation = w.organisation"
        " AND i.source = w.source AND i.key = w.key"
        " WHERE w.organisation = ? AND w.system = ? AND w.kind = ? AND w.external_id = ?"
    )
    rows = await query(sql, (organisation, link.system, link.kind, link.external_id))
    return [str(row[0]) for row in rows]


async def awaited(query: Query, organisation: str, item: StoredItem) -> list[Link]:
    """The links of which any one would bring an unmatched item back."""
    sql = (
        "SELECT system, kind, external_id FROM inbox_waiting WHERE organisation = ? AND source = ? AND key = ?"
        " ORDER BY system, kind, external_id"
    )
    return [Link(*map(str, row)) for row in await query(sql, (organisation, item.source, item.key))]


async def find_delivery(query: Query, organisation: str, inbox: str) -> StoredDelivery | None:
    """A delivery as it came."""
    rows = await query(f"{_DELIVERY} WHERE organisation = ? AND id = ?", (organisation, inbox))
    return _delivery(rows[0]) if rows else None


async def page_of(query: Query, organisation: str, after: str, limit: int) -> list[StoredDelivery]:
    """Deliveries that still have their bodies, in order."""
    sql = f"{_DELIVERY} WHERE organisation = ? AND id > ? AND purged_at IS NULL ORDER BY id LIMIT ?"
    return [_delivery(row) for row in await query(sql, (organisation, after, limit))]


async def older_than(query: Query, at: str, limit: int) -> list[tuple[str, str]]:
    """(organisation, delivery) that came before an instant and still have their bodies, of all organisations."""
    sql = "SELECT organisation, id FROM inbox WHERE purged_at IS NULL AND received_at < ? ORDER BY id LIMIT ?"
    return [(str(organisation), str(inbox)) for organisation, inbox in await query(sql, (at, limit))]


_DELIVERY_NAMES = StoredDelivery.__struct_fields__
_DELIVERY = f"SELECT {', '.join(_DELIVERY_NAMES)} FROM inbox"  # noqa: S608  # our own names


def _delivery(row: Row) -> StoredDelivery:
    values: dict[str, Any] = dict(zip(_DELIVERY_NAMES, row, strict=True))
    values["headers"] = [tuple(each) for each in msgspec.json.decode(values["headers"])]
    return StoredDelivery(**values)


PURGED = "the body was purged before this could be applied; ask the sender to send it anew"


async def purge_rows(query: Query, organisation: str, inbox: str, at: str) -> list[RowChange]:
    """The changes that forget a delivery's body, headers and whatever reasons quote of them; its items stay known."""
    key: dict[str, Value] = {"organisation": organisation, "id": inbox}
    rows: list[RowChange] = [Change("inbox", key, {"headers": "[]", "body": b"", "purged_at": at})]
    for item in await items_of(query, organisation, inbox):
        ended = item.status in ("applied", "ignored")
        reason = (None if item.reason is None else "purged") if ended else PURGED
        status = item.status if ended else "failed"
        rows.append(
            settled(
                organisation, item.source, item.key, status, rule=item.rule, reason=reason, partnership=item.partnership
            )
        )
        rows.append(waits_no_more(organisation, item.source, item.key))
    return rows


async def list_deliveries(
    query: Query, organisation: str, status: str | None, source: str | None, after: str, limit: int
) -> list[str]:  # fmt: skip
    """Ids of deliveries in order, by source and by the status of any of their items."""
    where, parameters = ["d.organisation = ?", "d.id > ?"], [organisation, after]
    if source is not None:
        where.append("d.source = ?")
        parameters.append(source)
    if status is not None:
        where.append(
            "EXISTS (SELECT 1 FROM inbox_items i WHERE i.organisation = d.organisation AND i.inbox = d.id AND i.status = ?)"
        )
        parameters.append(status)
    sql = f"SELECT d.id FROM inbox d WHERE {' AND '.join(where)} ORDER BY d.id LIMIT ?"  # noqa: S608  # only column names
    return [str(row[0]) for row in await query(sql, (*parameters, limit))]


def status_of(items: Sequence[StoredItem]) -> str:
    """A delivery's status: the most urgent of its items'."""
    present = {item.status for item in items}
    return next((status for status in ("received", "failed", "unmatched", "applied") if status in present), "ignored")
