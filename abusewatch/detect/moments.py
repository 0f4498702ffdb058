"""One rule over the rows of one address, without gates: which rows it takes and why not the others, when its condition first held, and how near it came."""

from collections import Counter
from typing import Any

import msgspec
import numpy as np

from abusewatch.detect.compile import compile_groups, compile_rows
from abusewatch.detect.episodes import PROTOCOLS
from abusewatch.detect.expression import RuleError, text
from abusewatch.detect.matching import parts
from abusewatch.detect.nearness import Clause, clauses, filled, nearness, number
from abusewatch.detect.parse import parse
from abusewatch.detect.rule import Key, Raise, Rule
from abusewatch.detect.runner import Runner, Weighed
from abusewatch.detect.views import View
from abusewatch.model import address, kinds
from abusewatch.model import rows as r
from abusewatch.model.rows import Array, Columns
from abusewatch.windows.order import starts_of

MOST_PANES = 60
SIDES = {"src": "own", "dst": "peer", "src_port": "own_port", "dst_port": "peer_port"}
SWAPPED = {"own": "peer", "peer": "own", "own_port": "peer_port", "peer_port": "own_port"}


class Moment(msgspec.Struct, frozen=True):
    """A judgement of one group: what was in the window, what came out, and how the condition stood. Times in microseconds, UTC.

    `panes` are the panes that brought rows, each with its end and how many. `estimates` holds what the sample makes likely of those measures of which
    less is proved; the condition is judged on `measures`. `frames` are of the capture, empty when there is none.
    """

    end_us: int
    first_us: int
    last_us: int
    group: dict[str, str]
    severity: str
    threshold: str
    filled: str
    near: float
    clauses: tuple[Clause, ...]
    measures: dict[str, float]
    estimates: dict[str, float]
    sampling_rate: int
    rows: int
    panes: tuple[tuple[int, int], ...]
    frames: tuple[int, ...]


