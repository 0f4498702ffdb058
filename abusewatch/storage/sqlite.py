"""The store of the daemon: cases, mail and ledger in one SQLite file, joined in one transaction where it matters."""

import contextlib
import sqlite3
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from msgspec.structs import replace

from abusewatch.incidents.lifecycle import LifecycleError, step
from abusewatch.model.incident import Incident
from abusewatch.model.message import Audience, Message
from abusewatch.outbox import Entry
from abusewatch.outbox.budgets import Budgets
from abusewatch.storage.database import Database, StorageError
from abusewatch.storage.holdings import Holding, holdings
from abusewatch.storage.ledger import GENESIS, Line, following
from abusewatch.storage.limits import Limits
from abusewatch.storage.sqlite_desk import SqliteDesk
from abusewatch.storage.sqlite_merging import SqliteMerging
from abusewatch.storage.uptime import Uptime, uptime
from abusewatch.storage.vault import Vault

PURGES = {
    "evidence": ("evidence", "expires_us", "DELETE FROM evidence"),
    "incident": ("incident", "expires_us", "DELETE FROM incident"),
    "body": ("outbox", "body_expires_us", "UPDATE outbox SET raw = x'', body_expires_us = NULL"),
    "outbox": ("outbox", "expires_us", "DELETE FROM outbox"),
    "blocked": ("blocked", "expires_us", "DELETE FROM blocked"),
    "contact": ("contact", "expires_us", "DELETE FROM contact"),
    "mailbox": ("contact_health", "expires_us", "DELETE FROM contact_health"),
    "exception": ("exception", "expires_us", "DELETE FROM exception"),
}
"""Class of data -> its table, the column that says when it runs out, and how it goes."""


