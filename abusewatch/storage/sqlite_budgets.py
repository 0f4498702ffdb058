"""The budgets in SQLite: what left lies in the outbox itself, so a kill, a restart or a restored clock forgets nothing."""

import sqlite3
from typing import NamedTuple

from abusewatch.model.message import Audience, Message
from abusewatch.outbox.budgets import DAY_US, HOUR_US, Budgets, Used, over, room
from abusewatch.storage.database import Database
from abusewatch.storage.uptime import Moment, Uptime, elapsed_us

UNLIMITED = 1 << 31
BREAKER = "breaker"
"""The reason of mail held because the breaker of its audience is open; others begin with `budget `."""


class Breaker(NamedTuple):
    """An open breaker: for whom no mail leaves, since when, and how many mails wanted to leave in that hour."""

    audience: str
    opened_us: int
    wanted: int


class SqliteBudgets:
    """The budget part of the store. Without `budgets` nothing is limited, which only a store that sends nothing may be."""

    def __init__(self, database: Database, budgets: Budgets | None, uptime: Uptime) -> None:
        """Take the open database, the limits and the clock that nobody sets."""
        self._db = database
        self.budgets = budgets
        self._uptime = uptime

    def room(self, now_us: int) -> int:
        """Count the mails to operators that the budgets of this hour still let go."""
        if self.budgets is None:
            return UNLIMITED
        with self._db.reading() as db:
            if self._tripped(db, "operator"):
                return 0
            now = self._clock(db, now_us)[1]
            return room(self.budgets, *_hour(db, now))

    def breakers(self) -> list[Breaker]:
        """List the open breakers."""
        with self._db.reading() as db:
            return [Breaker(*row) for row in db.execute("SELECT audience, opened_us, wanted FROM breaker ORDER BY audience")]

    def close_breaker(self, audience: str) -> bool:
        """Let mail to an audience leave again: the desk has looked. What was held goes as the budgets have room."""
        with self._db.transaction() as db:
            db.execute("DELETE FROM wanted WHERE audience = ?", (audience,))
            return db.execute("DELETE FROM breaker WHERE audience = ?", (audience,)).rowcount > 0

    def _tick(self, db: sqlite3.Connection, now_us: int) -> int:
        """Read the budget clock and set it on, within a transaction."""
        moment, budget_us = self._clock(db, now_us)
        db.execute("INSERT OR REPLACE INTO budget_clock VALUES (1, ?, ?, ?, ?)", (*moment, now_us, budget_us))
        return budget_us

    def _clock(self, db: sqlite3.Connection, now_us: int) -> tuple[Moment, int]:
        moment = self._uptime()
        row = db.execute("SELECT boot, up_us, wall_us, budget_us FROM budget_clock").fetchone()
        if row is None:
            return moment, now_us
        return moment, row["budget_us"] + elapsed_us(Moment(row["boot"], row["up_us"]), row["wall_us"], moment, now_us)

    def _refusal(self, db: sqlite3.Connection, message: Message, budget_us: int) -> str | None:
        """Say why a message may not leave now; None when it may."""
        if self.budgets is None:
            return None
        if self._tripped(db, message.audience):
            return BREAKER
        name = over(self.budgets, used(db, message, budget_us), message.audience)
        return f"budget {name}" if name else None

    def _want(self, db: sqlite3.Connection, audience: Audience, count: int, budget_us: int, now_us: int) -> None:
        """Count mails that want to leave, and open the breaker when an hour wanted more than it may."""
        if self.budgets is None or count <= 0:
            return
        db.execute("DELETE FROM wanted WHERE at_us <= ?", (budget_us - HOUR_US,))
        db.execute("INSERT INTO wanted VALUES (?, ?, ?)", (audience, budget_us, count))
        total = db.execute("SELECT sum(count) FROM wanted WHERE audience = ?", (audience,)).fetchone()[0]
        if total > self.budgets.breaker_hour:
            db.execute("INSERT OR IGNORE INTO breaker VALUES (?, ?, ?)", (audience, now_us, total))

    @staticmethod
    def _tripped(db: sqlite3.Connection, audience: str) -> bool:
        return db.execute("SELECT 1 FROM breaker WHERE audience = ?", (audience,)).fetchone() is not None


def used(db: sqlite3.Connection, message: Message, now: int) -> Used:
    """Count what was let go in the spans before `now`. What bears a later time counts too: it was not undone.

    What was folded into a digest counts for its case; as a mail only the digest does.
    """
    recipient = message.recipient.lower()
    of_case, of_recipient = db.execute(
        """SELECT count(*) FILTER (WHERE incident = ?), count(*) FILTER (WHERE folded_into IS NULL) FROM outbox
           WHERE lower(recipient) = ? AND admitted_us > ?""",
        (message.incident, recipient, now - DAY_US),
    ).fetchone()
    of_customer = db.execute(
        """SELECT count(*) FROM outbox JOIN incident ON incident.id = outbox.incident
           WHERE outbox.audience = 'customer' AND admitted_us > ? AND folded_into IS NULL
             AND incident.customer = (SELECT customer FROM incident WHERE id = ?)""",
        (now - DAY_US, message.incident),
    ).fetchone()[0]
    return Used(of_case, of_recipient, of_customer, *_hour(db, now))


def _hour(db: sqlite3.Connection, now: int) -> tuple[int, int]:
    row = db.execute(
        "SELECT count(*), count(*) FILTER (WHERE audience = 'operator') FROM outbox WHERE admitted_us > ? AND folded_into IS NULL",
        (now - HOUR_US,),
    ).fetchone()
    return row[0], row[1]
