"""Line and column of keys in TOML files of every spelling."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abusewatch.detect.positions import Positions

SOURCE = '''\
# a comment with [table] and key = "value"
id = "x"
list = [
  "a = b",  # ] not the end
  "[c]",
]
"quoted key" = 1
[match]
where = "initiator and x = 1"
text = """
first
second = 2
"""
inline = { a = 1, b = [2] }
literal = 'c:\\path'
escaped = "a \\" b and c"
[[raise]]
when = "a"
  [[raise]]
  when = 'b'
[sub.table]
a.b = 1'''


@pytest.mark.parametrize(
    ("path", "at", "place"),
    [
        ("id", 0, (2, 7)),
        ("list", 0, (3, 8)),
        ("quoted key", 0, (7, 16)),
        ("match", 0, (8, 1)),
        ("match.where", 0, (9, 10)),
        ("match.where", 14, (9, 24)),
        ("match.text", 6, (12, 1)),
        ("match.inline", 0, (14, 10)),
        ("match.literal", 3, (15, 15)),
        ("match.escaped", 9, (16, 12)),
        ("raise.0.when", 0, (18, 9)),
        ("raise.1.when", 0, (20, 11)),
        ("sub.table.a.b", 0, (22, 7)),
        ("match.missing", 5, (8, 1)),
        ("nowhere.at.all", 5, (1, 1)),
        ("id", 99, (2, 8)),
    ],
)
def test_places(path, at, place):
    tomllib.loads(SOURCE)
    assert Positions(SOURCE).place(path, at) == place


def test_lines():
    assert Positions('a = 1\n[t]\nb = "x"\n').lines() == {"a": 1, "t": 2, "t.b": 3}


@given(st.text("ab=[]{}\"'#\n\\. ,1", max_size=60))
def test_any_text_ends(source):
    for line in Positions(source).lines().values():
        assert 1 <= line <= source.count("\n") + 1
