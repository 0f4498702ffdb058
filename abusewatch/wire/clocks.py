"""How far an exporter's clock is from ours: the time in its datagrams' headers against the time at which they came.

Delay makes a datagram look older and never younger, so of each window the youngest counts, and of the last windows the middle one: a datagram of
somebody else's making moves neither for long.
"""

from collections import deque
from dataclasses import dataclass, field
from statistics import median_low

import numpy as np

from abusewatch.model.flow import I64

WINDOW_US = 10_000_000
WINDOWS = 5
NEVER = np.iinfo(np.int64).min


@dataclass(slots=True)
class _Clock:
    since_us: int
    youngest_us: int
    windows: deque[int] = field(default_factory=lambda: deque(maxlen=WINDOWS))

    def add(self, ahead_us: int, at_us: int) -> None:
        if abs(at_us - self.since_us) >= WINDOW_US:
            self.windows.append(self.youngest_us)
            self.since_us, self.youngest_us = at_us, ahead_us
        self.youngest_us = max(self.youngest_us, ahead_us)


class Clocks:
    """Remembers, for each domain's slot, the last minute of what its clock showed."""

    def __init__(self) -> None:
        self._clocks: dict[int, _Clock] = {}

    def reset(self, slot: int) -> None:
        """Forget a domain, when another takes its slot."""
        self._clocks.pop(slot, None)

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

    def skew_us(self, slot: int) -> int | None:
        """How far a domain's clock is ahead of ours (negative: behind); None when nothing was heard, or it has no clock (sFlow)."""
        clock = self._clocks.get(slot)
        return None if clock is None else median_low(clock.windows or (clock.youngest_us,))
