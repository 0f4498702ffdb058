"""From a view to a finished mail: choose the values, render, build, and check what came out.

The composer sees an incident without evidence and the view of one audience, so it has nothing else to tell. Each mail
passes the header gate while it is built and the leak check when it is finished. The same arguments give the same
bytes.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import quote

import msgspec

from abusewatch.model.contact import Contact
from abusewatch.model.customer import Customer
from abusewatch.model.evidence import Row, Section, View
from abusewatch.model.finding import iso
from abusewatch.model.incident import Incident
from abusewatch.model.kinds import KINDS
from abusewatch.model.mailbox import addr_spec
from abusewatch.model.message import Audience, Message, Stage
from abusewatch.reports import arf, leaks, xarf
from abusewatch.reports.identity import fixed_token, keyed, message_id, optout_token
from abusewatch.reports.mime import Attachment, Headers, build
from abusewatch.reports.settings import ReportSettings
from abusewatch.reports.texts import FAMILY, Texts

SHOWN = 25
"""Addresses in the text of a mail; the rest is in the attachment. A longer text is not read."""
ROWS_SHOWN = 3
HOUR_US = 3_600_000_000
NAMED = 3
"""Addresses of ours in a subject."""
CERTAIN = frozenset({"handshake", "anchored"})
NO_ANSWERS = {"page": "", "page_until": "", "fixed_token": ""}
"""For a notice that our own desk gets: the page and the word are the customer's."""


