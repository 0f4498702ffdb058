"""Who is to be told of an incident: the contacts of the customer, and the operators of the attacked networks."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from msgspec.structs import replace

from abusewatch.incidents.policy import Decision
from abusewatch.model.address import network_of
from abusewatch.model.claims import leading
from abusewatch.model.contact import Contact
from abusewatch.model.customer import Customer
from abusewatch.model.finding import Detection
from abusewatch.model.incident import Incident
from abusewatch.model.kinds import SEVERITIES
from abusewatch.model.message import Extent
from abusewatch.model.reader import Reader


class Owners(Protocol):
    """What is asked of the inventory."""

    def contains(self, text: str) -> bool:
        """Whether an address is ours."""

    def owner_at(self, text: str, us: int) -> Customer | None:
        """Who owned an address at a time."""

    def named(self, name: str) -> Customer | None:
        """The customer of a name in the inventory."""


class ContactResolver(Protocol):
    """Finds the people to tell, for a set of addresses at once."""

    def resolve(self, addresses: Iterable[str]) -> Mapping[Contact, Sequence[str]]:
        """Group addresses by contact; each address in exactly one group."""


class Found(NamedTuple):
    """The readers, customer first; and whether some attacked network has no contact, which may be known later."""

    readers: tuple[Reader, ...]
    missing: bool


class Readers:
    """Finds readers by the inventory and the contacts."""

    def __init__(self, owners: Owners, contacts: ContactResolver, *, unresolved: bool = False) -> None:
        """Take both. `unresolved` makes our own desk the reader for parties without a known contact; for a replay."""
        self._owners = owners
        self._contacts = contacts
        self._unresolved = unresolved

    def find(self, incident: Incident, decision: Decision) -> Found:
        """Find everybody who may be told of an incident by a decision."""
        last_us = self._attacked(incident, decision)
        groups = self._contacts.resolve(last_us)
        some = [d for d in incident.detections if d.episode in decision.operators]
        sent = _sent(some)
        operators = [
            _operator(contact, addresses, last_us, some, sent)
            for contact, addresses in groups.items()
            if contact.email or self._unresolved
        ]
        missing = not self._unresolved and any(contact.email is None for contact in groups)
        return Found((*self._customer(incident, decision), *operators), missing)

    def _customer(self, incident: Incident, decision: Decision) -> Iterator[Reader]:
        """Yield each contact of the customer who owned the address when it happened, or behind whose port it was forged."""
        some = [d for d in incident.detections if d.episode in decision.customer]
        owners = (self._owners.owner_at(d.finding.offender, d.first_us) for d in some)
        customer = next((owner for owner in owners if owner and owner.id == incident.customer), None)
        if some and not any(self._owners.contains(d.finding.offender) for d in some):
            customer = self._owners.named(incident.customer)
        if not some or (customer is None and not self._unresolved):
            return
        networks = frozenset(network_of(t.address) for d in some for t in d.targets)
        last_us = max(d.last_us for d in some)
        for recipient in dict.fromkeys(customer.contacts if customer else ()) or ([""] if self._unresolved else []):
            one = replace(customer, contacts=(recipient,) if recipient else ()) if customer else None
            yield Reader("customer", recipient, one, last_us, frozenset(), networks, _extent(some, {d.episode: d.finding.packets for d in some}))

    def _attacked(self, incident: Incident, decision: Decision) -> dict[str, int]:
        """Give the last sighting of each attacked address that its operator may be told of."""
        last_us: dict[str, int] = {}
        for detection in incident.detections:
            if detection.episode in decision.operators and self._owners.contains(detection.finding.offender):
                for target in detection.targets:
                    last_us[target.address] = max(last_us.get(target.address, 0), target.last_us)
        return last_us


def _sent(detections: Sequence[Detection]) -> Mapping[str, Counter[str]]:
    """Count the packets to each attacked address by episode, once for all its readers: a scan has as many of them as networks."""
    sent: dict[str, Counter[str]] = defaultdict(Counter)
    for detection in detections:
        for target in detection.targets:
            sent[target.address][detection.episode] += target.packets
    return sent


def _operator(
    contact: Contact,
    addresses: Sequence[str],
    last_us: Mapping[str, int],
    some: Sequence[Detection],
    sent: Mapping[str, Counter[str]],
) -> Reader:
    """Make one reader of an operator, about its own addresses."""
    networks = frozenset({contact.network, *map(network_of, addresses)})
    newest = max(last_us[address] for address in addresses)
    packets: Counter[str] = Counter()
    for address in frozenset(addresses):
        packets.update(sent[address])
    return Reader("operator", contact.email or contact.network, contact, newest, frozenset(addresses), networks, _extent(some, packets))


def _extent(detections: Sequence[Detection], packets: Mapping[str, int]) -> Extent:
    """Sum up how far some findings have gone; of an operator's, towards its own addresses. `packets` are those of each episode."""
    some = [d for d in detections if packets.get(d.episode)] or detections
    whole = sum(packets.values())
    return Extent(
        kind=leading(some),
        severity=max((d.finding.severity for d in some), key=SEVERITIES.index),
        offenders=len({d.finding.offender for d in some}),
        packets=whole,
        first=whole,
    )
