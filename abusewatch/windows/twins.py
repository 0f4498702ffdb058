"""Flows that were exported twice are counted once: by two routers on one way, or by one router on the way in and on the way out.

What says so in its records (flowDirection, IPFIX element 61) is settled where they are decoded. Here it is told from the records themselves:

- Two exporters. A record of the same addresses, ports, protocol, packets and octets, whose start and end are within `APART_US` of the other's, is the same
  flow: packets of one flow take one way, so two routers that count the same of it at the same time stand behind each other. If one has more of
  such records than the other, the more stand.
- One exporter. Two such records of the same duration, of several packets, cannot come from one flow cache, since it would have put them together; two caches
  (in and out) make nothing else. So an exporter of whose flows of several packets at least half have a twin keeps two caches, and of its records each second
  of a pair goes, those of one packet as well. Before that is proven nothing of one exporter goes.

Sampled records are left alone: two samples of one flow count different packets, and no record of one can be found in the other.
A full look costs a sort. So a large pane is first looked at for some of the own addresses, a sixteenth or, where that is many rows, less, others each time,
and as a whole only where that has found twins in the last ten minutes.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from abusewatch.model import rows as r
from abusewatch.model.rows import Columns
from abusewatch.windows.order import Index, mix, order_of, starts_of

SECOND = 1_000_000
APART_US = 1_100_000
"""Version 9 tells the time of its clock in whole seconds, so the times of its records are off by up to one, each datagram's by its own part."""
EXACT_US = 2_000
"""Durations are told in whole milliseconds, so two of one flow differ by one at most."""
SMALL = 4_096
"""Rows of a pane that is always looked at as a whole: a millisecond or so every five seconds."""
PARTS = 16
ENOUGH = 8_192
"""Rows of which half a hundredth are enough to tell."""
SUSPECT_SHARE = 0.005
HOT_US = 600 * SECOND
PROVEN_PAIRS = 8
PROVEN_SHARE = 0.5
MEMORY = 4_096
"""Flows of several packets after which what is known of an exporter counts half: it may have been set up anew."""
MOST_EXPORTERS = 4_096

KEY = ("own_hi", "own_lo", "peer_hi", "peer_lo", "own_port", "peer_port", "protocol", "packets", "bytes", "outbound")
NEEDED = (*KEY, "exporter", "start_us", "end_us", "sampling_rate", "slot")

Bool = NDArray[np.bool_]


@dataclass(slots=True)
class _Caches:
    """What an exporter's flows of several packets were: how many, and how many of them had a twin."""

    flows: float = 0
    twins: float = 0

    @property
    def two(self) -> bool:
        return self.twins >= 2 * PROVEN_PAIRS and self.twins >= PROVEN_SHARE * self.flows

    def add(self, flows: int, twins: int) -> None:
        self.flows += flows
        self.twins += twins
        if self.flows > MEMORY:
            self.flows, self.twins = self.flows / 2, self.twins / 2


