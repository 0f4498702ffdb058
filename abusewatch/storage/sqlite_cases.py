"""Incidents and their evidence in SQLite, and the one transaction that joins them to the outbox."""

import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime

from msgspec.structs import replace

from abusewatch.evidence import without_evidence
from abusewatch.incidents import Change, Noticed, seen, step
from abusewatch.incidents.lifecycle import LifecycleError
from abusewatch.model.finding import Detection
from abusewatch.model.incident import Incident
from abusewatch.storage.codec import decode_detection, decode_incident, decode_seen, encode
from abusewatch.storage.database import Database
from abusewatch.storage.limits import Limits
from abusewatch.storage.merge import merged
from abusewatch.storage.vault import Vault


class SqliteCases:
    """The incident part of the store.

    Open incidents are kept decoded, and read anew when another process has written.
    """

    def __init__(self, database: Database, vault: Vault, limits: Limits) -> None:
        """Take the open database, and what locks the evidence in it."""
        self._db = database
        self._vault = vault
        self._limits = limits
        self._open: dict[str, Incident] = {}
        self._seen_version = (-1, -1)

    def next_id(self, now_us: int) -> str:
        """Give out the next case number of the year."""
        year = datetime.fromtimestamp(now_us // 1_000_000, UTC).year
        with self._db.transaction() as db:
            row = db.execute(
                "INSERT INTO sequence VALUES (?, 1) ON CONFLICT (year) DO UPDATE SET last = last + 1 RETURNING last",
                (year,),
            ).fetchone()
        return f"AW-{year}-{row[0]:06d}"

    def open_incidents(self) -> list[Incident]:
        """List every incident that is not closed, with its evidence, oldest first."""
        with self._db.reading() as db:
            version = self._db.version()
            if version != self._seen_version:
                rows = db.execute("SELECT id FROM incident WHERE state <> 'closed' ORDER BY id").fetchall()
                self._open = {row["id"]: found for row in rows if (found := self.incident(row["id"]))}
                self._seen_version = version
            return list(self._open.values())

    def incidents(self, state: str | None = None, limit: int = 1000) -> list[Incident]:
        """List incidents without evidence, newest first; of one state, or all."""
        with self._db.reading() as db:
            rows = db.execute(
                "SELECT * FROM incident WHERE ?1 IS NULL OR state = ?1 ORDER BY id DESC LIMIT ?2", (state, limit)
            ).fetchall()
        return [_read(row) for row in rows]

    def incident(self, ident: str) -> Incident | None:
        """Read one incident with the evidence that is still there."""
        with self._db.reading() as db:
            row = db.execute("SELECT * FROM incident WHERE id = ?", (ident,)).fetchone()
            if row is None:
                return None
            evidence = db.execute(
                "SELECT episode, body FROM evidence WHERE incident = ? ORDER BY rowid", (ident,)
            ).fetchall()
            opened = tuple(decode_detection(self._vault.open(ident, r["episode"], r["body"])) for r in evidence)
        return replace(_read(row), **({"detections": opened} if opened else {}))

    def save(self, changes: Sequence[Change]) -> None:
        """Write all changes in one transaction."""
        written = []
        with self._db.transaction() as db:
            for change in changes:
                row = db.execute("SELECT * FROM incident WHERE id = ?", (change.incident.id,)).fetchone()
                incident = merged(change, row["state"], row["notified_us"]) if row else change.incident
                known = self._open.get(incident.id)
                if row and known is not None and known == incident:
                    continue
                self._write(db, incident)
                self._write_evidence(db, incident, known)
                written.append(incident)
        for incident in written:
            self._remember(incident)

    def noticed(self, ident: str) -> Noticed | None:
        """Tell when the customer's last notice was written, and what had been seen by then."""
        with self._db.reading() as db:
            row = db.execute("SELECT at_us, body FROM noticed WHERE incident = ?", (ident,)).fetchone()
            return Noticed(row["at_us"], decode_seen(self._vault.open(ident, "noticed", row["body"]))) if row else None

    def _note_notice(self, ident: str, now_us: int) -> None:
        """Keep what had been seen when a notice was written; within the transaction that puts it into the outbox."""
        found = self._open.get(ident) or self.incident(ident)
        if found is not None:
            with self._db.transaction() as db:
                sealed = self._vault.seal(ident, "noticed", encode(seen(found)))
                db.execute("INSERT OR REPLACE INTO noticed VALUES (?, ?, ?)", (ident, now_us, sealed))

    def move_incident(self, ident: str, event: str, now_us: int) -> Incident | None:
        """Let somebody move an incident by the lifecycle table.

        None when there is none, LifecycleError when it cannot be.
        """
        found = self.incident(ident)
        if found is None:
            return None
        self._refuse_a_second(found, event)
        after = replace(found, state=step(found.state, event), updated_us=now_us)  # type: ignore[arg-type]  # a word from outside; the table refuses unknown ones
        self.save([Change(after, found.state)])
        return after

    def _refuse_a_second(self, found: Incident, event: str) -> None:
        """Refuse to open a case again while its customer has a newer one open that holds its kind."""
        kinds = {found.kind, *found.also}
        newer = [
            one.id
            for one in self.open_incidents()
            if one.customer == found.customer and one.id != found.id and kinds & {one.kind, *one.also}
        ]
        if event == "reopen" and newer:
            raise LifecycleError(f"{newer[0]} is open about the same; write a note there instead")

    def _write(self, db: sqlite3.Connection, incident: Incident) -> None:
        """Insert or update the row; its version grows, so that casework looks at it again."""
        ends = incident.updated_us + self._limits.incident_us if incident.state == "closed" else None
        db.execute(
            """INSERT INTO incident (id, customer, kind, state, updated_us, notified_us, version, body, expires_us)
               VALUES (?, ?, ?, ?, ?, ?, 1, ?, ?)
               ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, state = excluded.state, updated_us = excluded.updated_us,
               notified_us = excluded.notified_us, version = version + 1, body = excluded.body, expires_us = excluded.expires_us""",
            (
                incident.id,
                incident.customer,
                incident.kind,
                incident.state,
                incident.updated_us,
                incident.notified_us,
                encode(self._without_strangers(incident)),
                ends,
            ),
        )

    def _write_evidence(self, db: sqlite3.Connection, incident: Incident, known: Incident | None) -> None:
        """Write the findings that are new or have grown; a closed case's evidence begins to run out."""
        old = {d.episode: d for d in known.detections} if known else {}
        rows = [
            (
                incident.id,
                label := self._vault.label(incident.id, d.episode),
                self._vault.seal(incident.id, label, encode(d)),
            )
            for d in incident.detections
            if d.targets and old.get(d.episode) != d
        ]
        db.executemany(
            "INSERT INTO evidence (incident, episode, body) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET body = excluded.body",
            rows,
        )
        ends = incident.updated_us + self._limits.evidence_us if incident.state == "closed" else None
        db.execute("UPDATE evidence SET expires_us = ? WHERE incident = ?", (ends, incident.id))

    def _without_strangers(self, incident: Incident) -> Incident:
        """Strip an incident for the years it is kept: no attacked address, and of a forged source only a stand-in."""
        bare = without_evidence(incident)
        return replace(bare, detections=tuple(self._masked(bare.id, d) for d in bare.detections))

    def _masked(self, case: str, detection: Detection) -> Detection:
        finding = detection.finding
        if finding.direction != "spoofed":
            return detection
        stand_in = self._vault.pseudonym(case, finding.offender)
        episode = detection.episode.replace(finding.offender, stand_in)
        return replace(detection, episode=episode, finding=replace(finding, offender=stand_in))

    def lock_what_lies_open(self) -> None:
        """Lock the evidence that an earlier version wrote in the clear, in the caller's transaction."""
        with self._db.transaction() as db:
            for row in db.execute("SELECT rowid, incident, episode, body FROM evidence").fetchall():
                label = self._vault.label(row["incident"], row["episode"])
                sealed = self._vault.seal(row["incident"], label, row["body"])
                db.execute("UPDATE evidence SET episode = ?, body = ? WHERE rowid = ?", (label, sealed, row["rowid"]))
            for row in db.execute("SELECT id, body FROM incident").fetchall():
                masked = encode(self._without_strangers(decode_incident(row["body"])))
                db.execute("UPDATE incident SET body = ? WHERE id = ?", (masked, row["id"]))
            for row in db.execute("SELECT id, incident, dedup, raw FROM outbox WHERE raw <> x''").fetchall():
                sealed = self._vault.seal(row["incident"], row["dedup"], row["raw"])
                db.execute("UPDATE outbox SET raw = ? WHERE id = ?", (sealed, row["id"]))
            db.execute("DELETE FROM noticed")

    def _remember(self, incident: Incident) -> None:
        if incident.state == "closed":
            self._open.pop(incident.id, None)
        else:
            self._open[incident.id] = incident


def _read(row: sqlite3.Row) -> Incident:
    return replace(decode_incident(row["body"]), state=row["state"], notified_us=row["notified_us"])
