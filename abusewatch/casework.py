"""Spine 2, from a due incident to mail in the outbox: may wait, must not lose.

One turn reads what is due, and for each incident asks who is to be told, cuts one view for each of them, has the mails
written, and then puts all mails and the incident's mark into the store in ONE transaction. Killed at any point, the
next turn does it again, and what is in the outbox already is not put there twice.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, Protocol

from msgspec.structs import replace

from abusewatch.evidence import minimise, without_evidence
from abusewatch.incidents import Decision, decide
from abusewatch.incidents.mailing import next_mail
from abusewatch.model.address import network_of
from abusewatch.model.contact import Contact
from abusewatch.model.customer import Customer
from abusewatch.model.evidence import View
from abusewatch.model.incident import Incident
from abusewatch.model.message import Audience, Message, Stage, Told
from abusewatch.reports import leaks

TURN = 50
"""Incidents a turn, so that a stop never waits long."""
MOST = 1000
"""Mails to operators that are written for one incident at one look; the others follow at the next."""
WAIT_US = 600_000_000
"""Until the next look at a case whose operators wait for a budget."""
ASK_US = 60_000_000
"""Until the first look at a case whose operators were not known yet."""
NOBODY: Mapping[tuple[str, str], Told] = MappingProxyType({})


Policy = Callable[[Incident], Decision]


class Blocked(NamedTuple):
    """A mail that was not allowed to leave or could not be written.

    `reason` is the name of the fault, never its text.
    """

    audience: Audience
    recipient: str
    reason: str


class CaseStore(Protocol):
    """What casework needs of a store."""

    def due(self, limit: int, now_us: int) -> list[tuple[Incident, int]]:
        """List incidents with a version that was not looked at yet, or whose time to look again has come.

        The longest waiting first; of closed ones those that somebody was told of.
        """

    def told(self, incident: str) -> Mapping[tuple[str, str], Told]:
        """Give the last mail to each (audience, recipient in lower case) of the case, in the outbox or gone."""

    def room(self, now_us: int) -> int:
        """Count the mails to operators that the budgets of this hour still let go."""

    def commit(  # noqa: PLR0913  # one transaction: all of it or nothing
        self,
        incident: str,
        version: int,
        messages: Sequence[Message],
        blocked: Sequence[tuple[str, str, str]],
        *,
        hold: str | None,
        now_us: int,
        again_us: int | None,
        waiting: int,
    ) -> int:
        """Enqueue and mark in one durable transaction; returns how many mails were new.

        A mail whose `dedup` is known is left alone. With `hold` (the reason) new mails wait for the desk, and those over
        a budget wait for room; any other new mail makes the incident one that has been told. At `again_us` it is due
        again; `waiting` counts the operators that are not written to yet.
        """


class Owners(Protocol):
    """What casework asks the inventory."""

    def contains(self, text: str) -> bool:
        """Whether an address is ours."""

    def owner_at(self, text: str, us: int) -> Customer | None:
        """Who owned an address at a time."""


class ContactResolver(Protocol):
    """Finds the people to tell, for a set of addresses at once."""

    def resolve(self, addresses: Iterable[str]) -> Mapping[Contact, Sequence[str]]:
        """Group addresses by contact; each address in exactly one group."""


class Composer(Protocol):
    """Writes mails. It gets an incident without evidence, and the view; it raises when a mail must not leave.

    `stage` and `sequence` say which mail of the thread it is.
    """

    def compose_operator(
        self, incident: Incident, view: View, contact: Contact, now_us: int, *, stage: Stage, sequence: int
    ) -> Message:
        """Write to the operator of attacked networks."""

    def compose_customer(
        self, incident: Incident, view: View, customer: Customer | None, now_us: int, *, stage: Stage, sequence: int
    ) -> Message:
        """Write to the customer, at the first of his contacts; to our own desk when nobody is known."""


class Draft(NamedTuple):
    """A mail that could be written: to whom, about which addresses (an operator's own), and of which last sighting."""

    audience: Audience
    recipient: str
    reader: Contact | Customer | None
    last_us: int
    addresses: frozenset[str]
    networks: frozenset[str]


class Written(NamedTuple):
    """The mails of a case that are due, those that failed, how many must wait for a budget, and when to look again."""

    messages: tuple[Message, ...]
    blocked: tuple[Blocked, ...]
    waiting: int = 0
    again_us: int | None = None


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
        self._owners = owners
        self._contacts = contacts
        self._composer = composer
        self._hold = hold
        self._policy = policy
        self._unresolved = unresolved

    def turn(self, now_us: int, limit: int = TURN) -> list[Report]:
        """Work off up to `limit` due incidents, each in a transaction of its own. Errors of the store are raised."""
        return [self._one(incident, version, now_us) for incident, version in self._store.due(limit, now_us)]

    def _one(self, incident: Incident, version: int, now_us: int) -> Report:
        room = MOST if self._hold else min(MOST, self._store.room(now_us))
        written = self.messages(incident, now_us, told=self._store.told(incident.id), room=room)
        messages, blocked, waiting, again_us = written
        new = self._store.commit(
            incident.id, version, messages, blocked, hold=self._hold, now_us=now_us, again_us=again_us, waiting=waiting
        )
        return Report(incident, new, messages, blocked, waiting)

    def messages(
        self, incident: Incident, now_us: int, told: Mapping[tuple[str, str], Told] = NOBODY, room: int = MOST
    ) -> Written:
        """Write the mails of an incident that are due, given the last ones; at most `room` to operators."""
        decision, messages, blocked, waiting = self._policy(incident), [], [], 0
        moments = [self._ask_again_us(incident, decision, now_us)]
        for draft in (*self._to_customer(incident, decision), *self._to_operators(incident, decision)):
            step = next_mail(incident, told.get((draft.audience, draft.recipient.lower())), draft.last_us, now_us)
            moments.append(step.again_us)
            if step.stage is None:
                continue
            if draft.audience == "operator" and room == 0:
                waiting += 1
                continue
            room -= draft.audience == "operator"
            try:
                messages += self._compose(draft, incident, decision, step.stage, step.sequence, now_us)
            except Exception as error:  # noqa: BLE001  # the other mails of the case survive one that cannot be written
                blocked.append(Blocked(draft.audience, draft.recipient, type(error).__name__))
        moments.append(now_us + WAIT_US if waiting else None)
        again_us = min((moment for moment in moments if moment is not None), default=None)
        return Written(tuple(messages), tuple(blocked), waiting, again_us)

    def _compose(
        self, draft: Draft, incident: Incident, decision: Decision, stage: Stage, sequence: int, now_us: int
    ) -> list[Message]:
        """Cut the view, have the mail written and look at it once more; no mail when there is nothing to show."""
        reader, own = draft.reader, self._owners.contains
        if isinstance(reader, Contact):
            view = minimise(incident, "operator", own=own, addresses=draft.addresses, episodes=decision.operators)
        else:
            view = minimise(incident, "customer", own=own, episodes=decision.customer)
        if not view.sections:
            return []
        bare = without_evidence(incident, view)
        if isinstance(reader, Contact):
            message = self._composer.compose_operator(bare, view, reader, now_us, stage=stage, sequence=sequence)
        else:
            message = self._composer.compose_customer(bare, view, reader, now_us, stage=stage, sequence=sequence)
        _check(message, draft, incident, own)
        return [message]

    def _to_customer(self, incident: Incident, decision: Decision) -> Iterator[Draft]:
        """One notice to each contact of the customer who owned the address when it happened.

        In a replay also where no customer is known: then our own desk reads it.
        """
        some = [d for d in incident.detections if d.episode in decision.customer]
        owners = (self._owners.owner_at(d.finding.offender, d.first_us) for d in some)
        customer = next((owner for owner in owners if owner and owner.id == incident.customer), None)
        if not some or (customer is None and not self._unresolved):
            return
        networks = frozenset(network_of(t.address) for d in some for t in d.targets)
        last_us = max(d.last_us for d in some)
        for recipient in dict.fromkeys(customer.contacts if customer else ()) or ([""] if self._unresolved else []):
            one = replace(customer, contacts=(recipient,) if recipient else ()) if customer else None
            yield Draft("customer", recipient, one, last_us, frozenset(), networks)

    def _to_operators(self, incident: Incident, decision: Decision) -> Iterator[Draft]:
        """One mail to each operator that has a contact, about its own addresses."""
        last_us = self._attacked(incident, decision)
        for contact, addresses in self._contacts.resolve(last_us).items():
            if contact.email or self._unresolved:
                newest = max(last_us[address] for address in addresses)
                networks = frozenset({contact.network, *map(network_of, addresses)})
                recipient = contact.email or contact.network
                yield Draft("operator", recipient, contact, newest, frozenset(addresses), networks)

    def _attacked(self, incident: Incident, decision: Decision) -> dict[str, int]:
        """Give the last sighting of each attacked address that its operator may be told of."""
        last_us: dict[str, int] = {}
        for detection in incident.detections:
            if detection.episode in decision.operators and self._owners.contains(detection.finding.offender):
                for target in detection.targets:
                    last_us[target.address] = max(last_us.get(target.address, 0), target.last_us)
        return last_us

    def _ask_again_us(self, incident: Incident, decision: Decision, now_us: int) -> int | None:
        """Say when a contact that is not known yet may be: a registry answers in a minute, or is down for hours."""
        if incident.state == "closed" or self._unresolved:
            return None
        if all(contact.email for contact in self._contacts.resolve(self._attacked(incident, decision))):
            return None
        return now_us + max(ASK_US, (now_us - incident.opened_us) // 4)


def _check(message: Message, draft: Draft, incident: Incident, own: Callable[[str], bool]) -> None:
    """Check the finished mail once more, by what the contacts and the inventory say and not by what the composer had.

    No other attacked address in any spelling, and to an operator not the customer's id (one that is a mere word or
    number could stand there by chance and is not searched).
    """
    offenders = {d.finding.offender for d in incident.detections if own(d.finding.offender)}
    named = any(map(str.isdigit, incident.customer)) and any(map(str.isalpha, incident.customer))
    secret = draft.audience == "operator" and named and not incident.customer.startswith("address:")
    allowed = leaks.Allowed(
        addresses=draft.addresses | offenders,
        networks=draft.networks,
        emails=frozenset({message.recipient.lower(), message.sender.lower()}),
        id_domain=message.message_id.rstrip(">").rpartition("@")[2].lower(),
        never=frozenset(t.address for d in incident.detections for t in d.targets),
        identifiers=frozenset({incident.customer} if secret else ()),
    )
    leaks.check(message.raw, allowed)
