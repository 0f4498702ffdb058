"""What is exported comes back the same through our own decoder, in every format; and through the programs of others."""

import socket
import struct
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from abusewatch.model import address
from abusewatch.model.flow import COLUMNS, DTYPES, batch_of, concat
from abusewatch.sources.encode import FORMATS, encode
from abusewatch.sources.encode.netflow5 import split_counters
from abusewatch.sources.export import send
from abusewatch.wire.datagrams import FlowDecoder
from tests.needs import need

NETFLOW = ("netflow5", "netflow9", "ipfix")
T0 = 1_793_527_203_120_000  # 2026-11-01


def flows(n=100, family=4, seed=7, rate=1, **columns):
    """Any flow records, to the millisecond, within ten minutes."""
    random = np.random.default_rng(seed)
    start = T0 + np.sort(random.integers(0, 600_000, n)) * 1000
    mapped = np.uint64(address.MAPPED)
    lo = {name: random.integers(0, 2**32, n, np.uint64) | mapped for name in ("src_lo", "dst_lo")}
    hi = {name: np.zeros(n, np.uint64) for name in ("src_hi", "dst_hi")}
    if family == 6:
        lo = {name: random.integers(0, 2**63, n, np.uint64) for name in lo}
        hi = {name: random.integers(2**61, 2**62, n, np.uint64) for name in hi}
    packets = random.integers(1, 50, n)
    made = {
        "start_us": start, "end_us": start + random.integers(0, 60_000, n) * 1000, **lo, **hi,
        "src_port": random.integers(0, 65536, n), "dst_port": random.integers(0, 65536, n), "protocol": random.choice([6, 17, 47], n),
        "flags": random.integers(0, 64, n), "packets": packets, "bytes": packets * random.integers(60, 1400, n),
        "sampling_rate": np.full(n, rate), "input_if": random.integers(1, 500, n), "output_if": random.integers(1, 500, n),
    }  # fmt: skip
    made["flags"] *= made["protocol"] == 6
    made["src_port"] *= made["protocol"] != 47
    made["dst_port"] *= made["protocol"] != 47
    return batch_of(n, family=family, **(made | columns))


