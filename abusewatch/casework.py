"""Spine 2, from a due incident to mail in the outbox: may wait, must not lose.

One turn reads what is due, and for each incident asks who is to be told, cuts one view for each of them, has the mails
written, and then puts all mails and the incident's mark into the store in ONE transaction. Killed at any point, the
next turn does it again, and what is in the outbox already is not put there twice.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple, Protocol

from msgspec.structs import replace

from abusewatch.evidence import minimise, without_evidence
from abusewatch.incidents import Decision, decide
from abusewatch.model.contact import Contact
from abusewatch.model.customer import Customer
from abusewatch.model.evidence import View
from abusewatch.model.incident import Incident
from abusewatch.model.message import Audience, Message

TURN = 50
"""Incidents a turn, so that a stop never waits long."""


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

    def due(self, limit: int) -> list[tuple[Incident, int]]:
        """List incidents, not closed, with the version that was not looked at yet; the longest waiting first."""

    def told(self, incident: str) -> frozenset[tuple[str, str]]:
        """List (audience, recipient in lower case) of every mail of the case that is or was in the outbox."""

    def commit(
        self,
        incident: str,
        version: int,
        messages: Sequence[Message],
        blocked: Sequence[tuple[str, str, str]],
        *,
        hold: str | None,
        now_us: int,
    ) -> int:
        """Enqueue and mark in one durable transaction; returns how many mails were new.

        A mail whose `dedup` is known is left alone. With `hold` (the reason) new mails wait for the desk; without it, a
        new mail makes the incident one that has been told.
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
    """Writes mails. It gets an incident without evidence, and the view; it raises when a mail must not leave."""

    def compose_operator(self, incident: Incident, view: View, contact: Contact, now_us: int) -> Message:
        """Write to the operator of attacked networks."""

    def compose_customer(self, incident: Incident, view: View, customer: Customer, now_us: int) -> Message:
        """Write to the customer, at the first of his contacts."""


class Report(NamedTuple):
    """What one turn did to one incident: mails that were new, and those that were blocked."""

    incident: Incident
    enqueued: int
    messages: tuple[Message, ...]
    blocked: tuple[Blocked, ...]


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
        return [self._one(incident, version, now_us) for incident, version in self._store.due(limit)]

    def _one(self, incident: Incident, version: int, now_us: int) -> Report:
        messages, blocked = self.messages(incident, now_us, known=self._store.told(incident.id))
        new = self._store.commit(incident.id, version, messages, blocked, hold=self._hold, now_us=now_us)
        return Report(incident, new, messages, blocked)

    def messages(
        self, incident: Incident, now_us: int, known: frozenset[tuple[str, str]] = frozenset()
    ) -> tuple[tuple[Message, ...], tuple[Blocked, ...]]:
        """Write the mails of an incident, but for the (audience, recipient) already told.

        Those that failed beside them.
        """
        decision, messages, blocked = self._policy(incident), [], []
        drafts = [*self._to_customer(incident, decision, now_us), *self._to_operators(incident, decision, now_us)]
        for audience, recipient, compose in drafts:
            if (audience, recipient.lower()) in known:
                continue
            try:
                messages.append(compose())
            except Exception as error:  # noqa: BLE001  # the other mails of the case survive one that cannot be written
                blocked.append(Blocked(audience, recipient, type(error).__name__))
        return tuple(messages), tuple(blocked)

    def _to_customer(self, incident: Incident, decision: Decision, now_us: int) -> Iterator["Draft"]:
        """One notice to each contact of the customer who owned the address when it happened."""
        offenders = (d for d in incident.detections if d.episode in decision.customer)
        owners = (self._owners.owner_at(d.finding.offender, d.first_us) for d in offenders)
        customer = next((owner for owner in owners if owner and owner.id == incident.customer), None)
        if customer is None:
            return
        view = minimise(incident, "customer", own=self._owners.contains, episodes=decision.customer)
        if not view.sections:
            return
        bare = without_evidence(incident, view)
        contacts = dict.fromkeys(customer.contacts) or ([""] if self._unresolved else [])
        for recipient in contacts:
            one = replace(customer, contacts=(recipient,) if recipient else ())
            yield Draft("customer", recipient, partial(self._composer.compose_customer, bare, view, one, now_us))

    def _to_operators(self, incident: Incident, decision: Decision, now_us: int) -> Iterator["Draft"]:
        """One mail to each operator that has a contact, about its own addresses."""
        attacked = [t.address for d in incident.detections if d.episode in decision.operators for t in d.targets]
        for contact, addresses in self._contacts.resolve(attacked).items():
            if contact.email is None and not self._unresolved:
                continue
            view = minimise(
                incident, "operator", own=self._owners.contains, addresses=addresses, episodes=decision.operators
            )
            if view.sections:
                bare = without_evidence(incident, view)
                compose = partial(self._composer.compose_operator, bare, view, contact, now_us)
                yield Draft("operator", contact.email or contact.network, compose)


class Draft(NamedTuple):
    """A mail that could be written, and to whom."""

    audience: Audience
    recipient: str
    compose: Callable[[], Message]
