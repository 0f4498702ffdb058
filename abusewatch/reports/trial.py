"""A mail that says nothing but that it arrived: for the one who sets up how mail leaves."""

from datetime import UTC, datetime
from email.utils import format_datetime

import abusewatch
from abusewatch.model.mailbox import addr_spec
from abusewatch.model.message import Message
from abusewatch.reports.mime import build

TEXT = """Hello,

this is a test mail of abusewatch {version}, sent by hand by somebody at {organisation}. It took the way that reports take: look at
who signed it (DKIM), at its envelope sender, and whether an answer to it reaches people.

--\x20
{organisation}
{sender}
"""


def trial(organisation: str, sender: str, to: str, token: str, now_us: int) -> Message:
    """Write it. AddressError when `to` is no plain address; `token` (32 hexadecimal digits) names this one mail."""
    recipient = addr_spec(to)
    ident = f"<{token}@{sender.rpartition('@')[2]}>"
    subject = f"test mail of {organisation}"
    headers = [
        ("From", sender),
        ("Sender", sender),
        ("To", recipient),
        ("Subject", subject),
        ("Date", format_datetime(datetime.fromtimestamp(now_us // 1_000_000, UTC))),
        ("Message-ID", ident),
        ("Auto-Submitted", "auto-generated"),
    ]
    text = TEXT.format(version=abusewatch.__version__, organisation=organisation, sender=sender)
    raw = build(headers, text, f"=_{token}")
    return Message(ident, f"test|{token}", "test", "desk", sender, recipient, subject, raw)
