"""What is remembered is bounded, and nobody's flood takes what another's exporter needs (threats.md T3, T4)."""

import struct
import tracemalloc

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from abusewatch.model import address
from abusewatch.wire import domains
from abusewatch.wire.datagrams import FlowDecoder
from abusewatch.wire.domains import DomainStore, Message, PendingSet
from abusewatch.wire.errors import Reason, WireError
from abusewatch.wire.templates import make_template
from tests.wire import exports_by_hand as wire

FIELDS = [(0, 8, 4), (0, 12, 4)]


def fill(store, key, count, first=256):
    domain = store.domain(key)
    for number in range(first, first + count):
        store.put(domain, make_template(number, FIELDS))
    return domain


def test_a_domain_forgets_its_least_recently_used_template():
    store = DomainStore()
    domain = fill(store, (1, 9, 1), domains.MAX_TEMPLATES_PER_DOMAIN)
    domain.templates.move_to_end(256)
    assert store.put(domain, make_template(9000, FIELDS)) == (None, 1)
    assert 256 in domain.templates
    assert 257 not in domain.templates
    assert len(domain.templates) == domains.MAX_TEMPLATES_PER_DOMAIN


def test_an_exporter_forgets_its_own_domains_only():
    store = DomainStore()
    other = fill(store, (2, 9, 1), 3)
    first = store.domain((1, 9, 0))
    for number in range(1, domains.MAX_DOMAINS_PER_EXPORTER + 1):
        store.domain((1, 9, number))
    assert store.domain((2, 9, 1)) is other
    assert store.settle() == [first.slot]
    again = store.domain((1, 9, 0))
    assert again is not first


def test_a_slot_means_one_domain_until_the_batch_ends():
    store = DomainStore()
    slots = {store.domain((1, 9, number)).slot for number in range(3 * domains.MAX_DOMAINS_PER_EXPORTER)}
    assert len(slots) == 3 * domains.MAX_DOMAINS_PER_EXPORTER
    store.settle()
    assert store.domain((1, 9, 10_000)).slot in slots


def test_templates_in_all_are_bounded():
    store = DomainStore()
    for exporter in range(5):
        for number in range(4):
            fill(store, (exporter, 9, number), domains.MAX_TEMPLATES_PER_DOMAIN) if exporter < 4 else None
    late = store.domain((4, 9, 1))
    with pytest.raises(WireError) as caught:
        store.put(late, make_template(256, FIELDS))
    assert caught.value.reason is Reason.TEMPLATE_LIMIT
    assert store.put(store.domain((0, 9, 9)), make_template(256, FIELDS)) == (None, 1), "its own oldest goes"


def test_waiting_sets_are_bounded_and_grow_stale():
    store = DomainStore()
    domain = store.domain((1, 9, 1))
    old, new = (Message(1, 9, 1, 0, at) for at in (0, domains.MAX_PENDING_AGE_US))
    kept = [store.keep_pending(domain, PendingSet(256, bytes(100), old if n else new)) for n in range(40)]
    assert sum(kept) == domains.MAX_PENDING_SETS
    assert not store.keep_pending(store.domain((1, 9, 2)), PendingSet(256, bytes(domains.MAX_PENDING_OCTETS + 1), new))
    fresh, stale = store.take_pending(domain, 256, domains.MAX_PENDING_AGE_US + 1)
    assert (len(fresh), stale, domain.pending_octets) == (1, domains.MAX_PENDING_SETS - 1, 0)


def test_a_flood_of_templates_costs_bounded_memory_and_nobody_else():
    """T4: more templates than an exporter may have, of 62 fields each, over more domains; the other's records all come through."""
    decoder = FlowDecoder()
    good = [wire.v9(wire.fset(0, wire.template(256, *wire.V4)))]
    wire.feed(decoder, good, exporter=1)
    wide = [(94, 3)] * 60
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for start in range(0, 6_000, 1_000):
        flood = [
            wire.v9(wire.fset(0, *(wire.template(256 + (start + n) % 60_000, (8, 4), (12, 4), *wide) for n in range(i, i + 10))), domain=start // 1_000 + i % 70)
            for i in range(0, 1_000, 10)
        ]
        wire.feed(decoder, flood, exporter=2)
        decoded = wire.feed(decoder, [wire.v9(wire.fset(256, wire.flow4()), sequence=1 + start // 1_000)], exporter=1)
        assert decoded.records == len(wire.rows(decoded)) == 1
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 8 << 20, f"{grown >> 20} MB"


class Swap(RuleBasedStateMachine):
    """Exporters, domains and versions send templates and data in any order; each record is read with its own domain's last template."""

    @initialize()
    def begin(self):
        self.decoder = FlowDecoder()
        self.forward = {}

    who = st.tuples(st.integers(0, 2), st.sampled_from([9, 10]), st.integers(0, 2))

    @rule(who=who, forward=st.booleans(), with_data=st.booleans())
    def template(self, who, forward, with_data):
        fields = [(8, 4), (12, 4), (7, 2), (11, 2)] if forward else [(12, 4), (8, 4), (11, 2), (7, 2)]
        self.forward[who] = forward
        self.send(who, wire.fset(0 if who[1] == 9 else 2, wire.template(256, *fields)), *([self.data()] if with_data else []))

    @rule(who=who)
    def records(self, who):
        if who in self.forward:
            self.send(who, self.data())

    def data(self):
        return wire.fset(256, wire.ip(wire.A) + wire.ip(wire.B) + struct.pack(">HH", 1000, 22))

    def send(self, who, *sets):
        exporter, version, number = who
        datagram = (wire.v9 if version == 9 else wire.ipfix)(*sets, domain=number)
        for row in wire.rows(wire.feed(self.decoder, [datagram], exporter)):
            expected = (wire.A, 22) if self.forward[who] else (wire.B, 1000)
            assert (address.text(row["src_hi"], row["src_lo"]), row["dst_port"]) == expected


TestSwap = Swap.TestCase
TestSwap.settings = settings(max_examples=30, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck))
