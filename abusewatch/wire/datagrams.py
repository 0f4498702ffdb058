"""Flow export datagrams of every exporter and version, decoded by the ring into flow batches or one by one for people.

Both ways read the same templates; the second is the reference that tests hold the first against.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from abusewatch.model.flow import I64, U8, U32, FlowBatch
from abusewatch.wire import headers, reference, remembered, sflow
from abusewatch.wire.domains import Domain, DomainStore
from abusewatch.wire.errors import Reason
from abusewatch.wire.gaps import Gaps
from abusewatch.wire.pools import Pools
from abusewatch.wire.reference import Record
from abusewatch.wire.repeats import Repeats
from abusewatch.wire.ring import Ring
from abusewatch.wire.sequence import RECORDS_NUMBERED, Account, Ledger, Totals

MAX_CHARGED = 4_096
"""Exporters whose refusals are kept apart, as many as a UDP source tells apart; those of further ones are in the totals only."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """What became of one ring of datagrams.

    `datagrams` were decoded, the others are in `counts` under one of `errors.REJECTIONS`; `records` counts the data records and samples in them,
    options included: rows in `batches` may be fewer (options are no flows) or more (a biflow is two).
    """

    batches: tuple[FlowBatch, ...]
    counts: Mapping[Reason, int]
    datagrams: int
    records: int


class FlowDecoder:
    """Decodes the datagrams of all exporters of a process and remembers what they told: templates, sampling rates, sequence numbers.

    Not for use by two threads at once. What it holds is bounded (`domains`), whatever is sent.
    """

    def __init__(self, sampling: int = 0) -> None:
        """`sampling` is the rate that NetFlow v5 exporters have which tell none; 0: those do not sample, as is the custom."""
        self._unsaid = sampling or 1
        self._store = DomainStore()
        self._ledger = Ledger()
        self._repeats = Repeats()
        self._pools = Pools()
        self.gaps = Gaps()
        self.company = False
        """Whether other exporters are heard elsewhere, whose clocks count as well."""
        self._refused: dict[int, Counter[Reason]] = {}

    @property
    def accounts(self) -> tuple[Account, ...]:
        """Counters of each domain that is remembered."""
        return tuple(self._account(domain) for domain in self._store.live())

    @property
    def totals(self) -> Totals:
        """What was lost, came twice and began anew by all sequence numbers, since the start."""
        return self._ledger.totals

    @property
    def exporters(self) -> int:
        """How many exporters are remembered."""
        return len(self._store)

    @property
    def worst_skew_us(self) -> int:
        """How far the clock of an exporter that is off furthest is ahead of ours (negative: behind)."""
        return self._store.clocks.worst_us

    @property
    def charged(self) -> tuple[int, ...]:
        """The exporters of whose something was refused, also when they have sent nothing that could be read."""
        return tuple(self._refused)

    def refused(self, exporter: int) -> Mapping[Reason, int]:
        """What of an exporter's was refused, passed over or mended since it was first heard, by reason."""
        return self._refused.get(exporter, {})

    def _account(self, domain: Domain) -> Account:
        pools, rates = self._pools.rates(domain.slot), domain.rates
        return replace(
            self._ledger.account(domain),
            templates=len(domain.templates), sets_waiting=len(domain.pending), samples_lost=self._pools.lost(domain.slot),
            sampling_rates=pools or rates.all, sampling_told_by=_told_by(domain), skew_us=self._store.clocks.skew_us(domain.slot),
        )  # fmt: skip

    def decode(self, ring: U8, lengths: U32 | I64, exporter: U32, received_us: int = 0) -> Decoded:
        """Decode the datagrams of a ring, shape (n, slot), of `lengths` octets each, from exporters by index; never raises on what they hold.

        `received_us` is when they came (microseconds since 1970; 0: unknown), against which exporters' clocks are judged and which is the time of
        sFlow samples. A length above the slot means that the datagram was cut.
        """
        self._settle()
        work = Ring(ring, lengths, exporter, received_us, self._store, self._unsaid)
        work.company = self.company
        work.walk()
        rows = np.flatnonzero(work.slot >= 0)
        suspects, lost = self._ledger.add(work.slot[rows], work.sequence[rows], work.steps[rows], work.records[rows], received_us)
        self._note_gaps(work, rows, lost)
        repeated = self._repeats.among(work.octets, rows, work.length[rows], work.slot[rows], suspects)
        if len(repeated):
            work.drop(rows[repeated])
        batches = work.flows()
        self._charge(work)
        counts = {reason: count for reason, count in work.counts.items() if count}
        return Decoded(tuple(batches), counts, len(rows), int(work.records[rows].sum()))

    def records(self, datagram: bytes, exporter: int = 0, received_us: int = 0) -> Iterator[Record]:
        """Decode one datagram into a flat dictionary for each of its data records and samples, options included, under the names of the IPFIX registry.

        WireError when the datagram is refused whole. A part of it that makes no sense ends its set and is passed over.
        """
        self._settle()
        return iter(reference.records(self._store, datagram, exporter, received_us))

    def forget(self, exporter: int) -> None:
        """Forget what an exporter has told, because its session is over (RFC 7011 8.1) and its number will be another's."""
        self._store.forget(exporter)
        self._refused.pop(exporter, None)

    def save(self, name: Callable[[int], str], at_us: int) -> bytes:
        """Pack what was told (templates, sampling rates) to be kept over a restart; `name` gives an exporter's address by its number."""
        return remembered.save(self._store, name, at_us)

    def load(self, content: bytes, number: Callable[[str], int | None], at_us: int) -> int:
        """Take in what `save` packed, before anything is decoded, and count the templates; WireError, and nothing changed, when it cannot be used.

        `number` gives the number of an exporter by its address, None for one that is not wanted. What is older than an hour is refused.
        """
        return remembered.load(self._store, content, number, at_us)

    def _settle(self) -> None:
        for slot in self._store.settle():
            for part in (self._ledger, self._pools, self._store.clocks):
                part.reset(slot)

    def _note_gaps(self, work: Ring, rows: I64, lost: I64) -> None:
        missing = lost.astype(np.float64)
        if lost.any():
            missing = self._ledger.records_for(work.slot[rows], lost, np.isin(work.version[rows], tuple(RECORDS_NUMBERED)))
        export_us = work.export_us[rows] if work.shift_us is None else work.export_us[rows] - work.shift_us[rows]
        self.gaps.add(work.exporter[rows], export_us, work.records[rows], missing)

    def _charge(self, work: Ring) -> None:
        if work.samples.sampled.numbers:
            row, source, sequence, rate = np.concatenate(work.samples.sampled.numbers, axis=1)
            self._pools.add(work.slot[row], source, sequence, rate)
        for (exporter, reason), count in work.counts.whose.items():
            if exporter in self._refused or len(self._refused) < MAX_CHARGED:
                self._refused.setdefault(exporter, Counter())[reason] += count


