"""Levels: which part of a busy address's conversations is followed, so that no spray fills the table or hides another customer's attack.

An own address with more conversations in a pane than `budget` is followed at 1:2, 1:4, ... by the hash of the conversation, which both directions share,
so a pair is followed whole or not at all. Rows kept weigh 2 ** level. Levels rise at once and fall slowly; they depend on whole panes only, not on batches.
"""

from dataclasses import dataclass, field

import numpy as np

from abusewatch.model.rows import Array
from abusewatch.windows.order import KERNEL, U64, starts_of


@dataclass(slots=True)
class Levels:
    """The level of each slot; `thinned` counts the rows not followed.

    Of a pane so busy that it comes in `parts` each part has its part of half the budget: then memory and time are short.
    """

    budget: int = 4096
    parts: int = 1
    thinned: int = 0
    _level: Array = field(default_factory=lambda: np.zeros(0, np.uint8))

    def admit(self, slot: Array, key: U64) -> tuple[Array | None, Array]:
        """Give the rows to follow (None: all) and the slots whose level rose just now."""
        budget = self.budget if self.parts == 1 else max(self.budget // (2 * self.parts), 1)
        self._grow(int(slot.max()) + 1)
        rows = np.bincount(slot, minlength=len(self._level))
        watched = np.flatnonzero((rows > budget) | (self._level > 0))
        if not len(watched):
            return None, watched
        before = self._level[watched]
        self._level[watched] = np.maximum(
            _wanted(slot, key, watched, rows, budget), before.astype(np.int64) - 1
        ).astype(np.uint8)
        raised = watched[self._level[watched] > before]
        if not self._level[watched[rows[watched] > 0]].any():
            return None, raised
        follow = self.follows(slot, key)
        self.thinned += int(len(follow) - np.count_nonzero(follow))
        return follow, raised

    def rest(self) -> None:
        """A pane brought nothing: levels fall as they do for an address that is silent while others are not."""
        self._level -= self._level > 0

    def follows(self, slot: Array, key: U64) -> Array:
        """Whether conversations are followed at the level of their slot."""
        if KERNEL:
            out = np.empty(len(slot), np.bool_)
            KERNEL.follows(out.view(np.uint8), self._level, slot, key)
            return out
        level = self._level[slot]
        bound = np.where(
            level > 0, np.uint64(1) << (np.uint64(64) - np.maximum(level, 1).astype(np.uint64)), np.uint64(2**64 - 1)
        )
        return key < bound

    def of(self, slot: Array) -> Array:
        """The level of each slot, (n,) uint8: a conversation followed at level k stands for 2 ** k."""
        self._grow(int(slot.max()) + 1 if len(slot) else 0)
        return self._level[slot]

    def _grow(self, size: int) -> None:
        if size > len(self._level):
            grown = np.zeros(max(size, 2 * len(self._level)), np.uint8)
            grown[: len(self._level)] = self._level
            self._level = grown


def _wanted(slot: Array, key: U64, watched: Array, rows: Array, budget: int) -> Array:
    """The level at which each watched slot's different conversations of this pane fit the budget."""
    busy = watched[rows[watched] > budget]
    different: Array = np.zeros(len(rows))
    if len(busy):
        # Count by a sixteenth of the hash space: enough to choose a power of two, and cheap under the flood that makes it needed.
        sample = np.flatnonzero(key < np.uint64(1 << 60))
        is_busy = np.zeros(len(rows), np.bool_)
        is_busy[busy] = True
        sample = sample[is_busy[slot[sample]]]
        packed = np.sort(slot[sample].astype(np.uint64) << np.uint64(40) | key[sample] << np.uint64(4) >> np.uint64(24))
        first = packed[starts_of(packed)] >> np.uint64(40)
        different = np.bincount(first.astype(np.intp), minlength=len(rows)) * 16.0
    level: Array = np.ceil(np.log2(np.maximum(different[watched] / budget, 1))).astype(np.int64)
    return level
