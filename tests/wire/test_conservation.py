"""A million datagrams, garbage among them: each is decoded or refused, none is read with another's template, and memory stays where it is.

Reliability rows 7, 8 and 10. ABUSEWATCH_DATAGRAMS sets how many: 100,000 here, a million in `make soak` and `make fuzz`. Through a real socket:
tests/sources/test_conservation.py.
"""

import itertools
import os
import random
import re
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from abusewatch.wire.datagrams import FlowDecoder
from abusewatch.wire.errors import REJECTIONS, Reason
from tests.needs import library
from tests.wire import exports_by_hand as wire
from tests.wire.test_fuzz_flow import mutate, seeds

SENT = int(os.environ.get("ABUSEWATCH_DATAGRAMS", "100000"))
RING = 2_000
FORWARD, BACKWARD = [(8, 4), (12, 4), (7, 2), (11, 2)], [(12, 4), (8, 4), (11, 2), (7, 2)]


def number(text):
    return int.from_bytes(wire.ip(text), "big")


def resident():
    """Resident memory in KB."""
    return int(re.search(r"VmRSS:\s+(\d+)", Path("/proc/self/status").read_text())[1])


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


def contradicting(source, datagrams, records):
    """Datagrams of exporters, versions and domains that give one template number opposite meanings, in random order: (exporter, datagram) pairs.

    Each record says the same flow. One datagram in fifty repeats its domain's template.
    """
    meaning = {}
    who = [(exporter, version, domain) for exporter in range(4) for version in (9, 10) for domain in range(3)]
    data = [wire.fset(256, *([wire.ip(src) + wire.ip(dst) + struct.pack(">HH", *ports)] * records)) for src, dst, ports in ((wire.A, wire.B, (1, 2)), (wire.B, wire.A, (2, 1)))]
    for sequence in range(datagrams):
        exporter, version, domain = at = source.choice(who)
        make, number_of = (wire.v9, 0) if version == 9 else (wire.ipfix, 2)
        body = data[(exporter + version + domain) % 2]
        if at not in meaning or source.random() < 0.02:
            meaning[at] = FORWARD if (exporter + version + domain) % 2 == 0 else BACKWARD
            body = wire.fset(number_of, wire.template(256, *meaning[at]))
        yield exporter, make(body, domain=domain, sequence=sequence)


RECORDS = 12


@pytest.mark.fuzz
def test_no_record_is_read_with_a_foreign_template(capsys):
    """T3: 0 of 10^6 records come out turned."""
    decoder = FlowDecoder()
    src, dst = number(wire.A), number(wire.B)
    wrong = read = 0
    stream = contradicting(random.Random(7), 100_000, RECORDS)
    while ring := list(itertools.islice(stream, RING)):
        exporters = np.array([exporter for exporter, _ in ring], np.uint32)
        for batch in decoder.decode(*wire.ring([datagram for _, datagram in ring], slot=256), exporters, wire.NOW * 1_000_000).batches:
            low = np.uint64(0xFFFF_FFFF)
            turned = (batch.src_lo & low != src) | (batch.dst_lo & low != dst) | (batch.src_port != 1) | (batch.dst_port != 2)
            wrong += int(np.count_nonzero(turned))
            read += len(batch)
    with capsys.disabled():
        sys.stdout.write(f"\n{read} records read, {wrong} with a foreign template\n")
    assert read > 1_000_000
    assert wrong == 0


def test_the_decoder_of_others_does_turn_them():
    """Negative control: PyPI's netflow keys templates by their number alone, and the same stream shows it."""
    netflow = library("netflow")
    templates = {"netflow": {}, "ipfix": {}}
    turned = read = 0
    for _, datagram in contradicting(random.Random(7), 1_000, 1):
        try:
            flows = netflow.parse_packet(datagram, templates).flows
        except Exception:  # noqa: BLE001  # whatever it raises; records before their template
            continue
        for flow in flows:
            shown = flow.data.get("IPV4_SRC_ADDR") or flow.data.get("sourceIPv4Address")
            read += 1
            turned += shown not in {wire.A, number(wire.A)}
    assert read > 500
    assert turned > 0.1 * read


def flooded(decoder, count):
    """Send `count` templates of up to 31 fields, ten a datagram, of three exporters with forty domains each, and a fourth's record now and then.

    Returns how many of the fourth's records were lost, how many templates had to go, and by how many MB resident memory has grown at most.
    """
    wire.feed(decoder, [wire.v9(wire.fset(0, wire.template(256, *wire.V4)))], exporter=1)
    source = random.Random(8)
    fields = [[(94, source.randrange(1, 9))] * source.randrange(1, 30) for _ in range(500)]
    lost = evicted = most = 0
    baseline = resident()
    for turn in range(count // 10 // 200):
        flood = []
        for n in range(200):
            templates = [wire.template(256 + source.randrange(65_000), (8, 4), (12, 4), *source.choice(fields)) for _ in range(10)]
            flood.append(wire.v9(wire.fset(0, *templates), domain=source.randrange(40), sequence=turn * 200 + n))
        result = decoder.decode(*wire.ring(flood), np.array([2 + n % 3 for n in range(200)], np.uint32), wire.NOW * 1_000_000)
        evicted += result.counts.get(Reason.TEMPLATE_EVICTED, 0)
        honest = wire.feed(decoder, [wire.v9(wire.fset(256, wire.flow4()), sequence=1 + turn)], exporter=1)
        lost += 1 - sum(map(len, honest.batches))
        most = max(most, resident() - baseline)
    return lost, evicted, most / 1024


def flooded_apart(root, count, limits=""):
    """The same in a process of its own, whose memory nothing else has used before."""
    code = f"from abusewatch.wire import domains\n{limits}\nfrom tests.wire import test_conservation as t\nprint(*t.flooded(t.FlowDecoder(), {count}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True, timeout=300)
    lost, evicted, grown = done.stdout.split()
    return int(lost), int(evicted), float(grown)


@pytest.mark.fuzz
def test_a_flood_of_templates_keeps_memory_and_the_honest_exporter(root, capsys):
    """T4: RSS grows by 32 MB at most, and the exporter that floods nothing decodes all."""
    lost, evicted, grown = flooded_apart(root, SENT)
    with capsys.disabled():
        sys.stdout.write(f"\n{SENT} templates: {evicted} evicted, {grown:.1f} MB more resident memory, {lost} records of another exporter lost\n")
    assert lost == 0
    assert evicted > 0.5 * SENT
    assert grown <= 32


@pytest.mark.fuzz
def test_the_flood_shows_where_nothing_bounds_it(root):
    """Negative control: without limits a tenth of the million takes more than that."""
    limits = "domains.MAX_TEMPLATES = domains.MAX_TEMPLATES_PER_DOMAIN = domains.MAX_TEMPLATES_PER_EXPORTER = 1 << 30"
    _, evicted, grown = flooded_apart(root, 100_000, limits)
    assert evicted == 0
    assert grown > 32
