"""XARF 4.2.0 documents from an operator's view.

The specification says one incident is one report, so each attacked address gets its own document, up to `MOST` a
mail; beyond that each finding gets one that sums its addresses, without `destination_ip`, the addresses being rows of
its evidence. Nothing internal is ever put in, so there is no `_internal` to strip. Two traps of the schema (both
stated in the document's own description): `source_port` must be there whenever the source is an IP address, so the
most frequent one stands for all; ICMP has none, and the filler is 1, as in the specification's own sample.
"""

import base64
import hashlib
import re
from typing import Any, Protocol
from uuid import UUID

from abusewatch.model.finding import EvidenceRow, iso
from abusewatch.model.kinds import KINDS
from abusewatch.reports.identity import keyed
from abusewatch.reports.settings import ReportSettings
from abusewatch.reports.view import Seen, Sighting, View

VERSION = "4.2.0"
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
    @property
    def kind(self) -> str: ...  # noqa: D102
    @property
    def first_us(self) -> int: ...  # noqa: D102
    @property
    def last_us(self) -> int: ...  # noqa: D102


def documents(case: Case, view: View, recipient: str, settings: ReportSettings) -> list[dict[str, Any]]:
    """Write the documents for one mail, best first: at most `MOST`.

    Empty when the schema has no word for what was seen.
    """
    usable = [s for s in view.sightings if s.offender and s.protocol in PROTOCOLS]
    complete = all(s.targets and not s.targets_more for s in usable)
    each: list[tuple[Sighting, Seen | None]] = [(s, target) for s in usable for target in s.targets]
    chosen = each if complete and len(each) <= MOST else [(s, None) for s in usable]
    return [_document(case, view, sighting, target, recipient, settings) for sighting, target in chosen[:MOST]]


def _document(
    case: Case, view: View, sighting: Sighting, target: Seen | None, recipient: str, settings: ReportSettings
) -> dict[str, Any]:
    """Write one document: of one attacked address, or (None) the sum of a finding."""
    category, _, kind = KINDS[case.kind].xarf.partition("/")
    us = {"org": settings.organisation, "contact": settings.sender, "domain": settings.domain}
    seen = target or sighting
    first, last = iso(seen.first_us or case.first_us), iso(seen.last_us or case.last_us)
    ident = keyed(
        settings.message_id_key,
        "xarf",
        case.id,
        recipient,
        sighting.episode,
        sighting.rule,
        target.address if target else "",
        view.digest,
    )
    port, port_note = _source_port(sighting)
    return {
        "xarf_version": VERSION,
        "report_id": str(UUID(bytes=ident[:16], version=4)),
        "timestamp": last,
        "reporter": us,
        "sender": us,
        "source_identifier": sighting.offender,
        "source_port": port,
        "category": category,
        "type": kind,
        "evidence_source": "flow_analysis",
        "protocol": PROTOCOLS[sighting.protocol],
        "first_seen": first,
        "last_seen": last,
        **_destination(sighting, target),
        **_of_kind(case.kind, sighting, category, kind),
        "confidence": sighting.confidence,
        "description": _description(sighting, port_note),
        "tags": _tags(case.kind, sighting),
        "case_id": case.id,
        "basis": sighting.basis,
        "sampling_rate": sighting.sampling_rate,
        **{name: value for name in ("flows", "packets", "bytes") if (value := getattr(seen, name))},
        "evidence": [evidence(sighting, target)],
    }


def _source_port(sighting: Sighting) -> tuple[int, str]:
    """Choose the port the schema demands, and the sentence that says what it is."""
    if PROTOCOLS[sighting.protocol] == "icmp":
        return FILLER, "source_port 1 is a filler: ICMP has no ports and the schema demands one."
    ports = [port for port in sighting.src_ports if port]
    if not ports:
        return (
            FILLER,
            "source_port 1 is a filler: the source ports are not part of this report and the schema demands one.",
        )
    if len(ports) == 1:
        return ports[0], ""
    return ports[0], "source_port is the most frequent of several; the evidence rows have each."


