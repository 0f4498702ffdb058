"""Where the records of a ring lie, collected by layout, and the one gather for each layout that makes them flow batches."""

from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np

from abusewatch.model.flow import I64, U8, U32, FlowBatch
from abusewatch.wire import records
from abusewatch.wire.domains import Message
from abusewatch.wire.layout import Layout
from abusewatch.wire.metering import Metering
from abusewatch.wire.refusals import Refusals
from abusewatch.wire.sampling import RateTable

Span = tuple[I64, I64, I64]
"""Columns of datagram, offset in it, and count of records there."""


@dataclass(frozen=True, slots=True)
class Context:
    """What the datagrams of a ring say about their records, each of shape (n,): see `ring.Ring`."""

    slot: I64
    exporter: U32
    rate: U32
    export_us: I64
    uptime_ms: I64
    rates: RateTable
    metering: Metering
    shift_us: I64 | None = None
    latest_us: int | None = None


@dataclass(slots=True)
class Found:
    """Records by layout: in many datagrams, in one, or packed aside with their datagram and message."""

    spans: dict[Layout, list[Span]] = field(default_factory=lambda: defaultdict(list))
    single: dict[Layout, list[tuple[int, int, int]]] = field(default_factory=lambda: defaultdict(list))
    packed: dict[Layout, list[tuple[bytes, int, Message]]] = field(default_factory=lambda: defaultdict(list))

    def drop(self, datagrams: I64) -> None:
        """Forget what lies in some datagrams; called before anything is gathered."""
        gone = set(datagrams.tolist())
        for layout, spans in self.spans.items():
            kept = [~np.isin(row, datagrams) for row, _, _ in spans]
            self.spans[layout] = [(row[mine], start[mine], count[mine]) for (row, start, count), mine in zip(spans, kept, strict=True)]
        for layout, single in self.single.items():
            self.single[layout] = [place for place in single if place[0] not in gone]
        for layout, packed in self.packed.items():
            self.packed[layout] = [row for row in packed if row[1] not in gone]

    def batches(self, ring: U8, context: Context, counts: Refusals) -> list[FlowBatch]:
        """Gather all that was found from the ring, shape (n, slot)."""
        for layout, single in self.single.items():
            if not single:
                continue
            row, start, count = np.array(single, np.int64).T
            self.spans[layout].append((row, start, count))
        made: list[FlowBatch] = []
        for layout, spans in self.spans.items():
            rows = _gather(layout, spans, ring, context)
            if rows is not None:
                made += records.flows(rows, counts)
        for layout, packed in self.packed.items():
            if not packed:
                continue
            made += records.flows(_join(layout, packed, context), counts)
        return [batch for batch in made if len(batch)]


def _gather(layout: Layout, spans: list[Span], ring: U8, context: Context) -> records.Rows | None:
    row, start, count = (np.concatenate(columns) for columns in zip(*spans, strict=True))
    total = int(count.sum())
    if not total:
        return None
    first, _ = layout.span
    begin = row * ring.shape[1] + start + first
    # The offset of each record: that of its set, plus its number in the set times its length.
    at = np.repeat(begin - layout.record_length * (np.cumsum(count) - count), count) + layout.record_length * np.arange(total)
    return records.Rows(
        layout, ring.reshape(-1), at, np.repeat(context.slot[row], count), np.repeat(context.exporter[row], count),
        np.repeat(context.rate[row], count), np.repeat(context.export_us[row], count), np.repeat(context.uptime_ms[row], count), context.rates,
        context.metering, None if context.shift_us is None else np.repeat(context.shift_us[row], count), context.latest_us,
    )  # fmt: skip


def _join(layout: Layout, packed: list[tuple[bytes, int, Message]], context: Context) -> records.Rows:
    octets = np.frombuffer(b"".join(row for row, _, _ in packed), np.uint8)
    begin = np.arange(len(packed)) * layout.span[1]
    at = np.array([row for _, row, _ in packed], np.int64)
    times = np.array([(message.export_us, message.uptime_ms) for _, _, message in packed], np.int64)
    return records.Rows(
        layout, octets, begin, context.slot[at], context.exporter[at], context.rate[at], times[:, 0], times[:, 1], context.rates, context.metering,
        None if context.shift_us is None else context.shift_us[at], context.latest_us,
    )  # fmt: skip
