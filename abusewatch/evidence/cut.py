"""A packet cut down to what proves an attack: its headers, the offender's address, and nothing that anybody said.

What is kept is listed here, field by field; all else is zero. Payload is zero, and so are IP and TCP options, the insides of extension headers and what
an ICMP error quotes. Every address but the offender's is a number in the order of appearance, under a prefix that nobody has, so the same host is the
same within a file and nothing across files. Lengths stay what they were, checksums are right again: Wireshark has nothing to complain of.
"""

import struct
from ipaddress import ip_address

from abusewatch.model import address
from abusewatch.wire.transport import EXTENSIONS, FRAGMENT, ICMP, ICMPV6, MAX_EXTENSIONS, NO_NEXT_HEADER, SCTP, TCP, UDP

NOBODY4 = 240 << 24
"""240.0.0.0/4 is reserved (RFC 1112 section 4)."""
NOBODY6 = 0x0100 << 112
"""100::/64 is discarded everywhere (RFC 6666)."""
LONGEST = 65_535
KEPT_TCP, KEPT_PORTS = 20, 4
ECHO = {ICMP: (0, 8), ICMPV6: (128, 129)}
"""Types whose second word is an identifier and a number; elsewhere it may be an address (a redirect's gateway), so it is zero."""


class Cutter:
    """Cuts packets of one offender; remembers whom it has numbered."""

    def __init__(self, offender: str) -> None:
        """ValueError for what is no address."""
        self._offender = ip_address(address.text(*address.parse(offender))).packed
        self._numbers: dict[bytes, bytes] = {}

    def __len__(self) -> int:
        """Count the other addresses that were met."""
        return len(self._numbers)

    def cut(self, packet: bytes, length: int) -> bytes:
        """Cut an IP packet, of `length` octets on the wire as far as is known; empty when it is none, or not of the offender."""
        version = packet[0] >> 4 if packet else 0
        if version == 4 and len(packet) >= 20:
            return self._v4(packet, length)
        if version == 6 and len(packet) >= 40:
            return self._v6(packet, length)
        return b""

    def _name(self, real: bytes) -> bytes:
        if real == self._offender:
            return real
        if real not in self._numbers:
            number = len(self._numbers) + 1
            self._numbers[real] = ((NOBODY4 if len(real) == 4 else NOBODY6) + number).to_bytes(len(real), "big")
        return self._numbers[real]

    def _v4(self, packet: bytes, length: int) -> bytes:
        src, dst = packet[12:16], packet[16:20]
        header = (packet[0] & 15) * 4
        total = int.from_bytes(packet[2:4], "big") or min(max(length, header), LONGEST)
        if self._offender not in {src, dst} or header < 20 or total < header:
            return b""
        src, dst = self._name(src), self._name(dst)
        protocol, fragment = packet[9], int.from_bytes(packet[6:8], "big")
        head = packet[:2] + struct.pack(">H", total) + packet[4:10] + b"\0\0" + src + dst + bytes(header - 20)
        head = head[:10] + struct.pack(">H", checksum(head)) + head[12:]
        pseudo = src + dst + struct.pack(">BBH", 0, protocol, total - header)
        return head + _transport(packet[header:total], protocol, total - header, pseudo, fragment & 0x1FFF, whole=not fragment & 0x3FFF)

    def _v6(self, packet: bytes, length: int) -> bytes:
        src, dst = packet[8:24], packet[24:40]
        payload = int.from_bytes(packet[4:6], "big")
        if not payload and packet[6] != NO_NEXT_HEADER:  # a jumbogram or offload
            payload = min(max(length - 40, 0), LONGEST)
        if self._offender not in {src, dst}:
            return b""
        src, dst = self._name(src), self._name(dst)
        head = b"\x60\0\0\0" + struct.pack(">H", payload) + packet[6:8] + src + dst  # no traffic class, no flow label
        chain, protocol, later, whole = _chain(packet[40 : 40 + payload], packet[6])
        rest = payload - len(chain)
        pseudo = src + dst + struct.pack(">IBBBB", rest, 0, 0, 0, protocol)
        return head + chain + _transport(packet[40 + len(chain) : 40 + payload], protocol, rest, pseudo, later, whole=whole)


def _chain(data: bytes, protocol: int) -> tuple[bytes, int, int, bool]:
    """The extension headers without their insides, the protocol behind them, whether this is a later fragment, and whether it is no fragment at all."""
    out, later, whole = b"", 0, True
    for _ in range(MAX_EXTENSIONS):
        rest = data[len(out) :]
        if protocol not in EXTENSIONS or len(rest) < 8 or later:
            break
        size = 8 if protocol == FRAGMENT else (rest[1] + 2) * 4 if protocol == 51 else (rest[1] + 1) * 8
        if size > len(rest):
            break
        if protocol == FRAGMENT:
            later, whole = int.from_bytes(rest[2:4], "big") & 0xFFF8, False
            out += rest[:8]
        else:
            # padding (RFC 8200 section 4.2): options of zeros are Pad1 each, and a routing header of no segments is skipped
            out += rest[:2] + bytes(size - 2)
        protocol = rest[0]
    return out, protocol, later, whole


def _transport(data: bytes, protocol: int, length: int, pseudo: bytes, later: int, *, whole: bool) -> bytes:
    """The fields of a transport header, zeros up to `length`, and a checksum where the packet is no fragment: of those nobody can check one."""
    if later:
        return bytes(length)
    data = data.ljust(KEPT_TCP, b"\0")
    if protocol == TCP:
        kept, place = data[:16] + b"\0\0" + data[18:20], 16
        kept = kept[:12] + bytes([max(min(data[12] >> 4, length // 4), 5) << 4 | data[12] & 1]) + kept[13:]
    elif protocol == UDP:
        kept, place = data[:4] + struct.pack(">H", min(length, LONGEST)) + b"\0\0", 6
    elif protocol in ECHO:
        kept, place = data[:2] + b"\0\0" + (data[4:8] if data[0] in ECHO[protocol] else bytes(4)), 2
    else:
        return (data[:KEPT_PORTS] if protocol == SCTP else b"")[:length].ljust(length, b"\0")
    kept = kept[:length]
    if whole and len(kept) > place + 1:
        total = checksum(kept if protocol == ICMP else pseudo + kept)
        kept = kept[:place] + struct.pack(">H", total or (0xFFFF if protocol == UDP else 0)) + kept[place + 2 :]
    return kept.ljust(length, b"\0")


def checksum(data: bytes) -> int:
    """RFC 1071; zeros behind the data change nothing."""
    data += b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
