"""A ledger's bins wrap, its groups have bounded room, and a bin that has not begun holds nothing. What is counted in one: `coded/test_diary`, `test_history`."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from abusewatch.detect.ledger import Ledger


def written(entries, *, bins=5, most=10):
    """Entries of (group, bin), each counted once, in order of bins."""
    held = Ledger(bins, most, np.uint32)
    for group, number in sorted(entries, key=lambda each: each[1]):
        held.turn(number)
        held.admit(np.array([group], np.uint64), np.array([number]))
        at, known = held.find(np.array([group], np.uint64))
        held.cells[at[known], number % bins] += 1
    return held


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(0, 30)), min_size=1))
def test_the_last_bins_are_remembered_and_no_other(entries):
    held, newest = written(entries), max(number for _, number in entries)
    numbers = np.arange(newest - 8, newest + 3)
    for group in range(1, 6):
        read = held.read(np.array([group], np.uint64), numbers)[0].tolist()
        assert read == [entries.count((group, n)) if newest - 5 < n <= newest else 0 for n in numbers.tolist()]


def test_who_is_in_no_bin_is_forgotten():
    held = written([(1, 0), (2, 3), (2, 6)])
    assert held.find(np.array([1, 2], np.uint64))[1].tolist() == [False, True]
    assert held.first_us.tolist() == [3]
    assert written([(1, 0), (2, 3), (2, 4)]).find(np.array([1], np.uint64))[1].all()


def test_room_is_for_those_of_least_hash_first():
    held = Ledger(5, 2, np.uint32)
    held.turn(0)
    held.admit(np.array([9, 3, 7], np.uint64), np.zeros(3, np.int64))
    assert held.find(np.array([3, 7, 9], np.uint64))[1].tolist() == [True, True, False]


def test_an_empty_ledger_knows_nobody():
    held = Ledger(5, 2, np.uint32)
    assert held.read(np.array([1], np.uint64), np.array([0, 1])).tolist() == [[0, 0]]
    assert not held.find(np.array([1], np.uint64))[1].any()
