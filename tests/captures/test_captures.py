"""The captures folder keeps its form: three files a folder, documentation addresses only, headers only, counts and hashes that agree."""

import hashlib
import importlib
import ipaddress
import re
import socket
import tomllib
from functools import cache
from pathlib import Path

import dpkt
import pytest

CAPTURES = Path(__file__).resolve().parents[2] / "captures"
FOLDERS = sorted(path.parent for path in CAPTURES.glob("*/expect.toml"))
# RFC 5737 (TEST-NET-1..3), RFC 2544 (benchmarks), RFC 3849 (IPv6 documentation).
ALLOWED = [
    ipaddress.ip_network(prefix)
    for prefix in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "198.18.0.0/15", "2001:db8::/32")
]
ICMP_ERRORS = {3, 4, 5, 11, 12}
ICMP6_ERRORS = {1, 2, 3, 4}
FIRST_EIGHT = {
    "address-scan", "port-scan", "ssh-login-attack", "telnet-worm", "syn-flood", "udp-flood", "amplification-trigger", "smtp-spam",
}  # fmt: skip

every_folder = pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)


def expectation(folder):
    return tomllib.loads((folder / "expect.toml").read_text())


@cache
def frames(folder):
    with (folder / "capture.pcap").open("rb") as file:
        reader = dpkt.pcap.Reader(file)
        assert reader.datalink() == dpkt.pcap.DLT_EN10MB
        return [frame for _, frame in reader]


def source(frame):
    """The source address of an untagged Ethernet frame with IP in it."""
    return frame[26:30] if frame[12:14] == b"\x08\x00" else frame[22:38]


def destination(frame):
    return frame[30:34] if frame[12:14] == b"\x08\x00" else frame[38:54]


def documentation(packed):
    address = ipaddress.ip_address(packed)
    return any(address.version == network.version and address in network for network in ALLOWED)


def after_headers(packet):
    """The bytes of an IP packet behind its transport header, and the addresses of it and of what it quotes."""
    if isinstance(packet, bytes):
        return packet, set()
    addresses = {packet.src, packet.dst}
    inner = packet.data
    if isinstance(inner, (dpkt.icmp.ICMP, dpkt.icmp6.ICMP6)):
        errors = ICMP_ERRORS if isinstance(inner, dpkt.icmp.ICMP) else ICMP6_ERRORS
        quoted = bytes(inner)[8:]
        if inner.type not in errors:
            return quoted, addresses
        rest, more = after_headers(dpkt.ip.IP(quoted) if isinstance(inner, dpkt.icmp.ICMP) else dpkt.ip6.IP6(quoted))
        return rest, addresses | more
    return (inner if isinstance(inner, bytes) else bytes(inner.data)), addresses


@every_folder
def test_folder_has_its_three_files(folder):
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "capture.pcap", "expect.toml"]


@every_folder
def test_packet_counts_agree(folder):
    count = len(frames(folder))
    assert count == expectation(folder)["packets"]
    assert f"- packets: {count}," in (folder / "README.md").read_text()


@every_folder
def test_capture_holds_documentation_addresses_and_no_payload(folder):
    seen = set()
    for number, frame in enumerate(frames(folder), 1):
        rest, addresses = after_headers(dpkt.ethernet.Ethernet(frame).data)
        assert not rest, f"frame {number} carries payload"
        assert len(frame) <= 128
        seen |= addresses
    assert seen
    strangers = {socket.inet_ntop(socket.AF_INET if len(raw) == 4 else socket.AF_INET6, raw) for raw in seen if not documentation(raw)}
    assert not strangers


@every_folder
def test_expectation_is_of_the_documented_form(folder):
    expected = expectation(folder)
    assert set(expected) <= {"packets", "own", "ports", "customer", "finding"}
    own = [ipaddress.ip_network(prefix) for prefix in expected["own"]]
    for customer in expected.get("customer", []):
        assert set(customer) <= {"id", "prefixes", "contacts", "roles"}
        for prefix in map(ipaddress.ip_network, customer["prefixes"]):
            assert any(prefix.version == network.version and prefix.subnet_of(network) for network in own)
    for finding in expected.get("finding", []):
        assert set(finding) <= {"rule", "kind", "offender", "target_ports", "min_targets"}
        assert finding["min_targets"] >= 1
        assert "offender" in finding or "ports" in expected
    assert folder.name.startswith("benign-") == ("finding" not in expected)


@every_folder
def test_offender_is_in_the_capture(folder):
    sources = {source(frame) for frame in frames(folder)}
    for finding in expectation(folder).get("finding", []):
        if "offender" in finding:
            assert ipaddress.ip_address(finding["offender"]).packed in sources


@every_folder
def test_readme_says_how_it_was_made(folder):
    text = (folder / "README.md").read_text()
    assert text.startswith(f"# {folder.name}\n")
    assert f"sudo python3 captures/make.py {folder.name}`" in text
    assert re.search(r"- recorded on: 20\d\d-\d\d-\d\d \d\d:\d\d UTC", text)
    assert "licence: Apache-2.0" in text
    assert "# recording starts\n" in text


def test_first_eight_rules_each_have_a_capture():
    assert {finding["rule"] for folder in FOLDERS for finding in expectation(folder).get("finding", [])} >= FIRST_EIGHT


def test_look_alikes_are_not_outnumbered_to_nothing():
    assert sum(folder.name.startswith("benign-") for folder in FOLDERS) >= 6


def test_manifest_names_every_capture_with_its_hash():
    stated = dict(line.split("  ")[::-1] for line in (CAPTURES / "SHA256SUMS").read_text().splitlines())
    real = {f"{folder.name}/capture.pcap": hashlib.sha256((folder / "capture.pcap").read_bytes()).hexdigest() for folder in FOLDERS}
    assert stated == real


def test_folder_stays_small():
    sizes = [(folder / "capture.pcap").stat().st_size for folder in FOLDERS]
    assert max(sizes) <= 1_050_000
    assert sum(sizes) < 32_000_000


def test_operator_table_covers_every_target():
    lines = (CAPTURES / "operators.csv").read_text().splitlines()
    assert lines[0] == "prefix,name,contact"
    networks = [ipaddress.ip_network(line.split(",")[0]) for line in lines[1:]]
    for folder in FOLDERS:
        own = [ipaddress.ip_network(prefix) for prefix in expectation(folder)["own"]]
        for raw in {destination(frame) for frame in frames(folder)}:
            address = ipaddress.ip_address(raw)
            same = [network for network in (*own, *networks) if network.version == address.version]
            assert any(address in network for network in same), address


def test_the_lab_writes_the_same_expectations(monkeypatch):
    """What a capture must give is said once, in its scenario: making it again loses nothing."""
    monkeypatch.syspath_prepend(CAPTURES)
    importlib.import_module("make")
    lab = importlib.import_module("lab.scenario")
    written = {folder.name: (folder / "expect.toml").read_text() for folder in FOLDERS}
    assert {name: lab.expectation(lab.REGISTRY[name], tomllib.loads(text)["packets"]) for name, text in written.items()} == written
