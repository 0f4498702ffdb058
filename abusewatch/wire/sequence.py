"""How many export datagrams were lost on the way, by the sequence numbers in their headers.

NetFlow v9 and sFlow count datagrams, NetFlow v5 and IPFIX count records (RFC 3954 5.1, RFC 7011 3.1).
"""

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from abusewatch.model.flow import I64, Bool
from abusewatch.wire.domains import Domain
from abusewatch.wire.gaps import share

REORDER = 64
"""How many datagrams late a datagram may be and still be called late; further back is a restart of the exporter."""
RECORDS_PER_DATAGRAM = 64
"""Turns the above into records, for the versions that count those."""
MAX_GAP = 1 << 20
"""A jump ahead by more is a restart, not a loss: a million records are hours of outage for any exporter."""
GAPS = 64
"""How many gaps of a domain are remembered, so that a late datagram can be told from one sent twice."""
RECORDS_NUMBERED = frozenset({5, 10})
"""Versions whose sequence counts records; that of the others counts datagrams."""
UNKNOWN = -1
"""How much a datagram adds to the sequence when a set in it could not be counted."""


@dataclass(frozen=True, slots=True)
class Account:
    """What has come of one domain. `lost` and `duplicates` are in the unit of its sequence: records for v5 and IPFIX, datagrams for v9 and sFlow.

    `sampling_rate` is that of records that tell none themselves (0: unknown), `sampling_rates` are all in force, and `sampling_told_by` says by what.
    """

    exporter: int
    version: int
    domain: int
    datagrams: int
    records: int
    lost: int
    duplicates: int
    restarts: int
    missing_templates: int
    sampling_rate: int
    last_seen_us: int
    templates: int = 0
    sets_waiting: int = 0
    samples_lost: int = 0
    sampling_rates: tuple[int, ...] = ()
    sampling_told_by: str = ""
    skew_us: int | None = None

    @property
    def records_lost(self) -> float:
        """What is lost in records: where the sequence numbers datagrams, each is taken as one of the domain's average size."""
        return self.lost if self.version in RECORDS_NUMBERED else self.lost * self.records / max(self.datagrams, 1)

    @property
    def coverage(self) -> float:
        """The part of its records that reached us since it was first heard, 0 to 1."""
        return share(self.records, self.records_lost)


@dataclass(slots=True)
class Totals:
    """What was counted of all domains since the start, those included that have been forgotten; in the units of their sequences."""

    lost: int = 0
    duplicates: int = 0
    restarts: int = 0


