"""New destinations after an hour of old ones, against sets, and what resembles a search."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from abusewatch.detect.coded.novelty import LATE_US, Novelty
from tests import scenarios as s

CALLS = st.lists(st.lists(st.tuples(st.integers(0, 1500), st.integers(0, 9)), min_size=1, max_size=30), min_size=1, max_size=4)


def plainly(calls):
    since = max(at for at, _ in calls) * 1_000_000 - LATE_US
    before = {dst for at, dst in calls if at * 1_000_000 <= since}
    late = {dst for at, dst in calls if at * 1_000_000 > since}
    return len(before), len(late - before), len(late - before) / len(late), max(since / 1e6 - calls[0][0], 0)


@given(CALLS)
def test_the_measures_are_those_of_sets(groups):
    groups = [sorted(calls) for calls in groups]
    flat = [call for calls in groups for call in calls]
    rows = {"start_us": np.array([at for at, _ in flat]) * 1_000_000, "dst": np.array([dst for _, dst in flat], np.uint64)}
    given = Novelty().measure(rows, np.cumsum([0, *[len(calls) for calls in groups[:-1]]]))
    found = zip(*(given[name].tolist() for name in ("known", "newcomers", "novelty", "history")), strict=True)
    assert list(found) == [plainly(calls) for calls in groups]


def found(*parts):
    rules = [rule for rule in s.shipped() if rule.id == "new-destinations"]
    lines = sorted(s.both(line for part in parts for line in part), key=lambda line: float(line.split()[0]))
    return [(each.finding.severity, each.status) for each in s.detections(*lines, rules=rules)]


def work(minutes, servers, *, port=22):
    """Each minute a session with one of a few servers."""
    return [s.session(60 * k, s.host(k % servers), port, sport=20_000 + k) for k in range(minutes)]


def search(servers, *, begin, port=22):
    """Each of them once, all answer."""
    return [s.session(begin + 5 * k, s.host(300 + k), port, sport=40_000 + k) for k in range(servers)]


def test_a_search_among_servers_that_all_answer_is_seen_and_only_observed():
    assert found(work(75, 5), search(45, begin=4600)) == [("low", "observe")]


def test_what_is_no_search():
    assert found(work(75, 5), search(35, begin=4600)) == []
    assert found(work(75, 12), search(45, begin=4600)) == []
    assert found(work(40, 5), search(45, begin=2500)) == []
    assert found(work(75, 5, port=443), search(45, begin=4600, port=443)) == []
    assert found(search(45, begin=0)) == []


def test_a_fleet_that_is_called_each_hour_is_no_news():
    rounds = [[s.session(3600 * hour + 5 * k, s.host(300 + k), 22, sport=20_000 + 100 * hour + k) for k in range(60)] for hour in range(4)]
    assert found(*rounds) == []
