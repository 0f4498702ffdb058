"""Promise: everybody who can be known is found, nobody is asked twice or about what is not theirs, and nothing waits."""

import asyncio
import ipaddress
import json
import time

import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from abusewatch.casework import Casework
from abusewatch.contacts import ContactChain, MemoryCache, MemoryHealth, OperatorTable
from abusewatch.contacts.chain import BOUNCING, DAY_US, FRESH_US, KEPT_US, OPTED_OUT, WANTED
from abusewatch.contacts.fetch import Fetcher
from abusewatch.contacts.health import BOUNCES
from abusewatch.contacts.lookup import Found, Unavailable
from abusewatch.contacts.rdap import RdapLookup
from abusewatch.contacts.resolve import OWN, UNKNOWN
from abusewatch.contacts.table import Entry
from abusewatch.incidents import correlate
from abusewatch.retention import limits
from abusewatch.storage import SqliteStore
from abusewatch.storage.contact_cache import SqliteContacts
from tests.cases import SECOND, T0, Owners, PlainComposer, detection, foreign, ours, own


class Asked:
    """A source that knows some networks; it counts, and may be down."""

    def __init__(self, source="rdap", **known):
        self.source, self.asked, self.down = source, [], False
        self.known = {ipaddress.ip_network(network.replace("_", ".").replace("s", "/")): emails for network, emails in known.items()}

    def knows(self, network, *emails):
        self.known[ipaddress.ip_network(network)] = emails
        return self

    async def lookup(self, address):
        self.asked.append(address)
        if self.down:
            raise Unavailable("failed")
        parsed = ipaddress.ip_address(address)
        for network, emails in self.known.items():
            if parsed in network:
                return Found((network,) if self.source == "rdap" else (), emails, "Holder")
        return Found((), (), "")


class Time:
    def __init__(self):
        self.now = 1_700_000_000_000_000

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Time()


@pytest.fixture
def health():
    return MemoryHealth()


@pytest.fixture
def build(clock, health):
    def make(*lookups, lines=()):
        table = OperatorTable(Entry(ipaddress.ip_network(p), name, email) for p, name, email in lines)
        return ContactChain(table, own, cache=MemoryCache(), health=health, lookups=lookups, now_us=clock)

    return make


def said(found):
    return {(c.email, c.name, c.source, c.network): a for c, a in found.items()}


async def test_table_then_registry_then_zone_then_nobody(build):
    rdap, zone = Asked().knows("66.1.0.0/16", "abuse@one.example"), Asked("dns").knows("66.2.0.0/16", "abuse@two.example")
    chain = build(rdap, zone, lines=[("66.0.0.0/16", "Zero", "abuse@zero.example")])
    assert said(await chain.find(["66.0.0.1", "66.1.0.1", "66.2.0.1", "66.3.0.1"])) == {
        ("abuse@zero.example", "Zero", "table", "66.0.0.0/16"): ["66.0.0.1"],
        ("abuse@one.example", "Holder", "rdap", "66.1.0.0/16"): ["66.1.0.1"],
        ("abuse@two.example", "Holder", "dns", "66.2.0.0/24"): ["66.2.0.1"],
        (None, UNKNOWN, "none", "66.3.0.0/24"): ["66.3.0.1"],
    }
    assert rdap.asked == ["66.1.0.1", "66.2.0.1", "66.3.0.1"]
    assert zone.asked == ["66.2.0.1", "66.3.0.1"]
    assert [str(known.network) for known in chain.unknown()] == ["66.3.0.0/24"]


async def test_one_look_up_a_network_and_none_while_fresh(build, clock):
    rdap = Asked().knows("66.1.0.0/16", "abuse@one.example")
    chain = build(rdap)
    many = [f"66.1.{n}.7" for n in range(200)]
    assert await chain.prefetch(many) == frozenset(many)
    assert rdap.asked == ["66.1.0.7"]
    clock.now += FRESH_US - 1
    await chain.prefetch(many)
    assert len(rdap.asked) == 1
    clock.now += 1
    await chain.prefetch(many)
    assert len(rdap.asked) == 2


async def test_nobody_is_remembered_for_a_day(build, clock):
    rdap = Asked()
    chain = build(rdap)
    await chain.prefetch(["66.3.0.1", "66.3.0.2"])
    clock.now += DAY_US - 1
    await chain.prefetch(["66.3.0.3"])
    assert rdap.asked == ["66.3.0.1"]
    clock.now += 1
    await chain.prefetch(["66.3.0.3"])
    assert len(rdap.asked) == 2


def test_resolve_never_waits_and_remembers(build):
    rdap = Asked().knows("66.1.0.0/16", "abuse@one.example")
    chain = build(rdap)
    (contact,) = chain.resolve(["66.1.0.1"])
    assert (contact.email, contact.name) == (None, UNKNOWN)
    assert rdap.asked == []


