"""Files of every form: recognised by content, read as far as they go, refused in one line."""

import bz2
import contextlib
import gzip
import io
import os
import random
import sys

import pytest
import zstandard

from abusewatch.model import address
from abusewatch.model.flow import concat
from abusewatch.sources.compress import InputError
from abusewatch.sources.files import open_flows
from abusewatch.wire.datagrams import FlowDecoder
from tests.needs import library
from tests.wire import exports_by_hand as wire
from tests.wire import frames_by_hand as hand

ROUNDS = int(os.environ.get("ABUSEWATCH_FUZZ_ROUNDS", "300"))
PACKETS = [hand.ethernet(hand.ipv4(hand.tcp())), hand.ethernet(hand.ipv6(hand.tcp()), 0x86DD), hand.ethernet(bytes(28), 0x0806)]
CAPTURE = hand.pcap(PACKETS)
LONG = hand.pcap(PACKETS * 3000)
PCAPNG = hand.section() + hand.interface() + hand.enhanced(PACKETS[0], 1_700_000_000_123_456)
TABLE = b"start,end,src,dst,sport,dport,proto,pkts,bytes,flags\n1767642689.5,1767642690.25,198.51.100.7,203.0.113.9,1000,22,6,3,180,2\n"
V5 = wire.v5([(wire.A, wire.B, 1234, 22, 6, 7, 700, 90_000, 96_000, 0x12)])
TEMPLATE, DATA = wire.v9(wire.fset(0, wire.template(256, *wire.V4))), wire.v9(wire.fset(256, wire.flow4()), sequence=1)


@pytest.fixture
def opened(tmp_path):
    def opened(content, name="any.thing", factory=FlowDecoder):
        (tmp_path / name).write_bytes(content)
        return open_flows(tmp_path / name, factory)

    return opened


def udp_capture(*payloads, extra=()):
    return hand.pcap([*(hand.ethernet(hand.ipv4(hand.udp(2055, 2055, p), protocol=17)) for p in payloads), *extra])


PACKERS = {"plain": bytes, "gz": gzip.compress, "bz2": bz2.compress, "zst": zstandard.ZstdCompressor().compress,
           "two gz members": lambda data: gzip.compress(data[:50]) + gzip.compress(data[50:]) + bytes(100)}  # fmt: skip


@pytest.mark.parametrize("packer", PACKERS)
@pytest.mark.parametrize(("content", "kind", "rows"), [(CAPTURE, "capture", 2), (PCAPNG, "capture", 1), (TABLE, "flow table", 1)])
def test_forms_by_content_not_by_name(opened, packer, content, kind, rows):
    reading = opened(PACKERS[packer](content))
    assert reading.kind == kind
    assert len(concat(list(reading.batches()))) == rows
    assert not reading.truncated
    assert not reading.problems
    assert reading.progress[0] == reading.progress[1] > 0


def test_a_packet_is_a_flow_of_one(opened):
    reading = opened(CAPTURE)
    batch = concat(list(reading.batches()))
    assert batch.frame.tolist() == [1, 2]
    assert batch.packets.tolist() == batch.sampling_rate.tolist() == [1, 1]
    assert batch.bytes.tolist() == [40, 60]
    assert (batch.start_us == batch.end_us).all()
    assert dict(reading.counts) == {"not_ip": 1}


def test_records_of_a_capture(opened):
    first, second = opened(CAPTURE).records()
    assert first == {
        "frame": 1, "flow_start_milliseconds": 1_700_000_000_123.456, "flow_end_milliseconds": 1_700_000_000_123.456,
        "source_ipv4_address": hand.SRC4, "destination_ipv4_address": hand.DST4, "protocol_identifier": 6, "packet_delta_count": 1,
        "octet_delta_count": 40, "source_transport_port": 40000, "destination_transport_port": 22, "tcp_control_bits": 0x12,
    }  # fmt: skip
    assert second["source_ipv6_address"] == hand.SRC6


def test_standard_input(monkeypatch):
    monkeypatch.setattr(sys, "stdin", type("Stdin", (), {"buffer": io.BytesIO(gzip.compress(CAPTURE))}))
    reading = open_flows("-", FlowDecoder)
    assert (reading.name, sum(len(b) for b in reading.batches())) == ("standard input", 2)


@pytest.mark.parametrize("content", [CAPTURE[:-3], PCAPNG[:-1], gzip.compress(LONG, mtime=0)[:-20], zstandard.ZstdCompressor().compress(LONG)[:-1], bz2.compress(LONG)[:-4]])
def test_truncated_is_said(opened, content):
    reading = opened(content)
    list(reading.batches())
    assert reading.truncated
    assert len(reading.problems) >= 1


@pytest.mark.parametrize(("content", "found"), [
    (b"", "an empty file"), (b"this is not a capture\n", "text that starts with 'this is not a capture'"), (b"\x7fELF" + bytes(40), "7f 45 4c 46"),
    (b"a,b,c\n1,2,3\n", "text that starts with 'a,b,c'"), (gzip.compress(b"hello", mtime=0), "'hello'"), (b"\x1f\x8b\x08" + b"x" * 40, "bad_compression"),
    (b"\x0c\xa5" + bytes(60), "nfcapd file with unknown_version: file layout 0"), (b"BZh9" + b"x" * 99, "bad_compression"),
])  # fmt: skip
def test_anything_else_is_refused_in_one_line(opened, content, found):
    with pytest.raises(InputError, match="expected") as caught:
        list(opened(content, "odd.bin").batches())
    assert found in str(caught.value)
    assert "odd.bin" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_file_and_folder(tmp_path):
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(InputError, match=str(path)):
            open_flows(path, FlowDecoder)


