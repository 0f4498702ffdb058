"""Links to the customer's page: nobody else makes one, and each ends."""

import base64
import contextlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abusewatch.reports.links import FORM_US, HOUR_US, ExpiredLinkError, Links, UnknownLinkError

NOW = 1_793_527_203_120_000
LINKS = Links("https://abuse.provider.example/case/", b"0123456789abcdef", days=30)
CASE = "AW-2026-000123"
TOKEN = LINKS.token(CASE, LINKS.until_us(NOW))


def test_a_link_leads_to_its_case_until_it_ends():
    assert LINKS.link(CASE, NOW) == f"https://abuse.provider.example/case/{TOKEN}"
    until = LINKS.until_us(NOW)
    assert LINKS.case(TOKEN, NOW) == LINKS.case(TOKEN, until - 1) == CASE
    with pytest.raises(ExpiredLinkError) as fault:
        LINKS.case(TOKEN, until)
    assert fault.value.case == CASE


def test_the_same_hour_is_the_same_link():
    assert LINKS.link(CASE, NOW) == LINKS.link(CASE, NOW + 60_000_000)


@given(st.integers(0, 35), st.integers(1, 63))
def test_any_other_character_is_no_link(at, by):
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    other = alphabet[(alphabet.index(TOKEN[at]) + by) % 64]
    with pytest.raises(UnknownLinkError):
        LINKS.case(TOKEN[:at] + other + TOKEN[at + 1 :], NOW)


@given(st.one_of(st.text(max_size=80), st.binary(min_size=27, max_size=27).map(lambda raw: base64.urlsafe_b64encode(raw).decode())))
def test_nothing_that_comes_in_is_a_link_or_raises_otherwise(token):
    with pytest.raises(UnknownLinkError):
        LINKS.case(token, NOW)


@pytest.mark.parametrize("wrong", [TOKEN[:-1], TOKEN + "A", "", "style.css", "A" * 36, TOKEN + "="])
def test_what_is_no_link(wrong):
    with pytest.raises(UnknownLinkError):
        LINKS.case(wrong, NOW)


def test_another_key_reads_nothing():
    with pytest.raises(UnknownLinkError):
        Links(LINKS.url, b"fedcba9876543210").case(TOKEN, NOW)


def test_a_key_that_can_be_guessed_is_refused():
    with pytest.raises(ValueError, match="shorter than 16"):
        Links(LINKS.url, b"short")
    assert "0123456789" not in repr(LINKS)


def test_a_form_belongs_to_its_link_and_ends():
    form = LINKS.form(TOKEN, NOW)
    assert LINKS.form_is_ours(TOKEN, form, NOW + FORM_US - HOUR_US)
    assert not LINKS.form_is_ours(TOKEN, form, NOW + FORM_US + HOUR_US)
    assert not LINKS.form_is_ours(TOKEN, form, NOW - 2 * HOUR_US)
    assert not LINKS.form_is_ours(LINKS.token("AW-2026-000124", LINKS.until_us(NOW)), form, NOW)
    assert not any(LINKS.form_is_ours(TOKEN, wrong, NOW) for wrong in ("", "x", form[:-1] + ("0" if form[-1] != "0" else "1"), "\ud800", f"{'f' * 99}.{form}"))


@pytest.mark.parametrize("wrong", ["a" + TOKEN[1:], TOKEN[:-1] + "a", TOKEN[:-1], "", "*" * len(TOKEN)])
def test_a_wrong_link_takes_the_same_way_as_a_right_one(monkeypatch, wrong):
    """Its code is computed and compared whole, by a comparison that takes equally long wherever two differ: nobody finds a code character by character."""

    def way(token):
        steps = []
        with monkeypatch.context() as patch:
            compare, mac = hmac.compare_digest, Links._mac
            patch.setattr(hmac, "compare_digest", lambda a, b: (steps.append(("compared", len(a), len(b))), compare(a, b))[1])
            patch.setattr(Links, "_mac", lambda self, body: (steps.append(("computed", len(body))), mac(self, body))[1])
            with contextlib.suppress(UnknownLinkError):
                LINKS.case(token, NOW)
        return steps

    assert way(wrong) == way(TOKEN) != []
