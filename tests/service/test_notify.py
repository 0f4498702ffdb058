"""systemd is told what we say, and nobody else is."""

import os
import socket

import pytest

from abusewatch.service.notify import notify, watchdog_secs


@pytest.fixture
def manager(tmp_path, monkeypatch):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
        sock.settimeout(2)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield sock


def test_states_are_lines_of_one_datagram(manager):
    assert notify("READY=1", "STATUS=fine")
    assert manager.recv(4096) == b"READY=1\nSTATUS=fine"


def test_without_a_manager_nothing_happens(monkeypatch):
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert not notify("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", "/nonexistent/notify")
    assert not notify("READY=1")


def test_an_abstract_address_works(monkeypatch):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(f"\0abusewatch-test-{os.getpid()}")
        sock.settimeout(2)
        monkeypatch.setenv("NOTIFY_SOCKET", f"@abusewatch-test-{os.getpid()}")
        assert notify("WATCHDOG=1")
        assert sock.recv(100) == b"WATCHDOG=1"


@pytest.mark.parametrize(
    ("usec", "pid", "secs"),
    [
        ("30000000", "", 15.0),
        ("30000000", "own", 15.0),
        ("30000000", "1", None),
        ("", "", None),
        ("x", "", None),
    ],
)
def test_half_the_watchdog_time_of_this_process(monkeypatch, usec, pid, secs):
    monkeypatch.setenv("WATCHDOG_USEC", usec)
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()) if pid == "own" else pid)
    assert watchdog_secs() == secs
