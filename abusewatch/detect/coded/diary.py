"""How many rows each group had, ten minutes by ten minutes, for a day and two hours: what a seasonal baseline needs, and nothing else.

A window of a day would keep every row, with the addresses of the others, for a day, and a block of them every few seconds. Here a group is its hash and
`BINS` counts. It is kept in memory only, and forgotten when all its counts are nought.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from abusewatch.model.rows import Array
from abusewatch.windows.order import U64, Index, order_of, starts_of

BIN_US = 600_000_000
BINS = 156
MOST_GROUPS = 1 << 14
"""Ten megabytes at most. Of groups beyond nothing is known, and `note` says how many rows that cost."""

Counts = NDArray[np.uint32]


@dataclass(slots=True)
class Diary:
    """Counts by group and bin; bin n of time stands in column n % BINS."""

    _groups: U64 = field(default_factory=lambda: np.zeros(0, np.uint64))
    """Sorted, as are the rows of the other two."""
    _counts: Counts = field(default_factory=lambda: np.zeros((0, BINS), np.uint32))
    _first_us: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    _newest: int | None = None

    def note(self, group: U64, start_us: Array, weight: Array) -> int:
        """Count rows, (n,) each; say how many were not, for want of room."""
        if not len(group):
            return 0
        number = start_us // BIN_US
        self._turn(int(number.max()))
        order = order_of(group)
        sorted_group, sorted_us = group.take(order), start_us.take(order)
        starts = starts_of(sorted_group)
        self._admit(sorted_group[starts], np.minimum.reduceat(sorted_us, starts))
        at, known = self._find(group)
        assert self._newest is not None  # noqa: S101  `_turn` has set it
        counted = known & (number > self._newest - BINS)
        np.add.at(self._counts, (at[counted], number[counted] % BINS), weight[counted].astype(np.uint32))
        return int(np.count_nonzero(~known))

    def before(self, group: U64, bin_number: Array) -> tuple[Counts, NDArray[np.int64]]:
        """Of each group the counts of the bins before `bin_number`, the nearest first, (n, BINS - 1), and when it was first heard of (-1: never)."""
        at, known = self._find(group)
        if not len(self._groups):
            return np.zeros((len(group), BINS - 1), np.uint32), np.full(len(group), -1)
        back = bin_number[:, None] - np.arange(1, BINS)
        held = known[:, None] & (back > (self._newest or 0) - BINS)
        counts = np.where(held, self._counts[at[:, None], back % BINS], np.uint32(0))
        return counts, np.where(known, self._first_us[at], -1)

    def _find(self, group: U64) -> tuple[Index, NDArray[np.bool_]]:
        if not len(self._groups):
            return np.zeros(len(group), np.intp), np.zeros(len(group), np.bool_)
        at = np.minimum(np.searchsorted(self._groups, group), len(self._groups) - 1)
        return at, self._groups[at] == group

    def _turn(self, newest: int) -> None:
        """Clear the columns of bins that begin, and forget who is in none."""
        if self._newest is None:
            self._newest = newest
        if newest <= self._newest:
            return
        self._counts[:, np.arange(max(self._newest + 1, newest - BINS + 1), newest + 1) % BINS] = 0
        self._newest = newest
        self._keep(self._counts.max(axis=1, initial=0) > 0)

    def _keep(self, which: NDArray[np.bool_]) -> None:
        if not which.all():
            self._groups, self._counts, self._first_us = self._groups[which], self._counts[which], self._first_us[which]

    def _admit(self, group: U64, first_us: NDArray[np.int64]) -> None:
        """Take groups (each once) that are new, those of least hash first while there is room: the same in every run."""
        new = np.flatnonzero(~self._find(group)[1])
        new = new[np.argsort(group[new])][: max(MOST_GROUPS - len(self._groups), 0)]
        if not len(new):
            return
        groups = np.concatenate((self._groups, group[new]))
        order = np.argsort(groups)
        empty = np.zeros((len(new), BINS), np.uint32)
        self._groups, self._counts = groups[order], np.concatenate((self._counts, empty))[order]
        self._first_us = np.concatenate((self._first_us, first_us[new]))[order]
