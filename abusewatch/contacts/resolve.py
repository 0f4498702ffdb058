"""From attacked addresses to the people to tell, asked as a set."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable

from abusewatch.contacts.special import special_purpose
from abusewatch.contacts.table import OperatorTable
from abusewatch.model.address import network_of
from abusewatch.model.contact import Contact

UNKNOWN = "unknown"
OWN = "own network"


class TableResolver:
    """Resolves from the operator's own table alone; it never asks anybody else who is being reported.

    Own space never gets mail. Special-purpose space gets none either, unless a line of the table lies inside the
    special block: somebody wrote down on purpose that this private network is an operator's (a laboratory, a
    demonstration).
    """

    def __init__(self, table: OperatorTable, own: Callable[[str], bool]) -> None:
        """Take the table and the test for the provider's own addresses."""
        self._table = table
        self._own = own

    def resolve(self, addresses: Iterable[str]) -> dict[Contact, list[str]]:
        """Group addresses by whom to tell, each address once and in one group.

        One group for each mail address, however many prefixes it looks after; `network` is then the prefix with most
        of the addresses asked for. Nobody known: grouped by /24 or /48 under "unknown", `email` None. Never mailed:
        `email` None, source `none`, and the reason as the name. Groups and addresses come in the order of first
        mention.
        """
        return grouped((self.contact_of(address), address) for address in dict.fromkeys(addresses))

    def contact_of(self, address: str) -> Contact:
        """Find whom to tell about one address."""
        if self._own(address):
            return Contact(None, OWN, "none", network_of(address))
        entry, special = self._table.lookup(address), special_purpose(address)
        if entry and special and not entry.network.subnet_of(special.network):  # type: ignore[arg-type]  # one family: both hold the address
            entry = None
        if entry:
            return Contact(entry.email, entry.name, "table", str(entry.network))
        if special:
            return Contact(None, special.reason, "none", str(special.network))
        return Contact(None, UNKNOWN, "none", network_of(address))


def grouped(found: Iterable[tuple[Contact, str]]) -> dict[Contact, list[str]]:
    """Bring what goes to one mail address together; those without one stay apart by network and reason."""
    groups: dict[object, list[tuple[Contact, str]]] = defaultdict(list)
    for contact, address in found:
        groups[contact.email.lower() if contact.email else contact].append((contact, address))
    return {_leading(pairs): [address for _, address in pairs] for pairs in groups.values()}


def _leading(pairs: list[tuple[Contact, str]]) -> Contact:
    """Choose the prefix with most of the addresses to stand for the group; the first mentioned one among equals."""
    return Counter(contact for contact, _ in pairs).most_common(1)[0][0]
