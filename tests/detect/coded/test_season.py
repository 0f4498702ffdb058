"""Failures now, before and a day ago, counted plainly; and what fails every day alike."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abusewatch.detect.coded.diary import BIN_US
from abusewatch.detect.coded.season import DAY_BINS, Season
from tests import scenarios as s

TIMES = st.lists(st.lists(st.integers(1, 152), min_size=1, max_size=40), min_size=1, max_size=3)


def plainly(numbers):
    now, first = max(numbers), min(numbers)
    before = sorted(numbers.count(n) for n in range(first, now - 1))
    usual = before[max(math.ceil(len(before) * 95 / 100) - 1, 0)] if before else 0
    return usual, max(numbers.count(now - DAY_BINS + k) for k in range(-3, 4)), max(now - 1 - first, 0) * BIN_US / 1e6


@given(TIMES)
def test_the_measures_are_those_of_plain_counting(groups):
    season = Season()
    flat = [(group, n) for group, numbers in enumerate(groups) for n in sorted(numbers)]
    rows = {"group": np.array([g for g, _ in flat], np.uint64), "start_us": np.array([n for _, n in flat]) * BIN_US, "weight": np.ones(len(flat))}
    assert season.note(rows) == 0
    given = season.measure(rows, np.cumsum([0, *[len(numbers) for numbers in groups[:-1]]]))
    assert list(zip(*(given[name].tolist() for name in ("usual", "yesterday", "history")), strict=True)) == [plainly(numbers) for numbers in groups]


def found(*parts, **settings):
    rules = [rule for rule in s.shipped() if rule.id == "unusual-failures"]
    lines = sorted((line for part in parts for line in part), key=lambda line: float(line.split()[0]))
    return s.detections(*lines, rules=rules, **settings)


def seen(*parts):
    return [(each.finding.severity, each.status) for each in found(*parts)]


def failures(n, *, begin, gap, first=0, src=s.OWN):
    """So many hosts, each on a port of its own, that do not answer."""
    return [s.ask(begin + gap * k, s.host((first + k) % 60_000), 1024 + (first + k) % 50_000, sport=20_000 + k % 40_000, src=src) for k in range(n)]


USUAL = failures(200, begin=0, gap=60)


def burst(n=330, begin=12_660, gap=1.2, **more):
    return failures(n, begin=begin, gap=gap, first=9000, **more)


def test_a_host_that_begins_to_search_at_random_is_seen_and_only_observed():
    assert seen(USUAL, burst()) == [("low", "observe")]


@pytest.mark.parametrize(
    "parts",
    [
        (USUAL, burst(280)), (USUAL, burst(560, gap=2.4)), (failures(3000, begin=0, gap=5), burst()), (failures(150, begin=0, gap=60), burst(begin=9700)), (burst(),),
    ],
    ids=["fewer", "slower", "a tenth of it is usual", "not known for three hours", "not known at all"],
)  # fmt: skip
def test_what_is_usual_is_not(parts):
    assert seen(*parts) == []


def test_what_was_there_at_this_hour_yesterday_is_not():
    daily = [burst(450, begin=86_400 * day + 1500 * day) for day in range(2)]
    assert seen(*daily, failures(1430, begin=60, gap=60)) == []


def test_control_what_was_there_at_another_hour_is():
    daily = [burst(450, begin=86_400 * day + 3000 * day) for day in range(2)]
    assert seen(*daily, failures(1430, begin=60, gap=60)) == [("low", "observe")]


def test_it_is_the_same_whatever_the_batches():
    assert s.as_bytes(found(USUAL, burst(), size=7)) == s.as_bytes(found(USUAL, burst())) != []


def test_an_address_is_judged_by_its_own_past():
    """So it does not matter which process decides for whom."""
    other = {"src": "198.51.100.8"}
    mine, theirs = (USUAL, burst()), (failures(3000, begin=0, gap=5, **other), burst(**other))
    told, alone = ([(each.finding.offender, each.finding.first_seen, each.finding.measures) for each in found(*parts)] for parts in ((*mine, *theirs), mine))
    assert told == alone != []
