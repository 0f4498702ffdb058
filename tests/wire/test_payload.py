"""Which payloads count as flow exports, and how far each reaches."""

import numpy as np
import pytest

from abusewatch.wire import pcap
from abusewatch.wire.payload import datagrams, export_length, exports
from tests.wire import exports_by_hand as wire
from tests.wire import frames_by_hand as hand

SETS = wire.fset(0, wire.template(256, *wire.V4)), wire.fset(256, wire.flow4())
V5 = wire.v5([(wire.A, wire.B, 1, 2, 6, 1, 40, 0, 0, 0)])
V9, IPFIX, SFLOW = wire.v9(*SETS), wire.ipfix(wire.fset(2, wire.template(256, *wire.V4))), wire.sflow(wire.sample(wire.raw(wire.frame())))


@pytest.mark.parametrize("datagram", [V5, V9, IPFIX, SFLOW])
@pytest.mark.parametrize("behind", [b"", V5, V9, IPFIX])
def test_lengths(datagram, behind):
    assert export_length(datagram + behind, 0) == len(datagram)
    assert export_length(behind + datagram, len(behind)) == len(datagram)


@pytest.mark.parametrize("data", [b"", b"\0", b"\0\5", b"GET / HTTP/1.1", bytes(100), b"\0\5\0\x1f" + bytes(100), b"\0\x0a\0\5" + bytes(60)])
def test_none(data):
    assert export_length(data, 0) == 0


def test_payloads_are_found_in_both_families_behind_options_and_tags():
    packets = [
        hand.ethernet(hand.ipv4(hand.udp(payload=V5), protocol=17)),
        hand.ethernet(hand.ipv4(hand.udp(payload=V9), protocol=17, options=bytes(8)), tags=[(0x8100, 1)]),
        hand.ethernet(hand.ipv6(bytes([17, 0]) + bytes(6) + hand.udp(payload=SFLOW), following=60), 0x86DD),
        hand.ethernet(hand.ipv4(hand.udp(payload=b"\0\5\0\1 no export"), protocol=17)),
        hand.ethernet(hand.ipv4(hand.tcp())),
    ]
    (frames,) = pcap.frames([hand.pcap(packets)])
    rows, start, length = datagrams(frames, np.arange(5), 1)
    assert rows.tolist() == [0, 1, 2, 3]
    found = [frames.buffer[start[i] : start[i] + length[i]].tobytes() for i in exports(frames.buffer, start, length)]
    assert found[:3] == [V5, V9, SFLOW]
