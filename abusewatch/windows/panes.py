"""Panes: equal slices of event time that close when the data says that time has passed.

The watermark is the newest end time seen less the allowed lateness, which is learned (`windows.lag`), and never goes back. A row belongs to the pane of
its end, because that is when an exporter knows it. What comes for a closed pane is late: counted and left out, since putting it into another pane would
invent a burst. A capture may restart its clock; with `restart` a step back of more than the lateness closes everything and begins anew.
"""

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from abusewatch.model import rows as r
from abusewatch.model.rows import Columns
from abusewatch.windows.lag import Lag
from abusewatch.windows.order import KERNEL, starts_of

SECOND = 1_000_000
BEGINNING = 1 << 62
OPEN_PANES = 2  # full panes that may be open at a time; more are only needed where exporters hold much back


@dataclass(frozen=True, slots=True)
class Pane:
    """One closed pane: rows whose end lies in (end - length, end], and the event time of its close in microseconds.

    `part`: it was closed early because it was full, and more of the same pane will follow.
    """

    end_us: int
    rows: Columns
    last: bool = False
    part: bool = False


@dataclass(slots=True)
class Panes:
    """Collects rows and hands out panes in order of time.

    `row_budget` bounds memory: a pane that holds more closes early, as a part of itself; so does the oldest one when all together hold twice as much. Whatever
    came in parts ends with one that is none, even if nothing is left for it: what waits for time to pass is asked then.
    """

    pane_us: int = 5 * SECOND
    lateness_us: int = 10 * SECOND
    row_budget: int = 400_000
    restart: bool = False
    late_rows: int = 0
    split_panes: int = 0
    _open: dict[int, list[Columns]] = field(default_factory=dict)
    _sizes: dict[int, int] = field(default_factory=dict)
    _parted: set[int] = field(default_factory=set)
    """Panes of which parts were closed, and that have not ended."""
    _closed: int | None = None
    _newest_us: int = -BEGINNING
    _reached: int = -BEGINNING
    _lag: Lag = field(init=False)

    def __post_init__(self) -> None:
        """Begin with the lateness given."""
        self._lag = Lag(self.pane_us, self.lateness_us)

    def add(self, *parts: Columns) -> list[Pane]:
        """Take rows in any order, which are ours from now on; give the panes that this closes, oldest first."""
        parts = tuple(rows for rows in parts if r.length(rows))
        if not parts:
            return []
        newest_us = max(int(rows["end_us"].max()) for rows in parts)
        out = self._restarted(newest_us)
        self._newest_us = max(self._newest_us, newest_us)
        for rows in parts:
            self._file(rows)
        return out + self._over_budget() + self.advance(max(self._newest_us - self.lateness_us, (self._reached + 1) * self.pane_us))

    def punctual(self, end_us: NDArray[np.int64]) -> NDArray[np.bool_] | None:
        """Which records, in the order in which they came, are not late; None: all. Judged one by one, so that batches change nothing."""
        if not len(end_us):
            return None
        if self._closed is not None and self.restart and int(end_us.max()) < self._closed * self.pane_us - self.lateness_us:
            return None
        newest = greatest_before(end_us, int(end_us[0]) if self._newest_us == -BEGINNING else self._newest_us)
        if self._closed is not None:
            self._reached = max(self._reached, self._closed)
        fresh = np.ones(len(end_us), np.bool_)
        for first, stop in pairwise(self._turns(newest)):
            fresh[first:stop] = self._in_time(end_us[first:stop], newest[first:stop])
            if newest[stop] // self.pane_us > newest[stop - 1] // self.pane_us:
                self._lag.turn()
                self.lateness_us = self._lag.lateness_us
        self._newest_us = int(newest[-1])
        self._reached = max(self._reached, self._horizon(self._newest_us))
        self.late_rows += int(len(fresh) - np.count_nonzero(fresh))
        return None if fresh.all() else fresh

    def _turns(self, newest: NDArray[np.int64]) -> list[int]:
        """Where to cut records so that each part ends with one that reaches another pane: the lateness is settled after it, in every run."""
        end = len(newest) - 1
        if newest[0] // self.pane_us == newest[-1] // self.pane_us:
            return [0, end]
        turns: list[int] = (np.flatnonzero(np.diff(newest // self.pane_us)) + 1).tolist()
        return [0, *turns] if turns[-1] == end else [0, *turns, end]

    def _in_time(self, end_us: NDArray[np.int64], before: NDArray[np.int64]) -> NDArray[np.bool_] | bool:
        self._lag.note(before - end_us)
        reached, self._reached = self._reached, max(self._reached, self._horizon(int(before[-1])))
        if int(end_us.min()) // self.pane_us > self._reached:
            return True
        fresh: NDArray[np.bool_] = end_us // self.pane_us > np.maximum((before - self.lateness_us) // self.pane_us - 1, reached)
        return fresh

    def _horizon(self, newest_us: int) -> int:
        """The last pane that a watermark closes."""
        return (newest_us - self.lateness_us) // self.pane_us - 1

    def advance(self, watermark_us: int) -> list[Pane]:
        """Close every pane that ended at or before the watermark."""
        horizon = watermark_us // self.pane_us - 1
        done = sorted(n for n in self._open.keys() | self._parted if n <= horizon)
        self._closed = horizon if self._closed is None else max(self._closed, horizon)
        return [self._close(n) for n in done]

    def flush(self) -> list[Pane]:
        """Close all that is open; afterwards the clock may start anywhere."""
        out = [self._close(n) for n in sorted(self._open.keys() | self._parted)]
        self._closed, self._newest_us, self._reached = None, -BEGINNING, -BEGINNING
        return out

    def _restarted(self, newest_us: int) -> list[Pane]:
        behind = self._closed is not None and newest_us < self._closed * self.pane_us - self.lateness_us
        if not (self.restart and behind):
            return []
        panes = self.flush()
        return [*panes, Pane(panes[-1].end_us if panes else 0, r.empty(), last=True)]

    def _file(self, rows: Columns) -> None:
        number = rows["end_us"] // self.pane_us
        if self._closed is not None and int(number.min()) <= self._closed:
            fresh = number > self._closed
            self.late_rows += int(len(fresh) - np.count_nonzero(fresh))
            rows, number = r.take(rows, fresh), number[fresh]
        if not len(number):
            return
        low, high = int(number.min()), int(number.max())
        ordered = number[:1] if low == high else np.sort(number)
        for n in ordered[starts_of(ordered)].tolist():
            part = rows if low == high else r.take(rows, number == n)
            self._open.setdefault(n, []).append(part)
            self._sizes[n] = self._sizes.get(n, 0) + r.length(part)

    def _over_budget(self) -> list[Pane]:
        full = sorted(n for n, size in self._sizes.items() if size > self.row_budget)
        held = sum(self._sizes.values()) - sum(self._sizes[n] for n in full)
        for n in sorted(self._sizes.keys() - set(full)):
            if held <= OPEN_PANES * self.row_budget:
                break
            held -= self._sizes[n]
            full.append(n)
        self.split_panes += len(full)
        return [self._close(n, part=True) for n in sorted(full)]

    def _close(self, n: int, *, part: bool = False) -> Pane:
        self._sizes.pop(n, None)
        if part:
            self._parted.add(n)
        else:
            self._parted.discard(n)
        parts = self._open.pop(n, None)
        return Pane((n + 1) * self.pane_us, r.joined(parts) if parts else r.empty(), part=part)


def greatest_before(values: NDArray[np.int64], begun: int) -> NDArray[np.int64]:
    """The greatest of `begun` and the values before each value, and last that of all: (n + 1,)."""
    if KERNEL is None:
        return np.maximum.accumulate(np.concatenate(([begun], values)))
    out = np.empty(len(values) + 1, np.int64)
    out[0] = begun
    KERNEL.greatest_before(out, values)
    return out
