"""What a detector breaks is its own: other rules find the same, byte for byte, and after ten raises in a minute it is left alone."""

import numpy as np
import pytest

from abusewatch.detect.coded.detector import Gauge, Program
from abusewatch.detect.coded.seat import Seat
from abusewatch.detect.measures import Groups
from tests import scenarios as s
from tests.detect.coded.foreign import GOOD, program, rule

LINES = [*s.address_scan(60), *s.login_attack(30), *s.udp_flood(9000)]


class Told:
    def __init__(self, answer):
        self.answer, self.seen = answer, []

    def measure(self, rows, starts):
        self.seen.append(({name: column.tolist() for name, column in rows.items()}, starts.tolist()))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def seat(answer, columns=("packets",)):
    told = Told(answer)
    return Seat(Program("x", "conversation", columns, {"n": Gauge("plain", "n")}, lambda: told)), told


def rows(at_us=0, n=4):
    return {
        "block_us": np.full(n, at_us), "chance": np.arange(n, dtype=np.uint64), "start_us": np.array([3, 2, 1, 0]), "weight": np.ones(n),
        "@packets": np.array([30, 20, 10, 0]),
    }  # fmt: skip


GROUPS = Groups(np.array([0, 2]), np.array([0, 0, 1, 1]), np.ones(4))


def test_it_sees_declared_columns_only_by_group_and_time_and_cannot_write():
    here, told = seat({"n": [1, 2]})
    assert here.over(rows(), GROUPS)["n"].tolist() == [1.0, 2.0]
    assert not here.lost
    assert told.seen == [({"packets": [20, 30, 0, 10], "weight": [1.0] * 4}, [0, 2])]


@pytest.mark.parametrize("answer", [{}, {"n": [1]}, {"n": [1, np.nan]}, {"n": [1, np.inf]}, {"n": ["a", "b"]}, None, {"n": [[1], [2]]}, 7])
def test_nonsense_loses_the_turn(answer):
    here, _ = seat(answer)
    assert np.isnan(here.over(rows(), GROUPS)["n"]).all()
    assert here.lost
    assert here.faults == {"output": 1}
    assert not here.disabled


def test_ten_raises_in_a_minute_disable_it():
    here, told = seat(ValueError())
    for second in range(12):
        here.over(rows(second * 5_000_000), GROUPS)
    assert here.disabled
    assert here.faults == {"raised": 10, "disabled": 2}
    assert len(told.seen) == 10


def test_control_ten_raises_in_an_hour_do_not():
    here, _ = seat(ValueError())
    for minute in range(12):
        here.over(rows(minute * 60_000_000), GROUPS)
    assert here.faults == {"raised": 12}


@pytest.mark.parametrize("line", ["pass", "1 / 0", "raise SystemExit", "return {'n': 'x'}", "while True: pass", "import os; os.fork()"])
def test_the_other_rules_find_the_same(tmp_path, monkeypatch, line):
    foreign = rule({"acme": program(tmp_path, monkeypatch, source=GOOD % line)})
    without = s.as_bytes(s.detections(*LINES))
    found = s.detections(*LINES, rules=(*s.shipped(), foreign))
    assert s.as_bytes(each for each in found if each.finding.rule != "acme") == without
    assert any(each.finding.rule == "acme" for each in found) == (line == "pass")


def test_a_caged_detector_finds_the_same_whatever_the_batches(tmp_path, monkeypatch):
    foreign = (rule({"acme": program(tmp_path, monkeypatch)}),)
    assert s.as_bytes(s.detections(*LINES, rules=foreign)) == s.as_bytes(s.detections(*LINES, rules=foreign, size=7)) != []


def test_exceptions_and_episodes_hold_for_it_too(tmp_path, monkeypatch):
    foreign = rule({"acme": program(tmp_path, monkeypatch)})
    found = s.detections(*LINES, rules=(foreign,))
    assert [(each.finding.measures["n"] >= 5, each.finding.threshold, each.because) for each in found] == [(True, "n >= 5", "five")]
