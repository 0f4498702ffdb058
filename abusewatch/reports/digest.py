"""One mail about several cases, for a reader whose mails of today are used up: each case in a few lines, the facts attached.

It says of each case what its own mail would have said first: what, from where, when, which of his addresses. The thread
is the reader's: each digest answers the one before it.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from itertools import chain
from typing import Any, NamedTuple
from urllib.parse import quote

import msgspec

import abusewatch
from abusewatch.model.contact import Contact
from abusewatch.model.customer import Customer
from abusewatch.model.evidence import Section, View
from abusewatch.model.finding import iso
from abusewatch.model.incident import Incident
from abusewatch.model.kinds import KINDS
from abusewatch.model.mailbox import addr_spec
from abusewatch.model.message import Message, Stage
from abusewatch.reports import leaks, xarf
from abusewatch.reports.identity import keyed, message_id, optout_token
from abusewatch.reports.mime import Attachment, Headers, build
from abusewatch.reports.settings import ReportSettings
from abusewatch.reports.texts import FAMILY, Texts

SHOWN = 10
"""Addresses or networks of one case in the text; the rest is a count, and in the attachment."""
DOCUMENTS = 50
"""XARF documents a digest: five times a mail's, for up to fifty cases."""
CERTAIN = frozenset({"handshake", "anchored"})


class Case(NamedTuple):
    """A case in a digest: without evidence, with the view of this reader, and which mail it stands for."""

    incident: Incident
    view: View
    stage: Stage


