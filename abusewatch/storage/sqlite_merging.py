"""Two cases become one: findings, notes and mail move in one transaction, each locked anew under the key of the case it goes to."""

import sqlite3
from collections.abc import Sequence

from abusewatch.incidents import Change, join
from abusewatch.incidents.lifecycle import LifecycleError
from abusewatch.model.incident import Incident
from abusewatch.storage.sqlite_cases import SqliteCases

AUTHOR = "abusewatch"
"""Who writes the note where rules turned out to see one act."""


class SqliteMerging(SqliteCases):
    """The part of the store that merges cases."""

    def merge_cases(self, ident: str, other: str, author: str, now_us: int) -> Incident | None:
        """Move all of `other` into `ident` and close it; None when one of them does not exist.

        Nobody is mailed of that. Threads of mail go on under the names they began with. LifecycleError when they are not two
        open cases of one customer.
        """
        with self._db.transaction() as db:
            one, two = self.incident(ident), self.incident(other)
            if one is None or two is None:
                return None
            kept, gone = join(one, two, now_us)
            self._write(db, gone)  # first, so that its kind is free
            self._write(db, kept)
            self._write_evidence(db, kept, one)
            self._give_over(db, gone, author)
        self._remember(gone)
        self._remember(kept)
        return kept

    def save(self, changes: Sequence[Change]) -> None:
        """Write all changes in one transaction; a case that another one took over gives it all it has."""
        gone = [one for one, _ in changes if one.merged_into and self.merged_into(one.id) is None]
        with self._db.transaction() as db:
            for one in gone:
                self._write(db, one)  # first, so that its kind is free
            super().save([change for change in changes if not change.incident.merged_into])
            for one in gone:
                self._give_over(db, one, AUTHOR)
        for one in gone:
            self._remember(one)

    def _give_over(self, db: sqlite3.Connection, gone: Incident, author: str) -> None:
        """Move what hangs on a case that is closed to the one that holds its findings: mail, notes and marks."""
        other, ident, now_us = gone.id, gone.merged_into, gone.updated_us
        self._move_mail(db, ident, other)
        db.execute("UPDATE OR REPLACE blocked SET incident = ? WHERE incident = ?", (ident, other))
        db.execute("UPDATE note SET incident = ? WHERE incident = ?", (ident, other))
        for table in ("evidence", "noticed"):
            db.execute(f"DELETE FROM {table} WHERE incident = ?", (other,))  # noqa: S608  # the two names above
        db.execute(
            """UPDATE incident SET merged_into = ?, examined = version, again_us = NULL, waiting = 0 WHERE id = ?""",
            (ident, other),
        )
        db.execute(
            """UPDATE incident SET held = max(held, (SELECT held FROM incident WHERE id = ?1)),
               approved = min(approved, (SELECT approved FROM incident WHERE id = ?1)) WHERE id = ?2""",
            (other, ident),
        )
        for case, text in ((ident, f"{other} was merged into this case"), (other, f"merged into {ident}")):
            db.execute(
                "INSERT INTO note (incident, at_us, author, text) VALUES (?, ?, ?, ?)", (case, now_us, author, text)
            )

    def merged_into(self, ident: str) -> str | None:
        """Name the case that holds what this one held; None when it was not merged."""
        with self._db.reading() as db:
            row = db.execute("SELECT merged_into FROM incident WHERE id = ?", (ident,)).fetchone()
        return row["merged_into"] if row else None

    def move_incident(self, ident: str, event: str, now_us: int) -> Incident | None:
        """Let somebody move an incident; one that was merged is not moved any more."""
        where = self.merged_into(ident)
        if where:
            raise LifecycleError(f"it was merged into {where}; move that")
        return super().move_incident(ident, event, now_us)

    def _move_mail(self, db: sqlite3.Connection, ident: str, other: str) -> None:
        """Move the mail; `dedup` stays, so that nothing is sent twice and threads know where they began."""
        for row in db.execute("SELECT id, dedup, raw FROM outbox WHERE incident = ?", (other,)).fetchall():
            raw = row["raw"]
            if raw:
                raw = self._vault.seal(ident, row["dedup"], self._vault.open(other, row["dedup"], raw))
            db.execute("UPDATE outbox SET incident = ?, raw = ? WHERE id = ?", (ident, raw, row["id"]))
