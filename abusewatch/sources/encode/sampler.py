"""Sampling of packets as a router does it, and its counterpart: packets made of a flow record."""

from collections.abc import Iterator

import numpy as np

from abusewatch.model.flow import FlowBatch

CHUNK = 1 << 17
"""Packets made at a time, so that a record of a billion packets does not fill the memory."""


class Sampler:
    """Takes every packet with probability 1/n, the same ones for the same seed and input."""

    def __init__(self, n: int, seed: int) -> None:
        """Take n of at least 1."""
        self._n = n
        self._random = np.random.default_rng(seed)

    def sample(self, batch: FlowBatch) -> FlowBatch:
        """Leave of each row the packets that were hit, with their share of its bytes; rows without a hit vanish.

        An unknown rate stays unknown.
        """
        if self._n == 1:
            return batch
        hits = self._random.binomial(batch.packets.astype(np.int64), 1 / self._n).astype(np.uint64)
        kept = hits > 0
        rows, hits = batch.take(kept), hits[kept]
        share = rows.bytes // rows.packets * hits + rows.bytes % rows.packets * hits // rows.packets
        rate = np.minimum(rows.sampling_rate.astype(np.uint64) * np.uint64(self._n), np.uint64(0xFFFF_FFFF))
        return rows.with_columns(packets=hits, bytes=share, sampling_rate=rate.astype(np.uint32))


def spread(batch: FlowBatch) -> Iterator[FlowBatch]:
    """Make of each row its packets: evenly over its time, its bytes shared out evenly; in the order of time within a chunk."""
    if (batch.packets == 1).all():
        yield batch
        return
    packets = batch.packets.astype(np.int64)
    first = np.cumsum(packets) - packets
    for start in range(0, int(packets.sum()), CHUNK):
        stop = min(start + CHUNK, int(packets.sum()))
        place = np.arange(start, stop)
        row = np.searchsorted(first, place, side="right") - 1
        yield _packets(batch.take(row), place - first[row], packets[row])


def _packets(rows: FlowBatch, number: np.ndarray[tuple[int], np.dtype[np.int64]], of: np.ndarray[tuple[int], np.dtype[np.int64]]) -> FlowBatch:
    when = rows.start_us + ((rows.end_us - rows.start_us) * (number / np.maximum(of - 1, 1))).astype(np.int64)
    total = rows.bytes.astype(np.int64)
    size = total // of + (number < total % of)
    made = rows.with_columns(
        start_us=when, end_us=when, packets=np.ones(len(rows), np.uint64), bytes=size.astype(np.uint64)
    )
    return made.take(np.argsort(when, kind="stable"))
