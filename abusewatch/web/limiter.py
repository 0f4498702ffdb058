"""How often somebody may ask: a bucket of tries a name, refilled with time, and never more names than fit."""

from collections import OrderedDict

NAMES = 4096
"""Buckets kept at once. The one least lately used is forgotten first: its owner has waited anyway."""


class Limiter:
    """Allows `burst` tries at once and then `rate` a second, for each name."""

    def __init__(self, rate: float, burst: int, names: int = NAMES) -> None:
        """Start with every bucket full."""
        self._rate = rate
        self._burst = burst
        self._names = names
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def allows(self, name: str, now: float) -> bool:
        """Take a try out of the bucket of `name`; False when it is empty. `now` is of a clock that never goes back."""
        left, since = self._buckets.pop(name, (float(self._burst), now))
        left = min(self._burst, left + (now - since) * self._rate)
        allowed = left >= 1
        self._buckets[name] = left - 1 if allowed else left, now
        if len(self._buckets) > self._names:
            self._buckets.popitem(last=False)
        return allowed
