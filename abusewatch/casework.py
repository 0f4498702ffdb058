"""Spine 2, from a due incident to mail in the outbox: may wait, must not lose.

One turn reads what is due, and for each incident asks who is to be told, cuts one view for each of them, has the mails
written, and then puts all mails and the incident's mark into the store in ONE transaction. Killed at any point, the
next turn does it again, and what is in the outbox already is not put there twice.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

from msgspec.structs import replace

from abusewatch.evidence import minimise, without_evidence
from abusewatch.incidents import CaseStore, ContactResolver, Decision, Due, Owners, Readers, decide, plan
from abusewatch.model.evidence import View
from abusewatch.model.incident import Incident
from abusewatch.model.message import Audience, Message, Stage, Told
from abusewatch.reports.recheck import recheck

TURN = 50
"""Incidents a turn, so that a stop never waits long."""
MOST = 1000
"""Mails to operators that are written for one incident at one look; the others follow at the next."""
NOBODY: Mapping[tuple[str, str], Told] = MappingProxyType({})

Policy = Callable[[Incident, int], Decision]


class Write(Protocol):
    """Writes one mail to `who`; it raises when that must not leave.

    It gets an incident without evidence, and the view. `stage` and `sequence` say which mail of the thread it is, `thread`
    under which case number that began, if another.
    """

    def __call__(  # noqa: D102  # said above
        self, incident: Incident, view: View, who: Any, now_us: int, /, *, stage: Stage, sequence: int, thread: str = ""
    ) -> Message: ...


class Composer(Protocol):
    """Writes mails, to the operator of attacked networks (a contact) and to the customer (None: nobody is known, our own desk reads)."""

    @property
    def compose_operator(self) -> Write: ...  # noqa: D102
    @property
    def compose_customer(self) -> Write: ...  # noqa: D102


class Blocked(NamedTuple):
    """A mail that was not allowed to leave or could not be written; `reason` is the name of the fault, never its text."""

    audience: Audience
    recipient: str
    reason: str


class Written(NamedTuple):
    """The mails of a case that are due and whose wait for approval, those that failed, how many wait for a budget, and when to look again."""

    messages: tuple[Message, ...]
    blocked: tuple[Blocked, ...]
    waiting: int = 0
    again_us: int | None = None
    approve: frozenset[Audience] = frozenset()


class Report(NamedTuple):
    """What one turn did to one incident: mails that were new, those that were blocked, and operators that wait."""

    incident: Incident
    enqueued: int
    messages: tuple[Message, ...]
    blocked: tuple[Blocked, ...]
    waiting: int = 0


class Casework:
    """Everything casework needs, wired once. `hold` is "shadow" until the operator switches sending on.

    `unresolved` writes mails for parties without a known contact too; that is for a replay, which shows what would go.
    """

    def __init__(
        self,
        store: CaseStore,
        owners: Owners,
        contacts: ContactResolver,
        composer: Composer,
        *,
        hold: str | None = "shadow",
        policy: Policy = decide,
        unresolved: bool = False,
    ) -> None:
        """Take the parts; nothing happens before the first turn."""
        self._store = store
        self._own = owners.contains
        self._readers = Readers(owners, contacts, unresolved=unresolved)
        self._composer = composer
        self._hold = hold
        self._policy = policy

    def turn(self, now_us: int, limit: int = TURN) -> list[Report]:
        """Work off up to `limit` due incidents, each in a transaction of its own. Errors of the store are raised."""
        return [self._one(incident, version, now_us) for incident, version in self._store.due(limit, now_us)]

    def _one(self, incident: Incident, version: int, now_us: int) -> Report:
        room = MOST if self._hold else min(MOST, self._store.room(now_us))
        written = self.messages(incident, now_us, told=self._store.told(incident.id), room=room)
        new = self._store.commit(
            incident.id, version, written.messages, written.blocked, hold=self._hold, approve=written.approve,
            now_us=now_us, again_us=written.again_us, waiting=written.waiting,
        )  # fmt: skip
        return Report(incident, new, written.messages, written.blocked, written.waiting)

    def messages(
        self, incident: Incident, now_us: int, told: Mapping[tuple[str, str], Told] = NOBODY, room: int = MOST
    ) -> Written:
        """Write the mails of an incident that are due, given the last ones; at most `room` to operators."""
        decision, messages, blocked = self._policy(incident, now_us), [], []
        due = plan(incident, decision, self._readers.find(incident, decision), told, room, now_us)
        for mail in due.mails:
            try:
                messages += self._compose(mail, incident, decision, now_us)
            except Exception as error:  # noqa: BLE001  # the other mails of the case survive one that cannot be written
                blocked.append(Blocked(mail.reader.audience, mail.reader.recipient, type(error).__name__))
        return Written(tuple(messages), tuple(blocked), due.waiting, due.again_us, decision.approve)

    def _compose(self, mail: Due, incident: Incident, decision: Decision, now_us: int) -> list[Message]:
        """Cut the view, have the mail written and look at it once more; no mail when there is nothing to show."""
        reader, whose = mail.reader, decision.episodes(mail.reader.audience)
        view = minimise(incident, reader.audience, own=self._own, addresses=reader.shown, episodes=whose)
        if not view.sections:
            return []
        write = self._composer.compose_operator if reader.audience == "operator" else self._composer.compose_customer
        which: dict[str, Any] = {"stage": mail.stage, "sequence": mail.sequence}
        which |= {"thread": mail.thread} if mail.thread else {}
        message = write(without_evidence(incident, view), view, reader.who, now_us, **which)
        recheck(message, [(reader, incident)], self._own)
        return [replace(message, extent=mail.extent)]
