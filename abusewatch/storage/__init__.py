"""Where cases and mail are kept: SQLite for the daemon, memory for replays and tests, both under one contract suite."""

from abusewatch.storage.database import StorageError
from abusewatch.storage.lock import StateLocked, lock_state
from abusewatch.storage.memory import MemoryStore
from abusewatch.storage.sqlite import SqliteStore

__all__ = ["MemoryStore", "SqliteStore", "StateLocked", "StorageError", "lock_state"]
