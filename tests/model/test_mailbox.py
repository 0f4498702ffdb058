"""One plain address, or nothing: no form in which a second recipient could hide."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abusewatch.model.mailbox import AddressError, addr_spec

GOOD = ["abuse@operator.example", "a.b+c@x-y.operator.example", "O'Neill@operator.example", "1@2.example", "=_{|}~@a.example"]
BAD = [
    "", "@", "a@", "@b.example", "a", "a@b", "a@b.example, victim@c.example", "a@b.example;victim@c.example", "a@b.example victim@c.example",
    "a@b.example\nBcc: victim@c.example", "a@b.example\r\n", "a\x00@b.example", '"a b"@b.example', "a@[192.0.2.1]", "<a@b.example>", "A <a@b.example>",
    "a(comment)@b.example", "a@b.example(comment)", "a@@b.example", "a@b@c.example", ".a@b.example", "a.@b.example", "a..b@c.example", "a@-b.example",
    "a@b-.example", "a@b..example", "a@.example", "a@b.example.", "ä@b.example", "a@bücher.example", "a@b.example\u2028", "group:a@b.example;",
    "a@b.e%78ample", "x" * 65 + "@b.example", "a@" + "b" * 64 + ".example", "a@" + "b." * 130 + "example", "a@192.0.2.1", "a%b@c.example@", "a!b@c_d.example",
]  # fmt: skip


@pytest.mark.parametrize("text", GOOD)
def test_a_plain_address_is_taken(text):
    assert addr_spec(text) == text


@pytest.mark.parametrize("value", [None, b"a@b.example", 7])
def test_what_is_no_text_is_no_address(value):
    with pytest.raises(AddressError):
        addr_spec(value)


def test_the_domain_is_written_small_and_the_name_left_alone():
    assert addr_spec("Abuse@Operator.Example") == "Abuse@operator.example"


@pytest.mark.parametrize("text", BAD)
def test_everything_else_is_refused_without_being_quoted(text):
    with pytest.raises(AddressError) as error:
        addr_spec(text)
    assert len(text) < 4 or text not in str(error.value)


@given(st.text(st.one_of(st.sampled_from("@.,;<>\"'()[]: \r\n\t\\%!"), st.sampled_from(string.ascii_letters), st.characters()), max_size=40))
def test_what_is_taken_has_one_at_sign_and_nothing_to_hide_in(text):
    try:
        taken = addr_spec(text)
    except AddressError:
        return
    assert taken.count("@") == 1
    assert not set(taken) & set(' ,;<>"()[]:\\\r\n\t\x00')
    assert taken.isascii()
