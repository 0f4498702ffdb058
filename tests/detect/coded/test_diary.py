"""Counts of a day: those of plain counting, in bounded memory, and none of who is gone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abusewatch.detect.coded import diary
from abusewatch.detect.coded.diary import BIN_US, BINS, Diary

PANES = st.lists(st.lists(st.tuples(st.integers(1, 5), st.integers(0, 20)), max_size=12), min_size=1, max_size=25)


def noted(held, rows):
    """Rows of (group, bin)."""
    return held.note(np.array([g for g, _ in rows], np.uint64), np.array([n * BIN_US for _, n in rows]), np.ones(len(rows)))


def asked(held, group, number):
    counts, first = held.before(np.array([group], np.uint64), np.array([number]))
    return counts[0].tolist(), int(first[0])


@given(PANES)
def test_the_counts_are_those_of_plain_counting(panes):
    held, told = Diary(), []
    for n, pane in enumerate(panes):
        rows = [(group, 9 * n + late) for group, late in pane]
        assert noted(held, rows) == 0
        told += rows
    for group in range(1, 6) if told else ():
        newest = max(number for _, number in told)
        counts, _ = asked(held, group, newest + 1)
        mine = [number for each, number in told if each == group]
        assert counts == [mine.count(newest - k) for k in range(BINS - 1)]


def test_what_stands_for_many_counts_as_many():
    held = Diary()
    held.note(np.array([7, 7], np.uint64), np.array([3 * BIN_US, 3 * BIN_US]), np.array([4.0, 1.0]))
    assert asked(held, 7, 4)[0][0] == 5


def test_who_is_silent_for_a_day_is_forgotten():
    held = Diary()
    noted(held, [(1, 10), (2, 12)])
    noted(held, [(2, 10 + BINS)])
    assert asked(held, 1, 11 + BINS) == ([0] * (BINS - 1), -1)
    assert asked(held, 2, 11 + BINS)[1] == 12 * BIN_US


def test_control_an_hour_earlier_he_is_not():
    held = Diary()
    noted(held, [(1, 10), (2, 12)])
    noted(held, [(2, 4 + BINS)])
    assert asked(held, 1, 5 + BINS)[1] == 10 * BIN_US


def test_room_is_bounded_and_whom_it_had_none_for_is_said(monkeypatch):
    monkeypatch.setattr(diary, "MOST_GROUPS", 3)
    held = Diary()
    assert noted(held, [(g, 1) for g in (5, 4, 9, 2, 2, 8, 8)]) == 3
    assert [asked(held, g, 2)[1] >= 0 for g in (2, 4, 5, 8, 9)] == [True, True, True, False, False]
    assert noted(held, [(8, 2 + BINS)]) == 0


@pytest.mark.parametrize("rows", [[], [(1, 1)]])
def test_of_others_nothing_is_known(rows):
    held = Diary()
    noted(held, rows)
    assert asked(held, 3, 1) == ([0] * (BINS - 1), -1)
