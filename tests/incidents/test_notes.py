"""A note from outside is text and nothing else."""

from hypothesis import given
from hypothesis import strategies as st

from abusewatch.incidents.notes import plain


def test_plain_keeps_what_people_write():
    assert plain("Grüße\r\naus\tKöln \u2028ok ") == "Grüße\naus Köln \nok"


@given(st.text())
def test_nothing_a_terminal_obeys_is_left(text):
    assert all(c == "\n" or c.isprintable() for c in plain(text))
