"""The lateness follows what exporters hold back, within bounds, and a backlog is forgotten."""

import numpy as np
import pytest

from abusewatch.windows.lag import MOST_STEPS, Lag
from abusewatch.windows.panes import SECOND


def taught(*seconds, turns=1, lag=None):
    lag = lag or Lag(5 * SECOND, 10 * SECOND)
    for _ in range(turns):
        lag.note(np.array(seconds, np.int64) * SECOND)
        lag.turn()
    return lag


@pytest.mark.parametrize(
    ("seconds", "lateness"),
    [
        pytest.param([0] * 100, 10, id="nothing held back: the least"),
        pytest.param([0] * 50 + [15] * 50, 20, id="idle for 15 s"),
        pytest.param([0] * 50 + [61] * 50, 65, id="idle for a minute"),
        pytest.param([0] * 998 + [61] * 2, 10, id="two in a thousand teach nothing"),
        pytest.param([0] * 50 + [500] * 50, 10, id="what no lateness could save teaches nothing"),
        pytest.param([500] * 10, 10, id="nothing else came"),
        pytest.param([0] * 50 + [119] * 50, 5 * MOST_STEPS, id="the most"),
    ],
)
def test_lateness(seconds, lateness):
    assert taught(*seconds).lateness_us == lateness * SECOND


def test_a_backlog_is_forgotten():
    lag = taught(*[100] * 1000)
    assert lag.lateness_us == 105 * SECOND
    assert taught(*[0] * 1000, turns=30, lag=lag).lateness_us == 105 * SECOND
    assert taught(*[0] * 1000, turns=100, lag=lag).lateness_us == 10 * SECOND
