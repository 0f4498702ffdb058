"""The compiled walk and parse against their twins in numpy: the same frames, the same columns, the same faults, whatever the bytes."""

import os
import random
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abusewatch.wire import linktypes, packet, pcap, pcapng
from abusewatch.wire.errors import WireError
from abusewatch.wire.frames import Frames
from abusewatch.wire.linktypes import LINK_TYPES
from abusewatch.wire.packet import Headers
from tests.wire import frames_by_hand as hand
from tests.wire.test_tunnels import TUNNELS

ROUNDS = int(os.environ.get("ABUSEWATCH_FUZZ_ROUNDS", "300"))
LINKS = sorted(LINK_TYPES)

pytestmark = pytest.mark.compiled("abusewatch.wire._packets")


class Numpy:
    """Inside it the twins are used."""

    def __enter__(self):
        self.kernel = packet.KERNEL
        packet.KERNEL = pcap.KERNEL = pcapng.KERNEL = None

    def __exit__(self, *_):
        packet.KERNEL = pcap.KERNEL = pcapng.KERNEL = self.kernel


def same_headers(buffer, offset, captured, linktype, original=None):
    compiled = packet.parse(buffer, offset, captured, linktype, original)
    with Numpy():
        twin = packet.parse(buffer, offset, captured, linktype, original)
    for each in fields(Headers):
        a, b = getattr(compiled, each.name), getattr(twin, each.name)
        assert np.array_equal(a, b), (each.name, linktype, np.flatnonzero(a != b)[:5].tolist())
        assert getattr(a, "dtype", None) == getattr(b, "dtype", None)


def walked(walk, data, size):
    """The frames as one value per column, with the bytes themselves, and the fault."""
    found = {each.name: [] for each in fields(Frames)}
    fault = None
    try:
        for frames in walk([data[i : i + size] for i in range(0, len(data), size)]):
            found["buffer"] += [frames.buffer[a : a + n].tobytes() for a, n in zip(frames.offset.tolist(), frames.captured.tolist(), strict=True)]
            for name in ("captured", "original", "time_us", "linktype", "number"):
                found[name] += getattr(frames, name).tolist()
            for kind in set(frames.linktype.tolist()):
                rows = np.flatnonzero(frames.linktype == kind)
                same_headers(frames.buffer, frames.offset[rows], frames.captured[rows], kind, frames.original[rows])
    except WireError as error:
        fault = str(error)
    return found, fault


def same_frames(walk, data, size):
    compiled = walked(walk, data, size)
    with Numpy():
        twin = walked(walk, data, size)
    assert compiled == twin


def test_the_numbers_are_those_of_the_twin():
    assert frozenset(LINK_TYPES) == packet.KERNEL.LINKS
    assert (linktypes.MAX_SHIMS, pcapng.SHORTEST[pcapng.ENHANCED_PACKET]) == (8, 32)


LAYERS = [
    hand.ethernet(hand.ipv4(hand.tcp(), options=bytes(8)), tags=[(0x88A8, 1), (0x8100, 2)]),
    hand.ethernet(hand.ipv6(bytes([6, 0]) + bytes(6) + hand.tcp(), following=60), 0x86DD),
    hand.ethernet(hand.ipv6(bytes([44, 0]) + bytes(6) + bytes([17, 0, 0, 9]) + bytes(4) + hand.udp(), following=0), 0x86DD),
    hand.ethernet(hand.ipv4(hand.udp(), 17, total=0)),
    hand.ethernet(hand.ipv4(bytes([8, 0, 1, 2]), 1)),
    b"\xaa\xaa\x03\0\0\0\x08\0".join([bytes(12) + b"\0\x30", hand.ipv4(hand.tcp())]),
    *(outer for outer, _, _ in TUNNELS.values()),
]  # fmt: skip
OCTET = st.sampled_from((0, 1, 6, 17, 43, 44, 45, 51, 58, 59, 60, 0x45, 0x60, 0x81, 0x86, 0x88, 0xDD, 0xFF)) | st.integers(0, 255)
CHANGED = st.tuples(st.sampled_from(LAYERS), st.lists(st.tuples(st.integers(0, 90), OCTET), max_size=6), st.integers(0, 100), st.integers(0, 70_000))


