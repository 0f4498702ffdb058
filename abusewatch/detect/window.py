"""The sliding window of one rule: the rows that may matter, pane by pane, bounded.

What keeps it small without changing what fires: a slot (later: a group) whose total is below a tenth of its share of a bound is left out, so the window
under-counts by at most a tenth and never over-counts; a slot whose total in the window is below the bound is not looked at; a group with more rows than
are kept is thinned by hash, and the rows kept carry the weight of the others. Fresh blocks only point into the pane they came from; what is still wanted
after a while is copied out and merged, so that panes need not be kept for the hours a window may last.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from abusewatch.detect.choice import LOSSY, Choice
from abusewatch.detect.source import Source
from abusewatch.detect.thinning import NONE, thinned
from abusewatch.detect.thresholds import reached
from abusewatch.model import rows as r
from abusewatch.model.rows import Array, Columns
from abusewatch.windows.order import mix, order_of_small, ranges, starts_of
from abusewatch.windows.panes import SECOND

GROUP_ROWS = 4096  # rows of one group that a pane may bring
PANE_ROWS = 1 << 13  # rows that a pane may bring in all; when there are more, each group may bring half, a quarter, ... of its share, but `least`
ROW_BUDGET = 1 << 15  # rows of a rule; at about 150 bytes each this is the memory a rule may take (what fewer would miss: python -m benchmarks.spray)
LONG_US, LONG_TIMES = 900 * SECOND, 4  # in hours many fail now and then; with few rows, who fails slowly would seldom be among those that stay
LEAST_ROWS = 16  # rows of a group that are kept if any are: shares of fewer mean nothing (and no fewer than prove a bound of different values: `least`)
MOST_LEAST = 512  # of a rule that asks for more: sixty such groups fill its window
MERGE_PART = 8  # of the budget, for one merge: with more, each would have to make room first by choosing anew among all that is held
QUIET_PART = 16  # of the budget, for who brings nothing towards a bound
MERGE_US = 40_000_000
COMPACT_PARTS = 16
JOINED = 8  # merged blocks that become one, and so many of those again: a window of hours, asked at each pane, is some thirty blocks, not a thousand

JUDGED = frozenset({"slot", "sampling_rate", "packets", "start_us", "end_us"})
"""Evidence that judgement needs too, and that fresh blocks therefore hold themselves; no source need have it (`detect.compact`)."""


@dataclass(slots=True, eq=False)
class Block:
    """Rows of the rule by slot. `source` is the pane that `rows["at"]` points into, or None when the evidence has been copied into `rows`."""

    end_us: int
    rows: Columns
    source: Source | None
    sums: dict[str, tuple[Array, Array]]
    quiet: int = 0
    begin_us: int = 0
    """When merged: the end of the first pane it has rows of."""


@dataclass(slots=True)
class Window:
    """Blocks of the last `length_us`.

    `gates` are alternatives of bounds over gate measures; `evidence` names the columns copied out of panes; `sums` are the measures that are sums, with what
    each is divided by (1, or the seconds of a rate), `distinct` those that count different values. `loose` are blocks that point into a pane which is still
    whole (see `compact`).
    """

    length_us: int
    pane_us: int
    gates: Sequence[Mapping[str, float]]
    evidence: tuple[str, ...]
    wait_us: int = 0
    sums: Mapping[str, float] = field(default_factory=dict)
    distinct: frozenset[str] = frozenset()
    choice: Choice = field(init=False)
    loose: list[Block] = field(default_factory=list)
    _fresh: deque[Block] = field(default_factory=deque)
    _merged: deque[Block] = field(default_factory=deque)
    _totals: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    _touched: deque[tuple[int, Array]] = field(default_factory=deque)
    _turned_us: int = 0
    """The end of the last pane, whether it had rows for the rule or not."""

    def __post_init__(self) -> None:
        self.choice = Choice(self.length_us, self.pane_us, self.gates, self.sums)

    @property
    def shed_rows(self) -> int:
        """How many rows others stand for, or nobody, since there were too many."""
        return self.choice.shed_rows

    @property
    def share(self) -> float | None:
        """The part of a bound that a slot, or a group, brings in one pane or is left out; None where even one row is more."""
        share = LOSSY * min(1.0, self.pane_us / self.length_us)
        return None if all(bound * share <= 1 for gate in self.gates for bound in gate.values()) else share

    @property
    def budget(self) -> int:
        """How many rows it may hold."""
        return ROW_BUDGET * (LONG_TIMES if self.length_us > LONG_US else 1)

    @property
    def least(self) -> int:
        """How many rows of a group stay if any do: twice what proves its bound of different values, since only half of them may speak for it."""
        bounds = [bound for gate in self.gates for name, bound in gate.items() if name in self.distinct]
        return int(min(max(2 * max(bounds, default=0.0), LEAST_ROWS), MOST_LEAST))

    @property
    def size(self) -> int:
        """How many rows it holds."""
        return sum(r.length(b.rows) for b in (*self._merged, *self._fresh))

    @property
    def _settled(self) -> int:
        return sum(r.length(b.rows) for b in self._merged)

    @property
    def blocks(self) -> int:
        """In how many pieces it holds them: each costs a look whenever slots are judged."""
        return len(self._merged) + len(self._fresh)

    def size_of(self, slots: Array) -> int:
        """How many rows it holds of some slots (sorted): cheap to ask before they are looked at."""
        return sum(len(at) for _, at in self._find(slots))

    @property
    def unjudged(self) -> bool:
        """Whether rows have come since `candidates` was last asked."""
        return bool(self._touched)

    def enough(self, slot: Array, values: Mapping[str, Array], share: float, slots: int) -> NDArray[np.bool_]:
        """Which rows of a pane belong to slots that bring their share of a bound. `values` (n,) are those of the gate measures."""
        sums: dict[str, Array] = {name: np.bincount(slot, weights=value, minlength=slots) for name, value in values.items()}
        return reached(self.gates, sums, share)[slot]

    def chosen(self, rows: Columns, fired: Array = NONE) -> Columns:
        """Which rows of a pane to take, in order of slot; of groups in `fired` fewer are.

        It needs `slot`, `group`, `chance`, `reach`, `weight` and the columns of measures that are sums; all else need only be made of those that are taken.
        """
        rows, shed = thinned(rows, GROUP_ROWS, fired, self.sums, room=PANE_ROWS, least=self.least)
        self.choice.shed_rows += shed
        return r.take(rows, order_of_small(rows["slot"]))

    def add(self, end_us: int, rows: Columns, source: Source, slots: int) -> None:
        """Take the rows of a pane that were `chosen`, with `at` (where in `source`) and the columns of all measures."""
        self._expire(end_us)
        rows["block_us"] = np.broadcast_to(np.int64(end_us), rows["slot"].shape)
        present = rows["slot"][starts_of(rows["slot"])]
        sums = {}
        for name in {name for gate in self.gates for name in gate}:
            sums[name] = (present, np.add.reduceat(self.choice.brings(rows, name), starts_of(rows["slot"])))
        block = Block(end_us, rows, source, sums)
        self._fresh.append(block)
        self.loose.append(block)
        self._count(block, +1, slots)
        self._touched.append((end_us, present))
        if self.size > self.budget:
            self._merge(slots)

    def turn(self, end_us: int, slots: int) -> None:
        """A pane has closed, with rows for this rule or without: merge at times that hang on the clock alone, so that nobody's rows settle another's."""
        every_us = self.wait_us + min(MERGE_US, self.length_us) + self.pane_us
        if self._fresh and self._turned_us // every_us != end_us // every_us:
            self._merge(slots)
        for span_us in (every_us * JOINED, every_us * JOINED**2):
            if self._turned_us // span_us != end_us // span_us:
                self._join(self._turned_us // span_us * span_us, span_us, slots)
        self._turned_us = end_us

    def candidates(self, end_us: int) -> Array:
        """Slots that had a row up to `end_us` and since the last call, and whose window may reach a bound."""
        touched = []
        while self._touched and self._touched[0][0] <= end_us:
            touched.append(self._touched.popleft()[1])
        if not touched:
            return np.zeros(0, np.int32)
        slots = np.sort(np.concatenate(touched))
        slots = slots[starts_of(slots)]
        if not self.gates:
            return slots
        return slots[reached(self.gates, {name: total[slots] for name, total in self._totals.items()})]

    def rows_of(self, slots: Array, end_us: int) -> Columns:
        """The rows of some slots (sorted) in the window that ends at `end_us`, and the answers (`back`) that came up to `wait_us` later."""
        picked = []
        for block, at in self._find(slots):
            if block.source is not None and block.end_us <= end_us - self.length_us:
                continue
            block_us = r.pick(block.rows["block_us"], at)
            inside = block_us > end_us - self.length_us
            if self.wait_us:
                inside &= r.pick(block.rows["back"], at) | (block_us <= end_us)
            if inside.any():
                picked.append((block, at if inside.all() else at[inside]))
        # Column by column over all blocks, since to make a mapping of each would take as long again.
        return {name: r.behind([r.pick(block.rows[name], at) for block, at in picked]) for name in self._measured(picked[0][0])} if picked else {}

    def evidence_of(self, slots: Array, end_us: int) -> Columns:
        """All rows held of some slots (sorted) with what the panes said of them, those that wait for judgement too."""
        parts = [self._with_evidence(block, at) for block, at in self._find(slots)]
        rows = r.join(parts)
        inside = rows["block_us"] > end_us - self.length_us - self.wait_us
        return rows if inside.all() else r.take(rows, inside)

    def _find(self, slots: Array) -> Iterator[tuple[Block, Array]]:
        for block in (*self._merged, *self._fresh):
            left = np.searchsorted(block.rows["slot"], slots, side="left")
            right = np.searchsorted(block.rows["slot"], slots, side="right")
            at = ranges(left, right - left)
            if len(at):
                yield block, at

    def _measured(self, block: Block) -> list[str]:
        return [name for name in block.rows if name not in self.evidence or name in JUDGED]

    def _with_evidence(self, block: Block, at: Array) -> Columns:
        rows = r.take(block.rows, at)
        if block.source is not None:
            rows |= {name: r.pick(block.source[name], rows["at"]) for name in self.evidence if name not in JUDGED}
        return rows

    def _merge(self, slots: int) -> None:
        """Bring the fresh blocks into one with its evidence; groups that cannot reach a bound and rows over the budget stay behind."""
        blocks = list(self._fresh)
        self._fresh.clear()
        self.loose.clear()
        for block in blocks:
            self._count(block, -1, slots)
        ends = sorted(block.end_us for block in blocks)  # panes that are open together close in parts by turns
        light = self._light(blocks)
        hopeful = self.choice.hopeful(light, ends[0], ends[-1])
        if self._settled > self.budget * 3 // 8:
            self._compact(ends[-1], slots)
        room = min(self.budget // 2 - self._settled, self.budget // MERGE_PART)
        kept = self.choice.fitted(light if hopeful.all() else r.take(light, hopeful), room, self.least)
        quiet = 0
        if not hopeful.all():
            others = self.choice.quiet(r.take(light, ~hopeful), self._room_for_quiet)
            quiet = r.length(others)
            kept = r.join([kept, others])
        rows = self._whole(blocks, kept)
        rows |= self._evidence_at(blocks, rows.pop("at"), kept["row"])
        self._settle(ends[-1], rows, quiet, slots)

    @property
    def _room_for_quiet(self) -> int:
        most = self.budget // QUIET_PART
        left = max(most - sum(b.quiet for b in self._merged), 0)
        return max(left // 2, min(left, most * MERGE_US // self.length_us))  # something is left for those who come later

    def _light(self, blocks: Sequence[Block]) -> Columns:
        """What it takes to choose among the rows of some blocks, behind each other, with the place of each (`row`): to choose first saves copying the rest."""
        gates = {f"{name}?" for gate in self.gates for name in gate}
        names = {"slot", "group", "chance", "reach", "weight", "level", *gates, *(f"{name}{part}" for name in self.sums for part in "=?")}
        light = {name: r.behind([b.rows[name] for b in blocks]) for name in sorted(names)}
        return light | {"row": np.arange(r.length(light))}

    @staticmethod
    def _whole(blocks: Sequence[Block], kept: Columns) -> Columns:
        """All that blocks hold of the rows that were chosen, in order of slot; what thinning has changed of them stays changed."""
        order = order_of_small(kept["slot"])
        for name, column in kept.items():
            kept[name] = r.pick(column, order)
        return {name: kept[name] if name in kept else r.pick(r.behind([b.rows[name] for b in blocks]), kept["row"]) for name in blocks[0].rows}

    def _evidence_at(self, blocks: Sequence[Block], at: Array, row: Array) -> Columns:
        """Copy what the panes of fresh blocks said of rows: `at` says where in its pane each is, `row` in which block."""
        ends = np.cumsum([r.length(b.rows) for b in blocks])
        number = np.searchsorted(ends, row, side="right")
        places = [np.flatnonzero(number == n) for n in range(len(blocks))]
        picks = [at.take(place) for place in places]
        out: Columns = {}
        for name in self.evidence:
            if name in JUDGED:
                continue
            columns = [b.source[name] for b in blocks]  # type: ignore[index]  # fresh blocks have one
            out[name] = _placed(columns, picks, places, len(row))
        return out

    def _settle(self, end_us: int, rows: Columns, quiet: int, slots: int) -> None:
        """Take rows, in order of slot, as a merged block."""
        if not r.length(rows):
            return
        starts = starts_of(rows["slot"])
        names = {name for gate in self.gates for name in gate}
        sums = {name: (rows["slot"][starts], np.add.reduceat(self.choice.brings(rows, name), starts)) for name in names}
        block = Block(end_us, {name: r.settled(column) for name, column in rows.items()}, None, sums, quiet, int(rows["block_us"].min()))
        self._merged.append(block)
        self._count(block, +1, slots)

    def _join(self, begin_us: int, span_us: int, slots: int) -> None:
        """Make one block of the merged ones that lie between two turns of the clock, row by row as they are."""
        within = [b for b in self._merged if begin_us <= b.begin_us and b.end_us < begin_us + span_us]
        if len(within) < 2:
            return
        self._merged = deque(b for b in self._merged if b not in within)
        for block in within:
            self._count(block, -1, slots)
        rows = r.join([block.rows for block in within])
        self._settle(max(b.end_us for b in within), r.take(rows, order_of_small(rows["slot"])), sum(b.quiet for b in within), slots)
        self._merged = deque(sorted(self._merged, key=lambda b: b.end_us))  # a merge at this turn may have been of later panes

    def _compact(self, now_us: int, slots: int) -> None:
        """Many merged blocks have filled the budget: make one of them. Each row keeps its own time."""
        blocks = list(self._merged)
        self._merged.clear()
        for block in blocks:
            self._count(block, -1, slots)
        light = self._light(blocks)
        block_us = r.behind([block.rows["block_us"] for block in blocks])
        inside = block_us > now_us - self.length_us - self.wait_us
        light = r.take(light, inside)
        if not r.length(light):
            return
        # Time by time, so that what leaves the window takes no more with it than what came then.
        group, part = light["group"], block_us[inside] // max(self.length_us // COMPACT_PARTS, 1)
        kept = self.choice.fitted(light | {"group": mix(group, part), "of": group}, self.budget // 4, self.least // 4, whole="of")
        kept["group"] = kept.pop("of")
        self._settle(max(b.end_us for b in blocks), self._whole(blocks, kept), 0, slots)

    def _expire(self, now_us: int) -> None:
        self.choice.pass_time(now_us)
        for blocks in (self._fresh, self._merged):
            while blocks and blocks[0].end_us <= now_us - self.length_us - self.wait_us:
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


def _placed(columns: Sequence[Array], picks: Sequence[Array], places: Sequence[Array], n: int) -> Array:
    """Rows `picks[i]` of `columns[i]` at `places[i]` of a new column of `n` rows; one value where all have the same."""
    some = [column for column, at in zip(columns, picks, strict=True) if len(at)]
    if some and all(r.constant(column) and column[0] == some[0][0] for column in some):
        return r.alike(some[0], n)
    out: Array = np.empty(n, columns[0].dtype)
    for column, at, place in zip(columns, picks, places, strict=True):
        out[place] = r.pick(column, at) if len(at) else out[:0]
    return out
