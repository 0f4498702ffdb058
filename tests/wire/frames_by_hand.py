"""Packets and capture files written byte by byte, so that no decoder checks itself."""

import struct
from ipaddress import ip_address

SRC4, DST4 = "198.51.100.7", "203.0.113.9"
SRC6, DST6 = "2001:db8:42::7", "2001:db8:ffff::9"


def tcp(sport=40000, dport=22, flags=0x12):
    return struct.pack(">HHIIBBHHH", sport, dport, 1, 2, 0x50, flags, 1024, 0, 0)


def udp(sport=40000, dport=53, payload=b""):
    return struct.pack(">HHHH", sport, dport, 8 + len(payload), 0) + payload


def ipv4(payload, protocol=6, src=SRC4, dst=DST4, options=b"", fragment=0, total=None):
    header = 20 + len(options)
    total = header + len(payload) if total is None else total
    head = struct.pack(">BBHHHBBH4s4s", 0x40 | header // 4, 0, total, 1, fragment, 64, protocol, 0, ip_address(src).packed, ip_address(dst).packed)
    return head + options + payload


def ipv6(payload, following=6, src=SRC6, dst=DST6, length=None):
    length = len(payload) if length is None else length
    return struct.pack(">IHBB16s16s", 6 << 28, length, following, 64, ip_address(src).packed, ip_address(dst).packed) + payload


def ethernet(payload, kind=0x0800, tags=()):
    shims = b"".join(struct.pack(">HH", tpid, vlan) for tpid, vlan in tags)
    return bytes(12) + shims + struct.pack(">H", kind) + payload


def pcap(packets, order="<", magic=0xA1B2C3D4, linktype=1, times=None):
    """packets: bytes, or (bytes, length on the wire)."""
    out = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 262144, linktype)
    for row, packet in enumerate(packets):
        data, original = packet if isinstance(packet, tuple) else (packet, len(packet))
        seconds, fraction = times[row] if times else (1_700_000_000 + row, 123_456)
        out += struct.pack(order + "IIII", seconds, fraction, len(data), original) + data
    return out


def block(kind, body, order="<"):
    body += bytes(-len(body) % 4)
    return struct.pack(order + "II", kind, 12 + len(body)) + body + struct.pack(order + "I", 12 + len(body))


def section(order="<"):
    return block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def option(code, value, order="<"):
    return struct.pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4)


def interface(linktype=1, snap=0, options=b"", order="<"):
    return block(1, struct.pack(order + "HHI", linktype, 0, snap) + options, order)


def enhanced(data, stamp, number=0, order="<", original=None):
    head = struct.pack(order + "IIIII", number, stamp >> 32, stamp & 0xFFFFFFFF, len(data), original or len(data))
    return block(6, head + data, order)


def simple(data, order="<", original=None):
    return block(3, struct.pack(order + "I", original or len(data)) + data, order)


def old_packet(data, stamp, number=0, order="<"):
    return block(2, struct.pack(order + "HHIIII", number, 7, stamp >> 32, stamp & 0xFFFFFFFF, len(data), len(data)) + data, order)
