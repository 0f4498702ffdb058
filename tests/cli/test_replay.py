"""A replay says who attacked whom, in the contract's form, and never sends."""

import gzip
import json
import re
import socket
from email import policy
from email.parser import BytesParser

import pytest
from click.testing import CliRunner

from abusewatch.cli import group
from abusewatch.reports.leaks import LeakError

OWN = ("--own", "198.51.100.0/24")
FIELDS = [
    "rule", "kind", "xarf", "offender", "customer", "direction", "protocol", "target_ports", "targets", "targets_sample", "first_seen", "last_seen",
    "flows", "packets", "bytes", "sampling_rate", "estimate", "severity", "confidence", "basis", "measures", "threshold", "frames", "coverage",
]  # fmt: skip


def test_a_finding_is_the_contracts_json_and_exit_1(abusewatch, attack):
    ran = abusewatch("replay", attack, *OWN, "--json")
    assert ran.code == 1
    (line,) = ran.lines
    finding = json.loads(line)
    assert list(finding) == FIELDS
    assert (finding["rule"], finding["offender"], finding["target_ports"]) == (
        "ssh-login-attack",
        "198.51.100.10",
        [22],
    )
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", finding["first_seen"])


def test_a_finding_says_what_else_it_may_be_and_is_still_told(abusewatch, attack, tmp_path):
    inventory = tmp_path / "customers.toml"
    text = '[[customer]]\nid = "C-1"\nprefixes = ["198.51.100.0/24"]\ncontacts = ["a@customer.example"]\nroles = ["{}"]\n'
    for role, named in (("tor_exit", ["tor_exit"]), ("cdn", None)):
        inventory.write_text(text.format(role))
        out = tmp_path / role
        ran = abusewatch("replay", attack, "--inventory", inventory, "--json", "--out", out)
        finding = json.loads(ran.lines[0])
        assert (ran.code, finding.get("resembles"), finding["confidence"]) == (1, named, 0.72 if named else 0.9)
        assert list(finding) == FIELDS + ["resembles"] * bool(named)
        said = abusewatch("replay", attack, "--inventory", inventory).out
        assert ("may also be a Tor exit: the confidence is lower for it" in said) == bool(named)
        assert len(list((out / "mails").glob("*.customer.eml"))) == 1
        assert list((out / "mails").glob("*.operator.eml"))


def test_stdin_and_compression_give_the_same(abusewatch, attack, tmp_path):
    packed = tmp_path / "attack.pcap.gz"
    packed.write_bytes(gzip.compress(attack.read_bytes()))
    plain = abusewatch("replay", attack, *OWN, "--json").out
    assert abusewatch("replay", packed, *OWN, "--json").out == plain
    assert abusewatch("replay", "-", *OWN, "--json", stdin=attack.read_bytes()).out == plain


def test_nothing_found_is_exit_0(abusewatch, root):
    ran = abusewatch("replay", root / "captures/benign-web/capture.pcap", *OWN, "--json")
    assert (ran.code, ran.out) == (0, "")


def test_records_outside_from_and_to_do_not_count(abusewatch, attack):
    ran = abusewatch("replay", attack, *OWN, "--to", "2001-01-01T00:00:00Z")
    assert ran.code == 0
    assert "0 records" in ran.err


def test_foreign_networks_are_said_to_be_foreign(abusewatch, attack):
    ran = abusewatch("replay", attack, "--own", "100.64.0.0/10")
    assert ran.code == 0
    assert "are --own or the inventory right?" in ran.err


def test_sampling_is_announced_in_the_finding(abusewatch, root):
    ran = abusewatch("replay", root / "captures/syn-flood/capture.pcap", *OWN, "--sampling", 2, "--json")
    assert all(json.loads(line)["sampling_rate"] == 2 for line in ran.lines)


@pytest.fixture
def folder(abusewatch, attack, tmp_path):
    (tmp_path / "operators.csv").write_text(
        "prefix,name,contact\n203.0.113.0/24,Example Transit,abuse@transit.example\n"
    )
    (tmp_path / "customers.toml").write_text(
        '[[customer]]\nid = "C-10"\nprefixes = ["198.51.100.0/24"]\ncontacts = ["owner@customer.example"]\n'
    )
    ran = abusewatch("replay", attack, "--inventory", "customers.toml", "--contacts", "operators.csv", "--out", "out")
    assert ran.code == 1, ran.err
    return tmp_path / "out"


