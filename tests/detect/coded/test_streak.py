"""Sessions in a row, and the one after."""

import numpy as np

from abusewatch.detect.coded.streak import Streak
from tests import scenarios as s


def measured(packets, told=None, groups=(0,)):
    n = len(packets)
    rows = {
        "start_us": np.arange(n), "packets": np.array(packets, np.uint64), "reply_bytes": np.array(told or [100] * n, np.uint64), "weight": np.ones(n),
    }  # fmt: skip
    given = Streak().measure(rows, np.array(groups))
    return list(zip(given["streak"].tolist(), given["after"].tolist(), strict=True))


def test_the_longest_run_around_the_median_counts():
    assert measured([12, 13, 12, 40, 12, 12]) == [(3, 0)]
    assert measured([12] * 4 + [30] + [12] * 4, groups=(0, 3)) == [(3, 0), (4, 0)]
    assert measured([7]) == [(1, 0)]


def test_what_is_longer_after_ten_alike_counts_when_it_was_told_more():
    assert measured([12] * 10 + [90], [100] * 10 + [5000]) == [(10, 1)]
    assert measured([12] * 9 + [90], [100] * 9 + [5000]) == [(9, 0)]
    assert measured([12] * 10 + [90], [100] * 11) == [(10, 0)]
    assert measured([12] * 10 + [15], [100] * 10 + [5000]) == [(10, 0)]
    assert measured([12] * 10 + [90], [100] * 10 + [5000], groups=(0, 10)) == [(10, 0), (1, 0)]


def found(*lines, **settings):
    rules = [rule for rule in s.shipped() if rule.id == "login-success"]
    return [(each.finding.severity, each.status) for each in s.detections(*lines, rules=rules, **settings)]


GUESSES = s.ssh_login_attack(40)


def test_a_session_that_goes_on_after_guessing_is_grave():
    assert found(*GUESSES, *s.session(205, s.OUT, 22, sport=51_000, packets=400, seconds=60)) == [("critical", "observe")]


def test_guessing_alone_and_work_alone_are_not():
    assert found(*GUESSES) == []
    assert found(*s.both(s.session(k * 30, s.OUT, 22, sport=41_000 + k, packets=10 + 13 * (k % 9)) for k in range(60))) == []
    assert found(*GUESSES, *s.session(205, s.OUT, 22, sport=51_000, packets=400, seconds=60), roles=("monitor",)) == []