class DigestComposer:
    """Writes digests for one provider."""

    def __init__(self, settings: ReportSettings) -> None:
        """Take who writes."""
        self._settings = settings

    def compose_digest(
        self, cases: Sequence[Case], who: Contact | Customer, now_us: int, *, sequence: int, previous: int | None
    ) -> Message:
        """Write to an operator, or to a customer at the first of his contacts; errors as for the mail of one case.

        `sequence` names this digest among those to the reader and `previous` the one before it.
        """
        settings, operator = self._settings, isinstance(who, Contact)
        recipient = addr_spec(who.email if isinstance(who, Contact) else who.contacts[0])
        texts = Texts(settings.language if isinstance(who, Contact) else who.language, settings.templates)
        open_cases = [case for case in cases if case.stage != "closing"]
        documents = [
            document
            for case in (open_cases if operator else ())
            for document in xarf.documents(case.incident, case.view, recipient, settings)
        ][:DOCUMENTS]
        values = {
            "audience": "operator" if operator else "customer",
            "count": len(cases),
            "first_case": cases[0].incident.id,
            "cases": [_case(case, texts) for case in cases],
            "families": _families(open_cases, texts),
            "bases": [texts.basis(b) for b in dict.fromkeys(s.basis for c in open_cases for s in c.view.sections)],
            "reported": any(KINDS[c.incident.kind].operator_mail for c in cases),
            "attached": len(documents),
            "port_note": texts.phrases["words"]["frequent_port"],
            "contact_reason": _reason(who, texts),
            "stop_token": optout_token(settings.message_id_key, recipient),
            "organisation": settings.organisation,
            "sender": settings.sender,
            "phone": settings.phone,
            "evidence_days": settings.evidence_days,
        }
        audience = "operator" if operator else "customer"
        whose = "" if isinstance(who, Contact) else who.id
        thread = f"{audience}:{recipient}:{whose}"
        ident, headers = self._headers(recipient, texts.subject("digest", values), thread, now_us, sequence, previous)
        if operator:
            stop = quote(f"STOP {values['stop_token']}")
            headers.append(("List-Unsubscribe", f"<mailto:{settings.sender}?subject={stop}>"))
        boundary = "=_" + keyed(settings.message_id_key, "boundary", ident).hex()[:32]
        report: Headers = ()
        if documents:
            report = (
                ("Feedback-Type", "xarf"),
                ("User-Agent", f"abusewatch/{abusewatch.__version__}"),
                ("Version", "1"),
            )
        raw = build(headers, texts.render("digest.txt", values), boundary, report, _files(documents))
        leaks.check(raw, _allowed(cases, who, recipient, settings))
        dedup = f"digest|{thread.lower()}|{sequence}"
        subject = next(value for name, value in headers if name == "Subject")
        return Message(
            ident, dedup, cases[0].incident.id, "operator" if operator else "customer", settings.sender, recipient,
            subject, raw, sequence, "digest",
        )  # fmt: skip

    def _headers(
        self, recipient: str, subject: str, thread: str, now_us: int, sequence: int, previous: int | None
    ) -> tuple[str, list[tuple[str, str]]]:
        settings = self._settings

        def name(number: int) -> str:
            return message_id(settings.message_id_key, settings.domain, "digest", thread, number)

        headers = [
            ("From", settings.sender),
            ("Sender", settings.sender),
            ("To", recipient),
            ("Subject", subject),
            ("Date", format_datetime(datetime.fromtimestamp(now_us // 1_000_000, UTC))),
            ("Message-ID", name(sequence)),
            ("Auto-Submitted", "auto-generated"),
        ]
        if previous is not None:
            headers += [("In-Reply-To", name(previous)), ("References", name(previous))]
        return name(sequence), headers


def _case(case: Case, texts: Texts) -> dict[str, Any]:
    """Say a case in a few values; nothing that is not in its view."""
    incident, view = case.incident, case.view
    rows = [row for section in view.sections for row in section.by_target if row.dst]
    addresses = {row.dst: (_time(row.first_seen), _time(row.last_seen)) for row in rows}
    sections = view.sections
    return {
        "case": incident.id,
        "stopped": case.stage == "closing",
        "what": texts.kind(incident.kind),
        "titles": ", ".join(dict.fromkeys(section.title for section in sections)),
        "offenders": ", ".join(view.offenders),
        "first_seen": _time(iso(view.first_us)),
        "last_seen": _time(iso(view.last_us)),
        "protocol": "/".join(dict.fromkeys(section.protocol.upper() for section in sections)),
        "ports": _ports(section.ports for section in sections if not section.protocol.startswith("icmp")),
        "src_ports": _ports(section.src_ports for section in sections),
        "unverified": not any(section.basis in CERTAIN for section in sections),
        "targets": view.targets,
        "addresses": [(address, *times) for address, times in list(addresses.items())[:SHOWN]],
        "addresses_more": max(0, view.targets - min(len(addresses), SHOWN)) if addresses else 0,
        "networks": list(view.networks[:SHOWN]),
        "networks_more": len(view.networks[SHOWN:]) + view.networks_more,
        "digest": view.digest,
    }


def _ports(some: Any) -> list[int]:
    return sorted({port for port in chain.from_iterable(some) if port})


def _families(cases: Sequence[Case], texts: Texts) -> list[dict[str, Any]]:
    """Say once for each family of kinds what it means and what to do."""
    kinds = {FAMILY[case.incident.kind]: case.incident.kind for case in reversed(cases)}
    return [{"what": texts.kind(kind), **texts.family(kind)} for kind in reversed(kinds.values())]


def _reason(who: Contact | Customer, texts: Texts) -> str:
    if isinstance(who, Customer):
        return ""
    words = texts.phrases["words"]
    return f"{words.get(f'source_{who.source}', words['source_other'])} {who.network}"


def _time(rfc3339: str | None) -> str:
    return f"{rfc3339[:10]} {rfc3339[11:19]} UTC" if rfc3339 else ""


def _files(documents: Sequence[dict[str, Any]]) -> list[Attachment]:
    return [
        Attachment(f"xarf{f'-{n}' if n > 1 else ''}.json", "application/json", msgspec.json.encode(document))
        for n, document in enumerate(documents, 1)
    ]


def _shown(section: Section) -> set[str]:
    return {row.dst for row in (*section.by_target, *section.rows, section.total) if row.dst}


def _allowed(cases: Sequence[Case], who: Contact | Customer, recipient: str, settings: ReportSettings) -> leaks.Allowed:
    """Say what may stand in the mail: what the views show to this reader."""
    operator = isinstance(who, Contact)
    shown = {address for case in cases for section in case.view.sections for address in _shown(section)}
    networks = {network for case in cases for network in case.view.networks}
    return leaks.Allowed(
        addresses=frozenset({*(shown if operator else ()), *(o for case in cases for o in case.view.offenders)}),
        networks=frozenset({who.network} if isinstance(who, Contact) else networks),
        emails=frozenset({recipient.lower(), settings.sender.lower()}),
        id_domain=settings.domain.lower(),
    )
