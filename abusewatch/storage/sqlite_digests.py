"""Digests in SQLite: which held mails may leave as one, and the transaction that puts it in their place."""

import sqlite3
from collections.abc import Collection, Iterable, Sequence

from abusewatch.model.message import Audience, Message
from abusewatch.outbox import move
from abusewatch.outbox.budgets import STALE_US, over
from abusewatch.outbox.bundle import LEAST, MOST, Bundle
from abusewatch.storage.sqlite_budgets import BREAKER, used
from abusewatch.storage.sqlite_outbox import SqliteOutbox

WAITING = f"state = 'held' AND (reason = '{BREAKER}' OR reason LIKE 'budget %') AND raw <> x'' AND stage <> 'digest'"
"""Held for want of budget alone, and not erased."""


class SqliteDigests(SqliteOutbox):
    """The part of the outbox that makes one mail of many."""

    def bundles(self, now_us: int, quiet: Collection[Audience] = ()) -> list[Bundle]:
        """List the recipients to whom mails of two or more cases wait and to whom one mail may go now.

        Not to an audience in `quiet`, not what waits so long that it is the desk's, nor what the desk holds. Notices to
        one mailbox for two customers are two bundles.
        """
        groups: dict[tuple[str, ...], list[sqlite3.Row]] = {}
        with self._db.reading() as db:
            rows = db.execute(
                f"""SELECT *, (SELECT customer FROM incident WHERE id = outbox.incident) AS customer FROM outbox
                    WHERE {WAITING} AND created_us > ? AND incident NOT IN (SELECT id FROM incident WHERE held)
                    ORDER BY id LIMIT 2000""",  # noqa: S608  # a constant
                (now_us - STALE_US,),
            ).fetchall()
            for row in rows:
                whose = row["customer"] if row["audience"] == "customer" else ""
                groups.setdefault((row["audience"], row["recipient"].lower(), whose), []).append(row)
            budget_us = self._clock(db, now_us)[1]
            found = (
                self._bundle(db, some, budget_us)
                for (audience, *_), some in groups.items()
                if audience not in quiet and not self._tripped(db, audience)
            )
            return [bundle for bundle in found if bundle]

    def _bundle(self, db: sqlite3.Connection, rows: Sequence[sqlite3.Row], budget_us: int) -> Bundle | None:
        """Leave out the cases he was told of today; None when too few are left or there is no room for one mail to him."""
        if self.budgets is None:
            return None
        newest = {}
        for row in rows:
            spent = used(db, self._entry(row).message, budget_us)
            if spent.case_recipient < self.budgets.case_recipient_day:
                newest[row["incident"]] = row
        entries = tuple(self._entry(row) for row in list(newest.values())[:MOST])
        if len(entries) < LEAST or self._full(db, entries[0].message, budget_us):
            return None
        first = entries[0].message
        last = db.execute(
            "SELECT sequence FROM outbox WHERE stage = 'digest' AND audience = ? AND lower(recipient) = ? ORDER BY id DESC LIMIT 1",
            (first.audience, first.recipient.lower()),
        ).fetchone()
        return Bundle(first.audience, first.recipient, entries, last["sequence"] if last else None)

    def _full(self, db: sqlite3.Connection, message: Message, budget_us: int) -> bool:
        """Whether the budgets of a day or of the hour have no room for one more mail to a recipient."""
        spent = used(db, message, budget_us)._replace(case_recipient=0)
        return self.budgets is not None and over(self.budgets, spent, message.audience) is not None

    def fold(self, digest: Message, idents: Iterable[int], now_us: int) -> bool:
        """Put a digest in the place of held mails, charged as one mail to him and one of each case.

        False, and nothing changed, when one of them is no longer held or the room is gone.
        """
        with self._db.transaction() as db:
            budget_us = self._tick(db, now_us)
            some = list(idents)
            marks = ",".join("?" * len(some))
            held = f"SELECT count(*) FROM outbox WHERE id IN ({marks}) AND {WAITING}"  # noqa: S608  # marks only
            if db.execute(held, some).fetchone()[0] != len(some) or self._full(db, digest, budget_us):
                return False
            self._insert(db, digest, None, budget_us, now_us)
            ident = db.execute("SELECT last_insert_rowid()").fetchone()[0]
            state = move("held", "fold")
            db.execute(
                f"""UPDATE outbox SET state = ?, reason = ?, next_us = ?, admitted_us = ?, folded_into = ?, body_expires_us = ?,
                    expires_us = ? WHERE id IN ({marks})""",  # noqa: S608  # marks only
                (state, f"in mail {ident}", now_us, budget_us, ident, *self._expiry(state, now_us), *some),
            )
            return True
