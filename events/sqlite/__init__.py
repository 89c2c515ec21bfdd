"""The log in one SQLite file, and files of tables like it."""

from events.sqlite.connection import PRAGMAS
from events.sqlite.file import SqliteFile
from events.sqlite.store import LOG_STEPS, SqliteStore

__all__ = ["LOG_STEPS", "PRAGMAS", "SqliteFile", "SqliteStore"]
