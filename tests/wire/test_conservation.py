"""A million datagrams, garbage among them: each is decoded or refused, none is read with another's template, and memory stays where it is.

Reliability rows 7, 8 and 10; ABUSEWATCH_FUZZ_ROUNDS above 200,000 sends the full million, without it a tenth is sent.
"""

import os
import random
import resource
import struct

import numpy as np
import pytest

from abusewatch.wire.datagrams import FlowDecoder
from abusewatch.wire.errors import REJECTIONS, Reason
from tests.wire import exports_by_hand as wire
from tests.wire.test_fuzz_flow import mutate, seeds

SENT = 1_000_000 if int(os.environ.get("ABUSEWATCH_FUZZ_ROUNDS", "0")) >= 200_000 else 100_000
RING = 2_000
FORWARD, BACKWARD = [(8, 4), (12, 4), (7, 2), (11, 2)], [(12, 4), (8, 4), (11, 2), (7, 2)]


def number(text):
    return int.from_bytes(wire.ip(text), "big")


def rss():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


def stamp(datagram, sequence):
    """Give a datagram its own sequence number, so that none is a repeat."""
    version = int.from_bytes(datagram[:2], "big")
    at = {5: 16, 9: 12, 10: 8, 0: 16}.get(version)
    return datagram if at is None or len(datagram) < at + 4 else datagram[:at] + struct.pack(">I", sequence & 0xFFFF_FFFF) + datagram[at + 4 :]


@pytest.mark.fuzz
def test_every_datagram_is_accounted_for():
    source = random.Random(10)
    good = seeds()
    pool = [mutate(source, source.choice(good), good) if source.random() < 0.3 else source.choice(good) for _ in range(5_000)]
    pool += [source.randbytes(source.randrange(200)) for _ in range(500)]
    decoder = FlowDecoder()
    decoded = refused = rows = 0
    for start in range(0, SENT, RING):
        ring = [stamp(source.choice(pool), start + n) for n in range(RING)]
        exporters = [source.randrange(50) for _ in ring]
        result = decoder.decode(*wire.ring(ring, slot=1500), np.array(exporters, np.uint32), wire.NOW * 1_000_000)
        decoded += result.datagrams
        refused += sum(count for reason, count in result.counts.items() if reason in REJECTIONS)
        rows += sum(map(len, result.batches))
    assert decoded + refused == SENT
    assert decoded > 0.5 * SENT
    assert refused > 0.05 * SENT
    assert rows > 0.3 * SENT


@pytest.mark.fuzz
def test_no_record_is_read_with_a_foreign_template():
    """T3: exporters, versions and domains give one template number opposite meanings, in random order; 0 of 10^6 records come out turned."""
    source = random.Random(7)
    decoder = FlowDecoder()
    src, dst = number(wire.A), number(wire.B)
    wrong = read = 0
    meaning, sequence = {}, 0
    who = [(exporter, version, domain) for exporter in range(4) for version in (9, 10) for domain in range(3)]
    for _ in range(0, SENT, RING):
        ring, exporters = [], []
        for _ in range(RING):
            exporter, version, domain = at = source.choice(who)
            sequence += 1
            make, number_of = (wire.v9, 0) if version == 9 else (wire.ipfix, 2)
            if at not in meaning or source.random() < 0.02:
                meaning.setdefault(at, (exporter + version + domain) % 2 == 0)
                parts = [wire.fset(number_of, wire.template(256, *(FORWARD if meaning[at] else BACKWARD)))]
            else:
                ends = (wire.A, wire.B) if meaning[at] else (wire.B, wire.A)
                parts = [wire.fset(256, wire.ip(ends[0]) + wire.ip(ends[1]) + struct.pack(">HH", *((1, 2) if meaning[at] else (2, 1))))]
            ring.append(make(*parts, domain=domain, sequence=sequence))
            exporters.append(exporter)
        for batch in decoder.decode(*wire.ring(ring, slot=128), np.array(exporters, np.uint32), wire.NOW * 1_000_000).batches:
            low = np.uint64(0xFFFF_FFFF)
            turned = (batch.src_lo & low != src) | (batch.dst_lo & low != dst) | (batch.src_port != 1) | (batch.dst_port != 2)
            wrong += int(np.count_nonzero(turned))
            read += len(batch)
    assert read > 0.9 * SENT
    assert wrong == 0


def test_the_decoder_of_others_does_turn_them():
    """Negative control: PyPI's netflow keys templates by their number alone, and this test can see it."""
    netflow = pytest.importorskip("netflow")
    templates = {"netflow": {}, "ipfix": {}}
    data = wire.v9(wire.fset(256, wire.ip(wire.A) + wire.ip(wire.B) + struct.pack(">HH", 1, 2)))
    netflow.parse_packet(wire.v9(wire.fset(0, wire.template(256, *FORWARD))), templates)
    before = netflow.parse_packet(data, templates).flows[0].data["IPV4_SRC_ADDR"]
    netflow.parse_packet(wire.v9(wire.fset(0, wire.template(256, *BACKWARD)), domain=2), templates)
    after = netflow.parse_packet(data, templates).flows[0].data["IPV4_SRC_ADDR"]
    assert (before, after) == (wire.A, wire.B)


@pytest.mark.fuzz
def test_a_flood_of_templates_keeps_memory_and_the_honest_exporter():
    """T4: as many templates as there are datagrams, ten each, of three exporters; RSS grows by 32 MB at most, the fourth decodes all."""
    decoder = FlowDecoder()
    wire.feed(decoder, [wire.v9(wire.fset(0, wire.template(256, *wire.V4)))], exporter=1)
    source = random.Random(8)
    lost = evicted = baseline = 0
    for turn in range(SENT // 10 // 200):
        flood = []
        for n in range(200):
            templates = [wire.template(256 + source.randrange(65_000), (8, 4), (12, 4), *[(94, source.randrange(1, 9))] * source.randrange(1, 30)) for _ in range(10)]
            flood.append(wire.v9(wire.fset(0, *templates), domain=source.randrange(40), sequence=turn * 200 + n))
        result = decoder.decode(*wire.ring(flood), np.array([2 + n % 3 for n in range(200)], np.uint32), wire.NOW * 1_000_000)
        evicted += result.counts.get(Reason.TEMPLATE_EVICTED, 0)
        honest = wire.feed(decoder, [wire.v9(wire.fset(256, wire.flow4()), sequence=1 + turn)], exporter=1)
        lost += 1 - sum(map(len, honest.batches))
        if turn == 5:
            baseline = rss()
    assert lost == 0
    assert evicted > 0
    assert rss() - baseline <= 32
