"""Marks: the keys of conversations already given to the rules, so that their last packets do not look like a new one.

A table of fixed size, as the cache of a processor: the upper bits of a key choose a set of four places, the lower ones tell it from its neighbours. Looking
up costs one line of memory a key however many there are, and no spray makes it grow; where a set is full, the mark that would go first goes now, which is
counted.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from abusewatch.windows.order import KERNEL, U64, starts_of

WAYS = 4
SET_BITS = 20  # a million sets of four marks of 8 bytes: 32 MB when full, untouched memory before
SET_SHIFT = np.uint64(64 - SET_BITS)
TAG, TAG_SHIFT = np.uint64((1 << 31) - 1), np.uint64(33)
"""31 lower bits of the key. With the 20 upper ones 51 bits decide: among four million marks one look-up in 10^8 meets a stranger's."""
SLOW, SLOW_SHIFT = np.uint64(1 << 32), np.uint64(32)
UNTIL = np.uint64((1 << 32) - 1)  # seconds since the epoch
SECOND = 1_000_000


@dataclass(slots=True)
class Marks:
    """Each mark stays `brief_secs` after its conversation was last seen, or `slow_secs`. `shed` counts those that had to go before."""

    brief_secs: int
    slow_secs: int
    shed: int = 0
    _sets: U64 = field(default_factory=lambda: np.zeros((1 << SET_BITS, WAYS), np.uint64))

    def alive(self, now_us: int) -> int:
        """Count the marks whose time is not over. Reads the whole table."""
        return int(np.count_nonzero(self._sets & UNTIL > np.uint64(max(now_us // SECOND, 0))))

    def known(self, key: U64, last_us: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which keys were marked when they were last seen; those stay longer, since they go on."""
        if KERNEL:
            out = np.empty(len(key), np.bool_)
            KERNEL.known(out.view(np.uint8), self._sets, key, last_us, self.brief_secs, self.slow_secs)
            return out
        number = (key >> SET_SHIFT).astype(np.intp)
        ways = self._sets[number]
        last = _seconds(last_us)
        hit = (ways >> TAG_SHIFT == (key & TAG)[:, None]) & (ways & UNTIL >= last[:, None]) & (ways != 0)
        found: NDArray[np.bool_] = hit.any(axis=1)
        here = np.flatnonzero(found)
        way = hit[here].argmax(axis=1)
        mark = ways[here, way]
        stay = np.where(mark & SLOW != 0, np.uint64(self.slow_secs), np.uint64(self.brief_secs))
        self._sets[number[here], way] = mark & ~UNTIL | np.maximum(mark & UNTIL, last[here] + stay)
        return found

    def add(self, key: U64, slow: NDArray[np.bool_], last_us: NDArray[np.int64], now_us: int) -> None:
        """Mark different keys, sorted."""
        if KERNEL:
            self.shed += KERNEL.remember(self._sets, key, slow.view(np.uint8), last_us, max(now_us // SECOND, 0), self.brief_secs, self.slow_secs)
            return
        until = _seconds(last_us) + np.where(slow, np.uint64(self.slow_secs), np.uint64(self.brief_secs))
        mark = (key & TAG) << TAG_SHIFT | slow.astype(np.uint64) << SLOW_SHIFT | until
        number = (key >> SET_SHIFT).astype(np.intp)
        starts = starts_of(number)
        rank = np.arange(len(number)) - np.repeat(starts, np.diff(np.append(starts, len(number))))
        now = np.uint64(max(now_us // SECOND, 0))
        for turn in range(
            int(rank.max(initial=-1)) + 1
        ):  # what shares a set goes one after the other; more than a few is rare
            at = np.flatnonzero(rank == turn) if turn else starts
            sets = number[at]
            first = _first_to_go(self._sets[sets] & UNTIL)
            self.shed += int(np.count_nonzero(self._sets[sets, first] & UNTIL > now))
            self._sets[sets, first] = mark[at]


def _seconds(us: NDArray[np.int64]) -> U64:
    return np.maximum(us // SECOND, 0).astype(np.uint64)


def _first_to_go(until: U64) -> NDArray[np.intp]:
    """The place in each set, (n, 4) to (n,), whose time ends first; an empty one ended long ago. By halves: numpy is slow along so short an axis."""
    left = until[:, 1] < until[:, 0]
    right = until[:, 3] < until[:, 2]
    one = np.where(left, until[:, 1], until[:, 0])
    two = np.where(right, until[:, 3], until[:, 2])
    return np.where(two < one, right.astype(np.intp) + 2, left.astype(np.intp))
