"""Who may send us flow records, and by which small number each of them is known from there on.

UDP source addresses are easily forged, so the list denies by default (threats.md T1): a datagram from anywhere else is
dropped before a decoder sees it.
"""

import ipaddress
import threading
from collections import OrderedDict
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from abusewatch.model import address
from abusewatch.model.flow import U32, U64, Bool

DENIED = 0xFFFF_FFFF
"""Index of a datagram whose sender is not on the list."""
FULL = 0xFFFF_FFFE
"""Index of a datagram whose sender is on the list, but more exporters than the limit have been seen."""

LIMIT = 4096
"""Exporters a process keeps apart.

An allow-list of a /16 must not become 65,536 decoder states when somebody forges all of them.
"""

STRANGERS = 8
"""Senders that are not on the list whose addresses are remembered: enough to find a router that somebody forgot to name."""

_GOLDEN = np.uint64(0x9E37_79B9_7F4A_7C15)


class AllowList:
    """Prefixes whose senders may talk to us, both families; empty means nobody."""

    def __init__(self, prefixes: Iterable[str]) -> None:
        """Read the prefixes; ValueError names the first that is none."""
        rows = []
        for text in prefixes:
            network = ipaddress.ip_network(text, strict=False)
            length = network.prefixlen + (96 if network.version == 4 else 0)
            mask = (1 << 128) - (1 << (128 - length))
            hi, lo = address.parse(str(network.network_address))
            rows.append((mask >> 64, mask & 0xFFFF_FFFF_FFFF_FFFF, hi, lo))
        self._rows = np.array(sorted(set(rows)), np.uint64).reshape(-1, 4)

    def allows(self, hi: U64, lo: U64) -> Bool:
        """Say for each address, shape (n,), whether a prefix covers it.

        Costs one pass over the addresses for each prefix.
        """
        allowed: Bool = np.zeros(len(hi), np.bool_)
        for mask_hi, mask_lo, net_hi, net_lo in self._rows:
            allowed |= ((hi & mask_hi) == net_hi) & ((lo & mask_lo) == net_lo)
        return allowed


class Exporters:
    """Addresses of exporters by index and back. An index is never given to another address while the process lives.

    Nothing is evicted: an index stands in flow records that wait in windows. The limit bounds it instead. Index 0 is
    left to files. Several receiver threads may share one registry.
    """

    def __init__(self, allow: AllowList, limit: int = LIMIT) -> None:
        """Start with no exporter known."""
        self._allow = allow
        self._limit = limit
        self._lock = threading.Lock()
        self._addresses: list[address.Address] = []
        self._index: dict[address.Address, int] = {}
        self._known = _Known(np.empty(0, np.uint64), np.empty((0, 3), np.uint64))

    def __len__(self) -> int:
        """Count the exporters known."""
        return len(self._addresses)

    def text(self, index: int) -> str:
        """Write the address of an exporter; LookupError for an index never given."""
        if not 1 <= index <= len(self._addresses):
            raise LookupError(f"no exporter has index {index}")
        return address.text(*self._addresses[index - 1])

    def index_of(self, hi: U64, lo: U64) -> U32:
        """Give the index of each sender, shape (n,); DENIED or FULL for those whose datagrams must be dropped."""
        indexes = self._known.look_up(hi, lo)
        unknown = np.flatnonzero(indexes == 0)
        if len(unknown):
            indexes[unknown] = self._admit(hi[unknown], lo[unknown])
        return indexes

    def _admit(self, hi: U64, lo: U64) -> U32:
        admitted = np.full(len(hi), DENIED, np.uint32)
        for row in np.flatnonzero(self._allow.allows(hi, lo)).tolist():
            admitted[row] = self._register((int(hi[row]), int(lo[row])))
        return admitted

    def _register(self, sender: address.Address) -> int:
        with self._lock:
            index = self._index.get(sender)
            if index is not None:
                return index
            if len(self._addresses) >= self._limit:
                return FULL
            self._addresses.append(sender)
            index = self._index[sender] = len(self._addresses)
            self._known = _Known.of(self._index)
            return index


class Strangers:
    """The last few senders that are not on the list, so that whoever misses a router can see that it does send.

    Anybody can be among them, so they are shown to who asks over the local socket, and neither logged nor kept.
    """

    def __init__(self) -> None:
        """Start with none."""
        self._lock = threading.Lock()
        self._seen: OrderedDict[address.Address, int] = OrderedDict()

    def add(self, sender: address.Address, at_us: int) -> None:
        """Remember a sender, and forget the one that has been silent for longest."""
        with self._lock:
            self._seen[sender] = at_us
            self._seen.move_to_end(sender)
            if len(self._seen) > STRANGERS:
                self._seen.popitem(last=False)

    def texts(self) -> list[tuple[str, int]]:
        """Write their addresses, and when each was heard last, the newest first."""
        with self._lock:
            return [(address.text(*sender), at_us) for sender, at_us in reversed(self._seen.items())]


class _Known:
    """Sorted fingerprints of the known addresses; immutable, so that readers need no lock.

    Two addresses of one fingerprint do no harm: the address itself is compared, and the second one is found the slow
    way.
    """

    def __init__(self, prints: U64, rows: U64) -> None:
        self._prints = prints
        self._rows = rows  # (n, 3): hi, lo, index

    @staticmethod
    def of(index: dict[address.Address, int]) -> "_Known":
        rows = np.array([(hi, lo, number) for (hi, lo), number in index.items()], np.uint64).reshape(-1, 3)
        prints = _fingerprint(rows[:, 0], rows[:, 1])
        order = np.argsort(prints, kind="stable")
        return _Known(prints[order], rows[order])

    def look_up(self, hi: U64, lo: U64) -> U32:
        if not len(self._prints):
            return np.zeros(len(hi), np.uint32)
        place: NDArray[np.intp] = np.searchsorted(self._prints, _fingerprint(hi, lo))
        found = self._rows[np.minimum(place, len(self._prints) - 1)]
        same = (found[:, 0] == hi) & (found[:, 1] == lo)
        return np.where(same, found[:, 2], np.uint64(0)).astype(np.uint32)


def _fingerprint(hi: U64, lo: U64) -> U64:
    return hi * _GOLDEN ^ lo