def _destination(sighting: Sighting, target: Seen | None) -> dict[str, Any]:
    """Name the address and the port where there is one of each, else how many addresses of the reader's are meant."""
    fields: dict[str, Any] = (
        {"destination_ip": target.address} if target else {"targets": len(sighting.targets) + sighting.targets_more}
    )
    ports = [port for port in (target.ports if target else sighting.target_ports) if port]
    if len(ports) == 1 and PROTOCOLS[sighting.protocol] != "icmp":
        fields["destination_port"] = ports[0]
    return fields


def _of_kind(name: str, sighting: Sighting, category: str, kind: str) -> dict[str, Any]:
    """Add the fields that one type of report has."""
    if kind == "ddos":
        vector = VECTORS[name]
        if name == "amplification" and sighting.src_ports and sighting.src_ports[0] in REFLECTORS:
            vector = f"{REFLECTORS[sighting.src_ports[0]]}_amplification"
        peaks = {"peak_pps": int(sighting.peak_pps), "peak_bps": int(sighting.peak_bps)}
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


def _description(sighting: Sighting, port_note: str) -> str:
    """Say in a sentence what the fields cannot: presumed, how sure of the source, how sampled, what the port means."""
    forged = {
        "handshake": "The source address cannot have been forged.",
        "anchored": "The source is certain by the port it entered through.",
    }
    parts = [
        f"{sighting.title}.",
        "The sender of this report operates the source network; the machine is a customer's and presumed compromised.",
        forged.get(sighting.basis, "The source address might have been forged."),
        f"Counts are from 1 in {sighting.sampling_rate} packets." if sighting.sampling_rate > 1 else "",
        "The sampling rate is unknown; counts are lower bounds." if sighting.sampling_rate == 0 else "",
        port_note,
    ]
    return " ".join(part for part in parts if part)[:1000]


def _tags(name: str, sighting: Sighting) -> list[str]:
    """Tag with kind, rule and basis; the pattern is lower case only, so what does not fit is left out."""
    wanted = (f"kind:{name}", f"rule:{sighting.rule.lower()}", f"basis:{sighting.basis}")
    return [tag for tag in wanted if _TAG.fullmatch(tag)]


COLUMNS = (
    "first_seen",
    "last_seen",
    "protocol",
    "src",
    "src_port",
    "dst",
    "dst_port",
    "flows",
    "packets",
    "bytes",
    "outcome",
)
ITEM = "Flow records towards your addresses: header fields only, times in UTC"


def evidence(sighting: Sighting, target: Seen | None) -> dict[str, Any]:
    """Write one CSV item: the records of one address, or one row an address; a column that no row fills is left out."""
    rows = [_record(row, sighting) for row in target.rows] if target else []
    rows = rows or [_total(one, sighting) for one in ([target] if target else sighting.targets)]
    columns = [name for name in COLUMNS if any(row.get(name) for row in rows)]
    lines = [",".join(columns), *(",".join(str(row.get(name) or "") for name in columns) for row in rows)]
    content = ("\r\n".join(lines) + "\r\n").encode("ascii")
    return {
        "content_type": "text/csv",
        "description": ITEM,
        "payload": base64.b64encode(content).decode("ascii"),
        "hash": "sha256:" + hashlib.sha256(content).hexdigest(),
        "size": len(content),
    }


def _record(row: EvidenceRow, sighting: Sighting) -> dict[str, Any]:
    """Name the fields of one record; what the view masked stays empty."""
    return {
        "first_seen": row.start_us and iso(row.start_us),
        "last_seen": row.end_us and iso(row.end_us),
        "protocol": sighting.protocol,
        "outcome": row.outcome,
    } | {name: getattr(row, name) for name in ("src", "src_port", "dst", "dst_port", "packets", "bytes")}


def _total(target: Seen, sighting: Sighting) -> dict[str, Any]:
    """Name the totals of one address."""
    return {
        "first_seen": target.first_us and iso(target.first_us),
        "last_seen": target.last_us and iso(target.last_us),
        "protocol": sighting.protocol,
        "src": sighting.offender,
        "dst": target.address,
        "dst_port": target.ports[0] if len(target.ports) == 1 else None,
        "flows": target.flows,
        "packets": target.packets,
        "bytes": target.bytes,
    }
