"""Every measure equals the obvious computation over Python lists."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abusewatch.detect import measures
from abusewatch.detect.measures import Groups

row = st.tuples(st.integers(0, 3), st.integers(0, 50), st.booleans())


def build(rows):
    rows = sorted(rows, key=lambda r: r[0])
    group = np.array([r[0] for r in rows])
    starts = np.flatnonzero(np.concatenate(([True], group[1:] != group[:-1])))
    number = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(rows))))
    value, mask = np.array([r[1] for r in rows], float), np.array([r[2] for r in rows])
    by_group = [[r for r in rows if r[0] == g] for g in sorted({r[0] for r in rows})]
    return Groups(starts, number, np.ones(len(rows))), value, mask, by_group


def lowest_median(values, percent=50):
    ordered = sorted(values)
    return ordered[max(-(-len(ordered) * percent // 100) - 1, 0)] if ordered else 0


@given(st.lists(row, min_size=1, max_size=40))
def test_measures_equal_the_naive_ones(rows):
    groups, value, mask, expected = build(rows)
    kept = [[r[1] for r in g if r[2]] for g in expected]
    assert measures.count(groups, mask).tolist() == [len(k) for k in kept]
    assert measures.total(groups, mask, value).tolist() == [sum(k) for k in kept]
    assert measures.distinct(groups, mask, value.astype(np.uint64) << np.uint64(30)).tolist() == [len(set(k)) for k in kept]
    assert measures.extreme(groups, mask, value, which="max").tolist() == [max(k, default=0) for k in kept]
    assert measures.extreme(groups, mask, value, which="min").tolist() == [min(k, default=0) for k in kept]
    for percent in (5, 50, 95):
        assert measures.percentile(groups, mask, value, percent).tolist() == [lowest_median(k, percent) for k in kept]
    assert measures.share(groups, mask, value > 25) == pytest.approx([sum(v > 25 for v in k) / len(k) if k else 0 for k in kept])
    assert measures.top_share(groups, mask, value.astype(np.uint64)) == pytest.approx([max((k.count(v) for v in k), default=0) / len(k) if k else 0 for k in kept])
    near = [[abs(v - lowest_median(k)) <= 3 + 0.15 * lowest_median(k) for v in k] for k in kept]
    assert measures.share_within(groups, mask, value, 3, 0.15) == pytest.approx([sum(n) / len(n) if n else 0 for n in near])


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 20), st.integers(0, 9)), min_size=1, max_size=20))
def test_concurrent_is_the_most_open_at_once(rows):
    groups, _, _, _ = build([(g, 0, True) for g, _, _ in rows])
    rows = sorted(rows, key=lambda r: r[0])
    start, end = np.array([r[1] for r in rows]), np.array([r[1] + r[2] for r in rows])
    found = measures.concurrent(groups, np.ones(len(rows), bool), start, end).tolist()
    thrice = Groups(groups.starts, groups.number, np.full(len(rows), 3.0))
    assert measures.concurrent(thrice, np.ones(len(rows), bool), start, end).tolist() == [3 * each for each in found]  # rows that stand for others: the other way
    for n, g in enumerate(sorted({r[0] for r in rows})):
        mine = [(s, s + d) for h, s, d in rows if h == g]
        assert found[n] == max(sum(s <= t <= e for s, e in mine) for t, _ in mine)


def test_concurrent_of_some_rows_and_of_none():
    groups = Groups(np.array([0, 2]), np.array([0, 0, 1]), np.ones(3))
    start, end = np.array([0, 5, 1 << 62]), np.array([9, 6, 1 << 62])
    assert measures.concurrent(groups, np.array([True, True, False]), start, end).tolist() == [2, 0]
    assert measures.concurrent(groups, np.array([False, False, True]), start, end).tolist() == [0, 1]
    assert measures.concurrent(groups, np.array([True, True, True]), start, end).tolist() == [2, 1]  # too far apart for one number
    assert measures.concurrent(groups, np.zeros(3, bool), start, end).tolist() == [0, 0]


@pytest.mark.parametrize(("k", "bound"), [(0, 0), (1, 0), (3, 0.15), (5, 0.69), (10, 2.9), (20, 8.9), (50, 31), (100, 72), (500, 434)])
def test_what_a_sample_proves(k, bound):
    assert measures.lower_bound(np.array([float(k)]))[0] == pytest.approx(bound, rel=0.03, abs=0.06)


def test_the_band_holds_the_count():
    k = np.arange(1.0, 200)
    assert (measures.lower_bound(k) < k).all()
    assert (measures.upper_bound(k) > k).all()


def test_a_row_stands_for_others_by_its_weight():
    groups = Groups(np.array([0]), np.array([0, 0]), np.array([10.0, 1.0]))
    mask = np.ones(2, bool)
    assert measures.count(groups, mask).tolist() == [11]
    assert measures.share(groups, mask, np.array([True, False])) == pytest.approx([10 / 11])


def test_more_groups_than_a_million_stay_apart():
    n = (1 << 20) + 3
    groups = Groups(np.arange(n), np.arange(n), np.ones(n))
    assert measures.distinct(groups, np.ones(n, bool), np.arange(n, dtype=np.uint64) << np.uint64(40)).tolist() == [1] * n
