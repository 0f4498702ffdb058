"""Templates and sampling rates survive a restart; a file that was tampered with tells nothing."""

import random
import struct
from contextlib import suppress

import msgspec
import pytest

from abusewatch.wire import remembered
from abusewatch.wire.datagrams import FlowDecoder
from abusewatch.wire.errors import WireError
from tests.wire import exports_by_hand as wire

AT = wire.NOW * 1_000_000
NAMES = {1: "192.0.2.1", 2: "2001:db8::2"}
NUMBERS = {"192.0.2.1": 7, "2001:db8::2": 5}


def told():
    decoder = FlowDecoder()
    options = wire.fset(1, wire.options9(300, [(1, 4)], [(34, 4), (35, 1)])), wire.fset(300, bytes(4) + struct.pack(">IB", 100, 2))
    sampler = wire.fset(3, wire.options10(301, [(302, 8)], [(305, 4), (306, 4)])), wire.fset(301, struct.pack(">QII", 7, 1, 49))
    wire.feed(decoder, [wire.v9(wire.fset(0, wire.template(256, *wire.V4)), *options)], 1)
    wire.feed(decoder, [wire.ipfix(wire.fset(2, wire.template(256, *wire.V4, (302, 8)), wire.template(257, (371, 65535), *wire.V4)), *sampler)], 2)
    return decoder


def test_records_are_read_at_once_after_a_restart():
    """Exporters come back under other numbers."""
    after = FlowDecoder()
    assert after.load(told().save(NAMES.__getitem__, AT), NUMBERS.get, AT + 60_000_000) == 5
    nine = wire.feed(after, [wire.v9(wire.fset(256, wire.flow4()), sequence=5)], 7)
    ten = wire.feed(after, [wire.ipfix(wire.fset(256, wire.flow4() + struct.pack(">Q", 7)), wire.fset(257, b"\x02hi" + wire.flow4()), sequence=9)], 5)
    assert [row["sampling_rate"] for row in wire.rows(nine)] == [100]
    assert sorted(row["sampling_rate"] for row in wire.rows(ten)) == [50, 50]
    assert not nine.counts
    assert not ten.counts
    assert wire.feed(after, [wire.v9(wire.fset(256, wire.flow4()))], 5).batches == (), "nothing crosses to another exporter or version"


def test_what_has_come_since_is_newer():
    after = FlowDecoder()
    wire.feed(after, [wire.v9(wire.fset(0, wire.template(256, (12, 4), (8, 4), *wire.V4[2:])))], 7)
    after.load(told().save(NAMES.__getitem__, AT), NUMBERS.get, AT)
    (row,) = wire.rows(wire.feed(after, [wire.v9(wire.fset(256, wire.flow4()), sequence=1)], 7))
    assert row["src_lo"] & 0xFFFF_FFFF == int.from_bytes(wire.ip(wire.B), "big")


def test_exporters_no_longer_listened_to_are_left_out():
    after = FlowDecoder()
    assert after.load(told().save(NAMES.__getitem__, AT), lambda _: None, AT) == 0
    assert not after.accounts


@pytest.mark.parametrize("later", [-1, remembered.MAX_AGE_US + 1])
def test_too_old_or_of_tomorrow(later):
    with pytest.raises(WireError):
        FlowDecoder().load(told().save(NAMES.__getitem__, AT), NUMBERS.get, AT + later)


def packed(template=(256, False, 0, b"\0\0\0\0\0\x08\0\x04\0\0\0\0\0\x0c\0\x04"), exporter="192.0.2.1", version=9, number=1, **rest):
    rates = {"boot": -1, "default": 0, "told": False, "samplers": {}, "interfaces": {}} | rest
    return msgspec.msgpack.encode([1, AT, [[exporter, version, number, [list(template)], *rates.values()]]])


def test_the_form_is_as_the_hostile_ones_below_have_it():
    assert FlowDecoder().load(packed(), NUMBERS.get, AT) == 1


@pytest.mark.parametrize("content", [
    b"", b"\x93", bytes(100), b"cposix\nsystem\n(S'true'\ntR.",
    packed((255, False, 0, bytes(8))), packed((70_000, False, 0, bytes(8))), packed((256, False, 0, b"abc")),
    packed((256, False, 0, bytes(8))),  # no octets: an endless loop elsewhere
    packed((256, False, 0, b"\0\0\0\0\0\x08\x7f\xff" * 3)),  # longer than any datagram
    packed((256, False, 0, b"\0\0\0\0\0\x08\0\x04" * 257)), packed((256, True, 9, b"\0\0\0\0\0\x08\0\x04")), packed((256, False, 1, b"\0\0\0\0\0\x08\0\x04")),
    packed(version=7), packed(number=-1), packed(default=-5), packed(default=2**40), packed(samplers=dict.fromkeys(range(300), 1)), packed(interfaces={-1: 1}),
    packed(boot=2**50), packed() + b"x",
])  # fmt: skip
def test_hostile_files_are_refused_whole(content):
    decoder = FlowDecoder()
    with pytest.raises(WireError):
        decoder.load(content, NUMBERS.get, AT)
    assert not decoder.accounts


def test_damaged_files_raise_wire_error_or_nothing():
    source, whole = random.Random(4), told().save(NAMES.__getitem__, AT)
    for _ in range(3_000):
        broken = bytearray(whole)
        for _ in range(source.randrange(1, 4)):
            broken[source.randrange(len(broken))] = source.randrange(256)
        decoder = FlowDecoder()
        with suppress(WireError):
            decoder.load(bytes(broken), NUMBERS.get, AT)
        wire.feed(decoder, [wire.v9(wire.fset(256, wire.flow4()))], 7)
