"""Sessions of one size in a row, and what comes after them: how guessing looks from outside, and how it looks when a guess was right."""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from abusewatch.detect.coded.detector import F64, Index
from abusewatch.detect.coded.spread import numbers, quantile, ranked
from abusewatch.model.rows import Array

ALIKE = 2
LONGER = 5
ENOUGH = 10


class Streak:
    """Measures of order, after SSHCure (Hofstede 2014): a streak is a run of sessions around the median packet count, ten make a guesser.

    A group of which rows were left out has no order to measure: all its measures are 0.
    """

    on = "conversation"
    columns = ("start_us", "packets", "reply_bytes")
    measures: ClassVar = {
        "streak": ("plain", "most sessions in a row within two packets of the median"),
        "after": (
            "plain",
            "sessions right after ten such in a row that sent five packets more and were told twice as much as usual",
        ),
    }

    def measure(self, rows: Mapping[str, Array], starts: Index) -> Mapping[str, F64]:
        """Judge each group by itself."""
        number = numbers(len(rows["packets"]), starts)
        packets, told = rows["packets"].astype(np.float64), rows["reply_bytes"].astype(np.float64)
        typical, usual = (quantile(ranked(values, starts), starts, 0.5)[number] for values in (packets, told))
        run = _runs(np.abs(packets - typical) <= ALIKE, starts, number)
        before = np.concatenate(([0], run[:-1]))
        before[starts] = 0
        deviates = (before >= ENOUGH) & (packets >= typical + LONGER) & (told >= 2 * usual)
        whole = np.maximum.reduceat(rows["weight"], starts) <= 1
        return {
            "streak": np.where(whole, np.maximum.reduceat(run, starts), 0).astype(np.float64),
            "after": np.where(whole, np.add.reduceat(deviates, starts, dtype=np.float64), 0.0),
        }


def _runs(alike: Array, starts: Index, number: Index) -> Index:
    """How many rows in a row up to each one are alike, within its group."""
    place = np.arange(len(alike))
    broken: Index = np.maximum.accumulate(np.where(alike, -1, place))
    run: Index = place - np.maximum(broken, starts[number] - 1)
    return run
