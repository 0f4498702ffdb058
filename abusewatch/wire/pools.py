"""How many sFlow samples went missing, by the numbers their agents give them (sFlow v5, 5.3 flow_sample: sequence_number by source_id).

A lost datagram takes its samples with it; an agent that is too busy loses samples and no datagram. So both are counted. As RFC 3550 A.3 does for RTP:
what should have come is the highest number less the first one, what did come is counted, and the difference is lost. Late samples mend it by themselves.
"""

from dataclasses import dataclass

import numpy as np

from abusewatch.model.flow import I64
from abusewatch.wire.sequence import MAX_GAP

LATE = 1_024
"""How many samples back a datagram may bring that was overtaken; further back the agent has begun anew."""
MAX_SOURCES = 16_384
"""Data sources (an agent's ports) of all agents; what comes from others is decoded as well, but not numbered."""


@dataclass(slots=True)
class _Source:
    first: int
    highest: int
    rate: int = 0
    came: int = 0
    lost_before: int = 0

    @property
    def lost(self) -> int:
        return self.lost_before + (max(0, self.highest - self.first + 1 - self.came) if self.came else 0)

    def add(self, low: int, high: int, count: int) -> None:
        """Take `count` samples numbered from `low` to `high`, both counted on from the highest so far where they wrapped."""
        self.first, self.highest = min(self.first, low), max(self.highest, high)
        self.came += count

    def begin_anew(self, number: int) -> None:
        """The agent has. What was lost before stays lost."""
        self.lost_before, self.first, self.highest, self.came = self.lost, number, number, 1


class Pools:
    """Remembers the samples' numbers of all agents' data sources."""

    def __init__(self) -> None:
        self._sources: dict[int, dict[int, _Source]] = {}
        self._count = 0

    def reset(self, slot: int) -> None:
        """Forget the sources of a domain, when another takes its slot."""
        self._count -= len(self._sources.pop(slot, ()))

    def add(self, slot: I64, source: I64, sequence: I64, rate: I64) -> None:
        """Take samples in the order in which they came: the slot of each one's domain, its data source, number and sampling rate; all of shape (n,)."""
        keys, first, inverse, count = np.unique(slot << 32 | source, return_index=True, return_inverse=True, return_counts=True)
        if not len(keys):
            return
        start = sequence[first]
        ahead = (sequence - start[inverse] + (1 << 31) & 0xFFFF_FFFF) - (1 << 31)
        low, high = np.zeros(len(keys), np.int64), np.zeros(len(keys), np.int64)
        np.minimum.at(low, inverse, ahead)
        np.maximum.at(high, inverse, ahead)
        last = np.zeros(len(keys), np.intp)
        last[inverse] = np.arange(len(sequence))
        told = zip(*(column.tolist() for column in (keys, start, low, high, count, sequence[last], rate[last])), strict=True)
        for key, begin, below, above, number, newest, newest_rate in told:
            found = self._source(key, begin)
            if found is None:
                continue
            found.rate = newest_rate
            base = found.highest + (begin - found.highest + (1 << 31) & 0xFFFF_FFFF) - (1 << 31)
            if base + below < found.highest - LATE or base + above > found.highest + MAX_GAP:
                found.begin_anew(newest)
            else:
                found.add(base + below, base + above, number)

    def _source(self, key: int, begin: int) -> _Source | None:
        """Find a data source, or begin it; None when there are too many."""
        sources = self._sources.setdefault(key >> 32, {})
        source = sources.get(key & 0xFFFF_FFFF)
        if source is None and self._count < MAX_SOURCES:
            self._count += 1
            source = sources[key & 0xFFFF_FFFF] = _Source(begin, begin)
        return source

    def lost(self, slot: int) -> int:
        """Samples of a domain that never came."""
        return sum(source.lost for source in self._sources.get(slot, {}).values())

    def rates(self, slot: int) -> tuple[int, ...]:
        """The sampling rates that a domain's sources told last, once each; 0 is one that does not know its own."""
        return tuple(sorted({source.rate for source in self._sources.get(slot, {}).values()}))
