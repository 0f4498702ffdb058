"""What is refused is charged to the exporter that sent it, and to nobody else."""

import struct

import numpy as np

from abusewatch.wire.datagrams import FlowDecoder
from abusewatch.wire.errors import Reason
from abusewatch.wire.refusals import Refusals
from tests.wire import exports_by_hand as wire


def test_while_an_exporter_is_read_it_is_charged():
    counts = Refusals()
    counts[Reason.BAD_SET] += 1
    counts.exporter = 7
    counts[Reason.BAD_SET] += 2
    counts[Reason.CLOCK] += 1
    assert counts[Reason.BAD_SET] == 3
    assert counts.whose == {(7, Reason.BAD_SET): 2, (7, Reason.CLOCK): 1}


def test_many_are_charged_at_once():
    counts = Refusals()
    counts.charge(Reason.EMPTY, np.array([3, 5, 3], np.uint32))
    counts.charge(Reason.CLOCK, np.zeros(0, np.uint32))
    assert (counts[Reason.EMPTY], counts[Reason.CLOCK]) == (3, 0)
    assert counts.whose == {(3, Reason.EMPTY): 2, (5, Reason.EMPTY): 1}


def test_each_exporter_answers_for_its_own():
    decoder = FlowDecoder()
    good = wire.v5([(wire.A, wire.B, 1, 2, 6, 1, 40, 0, 0, 0)])
    sent = [
        (1, good), (2, b""), (2, b"\0\x63" + bytes(40)), (3, wire.v9(wire.fset(300, bytes(8)))), (3, struct.pack(">HH", 9, 1)),
        (4, wire.sflow(wire.sample(wire.raw(wire.frame()))) [:-20]), (5, wire.v9(wire.fset(0, wire.template(256)))), (1, good[:-1]),
    ]  # fmt: skip
    ring = np.zeros((len(sent), 512), np.uint8)
    for row, (_, datagram) in zip(ring, sent, strict=True):
        row[: len(datagram)] = np.frombuffer(datagram, np.uint8)
    lengths = np.array([len(datagram) for _, datagram in sent], np.uint32)
    decoded = decoder.decode(ring, lengths, np.array([exporter for exporter, _ in sent], np.uint32), wire.NOW * 1_000_000)
    assert {exporter: dict(decoder.refused(exporter)) for exporter in range(6)} == {
        0: {},
        1: {Reason.BAD_LENGTH: 1},
        2: {Reason.EMPTY: 1, Reason.UNKNOWN_VERSION: 1},
        3: {Reason.MISSING_TEMPLATE: 1, Reason.TRUNCATED: 1},
        4: {Reason.BAD_SAMPLE: 1},
        5: {Reason.BAD_TEMPLATE: 1},
    }
    assert sum(decoded.counts.values()) == sum(sum(decoder.refused(exporter).values()) for exporter in decoder.charged)
