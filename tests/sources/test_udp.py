"""Loopback UDP: everything sent is taken, refused or counted as lost by the kernel, and nothing else."""

import contextlib
import socket
import time

import pytest

from abusewatch.sources.udp import UdpSettings, UdpSource


@contextlib.contextmanager
def running(sockets=(), **settings):
    source = UdpSource(UdpSettings(**({"port": 0, "allow": ("127.0.0.0/8", "::1/128"), "ring_slots": 64} | settings)), sockets=sockets)
    source.start()
    try:
        yield source
    finally:
        source.stop()


def send(source, *payloads, sender=None):
    address = source.addresses[0]
    with socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_DGRAM) as sock:
        if sender:
            sock.bind((sender, 0))
        for payload in payloads:
            sock.sendto(payload, address)


def take(source, wanted, secs=5):
    """Everything that comes until `wanted` datagrams are there, as (exporter text, bytes)."""
    got = []
    deadline = time.monotonic() + secs
    while len(got) < wanted and time.monotonic() < deadline:
        source.wait(0.05)
        taken = source.take(min(10, wanted - len(got)))
        if taken is not None:
            rows = zip(taken.ring, taken.lengths, taken.exporter, strict=True)
            got += [(source.exporters.text(int(e)), r[: int(n)].tobytes()) for r, n, e in rows]
            source.release(len(taken))
    return got


def settle(source, received, secs=5):
    deadline = time.monotonic() + secs
    while source.counts().received < received and time.monotonic() < deadline:
        time.sleep(0.005)
    return source.counts()


def test_datagrams_come_in_order_with_their_sender_and_a_plausible_time():
    payloads = [bytes([i]) * (i + 1) for i in range(200)]  # more than the ring holds: it goes round
    with running() as source:
        before = time.time_ns() // 1000
        got = []
        for start in range(0, 200, 50):
            send(source, *payloads[start : start + 50])
            got += take(source, 50)
        assert got == [("127.0.0.1", p) for p in payloads]
        send(source, b"x")
        assert source.wait(5)
        assert before <= source.take(1).received_us <= time.time_ns() // 1000
        assert source.counts().received == 201
        assert source.counts().waiting == 1


def test_a_sender_not_on_the_list_is_dropped_before_decoding_and_counted():
    with running(allow=("127.0.0.2/32",)) as source:
        send(source, b"a", b"b", sender="127.0.0.3")
        send(source, b"c", sender="127.0.0.2")
        send(source, b"d", sender="127.0.0.3")
        send(source, b"e", sender="127.0.0.2")
        assert take(source, 2) == [("127.0.0.2", b"c"), ("127.0.0.2", b"e")]
        counts = settle(source, 5)
    assert (counts.received, counts.unlisted) == (5, 3)


def test_an_empty_list_means_nobody():
    with running(allow=()) as source:
        send(source, b"a")
        assert settle(source, 1).unlisted == 1
        assert source.take(1) is None


def test_a_datagram_longer_than_the_slot_is_counted_and_dropped():
    with running(slot_bytes=100) as source:
        send(source, b"a" * 100, b"b" * 101, b"c")
        assert [p for _, p in take(source, 2)] == [b"a" * 100, b"c"]
        assert settle(source, 3).oversized == 1


def test_a_jumbo_datagram_and_the_longest_there_is_fit_when_asked_for():
    with running(slot_bytes=65535, ring_slots=4) as source:
        send(source, b"j" * 9000, b"k" * 65507)
        assert [len(p) for _, p in take(source, 2)] == [9000, 65507]


@pytest.mark.usefixtures("ipv6")
def test_ipv6():
    with running(address="::1") as source:
        send(source, b"six")
        assert take(source, 1) == [("::1", b"six")]


def test_a_dual_stack_socket_knows_an_ipv4_exporter_by_its_ipv4_address():
    dual = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    dual.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    dual.bind(("::", 0))
    with running(sockets=[dual]) as source, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"four", ("127.0.0.1", source.addresses[0][1]))
        assert take(source, 1) == [("127.0.0.1", b"four")]


