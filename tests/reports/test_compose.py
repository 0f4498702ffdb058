"""Promise: each side is told once, what it may know and nothing else, in a mail a person can act on. Golden mails lie in golden/."""

import dataclasses
import os
import re
from email import message_from_bytes
from email.header import decode_header, make_header
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from abusewatch.model.contact import Contact
from abusewatch.model.customer import Customer
from abusewatch.model.kinds import KINDS
from abusewatch.model.mailbox import AddressError
from abusewatch.reports.compose import Composer
from abusewatch.reports.leaks import LeakError
from abusewatch.reports.texts import Texts, languages

THREE_DAYS = 3 * 86_400_000_000
GOLDEN = Path(__file__).parent / "golden"


def body(message) -> str:
    parsed = message_from_bytes(message.raw)
    part = parsed.get_payload(0) if parsed.is_multipart() else parsed
    return part.get_payload(decode=True).decode().replace("\r\n", "\n")


def flat(message) -> str:
    return " ".join(body(message).split())


def subject(message) -> str:
    return str(make_header(decode_header(message_from_bytes(message.raw)["Subject"])))


def scenes(made, composer):
    login = made.incident()
    flood = made.incident(made.detection("icmp_flood", protocol="icmp", port=2048, sampling_rate=1000, coverage=0.97, basis="anchored", title="ICMP flood"), kind="icmp_flood")
    unsure = made.incident(made.detection("syn_flood", port=80, basis="syn_only", title="SYN flood"), kind="syn_flood")
    return {
        "operator-login": composer.compose_operator(*made.operator_view(login), made.CONTACT, made.NOW),
        "operator-flood-update": composer.compose_operator(*made.operator_view(flood), made.CONTACT, made.NOW, stage="update", sequence=2),
        "operator-closing": composer.compose_operator(*made.operator_view(login), made.CONTACT, made.NOW + THREE_DAYS, stage="closing", sequence=3),
        "customer-login": composer.compose_customer(*made.customer_view(login), made.CUSTOMER, made.NOW),
        "customer-unverified": composer.compose_customer(*made.customer_view(unsure), made.CUSTOMER, made.NOW),
        "customer-unknown": composer.compose_customer(*made.customer_view(login), None, made.NOW),
    }


@pytest.mark.parametrize(("rate", "says"), [(1, "every packet"), (0, "at a sampling rate we do not know: the real numbers are at least these")])
def test_both_readers_are_told_when_the_exporter_did_not_say_how_it_samples(made, composer, rate, says):
    case = made.incident(made.detection(sampling_rate=rate))
    for message in (
        composer.compose_operator(*made.operator_view(case), made.CONTACT, made.NOW),
        composer.compose_customer(*made.customer_view(case), made.CUSTOMER, made.NOW),
    ):
        assert f"Counted {says}" in flat(message)


def test_golden_mails(made, composer):
    for name, message in scenes(made, composer).items():
        file = GOLDEN / f"{name}.eml"
        if os.environ.get("GOLDEN") == "write":
            file.write_bytes(message.raw)
        assert file.read_bytes() == message.raw, f"{name}: look at it, then GOLDEN=write pytest {Path(__file__).name}"


def test_the_same_case_is_the_same_mail(made, composer):
    again = Composer(made.SETTINGS)
    assert scenes(made, composer) == scenes(made, again)


def test_an_operator_reads_all_he_needs(made, composer):
    text = flat(composer.compose_operator(*made.operator_view(made.incident()), made.CONTACT, made.NOW))
    for needed in (
        "AW-2026-000123", "198.51.100.7", "203.0.113.9", "203.0.113.10", "2001:db8:a::5", "2026-11-01 10:00:03 UTC", "from port 51514 to port 22", "TCP", "cannot have been forged", "Presumed, not proven",
        "our customer's machine", "told the customer", "STOP ", "2 addresses of other networks", "every packet", "100 % of the traffic records", "our own table lists this address", "+1 555 0100",
    ):  # fmt: skip
        assert needed in text, needed


def test_a_customer_reads_all_he_needs(made, composer):
    text = flat(composer.compose_customer(*made.customer_view(made.incident()), made.CUSTOMER, made.NOW))
    for needed in ("AW-2026-000123", "198.51.100.7", "5 addresses", "203.0.113.0/24", "2001:db8:a::/48", "192.0.2.0/24", "Nobody accuses you", "1. ", "deleted 7 days after", "We read no content", "2026-11-01 10:00:03 UTC"):
        assert needed in text, needed
    assert not any(address in text for address in (*made.OPERATOR_A, *made.OPERATOR_B))


