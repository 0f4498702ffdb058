"""Packets to flow records: the cache that a router keeps (RFC 5470 5.3), with its idle and active timeouts.

One dictionary and one packet at a time: exact and easy to check, some microseconds a packet. Exporting is not the
daemon's way.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from abusewatch.model.flow import FlowBatch, batch_of, concat

IDLE_US = 15_000_000
ACTIVE_US = 60_000_000
SWEEP_US = 1_000_000
"""How much event time passes between two looks for flows that have ended."""
CACHE_LIMIT = 1 << 18
"""Flows kept at once; beyond it everything is exported early, as routers do."""

KEY = ("src_hi", "src_lo", "dst_hi", "dst_lo", "src_port", "dst_port", "protocol", "input_if", "output_if", "sampling_rate")
COUNTED = ("start_us", "end_us", "flags", "packets", "bytes")


class _Flow:
    __slots__ = ("bytes", "end", "flags", "packets", "start")

    def __init__(self, start: int) -> None:
        self.start = start
        self.end = start
        self.flags = self.packets = self.bytes = 0


class Meter:
    """A flow cache. What `add` returns has ended; `close` returns the rest."""

    def __init__(self, idle_us: int = IDLE_US, active_us: int = ACTIVE_US) -> None:
        """Start empty."""
        self._idle = idle_us
        self._active = active_us
        self._flows: dict[tuple[int, ...], _Flow] = {}
        self._swept = 0
        self._ended: list[tuple[tuple[int, ...], _Flow]] = []

    def add(self, batch: FlowBatch) -> FlowBatch:
        """Count the packets, in the order given, and return the records of flows that have ended meanwhile."""
        columns = [getattr(batch, name).tolist() for name in (*COUNTED, *KEY)]
        for start, end, flags, packets, size, *key in zip(*columns, strict=True):
            if start - self._swept >= SWEEP_US or len(self._flows) >= CACHE_LIMIT:
                self._sweep(start)
            flow = self._open(tuple(key), start)
            flow.end = max(flow.end, end)
            flow.start = min(flow.start, start)
            flow.flags |= flags
            flow.packets += packets
            flow.bytes += size
        return self._export()

    def close(self) -> FlowBatch:
        """End every flow."""
        self._end(list(self._flows))
        return self._export()

    def _open(self, key: tuple[int, ...], now: int) -> _Flow:
        flow = self._flows.get(key)
        if flow is not None and self._over(flow, now):
            self._end([key])
            flow = None
        if flow is None:
            flow = self._flows[key] = _Flow(now)
        return flow

    def _over(self, flow: _Flow, now: int) -> bool:
        return now - flow.end >= self._idle or now - flow.start >= self._active

    def _sweep(self, now: int) -> None:
        full = len(self._flows) >= CACHE_LIMIT
        self._end([key for key, flow in self._flows.items() if full or self._over(flow, now)])
        self._swept = now

    def _end(self, keys: Iterable[tuple[int, ...]]) -> None:
        self._ended += [(key, self._flows.pop(key)) for key in keys]

    def _export(self) -> FlowBatch:
        ended, self._ended = sorted(self._ended, key=lambda item: item[1].end), []
        if not ended:
            return concat([])
        keys = np.array([key for key, _ in ended], np.uint64)
        columns: dict[str, NDArray[np.generic]] = {name: keys[:, place] for place, name in enumerate(KEY)}
        counted = np.array([(f.start, f.end, f.flags, f.packets, f.bytes) for _, f in ended], np.int64)
        columns |= {name: counted[:, place] for place, name in enumerate(COUNTED)}
        return batch_of(len(ended), family=0, **columns)
