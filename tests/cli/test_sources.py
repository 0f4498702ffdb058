"""`abusewatch sources`: an operator who misses a router sees whether it sends, and what is wrong with what it sends."""

import json
import socket

import pytest

from tests.cli.test_run import Process
from tests.wire import exports_by_hand as wire


@pytest.fixture
def daemon(config):
    config.write_text(config.read_text().replace('exporters = ["192.0.2.1"]', 'exporters = ["127.0.0.1"]'))
    process = Process(config)
    process.logged("ready")
    yield process
    process.stop()


def test_it_shows_who_sends_what(daemon, abusewatch, config):
    def asked():
        (source,) = json.loads(abusewatch("sources", "--config", config, "--json").out)["sources"]
        return source

    host, _, port = asked()["listens"][0].partition(":")
    assert "nothing has come" in abusewatch("sources", "--config", config).out
    for sender, datagram in (
        ("127.0.0.1", wire.v5([(wire.A, wire.B, 1, 2, 6, 1, 40, 0, 0, 0)], sampling=64)),
        ("127.0.0.1", b"\0\x63" + bytes(30)),
        ("127.0.0.9", wire.v5([])),
    ):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind((sender, 0))
            sock.sendto(datagram, (host, int(port)))
    daemon.until(lambda: asked()["received"] == 3 and asked()["exporters"])
    ran = abusewatch("sources", "--config", config)
    assert ran.code == 0
    header, row, *remarks = ran.lines
    assert header.split()[:4] == ["source", "exporter", "version", "domain"]
    assert row.split()[:7] == ["edge", "127.0.0.1", "netflow5", "0", "1", "1", "0"]
    assert "1:64 by the header" in row
    assert any("1 of senders that are not in exporters, the last of them 127.0.0.9" in line for line in remarks)
    assert any("1 unknown_version" in line for line in remarks)


def test_without_a_daemon_it_is_one_line(abusewatch, config):
    assert "no daemon answers" in abusewatch("sources", "--config", config).refused()
