"""How far behind the newest record the others come, learned from them, so that a pane stays open for what an exporter holds back.

A flow that ends without FIN leaves an exporter's cache when it has been idle (15 seconds on most routers, 60 on some), while of a long flow a part is
told up to this second. So the lateness that panes allow is no constant: were it too small, every scan that meets silence would come too late.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

MOST_STEPS = 24
"""The greatest lateness, in panes: two minutes. Whoever holds records back for longer has lost them, and the metric of late records says so."""
LOST_SHARE = 0.01
FADING = 0.98
"""Of the weight of what was seen one pane ago: half is forgotten after three minutes, so a backlog sent once does not count for ever."""


@dataclass(slots=True)
class Lag:
    """Weighs the lags seen, in steps of a pane (`step_us`); `lateness_us` lets all but a hundredth of them be in time, and is never below `least_us`."""

    step_us: int
    least_us: int
    lateness_us: int = 0
    _seen: NDArray[np.float64] = field(default_factory=lambda: np.zeros(MOST_STEPS))

    def __post_init__(self) -> None:
        """Start with the least."""
        self.lateness_us = self.least_us

    def note(self, behind_us: NDArray[np.int64]) -> None:
        """Count how far behind the newest some records came; what no lateness could save is left out."""
        if int(behind_us.max(initial=0)) < self.step_us:
            self._seen[0] += len(behind_us)
            return
        steps = np.maximum(behind_us, 0) // self.step_us
        self._seen += np.bincount(steps[steps < MOST_STEPS], minlength=MOST_STEPS)

    def turn(self) -> None:
        """The newest record has reached another pane: settle the lateness, and let what was seen fade."""
        reached = np.cumsum(self._seen)
        enough = int(np.searchsorted(reached, reached[-1] * (1 - LOST_SHARE)))
        self.lateness_us = max(self.least_us, (enough + 1) * self.step_us if enough else 0)
        self._seen *= FADING
