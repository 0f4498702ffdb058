"""What a person does to a case: hold its mail, let it go, write notes. Notes are for the desk; nothing that writes mail reads them."""

from typing import NamedTuple

from abusewatch.outbox import Entry
from abusewatch.storage.sqlite_digests import SqliteDigests


class Note(NamedTuple):
    """What somebody of the desk wrote down about a case, and when (microseconds)."""

    at_us: int
    author: str
    text: str


class SqliteDesk(SqliteDigests):
    """The desk's part of the store."""

    def hold_case(self, incident: str, now_us: int) -> list[Entry] | None:
        """Hold the mail of a case, what is waiting to leave and all that is yet to be written; None: no such case.

        Returns the mails that were stopped, digests that speak of the case among them. One that is being handed over
        cannot be.
        """
        with self._db.transaction() as db:
            if not db.execute("UPDATE incident SET held = 1, approved = 0 WHERE id = ?", (incident,)).rowcount:
                return None
            waiting = db.execute(
                """SELECT id FROM outbox WHERE state IN ('queued', 'retrying')
                   AND (incident = ?1 OR id IN (SELECT folded_into FROM outbox WHERE incident = ?1)) ORDER BY id""",
                (incident,),
            ).fetchall()
            return [moved for row in waiting if (moved := self.move_message(row["id"], "hold", now_us))]

    def approve_case(self, incident: str, now_us: int) -> list[Entry] | None:
        """Let the held mail of a case go, and no longer hold what is written later; None: no such case."""
        with self._db.transaction() as db:
            if not db.execute("UPDATE incident SET held = 0, approved = 1 WHERE id = ?", (incident,)).rowcount:
                return None
            held = [entry for entry in self.messages("held", incident) if entry.message.raw]
            return [moved for entry in held if (moved := self.move_message(entry.id, "release", now_us))]

    def held(self) -> dict[str, int]:
        """Count the mails of each case that wait: for the desk, or for room in a budget."""
        with self._db.reading() as db:
            rows = db.execute("SELECT incident, count(*) AS n FROM outbox WHERE state = 'held' GROUP BY incident").fetchall()
        return {row["incident"]: row["n"] for row in rows}

    def add_note(self, incident: str, author: str, text: str, now_us: int) -> bool:
        """Write a note to a case; False when there is none."""
        with self._db.transaction() as db:
            if not db.execute("SELECT 1 FROM incident WHERE id = ?", (incident,)).fetchone():
                return False
            db.execute("INSERT INTO note (incident, at_us, author, text) VALUES (?, ?, ?, ?)", (incident, now_us, author, text))
            return True

    def notes(self, incident: str) -> list[Note]:
        """List the notes of a case, oldest first."""
        with self._db.reading() as db:
            rows = db.execute("SELECT at_us, author, text FROM note WHERE incident = ? ORDER BY id", (incident,)).fetchall()
        return [Note(*row) for row in rows]
