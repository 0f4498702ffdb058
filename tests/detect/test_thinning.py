"""Rows that stay stand for those that go, exactly and in every run alike."""

import numpy as np

from abusewatch.detect.thinning import FIRED_ROWS, NONE, thinned
from abusewatch.model import rows as r


def block(n, groups):
    rng = np.random.default_rng(0)
    return {
        "at": np.arange(n), "slot": np.zeros(n, np.int32), "weight": np.ones(n), "group": np.arange(n, dtype=np.uint64) % np.uint64(groups),
        "chance": rng.integers(0, 2**64, n, np.uint64),
    }  # fmt: skip


def test_few_rows_are_left_alone():
    rows = block(10, 2)
    assert thinned(rows, 5, NONE) == (rows, 0)
    assert thinned(r.take(rows, slice(0, 0)), 5)[1] == 0


def test_thinned_rows_stand_for_the_others_in_whole_numbers():
    rows = block(10_007, 3)
    thin, shed = thinned(rows, 100)
    assert r.length(thin) == 300
    assert shed == 9707
    assert np.bincount(thin["group"].astype(int), weights=thin["weight"]).tolist() == [3336, 3336, 3335]
    assert (thin["weight"] == np.floor(thin["weight"])).all()
    again, _ = thinned(thin, 40)
    assert np.bincount(again["group"].astype(int), weights=again["weight"]).tolist() == [3336, 3336, 3335]


def test_which_rows_stay_does_not_depend_on_their_order():
    rows = block(5000, groups=7)
    order = np.random.default_rng(3).permutation(5000)
    one, two = thinned(rows, 50)[0], thinned(r.take(rows, order), 50)[0]
    assert sorted(zip(one["at"].tolist(), one["weight"].tolist(), strict=True)) == sorted(zip(two["at"].tolist(), two["weight"].tolist(), strict=True))


def test_a_fired_group_brings_few_rows():
    thin, _ = thinned(block(1000, groups=2), 400, np.array([1], np.uint64))
    assert np.bincount(thin["group"].astype(int)).tolist() == [400, FIRED_ROWS]
