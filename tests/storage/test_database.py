"""The file is private, durable, migrated by number, and refused when it cannot be trusted."""

import sqlite3
import stat

import pytest

from abusewatch.storage import StorageError
from abusewatch.storage.database import Database, _migrations


def test_it_is_opened_durable_private_and_sound(path):
    db = Database(path)
    with db.reading() as connection:
        values = {name: connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous", "secure_delete", "foreign_keys", "user_version")}
    assert values == {"journal_mode": "wal", "synchronous": 2, "secure_delete": 1, "foreign_keys": 1, "user_version": len(_migrations())}
    assert db.check() == []
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    db.close()


def test_every_table_is_strict(path):
    db = Database(path)
    with db.reading() as connection:
        rows = connection.execute("SELECT name, strict FROM pragma_table_list WHERE schema = 'main' AND name NOT LIKE 'sqlite_%'").fetchall()
    assert {row["name"]: row["strict"] for row in rows} == dict.fromkeys(["sequence", "incident", "evidence", "outbox", "blocked", "ledger", "budget_clock", "wanted", "breaker", "note", "contact", "contact_health", "noticed", "case_key", "vault", "exception", "lookup_day"], 1)
    db.close()


def test_a_file_of_a_later_version_is_refused_and_left_alone(path):
    Database(path).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StorageError, match="later version"):
        Database(path)
    assert path.read_bytes() == before


def test_garbage_is_refused_with_one_clear_line(path):
    path.parent.mkdir()
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(StorageError, match=r"abusewatch\.db: "):
        Database(path)


def test_a_symlink_is_not_followed(path, tmp_path):
    path.parent.mkdir()
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic"):
        Database(path)


def test_a_failed_transaction_leaves_nothing(path):
    db = Database(path)
    with pytest.raises(sqlite3.IntegrityError):
        half_of_it(db)
    with db.reading() as connection:
        assert connection.execute("SELECT count(*) FROM sequence").fetchone()[0] == 0
    db.close()


def half_of_it(db):
    with db.transaction() as connection:
        connection.execute("INSERT INTO sequence VALUES (2026, 7)")
        connection.execute("INSERT INTO sequence VALUES (2026, 8)")


def test_a_log_that_a_reader_holds_is_not_called_wiped(path):
    db = Database(path)
    with db.transaction() as connection:
        connection.execute("INSERT INTO sequence VALUES (2026, 7)")
        connection.execute("PRAGMA busy_timeout = 50")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN")
    other.execute("SELECT * FROM sequence").fetchall()
    with db.transaction() as connection:
        connection.execute("INSERT INTO sequence VALUES (2027, 7)")
    with db.reading() as connection:
        connection.execute("PRAGMA busy_timeout = 50")
    with pytest.raises(StorageError, match="reader"):
        db.wipe()
    other.execute("COMMIT")
    other.close()
    db.wipe()
    db.close()
