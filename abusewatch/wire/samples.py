"""Flow samples of a ring of sFlow datagrams into flow batches.

Many datagrams are walked in lock step, one cursor each, all advanced together; few, and whatever is out of the ordinary, one by one. One parse of all
sampled headers follows.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from abusewatch.model.flow import I64, U8, U32, U64, Bool, FlowBatch, batch_of
from abusewatch.wire import packet, sflow
from abusewatch.wire.errors import Reason, WireError
from abusewatch.wire.refusals import NOBODY, Refusals

FEWEST = 48
"""With fewer datagrams a step of all costs more than a step of each."""
MOST_RECORDS = 8
"""Records of a sample that are looked at in lock step; switch and gateway data beside the header make two or three."""
HEADER_COLUMNS = ("src_hi", "src_lo", "dst_hi", "dst_lo", "src_port", "dst_port", "protocol", "flags", "bytes")

U4 = NDArray[np.uint32]


@dataclass(slots=True)
class Sampled:
    """Flow samples found so far.

    `headers` holds columns of message, rate, input and output interface, octets of the frame, LINKTYPE_, offset in the ring and captured octets;
    `single` the same for one sample each. `told` are samples of agents that send fields instead of headers, with `told_by` as the first four columns.
    """

    headers: list[I64] = field(default_factory=list)
    single: list[tuple[int, ...]] = field(default_factory=list)
    told: list[sflow.Told] = field(default_factory=list)
    told_by: list[tuple[int, int, int, int]] = field(default_factory=list)
    numbers: list[I64] = field(default_factory=list)
    """Columns of message, data source, sequence number and rate of every flow sample."""

    def drop(self, datagrams: I64) -> None:
        """Forget the samples of some datagrams."""
        gone = set(datagrams.tolist())
        self.headers, self.numbers = ([columns[:, ~np.isin(columns[0], datagrams)] for columns in found] for found in (self.headers, self.numbers))
        self.single = [sample for sample in self.single if sample[0] not in gone]
        kept = [place for place, by in enumerate(self.told_by) if by[0] not in gone]
        self.told, self.told_by = [self.told[place] for place in kept], [self.told_by[place] for place in kept]

    def add(self, message: int, offset: int, data: bytes, sample: sflow.Sample) -> bool:
        """Take a flow sample of a datagram that lies at `offset` in the ring; False when it tells nothing of a packet."""
        by = (message, sample.rate, sample.input_if, sample.output_if)
        for form, start, length in sample.records:
            if form == sflow.RAW_HEADER and length >= sflow.RAW.size:
                protocol, frame, _, captured = sflow.RAW.unpack_from(data, start)
                linktype = sflow.LINKTYPES.get(protocol, -1)
                self.single.append((*by, frame, linktype, offset + start + sflow.RAW.size, min(captured, length - sflow.RAW.size)))
                return True
        for form, start, length in sample.records:
            told = sflow.read_told(form, data, start, length)
            if told is not None:
                self.told.append(told)
                self.told_by.append(by)
                return True
        return False


@dataclass(frozen=True, slots=True)
class Heads:
    """The heads of n datagrams (`sflow.Head`), each of shape (n,); those `cut` or with a `strange` address mean nothing."""

    domain: U64
    sequence: I64
    samples: I64
    start: I64
    cut: Bool
    strange: Bool


def read_heads(ring: U8, length: I64) -> Heads:
    """Read the heads of a ring of datagrams that begin with sFlow's version."""
    width = sflow.WIDEST_HEAD
    head = np.zeros((len(ring), width), np.uint8)
    head[:, : ring.shape[1]] = ring[:, :width]
    words = head.view(">u4").astype(np.uint32)
    kind = words[:, 1]
    six = kind == 2
    # After the address, of four octets or of sixteen: sub-agent, sequence, uptime, count of samples.
    last, sub_agent, sequence, announced = (np.where(six, words[:, place + 3], words[:, place]) for place in (2, 3, 4, 6))
    start = np.where(six, 40, 28)
    strange = (length >= 8) & ~six & (kind != 1)
    return Heads((last ^ sub_agent).astype(np.uint64), sequence.astype(np.int64), announced.astype(np.int64), start, (length < start) & ~strange, strange)


