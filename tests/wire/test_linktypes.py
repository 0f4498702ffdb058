"""Every link type and shim, made by hand."""

import struct

import numpy as np
import pytest

from abusewatch.wire.packet import REASONS, parse
from tests.wire import frames_by_hand as hand

V4, V6 = hand.ipv4(hand.tcp()), hand.ipv6(hand.tcp())
CASES = {
    "null, little endian": (0, struct.pack("<I", 2) + V4),
    "null, big endian": (0, struct.pack(">I", 2) + V4),
    "null, Linux IPv6": (0, struct.pack("<I", 10) + V6),
    "null, macOS IPv6": (0, struct.pack("<I", 30) + V6),
    "loop, FreeBSD IPv6": (108, struct.pack(">I", 28) + V6),
    "loop": (108, struct.pack(">I", 2) + V4),
    "ethernet": (1, hand.ethernet(V4)),
    "ethernet, SNAP": (1, bytes(12) + struct.pack(">H", 8 + len(V4)) + b"\xaa\xaa\x03\0\0\0\x08\0" + V4),
    "802.1Q": (1, hand.ethernet(V4, tags=[(0x8100, 5)])),
    "QinQ": (1, hand.ethernet(V6, 0x86DD, tags=[(0x88A8, 5), (0x8100, 6)])),
    "four tags": (1, hand.ethernet(V4, tags=[(0x88A8, 5), (0x9100, 6), (0x9200, 6), (0x8100, 7)])),
    "PPPoE": (1, hand.ethernet(b"\x11\0\0\x2d" + struct.pack(">H", 2 + len(V4)) + b"\0\x21" + V4, 0x8864)),
    "PPPoE, compressed protocol": (1, hand.ethernet(b"\x11\0\0\x2d" + struct.pack(">H", 1 + len(V4)) + b"\x21" + V4, 0x8864)),
    "PPPoE in VLAN, IPv6": (1, hand.ethernet(b"\x11\0\0\x2d" + struct.pack(">H", 2 + len(V6)) + b"\0\x57" + V6, 0x8864, tags=[(0x8100, 1)])),
    "MPLS": (1, hand.ethernet(b"\0\1\x01\x40" + V4, 0x8847)),
    "MPLS, three labels": (1, hand.ethernet(b"\0\1\0\x40\0\2\0\x40\0\3\1\x40" + V6, 0x8847)),
    "PPP": (9, b"\xff\x03\0\x21" + V4),
    "PPP, compressed": (9, b"\x21" + V4),
    "PPP, IPv6": (9, b"\0\x57" + V6),
    "PPP in HDLC": (50, b"\xff\x03\0\x21" + V4),
    "Cisco in PPP_HDLC": (50, b"\x0f\0\x08\0" + V4),
    "PPPoE alone": (51, b"\x11\0\0\x2d" + struct.pack(">H", 2 + len(V4)) + b"\0\x21" + V4),
    "Cisco HDLC": (104, b"\x0f\0\x86\xdd" + V6),
    "PPP, MPLS": (9, b"\xff\x03\x02\x81\0\1\x01\x40" + V4),
    "SLL": (113, struct.pack(">HHH8sH", 0, 1, 6, bytes(8), 0x0800) + V4),
    "SLL, VLAN": (113, struct.pack(">HHH8sH", 0, 1, 6, bytes(8), 0x8100) + b"\0\5\x08\0" + V4),
    "SLL2": (276, struct.pack(">HHIHBB8s", 0x86DD, 0, 1, 1, 0, 6, bytes(8)) + V6),
    **{f"raw {number}, IPv{version}": (number, data) for number in (12, 14, 101) for version, data in ((4, V4), (6, V6))},
    "raw 228": (228, V4),
    "raw 229": (229, V6),
}


@pytest.mark.parametrize("name", CASES)
def test_ip_is_found(name):
    linktype, data = CASES[name]
    headers = parse(np.frombuffer(data, np.uint8), np.zeros(1, np.int64), np.array([len(data)]), linktype)
    assert REASONS[headers.reason[0]] == "ok"
    assert (headers.src_port[0], headers.dst_port[0], headers.protocol[0], headers.flags[0]) == (40000, 22, 6, 0x12)
    assert headers.bytes[0] == len(V4 if headers.family == 4 else V6)


@pytest.mark.parametrize("name", CASES)
def test_every_cut_is_counted(name):
    """Up to the flags of the TCP header; the six octets behind them are not needed."""
    linktype, data = CASES[name]
    for end in range(len(data) - 6):
        headers = parse(np.frombuffer(data, np.uint8), np.zeros(1, np.int64), np.array([end]), linktype)
        assert headers.reason[0] != 0


@pytest.mark.parametrize("data", [
    hand.ethernet(b"\x11\x09\0\0\0\4" + V4, 0x8864),
    hand.ethernet(b"\0\1\x01\x40\0\0\0\0" + V4, 0x8847),
    bytes(12) + b"\0\x40\x42\x42\x03" + bytes(60),
])  # fmt: skip
def test_what_is_no_ip(data):
    """PPPoE discovery, a pseudowire below MPLS, 802.3 with LLC."""
    headers = parse(np.frombuffer(data, np.uint8), np.zeros(1, np.int64), np.array([len(data)]), 1)
    assert REASONS[headers.reason[0]] == "not_ip"
