"""Operator table, cache, registries, DNS zone, and at the end a person: whom to tell about an attacked network.

Two doors, so that a customer's notice never waits for a registry: `resolve` answers at once from table and cache and
remembers what it could not answer; `learn` asks outside, in bounded time, and says which addresses can be answered now.
Own, private and bogon space is never looked up.
"""

import asyncio
import ipaddress
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from abusewatch.contacts.answer import Answer, ContactCache, Known
from abusewatch.contacts.health import GOOD, ContactHealth, Standing
from abusewatch.contacts.lookup import Found, Lookup, Unavailable
from abusewatch.contacts.lpm import Network
from abusewatch.contacts.resolve import UNKNOWN, TableResolver, grouped
from abusewatch.contacts.table import OperatorTable
from abusewatch.model.address import network_of
from abusewatch.model.contact import Contact

DAY_US = 86_400_000_000
FRESH_US = 3 * DAY_US
"""Operators move their abuse mailbox seldom, and each question discloses something."""
NOBODY_FRESH_US = DAY_US
KEPT_US = 7 * DAY_US
"""The longest a stale answer is served while nobody can be asked (threats.md T29)."""
WITHIN_SECS = 60.0
WANTED = 10_000
"""Addresses remembered for the next look-up; 10^5 sprayed networks must not become memory."""
OPTED_OUT = "wants no more reports"
BOUNCING = "every known mailbox bounces"


