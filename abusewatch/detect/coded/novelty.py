"""Destinations that are new to a group, after it has been heard of for a while: who works calls the same servers again, who searches does not."""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from abusewatch.detect.coded.detector import F64, Index
from abusewatch.detect.coded.spread import numbers
from abusewatch.model.rows import Array

LATE_US = 600_000_000


class Novelty:
    """Measures of first contacts (RITA's first-seen, within the window): the last ten minutes of a group against all that came before them."""

    on = "conversation"
    columns = ("start_us", "dst")
    measures: ClassVar = {
        "known": ("plain", "destinations called before the last ten minutes"),
        "newcomers": ("plain", "destinations called for the first time in the last ten minutes"),
        "novelty": ("plain", "part of the destinations of the last ten minutes that were called for the first time"),
        "history": ("seconds", "from the first call to the last ten minutes"),
    }

    def measure(self, rows: Mapping[str, Array], starts: Index) -> Mapping[str, F64]:
        """Judge each group by itself."""
        number = numbers(len(rows["dst"]), starts)
        first, last = rows["start_us"][starts], np.maximum.reduceat(rows["start_us"], starts)
        since = last - LATE_US
        order = np.lexsort((rows["start_us"], rows["dst"], number))
        group, dst, at = number[order], rows["dst"][order], rows["start_us"][order]
        begins = np.flatnonzero(np.concatenate(([True], (dst[1:] != dst[:-1]) | (group[1:] != group[:-1]))))
        of, earliest, latest = group[begins], at[begins], np.maximum.reduceat(at, begins)
        known, called = earliest <= since[of], latest > since[of]
        each = {
            "known": np.bincount(of, known, len(starts)).astype(np.float64),
            "newcomers": np.bincount(of, ~known, len(starts)).astype(np.float64),
        }
        return each | {
            "novelty": each["newcomers"] / np.bincount(of, called, len(starts)),
            "history": np.maximum(since - first, 0) / 1e6,
        }
