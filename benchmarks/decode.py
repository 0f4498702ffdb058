"""What decoding costs: nanoseconds of the processor per record, by format, from a filled ring to flow batches. Synthetic data, one core.

`python -m benchmarks.decode [--datagrams 1000] [--rounds 100] [--json]`, and part of `make bench`. The best round counts: processor time still swells when
others use the same core's caches and its other thread. Beside each figure stands what a prototype reached, on a machine of its own.
"""

import argparse
import json
import struct
import time

import numpy as np

from abusewatch.wire.datagrams import FlowDecoder

NOW = 1_790_000_000
V9 = ((8, 4), (12, 4), (2, 4), (1, 4), (22, 4), (21, 4), (7, 2), (11, 2), (10, 4), (14, 4), (6, 1), (4, 1), (5, 1), (89, 1))
V9_ODD = (*V9, (16, 4), (17, 4), (9, 1), (13, 1), (15, 4), (89, 1))
IPFIX4 = ((8, 4), (12, 4), (2, 8), (1, 8), (152, 8), (153, 8), (7, 2), (11, 2), (10, 4), (14, 4), (6, 1), (4, 1))
IPFIX6 = ((27, 16), (28, 16), *IPFIX4[2:])
rng = np.random.default_rng(7)


def template_set(version, number, fields):
    body = struct.pack(">HH", number, len(fields)) + b"".join(struct.pack(">HH", *f) for f in fields)
    return struct.pack(">HH", 0 if version == 9 else 2, 4 + len(body)) + body


def message(version, sequence, sets, count=0, domain=1):
    if version == 9:
        return struct.pack(">HHIIII", 9, count, 1_000_000, NOW, sequence, domain) + sets
    return struct.pack(">HHIII", 10, 16 + len(sets), NOW, sequence, domain) + sets


def data_set(number, body):
    body += bytes(-(len(body) + 4) % 4)
    return struct.pack(">HH", number, 4 + len(body)) + body


def bodies(fields, records):
    """Random records, with plausible protocols and times."""
    parts = []
    for number, octets in fields:
        column = rng.integers(0, 256, (records, octets), np.uint8)
        if number == 4:
            column[:] = 6
        elif number in {1, 2, 10, 14}:
            column[:, :-2] = 0
        elif number in {21, 22}:
            column[:] = np.frombuffer(struct.pack(">I", 990_000 - 10 * (number - 21)), np.uint8)  # 22 is the start, 21 the end
        elif number in {152, 153}:
            column[:] = np.frombuffer(struct.pack(">Q", NOW * 1000 - 5000 + number), np.uint8)
        parts.append(column)
    return np.concatenate(parts, axis=1).tobytes()


def set_based(version, fields, datagrams, exporters=1, size=1400, lengths=None):
    octets = sum(n for _, n in fields)
    per = (size - 24) // octets
    ds, who, counted = [], [], []
    sequence = [0] * exporters
    for i in range(exporters):
        ds.append(message(version, 0, template_set(version, 261, fields), 1))
        who.append(i)
        sequence[i] += version == 9
    for i in range(datagrams):
        e = i % exporters if lengths is None else int(rng.integers(exporters))
        count = per if lengths is None else int(rng.integers(*lengths))
        sets = data_set(261, bodies(fields, count))
        if lengths is not None and rng.random() < 0.05:
            sets = template_set(version, 261, fields) + sets
        ds.append(message(version, sequence[e], sets, count))
        who.append(e)
        counted.append(1 if version == 9 else count)
        sequence[e] += counted[-1]
    return ds, who, exporters, counted


def netflow5(datagrams):
    ds = []
    for i in range(datagrams):
        body = rng.integers(0, 256, (30, 48), np.uint8)
        body[:, 38] = 6
        body[:, 24:32] = np.frombuffer(struct.pack(">II", 990_000, 995_000), np.uint8)
        ds.append(struct.pack(">HHIIIIHH", 5, 30, 1_000_000, NOW, 0, i * 30, 0, 0) + body.tobytes())
    return ds, [0] * len(ds), 0, [30] * len(ds)


