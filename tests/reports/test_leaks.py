"""Promise: what a reader may not see is found in the finished mail, wherever it hides, and stops it."""

import base64
import json
from contextlib import nullcontext
from email.message import EmailMessage
from email.policy import SMTP

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abusewatch.reports.compose import Composer
from abusewatch.reports.leaks import Allowed, LeakError, check, check_text, spellings

ALLOWED = Allowed(
    addresses=frozenset({"198.51.100.7", "203.0.113.9", "2001:db8:a::5"}), networks=frozenset({"203.0.113.0/24"}), emails=frozenset({"abuse@provider.example", "noc@victim.example"}),
    id_domain="provider.example", never=frozenset({"192.0.2.77", "2001:db8:b::7"}), markers=frozenset({b"CANARY-7f3a", b"C-1042"}),
)  # fmt: skip


def mail(text: str = "", *, subject: str = "s", attached: bytes = b"", html: str = "") -> bytes:
    message = EmailMessage(policy=SMTP)
    message["From"] = "abuse@provider.example"
    message["Subject"] = subject
    message["Message-ID"] = "<0123456789abcdef@provider.example>"
    message.set_content(text, cte="quoted-printable")
    if html:
        message.add_alternative(html, subtype="html")
    if attached:
        message.add_attachment(attached, maintype="application", subtype="json", filename="xarf.json")
    return message.as_bytes()


@pytest.mark.parametrize(
    "text",
    [
        "from 198.51.100.7 to 203.0.113.9", "2001:0db8:000a:0:0:0:0:5", "in 203.0.113.0/24", "10:00:03 UTC on 2026-11-01T10:00:03.120Z", "version 4.2.0 and 0.1.0", "std::string", "abuse@provider.example",
        "::ffff:203.0.113.9", "port 1:2:3", "sha256:1c90900135dba0358b4648d7ee557bdb8526b58cc97c7b62bab8927caae7f79c", "9999.1.1.1.1", "300.1.1.1",
    ],
)  # fmt: skip
def test_what_may_be_seen(text):
    check(mail(text), ALLOWED)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("see 192.0.2.1", "address"), ("192.0.2[.]1", "address"), ("192(dot)0(dot)2(dot)1", "address"), ("192.000.002.001", "address"), ("192.0.2.0/24", "address"), ("203.0.113.0/25", "address"),
        ("::ffff:192.0.2.1", "address"), ("2001:db8:b::1", "address"), ("source:2001:db8:b::1", "address"), ("[2001:db8:b::1]:443", "address"), ("2001:db8:b::/48", "address"), ("2001:DB8:B:0:0:0:0:1", "address"),
        ("3221226061", "address"), ("0xc000024d", "address"), ("c000024d", "address"), ("77.2.0.192.in-addr.arpa", "address"), ("192-0-2-77.rev.example", "address"), ("0300.00.02.0115", "address"),
        ("other@victim.example", "email"), ("mailto:root%40host.example", "email"), ("ABUSE@elsewhere.example", "email"), ("0123456789abcdef@provider.example", "email"), ("GET /CANARY-7f3a", "marker"),
        ("customer C-1042", "marker"), (base64.b64encode(b"line one\r\nfrom 192.0.2.1 to you\r\n").decode(), "address"), (base64.b64encode(b"CANARY-7f3a is here").decode(), "marker"),
    ],
)  # fmt: skip
def test_what_may_not(text, what):
    for raw in (mail(text), mail("x", attached=text.encode()), mail("x", attached=json.dumps({"a": [{text: 1}]}).encode()), mail("x", html=f"<p>{text}</p>")):
        with pytest.raises(LeakError) as caught:
            check(raw, ALLOWED)
        assert caught.value.what == what
    with pytest.raises(LeakError):
        check_text(text, ALLOWED)


def test_subject_and_other_headers_are_read_decoded():
    with pytest.raises(LeakError, match="header Subject"):
        check(mail("x", subject="über 192.0.2.1"), ALLOWED)


