"""Datagrams that the network delivered twice: told by their octets, because a sequence number alone does not do.

The cards of a router that number their datagrams apart, under one domain, look just the same by their numbers.
"""

from collections import deque

import numpy as np

from abusewatch.model.flow import I64, U8, U64
from abusewatch.wire.gather import gather

KEPT = 16_384
"""Datagrams that are remembered, a digest of 8 octets each; one comes 64 datagrams late at most (`sequence`), of whichever exporter."""
HEAD, TAIL = 64, 16
"""Octets of a datagram that its digest is made of: header and first records, and the last. Its sequence number is among them."""

_HEAD, _TAIL = np.dtype([("words", "u8", HEAD // 8)]), np.dtype([("words", "u8", TAIL // 8)])
_ODD = np.random.default_rng(0x9E3779B9).integers(1, 2**63, (HEAD + TAIL) // 8 + 2, np.uint64) | np.uint64(1)


class Repeats:
    """Remembers the newest datagrams of all domains."""

    def __init__(self) -> None:
        self._recent: deque[U64] = deque()
        self._size = 0

    def among(self, octets: U8, rows: I64, length: I64, slot: I64, suspects: I64) -> I64:
        """Choose those of the suspects, by index in `rows`, that came before; and remember all rows.

        `octets` is the ring, of shape (n, slot octets); `length` and `slot` (the domain's) are of the shape of `rows`.
        """
        found = np.zeros(0, np.int64)
        if not len(rows):
            return found
        digests = _digests(octets, rows, length, slot)
        if len(suspects):
            everything = np.concatenate((*self._recent, digests))
            _, first, inverse = np.unique(everything, return_index=True, return_inverse=True)
            place = suspects + (len(everything) - len(digests))
            found = suspects[first[inverse[place]] < place]
        self._keep(digests)
        return found

    def _keep(self, digests: U64) -> None:
        self._recent.append(digests)
        self._size += len(digests)
        while self._size - len(self._recent[0]) >= KEPT:
            self._size -= len(self._recent.popleft())


def _digests(octets: U8, rows: I64, length: I64, slot: I64) -> U64:
    """Multiply and add eight octets at a time, after mixing; a false match would need two datagrams of one domain and number that differ in their middle."""
    if octets.shape[1] < HEAD:
        octets = np.pad(octets, ((0, 0), (0, HEAD - octets.shape[1])))
    width = octets.shape[1]
    buffer, begin, size = octets.reshape(-1), rows * width, np.minimum(length, width)
    head = gather(buffer, begin, _HEAD).view(np.uint64).reshape(-1, HEAD // 8)
    # Behind a datagram lies what an older one left in its slot.
    head *= np.arange(8, HEAD + 8, 8) <= size[:, np.newaxis]
    tail = gather(buffer, begin + np.maximum(size - TAIL, 0), _TAIL).view(np.uint64).reshape(-1, TAIL // 8)
    mixed: U64 = length.astype(np.uint64) * _ODD[0] + slot.astype(np.uint64) * _ODD[1]
    for place, words in enumerate((*head.T, *tail.T)):
        mixed += (words ^ words >> np.uint64(29)) * _ODD[2 + place]
    return mixed
