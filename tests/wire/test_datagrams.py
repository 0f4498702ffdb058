"""Datagrams of each version, made by hand: what becomes of them on the hot path and on the reference path."""

import struct

import numpy as np
import pytest

from abusewatch.model import address
from abusewatch.wire.datagrams import FlowDecoder, is_export, split
from abusewatch.wire.errors import REJECTIONS, Reason, WireError
from tests.needs import library
from tests.wire import exports_by_hand as wire


@pytest.fixture
def decoder():
    return FlowDecoder()


def text(row, edge):
    return address.text(row[f"{edge}_hi"], row[f"{edge}_lo"])


def test_netflow5_record(decoder):
    """Times are header time - (uptime - first): 10 s and 4 s before the export."""
    datagram = wire.v5([(wire.A, wire.B, 1234, 22, 6, 7, 700, 90_000, 96_000, 0x12)], sampling=0x4000 | 100, engine=0x0102)
    decoded = wire.feed(decoder, [datagram], exporter=9)
    (row,) = wire.rows(decoded)
    export_us = wire.NOW * 1_000_000 + 500_000
    assert (text(row, "src"), text(row, "dst")) == (wire.A, wire.B)
    assert (row["start_us"], row["end_us"]) == (export_us - 10_000_000, export_us - 4_000_000)
    assert [row[n] for n in ("src_port", "dst_port", "protocol", "flags", "packets", "bytes")] == [1234, 22, 6, 0x12, 7, 700]
    assert [row[n] for n in ("sampling_rate", "input_if", "output_if", "exporter")] == [100, 3, 4, 9]
    assert decoded.batches[0].family == 4
    (account,) = decoder.accounts
    assert (account.exporter, account.version, account.domain, account.records, account.sampling_rate) == (9, 5, 0x0102, 1, 100)
    (record,) = FlowDecoder().records(datagram)
    assert record["source_ipv4_address"] == wire.A
    assert (record["destination_transport_port"], record["octet_delta_count"], record["tcp_control_bits"]) == (22, 700, 0x12)


def test_uptime_wraps(decoder):
    """RFC 3954 has 32 bits of milliseconds; a flow that began before the wrap at 49.7 days still began 20 s ago."""
    datagram = wire.v5([(wire.A, wire.B, 1, 2, 6, 1, 40, 2**32 - 10_000, 5_000, 0)], uptime=10_000)
    (row,) = wire.rows(wire.feed(decoder, [datagram]))
    export_us = wire.NOW * 1_000_000 + 500_000
    assert (row["start_us"], row["end_us"]) == (export_us - 20_000_000, export_us - 5_000_000)


@pytest.mark.parametrize("version", [9, 10])
def test_template_then_data(decoder, version):
    message, number = (wire.v9, 0) if version == 9 else (wire.ipfix, 2)
    first = message(wire.fset(number, wire.template(256, *wire.V4)))
    second = message(wire.fset(256, wire.flow4(), wire.flow4(src_port=1001, flags=0x18)), sequence=1 if version == 9 else 0)
    decoded = wire.feed(decoder, [first, second])
    assert (decoded.datagrams, decoded.records, dict(decoded.counts)) == (2, 2, {})
    one, two = wire.rows(decoded)
    assert (one["src_port"], two["src_port"], two["flags"], one["packets"], one["bytes"]) == (1000, 1001, 0x18, 3, 180)
    assert one["start_us"] == one["end_us"] == wire.NOW * 1_000_000
    assert one["sampling_rate"] == 0, "nobody told"


@pytest.mark.parametrize("together", [True, False])
def test_data_before_its_template_waits(decoder, together):
    """RFC 7011 9 permits to keep it; without it, minutes after each restart would be lost."""
    early, late = wire.v9(wire.fset(256, wire.flow4())), wire.v9(wire.fset(0, wire.template(256, *wire.V4)), sequence=1)
    parts = [[early, late]] if together else [[early], [late]]
    decoded = [wire.feed(decoder, part) for part in parts]
    assert sum(len(wire.rows(d)) for d in decoded) == 1
    assert sum(d.counts.get(Reason.MISSING_TEMPLATE, 0) for d in decoded) == 1
    assert decoder.accounts[0].missing_templates == 1


