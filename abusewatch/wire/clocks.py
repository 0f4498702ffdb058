"""How far an exporter's clock is from ours: the time in its datagrams' headers against the time at which they came.

Delay makes a datagram look older and never younger, so of each window the youngest counts, and of the last windows the middle one: a datagram of
somebody else's making moves neither for long.

A clock that is ahead is set right at once: nothing can have been sent after it came, and one such exporter would push event time so far that the records of all
others come late. One that is behind is set right when it has been so for half a minute, and steadily, and when others are heard as well: only then are its own
records the late ones. What is merely old (a file that somebody sends again, faster than it was) is not steady, and stays as it is.
"""

from collections import deque
from dataclasses import dataclass, field
from statistics import median_low

import numpy as np

from abusewatch.model.flow import I64

WINDOW_US = 10_000_000
WINDOWS = 5
NEVER = np.iinfo(np.int64).min
ENOUGH = 3
"""Windows after which a clock may be called steady."""
APART_US = 10_000_000
"""As late as a record may be for its pane; a clock that is off by less does no harm."""
SPREAD_US = 3_000_000
"""Of the windows of a steady clock: a second for clocks told in whole seconds, the rest for delays."""


@dataclass(slots=True)
class _Clock:
    since_us: int
    youngest_us: int
    skew_us: int = 0
    windows: deque[int] = field(default_factory=lambda: deque(maxlen=WINDOWS))

    def add(self, ahead_us: int, at_us: int) -> None:
        if abs(at_us - self.since_us) >= WINDOW_US:
            self.windows.append(self.youngest_us)
            self.skew_us = median_low(self.windows)
            self.since_us, self.youngest_us = at_us, ahead_us
        self.youngest_us = max(self.youngest_us, ahead_us)
        if not self.windows:
            self.skew_us = self.youngest_us

    @property
    def steady(self) -> bool:
        return len(self.windows) >= ENOUGH and max(self.windows) - min(self.windows) <= SPREAD_US


class Clocks:
    """Remembers, for each domain's slot, the last minute of what its clock showed."""

    def __init__(self) -> None:
        self._clocks: dict[int, _Clock] = {}
        self._wrong: set[int] = set()

    def reset(self, slot: int) -> None:
        """Forget a domain, when another takes its slot."""
        self._clocks.pop(slot, None)
        self._wrong.discard(slot)

    def add(self, slot: I64, ahead_us: I64, at_us: int) -> None:
        """Take how far each datagram's export time was ahead of `at_us`, when it came; by its domain's slot, of shape (n,)."""
        youngest = np.full(int(slot.max(initial=-1)) + 1, NEVER)
        np.maximum.at(youngest, slot, ahead_us)
        slots = np.flatnonzero(youngest != NEVER)
        for number, ahead in zip(slots.tolist(), youngest[slots].tolist(), strict=True):
            clock = self._clocks.get(number)
            if clock is None:
                clock = self._clocks[number] = _Clock(at_us, ahead)
            clock.add(ahead, at_us)
            if abs(clock.skew_us) > APART_US:
                self._wrong.add(number)
            else:
                self._wrong.discard(number)

    def skew_us(self, slot: int) -> int | None:
        """How far a domain's clock is ahead of ours (negative: behind); None when nothing was heard, or it has no clock (sFlow)."""
        clock = self._clocks.get(slot)
        return None if clock is None else clock.skew_us

    @property
    def worst_us(self) -> int:
        """The skew of the clock that is off furthest; 0 when none is known."""
        return max((clock.skew_us for clock in self._clocks.values()), key=abs, default=0)

    def shift_us(self, slot: I64, ahead_us: I64, *, company: bool) -> I64 | None:
        """How much too late (negative: too early) the times of each datagram are; shape (n,), None when all are right enough.

        `ahead_us` is as in `add`, `company` says whether other exporters are heard.
        """
        if not self._wrong and not (ahead_us > APART_US).any():
            return None
        slots, inverse = np.unique(slot, return_inverse=True)
        skews = np.array([self._correction(number, company=company) for number in slots.tolist()], np.int64)[inverse]
        # Before a clock is known, or when it has just been changed, each datagram is measured by itself.
        leaps = ahead_us - skews > APART_US
        shift: I64 = np.where(leaps, ahead_us, skews)
        return shift if shift.any() else None

    def _correction(self, slot: int, *, company: bool) -> int:
        clock = self._clocks.get(slot)
        if clock is None:
            return 0
        return clock.skew_us if clock.skew_us > APART_US or (clock.skew_us < -APART_US and company and clock.steady) else 0
