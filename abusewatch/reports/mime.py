"""Parts to bytes: one place that builds MIME, so that one place is gated.

The boundary comes from the caller, so that the same mail is the same bytes; text is quoted-printable and JSON is
base64, which keeps lines short and DKIM signatures whole on the way (standards: RFC 2045 6.7 and 6.8; base64 evidence
on one JSON line would break RFC 5322 2.1.1).
"""

from collections.abc import Sequence
from email.message import EmailMessage, MIMEPart
from email.policy import SMTP
from typing import NamedTuple

from abusewatch.reports.headers import HeaderError, header, verify

Headers = Sequence[tuple[str, str]]

_ONCE = frozenset({"From", "Sender", "To", "Subject", "Date", "Message-ID", "Auto-Submitted"})
_HEADERS = SMTP.clone(max_line_length=200, cte_type="7bit")
"""Long enough that no header of ours is folded: a fold inside References or List-Unsubscribe breaks simple readers."""
_BODY = SMTP.clone(max_line_length=76, cte_type="7bit")
"""RFC 2045 6.7 rule 5: at most 76 characters; the library takes its policy's length for encoded bodies too."""


class Attachment(NamedTuple):
    """A file for machines: its name, `maintype/subtype` and bytes."""

    name: str
    kind: str
    content: bytes


def build(
    headers: Headers, text: str, boundary: str, report: Headers = (), attachments: Sequence[Attachment] = ()
) -> bytes:
    """Build a mail.

    With `report`: multipart/report (RFC 6522) of text, message/feedback-report (RFC 5965) and attachments; without:
    text/plain alone.

    Every header passes the gate before the library sees it and the finished block is compared with what was put in.
    HeaderError otherwise.
    """
    gated = [header(name, value) for name, value in headers]
    names = [name for name, _ in gated]
    if sorted(n for n in names if n in _ONCE) != sorted(_ONCE) or len({n.lower() for n in names}) != len(names):
        raise HeaderError("a required header is missing or given twice")
    mail = EmailMessage(policy=_HEADERS)
    for name, value in gated:
        mail[name] = value
    if report:
        mail["MIME-Version"] = "1.0"
        mail["Content-Type"] = f'multipart/report; report-type=feedback-report; boundary="{boundary}"'
        names += ["MIME-Version", "Content-Type"]
        mail.set_payload([_text(text), _feedback(report), *map(_file, attachments)])
    else:
        part = _text(text)
        mail["MIME-Version"] = "1.0"
        names += ["MIME-Version", *part.keys()]
        for name, value in part.items():
            mail[name] = value
        mail.set_payload(part.get_payload())
    raw = mail.as_bytes()
    verify(raw, names)
    return raw


def _text(text: str) -> MIMEPart:
    """Make a part of UTF-8 text, lines ending as mail's do."""
    part = MIMEPart(_BODY)
    part.set_content(text, subtype="plain", charset="utf-8", cte="quoted-printable")
    return part


def _feedback(fields: Headers) -> MIMEPart:
    """Make the machine-readable part of RFC 5965 2(d).

    Its body is header lines, so the library sees a message with no body.
    """
    inner, part = MIMEPart(_BODY), MIMEPart(_BODY)
    for name, value in fields:
        inner[name] = header(name, value)[1]
    part["Content-Type"] = "message/feedback-report"
    part.set_payload([inner])
    return part


def _file(attachment: Attachment) -> MIMEPart:
    """Make an attached file."""
    name, kind, content = attachment
    part = MIMEPart(_BODY)
    if kind == "text/rfc822-headers":  # RFC 6522 4: header fields as they are, not a file
        part["Content-Type"] = kind
        part.set_payload(content.decode("ascii"))
        return part
    maintype, _, subtype = kind.partition("/")
    part.set_content(
        content,
        maintype=maintype,
        subtype=subtype,
        cte="base64",
        disposition="attachment",
        filename=name,
        params={"name": name},
    )
    return part
