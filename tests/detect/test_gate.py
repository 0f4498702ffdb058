"""Necessary bounds are necessary: what fulfils a condition is never below them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abusewatch.detect.check import Scope
from abusewatch.detect.columns import CONVERSATION, Column
from abusewatch.detect.compile import compile_groups
from abusewatch.detect.expression import Binary, Choices, In, Name, Not, Number, Range, joined
from abusewatch.detect.gate import implied, necessary
from abusewatch.detect.parse import parse
from abusewatch.detect.units import number

MEASURES = Scope({name: Column(number(least=1), "") for name in "abc"}, {}, "measure")


@pytest.mark.parametrize(
    ("when", "bounds"),
    [
        ("a >= 20 and b / a >= 0.75", {"a": 20}),
        ("a > 20 and a >= 5k and c <= 3", {"a": 5000}),
        ("20 <= a", {"a": 20}),
        ("a = 7", {"a": 7}),
        ("a >= 3 or a >= 5 and b >= 2", {"a": 3}),
        ("a >= 3 or b >= 2", {}),
        ("not (a < 20 or b < 2)", {"a": 20, "b": 2}),
        ("not a >= 20", {}),
        ("a in (5..9, 3)", {"a": 3}),
        ("a not in (5)", {}),
        ("not a not in (5)", {"a": 5}),
        ("b * 8 < a", {}),
    ],
)
def test_necessary(when, bounds):
    assert necessary(MEASURES.condition(parse(when))) == bounds


names = st.sampled_from("abc").map(Name)
numbers = st.integers(0, 9).map(lambda n: Number(float(n)))
ops = st.sampled_from(["=", "!=", "<", "<=", ">", ">="])
ranges = st.tuples(st.integers(0, 9), st.integers(0, 9)).map(lambda p: Range(Number(float(min(p))), Number(float(max(p)))))
choices = st.lists(st.one_of(numbers, ranges), min_size=1, max_size=3).map(lambda i: Choices(tuple(i)))
leaves = st.one_of(
    st.builds(Binary, ops, names, numbers), st.builds(Binary, ops, numbers, names), st.builds(Binary, ops, names, names), st.builds(In, names, choices, st.booleans())
)
whens = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(Not, inner), st.builds(lambda op, parts: joined(op, tuple(parts)), st.sampled_from(["and", "or"]), st.lists(inner, min_size=2, max_size=4))
    ),
    max_leaves=10,
)
GRID = np.array(np.meshgrid(*[np.arange(-1, 11)] * 3)).reshape(3, -1)


@given(whens)
@settings(deadline=None)
def test_nothing_below_a_bound_fulfils_the_condition(when):
    values = dict(zip("abc", GRID.astype(np.float64), strict=True))
    fulfilled = compile_groups(when)(values)
    for name, bound in necessary(when).items():
        assert (values[name][fulfilled] >= bound).all()


@pytest.mark.parametrize(
    ("where", "fixed"),
    [
        ("initiator and protocol = tcp", {"initiator": True}),
        ("not initiator and not (internal or opened)", {"initiator": False, "internal": False, "opened": False}),
        ("initiator or internal", {}),
        ("initiator and internal or initiator and opened", {"initiator": True}),
        ("initiator or not initiator", {}),
        ("dst_port = 22", {}),
    ],
)
def test_implied(where, fixed):
    assert implied(Scope(CONVERSATION).condition(parse(where))) == fixed


def test_no_where_implies_nothing():
    assert implied(None) == {}
