"""Packets a second from a generated capture of snap length 128: this project's reader beside dpkt and tcpdump, in one run.

    python benchmarks/capture.py [PACKETS]
"""

import pathlib
import resource
import struct
import subprocess
import sys
import tempfile
import time

import numpy as np

from abusewatch.sources.files import open_flows
from abusewatch.wire.datagrams import FlowDecoder

SNAP = 128


def packets(rng, count=4096):
    """A mix of sizes and kinds: TCP 60 %, UDP 25 %, a tenth IPv6, some in VLANs, acknowledgements short and data cut at the snap length."""
    for _ in range(count):
        tcp = rng.random() < 0.7
        size = int(rng.choice([0, 0, 40, 600, 1400]))
        head = struct.pack(">HHIIBBHHH", rng.integers(1024, 65536), 443, 1, 1, 0x50, 0x18, 99, 0, 0) if tcp else struct.pack(">HHHH", rng.integers(1024, 65536), 53, 8 + size, 0)
        protocol, length = (6 if tcp else 17), len(head) + size
        if rng.random() < 0.1:
            kind, ip = 0x86DD, struct.pack(">IHBB", 6 << 28, length, protocol, 64) + rng.bytes(32)
        else:
            kind, ip = 0x0800, struct.pack(">BBHHHBBH", 0x45, 0, 20 + length, 0, 0, 64, protocol, 0) + rng.bytes(8)
        tag = struct.pack(">HH", 0x8100, 7) if rng.random() < 0.1 else b""
        data = bytes(12) + tag + struct.pack(">H", kind) + ip + head + bytes(size)
        yield struct.pack("<II", min(len(data), SNAP), len(data)) + data[:SNAP]


def generate(path, count):
    rng = np.random.default_rng(1)
    records = list(packets(rng))
    with path.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, SNAP, 1))
        for first in range(0, count, 10_000):
            some = rng.integers(0, len(records), min(10_000, count - first))
            file.write(b"".join(struct.pack("<II", 1_700_000_000 + first // 10_000, n) + records[i] for n, i in enumerate(some.tolist())))


def ours(path):
    return sum(len(batch) for batch in open_flows(path, FlowDecoder).batches())


def dpkt_loop(path, limit=100_000):
    import dpkt

    done = 0
    with path.open("rb") as file:
        for _, data in dpkt.pcap.Reader(file):
            packet = dpkt.ethernet.Ethernet(data)
            _ = packet.data.src, packet.data.dst, packet.data.data.sport
            done += 1
            if done >= limit:
                break
    return done


def tcpdump(path, count):
    subprocess.run(["tcpdump", "-r", path, "-w", "/dev/null"], check=True, capture_output=True)
    return count


def timed(name, work, repeats):
    best, done = float("inf"), 0
    for _ in range(repeats):
        start = time.perf_counter()
        done = work()
        best = min(best, time.perf_counter() - start)
    print(f"{name:34s} {done:>9,d} packets  {best / done * 1e9:8.0f} ns a packet  {done / best / 1e6:7.3f} M packets/s", flush=True)


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "snap128.pcap")
        generate(path, count)
        print(f"capture: {path.stat().st_size / 1e6:.0f} MB")
        timed("abusewatch, file to flow batches", lambda: ours(path), 3)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        timed("tcpdump -w /dev/null (copies only)", lambda: tcpdump(path, count), 2)
        timed("dpkt, Ethernet() of each", lambda: dpkt_loop(path), 1)
        print(f"peak memory of abusewatch: {peak:.0f} MB")


if __name__ == "__main__":
    main()
