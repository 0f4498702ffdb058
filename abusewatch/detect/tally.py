"""What an episode adds up: totals, ports, and a bounded list of attacked addresses with a few rows each as evidence."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from abusewatch.model import address
from abusewatch.model import rows as r
from abusewatch.model.finding import EvidenceRow, Target
from abusewatch.model.rows import Columns
from abusewatch.windows.order import among, mix, order_of, starts_of

MOST_TARGETS = 1024  # addresses kept by name; nobody mails more operators about one case, and the rest is told as a number
MOST_ROWS = 3  # rows a target: what an abuse desk reads (Hetzner and ungleich ask for a few lines, not a log)
MOST_PORTS = 20
MOST_PORT_COUNTS = 1024
MOST_HASHES = 1 << 16
MOST_EXPORTERS = 256

MOST = (1 << 63) - 1  # what stores and schemas hold; an exporter may claim more

OUTCOMES = ("unanswered", "refused", "answered", "unknown")
EVIDENCE = (
    "start_us", "end_us", "own_hi", "own_lo", "own_port", "peer_hi", "peer_lo", "peer_port", "protocol", "packets", "bytes", "flags", "reply_packets",
    "outcome", "frame",
)  # fmt: skip


@dataclass(slots=True)
class _Target:
    flows: float = 0
    packets: float = 0
    bytes: float = 0
    first_us: int = 1 << 62
    last_us: int = -(1 << 62)
    ports: set[int] = field(default_factory=set)
    rows: list[tuple[Columns, int]] = field(default_factory=list)
    """Where a row stands in the columns it came with; made into text only when somebody asks."""


@dataclass(slots=True)
class Tally:
    """Grows by columns (`add`), gives frozen values (`targets`, `ports`)."""

    flows: float = 0
    packets: float = 0
    bytes: float = 0
    first_us: int = 1 << 62
    last_us: int = -(1 << 62)
    frame_first: int = 0
    frame_last: int = 0
    sampling_rate: int = 1
    sampling_unknown: bool = False
    """Some exporter told no rate: its records count as they are, so every total is a lower bound."""
    scaled_packets: float = 0
    """Packets by the rate of their own record: exporters need not sample alike."""
    answered: bool = False
    internal: float = 0
    peak_packets: float = 0
    peak_bytes: float = 0
    exporters: set[int] = field(default_factory=set)
    port: tuple[int, int] = (0, 0)
    """The exporter and the interface that the last of it came in by: of a forged source, all that names who sent it."""
    """Who told of it; of the two directions of a conversation, the exporter with the greater number."""
    protocols: Counter[int] = field(default_factory=Counter)
    own: Counter[tuple[int, int]] = field(default_factory=Counter)
    target_ports: Counter[int] = field(default_factory=Counter)
    source_ports: Counter[int] = field(default_factory=Counter)
    _targets: dict[tuple[int, int], _Target] = field(default_factory=dict)
    _distinct: np.ndarray = field(default_factory=lambda: np.zeros(0, np.uint64))
    _hashes: np.ndarray = field(default_factory=lambda: np.zeros(0, np.uint64))

    def add(self, rows: Columns) -> None:
        """Add rows of one offender: the columns of `runner.EVIDENCE_COLUMNS`, and `weight`."""
        weight = rows["weight"]
        packets, octets = rows["packets"] * weight, rows["bytes"] * weight
        self.flows += float(weight.sum())
        self.packets += float(packets.sum())
        self.bytes += float(octets.sum())
        self.first_us = min(self.first_us, int(rows["start_us"].min()))
        self.last_us = max(self.last_us, int(rows["end_us"].max()))
        self._add_frames(rows)
        if len(self.exporters) < MOST_EXPORTERS:
            self.exporters.update(np.unique(rows["exporter"]).tolist())
        rate = np.maximum(rows["sampling_rate"], 1)  # an unknown rate (0) counts as none
        self.sampling_unknown |= bool((rows["sampling_rate"] == 0).any())
        self.sampling_rate = max(self.sampling_rate, int(rate.max()))
        self.scaled_packets += float((packets * rate).sum())
        self.internal += float((rows["internal"] * weight).sum())
        self.answered |= _proves_source(rows)
        self._add_peaks(rows, packets * rate, octets * rate)
        _count(self.protocols, rows["protocol"])
        _count(self.target_ports, rows["peer_port"])
        _count(self.source_ports, rows["own_port"])
        self.port = int(rows["exporter"][-1]), int(rows["input_if"][-1])
        self._add_own(rows)
        self._add_targets(rows, packets, octets)

    @property
    def offender(self) -> str:
        """The address of ours that did most of it; of equal ones the lowest."""
        counted = self.own.items()
        return address.text(*min(counted, key=lambda item: (-item[1], item[0]))[0])

    @property
    def distinct_targets(self) -> int:
        """How many different addresses were attacked; exact up to 65,536, then estimated from the least hashes (Bar-Yossef 2002)."""
        n = len(self._distinct)
        if n < MOST_HASHES:
            return n
        return int((n - 1) / (float(self._distinct[-1]) / 2.0**64))

    def targets(self) -> tuple[Target, ...]:
        """The attacked addresses that are kept, most flows first."""
        ordered = sorted(self._targets.items(), key=lambda item: (-item[1].flows, item[0]))
        parts = {id(columns): columns for _, target in ordered for columns, _ in target.rows}
        told = {number: evidence_rows(columns) for number, columns in parts.items()}
        return tuple(_as_target(at, target, [told[id(columns)][n] for columns, n in target.rows]) for at, target in ordered)

    def _add_frames(self, rows: Columns) -> None:
        low, high = int(rows["frame"].min()), max(int(rows["frame"].max()), int(rows["frame_last"].max()))
        self.frame_first = min(self.frame_first or low, low)
        self.frame_last = max(self.frame_last, high)

    def _add_peaks(self, rows: Columns, packets: np.ndarray, octets: np.ndarray) -> None:
        """The busiest second by start time; a record of many packets is taken as even over its time."""
        seconds = np.maximum((rows["end_us"] - rows["start_us"]) / 1e6, 1.0)
        second = rows["start_us"] // 1_000_000
        second = np.minimum(second - second.min(), 86_400).astype(np.intp)
        self.peak_packets = max(self.peak_packets, float(np.bincount(second, weights=packets / seconds).max()))
        self.peak_bytes = max(self.peak_bytes, float(np.bincount(second, weights=octets / seconds).max()))

    def _add_own(self, rows: Columns) -> None:
        order = order_of(mix(rows["own_hi"], rows["own_lo"]))
        hi, lo = rows["own_hi"][order], rows["own_lo"][order]
        starts = starts_of(mix(hi, lo))
        for at, size in zip(starts.tolist(), np.diff(np.append(starts, len(order))).tolist(), strict=True):
            if len(self.own) < MOST_PORT_COUNTS or (int(hi[at]), int(lo[at])) in self.own:
                self.own[int(hi[at]), int(lo[at])] += size

    def _add_targets(self, rows: Columns, packets: np.ndarray, octets: np.ndarray) -> None:
        key = mix(rows["peer_hi"], rows["peer_lo"])
        order = order_of(key)
        key = key[order]
        starts = starts_of(key)
        self._add_distinct(key[starts])
        if len(self._targets) >= MOST_TARGETS:  # then only what is known grows
            mine = among(key, self._known())
            order, key = order[mine], key[mine]
            starts = starts_of(key)
        if not len(order):
            return
        rows = r.take(rows, order)
        weight = rows["weight"]
        sums = [np.add.reduceat(column, starts).tolist() for column in (weight, packets[order], octets[order])]
        first = np.minimum.reduceat(rows["start_us"], starts).tolist()
        last = np.maximum.reduceat(rows["end_us"], starts).tolist()
        ends = np.append(starts[1:], len(order)).tolist()
        # Which targets are kept when there are too many must not depend on how rows were cut into batches: the earliest, ties by address.
        peers = list(zip(rows["peer_hi"][starts].tolist(), rows["peer_lo"][starts].tolist(), strict=True))
        wanted: list[tuple[_Target, int]] = []
        for n in sorted(range(len(peers)), key=lambda i: (first[i], peers[i])):
            target = self._targets.get(peers[n])
            if target is None:
                if len(self._targets) >= MOST_TARGETS:
                    continue
                target = self._targets[peers[n]] = _Target()
            target.flows += sums[0][n]
            target.packets += sums[1][n]
            target.bytes += sums[2][n]
            target.first_us, target.last_us = min(target.first_us, first[n]), max(target.last_us, last[n])
            if len(target.ports) < MOST_PORTS:
                target.ports.update(rows["peer_port"][int(starts[n]) : min(ends[n], int(starts[n]) + MOST_PORTS)].tolist())
            wanted += [(target, at) for at in range(int(starts[n]), min(ends[n], int(starts[n]) + MOST_ROWS - len(target.rows)))]
        # The few rows kept are copied out, so that they do not hold the whole pane in memory.
        few = r.take(rows, np.array([at for _, at in wanted], np.intp))
        for n, (target, _) in enumerate(wanted):
            target.rows.append((few, n))

    def _known(self) -> np.ndarray:
        """The hashes of the targets kept, in order; asked only when no more are."""
        if not len(self._hashes):
            hi, lo = (np.array(half, np.uint64) for half in zip(*self._targets, strict=True))
            self._hashes = np.sort(mix(hi, lo))
        return self._hashes

    def _add_distinct(self, hashes: np.ndarray) -> None:
        """Take different hashes; mostly all of them are known."""
        new = hashes[~among(hashes, self._distinct)]
        if len(new):
            self._distinct = np.sort(np.concatenate((self._distinct, new)))[:MOST_HASHES]


def _as_target(at: tuple[int, int], t: _Target, rows: list[EvidenceRow]) -> Target:
    ports = tuple(sorted(t.ports))[:MOST_PORTS]
    return Target(address.text(*at), whole(t.flows), whole(t.packets), whole(t.bytes), t.first_us, t.last_us, ports, tuple(rows))


def whole(value: float) -> int:
    """A count as it is told: whole, and within what stores and schemas hold."""
    return min(round(value), MOST)


def evidence_rows(rows: Columns) -> list[EvidenceRow]:
    """Rows as evidence, header fields only."""
    n = len(rows["start_us"])
    if "outcome" not in rows:
        rows = rows | {"reply_packets": np.zeros(n, np.uint64), "outcome": np.full(n, OUTCOMES.index("unknown"))}
    return [
        EvidenceRow(
            start_us=start_us, end_us=end_us, src=address.text(own_hi, own_lo), src_port=own_port, dst=address.text(peer_hi, peer_lo), dst_port=peer_port,
            protocol=protocol, packets=whole(packets), bytes=whole(octets), flags=flags, reply_packets=whole(replies), outcome=OUTCOMES[outcome], frame=frame,
        )
        for start_us, end_us, own_hi, own_lo, own_port, peer_hi, peer_lo, peer_port, protocol, packets, octets, flags, replies, outcome, frame
        in zip(*(rows[name].tolist() for name in EVIDENCE), strict=True)
    ]  # fmt: skip


def _count(counter: Counter[int], values: np.ndarray) -> None:
    found, counts = np.unique(values, return_counts=True)
    for value, count in zip(found.tolist(), counts.tolist(), strict=True):
        if value in counter or len(counter) < MOST_PORT_COUNTS:
            counter[value] += count


def _proves_source(rows: Columns) -> bool:
    """Whether a row could not have been sent under a forged address: the other end's answer reached the sender and it went on (TCP), or it was answered."""
    if "outcome" not in rows:
        return False
    answered = rows["outcome"] == OUTCOMES.index("answered")
    tcp = rows["protocol"] == 6
    return bool((answered & (~tcp | ((rows["flags"] & 0x10) != 0))).any())
