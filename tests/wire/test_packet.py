"""Packets made by hand, every cut of them, and captures of others read as tshark and dpkt read them."""

import os
import random
import struct
import subprocess

import numpy as np
import pytest

from abusewatch.model import address
from abusewatch.wire import pcap, pcapng
from abusewatch.wire.errors import WireError
from abusewatch.wire.linktypes import LINK_TYPES
from abusewatch.wire.packet import REASONS, parse
from tests.needs import library
from tests.sources import peers
from tests.wire import frames_by_hand as hand

ROUNDS = int(os.environ.get("ABUSEWATCH_FUZZ_ROUNDS", "300"))


def read(*packets, linktype=1, captured=None):
    lengths = np.array([len(p) for p in packets], np.int64) if captured is None else np.array(captured, np.int64)
    starts = np.cumsum([0, *(len(p) for p in packets)][:-1])
    headers = parse(np.frombuffer(b"".join(packets), np.uint8), np.array(starts, np.int64), lengths, linktype)
    rows = [
        (
            address.text(int(headers.src_hi[i]), int(headers.src_lo[i])) if headers.is_ip[i] else None,
            address.text(int(headers.dst_hi[i]), int(headers.dst_lo[i])) if headers.is_ip[i] else None,
            *(int(getattr(headers, name)[i]) for name in ("src_port", "dst_port", "protocol", "flags", "bytes")),
            REASONS[headers.reason[i]],
        )
        for i in range(len(packets))
    ]
    return rows, headers


TCP4 = (hand.SRC4, hand.DST4, 40000, 22, 6, 0x12, 40, "ok")
TCP6 = (hand.SRC6, hand.DST6, 40000, 22, 6, 0x12, 60, "ok")


def test_families_in_one_batch():
    rows, headers = read(hand.ethernet(hand.ipv4(hand.tcp())), hand.ethernet(hand.ipv6(hand.tcp()), 0x86DD))
    assert rows == [TCP4, TCP6]
    assert headers.family == 0
    assert read(hand.ethernet(hand.ipv4(hand.tcp())))[1].family == 4
    assert read(hand.ethernet(hand.ipv6(hand.tcp()), 0x86DD))[1].family == 6


def test_options_move_the_ports_and_fragments_have_none():
    rows, _ = read(
        hand.ethernet(hand.ipv4(hand.tcp(), options=bytes(40))),
        hand.ethernet(hand.ipv4(hand.tcp(), fragment=0x2000)),
        hand.ethernet(hand.ipv4(hand.tcp(), fragment=0x0001)),
    )
    assert [row[2:4] for row in rows] == [(40000, 22), (40000, 22), (0, 0)]
    assert rows[0][6] == 80
    assert rows[2][-1] == "ok"


def test_an_icmp_error_is_not_a_flow_of_the_packet_it_quotes():
    quoted = struct.pack(">BBHI", 3, 1, 0, 0) + hand.ipv4(hand.udp())
    rows, _ = read(hand.ethernet(hand.ipv4(quoted, protocol=1)), hand.ethernet(hand.ipv6(b"\x80\x00" + bytes(6), following=58), 0x86DD))
    assert [row[2:6] for row in rows] == [(0, 3 * 256 + 1, 1, 0), (0, 128 * 256, 58, 0)]


def test_ethernet_padding_is_not_a_transport_header():
    """A cut first fragment padded to 60 octets must not have the padding's ports."""
    rows, _ = read(hand.ethernet(hand.ipv4(b"", protocol=17) + b"\xff" * 26))
    assert rows[0][2:] == (0, 0, 17, 0, 20, "transport_cut")


