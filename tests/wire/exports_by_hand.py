"""Export datagrams made by hand, octet by octet, and rings to put them in."""

import ipaddress
import struct

import numpy as np

from abusewatch.model.flow import COLUMNS, concat

NOW = 1_790_000_000
A, B = "192.0.2.1", "198.51.100.7"
V4 = ((8, 4), (12, 4), (7, 2), (11, 2), (4, 1), (6, 1), (2, 4), (1, 4))


def ip(text):
    return ipaddress.ip_address(text).packed


def v5(records, sequence=0, sampling=0, engine=0, uptime=100_000, seconds=NOW):
    """records: (src, dst, src port, dst port, protocol, packets, bytes, first, last, flags)."""
    body = b"".join(
        ip(r[0]) + ip(r[1]) + bytes(4) + struct.pack(">HHIIIIHHBBBBHHBBH", 3, 4, r[5], r[6], r[7], r[8], r[2], r[3], 0, r[9], r[4], 0, 0, 0, 0, 0, 0)
        for r in records
    )
    return struct.pack(">HHIIIIHH", 5, len(records), uptime, seconds, 500_000_000, sequence, engine, sampling) + body


def v9(*sets, sequence=0, domain=1, uptime=100_000, seconds=NOW, count=1):
    return struct.pack(">HHIIII", 9, count, uptime, seconds, sequence, domain) + b"".join(sets)


def ipfix(*sets, sequence=0, domain=1, seconds=NOW):
    body = b"".join(sets)
    return struct.pack(">HHIII", 10, 16 + len(body), seconds, sequence, domain) + body


def fset(number, *parts, pad=True):
    body = b"".join(parts)
    body += bytes(-len(body) % 4) if pad else b""
    return struct.pack(">HH", number, 4 + len(body)) + body


def spec(*fields):
    """fields: (number, octets) or (number, octets, enterprise)."""
    return b"".join(struct.pack(">HH", f[0], f[1]) if len(f) == 2 else struct.pack(">HHI", f[0] | 0x8000, f[1], f[2]) for f in fields)


def template(number, *fields):
    return struct.pack(">HH", number, len(fields)) + spec(*fields)


def options9(number, scopes, fields):
    return struct.pack(">HHH", number, 4 * len(scopes), 4 * len(fields)) + spec(*scopes, *fields)


def options10(number, scopes, fields):
    return struct.pack(">HHH", number, len(scopes) + len(fields), len(scopes)) + spec(*scopes, *fields)


def sflow(*samples, sequence=0, agent="203.0.113.1", sub_agent=0):
    address = ip(agent)
    return struct.pack(">II", 5, 1 if len(address) == 4 else 2) + address + struct.pack(">IIII", sub_agent, sequence, 1000, len(samples)) + b"".join(samples)


def sample(*records, rate=512, inside=3, outside=4, expanded=False, kind=None):
    body = b"".join(struct.pack(">II", form, len(data)) + data for form, data in records)
    if expanded:
        head = struct.pack(">11I", 1, 0, 3, rate, 1000, 0, 0, inside, 0, outside, len(records))
    else:
        head = struct.pack(">8I", 1, 3, rate, 1000, 0, inside, outside, len(records))
    return struct.pack(">II", kind or (3 if expanded else 1), len(head + body)) + head + body


def frame(src=A, dst=B, src_port=40000, dst_port=443, flags=2, vlan=False):
    tcp = struct.pack(">HHIIBBHHH", src_port, dst_port, 1, 0, 0x50, flags, 1000, 0, 0)
    packed = struct.pack(">BBHHHBBH", 0x45, 0, 40, 1, 0, 64, 6, 0) + ip(src) + ip(dst) + tcp
    return bytes(12) + (b"\x81\0\0\x2a" if vlan else b"") + b"\x08\0" + packed


def raw(data, octets=1000, protocol=1):
    return 1, struct.pack(">IIII", protocol, octets, 4, len(data)) + data + bytes(-len(data) % 4)


def ring(datagrams, slot=2048):
    slot = max([slot, *map(len, datagrams)])
    octets = np.zeros((len(datagrams), slot), np.uint8)
    for row, datagram in zip(octets, datagrams, strict=True):
        row[: len(datagram)] = np.frombuffer(datagram, np.uint8)
    return octets, np.array([len(d) for d in datagrams], np.uint32)


def feed(decoder, datagrams, exporter=0, received_us=NOW * 1_000_000):
    exporters = np.full(len(datagrams), exporter, np.uint32) if isinstance(exporter, int) else np.array(exporter, np.uint32)
    return decoder.decode(*ring(datagrams), exporters, received_us)


def rows(decoded):
    """The rows of all batches as dictionaries, sorted so that the order of batches does not matter."""
    batch = concat(decoded.batches)
    found = [dict(zip(COLUMNS, row, strict=True)) for row in zip(*(getattr(batch, n).tolist() for n in COLUMNS), strict=True)]
    return sorted(found, key=lambda row: tuple(row.values()))


def flow4(src=A, dst=B, src_port=1000, dst_port=80, protocol=6, flags=2, packets=3, octets=180):
    return ip(src) + ip(dst) + struct.pack(">HHBBII", src_port, dst_port, protocol, flags, packets, octets)
