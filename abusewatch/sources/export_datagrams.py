"""Flow-export datagrams in files: inside captures of export traffic, or as bare payloads one behind the other.

A capture counts as one of exports when at least half of its first packets carry export datagrams. Then only those count,
and their packets are not flows themselves. The rule asks for half so that one forged datagram cannot hide the packets around it.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Protocol

import numpy as np

from abusewatch.model import address
from abusewatch.model.flow import I64, U8, U32, FlowBatch
from abusewatch.sources.capture_file import headers_of
from abusewatch.wire import packet, payload
from abusewatch.wire.frames import Frames
from abusewatch.wire.transport import ICMP, ICMPV6, UDP

SECOND_US = 1_000_000


class Decoded(Protocol):
    """What a flow decoder makes of datagrams."""

    @property
    def batches(self) -> Sequence[FlowBatch]:
        """Flow records."""

    @property
    def counts(self) -> Mapping[Any, int]:
        """What was dropped, by reason."""


class Decoder(Protocol):
    """The flow decoder as this package needs it (`wire.datagrams.FlowDecoder`)."""

    def decode(self, ring: U8, lengths: U32, exporter: U32, received_us: int) -> Decoded:
        """Decode datagrams (n, slot) of the lengths given, from exporters by index, all received at one time."""

    def records(self, datagram: bytes, exporter: int) -> Iterable[dict[str, Any]]:
        """Decode one datagram to its records, by element name."""


class ExporterNumbers:
    """Numbers for the exporters of a capture, from 1 in the order seen; 0 is for datagrams that came without an address."""

    def __init__(self) -> None:
        """Start with none."""
        self._numbers: dict[address.Address, int] = {}

    def number(self, exporter: address.Address) -> int:
        """Give the number of an exporter, a new one when it is new."""
        return self._numbers.setdefault(exporter, len(self._numbers) + 1)

    def names(self) -> dict[int, str]:
        """Name the exporters by number."""
        return {number: address.text(*exporter) for exporter, number in self._numbers.items()}


class Datagrams:
    """Export datagrams of one batch of frames, in file order: columns (n,) and a way to their bytes."""

    def __init__(self, frames: Frames, rows: I64, start: I64, length: I64, exporter: U32) -> None:
        """Take the payloads that `payload.exports` chose."""
        self.frames, self.rows, self.start, self.length, self.exporter = frames, rows, start, length, exporter

    def __len__(self) -> int:
        """Count the datagrams."""
        return len(self.rows)

    def each(self) -> Iterator[tuple[bytes, int]]:
        """Give the bytes and the exporter of each."""
        for start, length, exporter in zip(self.start.tolist(), self.length.tolist(), self.exporter.tolist(), strict=True):
            yield self.frames.buffer[start : start + length].tobytes(), exporter

    def decode(self, decoder: Decoder) -> Iterator[Decoded]:
        """Decode them, a second of capture time at once, because sFlow samples have no time but their arrival."""
        time_us = self.frames.time_us[self.rows]
        second = time_us // SECOND_US
        edges = [0, *(np.flatnonzero(np.diff(second)) + 1).tolist(), len(self)]
        content = [datagram for datagram, _ in self.each()]
        for first, last in pairwise(edges):
            if first < last:
                yield decode(decoder, content[first:last], self.exporter[first:last], int(time_us[last - 1]))


def decode(decoder: Decoder, content: Sequence[bytes], exporter: U32, received_us: int) -> Decoded:
    """Lay datagrams out as the ring the decoder reads."""
    lengths = np.array([len(datagram) for datagram in content], np.uint32)
    ring = np.zeros((len(content), max(64, int(lengths.max()))), np.uint8)
    for row, datagram in enumerate(content):
        ring[row, : len(datagram)] = np.frombuffer(datagram, np.uint8)
    return decoder.decode(ring, lengths, exporter, received_us)


def exports_of(frames: Frames, exporters: ExporterNumbers, counts: Counter[str]) -> Datagrams:
    """Choose the packets that carry export datagrams; the others are counted as `not_an_export`."""
    chosen: list[tuple[I64, I64, I64, U32]] = []
    for rows, headers in headers_of(frames, counts):
        udp = np.flatnonzero(headers.is_ip & (headers.protocol == UDP) & (headers.reason == packet.OK) & (headers.dst_port > 0))
        if not len(udp):
            continue
        linktype = int(frames.linktype[rows[0]])
        found, start, length = payload.datagrams(frames, rows[udp], linktype)
        picked = payload.exports(frames.buffer, start, length)
        where = np.searchsorted(rows, found[picked])
        senders = zip(headers.src_hi[where].tolist(), headers.src_lo[where].tolist(), strict=True)
        exporter = np.array([exporters.number(sender) for sender in senders], np.uint32)
        chosen.append((found[picked], start[picked], length[picked], exporter))
    columns = [np.concatenate(column) for column in zip(*chosen, strict=True)] or [np.zeros(0, np.int64)] * 4
    order = np.argsort(columns[0], kind="stable")
    found = columns[0][order]
    if len(found) < len(frames):
        counts["not_an_export"] += len(frames) - len(found)
    return Datagrams(frames, found, columns[1][order], columns[2][order], columns[3][order].astype(np.uint32))


def is_of_exports(frames: Frames) -> bool:
    """Whether these packets, the first of a capture, are mostly flow exports; ICMP, which answers an export to a closed port, is not asked."""
    counts: Counter[str] = Counter()
    others = sum(
        int(np.count_nonzero(headers.is_ip & (headers.protocol != ICMP) & (headers.protocol != ICMPV6)))
        for _, headers in headers_of(frames, counts)
    )
    return 0 < others <= 2 * len(exports_of(frames, ExporterNumbers(), counts))