def test_out_holds_the_report_the_findings_and_the_mails(folder):
    assert (folder / "report.html").read_text().startswith("<!")
    assert json.loads((folder / "findings.jsonl").read_text())["customer"] == "C-10"
    mails = [
        BytesParser(policy=policy.default).parsebytes(path.read_bytes())
        for path in sorted((folder / "mails").iterdir())
    ]
    assert {mail["To"] for mail in mails} >= {"owner@customer.example", "abuse@transit.example"}


def test_each_operator_sees_its_own_addresses_only(folder):
    for path in (folder / "mails").glob("*operator.eml"):
        mail = BytesParser(policy=policy.default).parsebytes(path.read_bytes())
        text = " ".join(str(part.get_content()) for part in mail.walk() if part.get_content_type() == "text/plain")
        assert ("203.0.113.10" in text) != ("192.0.2.10" in text)


def test_a_second_replay_leaves_no_mail_of_the_first(folder, abusewatch, root):
    abusewatch("replay", root / "captures/benign-web/capture.pcap", *OWN, "--out", "out")
    assert list((folder / "mails").iterdir()) == []


def test_no_network_is_one_line(abusewatch, attack):
    assert "--own" in abusewatch("replay", attack).refused()


@pytest.mark.parametrize("prefix", ["198.51.100.7/24", "0.0.0.0/0", "nonsense", "fe80::1%eth0/64"])
def test_a_wrong_network_is_one_line(abusewatch, attack, prefix):
    assert prefix in abusewatch("replay", attack, "--own", prefix).refused()


def test_no_capture_is_one_line(abusewatch, tmp_path):
    (tmp_path / "letter.txt").write_text("Dear all,\n")
    line = abusewatch("replay", "letter.txt", *OWN).refused()
    assert "letter.txt" in line
    assert "expected a capture" in line


def test_no_file_is_one_line(abusewatch):
    assert "nowhere.pcap" in abusewatch("replay", "nowhere.pcap", *OWN).refused()


def test_an_empty_file_is_one_line(abusewatch):
    assert "empty" in abusewatch("replay", "-", *OWN, stdin=b"").refused()


def test_a_truncated_capture_gives_what_it_holds_and_says_so(abusewatch, attack, tmp_path):
    (tmp_path / "cut.pcap").write_bytes(attack.read_bytes()[:-7])
    ran = abusewatch("replay", "cut.pcap", *OWN, "--json")
    assert ran.code == 1
    assert "truncated" in ran.err
    assert json.loads(ran.lines[0])["rule"] == "ssh-login-attack"


def test_a_truncated_capture_without_a_finding_is_still_a_fault(abusewatch, attack, tmp_path):
    (tmp_path / "cut.pcap").write_bytes(attack.read_bytes()[:1000])
    ran = abusewatch("replay", "cut.pcap", *OWN, "--json")
    assert (ran.code, ran.lines) == (1, [])
    assert "truncated: packet" in ran.err


def test_a_time_that_is_none_is_one_line(abusewatch, attack):
    assert "2026-11-01T10:00:00Z" in abusewatch("replay", attack, *OWN, "--from", "yesterday").refused()


def test_a_replay_opens_no_socket(attack, monkeypatch):
    from abusewatch.cli import main

    def refuse(*_args, **_kwargs):
        raise AssertionError("a replay opened a socket")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "sendto", refuse)
    with pytest.raises(SystemExit) as ended:
        main(["replay", str(attack), *OWN, "--json"])
    assert ended.value.code == 1


def test_a_mail_that_may_not_leave_is_told_of(attack, tmp_path, monkeypatch):
    """Of three mails one shows too much: it is not in the folder, and silence does not look like innocence."""

    def refuse(message, told, own):
        if told[0][0].audience == "customer":
            raise LeakError("address", "text/plain")

    monkeypatch.setattr("abusewatch.casework.recheck", refuse)
    arguments = ["replay", str(attack), *OWN, "--out", str(tmp_path / "out")]
    ran = CliRunner().invoke(group, arguments)
    assert ran.exit_code == 1
    assert "a mail to the customer was not written (LeakError)" in ran.stderr
    assert not list((tmp_path / "out/mails").glob("*.customer.eml"))
    assert list((tmp_path / "out/mails").glob("*.operator.eml"))
