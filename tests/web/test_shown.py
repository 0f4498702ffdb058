"""The page's words: every language says the same, and the leak check guards it as it guards mail."""

import html
import re

import pytest
from msgspec.structs import replace

from abusewatch.incidents import Noticed, Seen
from abusewatch.model.kinds import KINDS
from abusewatch.reports.leaks import LeakError
from abusewatch.reports.settings import ReportSettings
from abusewatch.reports.texts import Texts, languages
from abusewatch.web import shown
from abusewatch.web.shown import SAID, case_page, phrases, word_page
from tests.cases import OWN, SECOND, T0, detection, incident, own

SETTINGS = ReportSettings("Example Hosting", "abuse@provider.example", b"fedcba9876543210", 7)
NOTICED = Noticed(T0 + 310 * SECOND, {detection().episode: Seen(5, 75, 9000)})


def page(case, language="en", *, said=None, noticed=NOTICED, draft="", now_us=T0 + 600 * SECOND):
    return case_page(
        case, noticed, episodes={d.episode for d in case.detections}, own=own, settings=SETTINGS, language=language, form="f.0", said=said, draft=draft, blind=False, now_us=now_us
    )  # fmt: skip


@pytest.mark.parametrize("language", sorted(languages()))
def test_every_language_has_every_phrase_with_the_same_values(language):
    english, other = phrases("en"), phrases(language)
    assert list(other) == list(english)
    for key, words in english.items():
        assert set(re.findall(r"{\w+}", other[key])) == set(re.findall(r"{\w+}", words)), key


@pytest.mark.parametrize("language", sorted(languages()))
@pytest.mark.parametrize("state", ["open", "active", "quiet", "resolved", "reopened", "closed"])
def test_every_state_in_every_language(language, state):
    for kind in KINDS:
        text = page(incident(detection(kind=kind, basis="handshake" if state != "open" else "one_way"), state=state), language)
        assert f'<html lang="{language}">' in text
        assert ("<form" in text) == (state != "closed")
        assert ('value="fixed"' in text) == (state not in {"resolved", "closed"})


@pytest.mark.parametrize("language", sorted(languages()))
def test_every_word_page_and_everything_said(language):
    assert all(word_page(word, SETTINGS, language) for word in ("unknown", "expired", "busy", "failing"))
    for said in SAID:
        assert phrases(language)[f"said_{said}"].format(longest=2000)[:20] in page(incident(), language, said=said).replace("&#39;", "'")


@pytest.mark.parametrize("language", sorted(languages()))
def test_it_asks_whether_it_is_something_harmless(language):
    plain = detection()
    alike = replace(plain, finding=replace(plain.finding, resembles=("git_poll", "proxy")))
    named = phrases(language)["or"].join(Texts(language).benign(name) for name in ("git_poll", "proxy"))
    assert named in html.unescape(page(incident(alike), language))
    assert named not in html.unescape(page(incident(plain), language))
    assert named not in html.unescape(page(incident(alike, state="closed"), language))  # nobody can answer any more


def test_an_unknown_language_is_english():
    assert "Case AW-2026-000001" in page(incident(), "xx")


@pytest.mark.parametrize("language", sorted(languages()))
@pytest.mark.parametrize("basis", ["anchored", "syn_only"])
def test_where_the_source_is_forged_the_heading_speaks_of_the_connection(language, basis):
    text = page(incident(detection(kind="spoofed_source", offender="192.0.2.9", basis=basis)), language)
    heading = re.search("<h1>(.*)</h1>", text)[1]
    assert phrases(language)["your_connection"] in heading
    assert "  " not in heading


def test_a_source_that_may_be_forged_is_not_stated_as_fact():
    text = page(incident(detection(basis="syn_only")))
    assert "Please check your" in text
    assert "Not verified" in text
    assert "has been guessing" not in text


def test_what_the_rule_does_not_let_out_is_not_counted_either():
    one = detection()
    grown = replace(one, finding=replace(one.finding, flows=12, packets=500, bytes=9999), last_us=T0 + 599 * SECOND)
    text = page(incident(grown))
    assert "<strong>7 records</strong>" in text
    assert "9,999" not in text


def test_a_foreign_source_through_his_port_is_not_named():
    text = page(incident(detection(offender="192.0.2.66", basis="anchored")))
    assert "192.0.2.66" not in text
    assert "an address that is not yours" in text


def test_nothing_leaves_that_the_customer_may_not_see(monkeypatch):
    """The negative control: a page that shows an attacked address is stopped, whatever made it so."""
    monkeypatch.setattr(shown, "section_values", lambda section, view: section_values(section, view) | {"title": "to 203.0.113.9"})
    with pytest.raises(LeakError):
        page(incident(detection(["203.0.113.9"])))


section_values = shown.section_values


def test_what_he_typed_himself_is_no_leak():
    assert "203.0.113.9" in page(incident(detection(["203.0.113.9"])), draft="is it 203.0.113.9?")


def test_two_findings_are_two_tables():
    two = incident(detection(rule="a", offender=f"{OWN}7"), detection(["192.0.2.9"], rule="b", offender=f"{OWN}8"))
    text = page(two)
    assert text.count("<table>") == 2
    assert "198.51.100.7, 198.51.100.8" in text