def _told_by(domain: Domain) -> str:
    """Say in words where the sampling rate of a domain's records comes from; empty when nobody told."""
    version = domain.key[1]
    if version == sflow.VERSION:
        return "each sample"
    if version == headers.VERSION_5:
        return "the header"
    if any(template.layout and any(name in {"rate", "rate_taken"} for name, _, _ in template.layout.columns) for template in domain.templates.values()):
        return "each record"
    return domain.rates.told_by


def split(payload: bytes) -> list[bytes]:
    """Part a file of raw export payload into datagrams.

    Only IPFIX messages say how long they are (RFC 5655 files are such messages, one after the other); a file of any other version is one datagram.
    """
    parts: list[bytes] = []
    position = 0
    while position + headers.HEADER_OCTETS[headers.IPFIX] <= len(payload) and payload[position : position + 2] == b"\0\x0a":
        length = int.from_bytes(payload[position + 2 : position + 4], "big")
        if length < headers.HEADER_OCTETS[headers.IPFIX] or position + length > len(payload):
            break
        parts.append(payload[position : position + length])
        position += length
    return parts if parts and position == len(payload) else [payload]


def is_export(payload: bytes) -> bool:
    """Whether octets begin like an export datagram of a version that is read here; no promise that the rest holds."""
    if len(payload) < 16:
        return False
    version = int.from_bytes(payload[:2], "big")
    if version:
        return version in headers.HEADER_OCTETS
    return payload[2:4] == b"\0\x05" and payload[4:8] in {b"\0\0\0\1", b"\0\0\0\2"} and len(payload) >= sflow.LEAST_OCTETS
