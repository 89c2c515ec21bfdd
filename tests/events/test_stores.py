"""Every store keeps the same promises."""

from datetime import datetime

import pytest

from events.memory import MemoryStore
from events.migrations import Migration
from events.sqlite import SqliteStore
from tests.events.contract import NOON, NOTES, StoreContract


class MemoryWorld:
    def __init__(self):
        self.now: datetime = NOON

    async def open(self, projections=()):
        return MemoryStore(lambda: self.now, projections)

    async def notes(self, store):
        return store.rows("notes")

    async def write(self, store, rows):
        await store.write(rows)


class SqliteWorld:
    def __init__(self, path):
        self.now: datetime = NOON
        self._path = path
        self._opened = []

    async def open(self, projections=()):
        path = self._path / f"{len(self._opened)}.db"
        notes = Migration(900, "notes", NOTES)
        store = await SqliteStore.open(path, migrations=[notes], clock=lambda: self.now, projections=projections)
        self._opened.append(store)
        return store

    async def notes(self, store):
        rows = await store.query("SELECT organisation, id, text FROM notes ORDER BY rowid")
        return [dict(zip(("organisation", "id", "text"), row, strict=True)) for row in rows]

    async def write(self, store, rows):
        await store.write(rows)

    async def close(self):
        for store in self._opened:
            await store.close()


class TestMemoryStore(StoreContract):
    @pytest.fixture
    def world(self):
        return MemoryWorld()


class TestSqliteStore(StoreContract):
    @pytest.fixture
    async def world(self, tmp_path):
        world = SqliteWorld(tmp_path)
        yield world
        await world.close()
