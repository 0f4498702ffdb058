"""Whether mail can be delivered to a domain at all: what a registry names and nobody can receive is no contact (threats.md T13).

Asked once, when a contact is learned from outside, so before its first mail. A contact that the operator wrote into his
own table is not doubted. While the DNS does not answer nothing is doubted either: the mail server finds out.
"""

import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Any

import dns.asyncresolver
import dns.exception
import dns.resolver
from dns.rdatatype import AAAA, MX, A, RdataType

from abusewatch.contacts.lookup import Found, Lookup

DEADLINE_SECS = 5.0
KEPT_SECS = 86_400.0
REMEMBERED = 10_000


class Domains:
    """Asks the DNS about domains; bounded, each once a day."""

    def __init__(
        self, resolver: dns.asyncresolver.Resolver | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Take the resolver; the system's when none is given, read at the first question."""
        self._resolver = resolver
        self._clock = clock
        self._known: OrderedDict[str, tuple[float, bool]] = OrderedDict()

    async def takes_mail(self, domain: str) -> bool:
        """Whether a domain has a mail server (RFC 5321 5.1): an MX that is not null, else an address. True when unknown."""
        until, known = self._known.get(domain, (0.0, True))
        if until > self._clock():
            return known
        try:
            found = await self._ask(domain)
        except (dns.exception.DNSException, OSError):
            return True
        self._known[domain] = self._clock() + KEPT_SECS, found
        self._known.move_to_end(domain)
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return found

    async def _ask(self, domain: str) -> bool:
        exchangers = await self._records(domain, MX)
        if exchangers:
            return any(str(record.exchange) != "." for record in exchangers)  # a lone "." takes none (RFC 7505)
        return bool(await self._records(domain, A) or await self._records(domain, AAAA))

    async def _records(self, domain: str, kind: RdataType) -> list[Any]:
        self._resolver = self._resolver or dns.asyncresolver.Resolver()
        try:
            return list(await self._resolver.resolve(f"{domain}.", kind, lifetime=DEADLINE_SECS, search=False))
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []


class Deliverable:
    """A look-up whose mailboxes can be delivered to; what was left out is counted as `undeliverable`."""

    def __init__(self, inner: Lookup, domains: Domains) -> None:
        """Take the source and who asks about domains."""
        self._inner = inner
        self._domains = domains

    @property
    def source(self) -> str:
        """That of the look-up inside."""
        return self._inner.source

    @property
    def counts(self) -> Counter[str]:
        """Those of the look-up inside."""
        return self._inner.counts

    async def lookup(self, address: str) -> Found:
        """Ask, and leave out mailboxes that no server takes mail for."""
        found = await self._inner.lookup(address)
        taken = [email for email in found.emails if await self._domains.takes_mail(email.rpartition("@")[2])]
        self.counts["undeliverable"] += len(found.emails) - len(taken)
        return found._replace(emails=tuple(taken))
