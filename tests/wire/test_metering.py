"""A flow that its router counts on the way in and on the way out is one flow."""

import struct

import numpy as np
import pytest

from abusewatch.wire import metering
from abusewatch.wire.datagrams import FlowDecoder
from abusewatch.wire.errors import Reason
from abusewatch.wire.metering import Metering
from tests.wire import exports_by_hand as wire

FIELDS = (*wire.V4, (10, 4), (14, 4), (61, 1))


def record(direction, input_if=3, output_if=4, src_port=1000):
    return wire.flow4(src_port=src_port) + struct.pack(">IIB", input_if, output_if, direction)


def message(version, *records, sequence=1, domain=1, seconds=wire.NOW):
    template, data = wire.template(256, *FIELDS), wire.fset(256, *records)
    if version == 9:
        return wire.v9(wire.fset(0, template), data, sequence=sequence, domain=domain, seconds=seconds)
    return wire.ipfix(wire.fset(2, template), data, sequence=sequence, domain=domain, seconds=seconds)


@pytest.mark.parametrize("version", [9, 10])
def test_ingress_and_egress_of_one_flow_count_once(version):
    decoded = wire.feed(FlowDecoder(), [message(version, record(0), record(1), record(0, src_port=7), record(1, src_port=7))])
    assert [row["src_port"] for row in wire.rows(decoded)] == [7, 1000]
    assert decoded.counts == {Reason.EXPORTED_TWICE: 2}
    assert decoded.records == 4, "what was exported is still counted for its sequence"


@pytest.mark.parametrize("records", [
    [record(0), record(0)],  # only the way in is metered
    [record(1), record(1)],  # only the way out
    [record(0, input_if=3), record(1, input_if=9)],  # what left there came in where nobody counts
    [record(0), record(1, input_if=0)],  # the router's own
])  # fmt: skip
def test_all_that_was_counted_once_stays(records):
    decoded = wire.feed(FlowDecoder(), [message(9, *records)])
    assert len(wire.rows(decoded)) == 2
    assert not decoded.counts


def test_line_cards_are_one_router_and_other_routers_are_not():
    decoder = FlowDecoder()
    wire.feed(decoder, [message(9, record(0), domain=1), message(9, record(1, input_if=99), domain=2)])
    assert len(wire.rows(wire.feed(decoder, [message(9, record(1), domain=2, sequence=2)]))) == 0
    assert len(wire.rows(wire.feed(decoder, [message(9, record(1), domain=2)], exporter=5))) == 1


def test_metering_that_was_switched_off_is_forgotten():
    decoder = FlowDecoder()
    wire.feed(decoder, [message(9, record(0), record(1))])
    for after, kept in ((599, 0), (601, 1)):
        decoded = wire.feed(decoder, [message(9, record(1), sequence=after, seconds=wire.NOW + after)])
        assert len(wire.rows(decoded)) == kept


def test_interfaces_that_are_remembered_are_bounded(monkeypatch):
    monkeypatch.setattr(metering, "MAX_INTERFACES", 100)
    seen = Metering()
    count = 1_000
    direction = np.zeros(count, np.uint64)
    direction[0] = 1
    seen.again(np.ones(count, np.uint32), direction, np.arange(count, dtype=np.uint64), np.full(count, 10**15))
    assert len(seen._seen) == 100
