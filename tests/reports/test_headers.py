"""Promise: whatever text reaches a header, no mail of ours has a header or a recipient that was not set."""

import random
import sys
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP, compat32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abusewatch.model.mailbox import AddressError, addr_spec
from abusewatch.reports.headers import HeaderError, header, hostname, line, verify
from abusewatch.reports.mime import build

PIECES = [
    "\r\n", "\n", "\r", "\x00", "\x0b", "\x0c", "\x1b[31m", "\x85", "\u2028", "\u2029", "\x7f", "\x9b", "\ud800", "\u202e", "\u200b", "Bcc: v@x.example", "To: v@x.example", ",", ";",
    " ", "\t", "=?utf-8?q?a=0ABcc:_v@x.example=0A?=", "=?utf-8?b?CkJjYzogdkB4LmV4YW1wbGU=?=", "=?us-ascii?q?=0D=0A?=", "<v@x.example>", '"a b"@x.example', "a@b.example",
    "(comment)", "ä", "€", "a" * 70, "a" * 1000, "%0d%0a", "\\r\\n", "@", "::", "[192.0.2.1]", "victim", "x" * 300 + " ", ">", "<", "?=", "=?", "\ufeff", "\u00ad", ".",
]  # fmt: skip


def headers(subject="s", to="a@b.example", sender="d@e.example"):
    return [("From", sender), ("Sender", sender), ("To", to), ("Subject", subject), ("Date", "Sun, 01 Nov 2026 10:05:13 +0000"), ("Message-ID", "<a@e.example>"), ("Auto-Submitted", "auto-generated")]


def unguarded(subject: str) -> bytes:
    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = subject
    mail["To"] = "a@b.example"
    mail.set_content("text")
    return mail.as_bytes()


def count_of_bad(raw: bytes) -> int:
    parsed = message_from_bytes(raw, policy=compat32)
    return sum(name.lower() in {"bcc", "cc"} for name in parsed) + (len(parsed.get_all("To") or ()) != 1) + (parsed["To"] != "a@b.example")


def test_the_gate_refuses_a_header_put_in_by_a_subject():
    subject = "=?utf-8?q?a=0D=0ABcc:_v@x.example?="
    raw = unguarded(subject)
    if b"\nBcc:" not in raw:  # an interpreter with the fix of CVE-2024-6923: what one without it writes
        raw = b"Subject: a\r\nBcc: v@x.example\r\n" + raw[raw.index(b"To: ") :]
    assert count_of_bad(raw) == 1
    with pytest.raises(HeaderError):
        verify(raw, ["Subject", "To", "Content-Type", "Content-Transfer-Encoding", "MIME-Version"])
    with pytest.raises(HeaderError):
        build(headers(subject), "text", "b")


def hostile_round(text: str) -> bool:
    """Put the text into a subject and into a recipient; True when it went out, and then harmlessly."""
    out = False
    for kwargs in ({"subject": text}, {"to": text}, {"sender": text}):
        try:
            if "subject" not in kwargs:
                addr_spec(text)
            raw = build(headers(**kwargs), "text", "b")
        except (AddressError, HeaderError):
            continue
        out = True
        parsed = message_from_bytes(raw, policy=compat32)
        assert sorted(parsed.keys()) == sorted([name for name, _ in headers()] + ["Content-Type", "Content-Transfer-Encoding", "MIME-Version"])
        assert parsed["To"].strip() == kwargs.get("to", "a@b.example")
        assert raw.count(b"\r\n\r\n") >= 1
        assert parsed.get_payload().strip() == "text"
    return out


@given(st.text(max_size=60) | st.lists(st.sampled_from(PIECES), max_size=6).map("".join))
def test_hostile_text_never_adds_a_header(text):
    hostile_round(text)


@pytest.mark.fuzz
def test_a_hundred_thousand_hostile_strings():
    rng = random.Random(6)
    drawn = dict.fromkeys("".join(rng.choices(PIECES, k=rng.randint(1, 4))) for _ in range(100_000))
    passed = sum(map(hostile_round, drawn))  # each once
    assert passed > 1_000, "the strings must also try the path where the gate says yes"


def test_the_same_strings_without_the_gate_add_headers_where_the_interpreter_lets_them():
    """The negative control: on 3.11.7 the library alone writes headers of others; on patched ones it raises or folds."""
    rng, bad = random.Random(6), 0
    for _ in range(600):
        text = "".join(rng.choices(PIECES, k=rng.randint(1, 4)))
        try:
            bad += count_of_bad(unguarded(text)) > 0
        except (ValueError, UnicodeError, IndexError, AttributeError):
            continue
    version = sys.version.split()[0]
    print(f"{bad} of 600 mails had a header that was not ours, on Python {version}")  # noqa: T201
    assert bad > 0 or version != "3.11.7"


@pytest.mark.parametrize("value", [b"bytes", 1, None, "a\nb", "a\rb", "a\x00", "a\x1b[1m", "a\x85b", "a\u2028b", "a\u2029", "\u202eabc", "\ud800", "=?utf-8?q?a?=", "x" * 990, "ä" * 500])
def test_a_line_that_cannot_stand_in_a_header(value):
    with pytest.raises(HeaderError):
        line("Subject", value)


@pytest.mark.parametrize("value", ["", "plain", "Zürich: größer", "a" * 900])
def test_a_line_that_can(value):
    assert line("Subject", value) == value


@pytest.mark.parametrize("name", ["", "A b", "A:", "Ä", "A\n", "1A", "x" * 80])
def test_header_names(name):
    with pytest.raises(HeaderError):
        header(name, "value")


@pytest.mark.parametrize("value", ["example", "a..b", "-a.b", "a.b-", "a" * 64 + ".b", "a b.c", ""])
def test_host_names(value):
    with pytest.raises(HeaderError):
        hostname(value)


@pytest.mark.parametrize(
    "raw",
    [b"A: 1\r\nB: 2\r\nC: 3\r\n\r\n", b"A: 1\r\n\r\n", b"A: 1\nB: 2\r\n\r\n", b"A: 1\r\nB: 2\r\n", b"A: 1\r\nB: \xe4\r\n\r\n", b"A: 1\r\nB: 2\r\n\r\nx\ny", b"A: 1\r\nB: " + b"x" * 999 + b"\r\n\r\n", b"A: \x00\r\nB: 2\r\n\r\n"],
)
def test_finished_mail_that_differs_from_what_was_set(raw):
    with pytest.raises(HeaderError):
        verify(raw, ["A", "B"])


def test_finished_mail_as_set():
    verify(b"A: 1\r\n folded\r\nB: 2\r\n\r\nbody\r\n", ["A", "B"])


def test_a_header_cannot_be_given_twice_or_left_out():
    with pytest.raises(HeaderError):
        build([*headers(), ("To", "c@d.example")], "text", "b")
    with pytest.raises(HeaderError):
        build(headers()[1:], "text", "b")