class SqliteStore(SqliteMerging, SqliteDesk):
    """All of it. Every call is one transaction, durable on return; any thread may call."""

    def __init__(
        self,
        path: Path,
        limits: Limits,
        budgets: Budgets | None = None,
        clock: Uptime = uptime,
        key: bytes | None = None,
    ) -> None:
        """Open or make the file; StorageError when it is damaged or of a later version.

        Whoever sends gives `budgets`; `clock` is what they are reckoned by. `key` locks what names third parties; without
        one it lies beside the file.
        """
        self.database = Database(path)
        self.vault = Vault(self.database, key)
        SqliteMerging.__init__(self, self.database, self.vault, limits)
        SqliteDesk.__init__(self, self.database, self.vault, limits, budgets, clock)
        if self.vault.fresh:
            with self.database.transaction() as db:
                self.vault.mark(db)
                self.lock_what_lies_open()
            with contextlib.suppress(StorageError, sqlite3.Error):  # a reader holds it: emptied with the next purge
                self.database.wipe()

    def close(self) -> None:
        """Close the file."""
        self.database.close()

    def due(self, limit: int, now_us: int) -> list[tuple[Incident, int]]:
        """List incidents of which a version was not looked at yet, or whose time to look again has come.

        The longest waiting first; of the closed ones those that somebody was told of.
        """
        with self.database.reading() as db:
            rows = db.execute(
                """SELECT id, version FROM incident AS i WHERE id IN (
                     SELECT id FROM incident WHERE examined < version UNION SELECT id FROM incident WHERE again_us <= ?)
                   AND (state <> 'closed' OR EXISTS (SELECT 1 FROM outbox WHERE incident = i.id AND outbox.state IN ('sent', 'folded')))
                   ORDER BY updated_us, id LIMIT ?""",
                (now_us, limit),
            ).fetchall()
            return [(found, row["version"]) for row in rows if (found := self.incident(row["id"]))]

    def commit(  # noqa: PLR0913  # one transaction: all of it or nothing
        self,
        incident: str,
        version: int,
        messages: Sequence[Message],
        blocked: Sequence[tuple[str, str, str]],
        *,
        hold: str | None,
        approve: frozenset[Audience] = frozenset(),
        now_us: int,
        again_us: int | None = None,
        waiting: int = 0,
    ) -> int:
        """Enqueue and mark in one transaction; returns how many mails were new."""
        with self.database.transaction() as db:
            if not hold:
                free = [message for message in messages if not self._desk_hold(db, message, approve)]
                self._count_wanted(incident, free, waiting, now_us)
            new = self.enqueue(messages, hold, now_us, approve)
            if new and any(message.audience == "customer" for message in messages):
                self._note_notice(incident, now_us)
            db.executemany(
                "INSERT OR REPLACE INTO blocked VALUES (?, ?, ?, ?, ?, ?)",
                [(incident, *entry, now_us, now_us + self._limits.blocked_us) for entry in blocked],
            )
            db.execute(
                "UPDATE incident SET examined = max(examined, ?), again_us = ?, waiting = ? WHERE id = ?",
                (version, again_us, waiting, incident),
            )
            if new and self._on_its_way(incident):
                self._mark_told(incident, now_us)
        return new

    def move_message(self, ident: int, event: str, now_us: int) -> Entry | None:
        """Let the desk move a message by the table; a case whose mail was released has been told."""
        with self.database.transaction():
            entry = super().move_message(ident, event, now_us)
            if entry and entry.state == "queued":
                self._mark_told(entry.message.incident, now_us)
        return entry

    def release_held(self, now_us: int, limit: int = 1000, quiet: Collection[Audience] = ()) -> list[Entry]:
        """Let go what was held for want of budget, as far as there is room now."""
        with self.database.transaction():
            released = super().release_held(now_us, limit, quiet)
            for case in {entry.message.incident for entry in released}:
                self._mark_told(case, now_us)
        return released

    def fold(self, digest: Message, idents: Iterable[int], now_us: int) -> bool:
        """Put a digest in the place of held mails; their cases have been told."""
        some = list(idents)
        with self.database.transaction():
            folded = super().fold(digest, some, now_us)
            for entry in map(self.message, some) if folded else ():
                if entry:
                    self._mark_told(entry.message.incident, now_us)
        return folded

    def _count_wanted(self, incident: str, messages: Sequence[Message], waiting: int, now_us: int) -> None:
        """Count what wants to leave and did not want to at the last look."""
        if self.budgets is None:
            return
        with self.database.transaction() as db:
            row = db.execute("SELECT waiting FROM incident WHERE id = ?", (incident,)).fetchone()
            budget_us = self._tick(db, now_us)
            operators = sum(message.audience == "operator" for message in messages)
            fresh = operators + waiting - (row["waiting"] if row else 0)
            self._want(db, "operator", fresh, budget_us, now_us)
            self._want(db, "customer", len(messages) - operators, budget_us, now_us)

    def _on_its_way(self, incident: str) -> bool:
        with self.database.reading() as db:
            return (
                db.execute("SELECT 1 FROM outbox WHERE incident = ? AND state <> 'held'", (incident,)).fetchone()
                is not None
            )

    def blocked(self, incident: str | None = None) -> list[tuple[str, str, str, str]]:
        """List (incident, audience, recipient, reason) of mails that were not allowed to leave."""
        with self.database.reading() as db:
            rows = db.execute(
                "SELECT incident, audience, recipient, reason FROM blocked WHERE ?1 IS NULL OR incident = ?1",
                (incident,),
            ).fetchall()
        return [tuple(row) for row in rows]

    def purge(self, now_us: int, *, dry_run: bool = False) -> dict[str, int]:
        """Delete what has run out, prove it in the ledger and wipe the log; counts by class. `dry_run` only counts."""
        counts = {}
        with self.database.transaction() as db:
            for name, (table, column, how) in PURGES.items():
                where = f"WHERE {column} <= ?"
                if dry_run:
                    query = f"SELECT count(*) FROM {table} {where}"  # noqa: S608  # names are of the table above
                    counts[name] = db.execute(query, (now_us,)).fetchone()[0]
                    continue
                counts[name] = db.execute(f"{how} {where}", (now_us,)).rowcount
                if counts[name]:
                    self._write_ledger(now_us, name, counts[name], column)
            counts["key"] = self.vault.destroy(db, now_us, dry_run=dry_run)
            if counts["key"] and not dry_run:
                self._write_ledger(now_us, "key", counts["key"], "locks nothing")
        if not dry_run and any(counts.values()):
            self.database.wipe()
        return counts

    def holdings(self, now_us: int) -> list[Holding]:
        """Count what is held of each class of data."""
        with self.database.reading() as db:
            return holdings(db, now_us)

    def ledger(self) -> list[Line]:
        """Read the ledger, oldest line first."""
        with self.database.reading() as db:
            return [
                Line(*row) for row in db.execute("SELECT seq, at_us, class, count, rule, hash FROM ledger ORDER BY seq")
            ]

    def _write_ledger(self, now_us: int, name: str, count: int, rule: str) -> None:
        with self.database.transaction() as db:
            last = db.execute(
                "SELECT seq, at_us, class, count, rule, hash FROM ledger ORDER BY seq DESC LIMIT 1"
            ).fetchone()
            line = following(Line(*last) if last else GENESIS, now_us, name, count, rule)
            db.execute("INSERT INTO ledger VALUES (?, ?, ?, ?, ?, ?)", line)

    def _mark_told(self, ident: str, now_us: int) -> None:
        """Mark the incident as told without making casework look at it again."""
        with self.database.transaction() as db:
            row = db.execute("SELECT state, notified_us FROM incident WHERE id = ?", (ident,)).fetchone()
            if row is None:
                return
            try:
                state: str = step(row["state"], "told")
            except LifecycleError:
                state = row["state"]  # closed by the desk in this very moment: the mail goes, the case stays closed
            notified = now_us if row["notified_us"] is None else row["notified_us"]
            db.execute("UPDATE incident SET state = ?, notified_us = ? WHERE id = ?", (state, notified, ident))
            if ident in self._open:
                self._remember(replace(self._open[ident], state=state, notified_us=notified))