def test_escapes_in_json_hide_nothing():
    escaped = "".join(f"\\u{ord(c):04x}" for c in "192.0.2.1")
    with pytest.raises(LeakError):
        check(mail("x", attached=f'{{"a": "{escaped}"}}'.encode()), ALLOWED)


def test_evidence_inside_json_is_decoded():
    payload = base64.b64encode(b"first_seen,dst\r\n2026-11-01T10:00:03.120Z,192.0.2.1\r\n").decode()
    with pytest.raises(LeakError, match="base64"):
        check(mail("x", attached=json.dumps({"evidence": [{"payload": payload}]}).encode()), ALLOWED)


@given(st.ip_addresses())
def test_no_address_escapes(ip):
    if (ip.version == 6 and sum(c not in ":." for c in str(ip)) < 4) or int(ip) < 0x1000:
        return  # too few digits to be told from std:: or ::1
    mapped = ip.ipv4_mapped if ip.version == 6 else None
    if str(mapped or ip) in ALLOWED.addresses:
        return
    with pytest.raises(LeakError):
        check_text(f"x {ip} y", ALLOWED)
    for spelling in spellings(str(ip)):
        with pytest.raises(LeakError):
            check_text(f" {spelling} ", Allowed(frozenset(), never=frozenset({str(ip)})))


LEAKY = {
    "all networks": "{{ sections }} 192.0.2.77",
    "customer": "your neighbour security@customer.example",
    "payload": "{{ case }} 192.0.2[.]78",
}


@pytest.mark.parametrize("text", LEAKY.values(), ids=LEAKY)
def test_a_leaky_template_is_blocked(made, tmp_path, text):
    folder = tmp_path / "en"
    folder.mkdir()
    (folder / "operator.txt.j2").write_text(text)
    import dataclasses

    composer = Composer(dataclasses.replace(made.SETTINGS, templates=tmp_path))
    with pytest.raises(LeakError):
        composer.compose_operator(*made.operator_view(made.incident()), made.CONTACT, made.NOW)
    composer.compose_customer(*made.customer_view(made.incident()), made.CUSTOMER, made.NOW)


@pytest.mark.parametrize("before", range(50, 80))
def test_an_address_broken_over_two_lines_is_not_a_shorter_one(before):
    allowed = Allowed(addresses=frozenset({"198.51.100.100"}), emails=frozenset({"abuse@provider.example"}), id_domain="provider.example", never=frozenset({"198.51.100.10"}))
    check(mail("x" * before + " 198.51.100.100 and more"), allowed)
    with pytest.raises(LeakError):
        check(mail("x" * before + " 198.51.100.10 and more"), allowed)


def test_one_set_of_forbidden_addresses_serves_every_mail_of_a_case():
    every = Allowed(addresses=frozenset({"203.0.113.9"}), never=frozenset({"203.0.113.9", "192.0.2.77"}))
    check_text("203-0-113-9 and 203.0.113.9", every)
    with pytest.raises(LeakError, match="address"):
        check_text("192-0-2-77", every)


@pytest.mark.parametrize(("text", "stops"), [("of C-1042.", True), ("(c-1042)", True), ("C-10421", False), ("ABC-1042", False)])
def test_a_customers_id_is_found_as_a_word(text, stops):
    with pytest.raises(LeakError, match="marker") if stops else nullcontext():
        check_text(text, Allowed(frozenset(), identifiers=frozenset({"C-1042"})))


@pytest.mark.parametrize("where", ["preamble", "epilogue"])
def test_what_stands_around_the_parts_is_read_too(where):
    message = EmailMessage(policy=SMTP)
    message.set_content("nothing")
    message.add_attachment(b"{}", maintype="application", subtype="json")
    setattr(message, where, "192.0.2.1\r\n")
    with pytest.raises(LeakError, match=where):
        check(message.as_bytes(), ALLOWED)
