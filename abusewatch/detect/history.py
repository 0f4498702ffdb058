"""What a measure usually is for a group: `baseline(servers, 14d, same_hour)`.

Of each hour the greatest value is remembered that a judgement saw, 0 where the group had no rows, and the baseline is the median (the lower of two) over the
hours before this one that the season picks: all, those of the same hour of the day, or of the same hour of the week, in UTC. A rule says what is unusual, so
nothing is usual before that has been seen: until `LEAST` hours of the season have gone by, the baseline is not a number, and what a rule says of it does not
hold.

Hours last longer than windows. They are kept in memory only, of a group as its hash (`detect.ledger`), so a restart begins anew.
"""

import numpy as np
from numpy.typing import NDArray

from abusewatch.detect.ledger import Ledger
from abusewatch.windows.order import U64

HOUR_US = 3_600_000_000
MOST_GROUPS = 1 << 14
MOST_OCTETS = 32 << 20
"""Of 14 days that is 16,384 groups; of longer histories fewer."""
EVERY = {"any_hour": 1, "same_hour": 24, "same_hour_of_week": 168}
LEAST = {"any_hour": 24, "same_hour": 3, "same_hour_of_week": 2}
"""A median of fewer is a coincidence: a day of all hours, three days of one, two weeks of one in a week."""

F64 = NDArray[np.float64]


def least_secs(season: str) -> int:
    """The shortest history in which a season comes often enough."""
    return LEAST[season] * EVERY[season] * 3600


class History:
    """The values of one measure of one rule, hour by hour."""

    def __init__(self, history_secs: int, season: str) -> None:
        """Begin to remember."""
        self._hours, self._every, self._least = history_secs // 3600, EVERY[season], LEAST[season]
        bins = self._hours + 1
        self._ledger = Ledger(bins, max(min(MOST_GROUPS, MOST_OCTETS // (4 * bins)), 1), np.float32)
        self._since: int | None = None
        self._full = False

    def begin(self, now_us: int) -> None:
        """Time passes from here on, whether anybody has rows or not; the hour that has begun is not a whole one."""
        if self._since is None:
            self._since = now_us // HOUR_US + 1

    def note(self, group: U64, value: F64, at_us: int) -> int:
        """Remember what different groups had at a judgement; say of how many there was no room to."""
        hour = at_us // HOUR_US
        self._ledger.turn(hour)
        self._ledger.admit(group, np.full(len(group), at_us))
        at, known = self._ledger.find(group)
        cells = (at[known], hour % self._ledger.bins)
        self._ledger.cells[cells] = np.maximum(self._ledger.cells[cells], value[known].astype(np.float32))
        unknown = int(np.count_nonzero(~known))
        self._full |= unknown > 0
        return unknown

    def usual(self, group: U64, at_us: int) -> F64:
        """The baseline of each group, not a number where too little is known."""
        hours = at_us // HOUR_US - np.arange(self._every, self._hours + 1, self._every)
        hours = hours[hours >= self._since] if self._since is not None else hours[:0]
        if len(hours) < self._least:
            return np.full(len(group), np.nan)
        values = np.sort(self._ledger.read(group, hours), axis=1)[:, (len(hours) - 1) // 2].astype(np.float64)
        # Who is not in the ledger had nothing to be remembered, unless there was no room for him.
        return np.where(self._ledger.find(group)[1] | (not self._full), values, np.nan)
