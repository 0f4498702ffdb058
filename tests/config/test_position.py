"""Faults point at the right line."""

import tomllib

from hypothesis import given
from hypothesis import strategies as st

from abusewatch.config.position import line_of, lines_of

TEXT = '''# head
top = 1
[a]
x = [
  1,  # not = a key
  2,
]
y.z = 3
s = """
[not.a.table]
no = "key"
"""
"quoted key" = { in = 1 }
[[b]]
k = 1
[b.inner]
m = 2
[[b]]
k = 2
  [ c . d ]  # spaced
'''


def test_every_key_has_its_line():
    tomllib.loads(TEXT)
    lines = lines_of(TEXT)
    assert lines["top",] == 2
    assert lines["a", "x"] == 4
    assert lines["a", "y", "z"] == 8
    assert lines["a", "quoted key"] == 13
    assert lines["b", 0, "k"] == 15
    assert lines["b", 0, "inner", "m"] == 17
    assert lines["b", 1, "k"] == 19
    assert lines["c", "d"] == 20
    assert ("no",) not in lines
    assert ("a", "no") not in lines


def test_what_is_not_there_is_the_table_around_it():
    lines = lines_of(TEXT)
    assert line_of(lines, ("b", 1, "missing")) == 18
    assert line_of(lines, ("nowhere", "at", "all")) == 1


@given(st.lists(st.from_regex(r"[a-z]{1,6}", fullmatch=True), unique=True, min_size=1, max_size=12))
def test_flat_files_are_found_line_by_line(keys):
    text = "\n".join(f"{key} = {number}" for number, key in enumerate(keys))
    assert [lines_of(text)[key,] for key in keys] == list(range(1, len(keys) + 1))
