"""`abusewatch top`: who fills the link, at a glance, and nothing of what he does with it."""

import json
import socket
import time

import pytest
from click.testing import CliRunner

from abusewatch.cli import top as subject
from abusewatch.cli.top import _short
from tests.cli.test_run import Process
from tests.wire import exports_by_hand as wire

CUSTOMERS = """
[[customer]]
id = "C-1"
prefixes = ["198.51.100.0/28"]

[[customer]]
id = "C-2"
prefixes = ["198.51.100.16/28"]
"""
FIRST, SECOND, PEER = bytes((198, 51, 100, 1)), bytes((198, 51, 100, 17)), bytes((203, 0, 113, 9))


@pytest.fixture
def daemon(config):
    (config.parent / "inventory.toml").write_text(CUSTOMERS)
    text = config.read_text().replace('exporters = ["192.0.2.1"]', 'exporters = ["127.0.0.1"]')
    config.write_text(text.replace("[[source]]", 'inventory = "inventory.toml"\n\n[[source]]', 1))
    process = Process(config)
    process.logged("ready")
    yield process
    process.stop()


def test_it_shows_the_busiest_first(daemon, abusewatch, config):
    def asked(*options):
        return json.loads(abusewatch("top", "--config", config, "--json", *options).out)

    assert asked()["customers"] == []
    assert "nothing has been counted yet" in abusewatch("top", "--config", config).out
    host, _, port = json.loads(abusewatch("sources", "--config", config, "--json").out)["sources"][0]["listens"][0].partition(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        now = int(time.time())
        for n, at in enumerate((now - 60, now)):  # the second closes what the first opened
            rows = [
                (FIRST, PEER, 1000, 80, 6, 10, 5_000, 0, 0, 24), (PEER, FIRST, 80, 1000, 6, 90, 75_000, 0, 0, 24), (SECOND, PEER, 2, 53, 17, 50, 4_000, 0, 0, 0),
            ]  # fmt: skip
            sock.sendto(wire.v5(rows, sequence=n * 3, seconds=at), (host, int(port)))
    found = daemon.until(lambda: (answer := asked())["customers"] and answer)
    assert [one["customer"] for one in found["customers"]] == ["C-1", "C-2"]
    first = found["customers"][0]
    assert first["bits_in_per_sec"] == pytest.approx(15 * first["bits_out_per_sec"], rel=0.01)
    assert found["total"]["packets_out_per_sec"] == pytest.approx(60 / found["secs"], abs=0.1)
    assert [one["customer"] for one in asked("--by", "packets")["customers"]] == ["C-2", "C-1"]
    assert asked("--lines", "1")["not_shown"] == 1
    ran = abusewatch("top", "--config", config)
    assert ran.code == 0
    assert ran.lines[0].split() == ["customer", "bit/s", "out", "in", "packets/s", "out", "in", "flows/s", "out", "in"]
    assert [line.split()[0] for line in ran.lines[1:5]] == ["C-1", "C-2", "(all)", "(transit)"]
    assert "203.0.113.9" not in ran.out + json.dumps(found)
    assert "198.51.100" not in ran.out + json.dumps(found)


def test_without_a_daemon_it_is_one_line(abusewatch, config):
    assert "no daemon answers" in abusewatch("top", "--config", config).refused()


@pytest.mark.parametrize("option", [("--by", "peers"), ("--lines", "0"), ("--every", "0")], ids=" ".join)
def test_what_it_does_not_know_is_one_line(option, abusewatch, config):
    assert option[0] in abusewatch("top", "--config", config, *option).refused()


def test_it_asks_again_until_it_is_interrupted(monkeypatch):
    idle = dict.fromkeys((f"{name}_per_sec" for name in subject.COLUMNS), 0.0)
    asked, slept = [], []

    def ask(path, command, *, words):
        asked.append((str(path), command, words))
        return {"until": "2026-01-05T00:00:00.000Z", "secs": 60.0, "by": "in", "customers": [], "not_shown": 2, "total": idle, "transit": idle}

    def sleep(secs):
        slept.append(secs)
        if len(slept) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(subject, "ask", ask)
    monkeypatch.setattr(subject.time, "sleep", sleep)
    ran = CliRunner().invoke(subject.top, ["--socket", "/run/x.sock", "--by", "in", "--every", "2"])
    assert ran.exit_code == 1
    assert slept == [2, 2, 2]
    assert asked == [("/run/x.sock", "top", {"by": "in", "lines": "20"})] * 3
    assert ran.output.count("60 s of records until 2026-01-05T00:00:00.000Z; 2 more used it") == 3


def test_figures():
    assert [_short(rate) for rate in (0, 0.25, 999.4, 999.6, 1000, 12_345, 999_900, 1.5e9, 2e12)] == ["0", "0.25", "999", "1k", "1k", "12.3k", "1M", "1.5G", "2T"]
