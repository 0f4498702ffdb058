"""Records the uplink (or a customer's port) with tcpdump and keeps headers only.

tcpdump's snap length cuts every frame at the same place, which leaves payload behind short headers. So the recording is cut again,
frame by frame, at the end of the transport header (for an ICMP error: at the end of the quoted headers): what this folder stores
holds no byte of payload, not even our own.
"""

import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from lab.topology import Lab

SNAP_BYTES = 128
# The links' own chatter (neighbours, routers, multicast listeners) is no customer's traffic.
FILTER = "(ip and not net 224.0.0.0/4) or (ip6 and not net fe80::/10 and not net ff00::/8)"
ETHERNET_BYTES = 14
ICMP_ERRORS = {1: {3, 4, 5, 11, 12}, 58: {1, 2, 3, 4}}
IPV6_EXTENSIONS = {0, 43, 44, 51, 60}


@contextlib.contextmanager
def recording(lab: Lab, raw: Path, interface: str = "uplink") -> Iterator[None]:
    """Everything that passes `interface` of the edge inside the block goes to `raw`."""
    argv = ["tcpdump", "-i", interface, "-n", "-U", "-B", "16384", "-s", str(SNAP_BYTES), "-Z", "root", "-w", str(raw), FILTER]
    process = lab.edge.start(*argv, shown=False)
    while not raw.exists() or raw.stat().st_size < 24:  # the file header is written once the interface is open
        if process.poll() is not None:
            raise RuntimeError(f"tcpdump ended: {(lab.scratch / 'output.log').read_text()[-300:]}")
        time.sleep(0.05)
    try:
        yield
    finally:
        time.sleep(1.5)  # answers still on their way; the kernel hands blocks to tcpdump once a second
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)


def headers_end(frame: bytes) -> int:
    """Offset of the first payload byte of an untagged Ethernet frame (RFC 791, RFC 8200, and the transport's own length field)."""
    if frame[12:14] == b"\x08\x00":
        return ETHERNET_BYTES + _ipv4_end(frame[ETHERNET_BYTES:])
    if frame[12:14] == b"\x86\xdd":
        return ETHERNET_BYTES + _ipv6_end(frame[ETHERNET_BYTES:])
    return ETHERNET_BYTES


def _ipv4_end(packet: bytes) -> int:
    start = (packet[0] & 15) * 4
    if int.from_bytes(packet[6:8]) & 0x1FFF:  # a later fragment has no transport header
        return start
    return start + _transport_end(packet[9], packet[start:])


def _ipv6_end(packet: bytes) -> int:
    protocol, start = packet[6], 40
    while protocol in IPV6_EXTENSIONS and start + 8 <= len(packet):
        later_fragment = protocol == 44 and int.from_bytes(packet[start + 2 : start + 4]) & 0xFFF8
        protocol, start = packet[start], start + (8 if protocol == 44 else (packet[start + 1] + 1) * 8)
        if later_fragment:
            return start
    return start + _transport_end(protocol, packet[start:])


def _transport_end(protocol: int, segment: bytes) -> int:
    if protocol == 6 and len(segment) > 12:
        return (segment[12] >> 4) * 4
    if protocol in ICMP_ERRORS and segment and segment[0] in ICMP_ERRORS[protocol]:
        return 8 + (_ipv4_end(segment[8:]) if protocol == 1 else _ipv6_end(segment[8:])) if len(segment) > 28 else 8
    return 8 if protocol in {1, 17, 58} else 0


def trim(raw: Path, out: Path) -> int:
    """Write the frames of `raw` cut to their headers; the number of frames written."""
    written = 0
    with raw.open("rb") as source, out.open("wb") as target:
        target.write(source.read(24))
        # The length on the wire must survive the cut: only the second length of the record header changes.
        for header, frame in records(raw):
            kept = frame[: headers_end(frame)]
            target.write(header[:8] + len(kept).to_bytes(4, "little") + header[12:16] + kept)
            written += 1
    return written


def records(capture: Path) -> Iterator[tuple[bytes, bytes]]:
    """The 16-byte record headers and the frames of a little-endian pcap file, as tcpdump writes it here."""
    with capture.open("rb") as file:
        file.seek(24)
        while len(header := file.read(16)) == 16:
            frame = file.read(int.from_bytes(header[8:12], "little"))
            if len(frame) < int.from_bytes(header[8:12], "little"):
                return
            yield header, frame
