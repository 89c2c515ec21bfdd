"""API keys and sources by their ids: the list from events, and the directory that says whose an id is.

The directory is no read model: it holds digests of secrets, which no event carries, and it is the one table that is
asked before the organisation is known.
"""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from msgspec import Struct

from domain import events as e
from domain.types import Side
from events.codec import microseconds
from events.envelope import RecordedEvent
from events.store import Change, Put, RowChange, Value
from service.projections import Query, Row

TABLES = ("keys", "sources")
TOKEN = ("tiles",)
"""The scopes of a token, which is a key that stands in a path: no route asks for this scope, so that it opens no other."""
LISTED = (
    e.KeyCreated, e.KeyChanged, e.KeyLimited, e.KeyRevoked, e.SourceCreated, e.SourceChanged, e.SourceWatched, e.SourceRemoved,
)  # fmt: skip
"""The events that `project` answers to."""

DDL = """
CREATE TABLE directory (
  id TEXT NOT NULL PRIMARY KEY,
  organisation TEXT NOT NULL,
  digest BLOB
) STRICT;
CREATE TABLE secrets (
  organisation TEXT NOT NULL,
  holder TEXT NOT NULL,
  wrapped BLOB NOT NULL,
  PRIMARY KEY (organisation, holder)
) STRICT;
CREATE TABLE keys (
  organisation TEXT NOT NULL,
  id TEXT NOT NULL,
  name TEXT,
  scopes TEXT NOT NULL,
  side TEXT,
  partnerships TEXT,
  expires_at TEXT,
  created_at INTEGER NOT NULL,
  revoked_at INTEGER,
  PRIMARY KEY (organisation, id)
) STRICT;
CREATE TABLE sources (
  organisation TEXT NOT NULL,
  id TEXT NOT NULL,
  connector TEXT NOT NULL,
  name TEXT NOT NULL,
  settings TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  removed_at INTEGER,
  PRIMARY KEY (organisation, id)
) STRICT;
"""


SILENCE = "ALTER TABLE sources ADD COLUMN silence_after INTEGER;"
OVERLAP = """
ALTER TABLE directory ADD COLUMN earlier BLOB;
ALTER TABLE directory ADD COLUMN earlier_until INTEGER;
CREATE TABLE keys_seen (
  organisation TEXT NOT NULL,
  key TEXT NOT NULL,
  last_used INTEGER NOT NULL,
  PRIMARY KEY (organisation, key)
) STRICT;
"""


QUOTA = "ALTER TABLE keys ADD COLUMN requests_per_minute INTEGER;"


class Key(Struct, frozen=True, kw_only=True):
    """A key as it may be shown: never its secret."""

    id: str
    name: str | None
    scopes: tuple[str, ...]
    side: Side | None
    partnerships: tuple[str, ...] | None
    expires_at: datetime | None
    created_at: int
    revoked_at: int | None
    last_used: int | None = None
    requests_per_minute: int | None = None

    @property
    def is_token(self) -> bool:
        """Whether it stands in paths, and nowhere else."""
        return self.scopes == TOKEN


class Owned(Struct, frozen=True):
    """Whose a key or a source is, and the digests of a key's secret: the one in force, and the one before it."""

    organisation: str
    digest: bytes | None
    earlier: bytes | None
    earlier_until: int | None
    """Until when the one before holds, in microseconds."""


class Source(Struct, frozen=True, kw_only=True):
    """A source of deliveries as it may be shown: never its secrets."""

    id: str
    connector: str
    name: str
    settings: dict[str, object]
    created_at: int
    removed_at: int | None
    silence_after: int | None = None
    """After how many seconds without a delivery somebody should look; None: never."""


def project(organisation: str, recorded: RecordedEvent, data: e.Event) -> Sequence[RowChange]:  # noqa: C901, PLR0911  # one match, a line a kind
    """What an event does to the lists of keys and sources."""
    at = microseconds(recorded.recorded_at)
    match data:
        case e.KeyCreated():
            return [Put("keys", {"organisation": organisation, "id": data.key}, _key_values(data, at))]
        case e.KeyChanged():
            told: dict[str, Value] = {"name": data.name, "expires_at": data.expires_at}
            known: dict[str, Value] = {name: value for name, value in told.items() if value is not None}
            return [Change("keys", {"organisation": organisation, "id": data.key}, known)] if known else []
        case e.KeyLimited():
            quota: dict[str, Value] = {"requests_per_minute": data.requests_per_minute}
            return [Change("keys", {"organisation": organisation, "id": data.key}, quota)]
        case e.KeyRevoked():
            return [Change("keys", {"organisation": organisation, "id": data.key}, {"revoked_at": at})]
        case e.SourceCreated():
            values: dict[str, Value] = {
                "connector": data.connector, "name": data.name, "settings": _json(data.settings),
                "created_at": at, "removed_at": None, "silence_after": None,
            }  # fmt: skip
            return [Put("sources", {"organisation": organisation, "id": data.source}, values)]
        case e.SourceChanged():
            changes: dict[str, Value] = {}
            if data.name is not None:
                changes["name"] = data.name
            if data.settings is not None:
                changes["settings"] = _json(data.settings)
            return [Change("sources", {"organisation": organisation, "id": data.source}, changes)] if changes else []
        case e.SourceWatched():
            key: dict[str, Value] = {"organisation": organisation, "id": data.source}
            return [Change("sources", key, {"silence_after": data.silence_after})]
        case e.SourceRemoved():
            return [Change("sources", {"organisation": organisation, "id": data.source}, {"removed_at": at})]
        case _:
            return []