class Composer:
    """Writes mails for one provider. Holds no state but the texts it has read."""

    def __init__(self, settings: ReportSettings) -> None:
        """Read the texts of the default language, so that a broken override stops the start and not a mail."""
        self._settings = settings
        self._texts: dict[str, Texts] = {}
        self._language(settings.language)

    def compose_operator(  # noqa: PLR0913  # what one mail is made of
        self,
        incident: Incident,
        view: View,
        contact: Contact,
        now_us: int,
        *,
        stage: Stage = "first",
        sequence: int = 0,
        thread: str = "",
        language: str | None = None,
    ) -> Message:
        """Write to the operator of attacked networks: text and XARF, or ARF where the abuse is mail.

        Without a known contact the mail goes to our own desk and says so.

        AddressError when the contact is no plain address, TextError when a template fails, LeakError when the result
        shows what it may not.
        """
        recipient = addr_spec(contact.email) if contact.email else self._settings.sender
        texts = self._language(language or self._settings.language)
        words = texts.phrases["words"]
        feedback = () if stage == "closing" else arf.report(incident.kind, view)
        closing = stage == "closing" or bool(feedback)
        documents = [] if closing else xarf.documents(incident, view, recipient, self._settings)
        values = self._values(incident, view, stage, texts, now_us) | {
            "unresolved": contact.email is None,
            "customer_known": not incident.customer.startswith("address:"),
            "advice": texts.family(incident.kind)["operator"],
            "attached": len(documents),
            "arf": bool(feedback),
            "port_note": _port_note(documents, view, texts),
            "contact_reason": f"{words.get(f'source_{contact.source}', words['source_other'])} {contact.network}",
            "stop_token": optout_token(self._settings.message_id_key, recipient),
        }
        attachments = [
            Attachment(f"xarf{f'-{n}' if n > 1 else ''}.json", "application/json", msgspec.json.encode(d))
            for n, d in enumerate(documents, 1)
        ]
        report = feedback or (xarf.REPORT if documents else ())
        attachments += [arf.headers()] if feedback else []
        line = recipient if contact.email else f"{recipient}#{contact.network}"
        draft = _Draft(incident.id, "operator", recipient, line, now_us, sequence, stage, report, attachments, thread)
        addresses = {row.dst for one in view.sections for row in (*one.by_target, *one.rows, one.total) if row.dst}
        return self._finish(draft, texts, values, view, addresses, {contact.network})

    def compose_customer(  # noqa: PLR0913  # what one mail is made of
        self,
        incident: Incident,
        view: View,
        customer: Customer | None,
        now_us: int,
        *,
        stage: Stage = "first",
        sequence: int = 0,
        thread: str = "",
        recipient: str | None = None,
    ) -> Message:
        """Write to our customer, at `recipient` or his first contact.

        Without one the notice goes to our own desk and says so. Errors as for the operator's.
        """
        known = recipient or (customer.contacts[0] if customer and customer.contacts else None)
        texts = self._language(customer.language if customer else self._settings.language)
        family = texts.family(incident.kind)
        values = self._values(incident, view, stage, texts, now_us) | {
            "unresolved": known is None,
            "networks": view.networks,
            "networks_more": view.networks_more,
            "meaning": family["meaning"],
            "steps": family["steps"],
            "resembles": [texts.benign(name) for name in dict.fromkeys(name for one in view.sections for name in one.resembles)],
            "evidence_days": self._settings.evidence_days,
            "kind_reported": KINDS[incident.kind].operator_mail and any(one.basis in CERTAIN for one in view.sections),
        }
        to = addr_spec(known) if known else self._settings.sender
        values |= self._answers(incident.id, to, now_us) if known else NO_ANSWERS
        line = to if known else f"{to}#{incident.customer}"
        draft = _Draft(incident.id, "customer", to, line, now_us, sequence, stage, (), [], thread)
        return self._finish(draft, texts, values, view, set(), set(view.networks))

    def _answers(self, case: str, recipient: str, now_us: int) -> dict[str, str]:
        """Give the customer's two ways to answer a program, where the provider has them: his page, and a word."""
        settings, links = self._settings, self._settings.links
        return {
            "page": links.link(case, now_us) if links else "",
            "page_until": iso(links.until_us(now_us))[:10] if links else "",
            "fixed_token": fixed_token(settings.message_id_key, case, recipient) if settings.replies else "",
        }

    def _language(self, language: str) -> Texts:
        if language not in self._texts:
            self._texts[language] = Texts(language, self._settings.templates)
        return self._texts[language]

    def _values(self, incident: Incident, view: View, stage: Stage, texts: Texts, now_us: int) -> dict[str, Any]:
        """Gather what both texts need; nothing that one audience may not see may be added here."""
        settings, offenders = self._settings, view.offenders
        return {
            "case": incident.id,
            "stage": stage,
            "offenders": ", ".join(offenders[:NAMED])
            + (f" (+ {len(offenders) - NAMED})" if len(offenders) > NAMED else ""),
            "what": texts.kind(incident.kind),
            "sections": [
                section_values(one, view) | {"what": texts.kind(one.kind), "beside": _beside(one, view.sections[:n])}
                for n, one in enumerate(view.sections)
            ],
            "bases": [texts.basis(basis) for basis in dict.fromkeys(one.basis for one in view.sections)],
            "elsewhere": view.elsewhere,
            "unverified": not any(one.basis in CERTAIN for one in view.sections),
            "attack": KINDS[incident.kind].operator_mail,
            "reflected": FAMILY[incident.kind] == "reflection",
            "mail": FAMILY[incident.kind] == "spam",
            "volume": KINDS[incident.kind].xarf == "connection/ddos",
            "digest": view.digest,
            "quiet_hours": max(1, (now_us - incident.last_us) // HOUR_US),
            "organisation": settings.organisation,
            "sender": settings.sender,
            "phone": settings.phone,
        }

    def _finish(
        self, draft: "_Draft", texts: Texts, values: dict[str, Any], view: View, addresses: set[str], networks: set[str]
    ) -> Message:
        settings = self._settings
        subject = texts.subject(draft.audience, values)
        headers, ident = self._headers(draft, subject)
        boundary = "=_" + keyed(settings.message_id_key, "boundary", ident).hex()[:32]
        raw = build(headers, texts.render(f"{draft.audience}.txt", values), boundary, draft.report, draft.attachments)
        leaks.check(
            raw,
            leaks.Allowed(
                addresses=frozenset({*addresses, *view.offenders}),
                networks=frozenset(networks),
                emails=frozenset({draft.recipient.lower(), settings.sender.lower()}),
                id_domain=settings.domain.lower(),
            ),
        )
        dedup = f"{draft.case}|{draft.audience}|{draft.thread.lower()}|{draft.sequence}"
        which = draft.sequence, draft.stage
        return Message(ident, dedup, draft.case, draft.audience, settings.sender, draft.recipient, subject, raw, *which)

    def _headers(self, draft: "_Draft", subject: str) -> tuple[Headers, str]:
        """Set every header of the mail.

        A later mail of the case answers the first one, so that both sides see one thread.
        """
        settings = self._settings
        idents = [
            message_id(settings.message_id_key, settings.domain, draft.began or draft.case, f"{draft.audience}:{draft.thread}", n)
            for n in sorted({0, max(draft.sequence - 1, 0), draft.sequence})
        ]
        headers = [
            ("From", settings.sender),
            ("Sender", settings.sender),
            ("To", draft.recipient),
            ("Subject", subject),
            ("Date", format_datetime(datetime.fromtimestamp(draft.now_us // 1_000_000, UTC))),
            ("Message-ID", idents[-1]),
            ("Auto-Submitted", "auto-generated"),
        ]
        if len(idents) > 1:
            headers += [("In-Reply-To", idents[-2]), ("References", " ".join(idents[:-1]))]
        if draft.audience == "operator":
            stop = quote(f"STOP {optout_token(settings.message_id_key, draft.recipient)}")
            headers.append(("List-Unsubscribe", f"<mailto:{settings.sender}?subject={stop}>"))
        return headers, idents[-1]


class _Draft(msgspec.Struct, frozen=True):
    """What is decided of a mail before it is written.

    `thread` is the recipient, or what tells apart those mails that all go to our own desk because nobody else is known.
    `began` is the case under which the thread began, when that was merged into this one.
    """

    case: str
    audience: Audience
    recipient: str
    thread: str
    now_us: int
    sequence: int
    stage: Stage
    report: Headers
    attachments: list[Attachment]
    began: str = ""


def section_values(section: Section, view: View) -> dict[str, Any]:
    """Prepare one finding for the templates: times as text, a target's records under it."""
    icmp = section.protocol.startswith("icmp")
    targets = [_target(row, section, icmp=icmp) for row in section.by_target[:SHOWN] if row.dst]
    return {
        "title": section.title,
        "offender": section.offender,
        "count": section.targets,
        "first_seen": _time(section.total.first_seen or iso(view.first_us)),
        "last_seen": _time(section.total.last_seen or iso(view.last_us)),
        "protocol": section.protocol.upper(),
        "ports": [] if icmp else list(section.ports),
        "src_ports": [port for port in section.src_ports if port],
        "total": _counts(section.total),
        "sampling_rate": section.sampling_rate,
        "coverage": section.coverage,
        "peak_pps": section.peak_pps,
        "peak_bps": section.peak_bps,
        "volume": KINDS[section.kind].xarf == "connection/ddos",
        "targets": targets,
        "targets_more": section.targets - len(targets),
    }


def _beside(section: Section, stronger: Sequence[Section]) -> bool:
    """Whether a section says of its targets what one of a stronger kind before it says already: then a line is enough."""
    mine = {row.dst or row.target_prefix for row in section.by_target}
    before = (one for one in stronger if one.kind != section.kind and one.offender == section.offender)
    return bool(mine) and any(mine <= {row.dst or row.target_prefix for row in one.by_target} for one in before)


def _target(row: Row, section: Section, *, icmp: bool) -> dict[str, Any]:
    """Prepare one attacked address and a few of its records (ICMP's "port" is a type and code, so it is left out)."""
    records = [one for one in section.rows if one.dst == row.dst and one.first_seen][:ROWS_SHOWN]
    return {
        "address": row.dst,
        "port": None if icmp else row.dst_port,
        "first_seen": _time(row.first_seen),
        "last_seen": _time(row.last_seen),
        "total": _counts(row),
        "rows": [
            {"time": _time(one.first_seen), "src_port": one.src_port, "dst_port": None if icmp else one.dst_port}
            for one in records
        ],
    }


def _counts(row: Row) -> tuple[int, int, int]:
    """Take the numbers of a row; a conversation and a record are both a record to the reader."""
    return row.flows or row.sessions or 0, row.packets or 0, row.bytes or 0


def _time(rfc3339: str | None) -> str:
    """Write 2026-11-01 10:00:03 UTC, or "" when it is not disclosed.

    RFC 6302 wants the second; more digits invite comparisons that clocks do not bear.
    """
    return f"{rfc3339[:10]} {rfc3339[11:19]} UTC" if rfc3339 else ""


def _port_note(documents: Sequence[dict[str, Any]], view: View, texts: Texts) -> str:
    """Explain in the text what `source_port` in the attachment is, when it is not plainly the port."""
    words = texts.phrases["words"]
    if any(document["protocol"] == "icmp" for document in documents):
        return str(words["icmp_port"])
    if any(document["source_port"] == xarf.FILLER for document in documents):
        return str(words["filler_port"])
    return str(words["frequent_port"]) if any(len(one.src_ports) > 1 for one in view.sections) else ""