async def test_what_was_not_known_is_learned(build):
    rdap = Asked().knows("66.1.0.0/16", "abuse@one.example")
    chain = build(rdap)
    chain.resolve(["66.1.0.1", "66.9.0.1"])
    assert await chain.learn() == {"66.1.0.1"}
    assert await chain.learn() == frozenset(), "what is known, and what nobody knows, is not asked again"
    assert [c.email for c in chain.resolve(["66.1.0.1"])] == ["abuse@one.example"]
    assert rdap.asked == ["66.1.0.1", "66.9.0.1"]


async def test_own_special_and_listed_space_is_never_looked_up(build):
    rdap = Asked()
    chain = build(rdap, lines=[("66.0.0.0/16", "Not to be mailed", None), ("66.1.0.0/16", "One", "abuse@one.example")])
    never = ["198.51.100.9", "10.0.0.1", "127.0.0.1", "192.168.1.1", "169.254.1.1", "224.0.0.1", "fe80::1", "fd00::1", "::1", "2001:db8::1", "203.0.113.1", "66.0.0.1", "66.1.0.1"]
    found = await chain.find(never)
    assert rdap.asked == []
    assert {c.email for c in found} == {None, "abuse@one.example"}
    assert {c.name for c in found if c.source == "none"} >= {OWN}


@settings(max_examples=50, deadline=None)
@given(some=st.lists(st.one_of(foreign, ours), max_size=20))
async def test_every_address_once_and_nobody_of_ours_asked(some):
    rdap = Asked().knows("66.0.0.0/8", "abuse@one.example")
    chain = ContactChain(OperatorTable(), own, cache=MemoryCache(), health=MemoryHealth(), lookups=[rdap])
    found = await chain.find(some)
    assert sorted(a for group in found.values() for a in group) == sorted(set(some))
    assert not any(own(address) for address in rdap.asked)


async def test_stale_is_served_marked_while_nobody_answers_and_no_longer_than_a_week(build, clock):
    rdap = Asked().knows("66.1.0.0/16", "abuse@one.example")
    chain = build(rdap)
    await chain.prefetch(["66.1.0.1"])
    learned = clock.now
    clock.now += FRESH_US
    rdap.down = True
    assert [c.email for c in chain.resolve(["66.1.0.1"])] == [None], "first the registry is asked again"
    await chain.learn()
    assert said(chain.resolve(["66.1.0.1"])) == {("abuse@one.example", "Holder", "cache", "66.1.0.0/16"): ["66.1.0.1"]}
    clock.now = learned + KEPT_US - 1
    assert [c.source for c in chain.resolve(["66.1.0.1"])] == ["cache"]
    clock.now += 1
    assert [c.email for c in chain.resolve(["66.1.0.1"])] == [None]
    rdap.down = False
    await chain.learn()
    assert [c.source for c in chain.resolve(["66.1.0.1"])] == ["rdap"]


async def test_a_registry_that_is_down_makes_nobody_unknown(build):
    """No answer is not the answer "nobody": nothing is written down, and the next time is another chance."""
    rdap = Asked().knows("66.1.0.0/16", "abuse@one.example")
    rdap.down = True
    chain = build(rdap)
    assert await chain.prefetch(["66.1.0.1"]) == frozenset()
    assert chain.unknown() == []
    rdap.down = False
    assert await chain.prefetch(["66.1.0.1"]) == {"66.1.0.1"}


async def test_the_zone_is_asked_when_the_registry_is_down(build):
    rdap, zone = Asked(), Asked("dns").knows("66.1.0.0/16", "abuse@one.example")
    rdap.down = True
    assert [c.source for c in await build(rdap, zone).find(["66.1.0.1"])] == ["dns"]


async def test_without_look_ups_the_queue_fills_and_is_asked_once_they_are_on(build, clock):
    chain = build()
    chain.resolve(["66.1.0.1"])
    await chain.learn()
    assert [str(known.network) for known in chain.unknown()] == ["66.1.0.0/24"]
    rdap = Asked().knows("66.1.0.0/16", "abuse@one.example")
    on = ContactChain(OperatorTable(), own, cache=chain._cache, health=MemoryHealth(), lookups=[rdap], now_us=clock)
    assert [c.email for c in await on.find(["66.1.0.1"])] == ["abuse@one.example"]


async def test_a_mailbox_that_bounces_gives_way_to_the_next(build, health, clock):
    chain = build(Asked().knows("66.1.0.0/16", "dead@one.example", "alive@one.example"))
    await chain.prefetch(["66.1.0.1"])
    assert [c.email for c in chain.resolve(["66.1.0.1"])] == ["dead@one.example"]
    health.bounced("dead@one.example", clock.now)
    assert [c.email for c in chain.resolve(["66.1.0.1"])] == ["alive@one.example"], "one bounce already ranks it lower"
    for _ in range(BOUNCES):
        health.bounced("alive@one.example", clock.now)
    assert [c.email for c in chain.resolve(["66.1.0.1"])] == ["dead@one.example"]
    for _ in range(BOUNCES):
        health.bounced("dead@one.example", clock.now)
    assert [(c.email, c.name) for c in chain.resolve(["66.1.0.1"])] == [(None, BOUNCING)]
    clock.now += 31 * DAY_US
    assert [c.name for c in chain.resolve(["66.1.0.1"])] == [UNKNOWN], "a month later the registry is asked anew"


