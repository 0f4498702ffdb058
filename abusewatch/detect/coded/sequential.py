"""First contacts one after the other: who knows where he goes mostly gets an answer, who searches mostly does not (Jung 2004, TRW)."""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from abusewatch.detect.coded.detector import F64, Index
from abusewatch.detect.coded.spread import numbers
from abusewatch.model.rows import Array

ANSWERED = 2


class Sequential:
    """The sequential test with theta 0.8 and 0.2, where a failure weighs as much as a success: the walk goes one up or one down.

    It never falls below its start, so that a good past buys nothing; four up is what Jung's bounds (0.99, 0.01) ask for.
    """

    on = "conversation"
    columns = ("start_us", "dst", "outcome")
    measures: ClassVar = {
        "walk": ("plain", "how far the walk over first contacts rose: failures net of the answers between them"),
    }

    def measure(self, rows: Mapping[str, Array], starts: Index) -> Mapping[str, F64]:
        """Judge each group by itself."""
        number = numbers(len(rows["dst"]), starts)
        first = _first(rows["dst"], number)
        step = np.where(first, np.where(rows["outcome"] == ANSWERED, -1, 1), 0)
        total = np.cumsum(step)
        before = np.concatenate(([0], total))[starts]
        # Each group stands below all of the one before, so that one running minimum serves all.
        base = -number * np.int64(len(step) + 1)
        walk = total - before[number] + base
        height = walk - np.minimum.accumulate(np.minimum(walk, base))
        return {
            "walk": np.maximum.reduceat(height, starts).astype(np.float64),
        }


def _first(dst: Array, number: Index) -> Array:
    """Which rows are the first of their address in their group."""
    order = np.lexsort((np.arange(len(dst)), dst, number))
    new = np.ones(len(dst), np.bool_)
    new[1:] = (dst[order][1:] != dst[order][:-1]) | (number[order][1:] != number[order][:-1])
    first = np.zeros(len(dst), np.bool_)
    first[order[new]] = True
    return first