@given(st.lists(CHANGED, max_size=12), st.sampled_from([1, *LINKS]), st.booleans())
@settings(deadline=None, max_examples=300)
def test_headers_of_changed_packets(changed, linktype, said):
    parts, captured, original = [], [], []
    for layer, edits, cut, length in changed:
        part = bytearray(layer)
        for at, octet in edits:
            part[at % len(part)] = octet
        parts.append(bytes(part))
        captured.append(min(cut, len(part)))
        original.append(length)
    offset = np.cumsum([0, *map(len, parts)])[:-1].astype(np.int64)
    same_headers(np.frombuffer(b"".join(parts), np.uint8), offset, np.array(captured, np.int64), linktype, np.array(original, np.int64) if said else None)


@given(st.binary(max_size=400), st.sampled_from(LINKS), st.lists(st.tuples(st.integers(0, 399), st.integers(0, 200)), max_size=8))
@settings(deadline=None, max_examples=200)
def test_headers_of_any_bytes(data, linktype, frames):
    frames = [(at, min(length, len(data) - at)) for at, length in frames if at <= len(data)]
    same_headers(np.frombuffer(data, np.uint8), np.array([at for at, _ in frames], np.int64), np.array([n for _, n in frames], np.int64), linktype)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("magic", [0xA1B2C3D4, 0xA1B23C4D])
@pytest.mark.parametrize("size", [7, 64, 10**6])
def test_records_of_a_capture(order, magic, size):
    data = hand.pcap([(part, len(part) + 9) for part in LAYERS] * 3, order=order, magic=magic)
    for end in (len(data), len(data) - 1, 24, 30, 41):
        same_frames(pcap.frames, data[:end], size)
    same_frames(pcap.frames, data + b"\xff" * 16 + data, size)


@pytest.mark.parametrize("size", [16, 10**6])
def test_more_records_than_a_batch_holds(size, monkeypatch):
    monkeypatch.setattr(pcap, "ROWS", 4)
    monkeypatch.setattr(pcapng, "ROWS", 4)
    monkeypatch.setattr(pcapng, "LEFT", 3)
    same_frames(pcap.frames, hand.pcap(LAYERS * 3), size)
    same_frames(pcapng.frames, blocks("<") * 2, size)


def blocks(order):
    fine = hand.option(9, b"\x09", order) + hand.option(14, bytes(8), order)
    packets = b"".join(hand.enhanced(part, 10**18 + n, n % 2, order) for n, part in enumerate(LAYERS))
    odd = hand.block(5, bytes(8), order) + hand.simple(LAYERS[0], order) + hand.old_packet(LAYERS[1], 10**15, 0, order)
    return hand.section(order) + hand.interface(order=order) + hand.interface(101, 60, fine, order) + packets + odd + packets + hand.interface(order=order)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("size", [33, 10**6])
def test_blocks_of_a_capture(order, size):
    data = blocks(order) + blocks("<")
    for end in (len(data), len(data) - 1, 40, 100):
        same_frames(pcapng.frames, data[:end], size)
    wrong_length = bytearray(hand.enhanced(LAYERS[0], 1, 0, order))
    wrong_length[-1] ^= 1
    for bad in (hand.enhanced(LAYERS[0], 1, 9, order), bytes(wrong_length), hand.block(6, bytes(16), order), hand.block(6, bytes(20) + b"\xff" * 8, order)):
        same_frames(pcapng.frames, blocks(order) + bad + blocks(order), size)


@pytest.mark.fuzz
def test_broken_captures():
    chance = random.Random(11)
    for _ in range(ROUNDS):
        walk, data = chance.choice(((pcap.frames, hand.pcap(LAYERS)), (pcapng.frames, blocks(chance.choice("<>")))))
        data = bytearray(data)
        for _ in range(chance.randint(0, 6)):
            data[chance.randrange(len(data))] = chance.choice((0, 1, 4, 127, 255, chance.randrange(256)))
        same_frames(walk, bytes(data[: chance.randint(0, len(data))]), chance.choice((33, 200, 10**6)))


@pytest.mark.corpus
@pytest.mark.parametrize("folder", ["attacks", "benign", "format"])
def test_captures_of_others(corpus, folder):
    seen = 0
    for path in sorted((corpus / folder).iterdir()):
        with path.open("rb") as file:
            data = file.read(8 << 20)
        walk = pcap.frames if data[:4] in pcap.MAGICS else pcapng.frames if data[:4] == pcapng.SECTION_MAGIC else None
        if walk is not None:
            seen += 1
            same_frames(walk, data, 1 << 20)
    assert seen > 5
