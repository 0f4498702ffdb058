"""What is remembered of each exporter: one observation domain at a time, so that nothing crosses from one to another.

A domain is (exporter, version, observation domain or source id or agent). Templates of one never decode records of another (RFC 3954 5.2,
RFC 7011 3.4.1): a spoofed template would otherwise swap attacker and victim.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby

from abusewatch.wire.clocks import Clocks
from abusewatch.wire.errors import Reason, WireError
from abusewatch.wire.metering import Metering
from abusewatch.wire.sampling import Rates
from abusewatch.wire.templates import Template

MAX_RECORDS = 2_000
"""For one datagram: its own, and those that had waited for a template in it. 2,000 of 32 octets, a small one, fill the largest datagram; many more are
made to cost us time."""
MAX_TEMPLATES = 16_384
MAX_TEMPLATES_PER_DOMAIN = 1_024
MAX_TEMPLATES_PER_EXPORTER = 4_096
"""A quarter of all, so that one exporter cannot leave the others without."""
MAX_DOMAINS_PER_EXPORTER = 64
MAX_HELD = 64
"""Template numbers of a domain that may be in doubt at once; another new layout is believed."""
SHORTEST_REFRESH_US, LONGEST_REFRESH_US = 30_000_000, 1_800_000_000
"""Some exporters repeat their templates in every datagram, some every half hour."""
MAX_PENDING_SETS = 32
MAX_PENDING_OCTETS = 65_536
MAX_PENDING_OCTETS_IN_ALL = 4 << 20
MAX_PENDING_AGE_US = 600_000_000
"""Exporters repeat templates every 1 to 30 minutes; a set older than ten may belong to a template since replaced."""

Key = tuple[int, int, int]
"""Exporter index, export version (5, 9, 10; sFlow is 105), domain."""


@dataclass(frozen=True, slots=True)
class Message:
    """The header of one export datagram: who sent it and the clocks its records lean on.

    `export_us` is the exporter's own time, made plausible. `uptime_ms` is its uptime at that time where the header has one; `boot_ms` is when it
    started, in milliseconds since 1970, where an option said so.
    """

    exporter: int
    version: int
    domain: int
    sequence: int
    export_us: int
    uptime_ms: int = -1


@dataclass(frozen=True, slots=True)
class PendingSet:
    """A data set whose template is not known yet (RFC 7011 9 permits to keep it)."""

    number: int
    data: bytes
    message: Message


@dataclass(frozen=True, slots=True)
class Held:
    """Two layouts that one template number has been given, and which of them is right nobody knows yet.

    `message` told the new one; from `until_us` on it is believed, as the old one would have been told again by then.
    """

    old: Template
    new: Template
    message: Message
    until_us: int


@dataclass(frozen=True, slots=True)
class DataSet:
    """Records of one template in `data` from `start` to `end`, of which `limit` are read at most.

    `own` tells a set of this datagram from one that had waited for its template.
    """

    template: Template
    data: bytes
    start: int
    end: int
    message: Message
    limit: int = MAX_RECORDS
    own: bool = True

    @property
    def fitting(self) -> int:
        """How many records of fixed length there is room for."""
        return (self.end - self.start) // self.template.length


@dataclass(frozen=True, slots=True)
class Refrain:
    """The octets of a datagram between its header and its last set, which told nothing new, and what was in them.

    Exporters put their templates and options in front of the data of every twentieth datagram or so, octet for octet the same.
    """

    octets: bytes
    templates: tuple[Template, ...]
    options: tuple[DataSet, ...]

    @property
    def limit(self) -> int:
        """How many of the records that a datagram may have are spent on its options."""
        return sum(found.limit for found in self.options)

    @property
    def records(self) -> int | None:
        """How many options records it holds; None when they must be read to be counted."""
        if any(found.template.variable or found.template.layout or found.fitting > found.limit for found in self.options):
            return None
        return sum(found.fitting for found in self.options)

    def stands(self, domain: "Domain") -> bool:
        """Whether all that it told is how things are."""
        return not domain.held and all(domain.templates.get(each.number) is each for each in (*self.templates, *(found.template for found in self.options)))


@dataclass(slots=True)
class Domain:
    """The state of one observation domain; `slot` is its row in the column-wise state."""

    key: Key
    slot: int
    templates: OrderedDict[int, Template] = field(default_factory=OrderedDict)
    pending: list[PendingSet] = field(default_factory=list)
    pending_octets: int = 0
    rates: Rates = field(default_factory=Rates)
    boot_ms: int = -1
    missing: int = 0
    told: dict[int, tuple[int, int]] = field(default_factory=dict)
    """When each template was told last, and how long after the time before: 0 while it was told once only."""
    held: dict[int, Held] = field(default_factory=dict)
    refrain: Refrain | None = None
    """What its last datagram with templates told before its data, while that is still how things stand."""

    def note(self, number: int, at_us: int, *, anew: bool) -> None:
        """Note that a template was told, as a new one or once more."""
        last_us, refresh_us = self.told.get(number, (at_us, 0))
        if anew:
            self.told[number] = at_us, 0
        elif at_us > last_us:
            self.told[number] = at_us, min(max(at_us - last_us, SHORTEST_REFRESH_US), LONGEST_REFRESH_US)
        else:
            self.told[number] = last_us, refresh_us

    def tell_again(self, at_us: Sequence[int]) -> None:
        """Note that the refrain was told once more at each of some times."""
        assert self.refrain is not None  # noqa: S101  who asks has compared it
        for told in self.refrain.templates:
            self.templates.move_to_end(told.number)
            for at, _ in groupby(at_us):  # the same second twice says nothing new
                self.note(told.number, at, anew=False)
        for found in self.refrain.options:
            self.templates.move_to_end(found.template.number)

    def doubts(self, number: int, at_us: int) -> int | None:
        """Until when another layout for a template is not believed; None when it is.

        A template that has been told again and again is told again within its own rhythm. If another layout turns up in between, twice that rhythm
        shows which of them stays.
        """
        last_us, refresh_us = self.told.get(number, (0, 0))
        until_us = last_us + 2 * refresh_us
        return until_us if refresh_us and at_us <= until_us and len(self.held) < MAX_HELD else None


class DomainStore:
    """All domains, within the limits above. When one is full the least recently used of the same exporter goes, never another exporter's."""

    def __init__(self) -> None:
        self._exporters: dict[int, OrderedDict[Key, Domain]] = {}
        self._templates_of: dict[int, int] = {}
        self._templates = 0
        self._pending_octets = 0
        self._free: list[int] = []
        self._resting: list[int] = []
        self.by_slot: list[Domain] = []
        self.metering = Metering()
        self.clocks = Clocks()

    def __len__(self) -> int:
        """Count the exporters."""
        return len(self._exporters)

    def settle(self) -> list[int]:
        """Make the slots of evicted domains usable again and list them; called between batches, so that within one a slot means one domain."""
        rested, self._resting = self._resting, []
        self._free += rested
        return rested

    def live(self) -> list[Domain]:
        """List the domains that are remembered, by key."""
        return sorted((domain for domains in self._exporters.values() for domain in domains.values()), key=lambda domain: domain.key)

    def domain(self, key: Key) -> Domain:
        """Find a domain, or begin it."""
        domains = self._exporters.setdefault(key[0], OrderedDict())
        found = domains.get(key)
        if found is not None:
            domains.move_to_end(key)
            return found
        if len(domains) >= MAX_DOMAINS_PER_EXPORTER:
            self._evict(domains.popitem(last=False)[1])
        slot = self._free.pop() if self._free else len(self.by_slot)
        made = Domain(key, slot)
        if slot == len(self.by_slot):
            self.by_slot.append(made)
        else:
            self.by_slot[slot] = made
        domains[key] = made
        return made

    def forget(self, exporter: int) -> None:
        """Forget all domains of an exporter, whose session is over (RFC 7011 8.1: so are its templates)."""
        for domain in self._exporters.pop(exporter, OrderedDict()).values():
            self._evict(domain)
        self._templates_of.pop(exporter, None)

    def _evict(self, domain: Domain) -> None:
        self._count(domain.key[0], -len(domain.templates))
        self._pending_octets -= domain.pending_octets
        self._resting.append(domain.slot)

    def _count(self, exporter: int, change: int) -> None:
        self._templates += change
        self._templates_of[exporter] = self._templates_of.get(exporter, 0) + change

    def put(self, domain: Domain, template: Template) -> tuple[Template | None, int]:
        """Store a template; return the one it replaces, and how many others had to go. WireError(TEMPLATE_LIMIT) if there is no room to make."""
        old = domain.templates.get(template.number)
        evicted = 0
        if old is None:
            evicted = self._make_room(domain)
            self._count(domain.key[0], 1)
        domain.templates[template.number] = template
        domain.templates.move_to_end(template.number)
        return old, evicted

    def hold(self, domain: Domain, held: Held) -> None:
        """Take a template out of use, because another layout was told for its number."""
        del domain.templates[held.old.number]
        self._count(domain.key[0], -1)
        domain.held[held.old.number] = held

    def _make_room(self, domain: Domain) -> int:
        if len(domain.templates) >= MAX_TEMPLATES_PER_DOMAIN:
            return self._drop_oldest(domain)
        if self._templates_of.get(domain.key[0], 0) < MAX_TEMPLATES_PER_EXPORTER and self._templates < MAX_TEMPLATES:
            return 0
        for other in self._exporters[domain.key[0]].values():  # least recently used first
            if other.templates:
                return self._drop_oldest(other)
        raise WireError(Reason.TEMPLATE_LIMIT, "templates of all exporters")

    def _drop_oldest(self, domain: Domain) -> int:
        number, _ = domain.templates.popitem(last=False)
        domain.told.pop(number, None)
        self._count(domain.key[0], -1)
        return 1

    def keep_pending(self, domain: Domain, pending: PendingSet) -> bool:
        """Keep a set until its template comes, if there is room."""
        size = len(pending.data)
        if len(domain.pending) >= MAX_PENDING_SETS or domain.pending_octets + size > MAX_PENDING_OCTETS:
            return False
        if self._pending_octets + size > MAX_PENDING_OCTETS_IN_ALL:
            return False
        domain.pending.append(pending)
        domain.pending_octets += size
        self._pending_octets += size
        return True

    def take_pending(self, domain: Domain, number: int, now_us: int) -> tuple[list[PendingSet], int]:
        """Take the sets that waited for a template, and count those that have waited too long."""
        if not domain.pending:
            return [], 0
        mine = [p for p in domain.pending if p.number == number]
        domain.pending = [p for p in domain.pending if p.number != number]
        freed = sum(len(p.data) for p in mine)
        domain.pending_octets -= freed
        self._pending_octets -= freed
        fresh = [p for p in mine if now_us - p.message.export_us <= MAX_PENDING_AGE_US]
        return fresh, len(mine) - len(fresh)
