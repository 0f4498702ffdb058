"""What the kernel is told to keep of a frame is enough to read it as if it were whole, and holds no payload."""

import ctypes
import random
import socket
import struct

import numpy as np
import pytest

from abusewatch.sources.live import filter as cut
from abusewatch.wire.linktypes import EN10MB, RAW
from abusewatch.wire.packet import parse
from tests.wire import frames_by_hand as hand

MARKER = b"\xEEPAYLOAD\xEE" * 12
UNSIGNED = 0xFFFFFFFF


def kept(program, frame):
    """Run the program as the kernel does (Documentation/networking/filter.rst)."""
    steps = list(struct.iter_unpack("=HBBI", program))
    a = x = at = 0
    memory = [0] * 16

    def load(place, size):
        return None if place + size > len(frame) else int.from_bytes(frame[place : place + size], "big")

    while True:
        code, yes, no, k = steps[at]
        at += 1
        size = {0x28: 2, 0x30: 1, 0x48: 2, 0x50: 1, 0xB1: 1}.get(code)
        if size:
            value = load(k + (x if code in {0x48, 0x50} else 0), size)
            if value is None:
                return 0
            a, x = (a, (value & 15) * 4) if code == 0xB1 else (value, x)
        elif code in {0x06, 0x16}:
            return min(k if code == 0x06 else a, len(frame))
        elif code in {0x05, 0x15, 0x45}:
            at += k if code == 0x05 else yes if (a == k if code == 0x15 else a & k) else no
        elif code == 0x02:
            memory[k] = a
        else:
            a, x = {
                0x60: (memory[k % 16], x), 0x00: (k, x), 0x01: (a, k), 0x04: (a + k & UNSIGNED, x), 0x0C: (a + x & UNSIGNED, x),
                0x64: (a << k % 32 & UNSIGNED, x), 0x74: (a >> k % 32, x), 0x07: (a, a), 0x87: (x, x),
            }[code]  # fmt: skip


def read(frames, linktype, captured=None):
    lengths = [len(frame) for frame in frames]
    offset = np.cumsum([0, *lengths])[:-1].astype(np.int64)
    held = np.array(lengths if captured is None else captured, np.int64)
    return parse(np.frombuffer(b"".join(frames) + bytes(64), np.uint8), offset, held, linktype, np.array(lengths, np.int64))


def options(*kinds):
    """IPv6 extension headers, each naming the next."""
    out = b""
    for kind, following in zip(kinds, (*kinds[1:], 17), strict=True):
        out += bytes([following, 0]) + bytes(6) if kind == 44 else bytes([following, 4]) + bytes(22) if kind == 51 else bytes([following, 1]) + bytes(14)
    return out


TCP, UDP = hand.tcp() + MARKER, hand.udp(payload=MARKER)
FRAMES = {
    "tcp": hand.ethernet(hand.ipv4(TCP)), "udp": hand.ethernet(hand.ipv4(UDP, 17)), "options": hand.ethernet(hand.ipv4(TCP, options=bytes(40))),
    "icmp": hand.ethernet(hand.ipv4(b"\x08\0\0\0" + MARKER, 1)), "gre": hand.ethernet(hand.ipv4(MARKER, 47)),
    "fragment": hand.ethernet(hand.ipv4(MARKER, 17, fragment=5)), "first fragment": hand.ethernet(hand.ipv4(UDP, 17, fragment=0x2000)),
    "tcp6": hand.ethernet(hand.ipv6(TCP), 0x86DD), "udp6": hand.ethernet(hand.ipv6(UDP, 17), 0x86DD),
    "icmp6": hand.ethernet(hand.ipv6(b"\x80\0\0\0" + MARKER, 58), 0x86DD), "unknown6": hand.ethernet(hand.ipv6(MARKER, 99), 0x86DD),
    **{f"v6 {kinds}": hand.ethernet(hand.ipv6(options(*kinds) + UDP, kinds[0]), 0x86DD) for kinds in ((0,), (60, 43), (44,), (51,), (0, 60, 44, 51))},
    "fragment6": hand.ethernet(hand.ipv6(bytes([17, 0, 0, 9]) + bytes(4) + MARKER, 44), 0x86DD),
    "vlan": hand.ethernet(hand.ipv4(TCP), tags=[(0x8100, 5)]), "vlan6": hand.ethernet(hand.ipv6(UDP, 17), 0x86DD, tags=[(0x88A8, 5)]),
    "arp": hand.ethernet(MARKER, 0x0806), "vlan arp": hand.ethernet(MARKER, 0x0806, tags=[(0x8100, 5)]),
}  # fmt: skip


@pytest.mark.parametrize("name", FRAMES)
def test_what_is_kept_reads_like_the_whole_and_has_no_payload(name):
    frame = FRAMES[name]
    length = kept(cut.program(cut.ETHERNET), frame)
    assert MARKER[:3] not in frame[:length]
    whole, part = read([frame], EN10MB), read([frame], EN10MB, [length])
    for column in ("src_hi", "src_lo", "dst_hi", "dst_lo", "src_port", "dst_port", "protocol", "flags", "bytes", "is_ip"):
        assert getattr(whole, column).tolist() == getattr(part, column).tolist(), column


@pytest.mark.parametrize("name", [name for name in FRAMES if "vlan" not in name and "arp" not in name])
def test_the_same_without_a_link_layer(name):
    packet = FRAMES[name][14:]
    length = kept(cut.program(cut.RAW), packet)
    assert MARKER[:3] not in packet[:length]
    assert read([packet], RAW).src_port.tolist() == read([packet], RAW, [length]).src_port.tolist()


def test_what_is_not_followed_is_kept_as_far_as_its_headers_may_reach():
    stacked = hand.ethernet(hand.ipv4(TCP), tags=[(0x88A8, 1), (0x8100, 2)])
    assert kept(cut.program(cut.ETHERNET), stacked) == cut.FALLBACK
    assert read([stacked], EN10MB, [cut.FALLBACK]).dst_port.tolist() == [22]


def test_any_bytes_end_in_a_length():
    chance = random.Random(5)
    programs = [cut.program(cut.ETHERNET), cut.program(cut.RAW)]
    for _ in range(3000):
        frame = bytearray(chance.choice(list(FRAMES.values())))
        for _ in range(chance.randint(0, 8)):
            frame[chance.randrange(len(frame))] = chance.choice((0, 6, 17, 43, 44, 51, 60, 0x45, 0x60, 0x81, 255))
        frame = bytes(frame[: chance.randint(0, len(frame))])
        for program in programs:
            assert 0 <= kept(program, frame) <= len(frame)


@pytest.mark.parametrize("start", [cut.ETHERNET, cut.RAW])
def test_the_kernel_takes_it(start):
    """Its checker refuses jumps out of the program and what reads memory that was not written."""
    program = cut.program(start)
    held = ctypes.create_string_buffer(program, len(program))
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with one, other:
        one.setsockopt(socket.SOL_SOCKET, 26, struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(held)))
        frame = FRAMES["tcp6"] if start == cut.ETHERNET else FRAMES["tcp6"][14:]
        other.send(frame)
        assert one.recv(4096) == frame[: kept(program, frame)]  # a socket's filter cuts what it receives
