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
    assert alternatives([parse("pps >= 300 and n >= 5 and pps >= 100"), parse("n >= 50")], ALL) == ({"pps": 300.0, "n": 5.0}, {"n": 50.0})


def test_reached():
    gates = ({"pps": 300.0}, {"bps": 40.0})
    totals = {"pps": np.array([299.0, 300.0, 0.0]), "bps": np.array([0.0, 0.0, 40.0])}
    assert reached(gates, totals).tolist() == [False, True, True]
    assert reached(gates, totals, 0.5).tolist() == [True, True, True]
