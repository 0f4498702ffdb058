"""Datagrams that the network delivered twice: told by their octets, because a sequence number alone does not do.

The cards of a router that number their datagrams apart, under one domain, look just the same by their numbers.
"""

from collections import deque

import numpy as np

from abusewatch.model.flow import I64, U8, U64

KEPT = 16_384
"""Datagrams that are remembered, a digest of 8 octets each; one comes 64 datagrams late at most (`sequence`), of whichever exporter."""
HEAD, TAIL = 64, 16
"""Octets of a datagram that its digest is made of: header and first records, and the last. Its sequence number is among them."""

_ODD = np.random.default_rng(0x9E3779B9).integers(1, 2**63, (HEAD + TAIL) // 8 + 2, np.uint64) | np.uint64(1)


class Repeats:
    """Remembers the newest datagrams of all domains."""

    def __init__(self) -> None:
        self._recent: deque[U64] = deque()
        self._size = 0

    def among(self, octets: U8, length: I64, slot: I64, suspects: I64) -> I64:
        """Choose those of the suspects, rows of a ring by index, that came before; and remember the whole ring.

        `octets` is of shape (n, slot octets), `length` and `slot` (the domain's) of shape (n,).
        """
        digests = _digests(octets, length, slot)
        found = np.zeros(0, np.int64)
        if len(suspects):
            everything = np.concatenate((*self._recent, digests))
            _, first, inverse = np.unique(everything, return_index=True, return_inverse=True)
            rows = suspects + (len(everything) - len(digests))
            found = suspects[first[inverse[rows]] < rows]
        self._keep(digests)
        return found

    def _keep(self, digests: U64) -> None:
        self._recent.append(digests)
        self._size += len(digests)
        while self._size - len(self._recent[0]) >= KEPT:
            self._size -= len(self._recent.popleft())


def _digests(octets: U8, length: I64, slot: I64) -> U64:
    """Multiply and add eight octets at a time, after mixing; a false match would need two datagrams of one domain and number that differ in their middle."""
    count, width = octets.shape
    head = np.zeros((count, HEAD + TAIL), np.uint8)
    # Behind a datagram lies what an older one left in its slot.
    head[:, : min(HEAD, width)] = np.where(np.arange(min(HEAD, width)) < length[:, np.newaxis], octets[:, :HEAD], 0)
    tail = np.clip(np.minimum(length, width)[:, np.newaxis] - TAIL + np.arange(TAIL), 0, width - 1)
    head[:, HEAD:] = np.take_along_axis(octets, tail, axis=1)
    words = head.view(np.uint64)
    words ^= words >> np.uint64(29)
    mixed: U64 = (words * _ODD[:-2]).sum(axis=1, dtype=np.uint64)
    mixed += length.astype(np.uint64) * _ODD[-2] + slot.astype(np.uint64) * _ODD[-1]
    return mixed
