"""Sending: everything goes out once, to either family, at the pace asked for."""

import socket
import time

import numpy as np
import pytest

from abusewatch.model.flow import batch_of
from abusewatch.sources.encode import Datagram, encode
from abusewatch.sources.export import send


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_all_of_it_arrives(host, request):
    family = socket.AF_INET
    if ":" in host:
        request.getfixturevalue("ipv6")
        family = socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as receiver:
        receiver.bind((host, 0))
        receiver.settimeout(5)
        payloads = [bytes([n]) for n in range(50)]
        sent = send((Datagram(p, 0, 2) for p in payloads), (host, receiver.getsockname()[1]))
        assert [receiver.recv(10) for _ in payloads] == payloads
    assert (sent.datagrams, sent.records, sent.skipped) == (50, 100, {})


def test_what_was_skipped_is_reported():
    six = batch_of(5, src_hi=np.full(5, 1 << 61), dst_hi=np.full(5, 1 << 61))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        sent = send(encode([six], "netflow5", packets=False), receiver.getsockname())
    assert (sent.datagrams, list(sent.skipped.values())) == (0, [5])


def test_speed_is_a_multiple_of_real_time(monkeypatch):
    """Ten seconds of events at fifty times real time take a fifth of a second; no clock but the fake one runs."""
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(time, "sleep", lambda secs: clock.__setitem__(0, clock[0] + secs))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        place = receiver.getsockname()
        send([Datagram(b"", 5_000_000, 1), Datagram(b"", 15_000_000, 1), Datagram(b"", 14_000_000, 1)], place, speed=50)
        assert clock[0] == pytest.approx(100.2)
        send([Datagram(b"", 0, 1)] * 2000, place)
        assert clock[0] == pytest.approx(100.2 + 2000 / 20_000, abs=0.01)


def test_an_address_that_is_none_is_an_os_error():
    with pytest.raises(OSError, match=r"Name or service not known|No address|Temporary failure"):
        send([], ("no.such.host.invalid", 2055))
