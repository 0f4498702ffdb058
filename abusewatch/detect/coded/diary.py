"""How many rows each group had, ten minutes by ten minutes, for a day and two hours: what a seasonal baseline needs, and nothing else.

A window of a day would keep every row, with the addresses of the others, for a day, and a block of them every few seconds. Here a group is its hash and
`BINS` counts (`detect.ledger`).
"""

import numpy as np
from numpy.typing import NDArray

from abusewatch.detect.ledger import Ledger
from abusewatch.model.rows import Array
from abusewatch.windows.order import U64, order_of, starts_of

BIN_US = 600_000_000
BINS = 156
MOST_GROUPS = 1 << 14
"""Ten megabytes at most. Of groups beyond nothing is known, and `note` says how many rows that cost."""

Counts = NDArray[np.uint32]


class Diary:
    """Counts by group and bin of ten minutes."""

    def __init__(self) -> None:
        """Begin with nobody."""
        self._ledger = Ledger(BINS, MOST_GROUPS, np.uint32)

    def note(self, group: U64, start_us: Array, weight: Array) -> int:
        """Count rows, (n,) each; say how many were not, for want of room."""
        if not len(group):
            return 0
        number = start_us // BIN_US
        self._ledger.turn(int(number.max()))
        order = order_of(group)
        sorted_group, sorted_us = group.take(order), start_us.take(order)
        starts = starts_of(sorted_group)
        self._ledger.admit(sorted_group[starts], np.minimum.reduceat(sorted_us, starts))
        at, known = self._ledger.find(group)
        counted = known & self._ledger.holds(number)
        np.add.at(self._ledger.cells, (at[counted], number[counted] % BINS), weight[counted].astype(np.uint32))
        return int(np.count_nonzero(~known))

    def before(self, group: U64, bin_number: Array) -> tuple[Counts, NDArray[np.int64]]:
        """Of each group the counts of the bins before `bin_number`, the nearest first, (n, BINS - 1), and when it was first heard of (-1: never)."""
        at, known = self._ledger.find(group)
        counts = self._ledger.read(group, bin_number[:, None] - np.arange(1, BINS))
        first = self._ledger.first_us
        return counts, np.where(known, first[at], -1) if len(first) else np.full(len(group), -1)
