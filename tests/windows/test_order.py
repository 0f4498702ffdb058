"""Grouping by sorting must equal the slow, obvious way."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abusewatch.windows.order import LOOKS, among, mix, order_of, ranges, starts_of

keys = st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 5), max_size=60)


@given(keys)
def test_order_brings_equal_keys_together(values):
    array = np.array(values, np.uint64)
    ordered = array[order_of(array)]
    assert sorted(ordered.tolist()) == sorted(values)
    assert len(starts_of(ordered)) == len(set(values))


def test_keys_that_differ_only_below_the_packed_bits_do_not_interleave():
    array = np.array([4, 5, 4, 5, 6, 4, 7, 5], np.uint64)
    assert len(starts_of(array[order_of(array)])) == 4


def test_mix_depends_on_every_column_and_on_their_order():
    a, b = np.arange(4, dtype=np.uint64), np.arange(4, dtype=np.uint64) + np.uint64(9)
    assert len({mix(a, b)[0], mix(b, a)[0], mix(a)[0]}) == 3
    assert mix(a, b).tolist() == mix(a, b).tolist()


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 5)), max_size=20))
def test_ranges_are_concatenated(pairs):
    begin, count = (np.array([p[n] for p in pairs], np.int64) for n in (0, 1))
    assert ranges(begin, count).tolist() == [b + i for b, c in pairs for i in range(c)]


@pytest.mark.parametrize("few", [0, 1, LOOKS, LOOKS + 1, 300])
def test_which_are_among_a_few(few):
    group = np.arange(1000, dtype=np.uint64) % np.uint64(700)
    some = np.arange(few, dtype=np.uint64) * np.uint64(3)
    assert among(group, some).tolist() == np.isin(group, some).tolist()
