"""Sampling as exporters announce it: what comes out, times its rate, is what went in, as nearly as chance allows (T44, reliability row 60)."""

import struct

import numpy as np
import pytest

from abusewatch.model.flow import concat
from abusewatch.wire.datagrams import FlowDecoder
from tests.wire import exports_by_hand as wire

PACKETS, OCTETS = 2_000_000, 700
Z99 = 2.576


def v5(counts, rate):
    for start in range(0, len(counts), 30):
        yield wire.v5([(wire.A, wire.B, 1, 2, 17, int(n), int(n) * OCTETS, 0, 0, 0) for n in counts[start : start + 30]], sequence=start, sampling=0x4000 | rate)


def v9(counts, options, extra=b"", fields=()):
    yield wire.v9(wire.fset(0, wire.template(256, *wire.V4, *fields)), *options, sequence=0)
    for start in range(0, len(counts), 40):
        records = [wire.flow4(packets=int(n), octets=int(n) * OCTETS) + extra for n in counts[start : start + 40]]
        yield wire.v9(wire.fset(256, *records), sequence=1 + start // 40)


def ipfix(counts, options, extra=b"", fields=()):
    yield wire.ipfix(wire.fset(2, wire.template(256, *wire.V4, *fields)), *options)
    for start in range(0, len(counts), 40):
        records = [wire.flow4(packets=int(n), octets=int(n) * OCTETS) + extra for n in counts[start : start + 40]]
        yield wire.ipfix(wire.fset(256, *records), sequence=1 + start)


def sflow(counts, rate):
    packet = wire.frame()
    packet = packet[:16] + struct.pack(">H", OCTETS) + packet[18:]
    sample = wire.sample(wire.raw(packet, octets=OCTETS + 18), rate=rate)
    for number in range(int(counts.sum())):
        if number % 7 == 0:
            yield wire.sflow(*[sample] * min(7, int(counts.sum()) - number), sequence=number // 7)


METHODS = {
    "v5 header": v5,
    "v9 34 and 35": lambda c, r: v9(c, [wire.fset(1, wire.options9(300, [(1, 4)], [(34, 4), (35, 1)])), wire.fset(300, bytes(4) + struct.pack(">IB", r, 2))]),
    "v9 48 to 50": lambda c, r: v9(
        c, [wire.fset(1, wire.options9(300, [(1, 4)], [(48, 1), (49, 1), (50, 4)])), wire.fset(300, bytes(4) + struct.pack(">BBI", 9, 2, r))], b"\x09", [(48, 1)],
    ),
    "v9 34 by interface": lambda c, r: v9(
        c, [wire.fset(1, wire.options9(300, [(2, 4)], [(34, 4)])), wire.fset(300, struct.pack(">II", 3, r))], struct.pack(">I", 3), [(10, 4)],
    ),
    "v9 in each record": lambda c, r: v9(c, [], struct.pack(">I", r), [(34, 4)]),
    "ipfix 34 and 35": lambda c, r: ipfix(
        c, [wire.fset(3, wire.options10(300, [(149, 4)], [(34, 4), (35, 1)])), wire.fset(300, struct.pack(">IIB", 1, r, 2))],
    ),
    "ipfix 304 to 306 of the domain": lambda c, r: ipfix(
        c, [wire.fset(3, wire.options10(300, [(149, 4)], [(304, 2), (305, 4), (306, 4)])), wire.fset(300, struct.pack(">IHII", 1, 1, 1, r - 1))],
    ),
    "ipfix 302 to 306": lambda c, r: ipfix(
        c, [wire.fset(3, wire.options10(300, [(302, 4)], [(304, 2), (305, 4), (306, 4)])), wire.fset(300, struct.pack(">IHII", 5, 1, 1, r - 1))],
        struct.pack(">I", 5), [(302, 4)],
    ),
    "ipfix 309 of 310": lambda c, r: ipfix(
        c, [wire.fset(3, wire.options10(300, [(302, 4)], [(304, 2), (309, 4), (310, 4)])), wire.fset(300, struct.pack(">IHII", 5, 3, 1, r))],
        struct.pack(">I", 5), [(302, 4)],
    ),
    "sflow": sflow,
}  # fmt: skip


def sampled(rate):
    """How many packets of each of 200 flows an exporter takes that takes each with probability 1/rate (seeded), and how many there were in all."""
    truth = 2_000 if rate == 1 else PACKETS
    counts = np.random.default_rng(60 + rate).binomial(truth // 200, 1 / rate, 200)
    return counts[counts > 0], truth


def within(estimate, truth, rate):
    """Whether an estimate is within 2.576 standard deviations of the truth: 99 of 100 are."""
    return abs(estimate - truth) <= Z99 * (truth * (rate - 1)) ** 0.5


@pytest.mark.parametrize("rate", [1, 100, 4096])
@pytest.mark.parametrize("name", METHODS)
def test_totals_are_within_the_binomial_band(name, rate):
    counts, truth = sampled(rate)
    batch = concat(wire.feed(FlowDecoder(), list(METHODS[name](counts, rate))).batches)
    assert set(batch.sampling_rate.tolist()) == {rate}
    assert within(int((batch.packets * batch.sampling_rate).sum()), truth, rate)
    assert within(int((batch.bytes * batch.sampling_rate).sum()) / OCTETS, truth, rate)


@pytest.mark.parametrize("rate", [100, 4096])
@pytest.mark.parametrize("name", METHODS)
def test_the_band_sees_a_rate_that_is_ignored(name, rate):
    """Negative control: the counts as they came, and those of an announcement of half the rate."""
    counts, truth = sampled(rate)
    batch = concat(wire.feed(FlowDecoder(), list(METHODS[name](counts, rate))).batches)
    assert not within(int(batch.packets.sum()), truth, rate)
    half = concat(wire.feed(FlowDecoder(), list(METHODS[name](counts, rate // 2))).batches)
    assert not within(int((half.packets * half.sampling_rate).sum()), truth, rate)


@pytest.mark.parametrize("datagrams", [
    lambda c: list(v9(c, [])), lambda c: list(ipfix(c, [])),
    lambda c: list(v9(c, [], b"\x05", [(48, 1)])), lambda c: list(sflow(c, 0)),
], ids=["v9", "ipfix", "sampler that nobody described", "sflow"])  # fmt: skip
def test_what_nobody_told_is_unknown(datagrams):
    """The counts stand as they are, a lower bound; the configuration may know the rate."""
    batch = concat(wire.feed(FlowDecoder(), datagrams(np.array([3, 4]))).batches)
    assert set(batch.sampling_rate.tolist()) == {0}
    assert int(batch.packets.sum()) == 7


@pytest.mark.parametrize(("header", "configured", "rate"), [(0, 0, 1), (0, 50, 50), (10, 50, 10)])
def test_netflow5_without_an_interval_is_unsampled_unless_the_configuration_knows_better(header, configured, rate):
    batch = concat(wire.feed(FlowDecoder(configured), list(v5(np.array([3, 4]), header))).batches)
    assert set(batch.sampling_rate.tolist()) == {rate}


def test_a_rate_that_changes_applies_from_there_on():
    first, second = (list(METHODS["v9 34 and 35"](np.array([10]), rate)) for rate in (10, 10_000))
    later = [part[:8] + struct.pack(">I", wire.NOW + 60) + struct.pack(">I", 2 + n) + part[16:] for n, part in enumerate(second)]
    decoder = FlowDecoder()
    assert [wire.rows(wire.feed(decoder, part))[0]["sampling_rate"] for part in (first, later)] == [10, 10_000]
