"""Marks are found while they last, go when their time is over, and take no more room than they have."""

import numpy as np
import pytest

from abusewatch.windows.marks import SET_BITS, WAYS, Marks

SECOND = 1_000_000
SET = 1 << (64 - SET_BITS)


def keys(*values):
    return np.array(values, np.uint64)


def us(*secs):
    return np.array(secs, np.int64) * SECOND


def flags(*values):
    return np.array(values, np.bool_)


def marks(brief=20, slow=60):
    return Marks(brief, slow)


@pytest.mark.parametrize(("slow", "last"), [(False, 120), (True, 160)])
def test_a_mark_is_found_until_its_time_is_over(slow, last):
    table = marks()
    table.add(keys(3 * SET), flags(slow), us(100), 100 * SECOND)
    assert table.known(keys(3 * SET, 4 * SET, 3 * SET + 1), us(last, last, last)).tolist() == [True, False, False]
    table = marks()
    table.add(keys(3 * SET), flags(slow), us(100), 100 * SECOND)
    assert not table.known(keys(3 * SET), us(last + 1)).any()


def test_what_goes_on_stays_marked():
    table = marks()
    table.add(keys(3), flags(False), us(100), 100 * SECOND)
    for at in (115, 130, 145):
        assert table.known(keys(3), us(at)).all()
    assert table.alive(150 * SECOND) == 1
    assert table.alive(166 * SECOND) == 0


def test_an_older_record_does_not_shorten_a_mark():
    table = marks()
    table.add(keys(3), flags(False), us(100), 100 * SECOND)
    table.known(keys(3), us(50))
    assert table.known(keys(3), us(120)).all()


def test_keys_of_one_set_are_told_apart():
    table = marks()
    table.add(keys(7, 8, 9), flags(False, True, False), us(1, 1, 1), SECOND)
    assert table.known(keys(6, 7, 8, 9, 10), us(1, 1, 1, 1, 1)).tolist() == [False, True, True, True, False]


def test_where_a_set_is_full_the_mark_that_ends_first_goes_and_is_counted():
    table = marks()
    for at in range(WAYS):
        table.add(keys(at), flags(False), us(10 + at), 10 * SECOND)
    assert table.shed == 0
    table.add(keys(100), flags(False), us(20), 20 * SECOND)
    assert table.known(keys(0, 1, 2, 3, 100), us(20, 20, 20, 20, 20)).tolist() == [False, True, True, True, True]
    assert table.shed == 1


def test_a_mark_whose_time_is_over_makes_room_without_loss():
    table = marks()
    table.add(keys(*range(WAYS)), flags(*[False] * WAYS), us(*[10] * WAYS), 10 * SECOND)
    table.add(keys(*range(50, 50 + WAYS)), flags(*[False] * WAYS), us(*[100] * WAYS), 100 * SECOND)
    assert table.shed == 0
    assert table.known(keys(*range(50, 50 + WAYS)), us(*[100] * WAYS)).all()


def test_a_million_marks_are_found_again_and_few_are_lost():
    table = marks()
    rng = np.random.default_rng(5)
    key = np.unique(rng.integers(0, 2**64, 1_000_000, np.uint64))
    last = np.full(len(key), 100 * SECOND)
    table.add(key, np.zeros(len(key), np.bool_), last, 100 * SECOND)
    found = table.known(key, last)
    assert len(key) - np.count_nonzero(found) == table.shed < len(key) / 200
    strangers = rng.integers(0, 2**64, 1_000_000, np.uint64)
    assert np.count_nonzero(table.known(strangers, last[:1].repeat(1_000_000))) <= 1
