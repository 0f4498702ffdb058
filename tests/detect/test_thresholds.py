"""The gate never hides what a condition would accept."""

import numpy as np

from abusewatch.detect.parse import parse
from abusewatch.detect.thresholds import alternatives, reached

ALL = frozenset({"pps", "bps", "n"})


def test_branches_of_an_or_are_kept_apart():
    assert alternatives([parse("(pps >= 300 or bps >= 40M) and n <= 3")], ALL) == ({"pps": 300.0}, {"bps": 40e6})


def test_a_way_without_a_bound_means_no_gate():
    assert alternatives([parse("pps >= 300 or n <= 3")], ALL) == ()
    assert alternatives([parse("pps >= 300")], frozenset()) == ()


def test_an_and_needs_all_its_bounds():
    assert alternatives([parse("pps >= 300 and n >= 5 and pps >= 100"), parse("bps >= 50")], ALL) == ({"pps": 300.0, "n": 5.0}, {"bps": 50.0})


def test_a_way_that_asks_for_more_than_another_adds_nothing():
    assert alternatives([parse("n >= 50"), parse("n >= 20 or n >= 20 and pps >= 3")], ALL) == ({"n": 20.0},)
    assert alternatives([parse("n >= 20"), parse("pps >= 3")], ALL) == ({"n": 20.0}, {"pps": 3.0})


def test_a_long_condition_keeps_its_gate():
    more = " and ".join("(n <= 3 or pps >= 2000 or bps >= 400M)" for _ in range(5))
    assert alternatives([parse(f"(pps >= 300 or bps >= 40M) and {more}")], ALL) == ({"pps": 300.0}, {"bps": 40e6})


def test_too_many_ways_leave_what_the_other_parts_need():
    ways = " or ".join(f"(n >= {i} and pps >= {40 - i})" for i in range(1, 20))
    assert alternatives([parse(f"bps >= 7 and ({ways})")], ALL) == ({"bps": 7.0},)
    assert alternatives([parse(ways)], ALL) == ()


def test_reached():
    gates = ({"pps": 300.0}, {"bps": 40.0})
    totals = {"pps": np.array([299.0, 300.0, 0.0]), "bps": np.array([0.0, 0.0, 40.0])}
    assert reached(gates, totals).tolist() == [False, True, True]
    assert reached(gates, totals, 0.5).tolist() == [True, True, True]
