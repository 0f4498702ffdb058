"""The synthetic traffic of a hosting provider, as flow records and as files of export datagrams for sender.c.

5,000 customers with very unequal traffic. Conversations of good people are answered, so both directions are exported: some 45 % of the records are
inbound; names and the time are asked for in a packet or two (RFC 1035, RFC 5905), as everywhere. One record in five is part of an attack by one of thirty customers: a horizontal scan of eight services, a vertical scan, a random scan, a UDP
flood, spam, reflection, password guessing over SSH, and a SYN spray; only mail and SSH are answered.
"""

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from abusewatch.model.address import MAPPED
from abusewatch.model.flow import FlowBatch, batch_of
from abusewatch.sources.encode import encode

OWN = ("198.18.0.0/15", "10.64.0.0/12", "45.64.0.0/18", "91.192.0.0/19", "185.0.0.0/20", "193.0.0.0/24")
CUSTOMERS, REMOTES, ATTACKERS = 5_000, 200_000, 30
ATTACK_SHARE = 0.294
"""Of conversations. Most attacks are not answered and have one record, all else has two; so this is a fifth of the records."""
RECORDS_EACH = 1.765
FROM_OUTSIDE = 0.6
"""Customers are servers more than they are clients."""
UNANSWERED = 0.01
BATCH = 100_000
T0_MS = 1_790_000_000_000

SERVICES = ((443, 0.55), (80, 0.12), (53, 0.12), (123, 0.02), (22, 0.02), (25, 0.03), (587, 0.02), (993, 0.03), (8080, 0.04), (3478, 0.03), (51820, 0.02))
SERVER_ONLY = (22, 25, 587)
"""Customers offer these; a customer that mailed or logged in to a thousand hosts would rightly be found."""
UDP_SERVICES = (53, 123, 3478, 51820)
DNS, NTP, NTP_OCTETS = 53, 123, 76
FULL, SYN = 0x1B, 0x02

SCANNED = (22, 23, 445, 3389, 1433, 5900, 6379, 2323)
REFLECTED = (53, 123, 11211, 1900, 389)


def records(count: int, seed: int = 1, per_second: int = 250_000) -> Iterator[FlowBatch]:
    """Make `count` flow records in the order in which their exporter would send them; each ends within 1.5 s of its turn and lasts up to 10 s."""
    rng = np.random.default_rng(seed)
    customers = _customers(rng)
    remotes = rng.integers(0x0100_0000, 0xDF00_0000, REMOTES)
    for start in range(0, count, BATCH):
        yield _batch(rng, customers, remotes, np.arange(start, min(start + BATCH, count)), per_second)


def write(path: Path, form: str, count: int) -> tuple[int, int]:
    """Write a stream for sender.c: each datagram with its length and its step of the sequence number. Gives datagrams and flow records."""
    datagrams = total = 0
    with path.open("wb") as file:
        for datagram in encode(records(count), form, packets=False):
            step = 1 if form == "netflow9" else datagram.records or 2 * (form == "ipfix")  # the announcement holds two options records
            file.write(struct.pack("=III", len(datagram.payload), step, datagram.records) + datagram.payload)
            datagrams += 1
            total += datagram.records
    return datagrams, total


def _customers(rng):
    import ipaddress

    networks = [ipaddress.ip_network(n) for n in OWN]
    sizes = np.array([n.num_addresses for n in networks])
    first = np.array([int(n.network_address) for n in networks])
    ends = np.cumsum(sizes)
    place = rng.integers(0, ends[-1], CUSTOMERS)
    network = np.searchsorted(ends, place, side="right")
    return first[network] + place - (ends - sizes)[network]


