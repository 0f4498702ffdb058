"""Which part of what each exporter sent has reached us, minute by minute of its own time: what a finding says of its completeness.

A gap in the sequence numbers is held against the minute of the datagram that shows it. That is an approximation: a gap ends somewhere before that
datagram, and what was in it may have been about flows of some minutes earlier. Nearer nobody can come, as what was lost cannot be asked.
"""

import math
from array import array
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from abusewatch.model.flow import I64, U32

MINUTE_US = 60_000_000
MINUTES = 360
"""Six hours are remembered; of what lasts longer the last six hours count."""
MAX_EXPORTERS = 4_096
"""3 KB each; the one heard of longest ago goes."""
AFTER = 1
"""A flow is exported up to about a minute after its end (active timeouts of a minute are customary), so the minute after counts as well."""



def _zeros() -> "array[float]":
    return array("f", bytes(4 * MINUTES))


@dataclass(slots=True)
class _Minutes:
    """Records that came and that are missing in each of the last minutes, in a circle. Not numpy's: one number at a time is what it is slow at."""

    newest: int
    came: "array[float]" = field(default_factory=_zeros)
    missing: "array[float]" = field(default_factory=_zeros)

    def add(self, minute: int, came: float, missing: float) -> None:
        if minute > self.newest:
            for gone in range(max(self.newest + 1, minute - MINUTES + 1), minute + 1):
                self.came[gone % MINUTES] = self.missing[gone % MINUTES] = 0.0
            self.newest = minute
        if minute > self.newest - MINUTES:
            place = minute % MINUTES
            self.came[place] += came
            if missing:
                self.missing[place] += missing

    def between(self, first: int, last: int) -> tuple[float, float]:
        minutes = [minute % MINUTES for minute in range(max(first, self.newest - MINUTES + 1), min(last, self.newest) + 1)]
        # A datagram that was late pays back what was counted as lost, maybe in the minute after.
        return sum(self.came[place] for place in minutes), max(sum(self.missing[place] for place in minutes), 0.0)


class Gaps:
    """Remembers them for all exporters."""

    def __init__(self) -> None:
        self._minutes: OrderedDict[int, _Minutes] = OrderedDict()

    def add(self, exporter: U32, export_us: I64, came: I64, missing: NDArray[np.float64]) -> None:
        """Take datagrams, each of shape (n,): their exporter, when it sent them, the records in them, and the records that are missing before them."""
        if not len(exporter):
            return
        minute = export_us // MINUTE_US
        keys, inverse = np.unique(exporter.astype(np.int64) << 31 | minute & (1 << 31) - 1, return_inverse=True)
        sums = (np.bincount(inverse, weights).tolist() for weights in (came, missing))
        for key, arrived, lost in zip(keys.tolist(), *sums, strict=True):
            self._of(key >> 31, key & (1 << 31) - 1).add(key & (1 << 31) - 1, arrived, lost)

    def _of(self, exporter: int, minute: int) -> _Minutes:
        found = self._minutes.get(exporter)
        if found is None:
            found = self._minutes[exporter] = _Minutes(minute)
            if len(self._minutes) > MAX_EXPORTERS:
                self._minutes.popitem(last=False)
        self._minutes.move_to_end(exporter)
        return found

    def between(self, exporters: Iterable[int], first_us: int, last_us: int) -> tuple[float, float]:
        """Count the records of some exporters that came, and those that are missing, from one time to another."""
        span = first_us // MINUTE_US, last_us // MINUTE_US + AFTER
        found = [self._minutes[exporter].between(*span) for exporter in exporters if exporter in self._minutes]
        return sum(came for came, _ in found), sum(missing for _, missing in found)

    def share(self, exporters: Iterable[int], first_us: int, last_us: int) -> float:
        """The part that came, 0 to 1."""
        return share(*self.between(exporters, first_us, last_us))


def share(came: float, missing: float) -> float:
    """Divide; rounded down, so that nobody reads 1.0 where something is known to be missing."""
    return math.floor(came / (came + missing) * 10_000) / 10_000 if missing > 0 else 1.0
