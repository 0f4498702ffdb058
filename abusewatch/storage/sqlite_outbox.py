"""The outbox in SQLite."""

import sqlite3
from collections.abc import Iterable

from abusewatch.model.message import Message
from abusewatch.outbox import Entry, Settlement, desk_move
from abusewatch.outbox.states import BACKOFF_LAST_SECS, SECOND_US, STATES
from abusewatch.storage.database import Database
from abusewatch.storage.limits import Limits

OPEN = frozenset({"queued", "leased", "retrying"})
STUCK = frozenset({"held", "parked", "expired"})


class SqliteOutbox:
    """The mail part of the store."""

    def __init__(self, database: Database, limits: Limits) -> None:
        """Take the open database."""
        self._db = database
        self._limits = limits

    def enqueue(self, messages: Iterable[Message], hold: str | None, now_us: int) -> int:
        """Put in the messages whose `dedup` is new; returns how many that were. With `hold` they wait for the desk."""
        state = "held" if hold else "queued"
        with self._db.transaction() as db:
            return sum(
                db.execute(
                    """INSERT INTO outbox (dedup, message_id, incident, audience, sender, recipient, subject, raw,
                       state, reason, created_us, next_us, body_expires_us, expires_us)
                       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (dedup) DO NOTHING""",
                    (
                        m.dedup,
                        m.message_id,
                        m.incident,
                        m.audience,
                        m.sender,
                        m.recipient,
                        m.subject,
                        m.raw,
                        state,
                        hold or "",
                        now_us,
                        now_us,
                        *self._expiry(state, now_us),
                    ),
                ).rowcount
                for m in messages
            )

    def told(self, incident: str) -> frozenset[tuple[str, str]]:
        """List (audience, recipient in lower case) of every mail of the case."""
        with self._db.reading() as db:
            rows = db.execute("SELECT audience, recipient FROM outbox WHERE incident = ?", (incident,)).fetchall()
        return frozenset((row["audience"], row["recipient"].lower()) for row in rows)

    def lease(self, now_us: int, limit: int, lease_us: int) -> list[Entry]:
        """Take due messages. A time further off than any wait can be is the mark of a clock set back: due as well."""
        with self._db.transaction() as db:
            rows = db.execute(
                """UPDATE outbox SET state = 'leased', attempts = attempts + 1, lease_us = :now + :lease
                   WHERE id IN (
                     SELECT id FROM outbox
                     WHERE (state IN ('queued', 'retrying') AND (next_us <= :now OR next_us > :now + :longest))
                        OR (state = 'leased' AND (lease_us <= :now OR lease_us > :now + :lease))
                     ORDER BY next_us, id LIMIT :limit)
                   RETURNING *""",
                {"now": now_us, "limit": limit, "lease": lease_us, "longest": BACKOFF_LAST_SECS * SECOND_US},
            ).fetchall()
        return sorted((_entry(row) for row in rows), key=lambda entry: (entry.next_us, entry.id))

    def recover(self, now_us: int) -> int:
        """Give back every lease: for the start of the one daemon that holds the state folder. Returns how many."""
        with self._db.transaction() as db:
            return db.execute(
                "UPDATE outbox SET state = 'retrying', next_us = ?, lease_us = NULL WHERE state = 'leased'", (now_us,)
            ).rowcount

    def settled(self, entry: Entry, settlement: Settlement, now_us: int) -> bool:
        """Write down the outcome of a lease, if it is still this one (`attempts` is its number)."""
        with self._db.transaction() as db:
            return bool(
                db.execute(
                    """UPDATE outbox SET state = ?, next_us = ?, reason = ?, lease_us = NULL,
                       body_expires_us = ?, expires_us = ?
                       WHERE id = ? AND state = 'leased' AND attempts = ?""",
                    (
                        settlement.state,
                        settlement.next_us,
                        settlement.reason,
                        *self._expiry(settlement.state, now_us),
                        entry.id,
                        entry.attempts,
                    ),
                ).rowcount
            )

    def messages(self, state: str | None = None, incident: str | None = None, limit: int = 1000) -> list[Entry]:
        """List messages, oldest first; of one state or case, or all."""
        with self._db.reading() as db:
            rows = db.execute(
                """SELECT * FROM outbox WHERE (?1 IS NULL OR state = ?1) AND (?2 IS NULL OR incident = ?2)
                   ORDER BY id LIMIT ?3""",
                (state, incident, limit),
            ).fetchall()
        return [_entry(row) for row in rows]

    def message(self, ident: int) -> Entry | None:
        """Read one message."""
        with self._db.reading() as db:
            row = db.execute("SELECT * FROM outbox WHERE id = ?", (ident,)).fetchone()
        return _entry(row) if row else None

    def move_message(self, ident: int, event: str, now_us: int) -> Entry | None:
        """Let the desk move a message by the table; None when there is none, OutboxError when it cannot be moved so."""
        with self._db.transaction() as db:
            found = self.message(ident)
            if found is None:
                return None
            state = desk_move(found.state, event, erased=not found.message.raw)
            db.execute(
                "UPDATE outbox SET state = ?, next_us = ?, body_expires_us = ?, expires_us = ? WHERE id = ?",
                (state, now_us, *self._expiry(state, now_us), ident),
            )
            return self.message(ident)

    def counts(self) -> dict[str, int]:
        """Count the messages in each state; every state is named."""
        with self._db.reading() as db:
            rows = db.execute("SELECT state, count(*) AS n FROM outbox GROUP BY state").fetchall()
        return dict.fromkeys(STATES, 0) | {row["state"]: row["n"] for row in rows}

    def _expiry(self, state: str, now_us: int) -> tuple[int | None, int | None]:
        """When body and row of a message that enters `state` run out: never while it is under way."""
        if state in OPEN:
            return None, None
        body_us = self._limits.stuck_us if state in STUCK else self._limits.body_us
        return now_us + body_us, now_us + max(body_us, self._limits.outbox_us)


def _entry(row: sqlite3.Row) -> Entry:
    return Entry(
        id=row["id"],
        message=Message(
            message_id=row["message_id"],
            dedup=row["dedup"],
            incident=row["incident"],
            audience=row["audience"],
            sender=row["sender"],
            recipient=row["recipient"],
            subject=row["subject"],
            raw=row["raw"],
        ),
        state=row["state"],
        attempts=row["attempts"],
        created_us=row["created_us"],
        next_us=row["next_us"],
        reason=row["reason"],
    )