def extension(following, octets=8):
    return bytes([following, octets // 8 - 1]) + bytes(octets - 2)


@pytest.mark.parametrize(("headers", "first", "expected"), [
    ((), 17, (40000, 53, 17, "ok")),
    ((extension(60), extension(43, 24), extension(17, 16)), 0, (40000, 53, 17, "ok")),
    ((bytes([17, 0, 0, 1]) + bytes(4),), 44, (40000, 53, 17, "ok")),
    ((bytes([17, 0, 0, 9]) + bytes(4),), 44, (0, 0, 17, "ok")),
    ((bytes([17, 4]) + bytes(22),), 51, (40000, 53, 17, "ok")),
    ((*(extension(60) for _ in range(7)), extension(17)), 60, (40000, 53, 17, "ok")),
    (tuple(extension(60) for _ in range(12)), 60, (0, 0, 60, "too_many_headers")),
    ((bytes([17, 255]) + bytes(6),), 60, (0, 0, 17, "transport_cut")),
])  # fmt: skip
def test_ipv6_extension_headers(headers, first, expected):
    rows, _ = read(hand.ethernet(hand.ipv6(b"".join(headers) + hand.udp(), following=first), 0x86DD))
    assert (*rows[0][2:5], rows[0][-1]) == expected


def test_bytes_are_of_the_ip_packet_also_with_offload():
    data = hand.ethernet(hand.ipv4(hand.tcp(), total=0))
    headers = parse(np.frombuffer(data, np.uint8), np.zeros(1, np.int64), np.array([len(data)]), 1, np.array([65_014]))
    assert headers.bytes.tolist() == [65_000]


@pytest.mark.parametrize(("packet", "reason"), [
    (b"", "cut"),
    (bytes(13), "cut"),
    (hand.ethernet(bytes(28), 0x0806), "not_ip"),
    (hand.ethernet(hand.ipv4(hand.tcp())[:19]), "cut"),
    (hand.ethernet(b"\x65" + hand.ipv4(hand.tcp())[1:]), "malformed"),
    (hand.ethernet(b"\x44" + hand.ipv4(hand.tcp())[1:]), "malformed"),
    (hand.ethernet(hand.ipv4(hand.tcp(), total=19)), "malformed"),
    (hand.ethernet(hand.ipv4(hand.tcp()), tags=[(0x8100, 1)] * 12), "too_many_shims"),
])  # fmt: skip
def test_reasons(packet, reason):
    rows, headers = read(packet)
    assert rows[0] == (None, None, 0, 0, 0, 0, 0, reason)
    assert headers.counts() == {reason: 1}


def test_unknown_link_type_is_counted():
    rows, headers = read(bytes(60), linktype=147)
    assert rows[0][-1] == "link_type"
    assert not headers.is_ip.any()


@pytest.mark.parametrize("packet", [
    hand.ethernet(hand.ipv4(hand.tcp(), options=bytes(8)), tags=[(0x88A8, 1), (0x8100, 2)]),
    hand.ethernet(hand.ipv6(extension(6) + hand.tcp(), following=0), 0x86DD),
])  # fmt: skip
def test_every_cut(packet):
    """What lies behind the captured bytes belongs to the next packet and never counts: same answer with zeros and with ones there."""
    whole = read(packet)[0][0]
    for end in range(len(packet)):
        zeros, ones = (read(packet[:end] + bytes([fill]) * 80, captured=[end])[0][0] for fill in (0, 255))
        assert zeros == ones
        assert zeros[-1] in ({"cut", "transport_cut"} if end < len(packet) - 6 else {"ok"})
        if zeros[0] is not None:
            assert zeros[:2] == whole[:2]


@pytest.mark.fuzz
def test_random_packets_never_raise():
    chance = random.Random(7)
    seeds = [hand.ethernet(hand.ipv4(hand.tcp()), tags=[(0x8100, 1)]), hand.ethernet(hand.ipv6(extension(6) + hand.tcp(), following=60), 0x86DD)]
    for _ in range(ROUNDS):
        packets = []
        for _ in range(64):
            packet = bytearray(chance.choice(seeds))
            for _ in range(chance.randint(0, 6)):
                packet[chance.randrange(len(packet))] = chance.choice((0, 1, 6, 44, 60, 0x81, 0x88, 0xFF, chance.randrange(256)))
            packets.append(bytes(packet[: chance.randint(0, len(packet))]))
        for linktype in (chance.choice(list(LINK_TYPES)), 1):
            _, headers = read(*packets, linktype=linktype)
            assert not headers.bytes[~headers.is_ip].any()


CAPTURES = [
    "format/zeek__linux_dlt_sll2.pcap", "format/zeek__irc-starttls.pcap", "format/suricata-verify__pppoe-session-http.pcap",
    "format/suricata-verify__hdlc-http_1tx.pcap", "format/zeek__mpls-in-vlan.pcap", "format/PcapPlusPlus__nanosecs_big_endian.pcap",
    "format/PcapPlusPlus__raw_ip.pcap", "format/brimcap__bad-caplen.pcap",
    "attacks/aktaion__210417-MagnitudeCerber.pcapng", "attacks/jzadeh-aktaion-snap54__geodo_spam_snap54.pcap", "attacks/mercury__smb.pcap",
    "attacks/nDPI__dns-tunnel-iodine.pcap", "attacks/nDPI__synscan.pcap", "attacks/packet-captures__amp.UDP.snmp.src161.pcapng",
    "benign/nDPI__opera-vpn.pcapng", "benign/PcapPlusPlus__example2.pcap", "benign/bro-simple-scan__backscatter.trace", "benign/nDPI__zoom.pcap",
]  # fmt: skip


def ours(path):
    """Frame number to (time_us, src, dst, protocol, src_port, dst_port, flags)."""
    data = path.read_bytes()
    walk = pcapng.frames if data[:4] == b"\n\r\r\n" else pcap.frames
    found = {}
    for frames in walk([data]):
        for kind in set(frames.linktype.tolist()):
            rows = np.flatnonzero(frames.linktype == kind)
            h = parse(frames.buffer, frames.offset[rows], frames.captured[rows], kind, frames.original[rows])
            for i in np.flatnonzero(h.is_ip).tolist():
                src, dst = address.text(int(h.src_hi[i]), int(h.src_lo[i])), address.text(int(h.dst_hi[i]), int(h.dst_lo[i]))
                found[int(frames.number[rows[i]])] = (
                    int(frames.time_us[rows[i]]), src, dst, int(h.protocol[i]), int(h.src_port[i]), int(h.dst_port[i]), int(h.flags[i]),
                    REASONS[h.reason[i]],
                )  # fmt: skip
    return found


@pytest.mark.corpus
@pytest.mark.peer
@pytest.mark.parametrize("name", CAPTURES)
def test_as_tshark(corpus, name):
    """Addresses, protocol, ports, flags and time of every packet. tshark prints a field once a layer; the outermost comes first."""
    peers.need("tshark")
    fields = [
        "frame.number", "frame.time_epoch", "ip.src", "ip.dst", "ip.proto", "ipv6.src", "ipv6.dst", "ipv6.nxt", "tcp.srcport", "tcp.dstport",
        "udp.srcport", "udp.dstport", "icmp.type", "icmp.code", "icmpv6.type", "icmpv6.code", "tcp.flags",
    ]  # fmt: skip
    argv = ["tshark", "-r", str(corpus / name), "-n", "-T", "fields", "-E", "separator=|", "-E", "occurrence=f", "-o", "ip.defragment:FALSE", "-o", "ipv6.defragment:FALSE"]
    out = subprocess.run([*argv, *(part for f in fields for part in ("-e", f))], capture_output=True, text=True, check=False).stdout
    mine = ours(corpus / name)
    compared = 0
    for line in out.splitlines():
        row = dict(zip(fields, line.split("|"), strict=True))
        number = int(row["frame.number"])
        if not (row["ip.src"] or row["ipv6.src"]):
            assert number not in mine
            continue
        time_us, src, dst, protocol, sport, dport, flags, reason = mine[number]
        seconds, _, fraction = row["frame.time_epoch"].partition(".")
        assert time_us == int(seconds) * 1_000_000 + int(fraction[:6].ljust(6, "0")), number
        v4 = bool(row["ip.src"]) and ":" not in src
        assert (src, dst) == ((row["ip.src"], row["ip.dst"]) if v4 else (row["ipv6.src"], row["ipv6.dst"])), number
        if v4:
            assert protocol == int(row["ip.proto"]), number
        if reason == "ok" and protocol in {6, 17} and (sport or dport):
            proto = "tcp" if protocol == 6 else "udp"
            assert (sport, dport) == (int(row[f"{proto}.srcport"]), int(row[f"{proto}.dstport"])), number
        if reason == "ok" and protocol == 6 and (sport or dport):
            assert flags == int(row["tcp.flags"], 16) & 0xFF, number
        if reason == "ok" and protocol in {1, 58} and (name_of := "icmp" if protocol == 1 else "icmpv6") and row[name_of + ".type"]:
            assert dport == int(row[name_of + ".type"]) * 256 + int(row[name_of + ".code"] or 0), number
        compared += 1
    assert compared == len(mine) > 0


@pytest.mark.corpus
def test_sections_and_simple_packets_of_another_writer(corpus):
    """Not in the table above: tshark counts custom blocks as frames, we and tcpdump do not."""
    found = ours(corpus / "format/gopacket__test202.pcapng")
    assert len(found) == 8
    assert {row[1] for row in found.values()} == {"0.0.0.0", "192.168.0.1", "192.168.1.139"}


@pytest.mark.corpus
@pytest.mark.parametrize("name", [n for n in CAPTURES if n.startswith(("attacks", "benign")) and not n.endswith("ng")])
def test_as_dpkt(corpus, name):
    dpkt = library("dpkt")
    mine = ours(corpus / name)
    compared = 0
    with (corpus / name).open("rb") as file:
        blocks = file.read(4) == b"\n\r\r\n"
        file.seek(0)
        for number, (_, data) in enumerate((dpkt.pcapng if blocks else dpkt.pcap).Reader(file), 1):
            try:
                packet = dpkt.ethernet.Ethernet(data).data
            except (dpkt.UnpackError, IndexError, AttributeError):
                continue
            if not isinstance(packet, dpkt.ip.IP) or not isinstance(packet.data, dpkt.tcp.TCP | dpkt.udp.UDP):
                continue
            _, src, dst, protocol, sport, dport, flags, _ = mine[number]
            theirs = (dpkt.utils.inet_to_str(packet.src), dpkt.utils.inet_to_str(packet.dst), packet.p, packet.data.sport, packet.data.dport)
            assert (src, dst, protocol, sport, dport) == theirs, number
            assert flags == (packet.data.flags if packet.p == 6 else 0), number
            compared += 1
    assert compared > 100


def test_wire_error_is_the_only_one_here():
    with pytest.raises(WireError):
        list(pcap.frames([b"no capture at all"]))