class Watch:
    """Feed it panes (`take`, then `judge`); it keeps counts and at most three moments."""

    def __init__(self, rule: Rule, pane_us: int, runner: Runner | None = None) -> None:
        """Watch with a runner of its own, or look at the window of one that is at work (then only `look` is of use)."""
        self.rule = rule
        self.seen = self.matched = 0
        self.failed: Counter[str] = Counter()
        self.first: Moment | None = None
        self.strongest: Moment | None = None
        self.nearest: Moment | None = None
        self.because = ""
        self._pane_us = pane_us
        self._parts = _spoken(rule)
        self._near = [(each, compile_groups(each.when), nearness(each.when)) for each in rule.raises]
        self._rank: tuple[int, float] = (-1, 0.0)
        self._best = (-1.0, 0.0)
        self._reach = -1.0
        self._lacks = ""
        self._groups = np.zeros(0, np.uint64)
        self._strangers = False
        self._runner = runner or self._ungated()

    def _ungated(self) -> Runner:
        return Runner(self.rule, self._pane_us, gated=False)

    @property
    def gate(self) -> str:
        """What the first counter of the engine, one an address, lacked at its highest; empty when it was reached or there is none."""
        return self._lacks if self._reach < 1 else ""

    def take(self, view: View, end_us: int, slots: int, mine: Array | None = None) -> None:
        """Add the rows of a pane; `mine` (n,) are those of the address itself (None: all), of which alone is told."""
        if not view.rows:
            return
        left = np.ones(view.rows, np.bool_) if mine is None else mine
        self.seen += int(np.count_nonzero(left))
        for words, holds in (*self._parts, *self._runner.tacit):
            passes = left & holds(view)
            self.failed[words] += int(np.count_nonzero(left) - np.count_nonzero(passes))
            left = passes
        self.failed = +self.failed
        self.matched += int(np.count_nonzero(left))
        if mine is not None:
            self._groups = np.union1d(self._groups, self._runner.groups(view, np.flatnonzero(left)))
            self._strangers = True
        self._runner.add(view, end_us, slots, np.zeros(0, np.uint64))

    def judge(self, end_us: int, *, last: bool = False) -> None:
        """Judge as the engine does, at most once a step."""
        for weighed in self._runner.weighed(end_us, last=last):
            self.look(weighed)
        if last:
            self._runner = self._ungated()

    def look(self, weighed: Weighed) -> None:
        """Keep of one judgement what goes further than those before."""
        self._count(weighed)
        if self._runner.seat is None or not self._runner.seat.lost:
            self._weigh(weighed)

    def _count(self, weighed: Weighed) -> None:
        """How far the totals of the busiest slot go towards the bounds that open the engine's gate."""
        rows = weighed.rows
        order = np.argsort(rows["slot"], kind="stable")
        starts = starts_of(rows["slot"][order])
        for bounds in self._runner.bounds:
            sums = {
                name: float(np.add.reduceat(self._runner.window.choice.brings(rows, name)[order], starts).max())
                for name in bounds
            }
            reach = min(sums[name] / bound for name, bound in bounds.items())
            if reach > self._reach:
                self._reach = reach
                lacking = [
                    f"{name} {number(sums[name])}, needs {number(bound)}"
                    for name, bound in bounds.items()
                    if sums[name] < bound
                ]
                self._lacks = " and ".join(lacking)
        if not self._runner.bounds:
            self._reach = 1.0

    def _weigh(self, weighed: Weighed) -> None:
        hashes = weighed.rows["group"][weighed.groups.starts]
        known = np.isin(hashes, self._groups) if self._strangers else np.ones(len(hashes), np.bool_)
        leading = next(iter(weighed.values.values()))
        for raised, holds, near in self._near:
            held = np.asarray(holds(weighed.values)) & known
            nearly = near(weighed.values) * known
            rank = kinds.SEVERITIES.index(raised.severity)
            for g in np.flatnonzero(held & ((rank > self._rank[0]) | (leading > self._rank[1]))).tolist():
                if (rank, float(leading[g])) > self._rank:
                    self._rank = rank, float(leading[g])
                    self.strongest = self._moment(weighed, g, raised, 1.0)
                    self.because = raised.because
                    self.first = self.first or self.strongest
            if self.first is None and known.any():
                g = int(np.lexsort((leading, nearly))[-1])
                if (float(nearly[g]), float(leading[g])) > self._best:
                    self._best = float(nearly[g]), float(leading[g])
                    self.nearest = self._moment(weighed, g, raised, self._best[0])

    def _moment(self, weighed: Weighed, g: int, raised: Raise, near: float) -> Moment:
        begin = int(weighed.groups.starts[g])
        group, slot = weighed.rows["group"][begin], weighed.rows["slot"][begin : begin + 1]
        rows = self._runner.window.evidence_of(slot, weighed.end_us)
        inside = (rows["group"] == group) & (
            rows["block_us"] > weighed.end_us - self.rule.match.window_secs * 1_000_000
        )
        rows = r.take(
            rows, inside & ((rows["block_us"] <= weighed.end_us) | rows.get("back", np.zeros(len(inside), np.bool_)))
        )
        values = {name: float(value[g]) for name, value in weighed.values.items()}
        last = int(rows.get("frame_last", rows["frame"]).max())
        return Moment(
            end_us=weighed.end_us, first_us=int(rows["start_us"].min()), last_us=int(rows["end_us"].max()),
            group={key.text: _key(key, rows) for key in self.rule.match.per}, severity=raised.severity, threshold=raised.text,
            filled=filled(raised.when, values), near=round(near, 4), clauses=clauses(raised.when, values), measures=values,
            estimates=self._estimates(weighed, g, values), sampling_rate=int(rows["sampling_rate"].max()), rows=round(float(rows["weight"].sum())),
            panes=_panes(rows), frames=(int(rows["frame"].min()), last) if last else (),
        )  # fmt: skip

    def _estimates(self, weighed: Weighed, g: int, values: dict[str, float]) -> dict[str, float]:
        """What is likely instead of proved: the same rows measured as if nothing had been sampled, since their values are scaled already."""
        rows = weighed.rows
        whole = {"sampling_rate": np.ones_like(rows["sampling_rate"]), "level": np.zeros_like(rows["level"])}
        likely = self._runner.weigh(weighed.end_us, rows | whole).values
        return {name: float(value[g]) for name, value in likely.items() if float(value[g]) != values[name]}


def _spoken(rule: Rule) -> list[tuple[str, Any]]:
    """The parts of `where` that must all hold, each in the words of the rule's author."""
    bound = parts(rule.match.where)
    if not bound:
        return []
    try:
        written = parts(parse(rule.match.where_text))
    except RuleError:
        written = bound
    words = written if len(written) == len(bound) else bound
    return [(text(said), compile_rows(part)) for said, part in zip(words, bound, strict=True)]


def _panes(rows: Columns) -> tuple[tuple[int, int], ...]:
    """The panes that brought rows; of very many the first and the last."""
    order = np.argsort(rows["block_us"], kind="stable")
    ends, weight = rows["block_us"][order], rows["weight"][order]
    starts = starts_of(ends)
    found = list(zip(ends[starts].tolist(), map(round, np.add.reduceat(weight, starts).tolist()), strict=True))
    return tuple(found if len(found) <= MOST_PANES else found[: MOST_PANES // 2] + found[-MOST_PANES // 2 :])


def _key(key: Key, rows: Columns) -> str:
    """The value of a key in the first row of a group, in words."""
    column = SIDES.get(key.column, key.column)
    if "ours" in rows and not rows["ours"][0] and key.column in SIDES:
        column = SWAPPED[column]
    if column == "protocol":
        return PROTOCOLS.get(int(rows["protocol"][0]), str(int(rows["protocol"][0])))
    if column in {"own", "peer"}:
        return address.text(int(rows[f"{column}_hi"][0]), int(rows[f"{column}_lo"][0]))
    return str(rows[column][0]) if column in rows else "?"
