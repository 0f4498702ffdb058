"""Which rows of a window stay when there are too many of them, and how much of whom was let go.

Rows are chosen by group, since a group of which one row is left would say anything. First those go that bring nothing towards a bound, then those that
bring least; what was let go is remembered, so that nobody is judged by less than half of what he did.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from abusewatch.detect.lost import Lost
from abusewatch.detect.thinning import thinned
from abusewatch.detect.thresholds import reached
from abusewatch.model import rows as r
from abusewatch.model.rows import Array, Columns
from abusewatch.windows.order import BUCKET_BITS, bucket_of
from abusewatch.windows.panes import SECOND

LOSSY = 0.05  # part of a bound that a gate may cost; there are two: what is 1.1 times the threshold always fires (tests/detect/test_window.py)
MERGED_ROWS = 2048  # rows of one group in a merged block: what is near a threshold is far from it, so distinct(...) is exact there
PANE_QUIET = 1 << 11  # groups that bring nothing towards a bound of which a crowded pane may bring rows; as many as a merge has room for

Mask = NDArray[np.bool_]
F64 = NDArray[np.float64]


@dataclass(slots=True)
class Choice:
    """For the rows of one rule; `gates` and `sums` are those of its window."""

    length_us: int
    pane_us: int
    gates: Sequence[Mapping[str, float]]
    sums: Mapping[str, float]
    shed_rows: int = 0
    mostly_quiet: bool = False
    """Whether at the last merge most rows were of groups that brought nothing towards a bound."""
    _lost: Lost = field(init=False)
    _hopeful_secs: NDArray[np.uint32] | None = None

    def __post_init__(self) -> None:
        self._lost = Lost(self.length_us)

    def brings(self, rows: Columns, name: str) -> Array:
        """What each row adds at most to a gate measure, with those it stands for."""
        if name not in self.sums:
            return rows[f"{name}?"] * rows["weight"]
        return np.where(rows[f"{name}?"], rows[f"{name}="], 0.0) * rows["weight"] / self.sums[name]

    def hopeful(self, rows: Columns, begin_us: int, end_us: int) -> Mask:
        """Which rows of some panes, which are to be merged, may be of groups that bring their share of a bound, or have in this window."""
        n = r.length(rows)
        if not self.gates or not n:
            return np.ones(n, np.bool_)
        values = {name: self.brings(rows, name) for name in {name for gate in self.gates for name in gate}}
        earning = self._earning(rows["group"], values, end_us - begin_us, end_us)
        self.mostly_quiet = 2 * int(np.count_nonzero(earning)) < n
        return earning

    def heard(self, group: Array, weight: Array, values: Mapping[str, Array], end_us: int) -> Mask:
        """Which rows of a crowded pane to look at further: those of groups that bring something towards a bound, and of the others some groups.

        Of these a merge would let go. They are most of what a rule on connections that fail sees: those that were answered.
        """
        stays = self._earning(group, values, 0, end_us)
        others = np.flatnonzero(~stays)
        stays[others] = self._some(group.take(others), weight.take(others), PANE_QUIET)
        return stays

    def fitted(self, rows: Columns, room: int, least: int, whole: str = "group") -> Columns:
        """At most `room` rows: fewer of each group; where `least` of each are too many, buckets of groups (`whole`) go, those furthest from a bound first.

        A group of which one row is left would say anything: what speaks for a raise and what speaks against it stay together or go together.
        """
        kept, shed = thinned(rows, MERGED_ROWS, sums=self.sums, room=room, least=least)
        self.shed_rows += shed
        if r.length(kept) <= room:
            return kept
        bucket = bucket_of(kept[whole])
        sizes = np.bincount(bucket, minlength=1 << BUCKET_BITS)
        nearest = _greatest_first(self._nearness(kept, bucket), np.flatnonzero(sizes))
        fit = np.cumsum(sizes[nearest]) <= room
        stay = np.zeros(1 << BUCKET_BITS, np.bool_)
        stay[nearest[fit]] = True
        stays = stay.take(bucket)
        self._lose(kept[whole], kept["weight"], ~stays)
        return r.take(kept, stays)

    def quiet(self, rows: Columns, room: int) -> Columns:
        """The rows of groups that bring nothing towards a bound, since they may speak against a raise (failed / hosts), in what room there is for them.

        First all groups have fewer rows; where even one of each is too much, those of least hash stay, the same in every run.
        """
        some = self._some(rows["group"], rows["weight"], room)
        if not some.all():
            rows = r.take(rows, some)
        kept, shed = thinned(rows, MERGED_ROWS, sums=self.sums, room=room)
        self.shed_rows += shed
        return kept

    def known(self, group: Array, weight: F64) -> Mask:
        """Whether of each group, with the weight of its rows in the window, at least as much is held as was let go in its bucket: nobody is judged by less."""
        known: Mask = weight >= self._lost.of(group)
        return known

    def pass_time(self, now_us: int) -> None:
        """Forget what is over."""
        self._lost.pass_time(now_us)

    def _earning(self, group: Array, values: Mapping[str, Array], span_us: int, end_us: int) -> Mask:
        """Which are hopeful by what each row brings, all within `span_us` and a pane: by buckets of the group's hash, so that a few others pass too.

        Had a group to earn its place anew each time, its rows that speak for a raise would stay and those that speak against it go.
        """
        bucket = bucket_of(group)
        sums: dict[str, Array] = {name: np.bincount(bucket, weights=value, minlength=1 << BUCKET_BITS) for name, value in values.items()}
        earned = reached(self.gates, sums, LOSSY * min(1.0, (span_us + self.pane_us) / self.length_us))
        if self._hopeful_secs is None:
            self._hopeful_secs = np.zeros(1 << BUCKET_BITS, np.uint32)
        self._hopeful_secs[earned] = (end_us + self.length_us) // SECOND
        return (self._hopeful_secs >= end_us // SECOND).take(bucket)

    def _nearness(self, rows: Columns, bucket: Array) -> F64:
        """How far the groups of each bucket go together towards, or beyond, the nearest alternative of bounds; 1 for all where there is no bound."""
        near = np.zeros(1 << BUCKET_BITS)
        proves = np.exp2(-rows["level"].astype(np.float64))  # one conversation followed of 256 is one: a spray has one of each port
        for gate in self.gates:
            parts = [np.bincount(bucket, weights=self.brings(rows, name) * proves, minlength=len(near)) / bound for name, bound in gate.items()]
            np.maximum(near, np.minimum.reduce(parts), out=near)
        return near if self.gates else np.ones(len(near))

    def _some(self, group: Array, weight: F64, room: int) -> Mask:
        """Which rows stay so that there are about `room` groups, those of least hash (the same in every run); the others are lost."""
        groups = int(np.count_nonzero(np.bincount(bucket_of(group), minlength=1 << BUCKET_BITS)))  # there are no fewer
        if groups <= room:
            return np.ones(len(group), np.bool_)
        some: Mask = group < np.uint64(min((1 << 64) * room // groups, (1 << 64) - 1))
        self._lose(group, weight, ~some)
        return some

    def _lose(self, group: Array, weight: F64, which: Mask) -> None:
        """Let whole groups go for want of room, and remember how much it was."""
        self.shed_rows += int(np.count_nonzero(which))
        self._lost.add(group[which], weight[which])


def _greatest_first(values: F64, buckets: Array) -> Array:
    """Some buckets in order of their values, which are not negative: read as whole numbers these stand in the same order, with the bucket in the last bits."""
    last = np.uint64((1 << BUCKET_BITS) - 1)
    return (np.sort(~values[buckets].view(np.uint64) & ~last | buckets.astype(np.uint64)) & last).astype(np.intp)