@pytest.mark.parametrize("language", ["en", "de", "fr", "es", "nl"])
def test_the_customer_alone_is_asked_whether_it_is_something_harmless(made, composer, language):
    plain = made.detection()
    alike = replace(plain, finding=replace(plain.finding, resembles=("git_poll", "tor_exit"), confidence=0.61))
    customer = replace(made.CUSTOMER, language=language)
    told, untold = (flat(composer.compose_customer(*made.customer_view(made.incident(one)), customer, made.NOW)) for one in (alike, plain))
    words = Texts(language).phrases["class"]
    for name in ("git_poll", "tor_exit"):
        assert words[name] in told
        assert words[name] not in untold
        assert words[name] not in flat(composer.compose_operator(*made.operator_view(made.incident(alike)), made.CONTACT, made.NOW, language=language))


@pytest.mark.parametrize("language", ["en", "de", "fr", "es", "nl"])
def test_what_a_weaker_rule_saw_of_the_same_is_a_line_and_what_else_it_saw_is_told_whole(made, composer, language):
    guess, customer = made.detection(), replace(made.CUSTOMER, language=language)
    same = made.detection("address_scan", targets=guess.targets)
    more = made.detection("address_scan", targets=(*guess.targets, made.target("203.0.113.77", 7)))
    mails = []
    for scan in (same, more):
        case = made.incident(scan, guess, kind="login_attack")
        told = (*made.OPERATOR_A, "203.0.113.77")
        mails.append(flat(composer.compose_operator(*made.operator_view(case, told), made.CONTACT, made.NOW, language=language)))
    assert [mail.count(same.title) for mail in mails] == [1, 1]
    assert [mail.count(" 203.0.113.9 ") for mail in mails] == [1, 2]
    assert [" 203.0.113.77 " in mail for mail in mails] == [False, True]
    notice = flat(composer.compose_customer(*made.customer_view(made.incident(same, guess, kind="login_attack")), customer, made.NOW))
    assert notice.count(guess.title) == notice.count(same.title) == 1
    assert notice.count("198.51.100.7") == flat(composer.compose_customer(*made.customer_view(made.incident(guess)), customer, made.NOW)).count("198.51.100.7")


@pytest.mark.parametrize("basis", ["syn_only", "one_way", "unknown"])
def test_a_source_that_may_be_forged_is_never_stated_as_fact(made, composer, basis):
    case = made.incident(made.detection("syn_flood", basis=basis), kind="syn_flood")
    operator = composer.compose_operator(*made.operator_view(case), made.CONTACT, made.NOW)
    customer = composer.compose_customer(*made.customer_view(case), made.CUSTOMER, made.NOW)
    assert "NOT VERIFIED" in flat(customer)
    assert "may be attacking" in subject(customer)
    for message in (operator, customer):
        assert "not take it as proof" in flat(message)
        assert "has been flooding" not in flat(message)
        assert "broken into" not in flat(operator)


def test_icmp_fillers_are_explained_in_the_text(made, composer):
    case = made.incident(made.detection("icmp_flood", protocol="icmp", port=2048), kind="icmp_flood")
    text = flat(composer.compose_operator(*made.operator_view(case), made.CONTACT, made.NOW))
    assert "1 in them is a filler: ICMP has no ports" in text
    assert "2048" not in text


@pytest.mark.parametrize(("rate", "words"), [(1, "every packet"), (0, "sampling rate we do not know"), (1000, "1 packet in 1,000")])
def test_sampling_is_said(made, composer, rate, words):
    case = made.incident(made.detection(sampling_rate=rate))
    assert words in flat(composer.compose_operator(*made.operator_view(case), made.CONTACT, made.NOW))
    assert words in flat(composer.compose_customer(*made.customer_view(case), made.CUSTOMER, made.NOW))


def test_headers_of_both(made, composer):
    operator = message_from_bytes(composer.compose_operator(*made.operator_view(made.incident()), made.CONTACT, made.NOW).raw)
    customer = message_from_bytes(composer.compose_customer(*made.customer_view(made.incident()), made.CUSTOMER, made.NOW).raw)
    for mail in (operator, customer):
        assert mail["From"] == mail["Sender"] == "abuse@provider.example"
        assert mail["Auto-Submitted"] == "auto-generated"
        assert mail["Subject"].startswith("[AW-2026-000123] ")
        assert not [name for name in mail if name.lower().startswith("x-")]
        assert not {"cc", "bcc", "reply-to"} & {name.lower() for name in mail}
    assert operator["To"] == "noc@victim.example"
    assert customer["To"] == "security@customer.example"
    assert re.fullmatch(r"<mailto:abuse@provider\.example\?subject=STOP%20[0-9a-f]{16}>", operator["List-Unsubscribe"])
    assert customer["List-Unsubscribe"] is None, "a breach notice is service mail (RFC 6561 5)"
    assert operator["Message-ID"] != customer["Message-ID"]


