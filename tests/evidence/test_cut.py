"""What is left of a packet: the offender's address, header fields, right checksums, and not an octet that anybody said."""

import random
import struct
from ipaddress import ip_address

import pytest

from abusewatch.evidence.cut import Cutter, checksum
from tests.wire import frames_by_hand as hand

MARKER = b"\xEESECRET\xEE" * 5


def v4(payload, protocol=6, **how):
    return hand.ipv4(payload, protocol, **how)


def cut(packet, offender=hand.SRC4, length=None):
    return Cutter(offender).cut(packet, length or len(packet))


def pseudo_sum(packet):
    """The checksum over what a receiver checks: 0 when it is right."""
    if packet[0] >> 4 == 4:
        header = (packet[0] & 15) * 4
        pseudo, protocol, data = packet[12:20], packet[9], packet[header:]
    else:
        pseudo, protocol, data = packet[8:40], packet[6], packet[40:]
    return checksum(data if protocol == 1 else pseudo + struct.pack(">IBBBB", len(data), 0, 0, 0, protocol) + data)


TCP = struct.pack(">HHIIBBHHH", 40000, 22, 7, 9, 0x80, 0x18, 1024, 0xBEEF, 0) + b"\x08\x0a" + MARKER[:10] + MARKER
CASES = {
    "tcp": v4(TCP), "udp": v4(hand.udp(payload=MARKER), 17), "echo": v4(b"\x08\0\x12\x34\0\1\0\2" + MARKER, 1), "options": v4(TCP, options=MARKER[:8]),
    "tcp6": hand.ipv6(TCP), "udp6": hand.ipv6(hand.udp(payload=MARKER), 17), "echo6": hand.ipv6(b"\x80\0\x12\x34\0\1\0\2" + MARKER, 58),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_headers_stay_and_what_was_said_goes(name):
    packet = CASES[name]
    out = cut(packet, hand.SRC6 if name.endswith("6") else hand.SRC4)
    assert len(out) == len(packet)
    assert MARKER[1:4] not in out
    assert pseudo_sum(out) == 0
    if out[0] >> 4 == 4:
        header = (out[0] & 15) * 4
        assert checksum(out[:header]) == 0
        assert (out[:10], str(ip_address(out[12:16])), str(ip_address(out[16:20]))) == (packet[:10], hand.SRC4, "240.0.0.1")
    else:
        header = 40
        assert (str(ip_address(out[8:24])), str(ip_address(out[24:40]))) == (hand.SRC6, "100::1")
    ports = 2 if name.startswith("echo") else 4  # type and code
    assert out[header : header + ports] == packet[header : header + ports]


def test_tcp_keeps_its_numbers_and_flags_and_loses_its_options():
    out = cut(CASES["tcp"])[20:]
    assert out[:16] == TCP[:16]
    assert out[20:] == bytes(len(TCP) - 20)


def test_the_same_host_is_the_same_within_a_file():
    cutter = Cutter(hand.SRC4)
    first, second, third = (cutter.cut(v4(TCP, dst=dst), 99) for dst in ("203.0.113.9", "203.0.113.10", "203.0.113.9"))
    assert first[16:20] == third[16:20] != second[16:20]
    answer = cutter.cut(v4(TCP, src="203.0.113.10", dst=hand.SRC4), 99)
    assert (answer[12:16], answer[16:20]) == (second[16:20], ip_address(hand.SRC4).packed)
    assert len(cutter) == 2


@pytest.mark.parametrize("packet", [b"", b"\x45", b"\x60" + bytes(10), v4(TCP, src="198.51.100.8"), b"\x41" + v4(TCP)[1:], v4(TCP, total=10), b"\x99" * 60])
def test_what_is_not_his_or_no_packet_gives_nothing(packet):
    assert cut(packet, length=60) == b""


def test_what_an_icmp_error_quotes_is_not_kept():
    quoted = v4(hand.udp(payload=MARKER), 17, src="203.0.113.77", dst="203.0.113.78")
    out = cut(v4(struct.pack(">BBHI", 5, 1, 0, int(ip_address("203.0.113.99"))) + quoted, 1))
    assert out[20:22] == b"\x05\x01"
    assert out[24:] == bytes(len(out) - 24)


def test_fragments_have_no_checksum_and_later_ones_no_ports():
    first, later = cut(v4(hand.udp(payload=MARKER), 17, fragment=0x2000)), cut(v4(MARKER, 17, fragment=5))
    assert first[20:28] == hand.udp(payload=MARKER)[:6] + b"\0\0"
    assert later[20:] == bytes(len(later) - 20)


def test_extension_headers_keep_their_order_only():
    chain = bytes([60, 1]) + MARKER[:14] + bytes([44, 0]) + MARKER[:6] + bytes([17, 0, 0, 1]) + b"\1\2\3\4"
    out = cut(hand.ipv6(chain + hand.udp(payload=MARKER), 0), hand.SRC6)
    assert out[40 : 40 + 32] == bytes([60, 1]) + bytes(14) + bytes([44, 0]) + bytes(6) + bytes([17, 0, 0, 1]) + b"\1\2\3\4"
    assert out[72:76] == hand.udp()[:4]
    assert MARKER[1:4] not in out


def test_lengths_that_a_capture_cut_or_offload_left_out_are_told():
    assert len(cut(v4(TCP)[:40])) == len(v4(TCP))
    assert len(cut(v4(TCP, total=0), length=5000)) == 5000
    assert len(cut(hand.ipv6(TCP, length=0), hand.SRC6, 4000)) == 4000


def test_another_offender_of_an_odd_spelling():
    assert cut(hand.ipv6(TCP), "2001:DB8:42:0:0::7") != b""
    with pytest.raises(ValueError, match="does not appear"):
        Cutter("nobody")


def test_any_bytes_end_well():
    chance = random.Random(3)
    seeds = list(CASES.values())
    for _ in range(4000):
        packet = bytearray(chance.choice(seeds))
        for _ in range(chance.randint(0, 6)):
            place = chance.randrange(len(packet))
            if place not in range(8, 20):
                packet[place] = chance.choice((0, 1, 6, 17, 44, 51, 60, 255, chance.randrange(256)))
        packet = bytes(packet[: chance.randint(0, len(packet))])
        for offender in (hand.SRC4, hand.SRC6):
            out = cut(packet, offender, chance.randint(0, 70_000))
            assert len(out) <= 65_535 + 40
