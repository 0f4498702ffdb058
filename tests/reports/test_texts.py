"""Promise: texts read well in any ticket system, an operator's own templates are used, and a broken one says where it is broken."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abusewatch.model.kinds import BASES, KINDS
from abusewatch.reports.texts import FAMILY, TextError, Texts, clean, counts, faults, languages, layout, ports


def test_every_kind_has_a_family_and_every_language_all_phrases():
    assert FAMILY.keys() == KINDS.keys()
    english = Texts("en").phrases
    for language in languages():
        phrases = Texts(language).phrases
        assert phrases["kind"].keys() == KINDS.keys()
        assert phrases["basis"].keys() == set(BASES)
        assert phrases["words"].keys() == english["words"].keys()
        assert phrases["family"].keys() == set(FAMILY.values())
        assert all(len(family["steps"]) >= 3 and family["meaning"] and family["operator"] for family in phrases["family"].values())


@pytest.mark.parametrize(
    ("numbers", "text"),
    [((), ""), ((22,), "22"), ((22, 23, 80), "22-23, 80"), (tuple(range(1, 1025)), "1-1024"), ((443, 80), "443, 80"), (tuple(range(1, 60, 2)), "1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23 (+ 18)")],
)
def test_ports(numbers, text):
    assert ports(numbers) == text


def test_counts_leave_out_what_is_not_disclosed():
    words = ("records", "packets", "bytes")
    assert counts((612, 9180, 1101600), words, ",") == "612 records, 9,180 packets, 1,101,600 bytes"
    assert counts((612, 0, 0), words, ".") == "612 records"
    assert counts((0, 0, 0), words, ",") == "-"


def test_layout_fills_hangs_and_keeps():
    text = layout("one " * 30 + "\n\n\n\n1. " + "step " * 30 + "\n  Label         " + "value " * 20 + "\n\n-- \nkept   as it is\n")
    lines = text.split("\n")
    assert max(map(len, lines)) <= 76
    assert "\n\n\n" not in text
    assert "   step" in text
    assert " " * 16 + "value" in text
    assert text.endswith("-- \nkept   as it is\n")


@given(st.text())
def test_clean_leaves_no_control_character(text):
    assert clean(clean(text)) == clean(text)
    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 or c in "\u2028\u2029\u202e" for c in clean(text))


def test_an_override_counts_file_by_file(tmp_path):
    (tmp_path / "en").mkdir()
    (tmp_path / "en" / "customer.subject.j2").write_text("ours {{ case }}")
    texts = Texts("en", tmp_path)
    assert texts.subject("customer", {"case": "AW-1"}) == "ours AW-1"
    assert texts.kind("worm")


@pytest.mark.parametrize("broken", ["{{ nothing }}", "{% if %}", "{{ ''.__class__.__mro__ }}", "{{ case.x.y }}", "{% include 'missing' %}", "{{ 1 / 0 }}", "{{ case + 1 }}"])
def test_a_broken_template_is_named(tmp_path, broken):
    (tmp_path / "en").mkdir()
    (tmp_path / "en" / "customer.subject.j2").write_text(broken)
    with pytest.raises(TextError, match=r"customer\.subject\.j2|missing"):
        Texts("en", tmp_path).subject("customer", {"case": "AW-1"})


def test_broken_phrases_are_found_at_start(tmp_path):
    (tmp_path / "en").mkdir()
    (tmp_path / "en" / "phrases.toml").write_text("kind = [")
    with pytest.raises(TextError, match=r"phrases\.toml"):
        Texts("en", tmp_path)


def test_values_are_never_templates(tmp_path):
    (tmp_path / "en").mkdir()
    (tmp_path / "en" / "customer.subject.j2").write_text("{{ case }}")
    assert Texts("en", tmp_path).subject("customer", {"case": "{{ 7 * 7 }}"}) == "{{ 7 * 7 }}"


def test_an_unknown_language_is_english():
    assert Texts("xx").language == "en"


def test_all_faults_of_a_folder_at_once(tmp_path):
    (tmp_path / "en").mkdir()
    (tmp_path / "en" / "customer.txt.j2").write_text("fine\n{% if %}")
    (tmp_path / "en" / "operator.txt.j2").write_text("{{ case }}")
    (tmp_path / "en" / "phrases.toml").write_text("kind = [")
    (tmp_path / "en" / "notes.txt").write_text("")
    found = faults(tmp_path)
    assert len(found) == 3
    assert any("customer.txt.j2:2: " in one for one in found)
