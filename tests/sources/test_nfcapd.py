"""Files that Debian's nfcapd and nfdump have written, read here as nfdump itself reads them."""

import calendar
import time

import pytest
import zstandard

from abusewatch.model import address
from abusewatch.model.flow import concat
from abusewatch.sources.encode import encode
from abusewatch.sources.export import send
from abusewatch.sources.files import open_flows
from abusewatch.wire import nfdump
from abusewatch.wire.datagrams import FlowDecoder
from tests.sources import peers
from tests.sources.test_encode import flows

pytestmark = pytest.mark.peer
LETTERS = "CEUAPRSF"


def ours(path):
    reading = open_flows(path, FlowDecoder)
    batch = concat(list(reading.batches()))
    assert reading.kind == "nfcapd file"
    assert not reading.problems
    names = ("start_us", "end_us", "src_port", "dst_port", "protocol", "flags", "packets", "bytes", "input_if", "output_if")
    sides = [[address.text(*pair) for pair in zip(getattr(batch, f"{e}_hi").tolist(), getattr(batch, f"{e}_lo").tolist(), strict=True)] for e in ("src", "dst")]
    rate = batch.sampling_rate.tolist()
    rows = sorted(zip(*sides, *(getattr(batch, n).tolist() for n in names), strict=True))
    return rows, rate, batch


def time_us(text):
    seconds, millis = text.split(".")
    return calendar.timegm(time.strptime(seconds, "%Y-%m-%dT%H:%M:%S")) * 1_000_000 + int(millis) * 1_000


def flag_bits(text):
    return sum(1 << (7 - place) for place, letter in enumerate(text) if letter == LETTERS[place])


def theirs(path):
    """The records of nfdump's JSON in the same form."""
    rows = []
    for record in peers.said(path):
        src, dst = (record.get(f"{e}4_addr") or record[f"{e}6_addr"] for e in ("src", "dst"))
        icmp = record["proto"] in {1, 58}
        ports = (0, record["icmp_type"] * 256 + record["icmp_code"]) if icmp else (record["src_port"], record["dst_port"])
        # softflowd's IPFIX of a file has starts after their ends; here such a record has no duration.
        start, end = time_us(record["first"]), time_us(record["last"])
        rows.append((
            src, dst, min(start, end), end, *ports, record["proto"], flag_bits(record.get("tcp_flags", "........")),
            record["in_packets"], record["in_bytes"], record.get("input_snmp", 0), record.get("output_snmp", 0),
        ))  # fmt: skip
    return sorted(rows)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """IPv4 and IPv6, three export versions, one exporter."""
    folder = tmp_path_factory.mktemp("mixed")
    with peers.collector(folder) as port:
        for form, family in (("netflow9", 4), ("netflow9", 6), ("ipfix", 6), ("netflow5", 4)):
            send(encode([flows(400, family)], form), ("127.0.0.1", port))
    return peers.written(folder)


def test_every_field_is_nfdumps(mixed):
    rows, rates, batch = ours(mixed)
    assert len(rows) == 1600
    assert rows == theirs(mixed)
    assert set(rates) == {1}
    # Version, domain and address make an exporter in the file; the address alone makes it here.
    assert len(set(batch.exporter.tolist())) == 1


@pytest.mark.parametrize("option", ["-z", "-y", "-j"], ids=["lzo", "lz4", "bz2"])
def test_every_compression(mixed, option, tmp_path):
    packed = tmp_path / "packed"
    peers.run("nfdump", "-r", mixed, option, "-w", packed)
    assert packed.stat().st_size < 0.8 * mixed.stat().st_size
    assert ours(packed)[0] == ours(mixed)[0]


def test_zstandard_as_later_releases_write_it(mixed, tmp_path):
    """Debian's nfdump cannot: its uncompressed file is packed here, block by block, as 1.7.3 does."""
    content = mixed.read_bytes()
    head, order = bytearray(content[:40]), "<"
    head[16] = 4
    packed, at = bytes(head), 40
    while at < len(content):
        _, size, _, _ = nfdump._BLOCKS[order].unpack_from(content, at)
        data = zstandard.ZstdCompressor().compress(content[at + 12 : at + 12 + size])
        packed += content[at : at + 4] + len(data).to_bytes(4, "little") + content[at + 8 : at + 12] + data
        at += 12 + size
    (tmp_path / "zstd").write_bytes(packed)
    assert ours(tmp_path / "zstd")[0] == ours(mixed)[0]


def test_sampled_counts_are_put_back(tmp_path):
    source = flows(200, rate=100)
    with peers.collector(tmp_path / "v5") as port:
        send(encode([source], "netflow5", packets=False), ("127.0.0.1", port))
    path = peers.written(tmp_path / "v5")
    _, rates, batch = ours(path)
    assert set(rates) == {100}
    assert int(batch.packets.sum()) == int(source.packets.sum())
    assert int(batch.bytes.sum()) == int(source.bytes.sum())
    assert sum(r[8] for r in theirs(path)) == 100 * int(source.packets.sum())


@pytest.mark.corpus
@pytest.mark.parametrize("version", [5, 9, 10])
@pytest.mark.parametrize("name", ["attacks/zeek__sshguess.pcap", "benign/nDPI__zoom.pcap"])
def test_files_fed_by_softflowd(corpus, name, version, tmp_path):
    with peers.collector(tmp_path / "nf") as port:
        peers.softflowd(corpus / name, port, version)
    path = peers.written(tmp_path / "nf")
    rows, _, _ = ours(path)
    assert rows
    assert rows == theirs(path)
