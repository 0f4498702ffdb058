"""What a window let go for want of room, so that nobody is judged by what happens to be left of him.

Counted by places that groups share by their hash: what stands there is never less than what was let go of one of them. It is forgotten between one and two
lengths of the window later. Most rules never lose anything, and those take no memory for it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from abusewatch.windows.order import U64

BITS = 18  # the fewer the places, the more groups are not judged for the sake of others

F32 = NDArray[np.float32]


@dataclass(slots=True)
class Lost:
    """The weight of the rows let go, by place; None where nothing was."""

    length_us: int
    _now: F32 | None = None
    _before: F32 | None = None
    _turn_us: int = 0

    def add(self, group: U64, weight: NDArray[np.float64]) -> None:
        """Note rows of some groups, (n,) each."""
        if self._now is None:
            self._now = np.zeros(1 << BITS, np.float32)
        np.add.at(self._now, _place(group), weight.astype(np.float32))

    def of(self, group: U64) -> NDArray[np.float32]:
        """How much was let go of each group at most."""
        place = _place(group)
        parts = [held[place] for held in (self._now, self._before) if held is not None]
        return np.add.reduce(parts) if parts else np.zeros(len(group), np.float32)

    def pass_time(self, now_us: int) -> None:
        """Forget what is over."""
        if now_us >= self._turn_us:
            self._now, self._before, self._turn_us = None, self._now, now_us + self.length_us


def _place(group: U64) -> NDArray[np.intp]:
    return (group >> np.uint64(64 - BITS)).astype(np.intp)
