"""inspect: what tshark says of an offender's packets, of nobody else's, and nothing left behind."""

import json
import sys

import click
import pytest

from abusewatch.cli.dissect import _filter, _in_words, _packets
from tests.needs import library, need


@pytest.fixture
def capture(root):
    need("tshark")
    library("pyshark")
    return root / "captures/ssh-login-attack/capture.pcap"


def test_it_shows_each_layer_of_the_packets_that_fit(abusewatch, capture):
    ran = abusewatch("inspect", capture, "--offender", "198.51.100.10", "--filter", "frame.number <= 40 and tcp.flags.syn == 1 and tcp.flags.ack == 0", "--json")
    assert (ran.code, ran.err) == (0, "")
    found = [json.loads(line) for line in ran.lines]
    assert found
    assert all(packet["frame"] <= 40 for packet in found)
    for packet in found:
        layers = {layer["layer"]: layer for layer in packet["layers"]}
        assert list(layers) == ["eth", "ip", "tcp"]
        assert (layers["ip"]["src"], layers["tcp"]["dstport"]) == ("198.51.100.10", "22")
    said = abusewatch("inspect", capture, "--offender", "198.51.100.10", "--filter", "frame.number == 1")
    assert said.lines[0] == f"frame 1, {found[0]['time']}"
    assert "Layer TCP" in said.out


def test_nothing_is_left_behind(abusewatch, capture, tmp_path):
    before = capture.read_bytes()
    abusewatch("inspect", capture, "--offender", "198.51.100.10", "--filter", "frame.number == 1")
    assert list(tmp_path.iterdir()) == []
    assert capture.read_bytes() == before


def test_a_capture_cut_short_gives_what_it_holds(abusewatch, capture, tmp_path):
    (tmp_path / "short.pcap").write_bytes(capture.read_bytes()[:3000])
    ran = abusewatch("inspect", "short.pcap", "--offender", "198.51.100.10", "--json")
    assert (ran.code, ran.err.count("cut short"), bool(ran.lines)) == (1, 1, True)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--offender", "192.0.2.77"), "no packet of 192.0.2.77"),
        (("--offender", "198.51.100.10", "--filter", "udp"), "no packet of 198.51.100.10 that fits 'udp'"),
        (("--offender", "198.51.100.10", "--filter", "tcp.port =="), "does not understand"),
        (("--offender", "nonsense"), "no address"),
    ],
)
def test_what_cannot_be_is_one_line(abusewatch, capture, arguments, says):
    assert says in abusewatch("inspect", capture, *arguments).refused()


@pytest.mark.usefixtures("capture")
def test_no_capture_is_one_line(abusewatch, tmp_path):
    (tmp_path / "no.pcap").write_text("no capture")
    assert "isn't a capture" in abusewatch("inspect", "no.pcap", "--offender", "192.0.2.1").refused()
    assert "from a file" in abusewatch("inspect", "-", "--offender", "192.0.2.1").refused()
    assert "from a file" in abusewatch("inspect", "missing.pcap", "--offender", "192.0.2.1").refused()


def test_without_pyshark_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyshark", None)
    with pytest.raises(click.ClickException, match=r"abusewatch\[inspect\]"):
        next(_packets("x", "ip", ""))


def test_a_filter_is_beside_the_offender_in_both_families():
    assert _filter("198.51.100.10", "") == "ip.addr == 198.51.100.10"
    assert _filter("2001:DB8::1", "tcp or udp") == "ipv6.addr == 2001:db8::1 and (tcp or udp)"


class Packet:
    number, sniff_timestamp = "3", "1795407437.361881000"

    def __str__(self):
        return "Layer X\n:\tvalue: \x1b[31mred\x07"


def test_what_stands_in_a_packet_never_reaches_the_terminal_as_it_is():
    lines = list(_in_words(Packet()))
    assert lines == ["frame 3, 2026-11-23T04:17:17.361Z", "  Layer X", "  : value: ?[31mred?", ""]
