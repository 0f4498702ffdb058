"""Values of a table, by type."""

from abusewatch.detect.faults import Page
from abusewatch.detect.table import Table

SOURCE = 'a = 1\n[t]\nword = "one"\nlist = ["one", 2, "three"]\nfraction = 0.5\ntime = "90s"\nempty = ""\n'


def table(**values):
    page = Page("f.toml", SOURCE)
    return Table(page, "t", values), page


def said(page):
    return [(fault.line, fault.message) for fault in page.faults]


def test_good_values():
    found, page = table(word="one", list=["one", "two"], fraction=1, time="90s", sub={"a": "b"})
    assert found.word("word", ("one", "two")) == "one"
    assert found.texts("list", words=("one", "two")) == ("one", "two")
    assert found.fraction("fraction") == 1.0
    assert found.seconds("time") == 90
    assert found.table("sub").text("a") == "b"
    found.end()
    assert said(page) == []


def test_bad_values():
    found, page = table(word="on", list=["one", 2, "three"], fraction=True, time="0.5s", empty="", sub=5, more=[1])
    assert found.word("word", ("one", "two"), "two") == "two"
    assert found.texts("list", words=("one", "two")) == ("one",)
    assert found.fraction("fraction", 0.9) == 0.9
    assert found.seconds("time") is None
    assert found.text("empty", "x") == "x"
    assert found.table("sub").values == {}
    assert found.text("missing") is None
    found.end()
    assert said(page) == [
        (3, "'on' is not known here"),
        (4, "an item of list must be a text"),
        (4, "'three' is not known here"),
        (5, "expected a number above 0 and up to 1"),
        (6, "0.5s is no whole number of seconds"),
        (7, "empty must be a text"),
        (2, "t.sub is a table"),
        (2, "t.missing is missing"),
        (2, "unknown key t.more"),
    ]


def test_arrays_of_tables():
    found, page = table(many=[{"a": "b"}, 5], other=5)
    assert [inner.values for inner in found.tables("many")] == [{"a": "b"}, {}]
    assert found.tables("other") == found.tables("none") == []
    assert [message for _, message in said(page)] == ["t.many.1 is a table", "other is an array of tables"]
