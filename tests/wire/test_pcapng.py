"""pcapng: sections, interfaces, three kinds of packet block, any chunking, every cut, every lie."""

import os
import random
import struct

import pytest

from abusewatch.wire import pcapng
from abusewatch.wire.errors import Reason, WireError
from tests.wire import frames_by_hand as hand

ROUNDS = int(os.environ.get("ABUSEWATCH_FUZZ_ROUNDS", "300"))
PACKET = hand.ethernet(hand.ipv4(hand.tcp()))
STAMP = 1_700_000_000_123_456


def read(data, size=None):
    chunks = [data] if size is None else [data[n : n + size] for n in range(0, len(data), size)]
    found = []
    try:
        for frames in pcapng.frames(chunks):
            for row in range(len(frames)):
                start = int(frames.offset[row])
                content = frames.buffer[start : start + int(frames.captured[row])].tobytes()
                found.append((int(frames.number[row]), int(frames.time_us[row]), int(frames.linktype[row]), content))
    except WireError as error:
        return found, error
    return found, None


@pytest.mark.parametrize("order", "<>")
def test_orders(order):
    data = hand.section(order) + hand.interface(order=order) + hand.enhanced(PACKET, STAMP, order=order) + hand.old_packet(PACKET, STAMP + 1, order=order)
    assert read(data) == ([(1, STAMP, 1, PACKET), (2, STAMP + 1, 1, PACKET)], None)


def test_sections_of_both_orders_in_one_file():
    data = b"".join(hand.section(o) + hand.interface(kind, order=o) + hand.enhanced(PACKET, STAMP, order=o) for o, kind in (("<", 1), (">", 101)))
    assert [(row[0], row[2]) for row in read(data)[0]] == [(1, 1), (2, 101)]


def test_interfaces_unknown_blocks_and_simple_packets():
    """A simple packet has no time of its own and takes that of the one before it; it is cut at its interface's snap length."""
    data = (
        hand.section() + hand.block(0x0BAD, b"x" * 33) + hand.interface(1, snap=20) + hand.interface(113)
        + hand.enhanced(PACKET, STAMP, 1) + hand.simple(PACKET[:20], original=54) + hand.block(5, bytes(12)) + hand.enhanced(PACKET, STAMP + 9, 0)
    )  # fmt: skip
    assert read(data) == ([(1, STAMP, 113, PACKET), (2, STAMP, 1, PACKET[:20]), (3, STAMP + 9, 1, PACKET)], None)


@pytest.mark.parametrize("size", [1, 13, 4096])
def test_chunks_do_not_matter(size):
    data = (hand.section() + hand.interface() + hand.enhanced(PACKET, STAMP) + hand.simple(PACKET)) * 3
    assert read(data, size) == read(data)
    assert [row[0] for row in read(data)[0]] == [1, 2, 3, 4, 5, 6]


def test_every_cut():
    blocks = [hand.section(), hand.interface(), hand.enhanced(PACKET, STAMP), hand.enhanced(PACKET, STAMP + 1)]
    data = b"".join(blocks)
    ends = [sum(map(len, blocks[: n + 1])) for n in range(4)]
    for end in range(len(data) + 1):
        found, error = read(data[:end])
        assert len(found) == sum(e <= end for e in ends[2:])
        if end < 12:
            assert error.reason is Reason.NOT_A_CAPTURE
        else:
            assert (error is None) == (end in ends)
            assert error is None or error.reason is Reason.TRUNCATED


@pytest.mark.parametrize(("bad", "reason"), [
    (struct.pack("<II", 6, 16) + bytes(8), Reason.BAD_BLOCK),
    (struct.pack("<II", 6, 0) + bytes(8), Reason.BAD_BLOCK),
    (struct.pack("<II", 99, 13) + bytes(8), Reason.BAD_BLOCK),
    (struct.pack("<II", 99, 0xFFFFFFFC) + bytes(8), Reason.TOO_LARGE),
    (hand.enhanced(PACKET, 1)[:-4] + bytes(4), Reason.BAD_BLOCK),
    (hand.enhanced(PACKET, 1, number=7), Reason.BAD_BLOCK),
    (hand.block(6, struct.pack("<IIIII", 0, 0, 0, 999, 999) + PACKET), Reason.BAD_BLOCK),
    (hand.interface(options=hand.option(9, b"\x20")), Reason.BAD_BLOCK),
    (hand.interface(options=struct.pack("<HH", 9, 900)), Reason.BAD_BLOCK),
    (hand.section()[:8] + bytes(20), Reason.BAD_BLOCK),
])  # fmt: skip
def test_a_bad_block_ends_the_file_with_its_place(bad, reason):
    good = hand.section() + hand.interface() + hand.enhanced(PACKET, STAMP)
    found, error = read(good + bad + hand.enhanced(PACKET, STAMP))
    assert [row[0] for row in found] == [1]
    assert error.reason is reason
    assert f"byte {len(good)}" in str(error)


@pytest.mark.fuzz
def test_mutations_raise_nothing_else():
    chance = random.Random(5)
    seed = (hand.section() + hand.interface(options=hand.option(9, b"\x09") + hand.option(14, bytes(8))) + hand.enhanced(PACKET, STAMP) + hand.simple(PACKET)) * 2
    for _ in range(ROUNDS * 10):
        data = bytearray(seed)
        for _ in range(chance.randint(1, 8)):
            data[chance.randrange(len(data))] = chance.choice((0, 1, 127, 128, 255, chance.randrange(256)))
        read(bytes(data[: chance.randint(0, len(data))]), chance.choice((None, 33)))