def test_two_sockets_share_one_ring():
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
    for sock in sockets:
        sock.bind(("127.0.0.1", 0))
    with running(sockets=sockets) as source, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for address in source.addresses:
            sender.sendto(str(address[1]).encode(), address)
        assert sorted(p for _, p in take(source, 2)) == sorted(str(a[1]).encode() for a in source.addresses)


def test_what_the_kernel_lost_is_known_to_the_datagram():
    """Row 10 of the reliability table: sent = received + kernel drops, difference 0."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)  # the kernel's minimum: a handful of datagrams
    source = UdpSource(UdpSettings(allow=("127.0.0.1/32",), rcvbuf_bytes=1), sockets=[sock])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for _ in range(1000):
            sender.sendto(b"f" * 200, sock.getsockname())
    source.start()
    try:
        got = len(take(source, 1000, secs=0.5))
        counts = source.counts()
    finally:
        source.stop()
    assert got == counts.received < 1000
    assert counts.received + counts.kernel_drops == 1000
    assert source.counts().kernel_drops == counts.kernel_drops  # still known when the socket is closed


def test_a_full_ring_waits_for_the_worker_and_loses_nothing():
    with running(ring_slots=8) as source:
        payloads = [bytes([i]) for i in range(40)]
        send(source, *payloads)
        deadline = time.monotonic() + 5
        while not source.counts().ring_full and time.monotonic() < deadline:
            time.sleep(0.005)
        assert source.counts().waiting == 8
        assert [p for _, p in take(source, 40)] == payloads


def test_exporters_beyond_the_limit_are_dropped_and_counted():
    with running(max_exporters=1) as source:
        send(source, b"a", sender="127.0.0.2")
        settle(source, 1)
        send(source, b"b", sender="127.0.0.3")
        assert settle(source, 2).exporters_full == 1
        assert take(source, 1) == [("127.0.0.2", b"a")]


def test_the_rest_can_be_taken_after_the_stop():
    with running() as source:
        send(source, b"a", b"b")
        settle(source, 2)
    assert [p for _, p in take(source, 2)] == [b"a", b"b"]


def test_an_address_that_cannot_be_had_fails_at_the_start_and_not_before():
    with running() as first:
        second = UdpSource(UdpSettings(port=first.addresses[0][1]))
        with pytest.raises(OSError, match="in use"):
            second.start()


def test_a_constructed_source_does_nothing():
    source = UdpSource(UdpSettings())
    assert source.addresses == ()
    assert source.take(1) is None
    source.stop()


def test_a_flood_from_nobody_is_dropped_whole():
    """Row T1. What it costs is measured in benchmarks/udp.py."""
    with running(allow=("127.0.0.1/32",), ring_slots=2048, rcvbuf_bytes=64 << 20) as source:
        send(source, *[b"f" * 1400] * 3000, sender="127.0.0.9")
        deadline = time.monotonic() + 5
        while sum((source.counts().unlisted, source.counts().kernel_drops)) < 3000 and time.monotonic() < deadline:
            time.sleep(0.005)
        counts = source.counts()
        assert source.take(1) is None
    assert counts.unlisted + counts.kernel_drops == 3000


def used(source):
    return sum(int(n) > 0 for n in source._ring.lengths)


def test_a_worker_that_keeps_up_uses_few_slots():
    with running() as source:
        for i in range(40):
            send(source, bytes([i + 1]))
            assert [payload for _, payload in take(source, 1)] == [bytes([i + 1])]
        assert used(source) == 1


def test_a_worker_that_is_behind_finds_everything_where_it_was():
    with running() as source:
        send(source, b"first")
        settle(source, 1)
        for i in range(100):  # one always waits: the ring goes round
            send(source, bytes([i + 1]))
            settle(source, i + 2)
            assert take(source, 1)[0][1] == (bytes([i]) if i else b"first")
        assert used(source) == 64
