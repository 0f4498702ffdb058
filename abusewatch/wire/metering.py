"""Flows that a router counts twice, on their way in and on their way out (flowDirection, IPFIX element 61), are kept once.

An interface is metered on the way in if records say so. What came in there has been counted there, so a record of the way out that names the same
interface as its input is the same packets again. Interfaces are numbered by router, not by domain: its line cards may each be a domain of their own.
"""

from collections import OrderedDict

import numpy as np

from abusewatch.model.flow import I64, U32, U64, Bool

INGRESS, EGRESS = 0, 1
MAX_INTERFACES = 16_384
"""Of all exporters; the ones heard of longest ago are forgotten, and what leaves there counts again."""
MAX_AGE_US = 600_000_000
"""Metering may be switched off: ten minutes without a record of the way in, and those of the way out count again."""


class Metering:
    """Remembers the interfaces that are metered on the way in, of exporters that meter the way out as well."""

    def __init__(self) -> None:
        self._both: set[int] = set()
        self._seen: OrderedDict[int, int] = OrderedDict()

    def again(self, exporter: U32, direction: U64, input_if: U64, export_us: I64) -> Bool | None:
        """Say which records were counted on their way in already; None when none were, as with most exporters always."""
        out = direction == EGRESS
        if not out.any() and not self._both:
            return None
        self._both.update(np.unique(exporter[out]).tolist())
        exporter = exporter.astype(np.uint64, copy=False)
        keys, inverse = np.unique(exporter << np.uint64(32) | input_if & np.uint64(0xFFFF_FFFF), return_inverse=True)
        newest = np.zeros(len(keys), np.int64)
        np.maximum.at(newest, inverse[direction == INGRESS], export_us[direction == INGRESS])
        self._learn(keys, newest)
        oldest = np.array([self._seen.get(key, -MAX_AGE_US) for key in keys.tolist()], np.int64)
        repeated: Bool = out & (input_if > 0) & (export_us - oldest[inverse] <= MAX_AGE_US) & (oldest[inverse] > 0)
        return repeated if repeated.any() else None

    def _learn(self, keys: U64, newest: I64) -> None:
        for key, at in zip(keys.tolist(), newest.tolist(), strict=True):
            if at > 0 and key >> 32 in self._both:
                self._seen[key] = max(at, self._seen.get(key, 0))
                self._seen.move_to_end(key)
        while len(self._seen) > MAX_INTERFACES:
            self._seen.popitem(last=False)
