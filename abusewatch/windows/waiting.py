"""Conversations waited for, in order of key, so that what comes later finds its other half by binary search."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from abusewatch.model import rows as r
from abusewatch.model.rows import Array, Columns
from abusewatch.windows.order import Index
from abusewatch.windows.pairs import BITS, MAXIMA, MINIMA, SUMS

TIMES = 2  # then a conversation is copied once for each doubling of those that come after it, and there are few tables to search


@dataclass(slots=True)
class Waiting:
    """Entries of `pairs.reduced`. Rows that have left stay in their place, marked `gone`, until `swept`: to close the gap costs a copy of all others."""

    entries: Columns = field(default_factory=dict)
    _gone: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))

    def __len__(self) -> int:
        """Count the conversations."""
        return len(self._gone) - int(np.count_nonzero(self._gone))

    def meet(self, new: Columns) -> tuple[NDArray[np.bool_], Index]:
        """Put new entries, in order of key, together with those of the same conversations; say which of the new ones found theirs, and where."""
        if not len(self._gone):
            return np.zeros(len(new["key"]), np.bool_), np.zeros(0, np.intp)
        key = self.entries["key"]
        at = np.searchsorted(key, new["key"])
        at[at == len(key)] = 0
        known = (key[at] == new["key"]) & ~self._gone[at]
        here, there = at[known], np.flatnonzero(known)
        for names, combine in ((SUMS, np.add), (MINIMA, np.minimum), (MAXIMA, np.maximum), (BITS, np.bitwise_or)):
            for name in names:
                r.put(self.entries, name, here, combine(r.pick(self.entries[name], here), r.pick(new[name], there)))
        return known, here

    def of_slots(self, slots: Array) -> Index:
        """Where the conversations of some slots are."""
        if not len(self):
            return np.zeros(0, np.intp)
        slot = self.entries["slot"]
        wanted = np.zeros(int(max(slot.max(), slots.max())) + 1, np.bool_)
        wanted[slots] = True
        return np.flatnonzero(wanted.take(slot) & ~self._gone)

    def leave(self, at: Index) -> None:
        """Let rows go."""
        self._gone[at] = True

    def take_out(self, at: Index) -> Columns:
        """Let rows go and give them."""
        self.leave(at)
        return r.take(self.entries, at)

    def swept(self) -> Columns:
        """All that is still here, in order of key."""
        return r.take(self.entries, ~self._gone) if self._gone.any() else self.entries

    def hold(self, entries: Columns) -> None:
        """Hold these, in any order, and nothing else; the mapping is ours from now on."""
        n = len(entries["key"]) if entries else 0
        if n and (entries["key"][1:] < entries["key"][:-1]).any():
            # Mostly two runs that are in order themselves, which a stable sort makes use of.
            order = np.argsort(entries["key"], kind="stable")
            for name in entries:  # one by one, since there is no room for all of them twice
                entries[name] = r.pick(entries[name], order)
        self.entries = entries
        self._gone = np.zeros(n, np.bool_)


@dataclass(slots=True)
class Runs:
    """Conversations waited for in several tables, each at least `TIMES` as long as the next: to add some more, few of those that are there are copied."""

    tables: list[Waiting] = field(default_factory=list)

    def __len__(self) -> int:
        """Count the conversations."""
        return sum(map(len, self.tables))

    def add(self, entries: Columns) -> None:
        """Hold these, in order of key, too."""
        if not len(entries["key"]):
            return
        while self.tables and len(self.tables[-1]) < TIMES * len(entries["key"]):
            both = Waiting()
            both.hold(r.joined([self.tables.pop().swept(), entries]))
            entries = both.entries
        last = Waiting()
        last.hold(entries)
        self.tables.append(last)

    def give(self) -> list[Waiting]:
        """Let go of all tables."""
        given, self.tables = self.tables, []
        return given
