"""One ring of export datagrams, of any versions and exporters, into flow batches: the hot path of the daemon.

Most datagrams hold one set of a known template of fixed length, maybe behind templates that were told before. Those are never looked at one by one: their
records are gathered by layout, whatever exporter they came from. Only datagrams with new templates or options, several sets or records of variable length
are walked, in the order they came.
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from abusewatch.model.flow import I64, U8, U16, U32, Bool, FlowBatch
from abusewatch.wire import headers, netflow5, samples, sflow
from abusewatch.wire.clocks import APART_US
from abusewatch.wire.domains import MAX_RECORDS, DataSet, Domain, DomainStore, Message
from abusewatch.wire.errors import Reason, WireError
from abusewatch.wire.found import Context, Found
from abusewatch.wire.headers import HEADER_OCTETS, IPFIX, VERSION_5, VERSION_9
from abusewatch.wire.layout import Layout, packer
from abusewatch.wire.refrains import told_again
from abusewatch.wire.refusals import NOBODY, Refusals
from abusewatch.wire.samples import SampleWalk
from abusewatch.wire.sampling import RateTable
from abusewatch.wire.sequence import UNKNOWN
from abusewatch.wire.sets import SetReader, Walk
from abusewatch.wire.templates import Template, read_records

WIDEST_HEADER = 24
FEW = 8
"""Datagrams of a domain that are walked sooner than looked at together: measured, with so many it comes to the same."""


@dataclass(slots=True)
class Quick:
    """Datagrams of one data set whose template was known when the ring began, each of shape (n,); `template` indexes `templates`.

    `before` counts the options records that stand before the set and tell nothing new.
    """

    row: I64
    start: I64
    octets: I64
    key: I64
    template: I64
    before: I64
    alive: Bool
    templates: list[Template]

    def withdraw(self, key: int, after: int) -> list[int]:
        """Give up the datagrams after one that changed their template."""
        lost = self.alive & (self.key == key) & (self.row > after)
        self.alive &= ~lost
        rows: list[int] = self.row[lost].tolist()
        return rows

    def add(self, parts: "Sequence[Quick]") -> None:
        """Take more datagrams, all at once: to put them in order for each domain would cost what walking them does."""
        for part in parts:
            part.template += len(self.templates)
            self.templates += part.templates
        row = np.concatenate([self.row, *(part.row for part in parts)])
        order = np.argsort(row, kind="stable")
        self.row = row[order]
        for name in ("start", "octets", "key", "template", "before", "alive"):
            setattr(self, name, np.concatenate([getattr(self, name), *(getattr(part, name) for part in parts)])[order])


class Ring:
    """The datagrams of one call as columns of shape (n,), and the steps that decode them.

    `unsaid` is the sampling rate of NetFlow v5 whose header names none.

    `slot` is that of the datagram's domain, -1 for those refused; `rate`, `export_us` and `uptime_ms` are what its records lean on; `steps` is what it
    adds to its domain's sequence; `records` counts its data records and samples.
    """

    def __init__(self, octets: U8, lengths: U32 | I64, exporter: U32, received_us: int, store: DomainStore, unsaid: int = 1) -> None:
        count, width = octets.shape
        if width < WIDEST_HEADER:
            octets = np.pad(octets, ((0, 0), (0, WIDEST_HEADER - width)))
        self.width = width
        self.octets: U8 = np.ascontiguousarray(octets)
        self.length: I64 = lengths.astype(np.int64)
        self.exporter: U32 = exporter.astype(np.uint32)
        self.received_us = received_us
        self.slot: I64 = np.full(count, -1)
        self.version: U16 = np.zeros(count, np.uint16)
        self.sequence: I64 = np.zeros(count, np.int64)
        self.export_us: I64 = np.full(count, received_us)
        self.uptime_ms: I64 = np.full(count, -1)
        self.shift_us: I64 | None = None
        self.rate: U32 = np.ones(count, np.uint32)
        self.steps: I64 = np.full(count, UNKNOWN)
        self.records: I64 = np.zeros(count, np.int64)
        self.store = store
        self.unsaid = unsaid
        self.company = False
        self.counts = Refusals()
        self.reader = SetReader(store, self.counts)
        self.found = Found()
        self.samples = SampleWalk(self.octets, self.length, self.records, self.counts, self.exporter)

    def walk(self) -> None:
        """Read all headers, find all records."""
        if not len(self.length):
            return
        self._versions()
        self._netflow5()
        self._set_based()
        self._sflow()

    def flows(self) -> list[FlowBatch]:
        """Gather the records that were found, by layout."""
        return [*self._gather(), *samples.flows(self.samples.sampled, self.octets, self.exporter, self.received_us, self.counts)]

    def drop(self, repeated: I64) -> None:
        """Forget the records of datagrams that came before."""
        self.counts.charge(Reason.DUPLICATE, self.exporter[repeated])
        self.found.drop(repeated)
        self.samples.sampled.drop(repeated)

    def _refuse(self, rows: Bool, reason: Reason) -> None:
        self.counts.charge(reason, self.exporter[rows])
        self.version[rows] = 0

    def _versions(self) -> None:
        """Tell versions apart by their first octets (sFlow's number has 32 bits), and refuse what has no whole header."""
        first = self.octets[:, :4].astype(np.uint32)
        high, low = first[:, 0] << 8 | first[:, 1], first[:, 2] << 8 | first[:, 3]
        self.version[:] = np.where(np.isin(high, (VERSION_5, VERSION_9, IPFIX)), high, np.where((high == 0) & (low == 5), sflow.VERSION, 0))
        empty, cut = self.length <= 0, self.length > self.width
        for version, octets in HEADER_OCTETS.items():
            cut |= (self.version == version) & (self.length < octets)
        unknown = (self.version == 0) | (self.length < 2)
        self._refuse(empty, Reason.EMPTY)
        self._refuse(cut & ~empty & ~unknown, Reason.TRUNCATED)
        self._refuse(unknown & ~empty, Reason.UNKNOWN_VERSION)

    def _heads(self, version: int) -> tuple[I64, headers.Heads] | None:
        rows = np.flatnonzero(self.version == version)
        if not len(rows):
            return None
        heads = headers.read(version, self.octets if len(rows) == len(self.version) else self.octets[rows], self.received_us)
        header, length = HEADER_OCTETS[version], self.length[rows]
        bad = np.zeros(len(rows), np.bool_)
        if version == VERSION_5:
            bad = header + heads.length * netflow5.RECORD_OCTETS > length
        elif version == IPFIX:
            bad = (heads.length > length) | (heads.length < header)
        if bad.any():
            self.counts.charge(Reason.BAD_LENGTH, self.exporter[rows[bad]])
            good = ~bad
            rows, heads = rows[good], heads.take(good)
        self.counts.charge(Reason.CLOCK, self.exporter[rows[heads.clock_fault]])
        self.sequence[rows], self.export_us[rows], self.uptime_ms[rows] = heads.sequence, heads.export_us, heads.uptime_ms
        self._assign(rows, version, heads.domain)
        if self.received_us > 0 and len(rows):
            self._judge_clocks(rows, heads)
        return rows, heads

    def _judge_clocks(self, rows: I64, heads: headers.Heads) -> None:
        """Learn how far the exporters' clocks are off, and what that makes of these datagrams' times."""
        self.store.clocks.add(self.slot[rows], heads.ahead_us, self.received_us)
        ahead_us = np.where(heads.clock_fault, 0, heads.ahead_us)
        shift_us = self.store.clocks.shift_us(self.slot[rows], ahead_us, company=self.company or len(self.store) > 1)
        if shift_us is None:
            return
        if self.shift_us is None:
            self.shift_us = np.zeros(len(self.length), np.int64)
        self.shift_us[rows] = np.where(heads.clock_fault, 0, shift_us)  # those have been given the time of their arrival already

    def _assign(self, rows: I64, version: int, domain: np.ndarray[tuple[int], np.dtype[np.uint64]]) -> None:
        """Find the domain of each datagram, and what it has told so far."""
        keys, inverse = np.unique(self.exporter[rows].astype(np.uint64) << np.uint64(32) | domain, return_inverse=True)
        domains = [self.store.domain((key >> 32, version, key & 0xFFFF_FFFF)) for key in keys.tolist()]
        self.slot[rows] = np.array([d.slot for d in domains], np.int64)[inverse]
        self.rate[rows] = np.array([d.rates.default for d in domains], np.uint32)[inverse]
        boot = np.array([d.boot_ms for d in domains], np.int64)[inverse]
        if version == IPFIX and (boot >= 0).any():
            self.uptime_ms[rows] = np.where(boot >= 0, self.export_us[rows] // 1_000 - boot, -1)

    def _netflow5(self) -> None:
        found = self._heads(VERSION_5)
        if found is None:
            return
        rows, heads = found
        layout = netflow5.TEMPLATE.layout
        if layout is not None:
            self.found.spans[layout].append((rows, np.full(len(rows), HEADER_OCTETS[VERSION_5]), heads.length))
        self.records[rows] = self.steps[rows] = heads.length
        # The header has room for the interval in every datagram, so an exporter that samples says so: 0 is one that does not (`unsaid` knows better).
        self.rate[rows] = np.where(heads.sampling > 0, heads.sampling, self.unsaid)
        for slot, rate in dict(zip(self.slot[rows].tolist(), heads.sampling.tolist(), strict=True)).items():
            self.store.by_slot[slot].rates.default = rate
        trailing = self.length[rows] > HEADER_OCTETS[VERSION_5] + heads.length * netflow5.RECORD_OCTETS
        self.counts.charge(Reason.TRAILING_BYTES, self.exporter[rows[trailing]])

    def _set_based(self) -> None:
        """NetFlow v9 and IPFIX: the quick ones all at once, after the others were walked in their order."""
        rows = [found[0] for found in (self._heads(VERSION_9), self._heads(IPFIX)) if found is not None]
        if not rows:
            return
        row = np.sort(np.concatenate(rows))
        quick, slow = self._sort_out(row)
        self._walk(slow, quick)
        self._take_quick(quick)

    def _sort_out(self, row: I64) -> tuple[Quick, list[int]]:
        flat, base = self.octets.reshape(-1), row * self.octets.shape[1]
        length, is9 = self.length[row], self.version[row] == VERSION_9
        head = np.where(is9, HEADER_OCTETS[VERSION_9], HEADER_OCTETS[IPFIX])
        at = np.minimum(base + head, len(flat) - 4)
        number, octets = (flat[at + i].astype(np.int64) << 8 | flat[at + i + 1] for i in (0, 2))
        declared = flat[base + 2].astype(np.int64) << 8 | flat[base + 3]
        left = length - head - octets
        alone = (length >= head + 4) & (number >= 256) & (octets >= 4) & (left >= 0) & (left < 4) & (is9 | (declared == length))
        key = self.slot[row] << 16 | number
        keys, inverse = np.unique(key[alone], return_inverse=True)
        templates: list[Template] = []
        place: list[int] = []
        for slot, wanted in ((k >> 16, k & 0xFFFF) for k in keys.tolist()):
            known = self.store.by_slot[slot].templates
            template = known.get(wanted)
            if template is None or template.options or template.variable:
                place.append(-1)
                continue
            known.move_to_end(wanted)
            place.append(len(templates))
            templates.append(template)
        template_of = np.full(len(row), -1)
        template_of[alone] = np.array(place, np.int64)[inverse]
        q = np.flatnonzero(template_of >= 0)
        quick = Quick(row[q], head[q] + 4, octets[q] - 4, key[q], template_of[q], np.zeros(len(q), np.int64), np.ones(len(q), np.bool_), templates)
        return quick, self._told_again(row[template_of < 0], quick)

    def _told_again(self, slow: I64, quick: Quick) -> list[int]:
        """Add to the quick ones what repeats what is known, where a domain tells nothing else in this ring; give the others."""
        order = np.argsort(self.slot[slow], kind="stable")
        mine, others, parts = slow[order], list[int](), list[Quick]()
        for rows in np.split(mine, np.flatnonzero(np.diff(self.slot[mine])) + 1) if len(mine) else []:
            domain = self.store.by_slot[int(self.slot[rows[0]])]
            again = told_again(domain, self.octets[rows], self.length[rows]) if len(rows) >= FEW else None
            if again is None:
                others += rows.tolist()
                continue
            domain.tell_again(self.export_us[rows].tolist())
            self.records[rows] = again.before
            self.steps[rows] = 1 if domain.key[1] == VERSION_9 else again.before
            if again.template is not None and again.octets is not None:
                domain.templates.move_to_end(again.template.number)
                one = np.ones(len(again.octets), np.int64)
                key = one * (domain.slot << 16 | again.template.number)
                parts.append(Quick(rows[again.more], one * again.start, again.octets, key, one * 0, one * again.before, one > 0, [again.template]))
        if parts:
            quick.add(parts)
        return sorted(others)

    def _walk(self, slow: list[int], quick: Quick) -> None:
        """Read datagrams one at a time, in order, so that each is read with what was told before it."""
        while slow:
            row = heapq.heappop(slow)
            domain = self.store.by_slot[int(self.slot[row])]
            exporter, version, number = domain.key
            message = Message(exporter, version, number, int(self.sequence[row]), int(self.export_us[row]), int(self.uptime_ms[row]))
            self.counts.exporter = exporter
            try:
                walk = self.reader.read(domain, message, self.octets[row, : self.length[row]].tobytes())
            except WireError as error:
                self.counts[error.reason] += 1
                self.slot[row] = -1
                continue
            if walk.told:
                self._retell(row, domain)
            for changed in walk.changed:
                for later in quick.withdraw(domain.slot << 16 | changed, row):
                    heapq.heappush(slow, later)
            self._take_walk(row, walk)
        self.counts.exporter = NOBODY

    def _retell(self, row: int, domain: Domain) -> None:
        """Apply what options told to this datagram and to those of its domain after it."""
        after = np.flatnonzero(self.slot[row:] == domain.slot) + row
        self.rate[after] = domain.rates.default
        if domain.key[1] == IPFIX and domain.boot_ms >= 0:
            self.uptime_ms[after] = self.export_us[after] // 1_000 - domain.boot_ms

    def _take_walk(self, row: int, walk: Walk) -> None:
        counted = 0
        for found in walk.sets:
            size = self._take_set(row, found)
            self.records[row] += size
            counted += size * found.own
        if self.version[row] == VERSION_9:
            self.steps[row] = 1
        elif walk.complete:
            self.steps[row] = counted

    def _take_set(self, row: int, found: DataSet) -> int:
        """Note where the records of a set lie and return how many there are."""
        template, layout = found.template, found.template.layout
        if template.variable:
            return self._take_variable(row, found)
        fitting = (found.end - found.start) // template.length
        size = min(fitting, found.limit)
        if fitting > size:
            self.counts[Reason.RECORD_LIMIT] += 1
        if layout is None:
            if not template.options:
                self.counts[Reason.NOT_A_FLOW] += size
        elif found.own:
            self.found.single[layout].append((row, found.start, size))
        else:
            first, span = layout.span
            for start in range(found.start, found.start + size * template.length, template.length):
                self.found.packed[layout].append((found.data[start + first : start + first + span], row, found.message))
        return size

    def _take_variable(self, row: int, found: DataSet) -> int:
        template, layout = found.template, found.template.layout
        size = 0
        pack = None if layout is None else packer(layout)
        rows: list[tuple[bytes, int, Message]] = []
        try:
            for spans in read_records(template, found.data, found.start, found.end, found.limit):
                size += 1
                if pack is not None:
                    rows.append((pack(found.data, spans), row, found.message))
        except WireError as error:
            self.counts[error.reason] += 1
        if layout is not None:
            self.found.packed[layout] += rows
        elif not template.options:
            self.counts[Reason.NOT_A_FLOW] += size
        return size

    def _take_quick(self, quick: Quick) -> None:
        row, template, octets, start, before = (column[quick.alive] for column in (quick.row, quick.template, quick.octets, quick.start, quick.before))
        if not len(row):
            return
        size = np.array([t.length for t in quick.templates], np.int64)
        fitting = octets // size[template]
        count = np.minimum(fitting, MAX_RECORDS)
        self.counts.charge(Reason.RECORD_LIMIT, self.exporter[row[fitting > count]])
        self.records[row] = count + before
        self.steps[row] = np.where(self.version[row] == VERSION_9, 1, count + before)
        numbers: dict[Layout | None, int] = {}
        layout_of = np.array([numbers.setdefault(t.layout, len(numbers)) for t in quick.templates], np.int64)[template]
        for layout, number in numbers.items():
            mine = slice(None) if len(numbers) == 1 else layout_of == number
            if layout is None:
                self.counts.charge(Reason.NOT_A_FLOW, np.repeat(self.exporter[row[mine]], count[mine]))
            else:
                self.found.spans[layout].append((row[mine], start[mine], count[mine]))

    def _sflow(self) -> None:
        rows = np.flatnonzero(self.version == sflow.VERSION)
        if not len(rows):
            return
        heads = samples.read_heads(self.octets if len(rows) == len(self.version) else self.octets[rows], self.length[rows])
        for reason, refused in ((Reason.TRUNCATED, heads.cut), (Reason.BAD_LENGTH, heads.strange)):
            self.counts.charge(reason, self.exporter[rows[refused]])
        good = ~(heads.cut | heads.strange)
        rows = rows[good]
        self._assign(rows, sflow.VERSION, heads.domain[good])
        self.sequence[rows], self.steps[rows] = heads.sequence[good], 1
        self.samples.walk(rows, heads.start[good], heads.samples[good])

    def _gather(self) -> list[FlowBatch]:
        slots = np.unique(self.slot[self.slot >= 0]).tolist()
        rates = RateTable((slot, self.store.by_slot[slot].rates) for slot in slots)
        latest_us = self.received_us + APART_US if self.received_us > 0 else None
        context = Context(
            self.slot, self.exporter, self.rate, self.export_us, self.uptime_ms, rates, self.store.metering, self.shift_us, latest_us,
        )  # fmt: skip
        return self.found.batches(self.octets, context, self.counts)
