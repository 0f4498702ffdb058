"""Spine 1, from flow to incident: batch -> label -> panes -> conversations -> rules -> correlate -> save.

Left of `save` everything may be dropped but is counted (`counts`); right of it nothing may be lost.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from abusewatch.detect.engine import Engine
from abusewatch.detect.rule import Rule
from abusewatch.inventory import Inventory
from abusewatch.model.finding import Detection
from abusewatch.model.flow import FlowBatch
from abusewatch.windows.conversations import Conversations
from abusewatch.windows.panes import SECOND, Pane, Panes


class Sink(Protocol):
    """Where findings go: correlated into incidents and saved (the daemon), or collected (a replay)."""

    def __call__(self, detections: Sequence[Detection]) -> None:
        """Take findings that are new or have grown."""
        ...


class Pipeline:
    """One spine. Not thread-safe: one worker feeds it. Everything in it is event time, so a replay and a live run find the same."""

    def __init__(self, rules: Sequence[Rule], inventory: Inventory, sink: Sink, *, lateness_us: int = 10 * SECOND, restart: bool = False) -> None:
        self.inventory = inventory
        self.panes = Panes(lateness_us=lateness_us, restart=restart)
        self.conversations = Conversations()
        self.engine = Engine(rules, inventory, self.panes.pane_us)
        self.directions: Counter[str] = Counter()
        self.records = 0
        self._sink = sink

    def feed(self, batch: FlowBatch, exporter_name: Callable[[int], str] = str) -> None:
        """Take a batch of records in any order."""
        rows, directions = self.inventory.label(batch, exporter_name)
        self.records += len(batch)
        self.directions.update({direction.name.lower(): n for direction, n in directions.items()})
        self._close(self.panes.add(rows))

    def advance(self, now_us: int) -> None:
        """Let event time pass on a source that has gone silent."""
        self._close(self.panes.advance(now_us - self.panes.lateness_us))

    def flush(self) -> None:
        """Decide everything that is open: the input has ended."""
        self._close(self.panes.flush())
        self._close([Pane(self._now_us, {}, last=True)])

    def _close(self, panes: Iterable[Pane]) -> None:
        for pane in panes:
            self._now_us = max(pane.end_us, self._now_us) if not pane.last else self._now_us
            decided = self.conversations.flush(self._now_us) if pane.last else self.conversations.close(pane)
            self._sink(self.engine.close(pane, decided, len(self.inventory.slots)))

    _now_us = 0
