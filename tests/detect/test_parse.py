"""Texts to trees: each rule of the grammar, the limits, and that nothing but RuleError ever comes out."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abusewatch.detect.expression import (
    Binary,
    Call,
    Choices,
    In,
    Logic,
    Name,
    Negation,
    Not,
    Number,
    Prefix,
    Range,
    RuleError,
    SetName,
    text,
)
from abusewatch.detect.parse import MAX_TEXT, parse, parse_choice, parse_duration, parse_measure

from .trees import conditions

A, B, C = Name("a"), Name("b"), Name("c")

GRAMMAR = {
    "a": A,
    "40M": Number(40, "M"),
    "1.5": Number(1.5),
    "15%": Number(15, "%"),
    "a = 1": Binary("=", A, Number(1)),
    "a == 1": Binary("=", A, Number(1)),
    "a != b": Binary("!=", A, B),
    "a>=3m": Binary(">=", A, Number(3, "m")),
    "a - b - c": Binary("-", Binary("-", A, B), C),
    "a - (b - c)": Binary("-", A, Binary("-", B, C)),
    "a + b * c": Binary("+", A, Binary("*", B, C)),
    "(a + b) / c": Binary("/", Binary("+", A, B), C),
    "-a * b": Binary("*", Negation(A), B),
    "a or b and c": Logic("or", (A, Logic("and", (B, C)))),
    "(a or b) and c": Logic("and", (Logic("or", (A, B)), C)),
    "a and b and c": Logic("and", (A, B, C)),
    "a and (b and c)": Logic("and", (A, B, C)),
    "not a and b": Logic("and", (Not(A), B)),
    "not a = b": Not(Binary("=", A, B)),
    "a in (1, 2)": In(A, Choices((Number(1), Number(2)))),
    "a in 1..1024": In(A, Choices((Range(Number(1), Number(1024)),))),
    "a not in (tcp)": In(A, Choices((Name("tcp"),)), negated=True),
    "a in $ports": In(A, SetName("ports")),
    "a in ports": In(A, SetName("ports")),
    "a in 10.0.0.0/8": In(A, Choices((Prefix("10.0.0.0/8"),))),
    "a = 192.0.2.1": Binary("=", A, Prefix("192.0.2.1/32")),
    "a in (2001:DB8::/32, ::1)": In(A, Choices((Prefix("2001:db8::/32"), Prefix("::1/128")))),
    "f()": Call("f", ()),
    "f(a, b + c, a < b)": Call("f", (A, Binary("+", B, C), Binary("<", A, B))),
    " \n a\tand\nb ": Logic("and", (A, B)),
}


@pytest.mark.parametrize(("source", "tree"), GRAMMAR.items(), ids=str)
def test_grammar(source, tree):
    assert parse(source) == tree


MISTAKES = {
    "": (0, "expected a name or a number, found 'the end'"),
    "a and": (5, "expected a name or a number, found 'the end'"),
    "and a": (0, "expected a name or a number, found 'and'"),
    "a b": (2, "expected an operator or the end, found 'b'"),
    "a = = b": (4, "expected a name or a number, found '='"),
    "1 < a < 3": (6, "expected an operator or the end, found '<'"),
    "(a": (2, "expected ')', found 'the end'"),
    "f(a,)": (4, "expected a name or a number, found ')'"),
    "a in ()": (6, "expected a number, found ')'"),
    "a in (1..b)": (9, "expected a number, found 'b'"),
    "$ports": (0, "expected a name or a number, found '$ports'"),
    "a; b": (1, "';' has no meaning here"),
    "a = 'x'": (4, "\"'\" has no meaning here"),
    "a > 3K": (5, "'K' is no unit"),
    "a > 3e9": (5, "'e9' is no unit"),
    "a > 1234567890123456": (4, "a number has at most 15 digits"),
    "a = 10.0.0.300": (4, "'10.0.0.300' is no address or prefix"),
    "a where b": (2, "expected an operator or the end, found 'where'"),
    "é": (0, "'é' has no meaning here"),
}


@pytest.mark.parametrize(("source", "fault"), MISTAKES.items(), ids=str)
def test_mistakes_name_the_place(source, fault):
    with pytest.raises(RuleError) as caught:
        parse(source)
    assert (caught.value.at, caught.value.message[: len(fault[1])]) == fault


def test_measures():
    assert parse_measure("count()") == (Call("count", ()), None)
    assert parse_measure("sum(a) where b and c") == (Call("sum", (A,)), Logic("and", (B, C)))
    with pytest.raises(RuleError, match="a measure is a function"):
        parse_measure("a")


def test_choices_and_durations():
    assert parse_choice("1..1024") == Range(Number(1), Number(1024))
    assert [parse_duration(t) for t in ("20s", "30m", "6h", "14d", "0.5s")] == [20, 1800, 21600, 1209600, 0.5]
    for wrong in ("30", "30M", "1..2", "abc", "15%"):
        with pytest.raises(RuleError, match="is no duration"):
            parse_duration(wrong)


@pytest.mark.parametrize(
    "source", ["(" * 2000, "not " * 400 + "a", "-" * 1999, "f(" * 900, "a" + " + a" * 400, "a" + "/a" * 900, "((a)*" * 300]
)
def test_depth_is_limited(source):
    with pytest.raises(RuleError, match="nested deeper than 32"):
        parse(source)


def test_long_chains_of_conditions_are_not_deep():
    assert len(parse(" and ".join(["a"] * 300)).parts) == 300


def test_length_is_limited():
    with pytest.raises(RuleError, match=f"{MAX_TEXT} are allowed"):
        parse("a" * (MAX_TEXT + 1))


WORDS = st.sampled_from(
    ["and", "or", "not", "in", "where", "(", ")", ",", "..", "+", "-", "*", "/", "=", "==", "!=", "<", "<=", ">", ">=", "a", "dst", "$s", "1", "1.5", "20s", "15%", "10.0.0.0/8", "::/0", "f(", "count()", "%", "$", "'", ".", "é"]
)


@given(st.one_of(st.text(max_size=80), st.lists(WORDS, max_size=30).map(" ".join)))
@settings(deadline=None)
def test_any_text_gives_a_tree_or_a_rule_error(source):
    for read in (parse, parse_measure, parse_choice, parse_duration):
        at = 0
        try:
            read(source)
        except RuleError as error:
            at = error.at
        assert 0 <= at <= len(source)


@given(conditions)
@settings(deadline=None)
def test_every_tree_survives_its_own_text(tree):
    assert parse(text(tree)) == tree
