"""Who sends enough that what came back must be known: a rule on both directions keeps the rows of these groups, and nothing of the others.

A window of two panes reaches a bound only if one of them brings half of it; its neighbour may then bring the rest, and the answers come up to the grace
later. So a pane is judged when the next one has closed, and of both the rows are kept of groups that were hot in either, or within the grace before.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from abusewatch.detect.thresholds import reached
from abusewatch.detect.views import View
from abusewatch.model.rows import Array
from abusewatch.windows.order import BUCKET_BITS, U64, Index, bucket_of, order_of, starts_of

NONE: U64 = np.zeros(0, np.uint64)
SHARE = 0.25  # of a bound, in one pane; half would do for whole panes, but under load a pane closes in parts

Values = Callable[[View, Index], Mapping[str, Array]]
Hashes = Callable[[View, Index], U64]


@dataclass(slots=True)
class Held:
    """The rows of a pane that a rule matched, until it is known whose are wanted; then the group of each too."""

    view: View
    at: Index
    end_us: int
    group: U64 = field(default_factory=lambda: NONE)


@dataclass(slots=True)
class Hot:
    """Until when groups are hot, in event time. `values` and `hashes` give the gate measures and the group of some rows of a view."""

    gates: Sequence[Mapping[str, float]]
    wait_us: int
    values: Values
    hashes: Hashes
    _groups: U64 = field(default_factory=lambda: np.zeros(0, np.uint64))
    _groups_us: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

    def turn(self, now: Held | None, before: Held | None) -> Held | None:
        """Take a pane; give the one before, narrowed to what is wanted of it."""
        if now is not None:
            self._warm(now)
        if before is None or not len(self._groups):
            return None
        group = self.hashes(before.view, before.at)
        where = np.minimum(np.searchsorted(self._groups, group), len(self._groups) - 1)
        wanted = (self._groups[where] == group) & (self._groups_us[where] >= before.end_us)
        return Held(before.view, before.at[wanted], before.end_us, group[wanted])

    def _warm(self, now: Held) -> None:
        until_us = now.end_us + self.wait_us
        hot = self._hot_groups(now.view, now.at, self.values(now.view, now.at))
        stay = (self._groups_us >= now.end_us - self.wait_us) & ~np.isin(self._groups, hot)
        known = np.concatenate((self._groups[stay], hot))
        known_us = np.concatenate((self._groups_us[stay], np.full(len(hot), until_us)))
        by_hash = np.argsort(known, kind="stable")
        self._groups, self._groups_us = known[by_hash], known_us[by_hash]

    def _hot_groups(self, view: View, at: Index, values: Mapping[str, Array]) -> U64:
        return reaching(self.hashes(view, at), values, self.gates, SHARE) if len(at) else NONE


def reaching(group: U64, values: Mapping[str, Array], gates: Sequence[Mapping[str, float]], share: float) -> U64:
    """Which groups (sorted hashes) have sums that reach `share` of every bound of one alternative; `values` (n,) are those of the gate measures of each row."""
    found = np.sort(group[bringing(group, values, gates, share)])
    return found[starts_of(found)]


def bringing(group: U64, values: Mapping[str, Array], gates: Sequence[Mapping[str, float]], share: float) -> NDArray[np.bool_]:
    """Which rows are of such groups.

    First by buckets, which no group exceeds and which cost no sort: few rows are left for that.
    """
    found = np.zeros(len(group), np.bool_)
    bucket = bucket_of(group)
    totals: dict[str, Array] = {name: np.bincount(bucket, weights=value, minlength=1 << BUCKET_BITS) for name, value in values.items()}
    few = np.flatnonzero(reached(gates, totals, share).take(bucket))
    if not len(few):
        return found
    few_groups = group.take(few)
    order = order_of(few_groups)
    few = few.take(order)
    starts = starts_of(few_groups.take(order))
    sums = {name: np.add.reduceat(value.take(few), starts, dtype=np.float64) for name, value in values.items()}
    found[few[np.repeat(reached(gates, sums, share), np.diff(np.append(starts, len(few))))]] = True
    return found