class SampleWalk:
    """Walks the samples of the datagrams in `rows` of a ring; `records` gets the count of samples of each."""

    def __init__(self, ring: U8, length: I64, records: I64, counts: Refusals, exporter: U32) -> None:
        self.ring, self.length, self.records, self.counts, self.exporter = ring, length, records, counts, exporter
        self.sampled = Sampled()
        self.apart: list[tuple[int, int, int, int]] = []

    def walk(self, rows: I64, start: I64, samples: I64) -> None:
        """Read all samples: `start` is the offset of the first in each datagram, `samples` how many its head announces."""
        words = self.ring.shape[1] // 4
        if self.ring.shape[1] % 4 == 0:
            few = (samples > sflow.MAX_SAMPLES) | (samples == 0)
            self._one_by_one(rows[few], start[few], samples[few])
            rows, start, samples = self._together(rows[~few], start[~few], samples[~few], words)
        self._one_by_one(rows, start, samples)

    def _one_by_one(self, rows: I64, start: I64, samples: I64) -> None:
        for row, position, count in zip(rows.tolist(), start.tolist(), samples.tolist(), strict=True):
            data = self.ring[row, : self.length[row]].tobytes()
            self.counts.exporter = int(self.exporter[row])
            try:
                for sample in sflow.read_samples(data, position, count):
                    self.records[row] += 1
                    self._take(row, data, sample)
            except WireError as error:
                self.counts[error.reason] += 1
        self.counts.exporter = NOBODY
        if self.apart:
            self.sampled.numbers.append(np.array(self.apart).T)
            self.apart = []

    def _take(self, row: int, data: bytes, sample: sflow.Sample, *, again: bool = False) -> None:
        if sample.kind in {sflow.COUNTERS, sflow.EXPANDED_COUNTERS}:
            self.counts[Reason.COUNTER_SAMPLE] += 1
            return
        if sample.kind in {sflow.FLOW, sflow.EXPANDED_FLOW} and not again:
            self.apart.append((row, sample.source, sample.sequence, sample.rate))
        if not self.sampled.add(row, row * self.ring.shape[1], data, sample):
            self.counts[Reason.NOT_A_FLOW] += 1

    def _together(self, rows: I64, start: I64, samples: I64, words: int) -> tuple[I64, I64, I64]:
        """Advance all cursors by one sample a round; return the datagrams that are left over: too few, or with a sample that does not fit."""
        ring = self.ring.reshape(-1).view(">u4")
        over: list[tuple[I64, I64, I64]] = []
        taken: list[tuple[I64, I64, I64, Bool]] = []
        at = start >> 2
        while len(rows) >= FEWEST:
            base, limit = rows * words, self.length[rows] >> 2
            head = np.minimum(base + at, len(ring) - 2)
            kind, octets = ring[head].astype(np.int64), ring[head + 1].astype(np.int64)
            expanded = kind == sflow.EXPANDED_FLOW
            flow = expanded | (kind == sflow.FLOW)
            end = at + 2 + (octets >> 2)
            fits = (at + 2 <= limit) & (octets & 3 == 0) & (end <= limit) & (~flow | (octets >= np.where(expanded, 44, 32)))
            if not fits.all():
                # Whatever is the matter with these is found, and counted, one by one.
                over.append((rows[~fits], at[~fits] << 2, samples[~fits]))
                rows, at, samples, base, kind, end, flow, expanded = (x[fits] for x in (rows, at, samples, base, kind, end, flow, expanded))
            self.records[rows] += 1
            counters = (kind == sflow.COUNTERS) | (kind == sflow.EXPANDED_COUNTERS)
            self.counts.charge(Reason.COUNTER_SAMPLE, self.exporter[rows[counters]])
            self.counts.charge(Reason.NOT_A_FLOW, self.exporter[rows[~flow & ~counters]])
            taken.append((rows[flow], base[flow] + at[flow] + 2, base[flow] + end[flow], expanded[flow]))
            more = samples > 1
            rows, at, samples = rows[more], end[more], samples[more] - 1
        if taken:
            # Of all rounds at once: what it costs is the number of numpy's calls more than that of samples.
            self._flow_samples(ring, *(np.concatenate(columns) for columns in zip(*taken, strict=True)))
        over.append((rows, at << 2, samples))
        left, where, count = (np.concatenate(columns) for columns in zip(*over, strict=True))
        return left, where, count

    def _flow_samples(self, ring: U4, rows: I64, at: I64, end: I64, expanded: Bool) -> None:
        """Take flow samples that begin at word `at` of the ring: find the raw header among their records, all together."""
        rate = ring[at + np.where(expanded, 3, 2)].astype(np.int64)
        # A compact source_id has its kind in the upper octet, an expanded one in a word of its own, which is zero for an interface.
        source = ring[at + np.where(expanded, 2, 1)].astype(np.int64)
        self.sampled.numbers.append(np.stack((rows, source, ring[at].astype(np.int64), rate)))
        # Words of the interfaces and of the count of records; see `sflow` for their meaning.
        inside, outside, count = (ring[at + np.where(expanded, *place)].astype(np.int64) for place in ((7, 5), (9, 6), (10, 7)))
        known = 0x3FFF_FFFF
        in_form, out_form = (np.where(expanded, ring[at + place].astype(np.int64), 0) for place in (6, 8))
        inside = np.where((in_form == 0) & (expanded | (inside < known)), inside, 0)
        outside = np.where((out_form == 0) & (expanded | (outside < known)), outside, 0)
        record = at + np.where(expanded, 11, 8)
        left = np.arange(len(rows))
        for number in range(MOST_RECORDS):
            inbound = (count[left] > number) & (record[left] + 2 <= end[left])
            odd = left[~inbound]
            left = left[inbound]
            place = record[left]
            form, octets = ring[place].astype(np.int64), ring[place + 1].astype(np.int64)
            stop = (place + 2 + (octets + 3 >> 2) > end[left]) | (octets & 3 != 0)
            found = ~stop & (form == sflow.RAW_HEADER) & (octets >= sflow.RAW.size)
            hit, place = left[found], place[found]
            if len(hit):
                protocol, frame, captured = (ring[place + 2 + word].astype(np.int64) for word in (0, 1, 3))
                linktype = np.full(len(hit), -1)
                for known_protocol, known_linktype in sflow.LINKTYPES.items():
                    linktype[protocol == known_protocol] = known_linktype
                self.sampled.headers.append(np.stack((
                    rows[hit], rate[hit], inside[hit], outside[hit], frame, linktype, (place + 6) << 2, np.minimum(captured, octets[found] - 16),
                )))  # fmt: skip
            self._apart(rows, at, np.concatenate((odd, left[stop])))
            going = ~stop & ~found
            record[left[going]] += 2 + (octets[going] >> 2)
            left = left[going]
            if not len(left):
                return
        self._apart(rows, at, left)

    def _apart(self, rows: I64, at: I64, which: I64) -> None:
        """Look one by one at samples without a raw header in the expected place."""
        for index in which.tolist():
            row = int(rows[index])
            data = self.ring[row, : self.length[row]].tobytes()
            position = (int(at[index]) - 2) * 4 - row * self.ring.shape[1]
            self.counts.exporter = int(self.exporter[row])
            for sample in sflow.read_samples(data, position, 1):
                self._take(row, data, sample, again=True)
        self.counts.exporter = NOBODY