class Ledger:
    """Counters by domain slot, kept as columns so that a batch costs a few operations, not one for each datagram."""

    FIELDS = ("datagrams", "records", "lost", "duplicates", "restarts", "last_seen_us", "expected")

    def __init__(self) -> None:
        self._columns = {name: np.zeros(0, np.int64) for name in self.FIELDS}
        self._gaps: dict[int, deque[tuple[int, int]]] = {}
        self.totals = Totals()

    def reset(self, slot: int) -> None:
        """Forget what a slot counted, when another domain takes it."""
        self._grow(slot + 1)
        self._gaps.pop(slot, None)
        for name, column in self._columns.items():
            column[slot] = UNKNOWN if name == "expected" else 0

    def _grow(self, size: int) -> None:
        have = len(self._columns["expected"])
        if size > have:
            more = max(size, 2 * have, 64) - have
            for name, column in self._columns.items():
                self._columns[name] = np.concatenate((column, np.full(more, UNKNOWN if name == "expected" else 0)))

    def add(self, slot: I64, sequence: I64, steps: I64, records: I64, at_us: int) -> tuple[I64, I64]:
        """Count datagrams in the order they came: each one's domain slot, sequence number, what it adds to it (or UNKNOWN) and its records.

        Returns those that seem to have come twice, by index, and what is lost before each (negative: it pays back what was), of shape (n,).
        """
        lost = np.zeros(len(slot), np.int64)
        if not len(slot):
            return lost, lost
        self._grow(int(slot.max()) + 1)
        columns = self._columns
        size = len(columns["expected"])
        columns["datagrams"] += np.bincount(slot, minlength=size)
        columns["records"] += np.bincount(slot, records, size).astype(np.int64)
        columns["last_seen_us"][slot] = at_us
        order = np.argsort(slot, kind="stable")
        slot, sequence, steps = slot[order], sequence[order], steps[order]
        first = np.append(True, slot[1:] != slot[:-1])
        follows = np.where(steps == UNKNOWN, UNKNOWN, (sequence + steps) & 0xFFFF_FFFF)
        expected = np.append(np.int64(UNKNOWN), follows[:-1])
        expected[first] = columns["expected"][slot[first]]
        odd = (expected != sequence) & (expected != UNKNOWN)
        last = np.append(first[1:], True)
        columns["expected"][slot[last]] = follows[last]
        if not odd.any():
            return lost[:0], lost
        rows = np.flatnonzero(np.isin(slot, slot[odd]))
        twice, jumps = self._settle(rows, slot, sequence, steps, expected, first)
        lost[order[rows[list(jumps)]]] = list(jumps.values())
        self.totals.lost += sum(jumps.values())
        return order[rows[twice]], lost

    def _settle(self, rows: I64, slot: I64, sequence: I64, steps: I64, expected: I64, first: Bool) -> tuple[list[int], dict[int, int]]:
        """Go through the domains that had a jump one datagram at a time; return the places, in `rows`, of those that came twice, and what others lost."""
        twice: list[int] = []
        jumps: dict[int, int] = {}
        columns = self._columns
        awaited = UNKNOWN
        picked = (column[rows].tolist() for column in (slot, sequence, steps, expected, first))
        for place, (number, seen, step, before, is_first) in enumerate(zip(*picked, strict=True)):
            if is_first:
                awaited = before
            ahead = (seen - awaited + (1 << 31) & 0xFFFF_FFFF) - (1 << 31) if awaited != UNKNOWN else 0
            late = REORDER * (1 if step == 1 else RECORDS_PER_DATAGRAM)
            if -late <= ahead < 0:
                paid = self._late(number, seen, max(step, 1))
                if paid:
                    jumps[place] = -paid
                else:
                    twice.append(place)
            else:
                if not 0 <= ahead <= MAX_GAP:
                    columns["restarts"][number] += 1
                    self.totals.restarts += 1
                elif ahead:
                    columns["lost"][number] += ahead
                    jumps[place] = ahead
                    self._gaps.setdefault(number, deque(maxlen=GAPS)).append((awaited, ahead))
                awaited = UNKNOWN if step == UNKNOWN else seen + step & 0xFFFF_FFFF
            columns["expected"][number] = awaited
        return twice, jumps

    def _late(self, slot: int, seen: int, step: int) -> int:
        """Take a datagram from before: it fills a gap that was counted as lost, and that much is returned; else it is a duplicate."""
        gaps = self._gaps.get(slot, deque())
        for place, (start, length) in enumerate(gaps):
            before = seen - start & 0xFFFF_FFFF
            if before < length:
                after = length - before - step
                del gaps[place]
                gaps.extend(gap for gap in ((start, before), (seen + step & 0xFFFF_FFFF, after)) if gap[1] > 0)
                paid = min(step, length - before)
                self._columns["lost"][slot] -= paid
                return paid
        self._columns["duplicates"][slot] += step
        self.totals.duplicates += step
        return 0

    def records_for(self, slot: I64, lost: I64, numbered: Bool) -> NDArray[np.float64]:
        """Turn what is lost into records: a datagram of a domain that numbers those (`numbered` is false) counts as one of its average size."""
        columns = self._columns
        each = columns["records"][slot] / np.maximum(columns["datagrams"][slot], 1)
        return np.where(numbered, lost, lost * each)

    def account(self, domain: Domain) -> Account:
        """Read the counters of one domain."""
        self._grow(domain.slot + 1)
        datagrams, records, lost, duplicates, restarts, last_seen_us = (int(self._columns[name][domain.slot]) for name in self.FIELDS[:-1])
        missing, rate = domain.missing, domain.rates.default
        return Account(*domain.key, datagrams, records, lost, duplicates, restarts, missing, rate, last_seen_us)