def test_a_thread_hangs_together(made, composer):
    mails = [message_from_bytes(composer.compose_operator(*made.operator_view(made.incident()), made.CONTACT, made.NOW, stage="update", sequence=n).raw) for n in range(4)]
    ids = [mail["Message-ID"] for mail in mails]
    assert len(set(ids)) == 4
    assert mails[0]["References"] is None
    assert mails[1]["References"] == mails[1]["In-Reply-To"] == ids[0]
    assert mails[3]["In-Reply-To"] == ids[2]
    assert mails[3]["References"] == f"{ids[0]} {ids[2]}"


def test_without_a_contact_the_mail_stays_with_us(made, composer):
    operator = composer.compose_operator(*made.operator_view(made.incident()), Contact(None, "unknown", "none", "203.0.113.0/24"), made.NOW)
    customer = composer.compose_customer(*made.customer_view(made.incident()), None, made.NOW)
    for message in (operator, customer):
        assert message.recipient == "abuse@provider.example"
        assert "NOTE FOR OUR OWN DESK" in body(message)


def test_two_unknown_operators_are_two_mails(made, composer):
    case = made.incident()
    one = composer.compose_operator(*made.operator_view(case), Contact(None, "unknown", "none", "203.0.113.0/24"), made.NOW)
    two = composer.compose_operator(*made.operator_view(case, made.OPERATOR_B), Contact(None, "unknown", "none", "192.0.2.0/24"), made.NOW)
    assert one.dedup != two.dedup
    assert one.message_id != two.message_id


@pytest.mark.parametrize("hostile", ["a@b.example, c@d.example", "a@b.example\r\nBcc: c@d.example", "A <a@b.example>", "ä@b.example", ""])
def test_a_hostile_contact_is_refused(made, composer, hostile):
    if not hostile:
        return
    with pytest.raises(AddressError):
        composer.compose_operator(*made.operator_view(made.incident()), Contact(hostile, "x", "rdap", "203.0.113.0/24"), made.NOW)
    with pytest.raises(AddressError):
        composer.compose_customer(*made.customer_view(made.incident()), Customer("C", (), (hostile,)), made.NOW)


@settings(max_examples=60, deadline=None)
@given(text=st.text(alphabet=st.characters(), max_size=80) | st.sampled_from(["{{ 7*7 }}", "{% for x in y %}", "a\r\n\r\n-- \r\nBcc: x", "\x1b[2J", "\u202eevil"]))
def test_text_from_outside_stays_text(made, text):
    composer = Composer(made.SETTINGS)
    case = made.incident(made.detection(title=f"T{text}T"))
    try:
        message = composer.compose_operator(*made.operator_view(case), Contact("noc@victim.example", text, "table", "203.0.113.0/24"), made.NOW)
    except LeakError:
        return  # a title that looks like an address is refused, not sent
    lines = body(message).split("\n")
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]", body(message))
    assert "49" not in body(message).split("What")[1].split("From")[0] or "49" in text
    assert lines.count("WHAT HAPPENED") == 1


MARKERS = ("CANARY-payload-7f3a", "root:hunter2", "secret.victim.example", "GET /admin")


def test_planted_markers_reach_no_mail(made, composer):
    """Markers sit wherever an incident can carry text or an address that is not for the reader."""
    base = made.detection()
    finding = msgspec.structs.replace(base.finding, targets_sample=("192.0.2.77",), threshold=MARKERS[0], measures={MARKERS[1]: 1})
    rows = tuple(msgspec.structs.replace(t, rows=tuple(msgspec.structs.replace(r, outcome=MARKERS[2] if t.address in made.OPERATOR_B else r.outcome) for r in t.rows)) for t in base.targets)
    case = made.incident(msgspec.structs.replace(base, finding=finding, targets=rows, because=MARKERS[3], roles=(MARKERS[0],)))
    operator = composer.compose_operator(*made.operator_view(case), Contact("noc@victim.example", "Other Operator Ltd", "table", "203.0.113.0/24"), made.NOW)
    customer = composer.compose_customer(*made.customer_view(case), made.CUSTOMER, made.NOW)
    for message in (operator, customer):
        whole = message.raw + b"".join(part.get_payload(decode=True) or b"" for part in message_from_bytes(message.raw).walk())
        for marker in (*MARKERS, "C-1042", "Other Operator Ltd", *made.OPERATOR_B):
            assert marker.encode() not in whole, marker
    assert b"security@customer.example" not in operator.raw
    assert b"victim.example" not in customer.raw


