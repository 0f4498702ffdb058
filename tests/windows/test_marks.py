"""Marks are found while they last, go when their time is over, and never exceed their room."""

import numpy as np

from abusewatch.windows.marks import Marks


def keys(*values):
    return np.array(values, np.uint64)


def us(*values):
    return np.array(values, np.int64)


def test_a_mark_is_found_until_its_time_is_over():
    marks = Marks()
    marks.add(keys(3, 9), us(20, 5), us(100, 100), now_us=100)
    assert marks.known(keys(3, 4, 9), us(100, 100, 100)).tolist() == [True, False, True]
    marks.add(keys(), us(), us(), now_us=106)
    assert marks.known(keys(3, 9), us(0, 0)).tolist() == [True, False]


def test_what_goes_on_stays_marked():
    marks = Marks()
    marks.add(keys(3), us(20), us(100), now_us=100)
    marks.known(keys(3), us(115))
    marks.add(keys(), us(), us(), now_us=130)
    assert len(marks) == 1
    marks.add(keys(), us(), us(), now_us=135)
    assert len(marks) == 0


def test_keys_are_woven_in_order():
    marks = Marks()
    for key in (5, 1, 9, 3):
        marks.add(keys(key), us(50), us(0), now_us=1)
    assert marks.known(keys(1, 2, 3, 5, 9), us(0, 0, 0, 0, 0)).tolist() == [True, False, True, True, True]


def test_over_capacity_the_first_to_end_go_first():
    marks = Marks(capacity=2)
    marks.add(keys(1, 2, 3), us(10, 30, 20), us(0, 0, 0), now_us=1)
    assert marks.known(keys(1, 2, 3), us(0, 0, 0)).tolist() == [False, True, True]
