"""The daemon's end of a feed, with helpers made by hand: who is believed, who is not, and what waits."""

import socket
import time

import pytest

from abusewatch.sources.live import source as module
from abusewatch.sources.live.feed import Counts, message
from abusewatch.sources.live.source import CaptureSettings, CaptureSource
from tests.sources.live.test_feed import packets

PARTIAL = (0,) * 7


def until(true, secs=10):
    end = time.monotonic() + secs
    while not true():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.01)


@pytest.fixture
def capture(tmp_path):
    made = CaptureSource(CaptureSettings("eth0", tmp_path / "deep" / "eth0.sock"), "edge")
    made.start()
    yield made
    made.stop()


def helper(capture):
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    sock.settimeout(5)
    sock.connect(str(capture.settings.feed))
    return sock


def test_packets_and_counts_arrive(capture):
    with helper(capture) as sock:
        sock.send(message("eth0", Counts(100, 0, 0, PARTIAL), packets(60)))
        sock.send(message("eth0", Counts(100, 9, 4, (3, *PARTIAL[1:])), packets(40)))
        until(lambda: capture.waiting == 2)
        batches, when_us = capture.take(10)
    assert [len(batch) for batch in batches] == [60, 40]
    assert abs(when_us / 1e6 - time.time()) < 60
    assert capture.take(10) is None
    assert capture.counts().captured == 100
    assert (capture.counts().ring_lost, capture.counts().feed_lost, capture.counts().partial) == (9, 4, 3)


def test_counts_go_on_over_a_restart_of_the_helper(capture):
    for _ in range(2):
        with helper(capture) as sock:
            sock.send(message("eth0", Counts(50, 2, 1, PARTIAL), packets(0)))
            until(lambda: capture.connected)
            time.sleep(0.1)
        until(lambda: not capture.connected)
    assert (capture.counts().captured, capture.counts().ring_lost, capture.counts().helpers) == (100, 4, 2)


@pytest.mark.parametrize("spoiled", [b"nonsense", message("eth1", Counts(), packets(1)), b"\0" * 120_000])
def test_who_says_nonsense_is_cut_off(capture, spoiled):
    with helper(capture) as sock:
        sock.send(spoiled)
        assert sock.recv(10) == b""
    assert capture.counts().bad == 1
    assert capture.waiting == 0


def test_a_newer_helper_takes_the_place_of_an_older(capture):
    with helper(capture) as old, helper(capture) as new:
        new.send(message("eth0", Counts(5, 0, 0, PARTIAL), packets(5)))
        until(lambda: capture.waiting == 1)
        assert old.recv(10) == b""


def test_while_the_worker_is_behind_the_helper_waits(capture, monkeypatch):
    monkeypatch.setattr(module, "WAITING", 4)
    with helper(capture) as sock:
        sock.setblocking(False)
        sent = 0
        end = time.monotonic() + 1
        while time.monotonic() < end:
            try:
                sock.send(message("eth0", Counts(), packets(2000)))
                sent += 1
            except BlockingIOError:
                time.sleep(0.01)
        assert capture.waiting == 4
        taken = 0
        while taken < sent:
            found = capture.take(10)
            taken += len(found[0]) if found else 0
    assert taken == sent > 4


def test_nobody_captures_is_a_trouble(capture, monkeypatch):
    assert capture.trouble == ""
    monkeypatch.setattr(module, "AWAY_SECS", -1.0)
    assert "no capture helper for eth0" in capture.trouble


def test_a_stale_socket_is_replaced_and_a_folder_that_cannot_be_is_said(tmp_path):
    path = tmp_path / "eth0.sock"
    path.write_bytes(b"")
    again = CaptureSource(CaptureSettings("eth0", path))
    again.start()
    again.stop()
    assert not path.exists()
    path.write_bytes(b"")
    with pytest.raises(OSError, match=r"Not a directory|File exists"):
        CaptureSource(CaptureSettings("eth0", path / "inside.sock")).start()
