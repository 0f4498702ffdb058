"""flows prints what the decoders see; export sends it as a router would."""

import json
import socket

from abusewatch.sources.encode import FORMATS


def test_flows_for_people_and_for_programs(abusewatch, attack):
    people, programs = abusewatch("flows", attack), abusewatch("flows", "--json", attack)
    assert people.code == programs.code == 0
    assert len(people.lines) == len(programs.lines) > 100
    assert json.loads(programs.lines[0])["destination_transport_port"] == 22


def test_a_truncated_capture_is_said(abusewatch, attack, tmp_path):
    (tmp_path / "cut.pcap").write_bytes(attack.read_bytes()[:1000])
    ran = abusewatch("flows", "cut.pcap")
    assert ran.code == 1
    assert "truncated" in ran.err


def test_no_capture_is_one_line(abusewatch, root):
    assert "expected a capture" in abusewatch("flows", root / "LICENSE").refused()


def test_export_sends_every_format(abusewatch, attack):
    for form in FORMATS:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as collector:
            collector.bind(("127.0.0.1", 0))
            ran = abusewatch(
                "export", attack, "--to", f"127.0.0.1:{collector.getsockname()[1]}", "--format", form, "--json"
            )
            assert ran.code == 0, ran.err
            assert json.loads(ran.out)["datagrams"] > 0
            collector.settimeout(2)
            assert len(collector.recv(65535)) > 24


def test_export_to_nowhere_is_one_line(abusewatch, attack):
    assert "HOST:PORT" in abusewatch("export", attack, "--to", "nowhere").refused()
    assert "cannot send" in abusewatch("export", attack, "--to", "name.invalid:2055").refused()
