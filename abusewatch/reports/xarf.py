"""XARF 4.2.0 documents from an operator's view.

The specification says one incident is one report, so each attacked address gets its own document, up to `MOST` a
mail; beyond that each finding gets one that sums its addresses, without `destination_ip`, the addresses being rows of
its evidence. Nothing internal is ever put in, so there is no `_internal` to strip. Two traps of the schema (both
stated in the document's own description): `source_port` must be there whenever the source is an IP address, so the
most frequent one stands for all; ICMP has none, and the filler is 1, as in the specification's own sample.
`confidence` is not used: the schema wants a fraction, PyPI `xarf` 1.0.0 reads an integer and drops the whole report;
ours is in `rule_confidence`, an extra field, which the schema allows.
"""

import base64
import hashlib
import re
from collections.abc import Sequence
from typing import Any, Protocol
from uuid import UUID

import abusewatch
from abusewatch.model.evidence import Row, Section, View
from abusewatch.model.finding import iso
from abusewatch.model.kinds import KINDS
from abusewatch.reports.identity import keyed
from abusewatch.reports.settings import ReportSettings
from abusewatch.reports.texts import clean

VERSION = "4.2.0"
REPORT = (("Feedback-Type", "xarf"), ("User-Agent", f"abusewatch/{abusewatch.__version__}"), ("Version", "1"))
"""The machine-readable part that announces the documents (XARF's mail convention)."""
MOST = 10
"""Documents a mail: a desk's importer takes a handful; a hundred parts are a mail bomb with a schema."""
FILLER = 1

PROTOCOLS = {"tcp": "tcp", "udp": "udp", "icmp": "icmp", "icmpv6": "icmp", "ipv6-icmp": "icmp", "sctp": "sctp"}
"""The four protocols the schema knows; for others there is no document, only the text."""

VECTORS = {
    "syn_flood": "syn_flood", "udp_flood": "udp_flood", "icmp_flood": "icmp_flood", "tcp_flood": "tcp_flood",
    "http_flood": "http_flood", "slow_http": "slow_http", "carpet_flood": "carpet_bombing", "dns_flood": "dns_flood",
    "amplification": "amplification",
    "amplification_trigger": "reflection_trigger", "spoofed_source": "source_spoofing",
}  # fmt: skip
REFLECTORS = {
    17: "qotd", 19: "chargen", 53: "dns", 111: "portmap", 123: "ntp", 137: "netbios", 161: "snmp", 389: "cldap",
    1900: "ssdp", 3283: "ard", 3702: "wsd", 5353: "mdns",
    5683: "coap", 11211: "memcached",
}  # fmt: skip
"""The service behind a reflector's port, as XARF spells it in `dns_amplification`."""

CAPABILITIES = {"spam": ["spam"]}
EVIDENCE_OF = {
    "spam": "Mail sent to many servers in a short time, seen in flow records",
    "worm": "Attempts to spread to many hosts, seen in flow records",
}
"""`compromise_evidence` of infrastructure/botnet.

A compromised_server report wants a `compromise_method`, which flow records never show.
"""

_TAG = re.compile(r"[a-z0-9][a-z0-9_+-]*:[a-z0-9][a-z0-9_+-]*")


class Case(Protocol):
    """What a document needs to know of the incident."""

    @property
    def id(self) -> str: ...  # noqa: D102


def documents(case: Case, view: View, recipient: str, settings: ReportSettings) -> list[dict[str, Any]]:
    """Write the documents for one mail, best first: at most `MOST`.

    Where rules overlap, an address gets the document of the strongest claim about it. Empty when the schema has no word
    for what was seen.
    """
    usable = [s for s in view.sections if s.offender and s.protocol in PROTOCOLS]
    own = _own_rows(usable)
    complete = all(s.by_target and not s.by_target_more and all(row.dst for row in s.by_target) for s in usable)
    each = [(s, row) for s, rows in zip(usable, own, strict=True) for row in rows]
    sums = [(s, s.total) for s, rows in zip(usable, own, strict=True) if 2 * len(rows) >= len(s.by_target)]
    chosen = each if complete and len(each) <= MOST else sums
    return [_document(case, view, section, row, recipient, settings) for section, row in chosen[:MOST]]


def _own_rows(sections: Sequence[Section]) -> list[list[Row]]:
    """Leave each section the addresses that none of a stronger kind speaks of; the strongest stand first."""
    led: dict[tuple[str | None, str | None], str] = {}
    return [[row for row in s.by_target if led.setdefault((s.offender, row.dst), s.kind) == s.kind] for s in sections]