def swapped(number=256):
    forward = wire.template(number, (8, 4), (12, 4), (7, 2), (11, 2))
    backward = wire.template(number, (12, 4), (8, 4), (11, 2), (7, 2))
    data = wire.fset(number, wire.ip(wire.A) + wire.ip(wire.B) + struct.pack(">HH", 1000, 22))
    return forward, backward, data


@pytest.mark.parametrize("other", ["exporter", "domain", "version"])
def test_a_template_of_another_never_applies(decoder, other):
    """threats.md result 1: else one spoofed template makes the victim the attacker."""
    forward, backward, data = swapped()
    own = wire.v9(wire.fset(0, forward))
    foreign = wire.ipfix(wire.fset(2, backward)) if other == "version" else wire.v9(wire.fset(0, backward), domain=2 if other == "domain" else 1)
    datagrams = [own, foreign, wire.v9(data, sequence=1)]
    (row,) = wire.rows(wire.feed(decoder, datagrams, exporter=[1, 2 if other == "exporter" else 1, 1]))
    assert (text(row, "src"), row["dst_port"]) == (wire.A, 22)


def test_the_swap_is_real():
    """Negative control: a decoder that keys templates by their number alone blames the victim."""
    netflow = library("netflow")
    forward, backward, data = swapped()
    templates = {"netflow": {}, "ipfix": {}}
    for datagram in (wire.v9(wire.fset(0, forward)), wire.v9(wire.fset(0, backward), domain=2)):
        netflow.parse_packet(datagram, templates)
    flow = netflow.parse_packet(wire.v9(data), templates).flows[0].data
    assert flow["IPV4_SRC_ADDR"] == wire.B


def test_a_template_changed_within_a_ring_applies_from_there_on(decoder):
    """Batch sizes must not matter: data before the change is read as it was meant."""
    forward, backward, data = swapped()
    datagrams = [wire.v9(wire.fset(0, forward)), wire.v9(data, sequence=1), wire.v9(wire.fset(0, backward), sequence=2), wire.v9(data, sequence=3)]
    one_by_one = FlowDecoder()
    single = [row for d in datagrams for row in wire.rows(wire.feed(one_by_one, [d]))]
    wire.feed(decoder, datagrams[:1])
    ring = wire.rows(wire.feed(decoder, datagrams[1:]))
    assert sorted(r["dst_port"] for r in single) == sorted(r["dst_port"] for r in ring) == [22, 1000]


@pytest.mark.parametrize("scope", [(1, 4), (1, 0)])
def test_sampling_of_netflow9_options(decoder, scope):
    """Elements 34 and 35 (RFC 3954 8), with a scope System, also of no octets as some send it."""
    options = wire.fset(1, wire.options9(257, [scope], [(34, 4), (35, 1)]))
    told = wire.fset(257, bytes(scope[1]) + struct.pack(">IB", 1000, 2), pad=scope[1] > 0)
    data = wire.fset(256, wire.flow4())
    before = wire.v9(wire.fset(0, wire.template(256, *wire.V4)), data)
    decoded = wire.feed(decoder, [before, wire.v9(options, told, sequence=1), wire.v9(data, sequence=2)])
    assert [r["sampling_rate"] for r in wire.rows(decoded)] == [0, 1000]
    assert decoder.accounts[0].sampling_rate == 1000