def packets(n=300, family=4, **columns):
    batch = flows(n, family)
    ones = {"packets": np.ones(n, np.uint64), "bytes": batch.bytes // batch.packets, "end_us": batch.start_us}
    return batch.with_columns(**{k: np.asarray(v).astype(DTYPES[k]) for k, v in (ones | columns).items()})


def decode(datagrams, received_us=T0 + 10**9):
    """Decode through the ring, as the daemon does."""
    payloads = [d.payload for d in datagrams]
    ring = np.zeros((len(payloads), 1500), np.uint8)
    for row, payload in zip(ring, payloads, strict=True):
        row[: len(payload)] = np.frombuffer(payload, np.uint8)
    lengths = np.array([len(p) for p in payloads], np.uint32)
    decoded = FlowDecoder().decode(ring, lengths, np.ones(len(payloads), np.uint32), received_us)
    assert not decoded.counts
    assert decoded.datagrams == len(payloads)
    return concat(decoded.batches)


def framed(batch):
    """What sfcapd counts: whole frames, 14 bytes of Ethernet header and 4 of check sequence more than IP."""
    return batch.with_columns(bytes=batch.bytes + np.uint64(18))


def rows(batch, without=("exporter", "frame")):
    return sorted(zip(*(getattr(batch, c).tolist() for c in COLUMNS if c not in without), strict=True))


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("form", ["netflow5", "netflow9", "ipfix"])
@pytest.mark.parametrize("rate", [0, 1, 100])
def test_round_trip(form, family, rate):
    batch = flows(family=family, rate=rate)
    encoding = encode([batch], form, packets=False)
    datagrams = list(encoding)
    assert all(len(d.payload) <= 1464 for d in datagrams)
    if (form, family) == ("netflow5", 6):
        assert (datagrams, sum(encoding.skipped.values())) == ([], 100)
        return
    # NetFlow v5 has no word for an unknown rate: a header that names none is that of an exporter that does not sample.
    expected = flows(family=family, rate=1) if (form, rate) == ("netflow5", 0) else batch
    assert rows(decode(datagrams)) == rows(expected)
    assert sum(d.records for d in datagrams) == 100
    assert sum(encoding.skipped.values()) == 0


@pytest.mark.parametrize("form", ["netflow9", "ipfix"])
def test_both_families_and_several_rates_in_one_export(form):
    batch = concat([flows(rate=10), flows(family=6, rate=1), flows(family=6, rate=10, seed=3), flows(rate=0, seed=4)])
    batch = batch.take(np.argsort(batch.start_us, kind="stable"))
    assert rows(decode(encode([batch.take(slice(0, 150)), batch.take(slice(150, None))], form, packets=False))) == rows(batch)


@pytest.mark.parametrize("family", [4, 6])
def test_sflow_round_trip(family):
    batch = packets(family=family, sampling_rate=np.full(300, 512, np.uint32))
    datagrams = list(encode([batch], "sflow"))
    assert max(len(d.payload) for d in datagrams) <= 1464
    timeless = ("exporter", "frame", "start_us", "end_us")
    assert rows(decode(datagrams), timeless) == rows(batch, timeless)


@pytest.mark.parametrize(("gap_us", "datagrams"), [(20_000_000, 80), (500_000, 27), (0, 7)])
def test_no_sflow_sample_waits_for_more_than_a_second(gap_us, datagrams):
    at = T0 + np.arange(80) * gap_us
    made = list(encode([packets(80).with_columns(start_us=at, end_us=at)], "sflow"))
    assert (len(made), sum(d.records for d in made)) == (datagrams, 80)
    assert made[-1].time_us == at[-1]


def test_icmp_keeps_type_and_code():
    batch = packets(30, protocol=np.full(30, 1), src_port=np.zeros(30), dst_port=np.full(30, 8 * 256), flags=np.zeros(30), bytes=np.full(30, 84))
    six = packets(30, 6, protocol=np.full(30, 58), src_port=np.zeros(30), dst_port=np.full(30, 128 * 256), flags=np.zeros(30), bytes=np.full(30, 104))
    for form in FORMATS:
        both = decode(encode([batch, six], form, packets=False))
        assert set(both.dst_port.tolist()) <= {2048, 32768}
        assert set(both.src_port.tolist()) == {0}


@pytest.mark.parametrize("form", NETFLOW)
def test_times_survive_to_the_millisecond_over_years(form):
    starts = np.array([1_000, T0, T0 + 999_000, T0 + 40 * 86_400_000_000, T0 + 400 * 86_400_000_000], np.int64)
    batch = flows(5, start_us=starts, end_us=starts + 1_801_001_000)
    back = decode(encode([batch], form, packets=False), received_us=T0 + 500 * 86_400_000_000)
    assert sorted(back.start_us.tolist()) == (starts // 1000 * 1000).tolist()
    assert sorted(back.end_us.tolist()) == ((starts + 1_801_001_000) // 1000 * 1000).tolist()


@pytest.mark.parametrize("form", NETFLOW)
def test_times_that_cannot_be_said_are_skipped_and_counted(form):
    starts = np.array([-5_000_000, T0], np.int64)
    encoding = encode([flows(2, start_us=starts, end_us=starts + 1000)], form, packets=False)
    assert sum(d.records for d in encoding) == 1
    assert list(encoding.skipped.values()) == [1]


def test_sequence_numbers_count_what_each_standard_says():
    batch = flows(200, rate=1)
    five = [struct.unpack_from(">HHIIII", d.payload)[1::4] for d in encode([batch], "netflow5", packets=False)]
    assert five == [(30, s) if s < 180 else (20, s) for s in range(0, 200, 30)]
    nine = [struct.unpack_from(">I", d.payload, 12)[0] for d in encode([batch], "netflow9", packets=False)]
    assert nine == list(range(len(nine)))
    said = 0
    for datagram in encode([batch], "ipfix", packets=False):
        assert struct.unpack_from(">I", datagram.payload, 8)[0] == said
        said += datagram.records or 2  # the announcement holds two options data records
    assert said == 202


@pytest.mark.parametrize(("form", "place", "kind"), [("netflow9", 20, 0), ("ipfix", 16, 2)])
def test_templates_come_first_and_again(form, place, kind):
    sets = [struct.unpack_from(">H", d.payload, place)[0] for d in encode([flows(3000)], form, packets=False)]
    assert sets[0] == kind
    assert [i for i, s in enumerate(sets) if s == kind] == list(range(0, len(sets), 21))


def test_netflow5_splits_what_32_bits_cannot_count():
    batch = flows(3, packets=np.array([1, 7, 5_000_000_000]), bytes=np.array([40, 10_000_000_001, 9_000_000_000_000]))
    back = decode(encode([batch], "netflow5", packets=False))
    assert len(back) == 1 + 3 + 2096
    assert int(back.bytes.sum()) == int(batch.bytes.sum())
    assert int(back.packets.sum()) == int(batch.packets.sum())
    assert len(split_counters(flows())) == 100


def test_sampling_is_announced_repeatable_and_fair():
    batch = flows(20_000)
    for form in ("netflow5", "netflow9", "ipfix"):
        first, second = (decode(encode([batch], form, 100, packets=False)) for _ in range(2))
        assert rows(first) == rows(second)
        assert set(first.sampling_rate.tolist()) == {100}
        assert int(first.packets.sum()) * 100 == pytest.approx(int(batch.packets.sum()), rel=0.05)
        assert int(first.bytes.sum()) * 100 == pytest.approx(int(batch.bytes.sum()), rel=0.05)
    other = decode(encode([batch], "ipfix", 100, packets=False, seed=2))
    assert rows(other) != rows(first)


def test_sflow_makes_packets_of_flows():
    batch = flows(50, rate=1)
    back = decode(encode([batch], "sflow"))
    assert len(back) == int(batch.packets.sum())
    assert int(back.bytes.sum()) == int(batch.bytes.sum())


def test_packets_are_metered_for_flow_formats_and_recognised_as_such():
    same = {name: np.zeros(300, np.uint64) for name in ("src_hi", "dst_hi")} | {name: np.full(300, address.MAPPED + 1) for name in ("src_lo", "dst_lo")}
    same |= {name: np.full(300, 7) for name in ("src_port", "dst_port", "input_if", "output_if")} | {"protocol": np.full(300, 6)}
    batch = packets(**same).with_columns(start_us=np.arange(300) * 10_000 + T0, end_us=np.arange(300) * 10_000 + T0)
    for form in NETFLOW:
        (flow,) = rows(decode(encode([batch.take(slice(0, 100)), batch.take(slice(100, None))], form)))
        assert {300, int(batch.bytes.sum()), T0, T0 + 2_990_000, int(np.bitwise_or.reduce(batch.flags))} <= set(flow)
    assert len(decode(encode([batch], "ipfix", packets=False))) == 300


def test_faults_are_said_before_anything_is_sent():
    with pytest.raises(ValueError, match="netflow7"):
        encode([], "netflow7")
    with pytest.raises(ValueError, match="1:N"):
        encode([], "ipfix", 0)
    with pytest.raises(ValueError, match="16383"):
        list(encode([flows()], "netflow5", 20_000, packets=False))


@pytest.mark.parametrize("form", FORMATS)
def test_nothing_in_nothing_out(form):
    assert list(encode([], form)) == []
    assert list(encode([concat([])], form, 10)) == []


@pytest.mark.peer
@pytest.mark.needs("tshark")
@pytest.mark.parametrize("form", FORMATS)
def test_tshark_finds_nothing_malformed(form, tmp_path):
    source = [packets(400), packets(200, 6)]
    port = {"netflow5": 2055, "netflow9": 2055, "ipfix": 4739, "sflow": 6343}[form]
    frames = []
    for datagram in encode(source, form, 2, packets=False):
        udp = struct.pack(">HHHH", 4000, port, 8 + len(datagram.payload), 0) + datagram.payload
        ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, b"\x7f\0\0\1", b"\x7f\0\0\1")
        frames.append(struct.pack("<IIII", 1, 0, len(ip + udp), len(ip + udp)) + ip + udp)
    capture = tmp_path / "export.pcap"
    capture.write_bytes(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101) + b"".join(frames))
    protocol = "sflow" if form == "sflow" else "cflow"
    done = subprocess.run(["tshark", "-r", capture, "-d", f"udp.port=={port},{protocol}", "-V"], capture_output=True, text=True, timeout=60, check=True)
    assert protocol in done.stdout.lower()
    assert "Malformed" not in done.stdout
    assert "No template found" not in done.stdout
    counted = subprocess.run(
        ["tshark", "-r", capture, "-d", f"udp.port=={port},{protocol}", "-Y", "_ws.malformed || _ws.expert.severity >= error", "-T", "fields", "-e", "frame.number"],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert not counted.stdout


@pytest.mark.peer
@pytest.mark.parametrize("form", FORMATS)
def test_nfdump_counts_the_same(form, tmp_path):
    """Totals of flows, packets and bytes in Debian's nfcapd (sfcapd for sFlow) equal what went out."""
    program = "sfcapd" if form == "sflow" else "nfcapd"
    need(program)
    now = int(time.time()) // 60 * 60_000_000
    source = [packets(500), packets(300, 6)]
    source = [b.with_columns(start_us=b.start_us - T0 + now, end_us=b.end_us - T0 + now) for b in source]
    if form == "netflow5":
        source = source[:1]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    collector = subprocess.Popen([program, "-p", str(port), "-w", tmp_path, "-t", "600", "-b", "127.0.0.1"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 10
        while f":{port:04X} " not in Path("/proc/net/udp").read_text() and time.monotonic() < deadline:
            time.sleep(0.02)
        sent = send(encode(source, form, packets=False), ("127.0.0.1", port))
        time.sleep(0.5)
    finally:
        collector.terminate()
        collector.wait(10)
    files = [str(p) for p in tmp_path.glob("nfcapd.*")]
    said = subprocess.run(["nfdump", "-r", files[0], "-I"], capture_output=True, text=True, timeout=30, check=True).stdout
    ident = dict(line.split(": ", 1) for line in said.splitlines() if ": " in line)
    expected = concat([framed(b) for b in source] if form == "sflow" else source)
    assert sent.records == len(expected)
    assert [int(ident[k]) for k in ("Flows", "Packets", "Bytes")] == [len(expected), int(expected.packets.sum()), int(expected.bytes.sum())], said