def sflow(datagrams):
    ds = []
    for i in range(datagrams):
        samples = b""
        count = int(rng.integers(3, 8))
        for j in range(count):
            frame = b"\2" * 12 + b"\x08\0" + struct.pack(">BBHHHBBHII", 0x45, 0, 1000, j, 0, 64, 6, 0, int(rng.integers(1 << 32)), int(rng.integers(1 << 32)))
            frame += struct.pack(">HHIIBBHHH", 40000, 443, 1, 1, 0x50, 0x10, 1000, 0, 0) + bytes(74)
            raw = struct.pack(">IIII", 1, 1014, 4, len(frame)) + frame
            switch = struct.pack(">IIIIII", 1001, 16, 100, 0, 100, 0)
            records = struct.pack(">II", 1, len(raw)) + raw
            records = switch + records if j % 2 else records + switch
            sample = struct.pack(">8I", i, 3, 2000, i * 2000, 0, 3, 4, 2) + records
            samples += struct.pack(">II", 1, len(sample)) + sample
        ds.append(struct.pack(">IIIIIII", 5, 1, 0x0A000001, 0, i, i * 100, count) + samples)
    return ds, [0] * len(ds), 0, [1] * len(ds)


def ring_of(ds):
    ring = np.zeros((len(ds), 2048), np.uint8)
    for row, d in zip(ring, ds, strict=True):
        row[: len(d)] = np.frombuffer(d, np.uint8)
    return ring, np.array([len(d) for d in ds], np.uint32)


SEQUENCE = {5: 16, 9: 12, 10: 8, 0: 16}
"""Where the sequence number lies, by the second octet of the version."""


def measure(ds, who, first, counted, rounds):
    """`counted` is what each datagram after the first ones adds to its sequence. Gives records, and seconds of the best round."""
    ring, lengths = ring_of(ds)
    exporters = np.array(who, np.uint32)
    decoder = FlowDecoder()
    if first:
        decoder.decode(ring[:first], lengths[:first], exporters[:first], NOW * 1_000_000)
    ring, lengths, exporters = ring[first:], lengths[first:], exporters[first:]
    best = float("inf")
    total = np.zeros(exporters.max() + 1, np.uint32)
    np.add.at(total, exporters, counted)
    for number in range(rounds):
        if number:  # the same again, as the next of their sequence
            place = SEQUENCE[int(ring[0, 1])]
            sequence = ring[:, place : place + 4].copy().view(">u4").ravel() + total[exporters]
            ring[:, place : place + 4] = sequence.astype(">u4").view(np.uint8).reshape(-1, 4)
        began = time.process_time()
        decoded = decoder.decode(ring, lengths, exporters, NOW * 1_000_000)
        best = min(best, time.process_time() - began)
    rows = sum(len(b) for b in decoded.batches)
    assert decoded.records == rows > 0, (decoded.records, rows, decoded.counts)
    assert not decoded.counts, decoded.counts
    return rows, best


CASES = {
    "netflow5": (60, netflow5),
    "netflow9, 40 octets": (100, lambda n: set_based(9, V9, n)),
    "netflow9, 55 octets": (100, lambda n: set_based(9, V9_ODD, n)),
    "ipfix, IPv4": (100, lambda n: set_based(10, IPFIX4, n)),
    "ipfix, IPv6": (135, lambda n: set_based(10, IPFIX6, n)),
    "netflow9, 250 exporters, 1-23 records": (250, lambda n: set_based(9, V9_ODD, n, 250, lengths=(1, 24))),
    "sflow": (650, sflow),
}
"""What is decoded, and the nanoseconds per record not to be exceeded."""


def figures(datagrams, rounds):
    """A row for each case."""
    for name, (bar, make) in CASES.items():
        rows, secs = measure(*make(datagrams), rounds)
        yield {"case": name, "records": rows, "ns_per_record": round(secs / rows * 1e9, 1), "bar": bar, "us_per_datagram": round(secs / datagrams * 1e6, 2)}


def line(row):
    """A row for people."""
    met = "met" if row["ns_per_record"] <= row["bar"] else "MISSED"
    return f"{row['case']:40} {row['ns_per_record']:>8.0f} {row['bar']:>6}   {met:6} {row['us_per_datagram']:>12.2f}"


HEADING = f"{'ns of the processor per record':40} {'here':>8} {'bar':>6}   {'':6} {'us/datagram':>12}"


def main():
    parser = argparse.ArgumentParser(prog="python -m benchmarks.decode", description=__doc__.splitlines()[0])
    parser.add_argument("--datagrams", type=int, default=1000, help="in a ring")
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if given.json:
        print(json.dumps(list(figures(given.datagrams, given.rounds))))
        return
    print(HEADING)
    for row in figures(given.datagrams, given.rounds):
        print(line(row), flush=True)


if __name__ == "__main__":
    main()
