"""An ARF report (RFC 5965) from an operator's view, where the abuse is mail and nothing else (section 1.1).

We never see a mail, only that many were sent. So the report names the source and when, and nothing of content, sender or
recipients; its third part, which must be there, is `text/rfc822-headers` with the one field that we can truly write. One
report has one source (section 3.2), so two offenders are reported in the other form.
"""

from datetime import datetime
from email.utils import format_datetime
from ipaddress import ip_address

import abusewatch
from abusewatch.model.evidence import View
from abusewatch.model.finding import iso
from abusewatch.reports.mime import Attachment, Headers

KINDS = frozenset({"spam"})
LARGEST = 0xFFFF_FFFF
"""Incidents is a number of 32 bits (section 3.2)."""


def report(kind: str, view: View) -> Headers:
    """Write the fields of the machine-readable part; empty where the act is not mail of one source.

    `Source-Port` (RFC 6692) stands only where the rule discloses one that is certain.
    """
    mail = [section for section in view.sections if section.kind in KINDS]
    sources = {section.offender for section in view.sections}
    offender = next(iter(sources), None)
    if kind not in KINDS or len(sources) != 1 or offender is None:
        return ()
    ports = {port for section in mail for port in section.src_ports if port}
    seen = sum(section.total.flows or section.total.sessions or 0 for section in mail)
    begun = min((section.total.first_seen for section in mail if section.total.first_seen), default=iso(view.first_us))
    return (
        ("Feedback-Type", "abuse"),
        ("User-Agent", f"abusewatch/{abusewatch.__version__}"),
        ("Version", "1"),
        ("Source-IP", _literal(offender)),
        *((("Source-Port", str(ports.pop())),) if len(ports) == 1 else ()),
        ("Arrival-Date", format_datetime(datetime.fromisoformat(begun).replace(microsecond=0))),
        *((("Incidents", str(min(seen, LARGEST))),) if seen else ()),
    )


def headers() -> Attachment:
    """Make the third part: no header of a mail, and why."""
    text = "Comments: seen in flow records of its transport only; no header and no content of any mail was read\r\n"
    return Attachment("", "text/rfc822-headers", text.encode("ascii"))


def _literal(address: str) -> str:
    """Write an address as RFC 5321 4.1.3 does between its brackets."""
    return f"IPv6:{address}" if ip_address(address).version == 6 else address
