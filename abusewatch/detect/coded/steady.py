"""A connection that is never busy and never still: what a mining pool and its workers say to each other for hours."""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from abusewatch.detect.coded.detector import F64, Index
from abusewatch.detect.coded.spread import numbers
from abusewatch.model.rows import Array

MINUTE_US = 60_000_000


class Steady:
    """Measures of a long conversation over its records: a flow cut by the active timeout, or the packets of a capture."""

    on = "record"
    columns = ("start_us", "end_us")
    measures: ClassVar = {
        "held": ("plain", "part of the minutes from first to last record that a record touches"),
        "lasted": ("seconds", "from the first to the last"),
    }

    def measure(self, rows: Mapping[str, Array], starts: Index) -> Mapping[str, F64]:
        """Judge each group by itself."""
        number = numbers(len(rows["start_us"]), starts)
        first, last = rows["start_us"][starts], np.maximum.reduceat(rows["end_us"], starts)
        begin = (rows["start_us"] - first[number]) // MINUTE_US
        end = (rows["end_us"] - first[number]) // MINUTE_US
        # In order of begin, a record adds the minutes after the latest end so far of its own group.
        reach = np.maximum.accumulate(end + number * (1 << 32)) - number * (1 << 32)
        before = np.concatenate(([0], reach[:-1]))
        before[starts] = -1
        fresh = np.maximum(end - np.maximum(begin - 1, before), 0)
        touched = np.add.reduceat(fresh, starts, dtype=np.float64)
        return {"held": touched / ((last - first) // MINUTE_US + 1), "lasted": (last - first) / 1e6}
