"""Promise: every mail is what RFC 5322, 2045, 6522 and 5965 ask for, checked on the bytes and not by the library that made them."""

import base64
import quopri
import re

import pytest

from abusewatch.model.kinds import KINDS
from abusewatch.reports.mime import Attachment, build

TOKEN = rb"[A-Za-z0-9!#$&^_.+-]+"
REQUIRED = (b"from", b"sender", b"to", b"subject", b"date", b"message-id", b"auto-submitted", b"mime-version", b"content-type")


def split(raw: bytes) -> tuple[dict[bytes, bytes], bytes]:
    """Read a header block by RFC 5322 2.2 alone; unfolds; refuses a name given twice."""
    block, separator, body = raw.partition(b"\r\n\r\n")
    assert separator
    fields: dict[bytes, bytes] = {}
    for line in re.sub(rb"\r\n[ \t]", b" ", block).split(b"\r\n"):
        name, colon, value = line.partition(b":")
        assert colon, line
        assert re.fullmatch(rb"[\x21-\x39\x3b-\x7e]+", name), line
        assert name.lower() not in fields, f"{name!r} twice"
        fields[name.lower()] = value.strip()
    return fields, body


def strict(raw: bytes) -> list[tuple[dict[bytes, bytes], bytes]]:
    """Check the whole and return the leaf parts with their decoded bodies."""
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", raw), "CRLF only"
    assert raw.endswith(b"\r\n")
    assert raw.isascii(), "no 8-bit byte may need 8BITMIME"
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    assert b"\x00" not in raw
    fields, body = split(raw)
    assert set(REQUIRED) <= fields.keys()
    assert fields[b"mime-version"] == b"1.0"
    assert re.fullmatch(rb"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} \+0000", fields[b"date"])
    assert re.fullmatch(rb"<[0-9a-f]{32}@[a-z.]+>", fields[b"message-id"])
    assert re.fullmatch(rb"[^@<>, ]+@[^@<>, ]+", fields[b"to"])
    return leaves(fields, body)


def leaves(fields, body):
    kind = fields[b"content-type"]
    assert re.match(TOKEN + rb"/" + TOKEN, kind)
    if not kind.startswith(b"multipart/"):
        return [(fields, decoded(fields, body))]
    boundary = re.search(rb'boundary="([^"]{1,70})"', kind)[1]
    assert body.count(b"--" + boundary + b"--") == 1
    pieces = (b"\r\n" + body).split(b"\r\n--" + boundary)
    assert pieces[-1] == b"--\r\n"
    out = []
    for piece in pieces[1:-1]:
        assert piece.startswith(b"\r\n")
        out += leaves(*split(piece[2:] + b"\r\n")) if not piece.startswith(b"\r\n\r\n") else pytest.fail("a part without a header")
    return out


def decoded(fields, body):
    encoding = fields.get(b"content-transfer-encoding", b"7bit").lower()
    if encoding == b"base64":
        assert max(map(len, body.split(b"\r\n"))) <= 76
        return base64.b64decode(body.replace(b"\r\n", b""), validate=True)
    if encoding == b"quoted-printable":
        assert max(map(len, body.split(b"\r\n"))) <= 76
        assert not re.search(rb"[ \t]\r\n", body)
        assert not re.search(rb"=(?![0-9A-F]{2}|\r\n)", body)
        return quopri.decodestring(body)
    assert encoding == b"7bit"
    return body


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stage", ["first", "update", "closing"])
def test_every_mail_is_strictly_right(made, composer, kind, stage):
    case = made.incident(made.detection(kind), kind=kind)
    sequence = {"first": 0, "update": 1, "closing": 2}[stage]
    operator = composer.compose_operator(*made.operator_view(case), made.CONTACT, made.NOW, stage=stage, sequence=sequence)
    parts = strict(operator.raw)
    assert [fields[b"content-type"].split(b";")[0] for fields, _ in parts] == [b"text/plain", b"message/feedback-report", *([b"text/rfc822-headers"] if kind == "spam" else [b"application/json"] * 3)][: 1 if stage == "closing" else 9]
    if stage != "closing":
        assert b'report-type="feedback-report"' in split(operator.raw)[0][b"content-type"]
        report = split(parts[1][1])[0]
        assert report[b"feedback-type"] == (b"abuse" if kind == "spam" else b"xarf")
        assert report[b"version"] == b"1"
        assert re.fullmatch(rb"abusewatch/\S+", report[b"user-agent"])
    customer = composer.compose_customer(*made.customer_view(case), made.CUSTOMER, made.NOW, stage=stage, sequence=sequence)
    assert len(strict(customer.raw)) == 1


def test_text_outside_ascii_survives(made):
    headers = [("From", "a@b.example"), ("Sender", "a@b.example"), ("To", "c@d.example"), ("Subject", "Größe " * 20), ("Date", "Sun, 01 Nov 2026 10:05:13 +0000"), ("Message-ID", "<" + "0" * 32 + "@b.example>"), ("Auto-Submitted", "auto-generated")]
    text = "Zürich — naïve\n.\n..leading dots\nFrom the start\n" + "x" * 3000 + "\ntrailing blank \n"
    raw = build(headers, text, "=_b", (("Feedback-Type", "xarf"),), [Attachment("a.json", "application/json", b"{}" * 2000)])
    parts = strict(raw)
    assert parts[0][1].decode().replace("\r\n", "\n").strip() == text.strip()
    assert parts[2][1] == b"{}" * 2000


@pytest.mark.parametrize("length", [74, 75, 76, 77, 997, 998, 999, 5000])
def test_lines_at_the_limits(length):
    headers = [("From", "a@b.example"), ("Sender", "a@b.example"), ("To", "c@d.example"), ("Subject", "s"), ("Date", "Sun, 01 Nov 2026 10:05:13 +0000"), ("Message-ID", "<" + "0" * 32 + "@b.example>"), ("Auto-Submitted", "auto-generated")]
    assert strict(build(headers, "a" * length + "\n", "=_b"))[0][1].strip() == b"a" * length
