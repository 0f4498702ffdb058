"""Promise: the drawings stay inside their frame, whatever times they are given."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abusewatch.reports.timeline import LANES_SHOWN, SWEEP_TARGETS, WIDTH, lanes, sweep

TIMES = st.integers(-(2**62), 2**62)


@given(times=st.lists(st.tuples(TIMES, TIMES), min_size=1, max_size=6))
def test_bars_stay_inside(made, times):
    detections = [msgspec.structs.replace(made.detection(), first_us=min(pair), last_us=max(pair)) for pair in times]
    drawing = lanes(detections)
    for bar in drawing["bars"]:
        assert 0 <= bar["x"] <= WIDTH
        assert 0 < bar["width"] <= WIDTH
    assert len(drawing["ticks"]) == 5


def test_nothing_to_draw(made):
    assert lanes([]) is None
    assert sweep(made.detection(targets=(made.target("203.0.113.9", 0),))) is None


def test_caps_are_said(made):
    drawing = lanes([made.detection()] * (LANES_SHOWN + 3))
    assert len(drawing["bars"]) == LANES_SHOWN
    assert drawing["more"] == 3
    picture = sweep(made.detection(targets=tuple(made.target(f"203.0.113.{n}", n) for n in range(1, 251))))
    assert picture["drawn"] <= SWEEP_TARGETS
    assert picture["of"] == 250


def test_a_sweep_climbs(made):
    ys = [line["y"] for line in sweep(made.detection())["lines"]]
    xs = [line["x"] for line in sweep(made.detection())["lines"]]
    assert ys == sorted(ys, reverse=True)
    assert xs == sorted(xs)


@pytest.mark.parametrize(("length", "text"), [(0, ":03.120"), (3_000_000, "."), (600_000_000, "10:10:03"), (90_000_000_000, "11-02 11:00")])
def test_ticks_are_as_fine_as_needed(made, length, text):
    first = made.START
    drawing = lanes([msgspec.structs.replace(made.detection(), first_us=first, last_us=first + length)])
    assert text in drawing["ticks"][-1]["text"]
