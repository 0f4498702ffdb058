"""Faults name the file a person must open."""

from abusewatch.detect.faults import Fault, Page


def test_one_line_a_fault():
    assert str(Fault("a.toml", 3, 7, "wrong", "do this")) == "a.toml:3:7: wrong (do this)"
    assert str(Fault("a.toml", 0, 0, "missing")) == "a.toml: missing"


def test_faults_are_read_from_top_to_bottom():
    one, two, three = Fault("a", 1, 9, "x"), Fault("a", 2, 1, "x"), Fault("b", 1, 1, "x")
    assert sorted([three, two, one]) == [one, two, three]


def test_an_overridden_key_is_found_where_it_was_overridden():
    base, local = Page("base.toml", 'a = 1\nb = "x y"\n'), Page("local.toml", '\n\nb = "x z"\n')
    base.over(local, {"b": "b"})
    assert base.make("a", "wrong") == Fault("base.toml", 1, 5, "wrong")
    assert base.make("b", "wrong", at=2) == Fault("local.toml", 3, 8, "wrong")
