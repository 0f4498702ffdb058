"""NetFlow v5: 24 bytes of header, then up to 30 records of 48 bytes, IPv4 only (Cisco NetFlow Export Datagram Format, tables B-3 and B-4)."""

import struct
from collections import Counter
from collections.abc import Iterator

import numpy as np

from abusewatch.model.flow import FlowBatch
from abusewatch.sources.encode.datagram import Datagram, is_v4
from abusewatch.sources.encode.uptime import by_boot, clock

HEADER = struct.Struct(">HHIIIIBBH")
PER_DATAGRAM = 30
MAX_RATE = 0x3FFF
"""The rate has 14 bits; the two above them name the sampling mode."""
MAX_COUNT = 0xFFFF_FFFF

RECORD = np.dtype([
    ("src", ">u4"), ("dst", ">u4"), ("next_hop", ">u4"), ("input_if", ">u2"), ("output_if", ">u2"), ("packets", ">u4"), ("bytes", ">u4"),
    ("first", ">u4"), ("last", ">u4"), ("src_port", ">u2"), ("dst_port", ">u2"), ("pad1", "u1"), ("flags", "u1"), ("protocol", "u1"),
    ("tos", "u1"), ("src_as", ">u2"), ("dst_as", ">u2"), ("src_mask", "u1"), ("dst_mask", "u1"), ("pad2", ">u2"),
])  # fmt: skip
SAME = ("src_port", "dst_port", "flags", "protocol", "packets", "bytes")


class Netflow5:
    """An exporter of version 5."""

    def __init__(self, rate: int, domain: int, skipped: Counter[str]) -> None:
        """Announce `rate` (0: unknown, nothing is announced); `domain` becomes the engine id."""
        if rate > MAX_RATE:
            raise ValueError(f"NetFlow v5 can announce 1:{MAX_RATE} at most, not 1:{rate}")
        self._sampling = 0x4000 | rate if rate else 0  # mode 1: packet interval
        self._engine = domain & 0xFF
        self._skipped = skipped
        self._sequence = 0

    def encode(self, batch: FlowBatch) -> Iterator[Datagram]:
        """Make datagrams of the IPv4 rows."""
        v4 = is_v4(batch)
        if not v4.all():
            self._skipped["IPv6, which NetFlow v5 cannot carry"] += int(np.count_nonzero(~v4))
        for boot_ms, rows in by_boot(split_counters(batch.take(v4)), self._skipped):
            payload = _records(rows, boot_ms).tobytes()
            for start in range(0, len(rows), PER_DATAGRAM):
                stop = min(start + PER_DATAGRAM, len(rows))
                newest_us = int(rows.end_us[start:stop].max())
                records = payload[start * RECORD.itemsize : stop * RECORD.itemsize]
                yield Datagram(self._header(newest_us, boot_ms, stop - start) + records, newest_us, stop - start)

    def _header(self, newest_us: int, boot_ms: int, count: int) -> bytes:
        now = clock(newest_us, boot_ms)
        sequence = self._sequence
        self._sequence = (sequence + count) & 0xFFFF_FFFF
        return HEADER.pack(5, count, now.uptime_ms, now.unix_secs, 0, sequence, 0, self._engine, self._sampling)


def split_counters(batch: FlowBatch) -> FlowBatch:
    """Say a record whose packets or bytes need more than 32 bits in several, so that the totals stay right."""
    most = np.maximum(batch.bytes, batch.packets)
    parts = (most // np.uint64(MAX_COUNT + 1) + np.uint64(1)).astype(np.int64)
    if (parts == 1).all():
        return batch
    rows = np.repeat(np.arange(len(batch)), parts)
    number = np.arange(len(rows)) - np.repeat(np.cumsum(parts) - parts, parts)
    shares = parts[rows].astype(np.uint64)
    split = batch.take(rows)
    part = number.astype(np.uint64)
    return split.with_columns(
        packets=split.packets // shares + (part < split.packets % shares),
        bytes=split.bytes // shares + (part < split.bytes % shares),
    )


def _records(rows: FlowBatch, boot_ms: int) -> np.ndarray[tuple[int], np.dtype[np.void]]:
    records = np.zeros(len(rows), RECORD)
    for name in SAME:
        records[name] = getattr(rows, name)
    records["src"] = rows.src_lo & np.uint64(0xFFFF_FFFF)
    records["dst"] = rows.dst_lo & np.uint64(0xFFFF_FFFF)
    for name in ("input_if", "output_if"):  # an index beyond 16 bits is unknown, not another interface
        index = getattr(rows, name)
        records[name] = np.where(index <= 0xFFFF, index, 0)
    records["first"] = rows.start_us // 1000 - boot_ms
    records["last"] = rows.end_us // 1000 - boot_ms
    return records