def test_sampling_by_selector(decoder):
    """RFC 5477: selector 7 takes 1 and leaves 99; records that name it are of rate 100."""
    options = wire.fset(3, wire.options10(257, [(302, 8)], [(305, 4), (306, 4)]))
    told = wire.fset(257, struct.pack(">QIIQII", 7, 1, 99, 8, 1, 9))
    data = wire.fset(256, *(wire.flow4(src_port=n) + struct.pack(">Q", n) for n in (7, 8, 9)))
    decoded = wire.feed(decoder, [wire.ipfix(wire.fset(2, wire.template(256, *wire.V4, (302, 8))), options, told), wire.ipfix(data, sequence=2)])
    assert {r["src_port"]: r["sampling_rate"] for r in wire.rows(decoded)} == {7: 100, 8: 10, 9: 0}


def test_variable_length_and_enterprise_fields(decoder):
    """RFC 7011 7 and 3.2: a name of 3 octets, one of 300, an unknown enterprise element of reduced size."""
    fields = ((8, 4), (371, 65535), (12, 4), (99, 3, 4242), (1, 3), (2, 1))
    def record(name, octets):
        length = bytes([len(name)]) if len(name) < 255 else b"\xff" + struct.pack(">H", len(name))
        return wire.ip(wire.A) + length + name + wire.ip(wire.B) + b"abc" + octets.to_bytes(3, "big") + b"\x05"
    message = wire.ipfix(wire.fset(2, wire.template(300, *fields)), wire.fset(300, record(b"bob", 70_000), record(b"x" * 300, 1)))
    decoded = wire.feed(decoder, [message])
    assert [(text(r, "dst"), r["bytes"], r["packets"]) for r in wire.rows(decoded)] == [(wire.B, 1, 5), (wire.B, 70_000, 5)]
    first, second = FlowDecoder().records(message)
    assert (first["user_name"], first["enterprise_4242_99"], first["octet_delta_count"]) == ("bob", "616263", 70_000)
    assert second["user_name"] == "x" * 300


def test_biflow_is_two_records(decoder):
    """RFC 5103: elements under enterprise 29305 are the answer's."""
    fields = (*wire.V4, (10, 2), (14, 2), (2, 4, 29305), (1, 4, 29305), (6, 1, 29305))
    with_answer = wire.flow4() + struct.pack(">HHIIB", 3, 4, 2, 90, 0x12)
    without = wire.flow4(dst_port=81) + struct.pack(">HHIIB", 3, 4, 0, 0, 0)
    decoded = wire.feed(decoder, [wire.ipfix(wire.fset(2, wire.template(300, *fields)), wire.fset(300, with_answer, without))])
    assert decoded.records == 2
    there, _, back = sorted(wire.rows(decoded), key=lambda r: (r["src_port"] == 80, r["dst_port"]))
    assert (text(there, "src"), there["flags"], there["packets"]) == (wire.A, 2, 3)
    assert (text(back, "src"), back["src_port"], back["dst_port"], back["packets"], back["bytes"], back["flags"]) == (wire.B, 80, 1000, 2, 90, 0x12)
    assert (back["input_if"], back["output_if"]) == (4, 3)


@pytest.mark.parametrize(("fields", "octets"), [
    (((32, 2),), struct.pack(">H", 0x0301)),
    (((176, 1), (177, 1)), b"\x03\x01"),
    ((), b""),
])  # fmt: skip
def test_icmp_type_and_code(decoder, fields, octets):
    """In elements of their own, together in one, or in the place of a port."""
    flow = wire.flow4(protocol=1, src_port=77, dst_port=0 if fields else 0x0301)
    message = wire.ipfix(wire.fset(2, wire.template(300, *wire.V4, *fields)), wire.fset(300, flow + octets))
    (row,) = wire.rows(wire.feed(decoder, [message]))
    assert (row["src_port"], row["dst_port"]) == (0, 0x0301)


