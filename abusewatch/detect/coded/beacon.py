"""Regular calls of one address: what a bot does that asks its control server for work, and what many honest programs do as well."""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from abusewatch.detect.coded.detector import F64, Index
from abusewatch.detect.coded.spread import evenness, numbers, quantile, ranked, sizes
from abusewatch.model.rows import Array

SLICES = 12


class Beacon:
    """Measures of rhythm and of size over the conversations of a group, after RITA (activecm/rita: Bowley skew and MAD of pauses and sizes).

    A group of which rows were left out has no rhythm to measure: all its measures are 0.
    """

    on = "conversation"
    columns = ("start_us", "bytes", "reply_bytes")
    measures: ClassVar = {
        "rhythm": ("plain", "how even the pauses between calls are, 0 to 1"),
        "beat": ("plain", "part of the pauses that are as long as the median pause, give or take 15 percent"),
        "pause": ("seconds", "the median pause between calls"),
        "presence": ("plain", "part of the time from first to last call, in twelve slices, in which there were calls"),
        "sameness": ("plain", "part of the calls that sent as many bytes as the median call, give or take a tenth"),
        "usual": ("bytes", "bytes that the median call sends"),
        "reports": ("plain", "calls that sent twenty times as much as the median call, and 20 kB at least"),
    }

    def measure(self, rows: Mapping[str, Array], starts: Index) -> Mapping[str, F64]:
        """Judge each group by itself."""
        n = len(rows["start_us"])
        number, size = numbers(n, starts), sizes(n, starts)
        whole = np.maximum.reduceat(rows["weight"], starts) <= 1
        sent = rows["bytes"].astype(np.float64)
        usual = quantile(ranked(sent, starts), starts, 0.5)
        near = np.abs(sent - usual[number]) <= 0.1 * usual[number]
        reports = (sent >= 20 * usual[number]) & (sent >= 20_000)
        given = self._rhythm(rows["start_us"], starts) | {
            "presence": self._presence(rows["start_us"], starts),
            "sameness": np.add.reduceat(near, starts, dtype=np.float64) / size,
            "usual": usual,
            "reports": np.add.reduceat(reports, starts, dtype=np.float64),
        }
        return {name: np.where(whole, values, 0.0) for name, values in given.items()}

    @staticmethod
    def _rhythm(start_us: Array, starts: Index) -> dict[str, F64]:
        """A group of k calls has k - 1 pauses; one of a single call is given one of no length."""
        pauses = np.diff(start_us, prepend=start_us[:1]) / 1e6
        single = sizes(len(start_us), starts) == 1
        pauses[starts] = np.inf
        kept = np.isfinite(pauses)
        kept[starts[single]] = True
        pauses[starts[single]] = 0.0
        number = numbers(len(start_us), starts)[kept]
        begins = np.searchsorted(number, np.arange(len(starts)))
        pauses = pauses[kept]
        middle = quantile(ranked(pauses, begins), begins, 0.5)
        on_beat = np.abs(pauses - middle[number]) <= 0.15 * middle[number]
        beat = np.add.reduceat(on_beat, begins, dtype=np.float64) / sizes(len(pauses), begins)
        return {"rhythm": evenness(pauses, begins), "beat": np.where(middle > 0, beat, 0.0), "pause": middle}

    @staticmethod
    def _presence(start_us: Array, starts: Index) -> F64:
        number = numbers(len(start_us), starts)
        first, last = start_us[starts], np.maximum.reduceat(start_us, starts)
        slice_of = (start_us - first[number]) * SLICES // np.maximum(last - first + 1, 1)[number]
        cell = np.zeros((len(starts), SLICES), np.bool_)
        cell[number, slice_of] = True
        part: F64 = cell.mean(axis=1)
        return part
