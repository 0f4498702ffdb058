"""A datagram that came twice counts once, whatever batches it came in; one that only looks alike counts."""

import random

import numpy as np
import pytest

from abusewatch.wire import repeats
from abusewatch.wire.datagrams import FlowDecoder
from abusewatch.wire.errors import Reason
from tests.wire import exports_by_hand as wire


def v9(number):
    return wire.v9(wire.fset(256, wire.flow4(src_port=number % 60_000)), sequence=number)


def ipfix(number):
    return wire.ipfix(wire.fset(256, wire.flow4(src_port=number % 60_000)), sequence=number)


def v5(number):
    return wire.v5([(wire.A, wire.B, number % 60_000, 2, 6, 1, 40, 0, 0, 0)], sequence=number)


def sflow(number):
    return wire.sflow(wire.sample(wire.raw(wire.frame(src_port=number % 60_000))), sequence=number)


FORMS = {"v5": v5, "v9": v9, "ipfix": ipfix, "sflow": sflow}
TEMPLATES = [wire.v9(wire.fset(0, wire.template(256, *wire.V4)), sequence=2**32 - 1), wire.ipfix(wire.fset(2, wire.template(256, *wire.V4)))]


def ports(decoder, datagrams, size):
    wire.feed(decoder, TEMPLATES)
    decoded = [wire.feed(decoder, datagrams[i : i + size]) for i in range(0, len(datagrams), size)]
    return [row["src_port"] for one in decoded for row in wire.rows(one)], sum(one.counts.get(Reason.DUPLICATE, 0) for one in decoded)


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("form", FORMS)
def test_network_doubles_late_and_lost_datagrams(form, size):
    """Reliability row 12: 5 % lost, 5 % doubled, some late; every record that came counts once, and the account says what was lost."""
    source = random.Random(9)
    sent, came, doubled = [], set(), 0
    for number in range(1, 1_001):
        if source.random() < 0.05:
            continue
        came.add(number)
        copies = 1 + (source.random() < 0.05)
        doubled += copies - 1
        sent += [FORMS[form](number)] * copies
        if copies == 1 and source.random() < 0.05 and len(sent) > 5:
            place = len(sent) - source.randrange(1, 5)
            sent.insert(place, sent.pop())
    decoder = FlowDecoder()
    found, dropped = ports(decoder, sent, size)
    assert sorted(found) == sorted(came)
    assert dropped == doubled
    account = next(a for a in decoder.accounts if a.records > 0)
    last = max(came)
    assert account.lost == pytest.approx(last - len(came), rel=0.05, abs=2)
    assert account.duplicates == pytest.approx(doubled, rel=0.05, abs=1)
    assert account.restarts <= 1  # the template's own number


def test_cards_that_number_apart_are_not_repeats():
    """Two cards of a router under one domain, their numbers a few apart: all that differs in octets counts."""
    one, two = ([v9(n + base) for n in range(100)] for base in (1_000, 1_020))
    mixed = [datagram for pair in zip(one, two, strict=True) for datagram in pair]
    other = [wire.v9(wire.fset(256, wire.flow4(src_port=9, packets=n)), sequence=1_020 + n) for n in range(100)]
    mixed = [datagram for pair in zip(one, other, strict=True) for datagram in pair]
    found, dropped = ports(FlowDecoder(), mixed, 50)
    assert (len(found), dropped) == (200, 0)


def test_a_restarted_exporter_repeats_numbers_not_datagrams():
    decoder = FlowDecoder()
    first = [v9(n) for n in range(500)]
    again = [wire.v9(wire.fset(256, wire.flow4()), sequence=n, uptime=500) for n in range(500)]
    found, dropped = ports(decoder, first + again, 100)
    assert (len(found), dropped) == (1000, 0)
    assert decoder.accounts[0].restarts >= 1
    assert decoder.accounts[0].lost == 0


def test_what_is_remembered_is_bounded():
    memory = repeats.Repeats()
    for start in range(0, 60_000, 1_000):
        octets, length = wire.ring([v9(n) for n in range(start, start + 1_000)], slot=128)
        memory.among(octets, np.arange(1_000), length.astype("i8"), length.astype("i8"), np.zeros(0, np.int64))
    assert sum(map(len, memory._recent)) <= repeats.KEPT + 1_000