@pytest.mark.parametrize(("fields", "expected"), [(((176, 1), (177, 1)), 0), (((32, 2),), 0x0301)])
def test_icmp_type_zero(decoder, fields, expected):
    """An echo's answer, whose identifier stands in the port's place; or type and code in one that the exporter does not fill."""
    flow = wire.flow4(protocol=1, dst_port=0x0301)
    (row,) = wire.rows(wire.feed(decoder, [wire.ipfix(wire.fset(2, wire.template(300, *wire.V4, *fields)), wire.fset(300, flow + bytes(2)))]))
    assert row["dst_port"] == expected


@pytest.mark.parametrize("length", [54, 65535])
def test_packet_sections_are_read(decoder, length):
    """Elements 315 and 312: the exporter sends the packet's head itself, of fixed or of variable length."""
    data = wire.frame(dst_port=25)
    section = data if length != 65535 else bytes([len(data)]) + data
    message = wire.ipfix(wire.fset(2, wire.template(300, (312, 2), (315, length))), wire.fset(300, struct.pack(">H", 600) + section))
    (row,) = wire.rows(wire.feed(decoder, [message]))
    assert (text(row, "src"), text(row, "dst"), row["dst_port"], row["bytes"], row["packets"], row["flags"]) == (wire.A, wire.B, 25, 600, 1, 2)


def test_ipv6_and_mixed_templates(decoder):
    fields = ((60, 1), (8, 4), (12, 4), (27, 16), (28, 16), (4, 1), (139, 2))
    four = b"\x04" + wire.ip(wire.A) + wire.ip(wire.B) + bytes(32) + b"\x06\0\0"
    six = b"\x06" + bytes(8) + wire.ip("2001:db8::1") + wire.ip("2001:db8::2") + b"\x3a\x80\x00"
    decoded = wire.feed(decoder, [wire.ipfix(wire.fset(2, wire.template(300, *fields)), wire.fset(300, four, six))])
    assert sorted((text(r, "src"), text(r, "dst"), r["dst_port"]) for r in wire.rows(decoded)) == [
        (wire.A, wire.B, 0), ("2001:db8::1", "2001:db8::2", 0x8000),
    ]  # fmt: skip


def test_one_ring_of_all_versions(decoder):
    datagrams = [
        wire.v5([(wire.A, wire.B, 1, 2, 6, 1, 40, 0, 0, 0)]),
        wire.v9(wire.fset(0, wire.template(256, *wire.V4)), wire.fset(256, wire.flow4())),
        wire.ipfix(wire.fset(2, wire.template(256, *wire.V4)), wire.fset(256, wire.flow4())),
        wire.sflow(wire.sample(wire.raw(wire.frame()))),
        b"", b"\0", b"GET / HTTP/1.1\r\n\r\n", bytes(40), wire.v9()[:19], b"\0\x0a\xff\xff" + bytes(20),
    ]  # fmt: skip
    decoded = wire.feed(decoder, datagrams)
    assert decoded.datagrams == decoded.records == len(wire.rows(decoded)) == 4
    assert decoded.counts == {Reason.EMPTY: 1, Reason.UNKNOWN_VERSION: 3, Reason.TRUNCATED: 1, Reason.BAD_LENGTH: 1}
    assert decoded.datagrams + sum(n for reason, n in decoded.counts.items() if reason in REJECTIONS) == len(datagrams)
    assert [a.version for a in decoder.accounts] == [5, 9, 10, 105]


