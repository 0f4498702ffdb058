"""Files of nfcapd, written by hand; `tests/sources/test_nfcapd.py` holds the reader against nfdump itself."""

import bz2
import random
from collections import Counter
from contextlib import suppress

import pytest
import zstandard

from abusewatch.model import address
from abusewatch.model.flow import concat
from abusewatch.wire import nfdump
from abusewatch.wire.errors import Reason, WireError
from tests.wire import nfdump_by_hand as hand

A, B, A6, B6 = "192.0.2.1", "198.51.100.7", "2001:db8::1", "2001:db8:ffff::2"


def read(content, counts=None, step=7):
    numbers = {}
    chunks = (content[i : i + step] for i in range(0, len(content), step))
    return concat(list(nfdump.flows(chunks, Counter() if counts is None else counts, lambda a: numbers.setdefault(a, len(numbers) + 1))))


@pytest.mark.parametrize("order", ["<", ">"])
def test_every_column_in_either_byte_order(order):
    content = hand.file(hand.exporter("203.0.113.1", order=order) + hand.flow(A, B, order) + hand.flow(A6, B6, order, protocol=17), order=order)
    found = read(content)
    assert [address.text(*pair) for pair in zip(found.src_hi.tolist(), found.src_lo.tolist(), strict=True)] == [A, A6]
    assert [address.text(*pair) for pair in zip(found.dst_hi.tolist(), found.dst_lo.tolist(), strict=True)] == [B, B6]
    expected = {
        "start_us": 1_000_000, "end_us": 2_000_000, "src_port": 40000, "dst_port": 443, "packets": 10, "bytes": 1000, "flags": 0x12,
        "sampling_rate": 1, "input_if": 3, "output_if": 4, "exporter": 1,
    }  # fmt: skip
    assert {name: set(getattr(found, name).tolist()) for name in expected} == {name: {value} for name, value in expected.items()}
    assert found.protocol.tolist() == [6, 17]
    assert found.frame.tolist() == [1, 2]


@pytest.mark.parametrize(("number", "compress"), [(2, bz2.compress), (4, zstandard.ZstdCompressor().compress)])
def test_compressed_blocks(number, compress):
    block = hand.flow(A, B) * 300
    plain = hand.file(block)
    assert read(hand.file(compress(block), (block, nfdump.UNCOMPRESSED), compression=number)).src_lo.tolist() == read(plain).src_lo.tolist() * 2


@pytest.mark.parametrize(("number", "data"), [
    (1, b"\x00"), (1, b"\xff" * 50), (2, b"BZh9no"), (2, bz2.compress(bytes(9000))[:-5]), (3, b"\xf0"), (3, b"\x00\x01\x00"), (4, b"\x28\xb5\x2f\xfdno"),
    (9, b""),
])  # fmt: skip
def test_what_cannot_be_decompressed_is_said(number, data):
    with pytest.raises(WireError) as caught:
        read(hand.file(data, compression=number))
    assert caught.value.reason is Reason.BAD_COMPRESSION


@pytest.mark.parametrize(("number", "compress"), [(2, bz2.compress), (4, zstandard.ZstdCompressor().compress)])
def test_a_block_that_grows_without_bounds_is_refused(number, compress, monkeypatch):
    monkeypatch.setattr(nfdump, "BLOCK_LIMIT", 1 << 20)
    with pytest.raises(WireError) as caught:
        read(hand.file(compress(bytes(8 << 20)), compression=number), step=1 << 16)
    assert caught.value.reason in {Reason.BAD_COMPRESSION, Reason.TOO_LARGE}


@pytest.mark.parametrize("step", [1, 40, 1000])
def test_what_is_cut_is_truncated(step):
    block = hand.flow(A, B) * 3
    whole = hand.file(block, block)
    for end in (30, 45, 60, len(whole) - 1):
        with pytest.raises(WireError) as caught:
            read(whole[:end], step=step)
        assert caught.value.reason is Reason.TRUNCATED
    with pytest.raises(WireError):
        read(hand.file(block, announced=2))


def test_file_layouts_of_others_are_refused_with_the_way_out():
    for version in (1, 3):
        with pytest.raises(WireError, match="nfdump -r FILE -w NEW"):
            read(hand.file(b"", version=version))
    with pytest.raises(WireError, match="nfdump -r FILE -w NEW"):
        read(hand.file(b"", encryption=1))


def test_a_file_still_being_written_announces_no_blocks():
    assert len(read(hand.file(hand.flow(A, B), announced=0))) == 1


def test_counts_of_a_sampled_exporter_are_put_back():
    """nfcapd stores what it has multiplied; the columns hold what the exporter counted, and its rate."""
    found = read(hand.file(hand.exporter(A) + hand.sampler() + hand.flow(A, B, flags=2, packets=1200, octets=120_000)))
    assert (found.packets.tolist(), found.bytes.tolist(), found.sampling_rate.tolist()) == ([12], [1200], [100])


@pytest.mark.parametrize("records", [
    b"",  # no sampler told
    hand.sampler() + hand.sampler(space=9),  # two rates, and no way to tell which
    hand.sampler(space=998),  # not what these packets were multiplied by
    hand.sampler(packets=0),
    hand.sampler(number=2),
])  # fmt: skip
def test_an_unclear_rate_is_unknown(records):
    found = read(hand.file(records + hand.flow(A, B, flags=2, packets=1200, octets=120_000)))
    assert (found.packets.tolist(), found.sampling_rate.tolist()) == ([1200], [0])


def test_icmp_ports_and_missing_interfaces():
    found = read(hand.file(hand.flow(A, B, protocol=1, ports=(7, 0x0303), interfaces=())))
    assert (found.src_port.tolist(), found.dst_port.tolist(), found.input_if.tolist()) == ([0], [0x0303], [0])


def test_unknown_elements_and_records_are_passed_over():
    counts = Counter()
    unknown = hand.of([(40, b"xxxx")]) + b"\x63\0\x08\0abcd"
    found = read(hand.file(unknown + hand.flow(A, B, more=[(99, bytes(11)), (2, b"short")]) + b"\x0b\0\x02\0" + hand.flow(A, B)), counts)
    assert len(found) == 1
    assert counts == {"not_a_flow": 1, "bad_record": 1}


def test_exporters_are_numbered_by_address():
    found = read(hand.file(hand.exporter("203.0.113.1", 1) + hand.exporter("2001:db8::9", 2) + b"".join(hand.flow(A, B, exporter=n) for n in (2, 1, 3))))
    assert found.exporter.tolist() == [2, 1, 0]


def test_damaged_files_raise_wire_error_or_nothing():
    source = random.Random(11)
    block = hand.exporter("203.0.113.1") + hand.sampler() + (hand.flow(A, B) + hand.flow(A6, B6, flags=2)) * 5
    whole = hand.file(block, block)
    for _ in range(2_000):
        broken = bytearray(whole)
        for _ in range(source.randrange(1, 12)):
            broken[source.randrange(2, len(broken))] = source.randrange(256)
        with suppress(WireError):
            read(bytes(broken), step=500)
