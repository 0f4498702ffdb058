"""What all formats share: the size of a datagram, how many records fit, and how IPv4 rows are told from IPv6 rows."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from abusewatch.model.flow import Bool, FlowBatch

LIMIT_BYTES = 1464
"""Payload of the longest NetFlow v5 datagram (24 + 30 * 48), which fits an Ethernet frame; the other formats keep to it too."""


class Datagram(NamedTuple):
    """The payload of one export datagram, the event time of its newest record, and how many flow records (or samples) it holds."""

    payload: bytes
    time_us: int
    records: int


def is_v4(batch: FlowBatch) -> Bool:
    """Say for each row whether both its addresses are IPv4-mapped."""
    mapped = np.uint64(0xFFFF)
    shift = np.uint64(32)
    src: Bool = (batch.src_hi == 0) & (batch.src_lo >> shift == mapped)
    dst: Bool = (batch.dst_hi == 0) & (batch.dst_lo >> shift == mapped)
    return src & dst


def fill(sizes: NDArray[np.int64], room: int, reach: NDArray[np.int64] | None = None) -> Iterator[slice]:
    """Cut rows of these sizes into runs that fit `room` bytes each, as long as they can be; one that begins with row i ends before `reach[i]`."""
    ends = np.cumsum(sizes)
    start = 0
    while start < len(ends):
        before = int(ends[start - 1]) if start else 0
        stop = max(int(np.searchsorted(ends, before + room, side="right")), start + 1)
        if reach is not None:
            stop = min(stop, int(reach[start]))
        yield slice(start, stop)
        start = stop
