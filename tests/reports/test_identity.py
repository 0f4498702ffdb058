"""Promise: a mail made again has the same name, no two mails share one, and nobody without the key can make one."""

import re

from hypothesis import given
from hypothesis import strategies as st

from abusewatch.reports.identity import keyed, message_id, optout_token

KEY = b"0123456789abcdef"


@given(st.lists(st.text(max_size=5), max_size=4), st.lists(st.text(max_size=5), max_size=4))
def test_parts_do_not_run_together(one, two):
    assert (keyed(KEY, *one) == keyed(KEY, *two)) == (one == two)


def test_a_message_id_hangs_on_all_it_names():
    base = ("provider.example", "AW-2026-000001", "a@b.example", 0)
    assert message_id(KEY, *base) == message_id(KEY, "provider.example", "AW-2026-000001", "A@B.example", 0)
    others = {message_id(KEY, *base), message_id(b"another key 1234", *base), message_id(KEY, base[0], base[1], base[2], 1), message_id(KEY, base[0], "AW-2026-000002", base[2], 0), message_id(KEY, base[0], base[1], "c@b.example", 0)}
    assert len(others) == 5
    assert all(re.fullmatch(r"<[0-9a-f]{32}@provider\.example>", one) for one in others)


def test_an_optout_token_belongs_to_one_recipient():
    assert optout_token(KEY, "a@b.example") == optout_token(KEY, "A@b.example")
    assert optout_token(KEY, "a@b.example") != optout_token(KEY, "c@b.example")
    assert optout_token(KEY, "a@b.example") != optout_token(b"another key 1234", "a@b.example")
