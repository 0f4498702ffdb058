"""One incident and its two readers, built by hand so that every number in a golden mail can be checked by eye."""

from collections.abc import Callable

import pytest

from abusewatch.evidence import minimise, without_evidence
from abusewatch.model.contact import Contact
from abusewatch.model.customer import Customer
from abusewatch.model.evidence import View
from abusewatch.model.finding import Detection, Estimate, EvidenceRow, Finding, Target, iso
from abusewatch.model.incident import Incident
from abusewatch.model.kinds import KINDS
from abusewatch.reports.compose import Composer
from abusewatch.reports.settings import ReportSettings

START = 1_793_527_203_120_000  # 2026-11-01T10:00:03.120Z
NOW = START + 310_000_000
OFFENDER = "198.51.100.7"
OPERATOR_A = ("203.0.113.9", "203.0.113.10", "2001:db8:a::5")
OPERATOR_B = ("192.0.2.77", "192.0.2.78")
FIELDS_OPERATOR = ("src", "src_port", "dst", "dst_port", "protocol", "first_seen", "last_seen", "sessions", "packets", "bytes", "outcome")
FIELDS_CUSTOMER = ("src", "dst_port", "protocol", "first_seen", "last_seen", "sessions", "packets", "bytes", "target_prefixes")
NUMBERS = {"tcp": 6, "udp": 17, "icmp": 1, "icmpv6": 58, "gre": 47}


def own(address: str) -> bool:
    return address.startswith(("198.51.100.", "2001:db8:42:"))


def target(address: str, index: int, port: int = 22, protocol: str = "tcp") -> Target:
    begin = START + index * 7_000_000
    rows = tuple(
        EvidenceRow(begin + n * 1_500_000, begin + n * 1_500_000 + 900_000, OFFENDER, 0 if protocol.startswith("icmp") else 51514 + n, address, port, NUMBERS[protocol], 15, 1800, 27, 14, "answered", n + 1)
        for n in range(2)
    )
    return Target(address, 14 + index, 210, 25200, begin, begin + 250_000_000, (port,), rows)


def detection(kind: str = "login_attack", *, targets=None, protocol: str = "tcp", port: int = 22, basis: str = "handshake", offender: str = OFFENDER, **more) -> Detection:
    targets = tuple(target(a, i, port, protocol) for i, a in enumerate(OPERATOR_A + OPERATOR_B)) if targets is None else targets
    finding = Finding(
        rule=more.pop("rule", kind.replace("_", "-")), kind=kind, xarf=KINDS[kind].xarf, offender=offender, customer="C-1042", direction="outbound", protocol=protocol,
        target_ports=(port,), targets=len(targets), targets_sample=tuple(t.address for t in targets), first_seen=iso(START), last_seen=iso(START + 296_861_000),
        flows=sum(t.flows for t in targets), packets=sum(t.packets for t in targets), bytes=sum(t.bytes for t in targets), sampling_rate=more.pop("sampling_rate", 1),
        estimate=Estimate(1050, 1050, 1050), severity="high", confidence=0.95, basis=basis, measures={"sessions": 80, "alike": 0.93}, threshold="sessions >= 20",
        frames=(12, 9377), coverage=more.pop("coverage", 1.0),
    )  # fmt: skip
    values = {
        "episode": f"{kind}/{offender}/{START}", "first_us": START, "last_us": START + 296_861_000, "targets": targets, "targets_shed": 0,
        "src_ports": () if protocol.startswith("icmp") else (51514, 51515), "evidence_operator": FIELDS_OPERATOR, "evidence_customer": FIELDS_CUSTOMER,
        "title": "SSH password guessing" if kind == "login_attack" else KINDS[kind].phrase.capitalize(),
        "because": "a person's sessions differ in length; twenty of one size at this pace are a tool", "status": "stable", "peak_pps": 4000.5, "peak_bps": 1_920_000.0,
    }  # fmt: skip
    return Detection(finding=finding, **(values | more))


def incident(*detections: Detection, kind: str = "login_attack") -> Incident:
    some = detections or (detection(kind),)
    return Incident(
        id="AW-2026-000123", customer="C-1042", kind=kind, state="open", severity="high", confidence=0.95, basis=some[0].finding.basis,
        first_us=min(d.first_us for d in some), last_us=max(d.last_us for d in some), detections=some, opened_us=START, updated_us=NOW,
    )  # fmt: skip


def operator_view(case: Incident, addresses=OPERATOR_A) -> tuple[Incident, View]:
    view = minimise(case, "operator", own=own, addresses=addresses)
    return without_evidence(case, view), view


def customer_view(case: Incident) -> tuple[Incident, View]:
    view = minimise(case, "customer", own=own)
    return without_evidence(case, view), view


SETTINGS = ReportSettings(organisation="Example Hosting", sender="abuse@provider.example", message_id_key=b"0123456789abcdef", evidence_days=7, phone="+1 555 0100")
CONTACT = Contact("noc@victim.example", "Victim Networks", "table", "203.0.113.0/24")
CUSTOMER = Customer("C-1042", ("198.51.100.0/28",), ("security@customer.example",))


@pytest.fixture
def composer() -> Composer:
    return Composer(SETTINGS)


@pytest.fixture(scope="session")
def made() -> Callable:
    """Every builder above, for tests that live in other modules (importlib mode has no shared module to import from)."""
    from types import SimpleNamespace

    return SimpleNamespace(**{name: value for name, value in globals().items() if not name.startswith("_")})
