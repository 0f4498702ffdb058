"""Ask Abusix' public zone: `<reversed address>.abuse-contacts.abusix.zone` TXT holds the mailboxes.

Off unless switched on, and asked only when the registry names nobody: each question tells the zone's operator, and
whoever resolves for us, which address is about to be reported.
"""

import ipaddress
import time
from collections import Counter
from collections.abc import Callable

import dns.asyncresolver
import dns.exception
import dns.resolver
from dns.rdatatype import TXT

from abusewatch.contacts.budget import Budget, StoredBudget
from abusewatch.contacts.lookup import Found, Unavailable
from abusewatch.model.mailbox import AddressError, addr_spec

ZONE = "abuse-contacts.abusix.zone"
DEADLINE_SECS = 5.0
MAILBOXES = 10
TEXT_BYTES = 4096
"""An honest answer is one short string; TCP allows 64 kB."""
PER_DAY = 1000


class DnsLookup:
    """One question a look-up; the answer is about the /24 or /48 the address lies in, since the zone names no range."""

    source = "dns"

    def __init__(
        self,
        resolver: dns.asyncresolver.Resolver | None = None,
        *,
        zone: str = ZONE,
        per_day: int = PER_DAY,
        deadline_secs: float = DEADLINE_SECS,
        budget: StoredBudget | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the resolver; the system's when none is given, read at the first question."""
        self._resolver = resolver
        self._zone = zone
        self._deadline_secs = deadline_secs
        self._budget = budget or Budget(per_day, clock)
        self.counts: Counter[str] = Counter()

    async def lookup(self, address: str) -> Found:
        """Ask about one address; Unavailable when the zone cannot be reached."""
        if not self._budget.spend():
            self.counts["budget"] += 1
            raise Unavailable("budget")
        self.counts["asked"] += 1
        try:
            self._resolver = self._resolver or dns.asyncresolver.Resolver()
            answer = await self._resolver.resolve(
                name(address, self._zone), TXT, lifetime=self._deadline_secs, search=False
            )
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return self._found(())
        except (dns.exception.DNSException, OSError):
            self.counts["failed"] += 1
            raise Unavailable("failed") from None
        text = b",".join(part for record in answer for part in record.strings)[:TEXT_BYTES]
        return self._found(mailboxes(text.decode("ascii", "replace")))

    def _found(self, emails: tuple[str, ...]) -> Found:
        self.counts["found" if emails else "nobody"] += 1
        return Found((), emails, "")


def name(address: str, zone: str = ZONE) -> str:
    """Write the question: octets or nibbles reversed, then the zone."""
    pointer = ipaddress.ip_address(address).reverse_pointer
    return f"{pointer.removesuffix('.in-addr.arpa').removesuffix('.ip6.arpa')}.{zone}."


def mailboxes(text: str) -> tuple[str, ...]:
    """Read mailboxes separated by commas or blanks; what is no plain mailbox is left out."""
    found: list[str] = []
    for word in text.replace(",", " ").split()[: 2 * MAILBOXES]:
        try:
            found.append(addr_spec(word))
        except AddressError:
            continue
    return tuple(dict.fromkeys(found))[:MAILBOXES]
