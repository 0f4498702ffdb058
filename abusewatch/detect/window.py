"""The sliding window of one rule: the rows that may matter, pane by pane, bounded.

Three things keep it small and exact at once. A slot whose total in a pane is below a tenth of what a pane must bring is left out (the window then
under-counts by at most a tenth, never over). A slot whose total in the window is below the bound is not looked at. A key with more rows in a pane than are
kept is thinned by hash, and the rows kept carry the weight of the others.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from abusewatch.detect.thresholds import reached
from abusewatch.model import rows as r
from abusewatch.model.rows import Columns
from abusewatch.windows.order import order_of, ranges, starts_of

LOSSY = 0.1  # part of a bound that a pane may lack; fires at 100 % from 1.1 times the threshold (engine.md E)


@dataclass(slots=True)
class Block:
    """The rows one pane left for the rule, by slot; `sums` is what they added to the totals."""

    end_us: int
    rows: Columns
    sums: dict[str, tuple[NDArray[np.int32], NDArray[np.float64]]]


@dataclass(slots=True)
class Window:
    """Blocks of the last `length_us`. `gates` are alternatives of bounds over gate measures (`thresholds.alternatives`)."""

    length_us: int
    pane_us: int
    gates: Sequence[Mapping[str, float]]
    key_rows: int = 4096
    shed_rows: int = 0
    _blocks: deque[Block] = field(default_factory=deque)
    _totals: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    _touched: list[NDArray[np.int32]] = field(default_factory=list)

    @property
    def size(self) -> int:
        """How many rows it holds."""
        return sum(r.length(b.rows) for b in self._blocks)

    def add(self, end_us: int, rows: Columns, values: Mapping[str, NDArray[np.float64]], slots: int) -> None:
        """Take a pane's rows with the values of the gate measures (n,) each; `slots` is one more than the greatest slot."""
        self._expire(end_us)
        sums: dict[str, NDArray[np.float64]] = {
            name: np.bincount(rows["slot"], weights=value, minlength=slots).astype(np.float64) for name, value in values.items()
        }
        if self.gates:
            panes = max(1, self.length_us // self.pane_us)
            enough = reached(self.gates, sums, LOSSY / panes)[rows["slot"]]
            if not enough.all():
                rows = r.take(rows, enough)
        if not r.length(rows):
            return
        rows = self._thinned(rows)
        rows = r.take(rows, np.argsort(rows["slot"], kind="stable"))
        present = rows["slot"][starts_of(rows["slot"])]
        block = Block(end_us, rows, {name: (present, total[present]) for name, total in sums.items()})
        self._blocks.append(block)
        self._count(block, +1, slots)
        self._touched.append(present)

    def candidates(self) -> NDArray[np.int32]:
        """Slots that had a row since the last call and whose window may reach a bound."""
        if not self._touched:
            return np.zeros(0, np.int32)
        slots = np.sort(np.concatenate(self._touched))
        self._touched = []
        slots = slots[starts_of(slots)]
        if not self.gates:
            return slots
        return slots[reached(self.gates, {name: total[slots] for name, total in self._totals.items()})]

    def rows_of(self, slots: NDArray[np.int32], end_us: int) -> Columns:
        """The rows of some slots in the window that ends now; column `block_us` says which pane each came with."""
        self._expire(end_us)
        parts = []
        for block in self._blocks:
            left = np.searchsorted(block.rows["slot"], slots, side="left")
            right = np.searchsorted(block.rows["slot"], slots, side="right")
            at = ranges(left, right - left)
            if len(at):
                parts.append(r.take(block.rows, at) | {"block_us": np.full(len(at), block.end_us)})
        return r.join(parts) if parts else {}

    def _expire(self, now_us: int) -> None:
        while self._blocks and self._blocks[0].end_us <= now_us - self.length_us:
            self._count(self._blocks.popleft(), -1, 0)

    def _count(self, block: Block, sign: int, slots: int) -> None:
        for name, (present, sums) in block.sums.items():
            total = self._totals.get(name)
            if total is None or len(total) < slots:
                grown = np.zeros(max(slots * 2, 1024))
                if total is not None:
                    grown[: len(total)] = total
                self._totals[name] = total = grown
            total[present] += sign * sums

    def _thinned(self, rows: Columns) -> Columns:
        """Keep at most `key_rows` rows of a group, those of least hash (the same ones in every run), each standing for its share of all."""
        if r.length(rows) <= self.key_rows:
            return rows
        order = order_of(rows["group"])
        starts = starts_of(rows["group"][order])
        sizes = np.diff(np.append(starts, len(order)))
        if sizes.max() <= self.key_rows:
            return rows
        order = np.lexsort((rows["chance"], rows["group"]))
        starts = starts_of(rows["group"][order])
        sizes = np.diff(np.append(starts, len(order)))
        place = np.arange(len(order)) - np.repeat(starts, sizes)
        scale = np.repeat(np.maximum(sizes / self.key_rows, 1.0), sizes)
        kept = place < self.key_rows
        self.shed_rows += int(len(kept) - np.count_nonzero(kept))
        thin = r.take(rows, order[kept])
        thin["weight"] = thin["weight"] * scale[kept]
        return thin
