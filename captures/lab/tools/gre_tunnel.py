"""One end of a GRE tunnel (RFC 2784) that carries IPv6: `gre_tunnel.py LOCAL REMOTE INNER/BITS`. A kernel has such tunnels as a module; not all have it."""

import fcntl
import os
import selectors
import socket
import struct
import subprocess
import sys

GRE = 47
HEADER = struct.pack(">HH", 0, 0x86DD)
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 1, 0x1000


def main(local: str, remote: str, inner: str) -> None:
    """Carry packets between the device `site` and the other end, for ever."""
    device = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH", b"site", IFF_TUN | IFF_NO_PI))
    for words in (("addr", "add", inner, "dev", "site"), ("link", "set", "site", "up", "mtu", "1400")):
        subprocess.run(["ip", *words], check=True)
    outside = socket.socket(socket.AF_INET6 if ":" in local else socket.AF_INET, socket.SOCK_RAW, GRE)
    outside.bind((local, 0))
    outside.connect((remote, 0))
    ready = selectors.DefaultSelector()
    ready.register(device, selectors.EVENT_READ)
    ready.register(outside, selectors.EVENT_READ)
    while True:
        for key, _ in ready.select():
            if key.fileobj is outside:
                packet = outside.recv(2048)
                before = 0 if ":" in local else (packet[0] & 15) * 4  # IPv6's raw sockets give no header (RFC 3542, 3)
                os.write(device, packet[before + len(HEADER) :])
            else:
                outside.send(HEADER + os.read(device, 2048))


if __name__ == "__main__":
    main(*sys.argv[1:])