REFUSED = {
    "no octets": (b"", Reason.EMPTY),
    "one octet": (b"\0", Reason.UNKNOWN_VERSION),
    "version 7": (b"\0\x07" + bytes(60), Reason.UNKNOWN_VERSION),
    "v5 cut": (struct.pack(">HH", 5, 30) + bytes(100), Reason.BAD_LENGTH),
    "v9 header cut": (b"\0\x09" + bytes(17), Reason.TRUNCATED),
    "v9 set of 3 octets": (wire.v9(b"\x01\0\0\x03\1\1\1\1"), Reason.BAD_SET),
    "v9 set beyond the end": (wire.v9(b"\x01\0\0\x20\1\1\1\1"), Reason.BAD_SET),
    "ipfix too long": (b"\0\x0a\0\x40" + bytes(20), Reason.BAD_LENGTH),
    "ipfix too short": (b"\0\x0a\0\x08" + bytes(20), Reason.BAD_LENGTH),
    "sflow agent": (struct.pack(">II", 5, 9) + bytes(40), Reason.BAD_LENGTH),
    "sflow cut": (struct.pack(">II", 5, 2) + bytes(20), Reason.TRUNCATED),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_whole(decoder, name):
    datagram, reason = REFUSED[name]
    assert dict(wire.feed(decoder, [datagram]).counts) == {reason: 1}
    with pytest.raises(WireError) as caught:
        list(decoder.records(datagram))
    assert caught.value.reason is reason


def test_a_cut_datagram_is_refused(decoder):
    """The kernel says how long a datagram was, also when the slot held only part of it."""
    octets, lengths = wire.ring([wire.v5([(wire.A, wire.B, 1, 2, 6, 1, 40, 0, 0, 0)])], slot=64)
    decoded = decoder.decode(octets[:, :64], lengths, np.zeros(1, np.uint32))
    assert dict(decoded.counts) == {Reason.TRUNCATED: 1}


def test_every_cut_of_a_datagram_is_counted():
    """Byte by byte: each shorter form is decoded or refused, never an exception, and both paths agree which."""
    whole = wire.ipfix(wire.fset(2, wire.template(300, (371, 65535), *wire.V4)), wire.fset(300, b"\x02hi" + wire.flow4(), pad=False))
    for datagram in (whole, wire.v9(wire.fset(0, wire.template(256, *wire.V4)), wire.fset(256, wire.flow4())), wire.sflow(wire.sample(wire.raw(wire.frame())))):
        for end in range(len(datagram) + 1):
            decoded = wire.feed(FlowDecoder(), [datagram[:end]])
            assert shown_or_refused(datagram[:end]) == (decoded.records if decoded.datagrams else next(iter(decoded.counts)))


def shown_or_refused(datagram):
    try:
        return len(list(FlowDecoder().records(datagram)))
    except WireError as error:
        return error.reason


def test_clocks_are_not_trusted(decoder):
    """Start after end, end in the year 2262, a header of the year 2106: all end up near their receipt, and are counted."""
    fields = (*wire.V4, (152, 8), (153, 8))
    now = wire.NOW * 1000
    spans = [(now - 5000, now - 1000), (now - 1000, now - 5000), (now - 1000, 1 << 43), (0, 0)]
    message = wire.ipfix(wire.fset(2, wire.template(300, *fields)), wire.fset(300, *(wire.flow4(src_port=n) + struct.pack(">QQ", *s) for n, s in enumerate(spans))))
    decoded = wire.feed(decoder, [message, wire.ipfix(seconds=0xFFFF_FFFF, domain=2)])
    rows = {r["src_port"]: (r["start_us"] // 1000 - now, r["end_us"] // 1000 - now) for r in wire.rows(decoded)}
    assert rows == {0: (-5000, -1000), 1: (-5000, -5000), 2: (-1000, 0), 3: (0, 0)}
    assert decoded.counts[Reason.CLOCK] == 3


def test_splitting_files():
    """RFC 5655: a file of IPFIX messages is parted; anything else is one datagram."""
    one, two = wire.ipfix(wire.fset(2, wire.template(256, *wire.V4))), wire.ipfix(wire.fset(256, wire.flow4()))
    assert split(one + two) == [one, two]
    assert split(one + b"junk") == [one + b"junk"]
    assert split(wire.v9()) == [wire.v9()]
    assert [is_export(d) for d in (one, wire.v9(), wire.v5([]), wire.sflow(), b"\0\x09", b"\0\0\0\5" + bytes(40))] == [True] * 4 + [False] * 2
