"""What the operator decides about look-ups, and the chain made from it."""

from collections.abc import Callable
from dataclasses import dataclass

from abusewatch.contacts.answer import ContactCache, MemoryCache
from abusewatch.contacts.budget import Spending, StoredBudget
from abusewatch.contacts.chain import ContactChain
from abusewatch.contacts.dns import DnsLookup
from abusewatch.contacts.domains import Deliverable, Domains
from abusewatch.contacts.gate import Gate
from abusewatch.contacts.health import ContactHealth, MemoryHealth
from abusewatch.contacts.lookup import Lookup
from abusewatch.contacts.rdap import PER_DAY, RdapLookup
from abusewatch.contacts.table import OperatorTable


@dataclass(frozen=True, slots=True)
class ContactSettings:
    """Who may be asked outside. Both are off: each look-up discloses to somebody which network is about to be reported.

    `rdap`: the registry that has the address. `dns`: Abusix' public zone, when the registry names nobody.
    `lookups_per_day`: the budget of each.
    """

    rdap: bool = False
    dns: bool = False
    lookups_per_day: int = PER_DAY


def lookups(
    settings: ContactSettings, own: Callable[[str], bool], spending: Spending | None = None
) -> tuple[Lookup, ...]:
    """Make the sources that may be asked. They know their pauses: keep them over a reload.

    Their budgets are remembered by `spending`, and without it forgotten with the process.
    """
    most = settings.lookups_per_day

    def budget(source: str) -> StoredBudget | None:
        return StoredBudget(source, most, spending) if spending else None

    found: list[Lookup] = []
    if settings.rdap:
        found.append(RdapLookup(Gate(own), per_day=most, budget=budget("rdap")))
    if settings.dns:
        found.append(DnsLookup(per_day=most, budget=budget("dns")))
    domains = Domains()
    return tuple(Deliverable(one, domains) for one in found)


def chain(
    settings: ContactSettings,
    table: OperatorTable,
    own: Callable[[str], bool],
    *,
    cache: ContactCache | None = None,
    health: ContactHealth | None = None,
) -> ContactChain:
    """Wire a chain with look-ups of its own; without a cache or health of the store it forgets with the process."""
    return ContactChain(
        table,
        own,
        cache=cache or MemoryCache(),
        health=health or MemoryHealth(),
        lookups=lookups(settings, own),
    )
