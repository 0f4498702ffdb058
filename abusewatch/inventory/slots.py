"""Dense numbers for own addresses, so that counting by customer address is an array index and not a hash look-up.

An IPv4 address is its own slot key; IPv6 is keyed by /64, since one host owns all of it (RFC 7934) and a key an attacker can vary 2^64 times would be his
to fill. The number of slots is bounded; what comes when it is full is counted, not kept. Once half are taken, numbers of addresses that have been silent for
longer than any state is held by number are given out again: else a sweep of our IPv6 space would take its half for ever.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from abusewatch.model.compiled import kernel
from abusewatch.windows.order import mix

KERNEL = kernel("abusewatch.inventory._passes")
BUCKET_BITS = 18
BUCKET_SHIFT = np.uint64(64 - BUCKET_BITS)
NOBODY = np.zeros(1, np.uint64)  # stands behind the last key, so that an empty bucket has something to differ from


@dataclass(slots=True)
class Slots:
    """Slot numbers by (hi, lo) of the key, given out in order of appearance. Sorted by hash, so a look-up of n rows is one binary search each."""

    capacity: int = 1 << 20
    idle_us: int = 24 * 3_600_000_000
    """Silence, in event time, after which nobody holds anything of an address by its number; the pipeline knows its rules' windows and sets it."""
    refused: int = 0
    freed: int = 0
    _free: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    _heard: NDArray[np.bool_] | None = None
    """Which numbers were used since `_since_us`; None while there is room."""
    _since_us: int = 0
    _keys: NDArray[np.uint64] = field(default_factory=lambda: np.zeros(0, np.uint64))
    _numbers: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    _by_number: NDArray[np.uint64] = field(default_factory=NOBODY.copy)
    _bucket: NDArray[np.int32] = field(default_factory=lambda: np.zeros(1 << BUCKET_BITS, np.int32))

    def __len__(self) -> int:
        """Count the numbers given out, those that wait to be given again too: one more than the greatest."""
        return len(self._keys) + len(self._free)

    def of(self, hi: NDArray[np.uint64], lo: NDArray[np.uint64], *, heard: NDArray[np.bool_] | None = None) -> NDArray[np.int32]:
        """Slot of each address, -1 when there is no room for a new one.

        Addresses only `heard` of, because somebody sent to them, may take half of the room: who sweeps our IPv6 space from outside must not
        take it from those who send.
        """
        key, number, unknown = self._by_bucket(hi, lo)
        if unknown:
            self._search(key, number)
            self._admit(key, number, heard)
        if self._heard is not None:
            self._heard[number[number >= 0]] = True
        return number

    def _admit(self, key: NDArray[np.uint64], number: NDArray[np.int32], heard: NDArray[np.bool_] | None) -> None:
        """Give numbers to the keys that have none, while there is room: to those who send first."""
        everybody = np.ones(len(key), np.bool_)
        rounds = [(everybody, self.capacity)] if heard is None else [(~heard, self.capacity), (heard, self.capacity // 2)]
        for which, room in rounds:
            new = which & (number < 0)
            if new.any():
                self._add(key[new], room)
                self._search(key, number)
        self.refused += int(np.count_nonzero(number < 0))

    def pass_time(self, now_us: int) -> None:
        """Take back, at most once in `idle_us`, the numbers of addresses silent since the last time; nothing while half are free."""
        if self._heard is not None and now_us - self._since_us >= self.idle_us:
            self._take_back(~self._heard)
        elif self._heard is not None and now_us >= self._since_us:
            return
        crowded = len(self._keys) > self.capacity // 2
        self._heard, self._since_us = (np.zeros(self.capacity, np.bool_), now_us) if crowded else (None, 0)

    def _take_back(self, silent: NDArray[np.bool_]) -> None:
        gone = silent[self._numbers]
        self._free = np.sort(np.concatenate((self._free, self._numbers[gone])))
        self._by_number[self._numbers[gone]] = 0
        self._keys, self._numbers = self._keys[~gone], self._numbers[~gone]
        self.freed += int(np.count_nonzero(gone))

    def find(self, hi: int, lo: int) -> int:
        """The slot of one address, -1 when it has none; gives none out."""
        key, number, _ = self._by_bucket(np.array([hi], np.uint64), np.array([lo], np.uint64))
        self._search(key, number)
        return int(number[0])

    def _by_bucket(self, hi: NDArray[np.uint64], lo: NDArray[np.uint64]) -> tuple[NDArray[np.uint64], NDArray[np.int32], int]:
        """Key of each address, and its number as a table of buckets tells it, which answers nearly all; -1 where another key has the bucket, and how often."""
        if KERNEL:
            key, number = np.empty(len(hi), np.uint64), np.empty(len(hi), np.int32)
            return key, number, KERNEL.slots(key, number, hi, lo, self._bucket, self._by_number)
        key = _key(hi, lo)
        number = self._bucket[key >> BUCKET_SHIFT]
        other = self._by_number[number] != key
        number[other] = -1
        return key, number, int(np.count_nonzero(other))

    def _search(self, key: NDArray[np.uint64], number: NDArray[np.int32]) -> None:
        """Find the numbers still missing (-1) among all keys."""
        missed = np.flatnonzero(number < 0)
        if not len(missed) or not len(self._keys):
            return
        at = np.searchsorted(self._keys, key[missed])
        at[at == len(self._keys)] = 0
        number[missed] = np.where(self._keys[at] == key[missed], self._numbers[at], np.int32(-1))

    def _add(self, key: NDArray[np.uint64], capacity: int) -> None:
        new = np.sort(key)
        new = new[np.concatenate(([True], new[1:] != new[:-1]))][: max(capacity - len(self._keys), 0)]
        top, again = len(self), self._free[: len(new)]
        fresh = np.concatenate((again, np.arange(top, top + len(new) - len(again), dtype=np.int32)))
        self._free = self._free[len(again) :]
        self._by_number = np.concatenate((self._by_number[:top], np.zeros(len(new) - len(again), np.uint64), NOBODY))
        self._by_number[fresh] = new
        self._bucket[new >> BUCKET_SHIFT] = fresh
        keys, numbers = np.concatenate((self._keys, new)), np.concatenate((self._numbers, fresh))
        order = np.argsort(keys, kind="stable")
        self._keys, self._numbers = keys[order], numbers[order]


def _key(hi: NDArray[np.uint64], lo: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The whole of an IPv4 address, and of an IPv6 address the network."""
    v4 = (hi == 0) & (lo >> np.uint64(32) == np.uint64(0xFFFF))
    return mix(hi, np.where(v4, lo, np.uint64(0)))