def test_a_broken_first_record_refuses_and_a_later_one_does_not(opened):
    bad = b"\xff" * 16
    with pytest.raises(InputError, match="too_large"):
        list(opened(hand.pcap([]) + bad).batches())
    reading = opened(CAPTURE + bad)
    assert sum(len(b) for b in reading.batches()) == 2
    assert reading.counts["too_large"] == 1
    assert not reading.truncated


def test_capture_of_exports(opened):
    """ICMP answers to the exports do not make it another capture; packets that are no exports are counted, not rows."""
    unreachable = hand.ethernet(hand.ipv4(b"\x03\x03" + bytes(6), protocol=1))
    reading = opened(udp_capture(V5, TEMPLATE, DATA, extra=[unreachable] * 5))
    batch = concat(list(reading.batches()))
    assert reading.kind == "export capture"
    assert sorted(batch.src_port.tolist()) == [1000, 1234]
    assert set(batch.exporter.tolist()) == {1}
    assert reading.exporters.names() == {1: hand.SRC4}
    assert reading.counts["not_an_export"] == 5
    assert len(list(opened(udp_capture(V5, TEMPLATE, DATA)).records())) == 2


def test_one_forged_datagram_does_not_hide_a_capture(opened):
    reading = opened(udp_capture(V5, extra=PACKETS[:2] * 2))
    assert reading.kind == "capture"
    assert sum(len(b) for b in reading.batches()) == 5


def test_bare_datagrams_share_their_templates(opened):
    decoder = FlowDecoder()
    assert not list(opened(TEMPLATE, "template.dat", lambda: decoder).batches())
    (batch,) = opened(DATA, "data.dat", lambda: decoder).batches()
    assert batch.src_port.tolist() == [1000]


def test_datagrams_one_behind_the_other(opened):
    many = 65_507 // len(V5) + 1  # more than one UDP payload holds
    numbered = b"".join(V5[:16] + number.to_bytes(4, "big") + V5[20:] for number in range(many))
    reading = opened(numbered + TEMPLATE + DATA + b"junk")
    assert sorted(concat(list(reading.batches())).src_port.tolist()) == [1000, *[1234] * many]
    assert reading.counts["trailing_bytes"] == 1


def test_link_types_mixed_in_one_capture_keep_their_order(opened):
    content = hand.section() + hand.interface(1) + hand.interface(101)
    for n in range(6):
        content += hand.enhanced(hand.ipv4(hand.tcp(sport=n)) if n % 2 else hand.ethernet(hand.ipv4(hand.tcp(sport=n))), 10 - n, n % 2)
    (batch,) = opened(content).batches()
    assert batch.src_port.tolist() == [0, 1, 2, 3, 4, 5]
    assert batch.start_us.tolist() == [10, 9, 8, 7, 6, 5]


def test_parquet(tmp_path):
    duckdb = library("duckdb")
    path = tmp_path / "flows.any"
    with duckdb.connect() as connection:
        connection.execute(f"copy (select 1767642689.5::double as start, 1767642690.25::double as \"end\", '198.51.100.7' as src, '203.0.113.9' as dst, 1000 as sport, 22 as dport, 6 as proto, 3 as pkts, 180 as bytes, 2 as flags, 'x,y' as note) to '{path}' (format parquet)")
    (batch,) = open_flows(path, FlowDecoder).batches()
    assert (address.text(int(batch.src_hi[0]), int(batch.src_lo[0])), batch.start_us[0], batch.bytes[0]) == ("198.51.100.7", 1_767_642_689_500_000, 180)


def test_parquet_without_duckdb(opened, monkeypatch):
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(InputError, match=r"abusewatch\[analytics\]"):
        list(opened(b"PAR1" + bytes(50)).batches())


@pytest.mark.corpus
def test_every_corpus_file_has_a_clear_answer(corpus):
    for path in sorted((corpus / "format").iterdir()) + sorted((corpus / "attacks").iterdir()):
        if path.name == "pcap-parser-0.2.1__malformed.pcap":
            with pytest.raises(InputError, match="text that starts with 'this is not a valid pcap file"):
                open_flows(path, FlowDecoder)
        else:
            assert all(b.family in {0, 4, 6} for b in open_flows(path, FlowDecoder).batches())


@pytest.mark.fuzz
def test_mutations_give_rows_or_an_input_error(opened):
    chance = random.Random(11)
    seeds = [CAPTURE, PCAPNG, TABLE, V5 + TEMPLATE + DATA, udp_capture(V5, DATA), *(pack(CAPTURE) for pack in PACKERS.values())]
    for _ in range(ROUNDS):
        data = bytearray(chance.choice(seeds))
        for _ in range(chance.randint(1, 6)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        with contextlib.suppress(InputError):
            list(opened(bytes(data[: chance.randint(0, len(data))])).batches())
