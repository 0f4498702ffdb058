"""Keys: the columns of `per`, of an identity and of distinct(...) as one 64-bit hash a row."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from abusewatch.detect.rule import Key
from abusewatch.detect.views import View
from abusewatch.model import rows as r
from abusewatch.model.rows import Array
from abusewatch.windows.order import mix

ADDRESSES = frozenset({"src", "dst", "own", "peer"})
OURS = frozenset({"src", "own"})


def hashes(keys: Sequence[Key], view: View, *, ours: bool = False) -> NDArray[np.uint64]:
    """Hash the tuple of keys row by row. With `ours` our own IPv6 end counts by /64: a host that rotates its addresses stays one host (RFC 8981)."""
    return mix(*(column for key in keys for column in _columns(key, view, ours=ours)))


def _columns(key: Key, view: View, *, ours: bool) -> list[Array]:
    if key.column not in ADDRESSES:
        # Interfaces are numbered by each exporter for itself.
        return [view["exporter"], view["input_if"]] if key.column == "input_if" else [view[key.column]]
    hi, lo = view[f"{key.column}_hi"], view[f"{key.column}_lo"]
    v4_bits = 32 if key.v4_bits is None else key.v4_bits
    v6_bits = (64 if ours and key.column in OURS else 128) if key.v6_bits is None else key.v6_bits
    keep4 = np.uint64(((1 << 64) - 1) ^ ((1 << (32 - v4_bits)) - 1))
    if all_v4(hi, lo):
        return [hi, lo if v4_bits == 32 else lo & keep4]
    v4 = (hi == 0) & (lo >> np.uint64(32) == np.uint64(0xFFFF))
    keep6 = (1 << 128) - (1 << (128 - v6_bits))
    return [hi & np.uint64(keep6 >> 64), np.where(v4, lo & keep4, lo & np.uint64(keep6 & ((1 << 64) - 1)))]


def all_v4(hi: Array, lo: Array) -> bool:
    """Whether every address is ::ffff:a.b.c.d; seen from a few numbers where the upper halves are one value, as they are in IPv4 traffic."""
    alike = r.constant(hi) and len(hi) > 0 and int(hi[0]) == 0
    return alike and int(lo.min()) >> 32 == int(lo.max()) >> 32 == 0xFFFF
