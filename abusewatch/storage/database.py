"""One SQLite file: opened so that an acknowledged row survives a power cut and a deleted one is gone.

Migrated by number.
"""

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib import resources
from pathlib import Path

PRAGMAS = (
    "journal_mode = WAL",
    "synchronous = FULL",  # NORMAL lost acknowledged rows in 2,514 of 3,000 power cuts, FULL in none (threats.md 0.7)
    "secure_delete = ON",  # with the truncated WAL, what makes a deletion one
    "foreign_keys = ON",
    "busy_timeout = 5000",
    "trusted_schema = OFF",
)


class StorageError(RuntimeError):
    """The database cannot be used: damaged, or made by a later version."""


class Database:
    """One connection behind a lock; any thread may call, one at a time."""

    def __init__(self, path: Path) -> None:
        """Open or make the file (mode 0600) and bring it to the newest form; StorageError when that cannot be."""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600))
        self.path = path
        self._lock = threading.RLock()
        self._undone = 0
        self._suspect = False
        self._connection = self._opened()
        try:
            self._migrate()
        except sqlite3.DatabaseError as error:
            self._connection.close()
            raise StorageError(f"{path}: {error}") from error
        except StorageError:
            self._connection.close()
            raise

    def _opened(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        try:
            for pragma in PRAGMAS:
                connection.execute(f"PRAGMA {pragma}")
        except sqlite3.DatabaseError as error:
            connection.close()
            raise StorageError(f"{self.path}: {error}") from error
        return connection

    def close(self) -> None:
        """Close the connection; what was acknowledged is on the disk already."""
        with self._lock:
            self._connection.close()

    def transaction(self) -> AbstractContextManager[sqlite3.Connection]:
        """Do everything inside or nothing; durable when the outermost block has been left."""
        return self._begun("BEGIN IMMEDIATE")

    def reading(self) -> AbstractContextManager[sqlite3.Connection]:
        """Read one consistent state."""
        return self._begun("BEGIN")

    @contextmanager
    def _begun(self, how: str) -> Iterator[sqlite3.Connection]:
        with self._lock:
            if not self._suspect and self._connection.in_transaction:
                yield self._connection
                return
            self._trusted().execute(how)
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException as error:  # whatever ends the block, be it a cancelled task: nothing may stay open behind it
                self._undo(error)
                raise

    def _undo(self, error: BaseException) -> None:
        """Leave no transaction open: the next one would be taken for a part of it, and its promise would be empty.

        SQLite itself ends it at some errors (full, I/O), at others it stays. After an I/O error nothing of what this
        process believes to be on the disk is taken for granted (threats.md T25).
        """
        self._undone += 1
        self._suspect |= getattr(error, "sqlite_errorname", "").startswith("SQLITE_IOERR")
        if self._connection.in_transaction:
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")

    def _trusted(self) -> sqlite3.Connection:
        """Give the connection; after an I/O error a new one, once the file has been found sound.

        Closing writes the log into the file and syncs that, so what a failed sync left in the cache alone is written anew.
        """
        if self._suspect:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
            self._connection = self._opened()
            found = [str(row[0]) for row in self._connection.execute("PRAGMA quick_check")]
            if found != ["ok"]:
                raise StorageError(f"{self.path}: damaged after an I/O error: {found[0]}")
            self._suspect = False
        return self._connection

    def version(self) -> tuple[int, int]:
        """Tell what was read before is still so: it changes when another connection has written (PRAGMA data_version).

        And when a transaction of ours was undone.
        """
        with self._lock:
            return int(self._connection.execute("PRAGMA data_version").fetchone()[0]), self._undone

    def wipe(self) -> None:
        """Move the log into the file and cut it to nothing, so that deleted rows stand nowhere on the disk.

        StorageError when a reader of another process kept the log from being emptied.
        """
        with self._lock:
            busy = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        if busy:
            raise StorageError(f"{self.path}: the log could not be emptied; a reader holds it")

    def check(self) -> list[str]:
        """List what PRAGMA integrity_check and foreign_key_check find; an empty list is a sound file."""
        with self._lock:
            found = [str(row[0]) for row in self._connection.execute("PRAGMA integrity_check")]
            found += [f"foreign key: {tuple(row)}" for row in self._connection.execute("PRAGMA foreign_key_check")]
        return [line for line in found if line != "ok"]

    def _migrate(self) -> None:
        """Run each migration above `user_version` in a transaction of its own."""
        migrations = _migrations()
        have = int(self._connection.execute("PRAGMA user_version").fetchone()[0])
        if have > max(migrations):
            raise StorageError(f"{self.path} was made by a later version (form {have}, known {max(migrations)})")
        for number in sorted(n for n in migrations if n > have):
            script = f"BEGIN IMMEDIATE; {migrations[number]} PRAGMA user_version = {number}; COMMIT;"
            try:
                self._connection.executescript(script)
            except sqlite3.DatabaseError:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise


def _migrations() -> dict[int, str]:
    """Read the numbered SQL files that lie beside this module."""
    folder = resources.files("abusewatch.storage") / "migrations"
    files = (file for file in folder.iterdir() if file.name.endswith(".sql"))
    numbered = [(int(file.name.partition("_")[0]), file.read_text()) for file in files]
    if len({number for number, _ in numbered}) != len(numbered):
        raise AssertionError("two migrations bear one number, and one of them would never run")
    return dict(numbered)
