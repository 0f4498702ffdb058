"""The outbox in SQLite."""

import sqlite3
from collections.abc import Collection, Iterable

from abusewatch.model.message import Audience, Message, Told
from abusewatch.outbox import Bounce, Entry, Settlement, desk_move, move
from abusewatch.outbox.budgets import STALE_US, Budgets
from abusewatch.outbox.states import APPROVAL, BACKOFF_LAST_SECS, SECOND_US, STATES
from abusewatch.storage.codec import decode_extent, encode
from abusewatch.storage.database import Database
from abusewatch.storage.limits import Limits
from abusewatch.storage.merge import began
from abusewatch.storage.sqlite_budgets import BREAKER, SqliteBudgets
from abusewatch.storage.uptime import Uptime
from abusewatch.storage.vault import Vault

OPEN = frozenset({"queued", "leased", "retrying"})
STUCK = frozenset({"held", "parked", "expired"})


class SqliteOutbox(SqliteBudgets):
    """The mail part of the store."""

    def __init__(
        self, database: Database, vault: Vault, limits: Limits, budgets: Budgets | None, uptime: Uptime
    ) -> None:
        """Take the open database, and what locks the texts of mails in it."""
        super().__init__(database, budgets, uptime)
        self._vault = vault
        self._limits = limits

    def enqueue(
        self, messages: Iterable[Message], hold: str | None, now_us: int, approve: frozenset[Audience] = frozenset()
    ) -> int:
        """Put in the messages whose `dedup` is new; returns how many that were.

        With `hold` they wait for the desk, and so do those of a case the desk holds, and those to an audience in
        `approve` while the desk has not approved the case; those over a budget wait for room.
        """
        with self._db.transaction() as db:
            budget_us = self._tick(db, now_us) if self.budgets else now_us
            return sum(
                self._put(db, message, hold or self._desk_hold(db, message, approve), budget_us, now_us)
                for message in messages
            )

    def _put(self, db: sqlite3.Connection, message: Message, hold: str | None, budget_us: int, now_us: int) -> bool:
        if db.execute("SELECT 1 FROM outbox WHERE dedup = ?", (message.dedup,)).fetchone():
            return False
        self._insert(db, message, hold or self._refusal(db, message, budget_us), budget_us, now_us)
        return True

    def _insert(
        self, db: sqlite3.Connection, message: Message, reason: str | None, budget_us: int, now_us: int
    ) -> None:
        """Write a row: held for a reason, or queued and charged."""
        state = "held" if reason else "queued"
        row = {name: getattr(message, name) for name in message.__struct_fields__} | {
            "raw": self._vault.seal(message.incident, message.dedup, message.raw),
            "extent": encode(message.extent) if message.extent else None,
            "state": state,
            "reason": reason or "",
            "created_us": now_us,
            "next_us": now_us,
            "admitted_us": None if reason else budget_us,
        }
        row["body_expires_us"], row["expires_us"] = self._expiry(state, now_us)
        names = ", ".join(row)
        marks = ", ".join(f":{name}" for name in row)
        db.execute(f"INSERT INTO outbox ({names}) VALUES ({marks})", row)  # noqa: S608  # names are ours

    @staticmethod
    def _desk_hold(db: sqlite3.Connection, message: Message, approve: frozenset[Audience] = frozenset()) -> str | None:
        """Say why a mail waits for the desk: the desk holds its case, or has yet to approve it; None when it does not."""
        row = db.execute("SELECT held, approved FROM incident WHERE id = ?", (message.incident,)).fetchone()
        if row and row["held"]:
            return "desk"
        return APPROVAL if message.audience in approve and not (row and row["approved"]) else None

    def release_held(self, now_us: int, limit: int = 1000, quiet: Collection[Audience] = ()) -> list[Entry]:
        """Let go what was held for want of budget, oldest first, as far as there is room now.

        What has waited for days is left to the desk; an audience in `quiet` is left in peace.
        """
        released = []
        with self._db.transaction() as db:
            rows = db.execute(
                """SELECT * FROM outbox WHERE state = 'held' AND (reason = ? OR reason LIKE 'budget %') AND raw <> x''
                   AND created_us > ? ORDER BY id LIMIT ?""",
                (BREAKER, now_us - STALE_US, limit),
            ).fetchall()
            budget_us = self._tick(db, now_us)
            for row in rows:
                message = self._entry(row).message
                if message.audience in quiet:
                    continue
                reason = self._desk_hold(db, message) or self._refusal(db, message, budget_us)
                if reason is None:
                    self._let_go(db, row["id"], move("held", "room"), budget_us, now_us)
                    released.append(self._entry(row))
        return released

    def _let_go(self, db: sqlite3.Connection, ident: int, state: str, budget_us: int, now_us: int) -> None:
        db.execute(
            """UPDATE outbox SET state = ?, reason = '', next_us = ?, admitted_us = coalesce(admitted_us, ?), body_expires_us = ?,
               expires_us = ? WHERE id = ?""",
            (state, now_us, budget_us, *self._expiry(state, now_us), ident),
        )

    def told(self, incident: str) -> dict[tuple[str, str], Told]:
        """Give the last mail to each (audience, recipient in lower case) of the case; of one in a digest, when that left."""
        with self._db.reading() as db:
            rows = db.execute(
                """SELECT one.audience, one.recipient, one.dedup, one.sequence, one.stage, one.extent,
                   coalesce(d.created_us, one.created_us) AS at_us, coalesce(d.state, one.state) AS state
                   FROM outbox AS one LEFT JOIN outbox AS d ON d.id = one.folded_into
                   WHERE one.incident = ? AND one.stage <> 'digest' ORDER BY one.sequence, one.id""",
                (incident,),
            ).fetchall()
        return {
            (row["audience"], row["recipient"].lower()): Told(
                row["sequence"],
                row["stage"],
                row["at_us"],
                row["state"] == "sent",
                began(row["dedup"], incident),
                decode_extent(row["extent"]),
            )
            for row in rows
        }

    def lease(self, now_us: int, limit: int, lease_us: int) -> list[Entry]:
        """Take due messages. A time further off than any wait can be is the mark of a clock set back: due as well."""
        with self._db.transaction() as db:
            rows = db.execute(
                """UPDATE outbox SET state = 'leased', attempts = attempts + 1, lease_us = :now + :lease
                   WHERE id IN (
                     SELECT id FROM outbox
                     WHERE ((state IN ('queued', 'retrying') AND (next_us <= :now OR next_us > :now + :longest))
                        OR (state = 'leased' AND (lease_us <= :now OR lease_us > :now + :lease)))
                       AND audience NOT IN (SELECT audience FROM breaker)
                     ORDER BY next_us, id LIMIT :limit)
                   RETURNING *""",
                {"now": now_us, "limit": limit, "lease": lease_us, "longest": BACKOFF_LAST_SECS * SECOND_US},
            ).fetchall()
        return sorted((self._entry(row) for row in rows), key=lambda entry: (entry.next_us, entry.id))

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

    def bounced(self, bounce: Bounce, now_us: int) -> Entry | None:
        """Write down that a mail came back: for good, it is parked for the desk; None when that is not news."""
        if bounce.kind != "failed":
            return None
        with self._db.transaction() as db:
            row = db.execute(
                "SELECT * FROM outbox WHERE message_id = ? AND state = 'sent'", (bounce.message_id,)
            ).fetchone()
            if row is None:
                return None
            state = move("sent", "bounced")
            db.execute(
                "UPDATE outbox SET state = ?, reason = ?, body_expires_us = ?, expires_us = ? WHERE id = ?",
                (state, f"bounced: {bounce.status}", *self._expiry(state, now_us), row["id"]),
            )
            return self.message(row["id"])

    def messages(self, state: str | None = None, incident: str | None = None, limit: int = 1000) -> list[Entry]:
        """List messages, oldest first; of one state or case, or all."""
        with self._db.reading() as db:
            rows = db.execute(
                """SELECT * FROM outbox WHERE (?1 IS NULL OR state = ?1) AND (?2 IS NULL OR incident = ?2)
                   ORDER BY id LIMIT ?3""",
                (state, incident, limit),
            ).fetchall()
        return [self._entry(row) for row in rows]

    def mail_named(self, message_id: str) -> tuple[str, str, str] | None:
        """Give (audience, case, recipient) of the mail with a Message-ID; None when it is none of ours.

        A customer's digest speaks of several cases, and an answer to it of nobody knows which: it names none.
        """
        with self._db.reading() as db:
            row = db.execute(
                """SELECT audience, incident, recipient FROM outbox WHERE message_id = ?
                   AND NOT (stage = 'digest' AND audience = 'customer')""",
                (message_id,),
            ).fetchone()
        return (row["audience"], row["incident"], row["recipient"]) if row else None

    def addressed(self, audience: str) -> list[tuple[str, str]]:
        """List every (case, recipient) of an audience that a mail was written to."""
        with self._db.reading() as db:
            rows = db.execute(
                "SELECT DISTINCT incident, recipient FROM outbox WHERE audience = ?", (audience,)
            ).fetchall()
        return [(row["incident"], row["recipient"]) for row in rows]

    def message(self, ident: int) -> Entry | None:
        """Read one message."""
        with self._db.reading() as db:
            row = db.execute("SELECT * FROM outbox WHERE id = ?", (ident,)).fetchone()
        return self._entry(row) if row else None

    def move_message(self, ident: int, event: str, now_us: int) -> Entry | None:
        """Let the desk move a message by the table; None when there is none, OutboxError when it cannot be moved so."""
        with self._db.transaction() as db:
            found = self.message(ident)
            if found is None:
                return None
            state = desk_move(found.state, event, erased=not found.message.raw)
            if state == "queued":  # a person may go over a budget, but what he lets go is charged
                self._let_go(db, ident, state, self._tick(db, now_us), now_us)
            else:
                reason = "desk" if state == "held" else found.reason
                db.execute(
                    "UPDATE outbox SET state = ?, reason = ?, next_us = ?, body_expires_us = ?, expires_us = ? WHERE id = ?",
                    (state, reason, now_us, *self._expiry(state, now_us), ident),
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

    def _entry(self, row: sqlite3.Row) -> Entry:
        """Read one row."""
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
                raw=self._vault.open(row["incident"], row["dedup"], row["raw"]),
                sequence=row["sequence"],
                stage=row["stage"],
                extent=decode_extent(row["extent"]),
            ),
            state=row["state"],
            attempts=row["attempts"],
            created_us=row["created_us"],
            next_us=row["next_us"],
            reason=row["reason"],
        )
