"""How often strangers are asked: so many look-ups a day, and none of a registry that wants to be left alone."""

import time
from collections.abc import Callable
from typing import Protocol

FIRST_PAUSE_SECS = 60.0
LONGEST_PAUSE_SECS = 3600.0
DAY_SECS = 86_400.0


class Spending(Protocol):
    """Remembers over a restart how often strangers were asked. Any thread may call."""

    def spend(self, source: str, per_day: int, now_us: int) -> bool:
        """Take one look-up out of a source's day; False when it is used up."""


class StoredBudget:
    """A budget that a restart does not fill again, and that the daemon shares with a person at the command line."""

    def __init__(self, source: str, per_day: int, spending: Spending) -> None:
        """Take whose budget it is, the limit, and what remembers."""
        self._source = source
        self._per_day = per_day
        self._spending = spending

    def spend(self) -> bool:
        """Take one look-up out of the budget; False when it is empty."""
        return self._spending.spend(self._source, self._per_day, time.time_ns() // 1000)


class Budget:
    """Look-ups in the last 24 hours, by a clock that never jumps. A restart starts a new day."""

    def __init__(self, per_day: int, clock: Callable[[], float]) -> None:
        """Take the limit and the clock (monotonic, seconds)."""
        self._per_day = per_day
        self._clock = clock
        self._began = clock()
        self.spent = 0

    def spend(self) -> bool:
        """Take one look-up out of the budget; False when it is empty."""
        if self._clock() - self._began >= DAY_SECS:
            self._began, self.spent = self._clock(), 0
        if self.spent >= self._per_day:
            return False
        self.spent += 1
        return True


class Pauses:
    """Hosts that are left alone for a while: as long as they said, or ever longer while they fail."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Take the clock (monotonic, seconds)."""
        self._clock = clock
        self._until: dict[str, float] = {}
        self._failures: dict[str, int] = {}

    def pausing(self, host: str) -> bool:
        """Whether the host is to be left alone now."""
        return self._until.get(host, 0.0) > self._clock()

    def failed(self, host: str, retry_secs: float | None = None) -> None:
        """Leave the host alone for the time it asked for, else for a minute, two, four, up to an hour."""
        failures = self._failures[host] = self._failures.get(host, 0) + 1
        growing: float = min(FIRST_PAUSE_SECS * 2 ** min(failures - 1, 10), LONGEST_PAUSE_SECS)
        self._until[host] = self._clock() + (growing if retry_secs is None else max(retry_secs, 1.0))

    def answered(self, host: str) -> None:
        """Forget the failures of a host."""
        self._until.pop(host, None)
        self._failures.pop(host, None)
