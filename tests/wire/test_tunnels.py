"""Tunnelled packets: who sent the outer packet decides, whatever is inside; and nothing inside, however broken, changes that."""

import random
import struct

import numpy as np
import pytest

from abusewatch.model import address
from abusewatch.wire import packet
from abusewatch.wire.datagrams import FlowDecoder
from tests.wire import exports_by_hand as wire
from tests.wire import frames_by_hand as hand

INNER4 = hand.ipv4(hand.tcp(1111, 2222), src="10.9.9.1", dst="10.9.9.2")
INNER6 = hand.ipv6(hand.udp(1111, 2222), following=17, src="2001:db8:9::1", dst="2001:db8:9::2")
FRAME = hand.ethernet(INNER4)

TUNNELS = {
    # name: outer packet, protocol, destination port
    "ipip": (hand.ipv4(INNER4, protocol=4), 4, 0),
    "6in4": (hand.ipv4(INNER6, protocol=41), 41, 0),
    "4in6": (hand.ipv6(INNER4, following=4), 4, 0),
    "6in6": (hand.ipv6(INNER6, following=41), 41, 0),
    "gre": (hand.ipv4(struct.pack(">HH", 0, 0x0800) + INNER4, protocol=47), 47, 0),
    "gre with key and sequence": (hand.ipv4(struct.pack(">HHII", 0x3000, 0x86DD, 7, 1) + INNER6, protocol=47), 47, 0),
    "gre that routes itself": (hand.ipv4(struct.pack(">HHI", 0x4000, 0x0800, 0) + bytes(40), protocol=47), 47, 0),
    "gretap": (hand.ipv4(struct.pack(">HH", 0, 0x6558) + FRAME, protocol=47), 47, 0),
    "vxlan": (hand.ipv4(hand.udp(50000, 4789, struct.pack(">II", 0x08000000, 42 << 8) + FRAME), protocol=17), 17, 4789),
    "geneve": (hand.ipv4(hand.udp(50000, 6081, struct.pack(">BBHI", 2, 0, 0x6558, 42 << 8) + bytes(8) + FRAME), protocol=17), 17, 6081),
    "geneve, options of no length": (hand.ipv4(hand.udp(50000, 6081, struct.pack(">BBHI", 63, 0, 0x6558, 0)), protocol=17), 17, 6081),
    "gtp-u": (hand.ipv4(hand.udp(2152, 2152, struct.pack(">BBHI", 0x30, 0xFF, len(INNER4), 5) + INNER4), protocol=17), 17, 2152),
    "gtp-u with extensions": (hand.ipv4(hand.udp(2152, 2152, struct.pack(">BBHIHBB", 0x34, 0xFF, 8, 5, 0, 0, 0x85) + bytes(4)), protocol=17), 17, 2152),
    "teredo": (hand.ipv4(hand.udp(50000, 3544, b"\0\0" + bytes(6) + INNER6), protocol=17), 17, 3544),
    "esp": (hand.ipv4(bytes(40), protocol=50), 50, 0),
}


def parse(packets, linktype=101):
    buffer = np.frombuffer(b"".join(packets) + bytes(64), np.uint8)
    sizes = np.array([len(p) for p in packets], np.int64)
    return packet.parse(buffer, np.cumsum(sizes) - sizes, sizes, linktype)


def ends(found, row=0):
    return [address.text(int(getattr(found, f"{e}_hi")[row]), int(getattr(found, f"{e}_lo")[row])) for e in ("src", "dst")]


@pytest.mark.parametrize("name", TUNNELS)
def test_outer_addresses_decide(name):
    outer, protocol, port = TUNNELS[name]
    found = parse([outer])
    assert ends(found) == ([hand.SRC4, hand.DST4] if outer[0] >> 4 == 4 else [hand.SRC6, hand.DST6])
    assert (found.protocol[0], found.dst_port[0], found.flags[0], found.bytes[0]) == (protocol, port, 0, len(outer))
    assert found.reason[0] == packet.OK


@pytest.mark.parametrize("name", TUNNELS)
def test_every_cut_and_garbage_inside_is_still_the_outer_packet(name):
    outer, _, _ = TUNNELS[name]
    source = random.Random(3)
    head = 20 if outer[0] >> 4 == 4 else 40
    cut = [outer[:end] for end in range(head, len(outer))]
    garbage = [outer[: head + 8] + source.randbytes(len(outer) - head - 8) for _ in range(200)]
    found = parse(cut + garbage)
    assert found.is_ip.all()
    assert len({(int(a), int(b)) for a, b in zip(found.src_lo, found.dst_lo, strict=True)}) == 1


def test_sampled_tunnels_too():
    """The same parser reads what sFlow samples."""
    frames = [wire.sflow(wire.sample(wire.raw(hand.ethernet(outer)))) for outer, _, _ in TUNNELS.values() if outer[0] >> 4 == 4]
    rows = wire.rows(wire.feed(FlowDecoder(), frames))
    assert len(rows) == len(frames)
    assert {address.text(r["src_hi"], r["src_lo"]) for r in rows} == {hand.SRC4}


@pytest.mark.parametrize(("kind", "code"), [(3, 0), (3, 3), (4, 0), (5, 1), (11, 0), (12, 0)])
def test_icmp_errors_are_flows_of_their_sender_only(kind, code):
    """What a packet quotes is what the other side sent: a flow of it would turn the victim into the attacker."""
    quoted = hand.ipv4(hand.tcp(40000, 22), src="192.0.2.66", dst=hand.SRC4)[:28]
    error = struct.pack(">BBHI", kind, code, 0, 0) + quoted
    six = struct.pack(">BBHI", 1, 4, 0, 0) + hand.ipv6(hand.tcp(), src="2001:db8::66", dst=hand.SRC6)
    found = parse([hand.ipv4(error, protocol=1), hand.ipv6(six, following=58)])
    assert len(found.protocol) == 2
    assert ends(found) == [hand.SRC4, hand.DST4]
    assert ends(found, 1) == [hand.SRC6, hand.DST6]
    assert (found.src_port.tolist(), found.dst_port.tolist()) == ([0, 0], [kind << 8 | code, 1 << 8 | 4])
