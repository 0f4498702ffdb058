"""Ask the registry that has an address who is to be told of abuse (RFC 7480, 9082, 9083).

Off unless switched on: each question tells a registry which network is about to be reported.
"""

import time
from collections import Counter
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import aiohttp
import msgspec

from abusewatch.contacts.answer import covering
from abusewatch.contacts.bootstrap import SOURCES, Bootstrap, BootstrapError, Services, parse, snapshot
from abusewatch.contacts.budget import Budget, Pauses, StoredBudget
from abusewatch.contacts.entities import Named, abuse_contact
from abusewatch.contacts.fetch import Fetcher, Reply, host_of
from abusewatch.contacts.gate import Gate, Refused
from abusewatch.contacts.lookup import Found, Trouble, Unavailable

PER_DAY = 500
"""Half of what RIPE allows an address for personal data in a day; abuse contacts are not even counted there."""
REFRESH_SECS = 7 * 86_400.0


class RdapLookup:
    """The five registries behind one question. One look-up at a time is enough, and polite.

    `counts` counts questions by what became of them: asked, found, nobody, and each trouble or refusal.
    """

    source = "rdap"

    def __init__(
        self,
        gate: Gate,
        *,
        services: Services | None = None,
        per_day: int = PER_DAY,
        fetcher: Fetcher | None = None,
        budget: StoredBudget | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the gate; with `services` those registries are asked and IANA's list is never fetched."""
        self._bootstrap = Bootstrap(services or snapshot())
        self._refreshes = services is None
        self._refreshed_at: float | None = None
        self._fetcher = fetcher or Fetcher(gate)
        self._budget = budget or Budget(per_day, clock)
        self._pauses = Pauses(clock)
        self._clock = clock
        self.counts: Counter[str] = Counter()

    async def lookup(self, address: str) -> Found:
        """Ask about one address; Unavailable with the trouble when no registry answers now."""
        await self._refresh()
        trouble = Unavailable("failed")
        urls = self._bootstrap.urls(address)
        for base in urls:
            try:
                reply = await self._get(f"{base}ip/{quote(address, safe=':.')}")
                found = await self._read(reply, address) if reply else None
            except Unavailable as error:
                trouble = error
                continue
            self.counts["found" if found and found.emails else "nobody"] += 1
            return found or Found((), (), "")
        if urls:
            raise trouble
        return Found((), (), "")

    async def _read(self, reply: Reply, address: str) -> Found:
        document = _document(reply.body)
        if document is None:
            raise self._trouble("unreadable", reply.url)
        networks = covering(document.get("startAddress"), document.get("endAddress"), address)
        if not networks:  # nobody's range, or everybody's: whoever stands in it does not answer for this network
            return Found((), (), "")
        named = abuse_contact(document)
        if named.entity:
            named = await self._entity(named, named.entity, reply.url)
        return Found(networks, named.emails, named.name)

    async def _entity(self, named: Named, entity: tuple[str, str], url: str) -> Named:
        """Ask once more for the abuse entity that came without a mailbox; the answer stays what it was if that fails."""
        handle, link = entity
        base, _, _ = url.rpartition("ip/")
        try:
            reply = await self._get(link or f"{base}entity/{quote(handle, safe='')}")
        except Unavailable:
            return named
        document = _document(reply.body) if reply else None
        if document is None:
            return named
        found = abuse_contact({**document, "roles": ["abuse"]})
        return named._replace(emails=found.emails)

    async def _get(self, url: str) -> Reply | None:
        """Fetch within budget and pauses; None for "not found", Unavailable for all that is no answer."""
        host = host_of(url)
        if self._pauses.pausing(host):
            raise self._counted("paused")
        if not self._budget.spend():
            raise self._counted("budget")
        self.counts["asked"] += 1
        try:
            reply = await self._fetcher.get(url)
        except Refused as error:
            self.counts[f"refused_{error.reason}"] += 1
            raise self._trouble("refused", url) from None
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError):  # ValueError: a name that cannot be encoded
            raise self._trouble("failed", url) from None
        if reply.status == 404:
            return None
        if reply.status != 200:
            for place in {host, host_of(reply.url)}:
                self._pauses.failed(place, reply.retry_secs)
            raise self._counted("throttled" if reply.status == 429 else "failed")
        self._pauses.answered(host)
        return reply

    def _trouble(self, trouble: Trouble, url: str) -> Unavailable:
        self._pauses.failed(host_of(url))
        return self._counted(trouble)

    def _counted(self, trouble: Trouble) -> Unavailable:
        self.counts[trouble] += 1
        return Unavailable(trouble)

    async def _refresh(self) -> None:
        """Fetch IANA's list once a week; what is not a full and sound list changes nothing."""
        due = self._refreshed_at is None or self._clock() - self._refreshed_at >= REFRESH_SECS
        if not self._refreshes or not due:
            return
        self._refreshed_at = self._clock()
        try:
            services = [parse(_document(reply.body)) for url in SOURCES if (reply := await self._get(url))]
        except (Unavailable, BootstrapError):
            self.counts["bootstrap_kept"] += 1
            return
        if len(services) == len(SOURCES):
            self._bootstrap = Bootstrap(entry for family in services for entry in family)


def _document(body: bytes) -> dict[str, Any] | None:
    """Decode an object; None for whatever is not one, however deep it is nested."""
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    return document if isinstance(document, dict) else None
