"""What repeats what is known may be read together: it says the same as one by one, and whatever says something else is walked."""

import random
import struct

import numpy as np
import pytest

from abusewatch.wire import ring
from abusewatch.wire.datagrams import FlowDecoder
from tests.wire import exports_by_hand as wire

V9 = (
    wire.fset(0, wire.template(256, *wire.V4)),
    wire.fset(1, wire.options9(300, [(1, 4)], [(34, 4), (35, 1)])), wire.fset(300, bytes(4) + struct.pack(">IB", 100, 2)),
)  # fmt: skip
TEN = (
    wire.fset(2, wire.template(256, *wire.V4)),
    wire.fset(3, wire.options10(301, [(302, 8)], [(305, 4), (306, 4)])), wire.fset(301, struct.pack(">QII", 7, 1, 49), struct.pack(">QII", 8, 1, 49)),
)  # fmt: skip
OTHER = wire.fset(0, wire.template(256, (12, 4), (8, 4), *wire.V4[2:]))
LONGER = wire.fset(0, wire.template(257, *wire.V4, (10, 4)))


def flows(seed, number=256):
    dice = random.Random(seed)
    return wire.fset(number, *(wire.flow4(src_port=dice.randrange(65_536)) for _ in range(dice.randrange(1, 5))))


def exports(version, strange=()):
    """Thirty datagrams of two domains: templates and options before every third, before some of them no flows; `strange` are put in by place."""
    out, sequence = [], {1: 0, 2: 0}
    for n in range(60):
        domain, turn = 1 + n % 2, n // 2
        told = (V9 if version == 9 else TEN) if turn % 3 == 0 else ()
        sets = strange[n] if n in strange else (*told, *(() if told and turn % 2 else (flows(n),)))
        if version == 9:
            out.append(wire.v9(*sets, sequence=sequence[domain], domain=domain, seconds=wire.NOW + turn // 4))
            sequence[domain] += 1
        else:
            out.append(wire.ipfix(*sets, sequence=sequence[domain], domain=domain, seconds=wire.NOW + turn // 4))
            sequence[domain] += 2 * bool(told) + sum((len(s) - 4) // len(wire.flow4()) for s in sets if s[:2] == b"\1\0")
    return out


def said(datagrams, cuts, few, monkeypatch):
    monkeypatch.setattr(ring, "FEW", few)
    decoder, rows, counts = FlowDecoder(), [], []
    for part in np.split(np.arange(len(datagrams)), cuts):
        decoded = wire.feed(decoder, [datagrams[n] for n in part])
        rows += sorted(map(str, wire.rows(decoded)))
        counts.append(dict(decoded.counts))
    told = {domain.key: (domain.told, sorted(domain.templates), domain.missing) for domain in decoder._store.by_slot if domain}
    return rows, counts, told


@pytest.fixture
def both(monkeypatch):
    """What is said when datagrams that repeat are read together, and when each is walked; how many were read together."""

    def compare(datagrams, cuts=(10,)):
        taken = []
        plain = ring.told_again
        monkeypatch.setattr(ring, "told_again", lambda *a: taken.append(plain(*a)) or taken[-1])
        together = said(datagrams, cuts, 2, monkeypatch)
        many = sum(again is not None for again in taken)
        monkeypatch.setattr(ring, "told_again", lambda *_: pytest.fail("asked"))
        return together, said(datagrams, cuts, 1 << 30, monkeypatch), many

    return compare


@pytest.mark.parametrize("version", [9, 10])
@pytest.mark.parametrize("cuts", [(10,), (10, 30, 44), (1, 9, 12)])
def test_together_is_as_one_by_one(both, version, cuts):
    together, alone, many = both(exports(version), cuts)
    assert together == alone
    assert many >= 2
    assert len(together[0]) > 50


@pytest.mark.parametrize("strange", [
    {30: (OTHER, flows(1))}, {30: (*V9, LONGER, flows(1))}, {30: (*V9, flows(1), flows(2))}, {30: (*V9, flows(1, 257))}, {30: (*V9, flows(1)[:-9])},
    {30: (*V9, flows(1) + b"\0\0")}, {30: (V9[0], flows(1))}, {30: (*V9[:2], wire.fset(300, bytes(4) + struct.pack(">IB", 50, 2)), flows(1))},
    {30: (*V9, b"\1\0")}, {30: (*V9, b"\1\0\0\0")}, {30: (*V9, wire.fset(300, bytes(4) + struct.pack(">IB", 50, 2)))},
])  # fmt: skip
def test_where_a_domain_tells_something_else_it_is_walked(both, strange):
    together, alone, many = both(exports(9, strange))
    assert together == alone
    assert many == 1, "the other domain still repeats itself"


def test_more_records_than_a_datagram_may_have_are_refused_alike(both):
    tiny = wire.fset(0, wire.template(256, (4, 1)))
    datagrams = [wire.v9(tiny, wire.fset(256, bytes(2004 if n == 9 else 4)), sequence=n) for n in range(12)]
    together, alone, _ = both(datagrams, (2,))
    assert together == alone
    assert sum(sum(counts.values()) for counts in together[1]) == 12 * 4 + 2_000 + 1 - 4
