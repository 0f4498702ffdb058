"""The ring's own arithmetic: where a datagram lies, and how the kept ones move together."""

import socket

import numpy as np
import pytest

from abusewatch.sources.ring import NEAR, Ring


@pytest.fixture
def pair():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        receiver.bind(("127.0.0.1", 0))
        sender.connect(receiver.getsockname())
        yield receiver, sender


def test_nothing_waiting_is_zero_and_not_an_error(pair):
    assert Ring(4, 64).receive(pair[0].fileno(), 0, 4) == 0


def test_a_closed_socket_is_an_error():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        number = sock.fileno()
    with pytest.raises(OSError, match="Bad file"):
        Ring(4, 64).receive(number, 0, 4)


def test_reading_starts_at_the_slot_asked_for_and_stops_at_the_count(pair):
    receiver, sender = pair
    for payload in (b"one", b"two", b"three"):
        sender.send(payload)
    ring = Ring(8, 64)
    assert ring.receive(receiver.fileno(), 5, 2) == 2
    assert ring.look(slice(5, 6))[0, :3].tobytes() == b"one"
    assert ring.lengths.tolist() == [0, 0, 0, 0, 0, 3, 3, 0]
    hi, lo = ring.senders(5, 2, socket.AF_INET)
    assert hi.tolist() == [0, 0]
    assert lo.tolist() == [0xFFFF_7F00_0001] * 2


@pytest.mark.parametrize("kept", [[0, 1, 2, 3], [1, 3], [0, 2], [3], []])
def test_kept_datagrams_move_together(pair, kept):
    receiver, sender = pair
    payloads = [b"a", b"bb", b"ccc", b"dddd"]
    for payload in payloads:
        sender.send(payload)
    ring = Ring(8, 64)
    ring.receive(receiver.fileno(), 2, 6)
    ring.keep(2, np.array(kept, np.intp), np.array(kept, np.uint32) + np.uint32(10))
    rows = range(2, 2 + len(kept))
    assert [ring.look(slice(r, r + 1))[0, : ring.lengths[r]].tobytes() for r in rows] == [payloads[k] for k in kept]
    assert [ring.exporter[r] for r in rows] == [k + 10 for k in kept]


@pytest.mark.parametrize("kept", [[0, 1, 2, 3], [1, 2, 3], [3], [2], [0]])
def test_long_datagrams_are_read_whole_whatever_lies_beside_them(pair, kept):
    receiver, sender = pair
    payloads = [b"short", bytes(range(250)) * 30, b"m" * NEAR, b"n" * (NEAR + 1)]
    for payload in payloads:
        sender.send(payload)
    ring = Ring(8, 9216)
    ring.receive(receiver.fileno(), 2, 6)
    ring.keep(2, np.array(kept, np.intp), np.zeros(len(kept), np.uint32))
    seen = ring.look(slice(2, 2 + len(kept)))
    assert [row[:length].tobytes() for row, length in zip(seen, ring.lengths[2:], strict=False)] == [payloads[k] for k in kept]


def test_a_cut_datagram_is_marked(pair):
    receiver, sender = pair
    sender.send(b"x" * 65)
    sender.send(b"x" * 64)
    ring = Ring(4, 64)
    assert ring.receive(receiver.fileno(), 0, 4) == 2
    assert ring.truncated(0, 2).tolist() == [True, False]
