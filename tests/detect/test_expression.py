"""Trees and their text."""

import pytest

from abusewatch.detect.expression import Logic, Name, Number, RuleError, joined, names, text
from abusewatch.detect.parse import parse


@pytest.mark.parametrize(
    ("source", "written"),
    [
        ("((a)) == (1)", "a = 1"),
        ("not (a and (b or c))", "not (a and (b or c))"),
        ("(a and b) or c", "a and b or c"),
        ("a - (b + c) * 2", "a - (b + c) * 2"),
        ("(a - b) - c", "a - b - c"),
        ("-(a + b)", "-(a + b)"),
        ("a in ports", "a in $ports"),
        ("a not in 1..1k", "a not in (1..1k)"),
        ("0.10 < a", "0.1 < a"),
        ("(a < b) = c", "(a < b) = c"),
        ("not (not a)", "not not a"),
    ],
)
def test_text_has_the_brackets_it_needs(source, written):
    assert text(parse(source)) == written
    assert parse(written) == parse(source)


def test_amounts():
    units = {"": 7, "%": 0.07, "k": 7e3, "M": 7e6, "G": 7e9, "s": 7, "m": 420, "h": 25200, "d": 604800}
    assert {unit: Number(7, unit).amount for unit in units} == units


def test_positions_take_no_part_in_equality():
    assert parse("a  =  b") == parse("a=b")


def test_names():
    assert names(parse("a / b > 1 and not c in (1, 2) or f(d, -e)")) == {"a", "b", "c", "d", "e"}
    assert names(None) == frozenset()


def test_joining_is_flat():
    a, b, c = Name("a"), Name("b"), Name("c")
    assert joined("and", (joined("and", (a, b)), c)) == Logic("and", (a, b, c))
    assert joined("or", (joined("and", (a, b)), c)) == Logic("or", (Logic("and", (a, b)), c))
    assert joined("or", (a,)) is a


def test_an_error_is_a_value_error():
    with pytest.raises(ValueError, match="what is wrong"):
        raise RuleError("what is wrong", 3, "what to do")