class ContactChain:
    """Finds contacts for sets of addresses. `resolve` may be called from any thread, the others on the loop.

    `counts` counts what `resolve` found by source, and `shed`: addresses that did not fit into the remembered ones.
    """

    def __init__(
        self,
        table: OperatorTable,
        own: Callable[[str], bool],
        *,
        cache: ContactCache,
        health: ContactHealth,
        lookups: Sequence[Lookup] = (),
        kept_us: int = KEPT_US,
        now_us: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        """Take the parts; without `lookups` nobody outside is ever asked. `kept_us` is the retention of an answer."""
        self._table = TableResolver(table, own)
        self._cache = cache
        self._health = health
        self.lookups = tuple(lookups)
        self._kept_us = kept_us
        self._now_us = now_us
        self._wanted: dict[str, None] = {}
        self._silent: dict[str, None] = {}
        self.counts: Counter[str] = Counter()

    def resolve(self, addresses: Iterable[str]) -> dict[Contact, list[str]]:
        """Group addresses by whom to tell, at once; as `TableResolver.resolve`, from table and cache.

        A contact whose answer is older than it should be, and could not be renewed, has `cache` as its source. Unknown
        ones are remembered for `learn`.
        """
        now = self._now_us()
        found = [(self._one(address, now), address) for address in dict.fromkeys(addresses)]
        self.counts.update(contact.source for contact, _ in found)
        return grouped(found)

    async def prefetch(self, addresses: Iterable[str], within_secs: float = WITHIN_SECS) -> frozenset[str]:
        """Ask outside about what is neither in the table nor fresh in the cache; the addresses that became answered.

        Stops when the time is up; what is left stays unknown. Never raises for what others do.
        """
        missing = [address for address in dict.fromkeys(addresses) if self._askable(address)]
        answered: set[str] = set()
        try:
            async with asyncio.timeout(within_secs):
                for address in missing:
                    known = await asyncio.to_thread(self._known, address) or await self._ask(address)
                    if known and known.answer.emails:
                        answered.add(address)
        except TimeoutError:
            self.counts["overran"] += 1
        return frozenset(answered)

    async def learn(self, within_secs: float = WITHIN_SECS) -> frozenset[str]:
        """Prefetch what `resolve` could not answer since the last time; the addresses that became answered."""
        wanted, self._wanted = self._wanted, {}
        return await self.prefetch(wanted, within_secs)

    async def find(self, addresses: Iterable[str], within_secs: float = WITHIN_SECS) -> dict[Contact, list[str]]:
        """Prefetch, then resolve: for a person who asks about one network and can wait."""
        asked = tuple(dict.fromkeys(addresses))
        await self.prefetch(asked, within_secs)
        return await asyncio.to_thread(self.resolve, asked)

    def bounced(self, email: str) -> None:
        """Note that a mail to a contact came back for good (RFC 3464 Action: failed, class 5)."""
        self._health.bounced(email, self._now_us())

    def opted_out(self, email: str) -> None:
        """Note that a contact answered STOP; `reports.identity.optout_token` of the recipient proves that he may."""
        self._health.opted_out(email, self._now_us())

    def unknown(self, limit: int = 100) -> list[Known]:
        """List the networks that nobody is known for: a person may know, and write it into the operator table."""
        return self._cache.unknown(self._now_us(), limit)

    def _one(self, address: str, now: int) -> Contact:
        """Decide one address by table, cache and health."""
        contact = self._table.contact_of(address)
        if contact.email:
            standing = self._health.standing([contact.email])
            return _usable(contact, (contact.email,), standing, now)
        if contact.source == "table" or contact.name != UNKNOWN:
            return contact
        known = self._cache.get(address, now)
        if known is None or not self._usable_age(known.answer, address, now):
            self._want(address)
            return contact
        answer = known.answer
        if not answer.emails:
            return contact
        source = answer.source if answer.fresh_us > now else "cache"
        named = Contact(answer.emails[0], answer.name, source, str(known.network))
        return _usable(named, answer.emails, self._health.standing(answer.emails), now)

    def _usable_age(self, answer: Answer, address: str, now: int) -> bool:
        """A fresh answer is; a stale one while nobody can be asked; and "nobody was asked" is no answer at all."""
        if answer.source == "none" and self.lookups:
            return False
        return answer.fresh_us > now or not self.lookups or network_of(address) in self._silent

    def _want(self, address: str) -> None:
        if len(self._wanted) < WANTED:
            self._wanted[address] = None
        else:
            self.counts["shed"] += 1

    def _askable(self, address: str) -> bool:
        """Whether anybody outside may be asked: not about own, special or listed space."""
        contact = self._table.contact_of(address)
        return contact.source == "none" and contact.name == UNKNOWN

    def _known(self, address: str) -> Known | None:
        """Look once more: the answer to the address before may have covered this one."""
        now = self._now_us()
        known = self._cache.get(address, now)
        fresh = known and known.answer.fresh_us > now and (known.answer.source != "none" or not self.lookups)
        return known if fresh else None

    async def _ask(self, address: str) -> Known | None:
        """Go through the look-ups until one names somebody; None when that is not known now."""
        silent, found, source = False, Found((), (), ""), "none"
        for lookup in self.lookups:
            try:
                found = await lookup.lookup(address)
            except Unavailable:
                silent = True
                continue
            source = lookup.source
            if found.emails:
                break
        self._silent.pop(network_of(address), None)
        if silent and not found.emails:
            self._silent = dict(list(self._silent.items())[-WANTED:]) | {network_of(address): None}
            return None
        return await asyncio.to_thread(self._keep, address, found, source)

    def _keep(self, address: str, found: Found, source: str) -> Known:
        now = self._now_us()
        networks: tuple[Network, ...] = found.networks or (ipaddress.ip_network(network_of(address)),)
        fresh = FRESH_US if found.emails else NOBODY_FRESH_US
        answer = Answer(
            found.emails, found.name, source, now, min(now + fresh, now + self._kept_us), now + self._kept_us
        )
        older = self._cache.get(address, now)
        if older and older.network not in networks:  # narrower, it would hide what has been learned now
            networks = (older.network, *networks)
        self._cache.put(networks, answer)
        return Known(networks[0], answer)


def _usable(contact: Contact, emails: Sequence[str], standing: Mapping[str, Standing], now: int) -> Contact:
    """Choose the first mailbox that does not bounce; nobody once one of them has said "no more"."""
    known = [(email, standing.get(email.lower(), GOOD)) for email in emails]
    if any(one.opted_out_us is not None for _, one in known):
        return Contact(None, OPTED_OUT, "none", contact.network)
    usable = [(email, one) for email, one in known if not one.bouncing(now)]
    if not usable:
        return Contact(None, BOUNCING, "none", contact.network)
    email = min(usable, key=lambda pair: pair[1].bounces)[0]
    return Contact(email, contact.name, contact.source, contact.network)
