"""Builders of detections, incidents and messages, and hypothesis strategies of them, for the tests of the case side."""

import hashlib
import re
from collections.abc import Sequence
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP

from hypothesis import strategies as st
from msgspec.structs import replace

from abusewatch.model.address import network_of
from abusewatch.model.customer import Customer
from abusewatch.model.finding import Detection, Estimate, EvidenceRow, Finding, Target, iso
from abusewatch.model.incident import Incident
from abusewatch.model.message import Message

T0 = 1_793_527_203_120_000  # 2026-11-01 around ten o'clock, UTC
SECOND = 1_000_000
OPERATOR = ("src", "src_port", "dst", "dst_port", "protocol", "first_seen", "last_seen", "sessions", "packets", "bytes")
CUSTOMER = ("src", "src_port", "dst_port", "protocol", "first_seen", "last_seen", "sessions", "target_prefixes")
OWN = "198.51.100."


def own(address: str) -> bool:
    return address.startswith((OWN, "2001:db8:42:"))


class Owners:
    """An inventory of one customer who owns everything that is ours."""

    def __init__(self, contacts: Sequence[str] = ("security@customer.example",)):
        self.customer = Customer("C-1042", (f"{OWN}0/24", "2001:db8:42::/48"), tuple(contacts))

    def contains(self, text: str) -> bool:
        return own(text)

    def owner_at(self, text: str, us: int) -> Customer | None:
        return self.customer if own(text) else None

    def named(self, name: str) -> Customer | None:
        return self.customer if name == self.customer.id else None


def row(dst, src=f"{OWN}7", n=0, **changes) -> EvidenceRow:
    values = {
        "start_us": T0 + n * SECOND, "end_us": T0 + (n + 1) * SECOND, "src": src, "src_port": 40_000 + n, "dst": dst, "dst_port": 22,
        "protocol": 6, "packets": 15, "bytes": 1800, "flags": 27, "reply_packets": 12, "outcome": "answered", "frame": 100 + n,
    }  # fmt: skip
    return EvidenceRow(**(values | changes))


def target(address, flows=5, rows=3, src=f"{OWN}7", **changes) -> Target:
    values = {
        "address": address, "flows": flows, "packets": flows * 15, "bytes": flows * 1800, "first_us": T0, "last_us": T0 + flows * SECOND,
        "ports": (22,), "rows": tuple(row(address, src, n) for n in range(rows)),
    }  # fmt: skip
    return Target(**(values | changes))


def detection(
    targets=("203.0.113.9",), offender=f"{OWN}7", customer="C-1042", kind="login_attack", rule="ssh-login-attack", basis="handshake",
    status="stable", episode=None, first_us=T0, last_us=T0 + 300 * SECOND, shed=0, operator=OPERATOR, customers=CUSTOMER, severity="high", **changes,
) -> Detection:  # fmt: skip
    some = tuple(t if isinstance(t, Target) else target(t, src=offender) for t in targets)
    flows = sum(t.flows for t in some)
    values = {
        "rule": rule, "kind": kind, "xarf": "connection/login_attack", "offender": offender, "customer": customer, "direction": "outbound",
        "protocol": "tcp", "target_ports": (22,), "targets": len(some) + shed, "targets_sample": tuple(t.address for t in some[:5]),
        "first_seen": iso(first_us), "last_seen": iso(last_us), "flows": flows, "packets": flows * 15, "bytes": flows * 1800, "sampling_rate": 1,
        "estimate": Estimate(flows * 15, flows * 15, flows * 15), "severity": severity, "confidence": 0.95, "basis": basis,
        "measures": {"sessions": flows}, "threshold": "sessions >= 20", "frames": (1, 9), "coverage": 1.0,
    }  # fmt: skip
    return Detection(
        finding=Finding(**(values | changes)), episode=episode or f"{rule} {offender} {first_us}", first_us=first_us, last_us=last_us, targets=some,
        targets_shed=shed, src_ports=(40_000, 40_001), evidence_operator=operator, evidence_customer=customers, title="SSH password guessing",
        because="twenty of one size at this pace are a tool", status=status, peak_pps=100.0, peak_bps=96_000.0,
    )  # fmt: skip


def incident(*detections, ident="AW-2026-000001", state="open", **changes) -> Incident:
    some = detections or (detection(),)
    values = {
        "id": ident, "customer": some[0].finding.customer or f"address:{some[0].finding.offender}", "kind": some[0].finding.kind, "state": state,
        "severity": "high", "confidence": 0.95, "basis": some[0].finding.basis, "first_us": min(d.first_us for d in some),
        "last_us": max(d.last_us for d in some), "detections": tuple(some), "opened_us": T0, "updated_us": T0,
    }  # fmt: skip
    return Incident(**(values | changes))


