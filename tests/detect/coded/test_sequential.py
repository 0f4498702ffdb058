"""The walk over first contacts, against the walk taken step by step."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from abusewatch.detect.coded.sequential import Sequential
from tests import scenarios as s

CONTACTS = st.lists(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 2)), min_size=1, max_size=40), min_size=1, max_size=4)


def plainly(contacts):
    seen, now, top = set(), 0, 0
    for dst, outcome in contacts:
        if dst not in seen:
            seen.add(dst)
            now = max(now - 1, 0) if outcome == 2 else now + 1
            top = max(top, now)
    return top


@given(CONTACTS)
def test_the_walk_is_the_one_taken_step_by_step(groups):
    flat = [contact for group in groups for contact in group]
    rows = {"dst": np.array([dst for dst, _ in flat], np.uint64), "outcome": np.array([outcome for _, outcome in flat], np.uint8)}
    starts = np.cumsum([0, *[len(group) for group in groups[:-1]]])
    assert Sequential().measure(rows, starts)["walk"].tolist() == [plainly(group) for group in groups]


def found(*lines):
    rules = [rule for rule in s.shipped() if rule.id == "slow-scan-sequential"]
    return [(each.finding.severity, each.status) for each in s.detections(*lines, rules=rules)]


def test_a_slow_search_is_seen_and_only_observed():
    assert found(*s.slow_scan(30)) == [("low", "observe")]


def test_one_that_mostly_gets_an_answer_is_not():
    answered = [s.session(k * 60 + 5, s.host(500 + k), 8443) for k in range(90)]
    assert found(*sorted([*s.slow_scan(30), *s.both(answered)], key=lambda line: float(line.split()[0]))) == []
    assert found(*s.slow_scan(20)) == []
    assert found(*(s.ask(k * 60, s.OUT, 8443) for k in range(200))) == []
