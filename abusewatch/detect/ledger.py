"""Numbers by group and bin of time, in bounded memory: what is remembered of a group for longer than its rows are.

A group is its hash here, with nothing of who it was. It is kept in memory only, and forgotten when all its numbers are nought.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import DTypeLike, NDArray

from abusewatch.model.rows import Array
from abusewatch.windows.order import U64, Index


@dataclass(slots=True)
class Ledger:
    """The last `bins` bins of at most `most` groups; bin n of time stands in column n % bins of `cells`."""

    bins: int
    most: int
    dtype: DTypeLike
    cells: Array = field(init=False)
    first_us: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    """When each group was first heard of."""
    newest: int | None = None
    _groups: U64 = field(default_factory=lambda: np.zeros(0, np.uint64))
    """Sorted, as are the rows of the other two."""

    def __post_init__(self) -> None:
        self.cells = np.zeros((0, self.bins), self.dtype)

    def find(self, group: U64) -> tuple[Index, NDArray[np.bool_]]:
        """In which row of `cells` each group is, and whether it is there at all."""
        if not len(self._groups):
            return np.zeros(len(group), np.intp), np.zeros(len(group), np.bool_)
        at = np.minimum(np.searchsorted(self._groups, group), len(self._groups) - 1)
        return at, self._groups[at] == group

    def holds(self, number: Array) -> NDArray[np.bool_]:
        """Which bins are remembered."""
        newest = -1 if self.newest is None else self.newest
        held: NDArray[np.bool_] = (number > newest - self.bins) & (number <= newest)
        return held

    def read(self, group: U64, number: Array) -> Array:
        """The numbers of each group (n,) in bins (n, k) or (k,): (n, k), 0 where nothing is known."""
        at, known = self.find(group)
        if not len(self._groups):
            return np.zeros((len(group), np.shape(number)[-1]), self.dtype)
        held = known[:, None] & self.holds(number)
        numbers: Array = np.where(held, self.cells[at[:, None], number % self.bins], self.cells.dtype.type(0))
        return numbers

    def turn(self, newest: int) -> None:
        """Clear the columns of bins that begin, and forget who is in none."""
        if self.newest is None:
            self.newest = newest
        if newest <= self.newest:
            return
        self.cells[:, np.arange(max(self.newest + 1, newest - self.bins + 1), newest + 1) % self.bins] = 0
        self.newest = newest
        stays = self.cells.max(axis=1, initial=0) > 0
        if not stays.all():
            self._groups, self.cells, self.first_us = self._groups[stays], self.cells[stays], self.first_us[stays]

    def admit(self, group: U64, first_us: NDArray[np.int64]) -> None:
        """Take groups (each once) that are new, those of least hash first while there is room: the same in every run."""
        new = np.flatnonzero(~self.find(group)[1])
        new = new[np.argsort(group[new])][: max(self.most - len(self._groups), 0)]
        if not len(new):
            return
        groups = np.concatenate((self._groups, group[new]))
        order = np.argsort(groups)
        empty = np.zeros((len(new), self.bins), self.dtype)
        self._groups, self.cells = groups[order], np.concatenate((self.cells, empty))[order]
        self.first_us = np.concatenate((self.first_us, first_us[new]))[order]