@given(st.sets(st.integers(1, 250), min_size=1, max_size=40), st.data())
@settings(max_examples=30, deadline=None)
def test_no_operator_sees_another(made, numbers, data):
    owner = {f"203.0.{n % 7}.{n}": f"noc{n % 7}@net{n % 7}.example" for n in numbers}
    case = made.incident(made.detection(targets=tuple(made.target(a, i) for i, a in enumerate(owner))))
    composer = Composer(made.SETTINGS)
    for email in set(owner.values()):
        mine = tuple(a for a, e in owner.items() if e == email)
        message = composer.compose_operator(*made.operator_view(case, mine), Contact(email, "x", "table", "unknown"), made.NOW)
        decoded = b"\n".join(part.get_payload(decode=True) or b"" for part in message_from_bytes(message.raw).walk())
        seen = set(re.findall(rb"203\.0\.\d+\.\d+", decoded))
        assert seen <= {a.encode() for a in mine}


@pytest.mark.parametrize("language", sorted(languages()))
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_in_every_language(made, language, kind):
    composer = Composer(dataclasses.replace(made.SETTINGS, language=language))
    case = made.incident(made.detection(kind), kind=kind)
    for stage in ("first", "update", "closing"):
        operator = composer.compose_operator(*made.operator_view(case), made.CONTACT, made.NOW, stage=stage, sequence=1)
        customer = composer.compose_customer(*made.customer_view(case), Customer("C", (), ("a@b.example",), language), made.NOW, stage=stage, sequence=1)
        for message in (operator, customer):
            text = body(message)
            assert max(map(len, text.split("\n"))) <= 78
            assert "\n\n\n" not in text
            assert len(subject(message)) < 120


def test_the_documentation_shows_the_golden_mails(root):
    page = (root / "docs" / "mails.md").read_text()
    for name in ("operator-login", "customer-login"):
        parsed = message_from_bytes((GOLDEN / f"{name}.eml").read_bytes())
        part = parsed.get_payload(0) if parsed.is_multipart() else parsed
        text = part.get_payload(decode=True).decode().replace("\r\n", "\n").strip()
        assert text in page, f"docs/mails.md shows an older {name}"


@pytest.mark.parametrize("language", sorted(languages()))
def test_nobody_is_said_to_be_broken_into_whose_service_is_merely_open(made, language):
    texts = {}
    for kind in ("amplification", "login_attack"):
        message = Composer(made.SETTINGS).compose_operator(*made.operator_view(made.incident(made.detection(kind), kind=kind)), made.CONTACT, made.NOW, language=language)
        texts[kind] = " ".join(message_from_bytes(message.raw).get_payload(0).get_payload(decode=True).decode().split())
    broken = {"en": "broken into", "de": "eingebrochen", "fr": "piratée", "es": "ha entrado", "nl": "ingebroken"}[language]
    assert broken in texts["login_attack"]
    assert broken not in texts["amplification"]


@pytest.mark.parametrize("language", sorted(languages()))
@pytest.mark.parametrize("stage", ["first", "update", "closing"])
@pytest.mark.parametrize("basis", ["anchored", "syn_only"])
def test_where_the_address_is_left_out_no_sentence_has_a_hole(made, composer, language, stage, basis):
    """A forged source is nobody's address: the customer reads of his connection instead, and no subject ends in "from"."""
    connection = {"en": "your connection", "de": r"Ihre[mn] Anschluss", "fr": "[Vv]otre accès", "es": "su conexión", "nl": "uw aansluiting"}[language]
    texts = {}
    for offender in ("192.0.2.9", made.OFFENDER):
        case = made.incident(made.detection("spoofed_source", offender=offender, basis=basis), kind="spoofed_source")
        customer = composer.compose_customer(*made.customer_view(case), replace(made.CUSTOMER, language=language), made.NOW, stage=stage)
        operator = composer.compose_operator(*made.operator_view(case), made.CONTACT, made.NOW, stage=stage, language=language)
        assert not re.search(r"  |\b(?:from|von|depuis|desde|vanaf)\s*$", subject(operator))
        texts[offender] = body(customer).split("\n\n")[1].replace("\n", " ")
    assert made.OFFENDER in texts[made.OFFENDER]
    assert re.search(connection, texts["192.0.2.9"])
    assert not re.search(r"  | [.,]", texts["192.0.2.9"])


def test_a_customer_without_an_address_in_it_reads_whole_sentences(made, composer):
    case = made.incident(made.detection("spoofed_source", offender="192.0.2.9", basis="anchored"), kind="spoofed_source")
    message = composer.compose_customer(*made.customer_view(case), made.CUSTOMER, made.NOW)
    text = message_from_bytes(message.raw).get_payload(decode=True).decode()
    assert "your connection has been sending" in text
    assert "Attacked" not in text
