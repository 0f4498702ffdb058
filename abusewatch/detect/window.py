"""The sliding window of one rule: the rows that may matter, pane by pane, bounded.

What keeps it small without changing what fires: a slot (later: a group) whose total is below a tenth of its share of a bound is left out, so the window
under-counts by at most a tenth and never over-counts; a slot whose total in the window is below the bound is not looked at; a group with more rows than
are kept is thinned by hash, and the rows kept carry the weight of the others. Fresh blocks only point into the pane they came from; what is still wanted
after a while is copied out and merged, so that panes need not be kept for the hours a window may last.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from abusewatch.detect.thresholds import reached
from abusewatch.model import rows as r
from abusewatch.model.rows import Array, Columns
from abusewatch.windows.order import order_of, ranges, starts_of

LOSSY = 0.1  # part of a bound that may be missing; fires at 100 % from 1.1 times the threshold (measured: docs/engine.md)
GROUP_ROWS = 4096  # rows of one group that a pane may bring
FIRED_ROWS = 64  # the same once the group has fired: enough to see that it goes on
MERGED_ROWS = 512  # rows of one group in a merged block; thresholds of counts lie far below
ROW_BUDGET = 1 << 19  # rows of a rule; at about 150 bytes each this is the memory a rule may take
FEWEST_ROWS = 16  # below that a group is no sample; rather over the budget
MERGE_US = 30_000_000

NONE = np.zeros(0, np.uint64)

JUDGED = frozenset({"slot", "sampling_rate", "packets", "start_us", "end_us"})
"""Evidence that judgement needs too, and that fresh blocks therefore hold themselves."""


@dataclass(slots=True)
class Block:
    """Rows of the rule by slot. `source` is the pane that `rows["at"]` points into, or None when the evidence has been copied into `rows`."""

    end_us: int
    rows: Columns
    source: Mapping[str, Array] | None
    sums: dict[str, tuple[Array, Array]]


@dataclass(slots=True)
class Window:
    """Blocks of the last `length_us`. `gates` are alternatives of bounds over gate measures; `evidence` names the columns copied out of panes."""

    length_us: int
    pane_us: int
    gates: Sequence[Mapping[str, float]]
    evidence: tuple[str, ...]
    shed_rows: int = 0
    _fresh: deque[Block] = field(default_factory=deque)
    _merged: deque[Block] = field(default_factory=deque)
    _totals: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    _touched: list[Array] = field(default_factory=list)

    @property
    def size(self) -> int:
        """How many rows it holds."""
        return sum(r.length(b.rows) for b in (*self._merged, *self._fresh))

    def enough(self, slot: Array, values: Mapping[str, Array], slots: int) -> NDArray[np.bool_] | None:
        """Which rows of a pane belong to slots that bring their share of a bound; None: all. `values` (n,) are those of the gate measures."""
        if not self.gates:
            return None
        share = LOSSY * min(1.0, self.pane_us / self.length_us)
        if all(bound * share <= 1 for gate in self.gates for bound in gate.values()):
            return None
        sums: dict[str, Array] = {name: np.bincount(slot, weights=value, minlength=slots) for name, value in values.items()}
        return reached(self.gates, sums, share)[slot]

    def add(self, end_us: int, rows: Columns, source: Mapping[str, Array], fired: Array, slots: int) -> None:
        """Take the rows of a pane: `slot`, `group`, `chance`, `weight`, `at` (where in `source`), and the columns of the measures."""
        self._expire(end_us)
        rows, shed = _thinned(rows, GROUP_ROWS, fired)
        self.shed_rows += shed
        rows = r.take(rows, np.argsort(rows["slot"], kind="stable"))
        rows["block_us"] = np.full(r.length(rows), end_us)
        present = rows["slot"][starts_of(rows["slot"])]
        sums = {}
        for name in {name for gate in self.gates for name in gate}:
            sums[name] = (present, np.add.reduceat(rows[f"{name}+"] * rows["weight"], starts_of(rows["slot"])))
        block = Block(end_us, rows, source, sums)
        self._fresh.append(block)
        self._count(block, +1, slots)
        self._touched.append(present)
        if self._fresh[0].end_us <= end_us - min(MERGE_US, self.length_us) or self.size > ROW_BUDGET:
            self._merge(slots)

    def candidates(self) -> Array:
        """Slots that had a row since the last call and whose window may reach a bound."""
        if not self._touched:
            return np.zeros(0, np.int32)
        slots = np.sort(np.concatenate(self._touched))
        self._touched = []
        slots = slots[starts_of(slots)]
        if not self.gates:
            return slots
        return slots[reached(self.gates, {name: total[slots] for name, total in self._totals.items()})]

    def rows_of(self, slots: Array, end_us: int, *, evidence: bool = False) -> Columns:
        """The rows of some slots (sorted) in the window that ends now; with `evidence` also what the panes said of them."""
        self._expire(end_us)
        parts = []
        for block in (*self._merged, *self._fresh):
            left = np.searchsorted(block.rows["slot"], slots, side="left")
            right = np.searchsorted(block.rows["slot"], slots, side="right")
            at = ranges(left, right - left)
            if not len(at):
                continue
            rows = self._with_evidence(block, at) if evidence else r.take(self._measured(block), at)
            if block.source is None:
                inside = rows["block_us"] > end_us - self.length_us
                rows = rows if inside.all() else r.take(rows, inside)
            parts.append(rows)
        return r.join(parts) if parts else {}

    def _measured(self, block: Block) -> Columns:
        return {name: column for name, column in block.rows.items() if name not in self.evidence or name in JUDGED}

    def _with_evidence(self, block: Block, at: Array) -> Columns:
        rows = r.take(block.rows, at)
        if block.source is not None:
            rows |= {name: block.source[name][rows["at"]] for name in self.evidence}
        return rows

    def _merge(self, slots: int) -> None:
        """Bring the fresh blocks into one with its evidence; groups that cannot reach a bound and rows over the budget stay behind."""
        blocks = list(self._fresh)
        self._fresh.clear()
        for block in blocks:
            self._count(block, -1, slots)
        light = r.join([self._measured(b) | {"block": np.full(r.length(b.rows), n)} for n, b in enumerate(blocks)])
        light = self._hopeful(light, blocks[-1].end_us - blocks[0].end_us + self.pane_us)
        room = max(ROW_BUDGET // 2 - sum(r.length(b.rows) for b in self._merged), ROW_BUDGET // 16)
        limit = MERGED_ROWS
        kept, shed = _thinned(light, limit, NONE)
        while r.length(kept) > room and limit > FEWEST_ROWS:
            limit //= 2
            kept, shed = _thinned(light, limit, NONE)
        self.shed_rows += shed
        number = kept.pop("block")
        for name in self.evidence:
            column = np.empty(r.length(kept), blocks[0].source[name].dtype)  # type: ignore[index]  # fresh blocks have a source
            for n, block in enumerate(blocks):
                mine = number == n
                column[mine] = block.source[name][kept["at"][mine]]  # type: ignore[index]
            kept[name] = column
        kept = r.take(kept, np.argsort(kept["slot"], kind="stable"))
        if not r.length(kept):
            return
        starts = starts_of(kept["slot"])
        present = kept["slot"][starts]
        gate_names = {name for gate in self.gates for name in gate}
        sums = {name: (present, np.add.reduceat(kept[f"{name}+"] * kept["weight"], starts)) for name in gate_names}
        merged = Block(blocks[-1].end_us, kept, None, sums)
        self._merged.append(merged)
        self._count(merged, +1, slots)

    def _hopeful(self, rows: Columns, span_us: int) -> Columns:
        """The rows of groups that bring at least a tenth of their share of a bound."""
        if not self.gates or not r.length(rows):
            return rows
        rows = r.take(rows, order_of(rows["group"]))
        starts = starts_of(rows["group"])
        names = {name for gate in self.gates for name in gate}
        sums = {name: np.add.reduceat(rows[f"{name}+"] * rows["weight"], starts) for name in names}
        share = LOSSY * min(1.0, span_us / self.length_us)
        good = np.repeat(reached(self.gates, sums, share), np.diff(np.append(starts, r.length(rows))))
        return rows if good.all() else r.take(rows, good)

    def _expire(self, now_us: int) -> None:
        for blocks in (self._fresh, self._merged):
            while blocks and blocks[0].end_us <= now_us - self.length_us:
                self._count(blocks.popleft(), -1, 0)

    def _count(self, block: Block, sign: int, slots: int) -> None:
        for name, (present, sums) in block.sums.items():
            total = self._totals.get(name)
            if total is None or len(total) < slots:
                grown = np.zeros(max(slots * 2, 1024))
                if total is not None:
                    grown[: len(total)] = total
                self._totals[name] = total = grown
            total[present] += sign * sums


def _thinned(rows: Columns, limit: int, fired: Array) -> tuple[Columns, int]:
    """Keep at most `limit` rows of a group, those of least hash (the same ones in every run), each standing for its share of all; also say how many went."""
    n = r.length(rows)
    if n <= limit and not len(fired):
        return rows, 0
    order = order_of(rows["group"])
    ordered = rows["group"][order]
    starts = starts_of(ordered)
    sizes = np.diff(np.append(starts, n))
    limits = np.full(len(starts), limit)
    if len(fired):
        at = np.minimum(np.searchsorted(fired, ordered[starts]), len(fired) - 1)
        limits[fired[at] == ordered[starts]] = min(limit, FIRED_ROWS)
    crowded = np.flatnonzero(sizes > limits)
    if not len(crowded):
        return rows, 0
    keep, scale = np.ones(n, np.bool_), np.ones(n)
    for g in crowded.tolist():
        mine = order[starts[g] : starts[g] + sizes[g]]
        chosen = mine[np.argpartition(rows["chance"][mine], limits[g])[: limits[g]]]
        keep[mine] = False
        keep[chosen] = True
        scale[chosen] = rows["weight"][mine].sum() / rows["weight"][chosen].sum()
    thin = r.take(rows, keep)
    thin["weight"] = thin["weight"] * scale[keep]
    return thin, n - int(np.count_nonzero(keep))
