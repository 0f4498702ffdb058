"""A capture of a provider's edge, made by columns: what its packets are like is said here, and nothing is drawn twice.

Flows have 14 packets each on average (`each`), most of them few and some of them thousands, both directions of a connection; a tenth is IPv6, a tenth lies in
a VLAN. One in eight is a probe that nobody answers. Frames are cut at the snap length.
"""

import numpy as np

FLOWS_EACH = 14
CUSTOMERS = 5_000
OWN4, OWN6 = "198.18.0.0/15", "2001:db8::/32"
SECONDS = 30
"""Five million packets in that time are the rate of a busy link of a provider."""
PORTS, SHARES = (443, 80, 53, 22, 25, 993), (0.6, 0.12, 0.15, 0.03, 0.04, 0.06)
SYN, ACK, PSH, FIN = 2, 16, 8, 1

RECORD = np.dtype([("seconds", "<u4"), ("micros", "<u4"), ("captured", "<u4"), ("original", "<u4")])


def write(path, count, snap=128, seed=1, each=FLOWS_EACH):
    """Write a pcap file of `count` packets in the order of time."""
    rng = np.random.default_rng(seed)
    flow, number, of = _packets(rng, count, each)
    flows = _flows(rng, int(flow.max()) + 1, 0.05 * FLOWS_EACH / each)
    flows["probe"] = np.bincount(flow, minlength=len(flows["probe"])) == 1
    back = (number % 2 == 1) & ~flows["probe"][flow]
    when = flows["begin"][flow] + number * flows["gap"][flow]
    order = np.argsort(when, kind="stable")
    flow, number, of, back, when = (column[order] for column in (flow, number, of, back, when))
    with path.open("wb") as file:
        file.write(np.array([0xA1B2C3D4, 2 | 4 << 16, 0, 0, snap, 1], "<u4").tobytes())
        for first in range(0, count, 100_000):
            part = slice(first, first + 100_000)
            file.write(_records(rng, flows, flow[part], number[part], of[part], back[part], when[part], snap))


def _packets(rng, count, each):
    size = np.empty(0, np.int64)
    while size.sum() < count:
        more = np.clip(rng.lognormal(1.8, 1.3, count // each + 1) * each / FLOWS_EACH, 1, 20_000).astype(np.int64)
        size = np.concatenate((size, np.where(rng.random(len(more)) < 0.125, 1, more)))
    flow = np.repeat(np.arange(len(size)), size)[:count]
    first = np.cumsum(size) - size
    return flow, np.arange(count) - first[flow], size[flow]


def _flows(rng, n, gap):
    port = rng.choice(np.array(PORTS), n, p=SHARES)
    return {
        "own": np.minimum(rng.pareto(1.1, n) * 20, 1e9).astype(np.int64) % CUSTOMERS * 17, "peer": rng.integers(0x0B00_0000, 0xB000_0000, n),
        "port": port, "local": rng.integers(1024, 65536, n), "udp": port == 53, "six": rng.random(n) < 0.1, "vlan": rng.random(n) < 0.1,
        "out": rng.random(n) < 0.5, "begin": rng.random(n) * SECONDS, "gap": rng.exponential(gap, n), "probe": np.zeros(n, bool),
    }  # fmt: skip


def _records(rng, flows, flow, number, of, back, when, snap):
    n = len(flow)
    f = {name: column[flow] for name, column in flows.items()}
    outward = f["out"] != back
    data = np.where(f["udp"], 40, np.where(number < 3, 0, rng.choice(np.array([0, 0, 40, 600, 1400]), n)))
    payload = data + np.where(f["udp"], 8, 20)
    network = np.where(f["six"], 40, 20)
    original = 14 + 4 * f["vlan"] + network + payload
    frames = np.zeros((n, snap), np.uint8)
    lengths = np.minimum(original, snap)
    flags = np.where(number == 0, SYN, np.where(number == 1, SYN | ACK, np.where(number + 2 >= of, FIN | ACK, np.where(data > 0, PSH | ACK, ACK))))
    ends = {True: (f["own"], f["local"]), False: (f["peer"], f["port"])}
    for tag in (False, True):
        for six in (False, True):
            rows = np.flatnonzero((f["vlan"] == tag) & (f["six"] == six))
            _headers(frames, rows, tag, six, f, outward, payload, flags, ends)
    record = np.zeros(n, RECORD)
    micros = (when * 1e6).astype(np.int64) + 1_700_000_000_000_000
    record["seconds"], record["micros"], record["captured"], record["original"] = micros // 1_000_000, micros % 1_000_000, lengths, original
    head = record.view(np.uint8).reshape(n, RECORD.itemsize)
    both = np.concatenate((head, frames), axis=1)
    return both[np.arange(both.shape[1]) < (RECORD.itemsize + lengths)[:, None]].tobytes()


def _headers(frames, rows, tag, six, f, outward, payload, flags, ends):
    at = 14 + 4 * tag

    def put(place, dtype, values):
        columns = np.ascontiguousarray(np.broadcast_to(np.asarray(values), (len(rows),)).astype(dtype)).view(np.uint8).reshape(len(rows), -1)
        frames[rows[:, None], place + np.arange(columns.shape[1])] = columns

    if tag:
        put(12, ">u2", 0x8100)
        put(14, ">u2", 7)
    put(at - 2, ">u2", 0x86DD if six else 0x0800)
    protocol = np.where(f["udp"], 17, 6)[rows]
    ours, theirs = ends[True][0][rows], ends[False][0][rows]
    away = outward[rows]
    if six:
        put(at, ">u4", 6 << 28)
        put(at + 4, ">u2", payload[rows])
        put(at + 6, "u1", protocol)
        put(at + 8, ">u8", np.where(away, 0x20010DB8_0000_0000 | ours, 0x20014860_0000_0000 | theirs).astype(np.uint64))
        put(at + 24, ">u8", np.where(away, 0x20014860_0000_0000 | theirs, 0x20010DB8_0000_0000 | ours).astype(np.uint64))
    else:
        put(at, ">u2", 0x4500)
        put(at + 2, ">u2", 20 + payload[rows])
        put(at + 8, ">u2", 64 << 8 | protocol)
        put(at + 12, ">u4", np.where(away, 0xC612_0000 + ours, theirs))
        put(at + 16, ">u4", np.where(away, theirs, 0xC612_0000 + ours))
    at += 40 if six else 20
    asks = f["out"][rows]
    local, port = f["local"][rows], f["port"][rows]
    put(at, ">u2", np.where(away == asks, local, port))
    put(at + 2, ">u2", np.where(away == asks, port, local))
    tcp = ~f["udp"][rows]
    rest = np.zeros((len(rows), 16), np.uint8)
    rest[:, 8] = np.where(tcp, 0x50, 0)
    rest[:, 9] = np.where(tcp, flags[rows], 0)
    frames[rows[:, None], at + 4 + np.arange(16)] = rest
