"""What the database holds of each class of data: what `privacy inventory` shows, counted in the tables themselves."""

import sqlite3
from typing import NamedTuple

STUCK = "state IN ('held', 'parked', 'expired')"

WHERE = {
    "evidence": ("evidence", "expires_us", "1"),
    "incident": ("incident", "expires_us", "1"),
    "body": ("outbox", "body_expires_us", f"raw <> x'' AND NOT {STUCK}"),
    "stuck": ("outbox", "body_expires_us", f"raw <> x'' AND {STUCK}"),
    "outbox": ("outbox", "expires_us", "1"),
    "blocked": ("blocked", "expires_us", "1"),
    "contact": ("contact", "expires_us", "1"),
    "key": ("case_key", "NULL", "1"),
    "mailbox": ("contact_health", "expires_us", "1"),
    "exception": ("exception", "expires_us", "1"),
}
"""Class of the retention table -> its table, the column that says when a row runs out, and which rows it means."""


class Holding(NamedTuple):
    """Rows of one class: all, those whose time is running, those whose time is over, and when the next one's ends."""

    name: str
    rows: int
    running: int
    over: int
    next_us: int | None


def holdings(db: sqlite3.Connection, now_us: int) -> list[Holding]:
    """Count every class, in the order of the table."""
    found = []
    for name, (table, column, where) in WHERE.items():
        row = db.execute(
            f"""SELECT count(*), count({column}), count(*) FILTER (WHERE {column} <= ?1),
                min({column}) FILTER (WHERE {column} > ?1) FROM {table} WHERE {where}""",  # noqa: S608  # the table above
            (now_us,),
        ).fetchone()
        found.append(Holding(name, *row))
    return found
