"""Temporary exceptions in SQLite. They end by themselves, and are kept for a while after that: somebody may ask what was silenced."""

import ipaddress
from typing import NamedTuple

from abusewatch.storage.database import Database


class TemporaryException(NamedTuple):
    """An offender's prefix, the rule that is silenced for it, until when (microseconds), why and by whom."""

    id: int
    prefix: str
    rule: str
    until_us: int
    reason: str
    author: str


_COLUMNS = ", ".join(TemporaryException._fields)


class SqliteExceptions:
    """Exceptions in the database of the cases; any thread and process may call."""

    def __init__(self, database: Database, kept_us: int = 0) -> None:
        """Take the open database, and how long an exception is kept after its end."""
        self._db = database
        self._kept_us = kept_us

    def add(self, prefix: str, rule: str, until_us: int, *, reason: str, author: str, now_us: int) -> int:
        """Write an exception; returns its number."""
        with self._db.transaction() as db:
            row = db.execute(
                """INSERT INTO exception (prefix, rule, until_us, reason, author, created_us, expires_us)
                   VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING id""",
                (prefix, rule, until_us, reason, author, now_us, until_us + self._kept_us),
            ).fetchone()
        return int(row["id"])

    def in_force(self, now_us: int) -> list[TemporaryException]:
        """List the exceptions that have not ended, the one that ends first in front."""
        with self._db.reading() as db:
            rows = db.execute(
                f"SELECT {_COLUMNS} FROM exception WHERE until_us > ? ORDER BY until_us, id",  # noqa: S608  # a constant
                (now_us,),
            ).fetchall()
        return [TemporaryException(*row) for row in rows]

    def end(self, prefix: str, rule: str | None, now_us: int) -> int:
        """End the exceptions of a prefix now, those of one rule or all; returns how many."""
        with self._db.transaction() as db:
            return db.execute(
                """UPDATE exception SET until_us = ?1, expires_us = ?1 + ?2
                   WHERE prefix = ?3 AND (?4 IS NULL OR rule = ?4) AND until_us > ?1""",
                (now_us, self._kept_us, prefix, rule),
            ).rowcount

    def covers(self, offender: str, rule: str, now_us: int) -> bool:
        """Whether a finding of a rule about an address is silenced now."""
        address = ipaddress.ip_address(offender)
        return any(one.rule == rule and address in ipaddress.ip_network(one.prefix) for one in self.in_force(now_us))
