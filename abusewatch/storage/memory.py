"""The store of a replay and of tests: the same promises as SQLite but for durability, under the same contract suite."""

import threading
from collections.abc import Sequence
from datetime import UTC, datetime

from msgspec.structs import replace

from abusewatch.evidence import without_evidence
from abusewatch.incidents import Change, step
from abusewatch.incidents.lifecycle import LifecycleError
from abusewatch.model.incident import Incident
from abusewatch.model.message import Audience, Message, Told
from abusewatch.outbox import Entry, Settlement, desk_move
from abusewatch.outbox.states import APPROVAL, BACKOFF_LAST_SECS, SECOND_US, STATES
from abusewatch.storage.merge import began, merged


class MemoryStore:
    """Everything in dictionaries; any thread may call."""

    def __init__(self) -> None:
        """Start empty."""
        self._lock = threading.RLock()
        self._sequence: dict[int, int] = {}
        self._incidents: dict[str, Incident] = {}
        self._version: dict[str, int] = {}
        self._examined: dict[str, int] = {}
        self._again: dict[str, int] = {}
        self._outbox: dict[int, Entry] = {}
        self._lease_until: dict[int, int] = {}
        self._blocked: dict[tuple[str, str, str], str] = {}

    def next_id(self, now_us: int) -> str:
        """Give out the next case number of the year."""
        year = datetime.fromtimestamp(now_us // 1_000_000, UTC).year
        with self._lock:
            self._sequence[year] = self._sequence.get(year, 0) + 1
            return f"AW-{year}-{self._sequence[year]:06d}"

    def open_incidents(self) -> list[Incident]:
        """List every incident that is not closed, with its evidence, oldest first."""
        with self._lock:
            return [incident for _, incident in sorted(self._incidents.items()) if incident.state != "closed"]

    def incidents(self, state: str | None = None, limit: int = 1000) -> list[Incident]:
        """List incidents without evidence, newest first."""
        with self._lock:
            some = [i for _, i in sorted(self._incidents.items(), reverse=True) if state in {None, i.state}]
            return [without_evidence(incident) for incident in some[:limit]]

    def incident(self, ident: str) -> Incident | None:
        """Read one incident."""
        return self._incidents.get(ident)

    def save(self, changes: Sequence[Change]) -> None:
        """Write all changes."""
        with self._lock:
            for change in changes:
                ident = change.incident.id
                old = self._incidents.get(ident)
                incident = merged(change, old.state, old.notified_us) if old else change.incident
                if incident == old:
                    continue
                self._incidents[ident] = incident
                self._version[ident] = self._version.get(ident, 0) + 1
                if incident.merged_into:
                    self._give_over(ident, incident.merged_into)

    def _give_over(self, other: str, ident: str) -> None:
        """Move the mail of a case to the one that took it over, and never look at it again."""
        for number, entry in self._outbox.items():
            if entry.message.incident == other:
                self._outbox[number] = replace(entry, message=replace(entry.message, incident=ident))
        self._examined[other] = self._version[other]
        self._again.pop(other, None)

    def move_incident(self, ident: str, event: str, now_us: int) -> Incident | None:
        """Let somebody move an incident by the lifecycle table."""
        with self._lock:
            found = self._incidents.get(ident)
            if found is None:
                return None
            kinds = {found.kind, *found.also}
            newer = [i.id for i in self.open_incidents() if i.customer == found.customer and kinds & {i.kind, *i.also}]
            if event == "reopen" and newer:
                raise LifecycleError(f"{newer[0]} is open about the same; write a note there instead")
            after = replace(found, state=step(found.state, event), updated_us=now_us)  # type: ignore[arg-type]  # a word from outside; the table refuses unknown ones
            self.save([Change(after, found.state)])
            return after

    def due(self, limit: int, now_us: int) -> list[tuple[Incident, int]]:
        """List incidents of which a version was not looked at yet, or whose time to look again has come."""
        with self._lock:
            waiting = [i for i in self._incidents.values() if self._is_due_case(i, now_us)]
            waiting.sort(key=lambda i: (i.updated_us, i.id))
            return [(incident, self._version[incident.id]) for incident in waiting[:limit]]

    def _is_due_case(self, one: Incident, now_us: int) -> bool:
        changed = self._examined.get(one.id, 0) < self._version[one.id]
        if not changed and self._again.get(one.id, now_us + 1) > now_us:
            return False
        return one.state != "closed" or any(
            e.state == "sent" and e.message.incident == one.id for e in self._outbox.values()
        )

    def told(self, incident: str) -> dict[tuple[str, str], Told]:
        """Give the last mail to each (audience, recipient in lower case) of the case."""
        with self._lock:
            some = [e for e in self._outbox.values() if e.message.incident == incident]
        some.sort(key=lambda e: e.message.sequence)
        return {
            (e.message.audience, e.message.recipient.lower()): Told(
                e.message.sequence,
                e.message.stage,
                e.created_us,
                e.state == "sent",
                began(e.message.dedup, incident),
                e.message.extent,
            )
            for e in some
        }

    def room(self, now_us: int) -> int:  # noqa: ARG002  # a store that sends nothing has no budgets
        """Count the mails to operators that may be written: what a replay shows is not limited."""
        return 1 << 31

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
        waiting: int = 0,  # noqa: ARG002  # counts towards budgets, of which there are none
    ) -> int:
        """Enqueue and mark; returns how many mails were new."""
        with self._lock:
            new = self.enqueue(messages, hold, now_us, approve)
            self._blocked |= {(incident, audience, recipient): reason for audience, recipient, reason in blocked}
            self._examined[incident] = max(self._examined.get(incident, 0), version)
            self._again.pop(incident, None)
            if again_us is not None:
                self._again[incident] = again_us
            found = self._incidents.get(incident)
            if new and found and any(e.state != "held" for e in self.messages(incident=incident)):
                self._incidents[incident] = _told(found, now_us)
            return new

    def enqueue(
        self, messages: Sequence[Message], hold: str | None, now_us: int, approve: frozenset[Audience] = frozenset()
    ) -> int:
        """Put in the messages whose `dedup` is new; returns how many that were."""
        with self._lock:
            known = {e.message.dedup for e in self._outbox.values()}
            before = len(self._outbox)
            for message in messages:
                if message.dedup not in known:
                    known.add(message.dedup)
                    ident = len(self._outbox) + 1
                    reason = hold or (APPROVAL if message.audience in approve else "")
                    state = "held" if reason else "queued"
                    self._outbox[ident] = Entry(ident, message, state, 0, now_us, now_us, reason)
            return len(self._outbox) - before

    def blocked(self, incident: str | None = None) -> list[tuple[str, str, str, str]]:
        """List (incident, audience, recipient, reason) of mails that were not allowed to leave."""
        with self._lock:
            return [(*key, reason) for key, reason in self._blocked.items() if incident in {None, key[0]}]

    def lease(self, now_us: int, limit: int, lease_us: int) -> list[Entry]:
        """Take due messages."""
        with self._lock:
            due = [entry for entry in self._outbox.values() if self._is_due(entry, now_us, lease_us)]
            due.sort(key=lambda entry: (entry.next_us, entry.id))
            leased = [replace(e, state="leased", attempts=e.attempts + 1) for e in due[:limit]]
            self._outbox |= {entry.id: entry for entry in leased}
            self._lease_until |= {entry.id: now_us + lease_us for entry in leased}
            return leased

    def _is_due(self, entry: Entry, now_us: int, lease_us: int) -> bool:
        if entry.state == "leased":
            until = self._lease_until[entry.id]
            return until <= now_us or until > now_us + lease_us
        longest = BACKOFF_LAST_SECS * SECOND_US
        return entry.state in {"queued", "retrying"} and not now_us < entry.next_us <= now_us + longest

    def recover(self, now_us: int) -> int:
        """Give back every lease."""
        with self._lock:
            leased = [entry for entry in self._outbox.values() if entry.state == "leased"]
            self._outbox |= {entry.id: replace(entry, state="retrying", next_us=now_us) for entry in leased}
            return len(leased)

    def settled(self, entry: Entry, settlement: Settlement, now_us: int) -> bool:  # noqa: ARG002  # expiry is the daemon's
        """Write down the outcome of a lease, if it is still this one."""
        with self._lock:
            current = self._outbox.get(entry.id)
            if current is None or current.state != "leased" or current.attempts != entry.attempts:
                return False
            self._outbox[entry.id] = replace(
                current, state=settlement.state, next_us=settlement.next_us, reason=settlement.reason
            )
            return True

    def messages(self, state: str | None = None, incident: str | None = None, limit: int = 1000) -> list[Entry]:
        """List messages, oldest first."""
        with self._lock:
            some = [e for e in self._outbox.values() if state in {None, e.state} and incident in {None, e.message.incident}]
            return some[:limit]

    def message(self, ident: int) -> Entry | None:
        """Read one message."""
        return self._outbox.get(ident)

    def move_message(self, ident: int, event: str, now_us: int) -> Entry | None:
        """Let the desk move a message by the table."""
        with self._lock:
            found = self._outbox.get(ident)
            if found is None:
                return None
            state = desk_move(found.state, event, erased=not found.message.raw)
            reason = {"queued": "", "held": "desk"}.get(state, found.reason)
            self._outbox[ident] = replace(found, state=state, next_us=now_us, reason=reason)
            case = self._incidents.get(found.message.incident)
            if state == "queued" and case:
                self._incidents[case.id] = _told(case, now_us)
            return self._outbox[ident]

    def counts(self) -> dict[str, int]:
        """Count the messages in each state."""
        with self._lock:
            states = [entry.state for entry in self._outbox.values()]
        return {state: states.count(state) for state in STATES}

    def close(self) -> None:
        """Nothing to close."""


def _told(incident: Incident, now_us: int) -> Incident:
    try:
        state: str = step(incident.state, "told")
    except LifecycleError:
        state = incident.state  # closed by the desk in this very moment: the mail goes, the case stays closed
    return replace(incident, state=state, notified_us=incident.notified_us if incident.notified_us is not None else now_us)