@dataclass(slots=True)
class Twins:
    """Takes panes in order of time and leaves out what was counted before. `dropped` counts what went."""

    dropped: int = 0
    _hot_until_us: int = 0
    _turn: int = 0
    _caches: dict[int, _Caches] = field(default_factory=dict)
    _tail: Columns = field(default_factory=dict)
    """Rows of the end of the pane before, whose twins may lie in this one."""

    def once(self, rows: Columns, end_us: int, *, part: bool = False) -> Columns:
        """Leave out the second of each pair of rows of a pane that ends at `end_us`; the same object when there is none.

        `part` says that more of the same pane follows.
        """
        eligible = (rows["exporter"] > 0) & (rows["sampling_rate"] <= 1) if r.length(rows) else np.zeros(0, np.bool_)
        number = np.count_nonzero(eligible)
        if number > SMALL and end_us > self._hot_until_us and self._suspects(rows, eligible):
            self._hot_until_us = end_us + HOT_US
        if not number or (number > SMALL and end_us > self._hot_until_us):
            self._tail = {}
            return rows
        at = np.flatnonzero(eligible)
        looked = {name: rows[name][at] for name in NEEDED}
        before = r.length(self._tail) if self._tail else 0
        both = r.join([self._tail, looked]) if before else looked
        kept = ~self._second(both, before)[before:]
        self._tail = r.take(looked, kept if part else kept & (looked["end_us"] >= end_us - APART_US))
        count = int(np.count_nonzero(~kept))
        self.dropped += count
        if not count:
            return rows
        stays = np.ones(r.length(rows), np.bool_)
        stays[at[~kept]] = False
        return r.take(rows, stays)

    def _suspects(self, rows: Columns, eligible: Bool) -> bool:
        """Look at some of the own addresses, others each time, and say whether there are twins among them."""
        self._turn += 1
        parts = max(PARTS, 1 << (len(eligible) // ENOUGH).bit_length())
        few = np.flatnonzero(eligible & ((rows["slot"] & (parts - 1)) == self._turn % parts))
        gone = self._second({name: rows[name][few] for name in NEEDED}, 0)
        return bool(np.count_nonzero(gone) > SUSPECT_SHARE * len(few))

    def _second(self, rows: Columns, before: int) -> Bool:
        """Say which rows are the second of a pair; none of the first `before`, which have been given out."""
        gone = np.zeros(r.length(rows), np.bool_)
        keys = mix(*(rows[name] for name in KEY))
        alike, fewer = _alike(keys, rows)
        self._learn(rows, before, fewer, alike)
        if len(alike):
            pairs = np.concatenate((self._across(fewer), self._within(fewer)), axis=1)
            mine, other = alike[pairs[0]], alike[pairs[1]]
            # Of two of which one has been given out the other goes; when both have been, nothing can be done.
            gone[np.where(mine < before, other, mine)] = True
            gone[:before] = False
        return gone

    @staticmethod
    def _across(rows: Columns) -> NDArray[np.intp]:
        """Pair the records of a flow that one exporter has with those of the exporter that has most of it: (second, first) by index, of shape (2, k)."""
        key = rows["key"]
        flow_starts = starts_of(key)
        part_starts = np.flatnonzero(np.concatenate(([True], ~_joined(rows))))
        size = np.diff(np.append(part_starts, len(key)))
        flow_of = np.searchsorted(flow_starts, part_starts, side="right") - 1
        best = np.lexsort((np.arange(len(size)), -size, flow_of))
        best = best[starts_of(flow_of[best])]
        part_of = np.repeat(np.arange(len(size)), size)
        rank = np.arange(len(key)) - part_starts[part_of]
        chosen = best[flow_of[part_of]]
        other = np.flatnonzero(chosen != part_of)
        partner = part_starts[chosen[other]] + rank[other]
        near = _near(rows, other, partner)
        return np.stack((other[near], partner[near]))

    def _within(self, rows: Columns) -> NDArray[np.intp]:
        """Pair the records that exporters of two caches have twice."""
        proven = [exporter for exporter, caches in self._caches.items() if caches.two]
        mine = np.flatnonzero(np.isin(rows["exporter"], np.array(proven, np.uint32))) if proven else np.zeros(0, np.intp)
        first, second = _pairs(rows, mine)
        return np.stack((second, first))

    def _learn(self, rows: Columns, before: int, fewer: Columns, alike: Index) -> None:
        """Note, exporter by exporter, how many flows of several packets came, and how many of those had a twin in the same exporter."""
        several = (rows["packets"] > 1) & (rows["end_us"] > rows["start_us"])
        several[:before] = False
        exporters, flows = np.unique(rows["exporter"][several], return_counts=True)
        twins = np.zeros(len(exporters), np.int64)
        first = _pairs(fewer, np.flatnonzero(several[alike]))[0]
        np.add.at(twins, np.searchsorted(exporters, fewer["exporter"][first]), 2)
        for exporter, number, doubled in zip(exporters.tolist(), flows.tolist(), twins.tolist(), strict=True):
            if exporter in self._caches or len(self._caches) < MOST_EXPORTERS:
                self._caches.setdefault(exporter, _Caches()).add(number, doubled)


def _alike(keys: NDArray[np.uint64], rows: Columns) -> tuple[Index, Columns]:
    """Rows whose key another row has as well, by index and as columns, in the order of key, exporter and start."""
    order = order_of(keys)
    ordered = keys[order]
    same = np.concatenate(([False], ordered[1:] == ordered[:-1], [False])) if len(keys) else np.zeros(1, np.bool_)
    alike = order[same[1:] | same[:-1]]
    key, exporter, start_us = keys[alike], rows["exporter"][alike], rows["start_us"][alike]
    if len(alike):
        # Keys are together already; the flow's number in the upper bits leaves few places to change.
        number = np.searchsorted(np.unique(exporter), exporter)
        flow = np.cumsum(np.concatenate(([0], key[1:] != key[:-1])))
        since_ms = np.clip((start_us - start_us.min()) // 1_000, 0, (1 << 31) - 1)
        again = np.argsort(flow << 43 | np.minimum(number, MOST_EXPORTERS - 1) << 31 | since_ms, kind="stable")
        alike = alike[again]
    return alike, {name: rows[name][alike] for name in ("exporter", "start_us", "end_us")} | {"key": keys[alike]}


def _joined(rows: Columns) -> Bool:
    """Which rows are of the same flow and exporter as the one before, the first row left out."""
    joined: Bool = (rows["key"][1:] == rows["key"][:-1]) & (rows["exporter"][1:] == rows["exporter"][:-1])
    return joined


def _pairs(rows: Columns, mine: Index) -> tuple[Index, Index]:
    """Pair records of one exporter that are alike in duration too and begin together: the first with the second, the third with the fourth."""
    rows = {name: column[mine] for name, column in rows.items()}
    joined = _joined(rows) if len(mine) else np.zeros(0, np.bool_)
    few = np.flatnonzero(np.concatenate(([False], joined)) | np.concatenate((joined, [False]))) if joined.any() else np.zeros(0, np.intp)
    if not len(few):
        return few, few
    mine, rows = mine[few], {name: column[few] for name, column in rows.items()}
    duration = rows["end_us"] - rows["start_us"]
    order = np.lexsort((rows["start_us"], duration, rows["exporter"], rows["key"]))
    rows, duration = {name: column[order] for name, column in rows.items()}, duration[order]
    together = _joined(rows) & (np.diff(duration) < EXACT_US) & (np.diff(rows["start_us"]) <= APART_US)
    begins = np.flatnonzero(np.concatenate(([True], ~together)))
    rank = np.arange(len(order)) - np.repeat(begins, np.diff(np.append(begins, len(order))))
    second = np.flatnonzero(rank % 2 == 1)
    return mine[order[second - 1]], mine[order[second]]


def _near(rows: Columns, one: Index, other: Index) -> Bool:
    start, end = (np.abs(rows[name][one] - rows[name][other]) <= APART_US for name in ("start_us", "end_us"))
    near: Bool = start & end
    return near
