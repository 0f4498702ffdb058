"""Whose fault it was: reasons counted for all datagrams of a call, and beside that for each exporter."""

from collections import Counter

import numpy as np

from abusewatch.model.flow import I64, U32
from abusewatch.wire.errors import Reason

NOBODY = -1


class Refusals(Counter[Reason]):
    """Counts by reason. While `exporter` is set, what is counted is that exporter's; `charge` does the same for many at once."""

    def __init__(self) -> None:
        super().__init__()
        self.exporter = NOBODY
        self.whose: Counter[tuple[int, Reason]] = Counter()

    def __setitem__(self, reason: Reason, count: int) -> None:
        """Count, and charge whose datagram is being read."""
        added = count - self.get(reason, 0)
        if added and self.exporter != NOBODY:
            self.whose[self.exporter, reason] += added
        super().__setitem__(reason, count)

    def charge(self, reason: Reason, exporters: U32 | I64) -> None:
        """Count one for each exporter's number given, the same number as often as it comes."""
        if not len(exporters):
            return
        self[reason] += len(exporters)
        for exporter, count in zip(*(column.tolist() for column in np.unique(exporters, return_counts=True)), strict=True):
            self.whose[exporter, reason] += count
