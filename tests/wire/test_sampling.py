"""Sampling rates from options records: RFC 3954 8 and RFC 5477 8, and what is applied to which record."""

import numpy as np
import pytest

from abusewatch.wire.elements import SCOPE
from abusewatch.wire.sampling import MAX_SAMPLERS, Rates, RateTable, rate_of


@pytest.mark.parametrize(("numbers", "rate"), [
    ({34: 1000, 35: 2}, 1000),
    ({50: 64, 48: 1}, 64),
    ({305: 1, 306: 99}, 100),
    ({305: 10, 306: 990}, 100),
    ({305: 512}, 512),
    ({309: 1, 310: 1000}, 1000),
    ({34: 0}, 1),
    ({305: 0, 306: 5}, None),
    ({34: 2**63}, 2**32 - 1),
    ({1: 5}, None),
])  # fmt: skip
def test_rate_of_an_options_record(numbers, rate):
    assert rate_of({(0, n): value for n, value in numbers.items()}) == rate


def test_samplers_that_agree_are_the_default_and_those_that_differ_make_it_unknown():
    rates = Rates()
    assert rates.default == 0
    rates.learn({(0, 48): 1, (0, 34): 100})
    assert rates.default == 100
    rates.learn({(0, 48): 2, (0, 34): 200})
    assert rates.default == 0
    rates.learn({(0, 34): 50})
    assert rates.default == 50


def test_samplers_are_bounded():
    rates = Rates()
    assert all(rates.learn({(0, 302): n, (0, 305): 2, (0, 306): 0}) for n in range(MAX_SAMPLERS))
    assert not rates.learn({(0, 302): MAX_SAMPLERS, (0, 305): 2, (0, 306): 0})
    assert rates.learn({(0, 302): 0, (0, 305): 3, (0, 306): 0})


def test_a_record_takes_its_samplers_rate_before_its_interfaces_before_its_domains():
    one, two = Rates(), Rates()
    one.learn({(0, 48): 7, (0, 34): 70})
    one.learn({(SCOPE, 2): 3, (0, 34): 30})
    table = RateTable([(0, one), (1, two)])
    u64 = np.array([7, 7, 0, 7], np.uint64)
    rate = table.apply(np.full(4, 5, np.uint32), np.array([0, 0, 0, 1]), u64, np.array([3, 9, 3, 3], np.uint64))
    assert rate.tolist() == [70, 70, 30, 5]
