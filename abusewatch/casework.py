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
from abusewatch.incidents import CaseStore, ContactResolver, Decision, Owners, Readers, decide
from abusewatch.incidents.mailing import WAIT_US, ask_again_us, next_mail
from abusewatch.model.contact import Contact
from abusewatch.model.customer import Customer
from abusewatch.model.evidence import View
from abusewatch.model.incident import Incident
from abusewatch.model.message import Audience, Extent, Message, Stage, Told
from abusewatch.model.reader import Reader
from abusewatch.reports.recheck import recheck

TURN = 50
"""Incidents a turn, so that a stop never waits long."""
MOST = 1000
"""Mails to operators that are written for one incident at one look; the others follow at the next."""
NOBODY: Mapping[tuple[str, str], Told] = MappingProxyType({})

Policy = Callable[[Incident, int], Decision]


class Composer(Protocol):
    """Writes mails. It gets an incident without evidence, and the view; it raises when a mail must not leave.

    `stage` and `sequence` say which mail of the thread it is, `thread` under which case number that began, if another.
    """

    def compose_operator(
        self,
        incident: Incident,
        view: View,
        contact: Contact,
        now_us: int,
        *,
        stage: Stage,
        sequence: int,
        thread: str = "",
    ) -> Message:
        """Write to the operator of attacked networks."""

    def compose_customer(
        self,
        incident: Incident,
        view: View,
        customer: Customer | None,
        now_us: int,
        *,
        stage: Stage,
        sequence: int,
        thread: str = "",
    ) -> Message:
        """Write to the customer, at the first of his contacts; to our own desk when nobody is known."""


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
    """Everything casework needs, wired once."""

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
        """Take the parts; nothing happens before the first turn.

        `hold` is "shadow" until the operator switches sending on. `unresolved` writes mails for parties without a known
        contact too; that is for a replay, which shows what would go.
        """
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
        decision, messages, blocked, waiting = self._policy(incident, now_us), [], [], 0
        readers, missing = self._readers.find(incident, decision)
        moments = [ask_again_us(incident, now_us) if missing else None]
        for reader in readers:
            last = told.get((reader.audience, reader.recipient.lower()))
            step = next_mail(incident, last, reader.last_us, now_us, reader.extent)
            moments.append(step.again_us)
            if step.stage is None:
                continue
            if reader.audience in decision.quiet:
                moments.append(decision.quiet[reader.audience])
                continue
            if reader.audience == "operator" and room == 0:
                waiting += 1
                continue
            room -= reader.audience == "operator"
            try:
                which = {"stage": step.stage, "sequence": step.sequence} | (
                    {"thread": last.thread} if last and last.thread else {}
                )
                mails = self._compose(reader, incident, decision, which, now_us)
                messages += [replace(mail, extent=_told_of(reader, last)) for mail in mails]
            except Exception as error:  # noqa: BLE001  # the other mails of the case survive one that cannot be written
                blocked.append(Blocked(reader.audience, reader.recipient, type(error).__name__))
        moments.append(now_us + WAIT_US if waiting else None)
        again_us = min((moment for moment in moments if moment is not None), default=None)
        return Written(tuple(messages), tuple(blocked), waiting, again_us, decision.approve)

    def _compose(
        self, reader: Reader, incident: Incident, decision: Decision, which: Mapping[str, Any], now_us: int
    ) -> list[Message]:
        """Cut the view, have the mail written and look at it once more; no mail when there is nothing to show."""
        who = reader.who
        if isinstance(who, Contact):
            view = minimise(
                incident, "operator", own=self._own, addresses=reader.addresses, episodes=decision.operators
            )
        else:
            view = minimise(incident, "customer", own=self._own, episodes=decision.customer)
        if not view.sections:
            return []
        bare = without_evidence(incident, view)
        if isinstance(who, Contact):
            message = self._composer.compose_operator(bare, view, who, now_us, **which)
        else:
            message = self._composer.compose_customer(bare, view, who, now_us, **which)
        recheck(message, [(reader, incident)], self._own)
        return [message]


def _told_of(reader: Reader, last: Told | None) -> Extent | None:
    """Say what a mail to a reader tells of; the ladder stands where it stood for the first one."""
    first = last.extent.first if last and last.extent else None
    return reader.extent._replace(first=first) if reader.extent and first is not None else reader.extent
