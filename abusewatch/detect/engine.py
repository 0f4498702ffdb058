"""All rules over one pane: views, windows, judgement, episodes. The order of rules and rows changes nothing."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import reduce

import numpy as np

from abusewatch.detect import views
from abusewatch.detect.coded.seat import Seat
from abusewatch.detect.compact import compact
from abusewatch.detect.episodes import Coverage, Episodes, Owners, complete
from abusewatch.detect.rule import Rule
from abusewatch.detect.runner import SECOND, Firing, Runner
from abusewatch.detect.sieve import Floor, Sieve
from abusewatch.model import rows as r
from abusewatch.model.finding import Detection
from abusewatch.model.rows import Columns
from abusewatch.windows.order import among
from abusewatch.windows.panes import Pane


@dataclass(slots=True)
class _Held:
    """Rows of groups that fired before, waiting for the next judgement to say that they still do."""

    parts: list[tuple[int, Columns]] = field(default_factory=list)

    def add(self, end_us: int, rows: Columns, after_us: int) -> None:
        """Keep rows of a pane; forget what has left the window."""
        if self.parts and self.parts[0][0] <= after_us:
            self.parts = [part for part in self.parts if part[0] > after_us]
        if rows:
            self.parts.append((end_us, rows))

    def give(self, groups: np.ndarray) -> list[Columns]:
        """Hand out the rows of groups that fire again."""
        if not self.parts:
            return []
        wanted = among(np.concatenate([rows["group"] for _, rows in self.parts]), np.sort(groups))
        if not wanted.any():
            return []
        out: list[Columns] = []
        kept: list[tuple[int, Columns]] = []
        ends = np.cumsum([len(rows["group"]) for _, rows in self.parts])
        for (end_us, rows), again in zip(self.parts, np.split(wanted, ends[:-1]), strict=True):
            if again.any():
                out.append(r.take(rows, again))
            if not again.all():
                kept.append((end_us, r.take(rows, ~again)))
        self.parts = kept
        return out


class Engine:
    """Give it each closed pane with the conversations decided in it; it gives the findings that are new or have grown."""

    def __init__(self, rules: Sequence[Rule], owners: Owners, pane_us: int = 5 * SECOND) -> None:
        self.pane_us = pane_us
        self.rules = tuple(rule for rule in rules if rule.status != "sandbox")
        self.coverage: Coverage = complete
        self.now_us = 0
        self.episodes = Episodes(owners)
        self._grown: dict[tuple[str, int], None] = {}
        self._shed_before = 0
        self._runners: list[Runner] = []
        self._begin()

    def _begin(self) -> None:
        self._shed_before = self.shed_rows
        self._runners = [Runner(rule, self.pane_us) for rule in self.rules]
        self._held = {rule.id: _Held() for rule in self.rules}
        back = [runner for runner in self._runners if runner.looks_back]
        self._sieve = Sieve(reduce(Floor.least, (runner.floor for runner in back)), max(runner.wait_us for runner in back)) if back else None

    @property
    def seats(self) -> Iterator[tuple[str, Seat]]:
        """The coded detectors at work, by the id of their rule."""
        return ((runner.rule.id, runner.seat) for runner in self._runners if runner.seat)

    @property
    def waits(self) -> bool:
        """Whether time alone may bring a finding: rows are held that have not been judged, or an episode has grown and is to be told."""
        held = self._sieve is not None and self._sieve.holds
        return held or bool(self._grown) or any(runner.waits for runner in self._runners)

    @property
    def shed_rows(self) -> int:
        """How many rows of windows others stand for, or nobody, since there were too many."""
        return self._shed_before + sum(runner.window.shed_rows for runner in self._runners)

    def runner(self, rule_id: str) -> Runner | None:
        """A rule at work, for who wants to look at its window; None when it does not run."""
        return next((runner for runner in self._runners if runner.rule.id == rule_id), None)

    def close(self, pane: Pane, conversations: Columns, slots: int) -> list[Detection]:
        """Run every rule over a pane. `slots` is one more than the greatest slot number given out.

        After the last pane everything is told and forgotten: the clock may start anywhere.
        """
        self.now_us = pane.end_us
        seen = {"record": views.records(pane.rows), "conversation": views.conversations(conversations)}
        turn = self._sieve.turn(seen["record"], pane.end_us) if self._sieve else None
        changed: list[tuple[str, int]] = []
        for runner in self._runners:
            fired = self.episodes.fired(runner.rule.id)
            if turn and runner.looks_back:
                rows = runner.turn(turn, pane.end_us, slots, fired)
            else:
                rows = runner.add(seen[runner.rule.match.on], pane.end_us, slots, fired)
            runner.window.turn(pane.end_us, slots)
            changed += self._judge(runner, rows, fired, pane)
        compact([runner.window for runner in self._runners])
        seen["record"].rest()
        self._grown.update(dict.fromkeys(changed))
        due = [key for key in self._grown if pane.last or self.episodes.is_due(key, pane.end_us) or self.episodes.is_over(key, pane.end_us)]
        for key in due:
            del self._grown[key]
        found = (self.episodes.detection(key, self.coverage, pane.end_us) for key in due)
        told = [detection for detection in found if detection]
        self.episodes.end(pane.end_us, every=pane.last)
        if pane.last:
            self._begin()
        return told

    def _judge(self, runner: Runner, rows: Columns, fired: np.ndarray, pane: Pane) -> list[tuple[str, int]]:
        rule = runner.rule
        held = self._held[rule.id]
        held.add(pane.end_us, rows, pane.end_us - rule.match.window_secs * SECOND)
        firings = runner.fire(pane.end_us, last=pane.last)
        if not firings:
            return []
        known = np.isin(np.array([f.group for f in firings], np.uint64), fired)
        again: list[Firing] = [f for f, old in zip(firings, known, strict=True) if old]
        fresh: list[Firing] = [f for f, old in zip(firings, known, strict=True) if not old]
        parts = held.give(np.array([f.group for f in again], np.uint64))
        if fresh:
            parts.append(runner.window_rows(fresh, pane.end_us))
        return self.episodes.add(rule, firings, r.join(parts), pane.end_us) if parts else []

