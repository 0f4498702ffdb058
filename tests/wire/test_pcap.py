"""pcap: every byte order and clock, any chunking, every cut, every lie about a length."""

import os
import random
import struct

import pytest

from abusewatch.wire import pcap
from abusewatch.wire.errors import Reason, WireError
from tests.wire import frames_by_hand as hand

ROUNDS = int(os.environ.get("ABUSEWATCH_FUZZ_ROUNDS", "300"))
PACKETS = [hand.ethernet(hand.ipv4(hand.tcp())), b"", hand.ethernet(hand.ipv6(hand.tcp()), 0x86DD)]


def read(data, size=None):
    """Frames as (number, time, original, bytes) and the error that ended them, if any."""
    chunks = [data] if size is None else [data[n : n + size] for n in range(0, len(data), size)]
    found = []
    try:
        for frames in pcap.frames(chunks):
            for row in range(len(frames)):
                start = int(frames.offset[row])
                content = frames.buffer[start : start + int(frames.captured[row])].tobytes()
                found.append((int(frames.number[row]), int(frames.time_us[row]), int(frames.original[row]), int(frames.linktype[row]), content))
    except WireError as error:
        return found, error
    return found, None


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(("magic", "fraction"), [(0xA1B2C3D4, 123_456), (0xA1B23C4D, 123_456_789)])
def test_orders_and_clocks(order, magic, fraction):
    data = hand.pcap([PACKETS[0]], order, magic, 101, [(1_700_000_000, fraction)])
    assert read(data) == ([(1, 1_700_000_000_123_456, 54, 101, PACKETS[0])], None)


@pytest.mark.parametrize("size", [1, 7, 64, 100_000])
def test_chunks_do_not_matter(size):
    data = hand.pcap([*PACKETS, (PACKETS[0][:20], 1500)])
    assert read(data, size) == read(data)
    assert [row[2] for row in read(data)[0]] == [54, 0, 74, 1500]


def test_every_cut():
    """What came whole is given; a file cut in a record says so; cut between records it is a shorter file."""
    data = hand.pcap(PACKETS)
    ends = [24, 24 + 16 + 54, 24 + 16 + 54 + 16, len(data)]
    for end in range(len(data) + 1):
        found, error = read(data[:end])
        assert found == read(data)[0][: max(0, sum(e <= end for e in ends) - 1)]
        if end < 4:
            assert error.reason is Reason.NOT_A_CAPTURE
        else:
            assert (error is None) == (end in ends)
            assert error is None or error.reason is Reason.TRUNCATED


def test_an_absurd_length_ends_the_file_with_its_place():
    data = hand.pcap([PACKETS[0]]) + struct.pack("<IIII", 1, 2, 262_145, 262_145) + bytes(100)
    found, error = read(data)
    assert len(found) == 1
    assert error.reason is Reason.TOO_LARGE
    assert "packet 2" in str(error)
    assert f"byte {24 + 16 + 54}" in str(error)


def test_a_million_empty_records():
    """Zero-length records must cost no more than others (dpkt needs 8 s)."""
    data = hand.pcap([]) + bytes(16) * 1_000_000
    assert sum(len(frames) for frames in pcap.frames(data[n : n + (4 << 20)] for n in range(0, len(data), 4 << 20))) == 1_000_000


@pytest.mark.fuzz
def test_mutations_raise_nothing_else():
    chance = random.Random(3)
    seed = hand.pcap(PACKETS * 3)
    for _ in range(ROUNDS * 10):
        data = bytearray(seed)
        for _ in range(chance.randint(1, 8)):
            data[chance.randrange(len(data))] = chance.choice((0, 1, 127, 128, 255, chance.randrange(256)))
        read(bytes(data[: chance.randint(0, len(data))]), chance.choice((None, 33)))
