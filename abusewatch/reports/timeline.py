"""Two drawings for the page, as numbers for an SVG.

When each finding lasted, and how an attack went through its targets.
"""

from collections.abc import Sequence
from typing import Any

from abusewatch.model.finding import Detection, iso

WIDTH = 1000
LABEL_WIDTH = 250
LANE_HEIGHT = 42
LANES_SHOWN = 25
TICKS = 5
SWEEP_HEIGHT = 150
SWEEP_TARGETS = 120
"""Lines in one drawing; more than this is a grey area on paper."""


def lanes(detections: Sequence[Detection]) -> dict[str, Any] | None:
    """Lay out one bar a finding over the time all of them cover; None when there is nothing to draw.

    Units: SVG user units.
    """
    if not detections:
        return None
    shown = detections[:LANES_SHOWN]
    begin = min(d.first_us for d in shown)
    scale = _Scale(begin, max(d.last_us for d in shown), LABEL_WIDTH, WIDTH - 10)
    bars = [
        {
            "y": index * LANE_HEIGHT,
            "x": round(scale(d.first_us), 1),
            "width": round(max(scale(d.last_us) - scale(d.first_us), 4), 1),
            "offender": d.finding.offender,
            "label": d.title,
            "severity": d.finding.severity,
            "index": index + 1,
        }
        for index, d in enumerate(shown)
    ]
    return {
        "width": WIDTH,
        "height": len(shown) * LANE_HEIGHT + 30,
        "lane": LANE_HEIGHT,
        "label_width": LABEL_WIDTH,
        "bars": bars,
        "ticks": scale.ticks(),
        "more": len(detections) - len(shown),
    }


def sweep(detection: Detection) -> dict[str, Any] | None:
    """Lay out one line a target, in the order in which they were reached: a sweep climbs, a flood is a block.

    None for fewer than two.
    """
    targets = sorted(detection.targets, key=lambda t: (t.first_us, t.address))
    if len(targets) < 2:
        return None
    step = -(-len(targets) // SWEEP_TARGETS)
    drawn = targets[::step]
    pitch = SWEEP_HEIGHT / len(drawn)
    scale = _Scale(detection.first_us, max(detection.last_us, *(t.last_us for t in targets)), 0, WIDTH)
    lines = [
        {
            "y": round(SWEEP_HEIGHT - (index + 0.5) * pitch, 1),
            "x": round(scale(t.first_us), 1),
            "width": round(max(scale(t.last_us) - scale(t.first_us), 4), 1),
            "address": t.address,
        }
        for index, t in enumerate(drawn)
    ]
    return {
        "width": WIDTH,
        "height": SWEEP_HEIGHT,
        "thick": round(min(max(pitch * 0.8, 2), 10), 1),
        "lines": lines,
        "ticks": scale.ticks(),
        "drawn": len(drawn),
        "of": len(targets),
    }


class _Scale:
    """Microseconds to x. A moment without length sits in the middle."""

    def __init__(self, begin: int, end: int, left: float, right: float) -> None:
        self._begin, self._end = begin, max(end, begin + 1)
        self._left, self._right = left, right

    def __call__(self, us: int) -> float:
        share = min(max((us - self._begin) / (self._end - self._begin), 0), 1)
        return self._left + share * (self._right - self._left)

    def ticks(self) -> list[dict[str, Any]]:
        """Place some times under the drawing, with the date only where all are on other days."""
        days = iso(self._begin)[:10] != iso(self._end)[:10]
        step = (self._end - self._begin) / (TICKS - 1)
        moments = [self._begin + round(step * n) for n in range(TICKS)]
        fine = step < 2_000_000
        return [
            {
                "x": round(self(us), 1),
                "text": (iso(us)[5:16].replace("T", " ") if days else iso(us)[11:23] if fine else iso(us)[11:19]),
                "anchor": "start" if n == 0 else "end" if n == TICKS - 1 else "middle",
            }
            for n, us in enumerate(moments)
        ]
