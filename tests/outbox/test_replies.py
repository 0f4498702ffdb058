"""Answers to our mail: what the sender wrote himself, what he asks for, and that no program wrote it."""

import base64
import time
from email.message import EmailMessage
from email.policy import SMTP

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abusewatch.outbox.bounces import LARGEST
from abusewatch.outbox.replies import read

OURS = f"<{'ab' * 16}@provider.example>"
TOKEN = "0123456789abcdef"


def mail(text="fixed", subject="Re: [AW-2026-000123] your 198.51.100.7", **headers):
    fields = {"From": "Sec Team <Security@customer.example>", "To": "abuse@provider.example", "Subject": subject, "In-Reply-To": OURS} | headers
    head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items() if value is not None)
    return f"{head}\r\n{text}".encode()


def test_a_plain_answer():
    reply = read(mail("Fixed, it was a cron job.\r\n\r\nOn Sun, 1 Nov 2026 Example Hosting wrote:\r\n> Hello,\r\n> your machine\r\n"))
    assert (reply.sender, reply.automatic, reply.word) == ("security@customer.example", False, "fixed")
    assert reply.refers == {OURS}
    assert reply.text == "Fixed, it was a cron job."


@pytest.mark.parametrize("text", ["FIXED", "fixed!", "Behoben.", "Corrigé, merci", "RESUELTO", "opgelost", "> quoted\n\nfixed", "\n\n  fixed\n"])
def test_the_word_in_every_language(text):
    assert read(mail(text)).word == "fixed"


@pytest.mark.parametrize("text", ["not fixed", "Fixed?", "When must it be fixed", "> FIXED\n", "prefixed", "", "-----Original Message-----\nfixed", "From: a@b.example\nfixed"])
def test_what_does_not_say_it(text):
    assert read(mail(text)).word == ""


@pytest.mark.parametrize("text", ["STOP", "Stop.", "stop please", "Unsubscribe"])
def test_stop_is_a_mail_of_its_own(text):
    assert read(mail(text)).word == "stop"


@pytest.mark.parametrize("text", ["Stop attacking us at once", "please stop"])
def test_a_sentence_with_stop_in_it_is_for_people(text):
    assert read(mail(text)).word == ""


def test_tokens_stand_in_the_subject_or_in_the_first_line_and_never_in_what_is_quoted():
    assert read(mail("", f"FIXED {TOKEN}")).tokens == {("fixed", TOKEN)}
    assert read(mail(f"stop {TOKEN.upper()}", "Re: x")).tokens == {("stop", TOKEN)}
    assert read(mail(f"no\n\n> STOP {TOKEN}", "Re: x")).tokens == set()
    assert read(mail(f"no\n\nFrom: abuse@provider.example\n\n  STOP {TOKEN}", "Re: x")).tokens == set()


@pytest.mark.parametrize(
    "headers",
    [
        {"Auto_Submitted": "auto-replied"}, {"Auto_Submitted": "auto-generated (x)"}, {"Precedence": "bulk"}, {"Precedence": "List"},
        {"Return_Path": "<>"}, {"Return_Path": "< >"}, {"List_Id": "x"}, {"X_Autoreply": "yes"}, {"From": "MAILER-DAEMON@x.example"},
        {"From": "a@b.example, security@customer.example"}, {"From": "<a@b.example> <security@customer.example>"}, {"From": None},
        {"Content_Type": "multipart/report; boundary=x"},
    ],
)  # fmt: skip
def test_what_no_person_wrote_or_nobody_knows_who(headers):
    assert read(mail(**headers)).automatic


def test_auto_submitted_no_is_a_person():
    assert not read(mail(Auto_Submitted="No")).automatic


@pytest.mark.parametrize("encoding", ["7bit", "quoted-printable", "base64"])
def test_what_mail_programs_send(encoding):
    made = EmailMessage(policy=SMTP)
    made["From"], made["Subject"], made["In-Reply-To"] = "security@customer.example", "Re: x", OURS
    made.set_content("corrigé, merci\n" if encoding != "7bit" else "fixed, thanks\n", cte=encoding)
    made.add_alternative("<p>fixed</p>", subtype="html")
    made.add_attachment(b"\0" * 999, maintype="image", subtype="png", filename="x.png")
    reply = read(made.as_bytes())
    assert reply.word == "fixed"
    assert reply.text in {"corrigé, merci", "fixed, thanks"}


def test_html_alone():
    reply = read(mail("<html><head><title>x</title></head><style>a{b}</style><div>Fixed &amp; done</div><p>bye</p>", Content_Type="text/html; charset=utf-8"))
    assert (reply.word, reply.text) == ("fixed", "Fixed & done\nbye")


def test_a_file_alone_says_nothing():
    assert read(mail(base64.b64encode(b"fixed").decode(), Content_Type="application/pdf", Content_Transfer_Encoding="base64")).text == ""


@given(st.binary(max_size=3000), st.sampled_from(["", "text/html", "multipart/mixed; boundary=a", "text/plain; charset=utf-7"]), st.sampled_from(["base64", "quoted-printable", ""]))
def test_nothing_that_comes_in_raises(garbage, kind, encoding):
    read(garbage)
    read(mail("", Content_Type=kind, Content_Transfer_Encoding=encoding) + garbage)


@pytest.mark.parametrize(
    "hostile",
    [
        b"From: " + b"(" * 100_000 + b"\r\n\r\n", b"To: " + b"a@b.example," * 20_000 + b"\r\n\r\nfixed", b"\r\n\r\n" + b"<" * LARGEST,
        b"Content-Type: multipart/mixed; boundary=a\r\n\r\n" + b"--a\nContent-Type: multipart/mixed; boundary=a\n\n" * 5000,
        b"Content-Type: text/html\r\n\r\n" + b"<style " * 30_000, b"Content-Type: text/html\r\n\r\n" + b"<style>" * 30_000,
        b"Content-Type: " + b"; a=b" * 50_000 + b"\r\n\r\n", b"\n ".join([b"Subject: x"] * 50_000), b"> a:\n" * 50_000, b"\r\n\r\n" + b"a:\n" * 50_000 + b"> x\n" * 50_000,
        b"Subject: " + b"FIXED " * 40_000 + b"\r\n\r\n", b"In-Reply-To: " + b"<" * LARGEST,
    ],
)  # fmt: skip
def test_no_answer_takes_long(hostile):
    begun = time.process_time()
    read(hostile)
    assert time.process_time() - begun < 10
