"""Marks: the keys of conversations already given to the rules, so that their last packets do not look like a new one."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from abusewatch.model.rows import Array
from abusewatch.windows.order import U64


@dataclass(slots=True)
class Marks:
    """Sorted keys, each with how long it stays after it was last seen, and when that is over. 20 bytes each, so that millions are cheap."""

    capacity: int = 1 << 22
    _key: U64 = field(default_factory=lambda: np.zeros(0, np.uint64))
    _stay_us: Array = field(default_factory=lambda: np.zeros(0, np.int32))
    _until_us: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

    def __len__(self) -> int:
        """Count the marks."""
        return len(self._key)

    def known(self, key: U64, last_us: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of the sorted keys are marked; those stay longer, since they go on."""
        if not len(self._key):
            return np.zeros(len(key), np.bool_)
        at = np.searchsorted(self._key, key)
        at[at == len(self._key)] = 0
        found: NDArray[np.bool_] = self._key[at] == key
        here = at[found]
        self._until_us[here] = np.maximum(self._until_us[here], last_us[found] + self._stay_us[here])
        return found

    def add(self, key: U64, stay_us: Array, last_us: NDArray[np.int64], now_us: int) -> None:
        """Mark sorted keys and forget those whose time is over; over capacity the first to go are those whose time ends first."""
        keep = self._until_us > now_us
        until = last_us + stay_us
        fresh = until > now_us
        kept, new = self._key[keep], key[fresh]
        positions = np.searchsorted(kept, new) + np.arange(len(new))
        gaps = np.ones(len(kept) + len(new), np.bool_)
        gaps[positions] = False
        columns = ((kept, new), (self._stay_us[keep], stay_us[fresh].astype(np.int32)), (self._until_us[keep], until[fresh]))
        self._key, self._stay_us, self._until_us = (_woven(old, more, gaps) for old, more in columns)
        if len(self._key) > self.capacity:
            rank = np.argsort(-self._until_us, kind="stable")[: self.capacity]
            rank.sort()
            self._key, self._stay_us, self._until_us = self._key[rank], self._stay_us[rank], self._until_us[rank]


def _woven(old: Array, new: Array, gaps: NDArray[np.bool_]) -> Array:
    out = np.empty(len(gaps), old.dtype)
    out[gaps], out[~gaps] = old, new
    return out