async def test_the_chain_is_taught_by_what_comes_back(build, health):
    chain = build(lines=[("66.1.0.0/16", "One", "abuse@one.example"), ("66.2.0.0/16", "Two", "abuse@two.example")])
    for _ in range(BOUNCES):
        chain.bounced("Abuse@one.example")
    chain.opted_out("abuse@two.example")
    assert {c.name for c in chain.resolve(["66.1.0.1", "66.2.0.1"])} == {BOUNCING, OPTED_OUT}
    assert health.standing(["abuse@one.example"])["abuse@one.example"].bounces == BOUNCES


@pytest.mark.parametrize("lines", [[], [("66.1.0.0/16", "One", "Other@one.example")]])
async def test_no_more_means_nobody_of_that_operator(build, health, clock, lines):
    chain = build(Asked().knows("66.1.0.0/16", "abuse@one.example", "other@one.example"), lines=lines)
    await chain.prefetch(["66.1.0.1"])
    health.opted_out("OTHER@one.example", clock.now)
    assert [(c.email, c.name) for c in chain.resolve(["66.1.0.1"])] == [(None, OPTED_OUT)]
    health.restore("other@one.example")
    assert [c.email is not None for c in chain.resolve(["66.1.0.1"])] == [True]


async def test_time_is_bounded(build):
    class Slow(Asked):
        async def lookup(self, address):
            self.asked.append(address)
            await asyncio.sleep(0.04)
            return Found((), ("a@x.example",), "")

    slow = Slow()
    chain = build(slow)
    answered = await chain.prefetch([f"66.{n}.0.1" for n in range(200)], within_secs=0.3)
    assert 0 < len(answered) < 200
    assert chain.counts["overran"] == 1


def test_memory_of_what_is_wanted_is_bounded(build):
    chain = build(Asked())
    chain.resolve(f"66.{n >> 16}.{n >> 8 & 255}.{n & 255}" for n in range(WANTED + 500))
    assert chain.counts["shed"] == 500


async def test_a_registry_over_the_wire(build, registry, gate, everything):
    document = {"startAddress": "66.1.0.0", "endAddress": "66.1.255.255", "name": "ONE-NET", "entities": [{"roles": ["abuse"], "vcardArray": ["vcard", [["email", {}, "text", "abuse@one.example"]]]}]}
    registry.answer = lambda _: web.Response(text=json.dumps(document))
    chain = build(RdapLookup(gate, services=everything))
    assert said(await chain.find([f"66.1.{n}.1" for n in range(50)])) == {("abuse@one.example", "ONE-NET", "rdap", "66.1.0.0/16"): [f"66.1.{n}.1" for n in range(50)]}
    assert registry.asked == ["/ip/66.1.0.1"]


@pytest.fixture
def stored(tmp_path):
    store = SqliteStore(tmp_path / "cases.db", limits())
    yield store
    store.close()


async def test_the_customer_is_told_while_the_registry_is_silent_and_the_operator_when_it_speaks(stored, registry, gate, everything):
    """The whole way with a real store: a notice never waits for a look-up, and an operator is only late, not lost."""
    now, ticks = [T0 + SECOND], [0.0]
    spoken = asyncio.Event()

    async def answer(request):
        await spoken.wait()
        return web.Response(text=json.dumps({"startAddress": "66.1.0.0", "endAddress": "66.1.255.255", "entities": [{"roles": ["abuse"], "vcardArray": ["vcard", [["email", {}, "text", "abuse@one.example"]]]}]}))

    registry.answer = answer
    contacts = SqliteContacts(stored.database)
    rdap = RdapLookup(gate, services=everything, fetcher=Fetcher(gate, deadline_secs=0.3), clock=lambda: ticks[0])
    chain = ContactChain(OperatorTable(), own, cache=contacts, health=contacts, lookups=[rdap], now_us=lambda: now[0])
    work = Casework(stored, Owners(), chain, PlainComposer(), hold=None)
    stored.save(correlate([], [detection(["66.1.2.3", "66.1.9.9"])], T0, stored.next_id))

    begun = time.monotonic()
    await asyncio.gather(chain.learn(), asyncio.to_thread(work.turn, now[0]))
    assert [entry.message.audience for entry in stored.messages()] == ["customer"]
    assert await chain.learn() == frozenset()
    assert time.monotonic() - begun < 30
    spoken.set()
    ticks[0] += 120
    now[0] += 61 * SECOND
    work.turn(now[0])
    assert [entry.message.audience for entry in stored.messages()] == ["customer"]
    assert await chain.learn() == {"66.1.2.3", "66.1.9.9"}
    now[0] += 61 * SECOND
    work.turn(now[0])
    assert [(entry.message.audience, entry.message.recipient) for entry in stored.messages()] == [("customer", "security@customer.example"), ("operator", "abuse@one.example")]
    assert registry.asked == ["/ip/66.1.2.3", "/ip/66.1.2.3"]
