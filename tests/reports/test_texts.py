"""Promise: texts read well in any ticket system, an operator's own templates are used, and a broken one says where it is broken."""

import os
import re
from email import message_from_bytes
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import Environment, nodes
from msgspec.structs import replace

from abusewatch.model.classes import CLASSES
from abusewatch.model.kinds import BASES, KINDS
from abusewatch.reports.compose import Composer
from abusewatch.reports.leaks import Allowed, check_text
from abusewatch.reports.texts import (
    FAMILY,
    LABEL,
    TextError,
    Texts,
    clean,
    counts,
    faults,
    languages,
    layout,
    number,
    ports,
)

GOLDEN = Path(__file__).parent / "golden"
TEMPLATES = ("digest.subject", "digest.txt", "customer.subject", "customer.txt", "operator.subject", "operator.txt")


def test_every_kind_has_a_family_and_every_language_all_phrases():
    assert FAMILY.keys() == KINDS.keys()
    english = Texts("en").phrases
    for language in languages():
        phrases = Texts(language).phrases
        assert phrases["kind"].keys() == KINDS.keys()
        assert phrases["basis"].keys() == set(BASES)
        assert phrases["class"].keys() == CLASSES.keys()
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


def source(root, language, name):
    return (root / "abusewatch" / "reports" / "templates" / language / f"{name}.j2").read_text()


def skeleton(text):
    """The conditions and values of a template in their order, without its words."""
    return re.findall(r"{%-? ?(.*?) ?%}", re.sub(r'"[^"]*"', '""', text))


def test_the_languages_that_ship():
    assert languages() == {"en", "de", "fr", "nl", "es"}


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize("language", sorted(languages() - {"en"}))
def test_every_language_says_the_same_under_the_same_conditions(root, language, name):
    """A sentence that one language has and another lacks would tell the two readers different things."""
    english, other = source(root, "en", name), source(root, language, name)
    assert sorted(skeleton(other)) == sorted(skeleton(english))
    used = {text: {node.name for node in Environment(autoescape=True).parse(text).find_all(nodes.Name)} for text in (english, other)}
    assert used[other] == used[english]
    for filter_name in ("number", "percent", "ports", "counts", "label"):
        assert other.count(f"|{filter_name}") == english.count(f"|{filter_name}"), filter_name


@pytest.mark.parametrize("language", sorted(languages()))
def test_labels_leave_a_blank_before_the_value(root, language):
    labels = [label for name in TEMPLATES for label in re.findall(r'"([^"]+)"\|label', source(root, language, name))]
    assert len(labels) > 15
    assert [label for label in labels if len(label) >= LABEL] == []


@pytest.mark.parametrize("language", sorted(languages()))
def test_a_long_number_never_looks_like_an_address(language):
    """1.101.200.100 bytes would be taken for somebody's address by the leak check, and by a reader."""
    written = number(1_101_200_100, Texts(language).phrases["format"]["thousands"])
    check_text(f"{written} bytes", Allowed(frozenset()))


@pytest.mark.parametrize("language", sorted(languages() - {"en"}))
def test_no_english_is_left(made, language):
    english = {word for text in mails(made, "en").values() for word in words(text)}
    common = {"de": "es war so", "fr": "notre port ports source machine machines attention service", "nl": "was is in de of van we het port and", "es": "no"}
    shared = set(common[language].split())
    for text in mails(made, language).values():
        stopwords = {"the", "this", "that", "from", "with", "your", "our", "which", "have", "been", "are", "were", "not", "you", "they", "their", "seen", "and", "please"} & english
        assert not (set(words(text)) & stopwords - shared), text


def words(text):
    return re.findall(r"[a-z]+", text.replace("SSH password guessing", "").lower())


def text_of(message):
    parsed = message_from_bytes(message.raw)
    part = parsed.get_payload(0) if parsed.is_multipart() else parsed
    return part.get_payload(decode=True).decode()


def messages(made, language):
    composer = Composer(made.SETTINGS)
    customer = replace(made.CUSTOMER, language=language)
    login = made.incident()
    flood = made.incident(made.detection("icmp_flood", protocol="icmp", port=2048, sampling_rate=1000, coverage=0.97, basis="anchored", title="ICMP flood"), kind="icmp_flood")
    unsure = made.incident(made.detection("syn_flood", port=80, basis="syn_only", title="SYN flood"), kind="syn_flood")
    return {
        "operator-login": composer.compose_operator(*made.operator_view(login), made.CONTACT, made.NOW, language=language),
        "operator-flood-update": composer.compose_operator(*made.operator_view(flood), made.CONTACT, made.NOW, stage="update", sequence=2, language=language),
        "operator-closing": composer.compose_operator(*made.operator_view(login), made.CONTACT, made.NOW + 72 * 3_600_000_000, stage="closing", sequence=3, language=language),
        "customer-login": composer.compose_customer(*made.customer_view(login), customer, made.NOW),
        "customer-unverified": composer.compose_customer(*made.customer_view(unsure), customer, made.NOW),
    }


def mails(made, language):
    return {name: text_of(message) for name, message in messages(made, language).items()}


@pytest.mark.parametrize("language", sorted(languages() - {"en"}))
def test_golden_mails_of_every_language(made, language):
    """What a native speaker has read once is what is sent; English ones are held by test_compose."""
    for name, message in messages(made, language).items():
        file = GOLDEN / language / f"{name}.eml"
        if os.environ.get("GOLDEN") == "write":
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(message.raw)
        assert file.read_bytes() == message.raw, f"{file}: look at it, then GOLDEN=write pytest {Path(__file__).name}"


@pytest.mark.parametrize("language", sorted(languages()))
def test_the_customers_language_is_his_and_the_operators_is_english(made, language):
    login = made.incident()
    composer = Composer(made.SETTINGS)
    assert "WHAT HAPPENED" in text_of(composer.compose_operator(*made.operator_view(login), made.CONTACT, made.NOW))
    notice = text_of(composer.compose_customer(*made.customer_view(login), replace(made.CUSTOMER, language=language), made.NOW))
    assert Texts(language).kind("login_attack") in notice


@pytest.mark.parametrize("language", sorted(languages()))
@pytest.mark.parametrize("kind", ["beacon", "mining", "dns_tunnel"])
def test_a_lead_is_never_called_an_attack_on_others(made, language, kind):
    case = made.incident(made.detection(kind), kind=kind)
    message = Composer(made.SETTINGS).compose_customer(*made.customer_view(case), replace(made.CUSTOMER, language=language), made.NOW)
    opening = text_of(message).split("\r\n\r\n")[1].lower()
    assert not re.search("attack|angegriffen|attaquer|aangevallen|atacando", opening), opening


@pytest.mark.parametrize("language", sorted(languages()))
@pytest.mark.parametrize("origin", ["table", "rdap", "dns", "cache"])
def test_an_operator_reads_where_we_have_his_address_from(made, language, origin):
    contact = replace(made.CONTACT, source=origin)
    text = " ".join(text_of(Composer(made.SETTINGS).compose_operator(*made.operator_view(made.incident()), contact, made.NOW, language=language)).split())
    said = Texts(language).phrases["words"]["source_other" if origin == "cache" else f"source_{origin}"]
    assert f"{' '.join(said.split())} 203.0.113.0/24" in text