def message(n=0, recipient="abuse@operator.example", audience="operator", case="AW-2026-000001", body=None) -> Message:
    ident = f"<{n:032x}@provider.example>"
    mail = EmailMessage(policy=SMTP)
    mail["From"], mail["To"], mail["Subject"], mail["Message-ID"] = "abuse@provider.example", recipient, f"[{case}] report {n}", ident
    mail.set_content(body or f"This is mail number {n}.\n.dots\n")
    return Message(ident, f"{case}|{audience}|{recipient}|{n}", case, audience, "abuse@provider.example", recipient, f"[{case}] report {n}", mail.as_bytes())


class PlainComposer:
    """Writes everything it is given into a mail: whatever it could leak, it leaks."""

    def compose_operator(self, incident, view, contact, now_us, *, stage="first", sequence=0):
        return self._mail(incident, view, "operator", contact.email or "desk@provider.example", stage, sequence, contact.network)

    def compose_customer(self, incident, view, customer, now_us, *, stage="first", sequence=0):
        return self._mail(incident, view, "customer", customer.contacts[0] if customer and customer.contacts else "desk@provider.example", stage, sequence)

    def _mail(self, incident, view, audience, recipient, stage, sequence, network=""):
        mail = message(sequence, recipient, audience, incident.id, body=f"{incident.detections!r}\n{view!r}\n")
        name = hashlib.sha256(f"{audience} {recipient} {incident.id} {sequence} {network}".encode()).hexdigest()[:32]
        return replace(mail, message_id=f"<{name}@provider.example>", dedup=f"{incident.id}|{audience}|{recipient}{network}|{sequence}", stage=stage, sequence=sequence)


def addresses_in(text: str) -> set[str]:
    """Every address that one of the strategies below makes and that stands in a text, whole."""
    return set(re.findall(r"(?<![\d.a-f/])(?:\d{1,3}(?:\.\d{1,3}){3}|2[0-9a-f]{3}:[0-9a-f:]+)(?![\d.:a-f/])", text))


def text_of(raw: bytes) -> str:
    """All a reader of a mail can read: headers and every part, decoded."""
    mail = message_from_bytes(raw)
    parts = [part.get_payload(decode=True) or b"" for part in mail.walk()]
    return "\n".join([*map(str, mail.items()), *(part.decode() for part in parts)])


octet = st.integers(1, 254)
foreign = st.one_of(
    st.builds("{}.{}.{}.{}".format, st.sampled_from((192, 203, 66)), st.sampled_from((0, 1)), st.sampled_from((2, 113)), octet),
    st.builds("2a00:{:x}::{:x}".format, st.integers(1, 3), st.integers(1, 0xFFFF)),
)
ours = st.one_of(st.builds((OWN + "{}").format, octet), st.builds("2001:db8:42::{:x}".format, st.integers(1, 0xFFFF)))
fields = st.lists(st.sampled_from([*OPERATOR, "target_prefixes", "flows", "flags", "outcome", "payload", "nonsense"]), unique=True).map(tuple)


@st.composite
def detections(draw) -> Detection:
    offender = draw(st.one_of(ours, ours, foreign))
    some = draw(st.lists(st.one_of(foreign, foreign, ours), min_size=1, max_size=8, unique=True))
    sources = st.one_of(st.just(offender), foreign)
    targets = [
        Target(a, draw(st.integers(1, 9)), 9, 900, T0, T0 + SECOND, (22, 80)[: draw(st.integers(1, 2))],
               tuple(row(draw(st.one_of(st.just(a), foreign)), draw(sources), n) for n in range(draw(st.integers(0, 5)))))
        for a in some
    ]  # fmt: skip
    return detection(
        targets, offender=offender, customer=draw(st.sampled_from(["C-1042", None])), basis=draw(st.sampled_from(["handshake", "syn_only", "anchored"])),
        status=draw(st.sampled_from(["stable", "observe"])), operator=draw(fields), customers=draw(fields), rule=draw(st.sampled_from(["a", "b", "c"])),
        shed=draw(st.integers(0, 3)), first_us=T0 + draw(st.integers(0, 5)), last_us=T0 + draw(st.integers(6, 9)) * SECOND,
    )  # fmt: skip


@st.composite
def incidents(draw) -> Incident:
    some = draw(st.lists(detections(), min_size=1, max_size=4, unique_by=lambda d: d.episode))
    return incident(*some, customer="C-1042")


def networks_of(some) -> set[str]:
    return {network_of(address) for address in some}
