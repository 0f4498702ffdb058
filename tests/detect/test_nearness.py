"""Nearness: 1 exactly where a condition holds, and what is missing said in numbers."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abusewatch.detect.check import Scope
from abusewatch.detect.columns import Column
from abusewatch.detect.compile import compile_groups
from abusewatch.detect.expression import Binary, Choices, In, Name, Not, Number, Range, joined
from abusewatch.detect.nearness import clauses, filled, nearness, number
from abusewatch.detect.parse import parse
from abusewatch.detect.units import number as plain

MEASURES = Scope({name: Column(plain(least=1), "") for name in "abc"}, {}, "measure")

names = st.sampled_from("abc").map(Name)
numbers = st.integers(0, 30).map(lambda n: Number(float(n)))
leaves = st.one_of(
    st.builds(Binary, st.sampled_from(["=", "!=", "<", "<=", ">", ">="]), names, st.one_of(numbers, names)),
    st.builds(In, names, st.builds(lambda n, m: Choices((n, Range(*sorted((m, n), key=lambda x: x.value)))), numbers, numbers), st.booleans()),
)
conditions = st.recursive(
    leaves,
    lambda inner: st.one_of(st.builds(Not, inner), st.builds(lambda op, parts: joined(op, tuple(parts)), st.sampled_from(["and", "or"]), st.lists(inner, min_size=2, max_size=3))),
    max_leaves=8,
)
values = st.lists(st.floats(-5, 40) | st.just(math.nan), min_size=3, max_size=3)


@given(conditions, values)
def test_one_exactly_where_it_holds(when, found):
    columns = {name: np.array([value]) for name, value in zip("abc", found, strict=True)}
    near = float(nearness(when)(columns)[0])
    # What compares with an undefined number does not hold, nor does its opposite; a `not` around it does.
    if not any(map(math.isnan, found)):
        assert (near == 1) == bool(np.broadcast_to(compile_groups(when)(columns), (1,))[0])
    assert 0 <= near <= 1


def test_a_measure_next_to_nothing_overflows_no_ratio():
    when = Binary("<", Name("b"), Number(1.0))
    assert nearness(when)({"b": np.array([2.2e-311])})[0] == 1


@pytest.mark.parametrize(
    ("when", "measured", "near", "words"),
    [
        ("a >= 20", {"a": 17}, 0.85, "a 17 of 20 (85 %)"),
        ("a <= 60", {"a": 90}, 2 / 3, "a 90, may be at most 60"),
        ("b * 8 < a", {"a": 100, "b": 25}, 0.5, "b * 8 200, must be below a = 100"),
        ("a / b >= 0.75", {"a": 3, "b": 5}, 0.8, "a / b 0.6 of 0.75 (80 %)"),
        ("a >= 20 or b >= 4", {"a": 2, "b": 3}, 0.75, "b 3 of 4 (75 %)"),
        ("a >= 20 or b >= 4 and c <= 1", {"a": 2, "b": 3, "c": 2}, 0.375, "b 3 of 4 (75 %); c 2, may be at most 1"),
        ("a in (5..9)", {"a": 4}, 0, "4 in (5..9) does not hold"),
        ("a = 8", {"a": 4}, 0.5, "a 4, must be 8"),
        ("a >= 20", {"a": 0}, 0, "a 0 of 20"),
        ("not (a < 20 or b < 4)", {"a": 10, "b": 4}, 0.5, "not (10 < 20 or 4 < 4) does not hold"),
    ],
)
def test_a_miss_in_words(when, measured, near, words):
    (clause,) = clauses(MEASURES.condition(parse(when)), measured)
    assert clause.near == pytest.approx(near, abs=1e-4)
    assert clause.words == words
    assert not clause.holds


def test_each_part_of_an_and_is_a_clause_and_their_nearness_multiplies():
    when = MEASURES.condition(parse("a >= 20 and b >= 4 and c <= 1"))
    measured = {"a": 10.0, "b": 4.0, "c": 2.0}
    assert [(c.text, c.filled, c.holds) for c in clauses(when, measured)] == [("a >= 20", "10 >= 20", False), ("b >= 4", "4 >= 4", True), ("c <= 1", "2 <= 1", False)]
    assert nearness(when)({name: np.array([value]) for name, value in measured.items()})[0] == pytest.approx(0.25)


def test_the_condition_with_its_numbers():
    when = MEASURES.condition(parse("(a >= 20 or not b = 3) and c * 8 < max(a, 1)"))
    assert filled(when, {"a": 17, "b": 2.5, "c": 0.12345}) == "(17 >= 20 or not 2.5 = 3) and 0.1235 * 8 < max(17, 1)"
    assert filled(when, {"a": -2, "b": math.nan, "c": 1}) == "(-2 >= 20 or not b = 3) and 1 * 8 < max(-2, 1)"


def test_numbers_as_people_read_them():
    assert [number(value) for value in (20.0, 0.83333, 5_901_794.328, math.nan, -0.5)] == ["20", "0.8333", "5901794.3", "undefined", "-0.5"]
