"""The walk over a block of the kernel's ring, made by hand; the ring itself is tested on a cable (test_helper.py)."""

import struct

import numpy as np
import pytest

from abusewatch.sources.live import ring
from abusewatch.sources.live.ring import PacketRing, walk
from tests.needs import kernel


def block(*frames, size=4096):
    """(captured octets, length on the wire, seconds, nanoseconds), as <linux/if_packet.h> lays them out."""
    out = bytearray(48)
    for data, original, seconds, nanos in frames:
        room = -(-(82 + len(data)) // 16) * 16
        head = struct.pack("=IIIIIIHH", room, seconds, nanos, len(data), original, 0, 82, 96)
        out += (head + bytes(82 - len(head)) + data).ljust(room, b"\0")
    return np.frombuffer(bytes(out).ljust(size, b"\0"), np.uint8)


FRAMES = [(b"a" * 54, 1500, 1_700_000_000, 999_999_999), (b"b" * 42, 42, 1_700_000_001, 1_000)]


@pytest.fixture(params=["numpy", "compiled"])
def kind(request, monkeypatch):
    if request.param == "numpy":
        monkeypatch.setattr(ring, "KERNEL", None)
    else:
        kernel("abusewatch.sources._flow_cache")


def test_frames_of_a_block(kind):
    data = block(*FRAMES)
    offset, captured, original, time_us = walk(data, 48, 2).tolist()
    assert [data[a : a + n].tobytes() for a, n in zip(offset, captured, strict=True)] == [b"a" * 54, b"b" * 42]
    assert original == [1500, 42]
    assert time_us == [1_700_000_000_999_999, 1_700_000_001_000_001]


def test_a_frame_outside_its_block_is_none(kind):
    assert walk(block(*FRAMES, size=300)[:250], 48, 2).shape == (4, 1)
    assert walk(block(*FRAMES)[:100], 48, 2).shape == (4, 0)
    assert walk(block(), 48, 0).shape == (4, 0)


def test_no_such_interface():
    with pytest.raises(OSError, match=r"."):
        PacketRing("no-such-if0")