def _document(
    case: Case, view: View, section: Section, row: Row, recipient: str, settings: ReportSettings
) -> dict[str, Any]:
    """Write one document: of one attacked address when the row has one, else the sum of a finding."""
    category, _, kind = KINDS[section.kind].xarf.partition("/")
    us = {"org": settings.organisation, "contact": settings.sender, "domain": settings.domain}
    first, last = row.first_seen or iso(view.first_us), row.last_seen or iso(view.last_us)
    names = ("xarf", case.id, recipient, section.episode, section.rule, row.dst or "", view.digest)
    port, port_note = _source_port(section)
    return {
        "xarf_version": VERSION,
        "report_id": str(UUID(bytes=keyed(settings.message_id_key, *names)[:16], version=4)),
        "timestamp": last,
        "reporter": us,
        "sender": us,
        "source_identifier": section.offender,
        "source_port": port,
        "category": category,
        "type": kind,
        "evidence_source": "flow_analysis",
        "protocol": PROTOCOLS[section.protocol],
        "first_seen": first,
        "last_seen": last,
        **_destination(section, row),
        **_of_kind(section.kind, section, category, kind),
        "rule_confidence": section.confidence,
        "description": _description(section, port_note),
        "tags": _tags(section.kind, section),
        "case_id": case.id,
        "basis": section.basis,
        "sampling_rate": section.sampling_rate,
        **{name: value for name, value in _counts(row).items() if value is not None},
        "evidence": [evidence(_evidence_rows(section, row))],
    }


def _counts(row: Row) -> dict[str, int | None]:
    return {"flows": row.sessions if row.flows is None else row.flows, "packets": row.packets, "bytes": row.bytes}


def _source_port(section: Section) -> tuple[int, str]:
    """Choose the port the schema demands, and the sentence that says what it is."""
    if PROTOCOLS[section.protocol] == "icmp":
        return FILLER, "source_port 1 is a filler: ICMP has no ports and the schema demands one."
    ports = [port for port in section.src_ports if port]
    if not ports:
        return FILLER, "source_port 1 is a filler: source ports are not disclosed and the schema demands one."
    if len(ports) == 1:
        return ports[0], ""
    return ports[0], "source_port is the most frequent of several; the evidence rows have each."


def _destination(section: Section, row: Row) -> dict[str, Any]:
    """Name the address and the port where there is one of each, else how many addresses of the reader's are meant."""
    fields: dict[str, Any] = {"destination_ip": row.dst} if row.dst else {"targets": section.targets}
    if row.dst_port and PROTOCOLS[section.protocol] != "icmp":
        fields["destination_port"] = row.dst_port
    return fields


def _of_kind(name: str, section: Section, category: str, kind: str) -> dict[str, Any]:
    """Add the fields that one type of report has."""
    if kind == "ddos":
        vector = VECTORS[name]
        if name == "amplification" and section.src_ports and section.src_ports[0] in REFLECTORS:
            vector = f"{REFLECTORS[section.src_ports[0]]}_amplification"
        peaks = {"peak_pps": int(section.peak_pps), "peak_bps": int(section.peak_bps)}
        return {"attack_vector": vector, **{key: value for key, value in peaks.items() if value >= 1}}
    if kind == "botnet":
        capabilities = CAPABILITIES.get(name)
        return {
            "compromise_evidence": EVIDENCE_OF[name],
            **({"bot_capabilities": capabilities} if capabilities else {}),
        }
    if category == "infrastructure":
        return {"compromise_method": "unknown: seen from outside, in flow records only"}
    return {}


def _description(section: Section, port_note: str) -> str:
    """Say in a sentence what the fields cannot: presumed, how sure of the source, how sampled, what the port means."""
    forged = {
        "handshake": "The source address cannot have been forged.",
        "anchored": "The source is certain by the port it entered through.",
    }
    parts = [
        f"{clean(section.title)}.",
        "The sender of this report operates the source network; the machine is a customer's and presumed compromised.",
        forged.get(section.basis, "The source address might have been forged."),
        f"Counts are from 1 in {section.sampling_rate} packets." if section.sampling_rate > 1 else "",
        "The sampling rate is unknown; counts are lower bounds." if section.sampling_rate == 0 else "",
        port_note,
    ]
    return " ".join(part for part in parts if part)[:1000]


def _tags(name: str, section: Section) -> list[str]:
    """Tag with kind, rule and basis; the pattern is lower case only, so what does not fit is left out."""
    wanted = (f"kind:{name}", f"rule:{section.rule.lower()}", f"basis:{section.basis}")
    return [tag for tag in wanted if _TAG.fullmatch(tag)]


def _evidence_rows(section: Section, row: Row) -> list[Row]:
    """Pick the records towards one address, or for a sum the totals of each address."""
    if row.dst:
        return [one for one in section.rows if one.dst == row.dst] or [row]
    return list(section.by_target) or [row]


COLUMNS = ("first_seen", "last_seen", "src", "src_port", "dst", "dst_port", "flows", "packets", "bytes", "outcome")


def evidence(rows: Sequence[Row]) -> dict[str, Any]:
    """Write rows as one CSV item; a column that no row discloses is left out."""
    columns = [name for name in COLUMNS if any(getattr(row, name) is not None for row in rows)]
    cells = [["" if getattr(row, name) is None else str(getattr(row, name)) for name in columns] for row in rows]
    content = "".join(",".join(line) + "\r\n" for line in [columns, *cells]).encode("ascii")
    return {
        "content_type": "text/csv",
        "description": "Flow records towards your addresses: header fields only, times in UTC",
        "payload": base64.b64encode(content).decode("ascii"),
        "hash": "sha256:" + hashlib.sha256(content).hexdigest(),
        "size": len(content),
    }
