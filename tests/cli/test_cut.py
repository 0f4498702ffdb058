"""The command: a capture of others in, one that may be shown out, and Wireshark has nothing to complain of."""

import struct
import subprocess

import pytest

from abusewatch.cli.cut import write_cuts
from tests.wire import frames_by_hand as hand

CAPTURE = "captures/ssh-login-attack/capture.pcap"
OFFENDER = "198.51.100.10"


def records(data):
    at, found = 24, []
    while at < len(data):
        seconds, micros, captured, original = struct.unpack_from("<IIII", data, at)
        found.append(((seconds, micros), data[at + 16 : at + 16 + captured], original))
        at += 16 + captured
    return found


def test_a_capture_is_cut(abusewatch, root, tmp_path):
    out = tmp_path / "cut.pcap"
    ran = abusewatch("cut", root / CAPTURE, "--offender", OFFENDER, "--out", out)
    assert ran.code == 0
    assert f"packets of {OFFENDER} to {out}" in ran.err
    found = records(out.read_bytes())
    assert len(found) > 4000
    assert all(len(packet) == original for _, packet, original in found)
    assert {packet[12] for _, packet, _ in found} <= {198, 240}
    assert out.stat().st_mode & 0o077 == 0


@pytest.mark.peer
@pytest.mark.needs("tshark")
@pytest.mark.parametrize(("capture", "offender"), [(CAPTURE, OFFENDER), ("captures/address-scan-v6/capture.pcap", None), ("captures/udp-flood/capture.pcap", None)])
def test_tshark_finds_every_checksum_right(capture, offender, abusewatch, root, tmp_path):
    if offender is None:
        import tomllib

        offender = tomllib.loads((root / capture).with_name("expect.toml").read_text())["finding"][0]["offender"]
    out = tmp_path / "cut.pcap"
    assert abusewatch("cut", root / capture, "--offender", offender, "--out", out).code == 0
    checks = [f"-o{name}:TRUE" for name in ("ip.check_checksum", "tcp.check_checksum", "udp.check_checksum")]
    bad = "ip.checksum.status == bad or tcp.checksum.status == bad or udp.checksum.status == bad or icmpv6.checksum.status == bad"
    read = ["tshark", "-r", out, *checks, "-Y", bad, "-T", "fields", "-e", "frame.number"]
    assert subprocess.run(read, capture_output=True, text=True, check=True).stdout == ""
    lines = subprocess.run(["tshark", "-r", out, "-T", "fields", "-e", "frame.number"], capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(lines) == len(records(out.read_bytes()))


def test_what_cannot_be_done_is_one_line(abusewatch, root, tmp_path):
    out = tmp_path / "cut.pcap"
    assert "no packet of 192.0.2.99" in abusewatch("cut", root / CAPTURE, "--offender", "192.0.2.99", "--out", out).refused()
    assert not out.exists()
    assert "is no address" in abusewatch("cut", root / CAPTURE, "--offender", "nobody", "--out", out).refused()
    table = tmp_path / "t.csv"
    table.write_text("start,src,dst\n1,192.0.2.1,192.0.2.2\n")
    assert "expected a capture" in abusewatch("cut", table, "--offender", OFFENDER, "--out", out).refused()
    whole = tmp_path / "whole.pcap"
    whole.write_bytes((root / CAPTURE).read_bytes())
    assert "is the capture itself" in abusewatch("cut", whole, "--offender", OFFENDER, "--out", whole).refused()
    assert "No such file" in abusewatch("cut", whole, "--offender", OFFENDER, "--out", tmp_path / "none" / "x.pcap").refused()


def test_a_capture_that_ends_early_is_1_and_link_layers_go(abusewatch, tmp_path):
    tagged = hand.ethernet(hand.ipv4(hand.tcp(), src=OFFENDER), tags=[(0x8100, 5)])
    capture, out = tmp_path / "c.pcap", tmp_path / "cut.pcap"
    capture.write_bytes(hand.pcap([tagged, hand.ethernet(bytes(28), 0x0806), tagged])[:-3])
    ran = abusewatch("cut", capture, "--offender", OFFENDER, "--out", out)
    assert ran.code == 1
    assert "packet 3 is cut" in ran.err
    ((when, packet, _),) = records(out.read_bytes())
    assert when == (1_700_000_000, 123_456)
    assert packet[:1] == b"\x45"


def test_a_replay_leaves_a_cut_of_each_offender(abusewatch, root, tmp_path):
    ran = abusewatch("replay", root / CAPTURE, "--own", "198.51.100.0/24", "--out", tmp_path / "look")
    assert ran.code == 1
    (path,) = (tmp_path / "look" / "captures").iterdir()
    assert path.name == f"{OFFENDER}.pcap"
    found = records(path.read_bytes())
    assert len(found) > 4000
    assert {packet[12] for _, packet, _ in found} <= {198, 240}


def test_a_cut_of_a_replay_is_bounded(root, tmp_path, monkeypatch):
    monkeypatch.setattr("abusewatch.cli.cut.PACKETS", 100)
    monkeypatch.setattr("abusewatch.cli.cut.FILES", 1)
    assert write_cuts(tmp_path, [str(root / CAPTURE)], [OFFENDER, "192.0.2.99"]) == 1
    assert len(records((tmp_path / f"{OFFENDER}.pcap").read_bytes())) == 100


def test_what_has_no_packets_leaves_no_cut(tmp_path):
    table, folder = tmp_path / "t.csv", tmp_path / "captures"
    table.write_text("start,src,dst\n1,192.0.2.1,192.0.2.2\n")
    folder.mkdir()
    (folder / "192.0.2.9.pcap").write_bytes(b"of an earlier replay")
    assert write_cuts(folder, [str(table), "-"], ["192.0.2.1"]) == 0
    assert list(folder.iterdir()) == []
