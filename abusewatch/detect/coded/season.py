"""What a group does now against what it usually does, and against what it did at this hour the day before."""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from abusewatch.detect.coded.detector import F64, Index
from abusewatch.detect.coded.diary import BIN_US, Diary
from abusewatch.model.rows import Array

DAY_BINS = 86_400_000_000 // BIN_US
AROUND = 3
"""Bins on either side that belong to the same hour: cron jobs slip."""
LATELY = 1
"""Bins before that of the last row in which a window of ten minutes may begin: they are what is judged, not what is usual."""


class Season:
    """Rows by bins of ten minutes; a bin without rows counts as none. It remembers a day, of each group its counts only (`diary`)."""

    on = "conversation"
    columns = ("start_us",)
    measures: ClassVar = {
        "usual": ("plain", "rows that nineteen of twenty ten minutes before do not exceed, since the first row within a day"),
        "yesterday": ("plain", "most rows in ten minutes at this hour the day before, half an hour to either side"),
        "history": ("seconds", "from the first row within a day to ten minutes before the last"),
    }

    def __init__(self) -> None:
        """Begin with an empty diary."""
        self._diary = Diary()

    def note(self, rows: Mapping[str, Array]) -> int:
        """Take the rows of a pane; say how many are not remembered for want of room."""
        return self._diary.note(rows["group"], rows["start_us"], rows["weight"])

    def measure(self, rows: Mapping[str, Array], starts: Index) -> Mapping[str, F64]:
        """Judge each group by what is written of it."""
        last = np.maximum.reduceat(rows["start_us"], starts)
        counts, first = self._diary.before(rows["group"][starts], last // BIN_US)
        known = first >= 0
        bins = np.where(known, np.clip(last // BIN_US - first // BIN_US, 0, counts.shape[1]) - LATELY, 0)
        earlier = counts[:, LATELY:].astype(np.float64)
        # What lies before the first row ranks above all, and is not asked for.
        ranked = np.sort(np.where(np.arange(earlier.shape[1]) < bins[:, None], earlier, np.inf), axis=1)
        rank = np.maximum(np.ceil(bins * 0.95).astype(np.intp) - 1, 0)
        usual = np.where(bins > 0, ranked[np.arange(len(ranked)), rank], 0.0)
        then = counts[:, DAY_BINS - AROUND - 1 : DAY_BINS + AROUND]
        return {
            "usual": usual,
            "yesterday": then.max(axis=1).astype(np.float64),
            "history": np.where(known, np.maximum(last - BIN_US - first, 0) / 1e6, 0.0),
        }
