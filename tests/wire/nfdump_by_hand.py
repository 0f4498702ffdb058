"""Files as nfcapd 1.7 writes them, octet by octet, in either byte order."""

import ipaddress
import struct


def flow(src, dst, order="<", *, flags=0, exporter=1, packets=10, octets=1000, protocol=6, ports=(40000, 443), first=1_000, last=2_000, more=(), interfaces=(3, 4)):
    """A record of type 11: header, addresses, counters, interfaces."""
    addresses = [ipaddress.ip_address(a) for a in (src, dst)]
    if addresses[0].version == 4:
        elements = [(2, struct.pack(order + "II", *(int(a) for a in addresses)))]
    else:
        elements = [(3, struct.pack(order + "4Q", *(half for a in addresses for half in (int(a) >> 64, int(a) & 2**64 - 1))))]
    elements.append((1, struct.pack(order + "5QHHBBBB", first, last, 0, packets, octets, *ports, protocol, 0x12, 0, 0)))
    if interfaces:
        elements.append((4, struct.pack(order + "IIBBBB", *interfaces, 0, 0, 0, 0)))
    return of([*more, *elements], order, flags, exporter)


def of(elements, order="<", flags=0, exporter=1):
    body = b"".join(struct.pack(order + "HH", number, 4 + len(data)) + data for number, data in elements)
    return struct.pack(order + "HHHBBHBB", 11, 12 + len(body), len(elements), 0, 0, exporter, flags, 9) + body


def exporter(address, number=1, order="<"):
    found = ipaddress.ip_address(address)
    high, low = (0, int(found)) if found.version == 4 else (int(found) >> 64, int(found) & 2**64 - 1)
    return struct.pack(order + "HHIQQHHI", 7, 32, 9, high, low, 2 if found.version == 4 else 10, number, 1)


def sampler(number=1, packets=1, space=99, order="<"):
    return struct.pack(order + "HHHHqII", 15, 24, number, 1, -1, packets, space)


def file(*blocks, order="<", compression=0, version=2, encryption=0, announced=None):
    """Blocks are octets, or (octets, flags)."""
    head = struct.pack(order + "HHIQBBHIQII", 0xA50C, version, 0x1070100, 0, compression, encryption, 0, 1, 0, 0, len(blocks) if announced is None else announced)
    parts = [b if isinstance(b, tuple) else (b, 0) for b in blocks]
    return head + b"".join(struct.pack(order + "IIHH", 0, len(data), 3, flags) + data for data, flags in parts)
