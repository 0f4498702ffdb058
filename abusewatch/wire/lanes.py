"""The records of a classic capture, walked over from many places at once; for where nothing is compiled.

From record to record there is no other way than step by step, but some hundred walkers can take each step together, and numpy takes it for all of them.
Where a walker may begin is a guess: at the next bytes that look like the upper half of the time of the first record. Whether the guess was right is known
when the walker before arrives there. What lies between a wrong guess and the next right one is left to the caller, so a guess costs time and never truth.
"""

import math
from typing import NamedTuple

import numpy as np

from abusewatch.model.flow import I64
from abusewatch.wire.frames import CAPTURED_LIMIT

SHORTEST = 1 << 16
"""Octets for which it pays; the records of so many are counted to know how many walkers are worth their start."""
STEP = 32
"""A step of all walkers costs what so many of them cost to start."""
MOST = 1024


class Run(NamedTuple):
    """The records that walkers found who met each other: the places of their headers from `start` on, and where the next header would be."""

    start: int
    places: I64
    stop: int


def runs(data: bytes, position: int, end: int, order: str, header: int) -> list[Run]:
    """Walk over `data`, in which a record begins at `position`, as far as `end`; `data` goes on for MARGIN behind that.

    The first run is true; another one is when the records before it lead to its start.
    """
    if end - position < SHORTEST:
        return []
    starts = _guessed(data, position, end, order)
    steps, stops = _walked(data, starts, end, order, header)
    apart = np.flatnonzero(starts[1:] != stops[:-1])
    firsts, lasts = np.append(0, apart + 1).tolist(), np.append(apart, len(starts) - 1).tolist()
    found = []
    for first, last in zip(firsts, lasts, strict=True):
        lanes = steps[first : last + 1]
        found.append(Run(int(starts[first]), lanes[lanes >= 0], int(stops[last])))
    return found


def _guessed(data: bytes, position: int, end: int, order: str) -> I64:
    shift = 2 if order == "<" else 0  # the upper half of the seconds: the same for 18 hours
    upper = data[position + shift : position + shift + 2]
    records = data.count(upper, position, position + SHORTEST) * (end - position) // SHORTEST
    lanes = min(math.isqrt(STEP * records) or 1, MOST)  # as many as make their start cost what their steps do
    starts = [position]
    for place in range(position, end, (end - position) // lanes)[1:]:
        guess = data.find(upper, place + shift, end) - shift
        if guess < place:
            break
        if guess > starts[-1]:
            starts.append(guess)
    return np.array(starts, np.int64)


def _walked(data: bytes, starts: I64, end: int, order: str, header: int) -> tuple[I64, I64]:
    """The steps of each lane in a row, -1 behind the last, and where its next would be; it has none beyond the next start, a cut record or an absurd length."""
    length: np.ndarray = np.ndarray((len(data) - 3,), order + "u4", data, strides=(1,))
    until, at = np.append(starts[1:], end), starts
    steps: list[I64] = []
    while True:
        captured = length[at + 8].astype(np.int64)
        following = at + header + captured
        goes = (at < until) & (captured <= CAPTURED_LIMIT) & (following <= end)
        if not goes.any():
            return np.array(steps, np.int64).reshape(-1, len(starts)).T, at
        steps.append(np.where(goes, at, -1))
        at = np.where(goes, following, at)
