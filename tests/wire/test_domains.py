"""What is remembered is bounded, and nobody's flood takes what another's exporter needs (threats.md T3, T4)."""

import struct
import tracemalloc
from collections import Counter

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


FORWARD, TURNED = [(8, 4), (12, 4), (7, 2), (11, 2)], [(12, 4), (8, 4), (11, 2), (7, 2)]


class Router:
    """One exporter whose template is told every `refresh` seconds; somebody else may speak in its name."""

    def __init__(self, version):
        self.decoder, self.version, self.sequence, self.counts = FlowDecoder(), version, 0, Counter()

    def say(self, second, *sets):
        self.sequence += 1
        make = wire.v9 if self.version == 9 else wire.ipfix
        decoded = wire.feed(self.decoder, [make(*sets, sequence=self.sequence, seconds=wire.NOW + second)])
        self.counts.update(decoded.counts)
        return [(address.text(row["src_hi"], row["src_lo"]), row["dst_port"]) for row in wire.rows(decoded)] if decoded.batches else []

    def tell(self, second, fields):
        return self.say(second, wire.fset(0 if self.version == 9 else 2, wire.template(256, *fields)))

    def data(self, second, copies=1):
        return self.say(second, wire.fset(256, *[wire.ip(wire.A) + wire.ip(wire.B) + struct.pack(">HH", 1000, 22)] * copies))


@pytest.fixture(params=[9, 10])
def router(request):
    """Established: its template has been told three times, a minute apart."""
    made = Router(request.param)
    for second in (0, 60, 120):
        made.tell(second, FORWARD)
        assert made.data(second) == [(wire.A, 22)]
    return made


def test_a_forged_layout_between_two_refreshes_reads_no_record(router):
    """T3: with a swapped template attacker and victim would change places."""
    router.tell(130, TURNED)
    assert router.data(131) == router.data(140) == []
    assert router.tell(180, FORWARD) == []
    assert router.data(181) == [(wire.A, 22)]
    assert (router.counts[Reason.TEMPLATE_CHANGED], router.counts[Reason.TEMPLATE_HELD], router.counts[Reason.PENDING_DROPPED]) == (1, 2, 2)
    router.tell(190, TURNED)
    assert router.data(191) == [], "and again: it is not believed the second time because of the first"


def test_a_new_layout_that_is_repeated_is_believed_and_what_waited_is_read(router):
    router.tell(130, TURNED)
    assert router.data(131, 3) == []
    assert router.tell(190, TURNED) == [(wire.B, 1000)] * 3
    assert router.data(191) == [(wire.B, 1000)]
    assert router.counts[Reason.MISSING_TEMPLATE] == 0


def test_the_same_datagram_twice_is_no_repetition(router):
    turned = wire.fset(0 if router.version == 9 else 2, wire.template(256, *TURNED))
    router.say(130, turned, turned)
    assert router.data(131) == []


def test_a_new_layout_is_believed_when_the_old_one_is_due_and_does_not_come(router):
    router.tell(130, TURNED)
    assert router.data(240) == []
    assert router.data(241) == [(wire.B, 1000), (wire.B, 1000)]


@pytest.mark.parametrize("second", [241, 3_600])
def test_long_after_the_last_refresh_a_change_is_a_change(router, second):
    router.tell(second, TURNED)
    assert router.data(second + 1) == [(wire.B, 1000)]
    assert router.counts[Reason.TEMPLATE_CHANGED] == 1


def test_a_layout_that_was_told_once_only_may_be_replaced():
    """RFC 7011 8.1: on UDP a new template takes the place of the old."""
    router = Router(10)
    router.tell(0, FORWARD)
    router.tell(5, TURNED)
    assert router.data(6) == [(wire.B, 1000)]


def test_a_third_layout_starts_the_doubt_anew(router):
    router.tell(130, TURNED)
    router.data(131)
    router.tell(132, [(8, 4), (12, 4), (11, 2), (7, 2)])
    assert router.data(133) == []
    router.tell(190, TURNED)
    assert router.data(191) == []
    assert router.tell(192, TURNED) == [(wire.B, 1000)]
    assert router.counts[Reason.TEMPLATE_CHANGED] == 3


def test_what_waits_in_doubt_is_bounded(router):
    router.tell(130, TURNED)
    for number in range(50):
        router.data(131 + number)
    assert len(router.tell(190, TURNED)) == domains.MAX_PENDING_SETS
    assert router.counts[Reason.PENDING_DROPPED] == 50 - domains.MAX_PENDING_SETS


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
