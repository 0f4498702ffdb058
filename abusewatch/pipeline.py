"""Spine 1, from flow to incident: batch -> label -> panes -> twins -> conversations and rules (a share of them in each process) -> correlate -> save.

Left of `save` everything may be dropped but is counted (`counts`); right of it nothing may be lost.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from abusewatch.detect.engine import Engine
from abusewatch.detect.episodes import Owners
from abusewatch.detect.rule import Rule
from abusewatch.inventory import Inventory
from abusewatch.model import rows as r
from abusewatch.model.finding import Detection
from abusewatch.model.flow import FlowBatch
from abusewatch.shards.decider import Decider
from abusewatch.shards.share import Share
from abusewatch.usage.meter import Meter
from abusewatch.windows import heap
from abusewatch.windows.panes import SECOND, Pane, Panes
from abusewatch.windows.twins import Twins

MOST_EMPTY_PANES = 40  # 200 s: the longest that a conversation waits for its outcome, and a rule for answers
AFTER_US = 3600 * SECOND  # more than conversations, answers and levels of an address outlast its last row beside the windows of rules


class Sink(Protocol):
    """Where findings go: correlated into incidents and saved (the daemon), or collected (a replay)."""

    def __call__(self, detections: Sequence[Detection]) -> None:
        """Take findings that are new or have grown."""
        ...


MakeEngine = Callable[[Sequence[Rule], Owners, int], Engine]


class Pipeline:
    """One spine. Not thread-safe: one worker feeds it. Everything in it is event time, so a replay and a live run find the same."""

    def __init__(
        self,
        rules: Sequence[Rule],
        inventory: Inventory,
        sink: Sink,
        *,
        lateness_us: int = 10 * SECOND,
        restart: bool = False,
        engine: MakeEngine = Engine,
        decider: Decider | None = None,
    ) -> None:
        heap.settle()
        self.inventory = inventory
        self.panes = Panes(lateness_us=lateness_us, restart=restart)
        self.panes.row_budget *= decider.processes if decider else 1  # each has its part of a pane, and what a part costs however few its rows
        self.twins = Twins()
        self.meter: Meter | None = None  # of who wants to know how much passes; a replay does not
        self.decider = decider or Share(engine(rules, inventory, self.panes.pane_us), inventory)
        inventory.slots.idle_us = max((rule.match.window_secs for rule in rules), default=0) * SECOND + AFTER_US
        self.directions: Counter[str] = Counter()
        self.records = 0
        self._sink = sink

    def feed(self, batch: FlowBatch, exporter_name: Callable[[int], str] = str) -> None:
        """Take a batch of records in any order."""
        self.records += len(batch)
        punctual = self.panes.punctual(np.maximum(batch.start_us, batch.end_us))
        sides, directions = self.inventory.sides(batch if punctual is None else batch.take(punctual), exporter_name)
        self.directions.update({direction.name.lower(): n for direction, n in directions.items()})
        self._close(self.panes.add(*sides))
        self._tell(self.decider.ready())

    def advance(self, now_us: int) -> None:
        """Let event time pass on a source that has gone silent."""
        watermark_us = now_us - self.panes.lateness_us
        self._close(self.panes.advance(watermark_us))
        self._pass_time(watermark_us)

    def flush(self) -> None:
        """Decide everything that is open: the input has ended."""
        self._close(self.panes.flush())
        self._close([Pane(0, {}, last=True)])
        self.settle()

    def settle(self) -> None:
        """Hand over what is found in every pane that has closed."""
        self._tell(self.decider.settled())

    def _close(self, panes: Iterable[Pane]) -> None:
        for pane in panes:
            if pane.last:
                self._end()
                continue
            self._pass_time(pane.end_us - self.panes.pane_us)
            self._decide(pane)

    def _decide(self, pane: Pane) -> None:
        self._now_us = max(pane.end_us, self._now_us)
        self.inventory.slots.pass_time(self._now_us)
        pane = replace(pane, rows=self.twins.once(pane.rows, pane.end_us, part=pane.part))
        if self.meter:
            self.meter.add(pane.rows, pane.end_us, len(self.inventory.slots), self.inventory.slots.freed)
        self._tell(self.decider.close(pane, len(self.inventory.slots)))

    def _tell(self, found: Iterable[Sequence[Detection]]) -> None:
        for detections in found:
            self._sink(detections)

    def _pass_time(self, until_us: int) -> None:
        """Close empty panes while an outcome or a judgement is due, so that what is found does not hang on whether somebody else sends."""
        for _ in range(MOST_EMPTY_PANES):
            end_us = self._now_us + self.panes.pane_us
            if not self._now_us or end_us > until_us or not self.decider.waits:
                return
            self._decide(Pane(end_us, r.empty()))

    def _end(self) -> None:
        """Decide what is still open by the last time that was seen; then the clock may start anywhere."""
        self._tell(self.decider.close(Pane(self._now_us, {}, last=True), len(self.inventory.slots)))
        self._now_us = 0

    _now_us = 0