def flows(sampled: Sampled, ring: U8, exporter: U32, at_us: int, counts: Refusals) -> list[FlowBatch]:
    """Make batches of flow samples: each one packet, at the time its datagram came. `exporter` is by message.

    `bytes` is the length of the IP packet, as in captures and NetFlow; the frame's length only stands in where the packet does not say its own.
    """
    found: list[FlowBatch] = []
    headers = sampled.headers + ([np.array(sampled.single, np.int64).T] if sampled.single else [])
    if headers:
        columns = np.concatenate(headers, axis=1)
        linktypes = columns[5]
        for linktype in np.unique(linktypes).tolist():
            mine = columns[:, linktypes == linktype]
            heads = packet.parse(ring.reshape(-1), mine[6], mine[7], linktype, mine[4])
            kept = np.flatnonzero(heads.is_ip)
            no_ip = heads.reason == packet.NOT_IP
            counts.charge(Reason.NOT_A_FLOW, exporter[mine[0, no_ip]])
            counts.charge(Reason.BAD_FRAME, exporter[mine[0, ~heads.is_ip & ~no_ip]])
            found.append(_batch(at_us, exporter, mine[:4, kept], heads.family, {name: getattr(heads, name)[kept] for name in HEADER_COLUMNS}))
    if sampled.told:
        names = ("bytes", "protocol", "src_hi", "src_lo", "dst_hi", "dst_lo", "ports", "flags")
        told = dict(zip(names, np.array(sampled.told, np.uint64).T, strict=True))
        by = np.array(sampled.told_by, np.int64).T
        ports = told.pop("ports")
        found.append(_batch(at_us, exporter, by, 0, told | {"src_port": ports >> np.uint64(16), "dst_port": ports & np.uint64(0xFFFF)}))
    return [batch for batch in found if len(batch)]


def _batch(at_us: int, exporter: U32, by: I64, family: int, heads: dict[str, NDArray[np.generic]]) -> FlowBatch:
    message, rate, inside, outside = by
    at = np.full(len(message), at_us, np.int64)
    # A rate of 0 is told by agents that do not know theirs: it stays unknown.
    return batch_of(
        len(message), family, start_us=at, end_us=at, **heads, sampling_rate=rate, input_if=inside, output_if=outside, exporter=exporter[message],
    )  # fmt: skip
