"""The functions of a measure, each over rows that are already brought together by group.

`Groups` holds n rows sorted so that equal groups stand together, m groups, and a weight a row: when a pane held more rows of one key than are kept, the rows
kept stand for the others. Every function takes the rows that pass the measure's own `where` as a mask and gives m float64 values.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from abusewatch.model.flow import I64, U64
from abusewatch.windows.order import Index, starts_of

F64 = NDArray[np.float64]
Mask = NDArray[np.bool_]

Z_999 = 3.0902  # one-sided 99.9 %


@dataclass(frozen=True, slots=True)
class Groups:
    """Rows in order of group: `starts` (m,) first row of each group, `number` (n,) group of each row, `weight` (n,) float64."""

    starts: Index
    number: NDArray[np.intp]
    weight: F64

    @property
    def count(self) -> int:
        """How many groups."""
        return len(self.starts)

    def total(self, values: F64) -> F64:
        """Sum of values by group."""
        return np.add.reduceat(values, self.starts) if len(self.starts) else np.zeros(0)


def lower_bound(k: F64) -> F64:
    """What k sampled packets prove of the mean, one-sided 99.9 % (Poisson; Wilson-Hilferty 1931): 3 -> 0.15, 10 -> 2.9, 100 -> 72."""
    n = np.maximum(2 * k, 1e-9)
    share = 1 - 2 / (9 * n) - Z_999 * np.sqrt(2 / (9 * n))
    return np.where(k > 0, k * np.maximum(share, 0) ** 3, 0.0)


def upper_bound(k: F64) -> F64:
    """The other side of the band: the mean that k sampled packets do not exclude."""
    n = 2 * (k + 1)
    return (k + 1) * (1 - 2 / (9 * n) + Z_999 * np.sqrt(2 / (9 * n))) ** 3


def count(groups: Groups, mask: Mask) -> F64:
    """Rows."""
    return groups.total(groups.weight * mask)


def total(groups: Groups, mask: Mask, values: F64) -> F64:
    """Sum of a value, to the nearest 1/1024: values are whole numbers of that, and what was thinned is a sum of such (`thinning`)."""
    return np.round(groups.total(np.where(mask, groups.weight * values, 0.0)) * 1024) / 1024


def distinct(groups: Groups, mask: Mask, hashes: NDArray[np.uint64]) -> F64:
    """Different values; exact up to hash collisions inside one group (44 bits for up to a million groups)."""
    at = np.flatnonzero(mask)
    bits = max(20, groups.count.bit_length())
    packed = np.sort(groups.number[at].astype(np.uint64) << np.uint64(64 - bits) | hashes[at] >> np.uint64(bits))
    first = packed[starts_of(packed)] >> np.uint64(64 - bits)
    return np.bincount(first.astype(np.intp), minlength=groups.count).astype(np.float64)


def extreme(groups: Groups, mask: Mask, values: F64, *, which: Literal["min", "max"]) -> F64:
    """Smallest or largest value; 0 for a group without one."""
    idle, reduce = (np.inf, np.minimum) if which == "min" else (-np.inf, np.maximum)
    found = reduce.reduceat(np.where(mask, values, idle), groups.starts)
    return np.where(np.isinf(found), 0.0, found)


def percentile(groups: Groups, mask: Mask, values: F64, percent: float) -> F64:
    """The value that rows of `percent` of the weight do not exceed (lower nearest rank); 0 for a group without rows."""
    at = np.flatnonzero(mask)
    if not len(at):
        return np.zeros(groups.count)
    order = np.lexsort((values[at], groups.number[at]))
    number, ordered, weight = groups.number[at][order], values[at][order], groups.weight[at][order]
    upto = np.cumsum(weight)
    size = np.bincount(number, minlength=groups.count)
    end = np.cumsum(size)
    before = np.concatenate(([0.0], upto))[end - size]
    whole = np.concatenate(([0.0], upto))[end] - before
    rank = np.searchsorted(upto, before + whole * percent / 100 * (1 - 1e-12), side="left")
    return np.where(size > 0, ordered[np.clip(rank, end - size, np.maximum(end - 1, 0))], 0.0)


def share(groups: Groups, mask: Mask, condition: Mask) -> F64:
    """Part of the rows for which a condition holds; 0 for a group without rows."""
    of = count(groups, mask)
    return count(groups, mask & condition) / np.maximum(of, 1e-300) * (of > 0)


def top_share(groups: Groups, mask: Mask, hashes: NDArray[np.uint64]) -> F64:
    """Part of the rows that the most frequent value has."""
    at = np.flatnonzero(mask)
    if not len(at):
        return np.zeros(groups.count)
    order = np.lexsort((hashes[at], groups.number[at]))
    number, value, weight = groups.number[at][order], hashes[at][order], groups.weight[at][order]
    starts = np.flatnonzero(np.concatenate(([True], (number[1:] != number[:-1]) | (value[1:] != value[:-1]))))
    top = np.zeros(groups.count)
    np.maximum.at(top, number[starts], np.add.reduceat(weight, starts))
    return top / np.maximum(count(groups, mask), 1e-300)


def share_within(groups: Groups, mask: Mask, values: F64, plus: float, part: float) -> F64:
    """Part of the rows whose value lies within plus + part * median of the median: how alike they are (Hofstede 2014: tools repeat themselves)."""
    middle = percentile(groups, mask, values, 50)
    reach = plus + part * middle
    near = np.abs(values - middle[groups.number]) <= reach[groups.number]
    return share(groups, mask, near)


def concurrent(groups: Groups, mask: Mask, start: I64, end: I64) -> F64:
    """Most rows open at one time."""
    at = np.flatnonzero(mask)
    first, span = (int(start[at].min()), int(end[at].max() - start[at].min())) if len(at) else (0, 0)
    bits = span.bit_length()
    if bits + groups.count.bit_length() <= 64 and (groups.weight[at] == 1).all():
        prefix = groups.number[at].astype(np.uint64) << np.uint64(bits)
        opened, closed = (prefix | (when[at] - first).astype(np.uint64) for when in (start, end))
        return _most_open(groups, opened, closed, bits)
    number = np.concatenate((groups.number[at], groups.number[at]))
    when = np.concatenate((start[at], end[at]))
    step = np.concatenate((groups.weight[at], -groups.weight[at]))
    # At one instant what opens counts before what closes, so that a packet is concurrent with itself.
    order = np.lexsort((-step, when, number))
    number, running = number[order], np.cumsum(step[order])
    top = np.zeros(groups.count)
    begins = starts_of(number)
    before = np.concatenate(([0.0], running))[begins]
    np.maximum.at(top, number, running - np.repeat(before, np.diff(np.append(begins, len(number)))))
    return top


def _most_open(groups: Groups, opened: U64, closed: U64, bits: int) -> F64:
    """The same of rows that stand for themselves, by group and time in one number: at each opening, who has opened so far less who closed before it."""
    opened, closed = np.sort(opened), np.sort(closed)
    running = np.arange(1, len(opened) + 1) - np.searchsorted(closed, opened)  # whoever is of a group before has closed
    number = opened >> np.uint64(bits)
    begins = starts_of(number)
    top = np.zeros(groups.count)
    top[number[begins].astype(np.intp)] = np.maximum.reduceat(running, begins) if len(begins) else 0
    return top
