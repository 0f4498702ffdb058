"""How the values of each group spread, by order statistics only, which a few outliers do not move."""

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
Index = NDArray[np.intp]


def ranked(values: F64, starts: Index) -> F64:
    """The same values, each group in ascending order."""
    return values[np.lexsort((values, numbers(len(values), starts)))]


def numbers(n: int, starts: Index) -> Index:
    """The group of each of n rows."""
    number = np.zeros(n, np.intp)
    number[starts[1:]] = 1
    return np.cumsum(number)


def sizes(n: int, starts: Index) -> Index:
    """The number of rows of each group."""
    return np.diff(np.append(starts, n))


def quantile(ascending: F64, starts: Index, part: float) -> F64:
    """The value that `part` of the rows of a group do not exceed (lower nearest rank)."""
    size = sizes(len(ascending), starts)
    found: F64 = ascending[starts + np.maximum(np.ceil(size * part).astype(np.intp) - 1, 0)]
    return found


def evenness(values: F64, starts: Index) -> F64:
    """How even the values of a group are, 0 to 1, as RITA scores beacons: half for symmetry (Bowley's skew), half for closeness (MAD to median).

    Quartiles that lie closer than a tenth of the median are alike, whatever their skew: that is the clock of a program, not a habit.
    """
    ascending = ranked(values, starts)
    low, middle, high = (quantile(ascending, starts, part) for part in (0.25, 0.5, 0.75))
    width = high - low
    skew = np.abs(high + low - 2 * middle) / np.maximum(width, 0.1 * middle + 1e-9)
    away = ranked(np.abs(values - middle[numbers(len(values), starts)]), starts)
    close = 1 - quantile(away, starts, 0.5) / np.maximum(middle, 1e-9)
    return np.where(middle > 0, (1 - skew + np.maximum(close, 0.0)) / 2, 0.0)