def _batch(rng, customers, remotes, number, per_second) -> FlowBatch:
    total = len(number)
    n = int(total / RECORDS_EACH * 1.05) + 10  # a few more than needed, cut below
    ports, shares = zip(*SERVICES, strict=True)
    dst_port = rng.choice(np.array(ports), n, p=shares)
    outside = rng.random(n) < FROM_OUTSIDE
    dst_port[~outside & np.isin(dst_port, SERVER_ONLY)] = 443
    protocol = np.where(np.isin(dst_port, UDP_SERVICES), 17, 6)
    packets = np.maximum(1, rng.lognormal(1.8, 1.3, n)).astype(np.int64)
    octets = rng.integers(60, 1200, n)
    packets[dst_port == DNS] = 1 + (rng.random(np.count_nonzero(dst_port == DNS)) < 0.05)
    octets[dst_port == DNS] = rng.integers(60, 120, np.count_nonzero(dst_port == DNS))
    packets[dst_port == NTP], octets[dst_port == NTP] = 1, NTP_OCTETS
    flows = {
        "src": customers[np.minimum(rng.pareto(1.1, n) * 20, 1e9).astype(np.int64) % CUSTOMERS],
        "dst": remotes[np.minimum(rng.pareto(0.9, n) * 200, 1e12).astype(np.int64) % REMOTES],
        "src_port": rng.integers(1024, 65536, n), "dst_port": dst_port, "protocol": protocol, "flags": np.where(protocol == 6, FULL, 0),
        "packets": packets, "bytes": packets * octets,
    }  # fmt: skip
    attack = rng.random(n) < ATTACK_SHARE
    outside &= ~attack
    flows["src"][outside], flows["dst"][outside] = flows["dst"][outside], flows["src"][outside]
    answered = rng.random(n) >= UNANSWERED
    answered[attack] = _attack(rng, customers, remotes, flows, np.flatnonzero(attack))
    flows = _both_directions(rng, flows, answered, total)
    end = T0_MS + number * 1000 // per_second - rng.integers(0, 1500, total)
    mapped = {f"{side}_lo": flows.pop(side).astype(np.uint64) | np.uint64(MAPPED) for side in ("src", "dst")}
    times = {"end_us": end * 1000, "start_us": (end - rng.integers(0, 10_000, total)) * 1000}
    edge = {"input_if": np.full(total, 7), "output_if": np.full(total, 8)}
    return batch_of(total, family=4, **flows, **mapped, **times, **edge)


def _both_directions(rng, flows, answered, total):
    """Put behind each answered record that of its answer; give the first `total` records."""
    row = np.repeat(np.arange(len(answered)), answered + 1)[:total]
    answer = np.flatnonzero(np.concatenate(([False], row[1:] == row[:-1])))
    records = {name: column[row] for name, column in flows.items()}
    for a, b in (("src", "dst"), ("src_port", "dst_port")):
        records[a][answer], records[b][answer] = records[b][answer], records[a][answer].copy()
    octets = rng.integers(60, 1200, len(answer))  # of names too, with EDNS
    octets[records["src_port"][answer] == NTP] = NTP_OCTETS
    records["bytes"][answer] = records["packets"][answer] * octets
    return records


def _attack(rng, customers, remotes, flows, rows):
    """Turn these rows into attacks; say which of them are answered."""
    kind = rng.integers(0, ATTACKERS, len(rows))
    flows["src"][rows] = customers[kind * 97 % CUSTOMERS]

    def put(chosen, **columns):
        at = rows[chosen]
        for name, value in columns.items():
            flows[name][at] = value(len(at)) if callable(value) else value

    def anyone(n):
        return rng.integers(0x0100_0000, 0xDF00_0000, n)

    probe = {"protocol": 6, "flags": SYN, "packets": 1, "bytes": 60}
    for number, port in enumerate(SCANNED):
        put(kind == number, **probe, dst=anyone, dst_port=port)
    put((kind >= 8) & (kind < 12), **probe, dst=anyone, dst_port=lambda n: rng.integers(1, 65536, n))
    put((kind >= 12) & (kind < 15), **probe, dst=int(remotes[77]), dst_port=lambda n: rng.integers(1, 10_000, n))
    put((kind >= 15) & (kind < 18), protocol=17, flags=0, dst=lambda n: remotes[rng.integers(0, 5, n)], dst_port=80,
        packets=lambda n: rng.integers(500, 5_000, n), bytes=lambda n: rng.integers(500_000, 5_000_000, n))  # fmt: skip
    put((kind >= 18) & (kind < 21), protocol=6, flags=FULL, dst=lambda n: remotes[rng.integers(0, 3_000, n)], dst_port=25, packets=12,
        bytes=lambda n: rng.integers(3_000, 20_000, n))  # fmt: skip
    put((kind >= 21) & (kind < 24), protocol=17, flags=0, dst=lambda n: remotes[rng.integers(0, 50, n)], packets=40,
        src_port=lambda n: rng.choice(np.array(REFLECTED), n), dst_port=lambda n: rng.integers(1024, 65536, n),
        bytes=lambda n: rng.integers(20_000, 60_000, n))  # fmt: skip
    put((kind >= 24) & (kind < 27), protocol=6, flags=FULL, dst=lambda n: remotes[rng.integers(0, 20, n)], dst_port=22, packets=15,
        bytes=lambda n: rng.integers(1_500, 4_000, n))  # fmt: skip
    put(kind >= 27, **probe, dst=anyone, dst_port=lambda n: rng.choice(np.array([443, 80]), n))
    return ((kind >= 18) & (kind < 21)) | ((kind >= 24) & (kind < 27))