def _key_values(data: e.KeyCreated, at: int) -> dict[str, Value]:
    return {
        "name": data.name, "scopes": _json(data.scopes), "side": data.side,
        "partnerships": None if data.partnerships is None else _json(data.partnerships),
        "expires_at": data.expires_at, "created_at": at, "revoked_at": None,
        "requests_per_minute": None,
    }  # fmt: skip


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


async def owner(query: Query, identifier: str) -> Owned | None:
    """Whose a key or a source is."""
    sql = "SELECT organisation, digest, earlier, earlier_until FROM directory WHERE id = ?"
    rows = await query(sql, (identifier,))
    return msgspec.convert(dict(zip(Owned.__struct_fields__, rows[0], strict=True)), Owned) if rows else None


def owned_row(identifier: str, owned: Owned) -> Put:
    """The directory's row of a key or a source."""
    return Put("directory", {"id": identifier}, msgspec.structs.asdict(owned))


def seen_row(organisation: str, key: str, at: datetime) -> Put:
    """When a key was last used."""
    return Put("keys_seen", {"organisation": organisation, "key": key}, {"last_used": microseconds(at)})


_KEYS = """
    SELECT id, name, scopes, side, partnerships, expires_at, created_at, revoked_at, last_used, requests_per_minute
    FROM keys LEFT JOIN keys_seen ON keys_seen.organisation = keys.organisation AND keys_seen.key = keys.id
"""
_SOURCES = "SELECT id, connector, name, settings, created_at, removed_at, silence_after FROM sources"


async def find_key(query: Query, organisation: str, key: str) -> Key | None:
    """A key of the organisation, also a revoked one."""
    rows = await query(f"{_KEYS} WHERE keys.organisation = ? AND id = ?", (organisation, key))
    return _key(rows[0]) if rows else None


async def list_keys(query: Query, organisation: str, after: str, limit: int, *, tokens: bool = False) -> list[Key]:
    """The organisation's keys, or its tokens, in order."""
    sql = f"{_KEYS} WHERE keys.organisation = ? AND id > ? AND (scopes = ?) = ? ORDER BY id LIMIT ?"
    return [_key(row) for row in await query(sql, (organisation, after, _json(TOKEN), tokens, limit))]


def _key(row: Row) -> Key:
    values = dict(zip(Key.__struct_fields__, row, strict=True))
    for name in ("scopes", "partnerships"):
        values[name] = None if values[name] is None else msgspec.json.decode(str(values[name]))
    return msgspec.convert(values, Key)


async def find_source(query: Query, organisation: str, source: str) -> Source | None:
    """A source of the organisation that was not removed."""
    rows = await query(f"{_SOURCES} WHERE organisation = ? AND id = ? AND removed_at IS NULL", (organisation, source))
    return _source(rows[0]) if rows else None


async def list_sources(query: Query, organisation: str, after: str, limit: int) -> list[Source]:
    """The organisation's sources, in order."""
    sql = f"{_SOURCES} WHERE organisation = ? AND id > ? AND removed_at IS NULL ORDER BY id LIMIT ?"
    return [_source(row) for row in await query(sql, (organisation, after, limit))]


async def sources_of(query: Query, organisation: str, connector: str) -> list[str]:
    """The ids of the sources that use a connector."""
    sql = "SELECT id FROM sources WHERE organisation = ? AND connector = ? AND removed_at IS NULL ORDER BY id"
    return [str(row[0]) for row in await query(sql, (organisation, connector))]


async def watched(query: Query) -> list[tuple[str, Source]]:
    """(organisation, source) of all organisations that somebody wants to hear of when they fall silent."""
    rows = await query(
        f"SELECT organisation, {_SOURCES.removeprefix('SELECT ')} WHERE silence_after IS NOT NULL AND removed_at IS NULL"
    )
    return [(str(row[0]), _source(row[1:])) for row in rows]


def _source(row: Row) -> Source:
    values = dict(zip(Source.__struct_fields__, row, strict=True))
    values["settings"] = msgspec.json.decode(str(values["settings"]))
    return msgspec.convert(values, Source)
