"""When a group has more rows than are kept: those of least hash stay, the same in every run, and carry the weight of the others."""

import numpy as np
from numpy.typing import NDArray

from abusewatch.model import rows as r
from abusewatch.model.rows import Array, Columns
from abusewatch.windows.order import order_of, ranges, starts_of

F64 = NDArray[np.float64]

FIRED_ROWS = 64  # rows of a group that has fired before: enough to see that it goes on
NONE = np.zeros(0, np.uint64)


def thinned(rows: Columns, limit: int, fired: Array = NONE) -> tuple[Columns, int]:
    """Keep at most `limit` rows of a group, those of least hash (the same ones in every run), which stand for all; also say how many went."""
    n = r.length(rows)
    if n <= limit and not len(fired):
        return rows, 0
    order = order_of(rows["group"])
    ordered = rows["group"][order]
    starts = starts_of(ordered)
    sizes = np.diff(np.append(starts, n))
    limits = np.full(len(starts), limit)
    if len(fired):
        at = np.minimum(np.searchsorted(fired, ordered[starts]), len(fired) - 1)
        limits[fired[at] == ordered[starts]] = min(limit, FIRED_ROWS)
    crowded = np.flatnonzero(sizes > limits)
    if not len(crowded):
        return rows, 0
    sizes, limits = sizes[crowded], limits[crowded]
    mine = order[ranges(starts[crowded], sizes)]
    number = np.repeat(np.arange(len(crowded)), sizes)
    mine = mine[np.lexsort((rows["chance"][mine], number))]
    rank = ranges(np.zeros(len(crowded), np.intp), sizes)
    stays = rank < limits[number]
    weight, keep = rows["weight"].copy(), np.ones(n, np.bool_)
    keep[mine[~stays]] = False
    totals = np.bincount(number, weights=weight[mine]).astype(np.float64)
    weight[mine[stays]] = _shared(totals, weight[mine[stays]], number[stays], rank[stays])
    thin = r.take(rows, keep)
    thin["weight"] = weight[keep]
    return thin, n - int(np.count_nonzero(keep))


def _shared(totals: F64, weights: F64, number: Array, rank: Array) -> F64:
    """Weights in proportion that sum to the total of their group, in whole numbers: such sums are exact, so no rounding moves a count over a threshold."""
    scaled: F64 = np.floor(weights * (totals / np.bincount(number, weights=weights))[number])
    missing = totals - np.bincount(number, weights=scaled)
    return scaled + (rank < missing[number])
