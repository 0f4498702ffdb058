"""The daemon as a process: ready, counted, reloaded, stopped in order; a second one on the same store ends with 75."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest


class Process:
    """A daemon under test and its log."""

    def __init__(self, config, **environment):
        self.config = config
        self.log = config.parent / f"log-{time.monotonic_ns()}"
        with self.log.open("wb") as log:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", "abusewatch.cli", "run", "--config", str(config)],
                stderr=log, stdout=log, cwd=config.parent, env=os.environ | environment,
            )  # fmt: skip

    def events(self):
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def until(self, condition, seconds=20):
        give_up = time.monotonic() + seconds
        while time.monotonic() < give_up:
            if found := condition():
                return found
            if self.popen.poll() is not None:
                break
            time.sleep(0.05)
        raise AssertionError(f"never: {self.log.read_text()}")

    def logged(self, event, count=1):
        return self.until(lambda: len([e for e in self.events() if e["event"] == event]) >= count)

    def stop(self):
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGTERM)
        return self.popen.wait(30)


@pytest.fixture
def daemon(config):
    started = []

    def start(**environment):
        process = Process(config, **environment)
        started.append(process)
        return process

    yield start
    for process in started:
        process.stop()


def test_it_is_ready_answers_and_stops_in_order(daemon, abusewatch, config):
    process = daemon()
    process.logged("ready")
    status = json.loads(abusewatch("status", "--config", config, "--json").out)
    assert status["mode"] == "shadow"
    assert status["problems"] == []
    base = f"http://127.0.0.1:{status['metrics_port']}"
    for path, wanted in (("/", b"metrics"), ("/metrics", b"abusewatch_ready 1.0"), ("/healthz", b"ok")):
        with urllib.request.urlopen(base + path, timeout=5) as answer:
            assert wanted in answer.read()
    assert process.stop() == 0
    assert [event["event"] for event in process.events()][-1] == "stopped"
    assert not (config.parent / "store/control.sock").exists()


def test_an_exporter_not_on_the_list_is_counted_and_not_read(daemon, abusewatch, config, attack):
    process = daemon()
    process.logged("ready")
    (source,) = json.loads(abusewatch("status", "--config", config, "--json").out)["sources"]
    sent = json.loads(abusewatch("export", attack, "--to", source["listens"][0], "--json").out)
    process.until(
        lambda: (
            json.loads(abusewatch("status", "--config", config, "--json").out)["sources"][0]["unlisted"]
            == sent["datagrams"]
        )
    )
    (source,) = json.loads(abusewatch("status", "--config", config, "--json").out)["sources"]
    assert source["records"] == 0
    assert source["received"] == sent["datagrams"]


def test_a_running_daemon_explains_its_windows(daemon, abusewatch, config, root):
    text = config.read_text().replace('exporters = ["192.0.2.1"]', 'exporters = ["127.0.0.1"]')
    config.write_text(text)
    process = daemon()
    process.logged("ready")
    ask = ("rules", "explain", "--live", "--config", config, "--offender", "198.51.100.10")
    empty = abusewatch(*ask)
    assert (empty.code, empty.lines) == (0, ["no window holds a row of 198.51.100.10 now"])
    (source,) = json.loads(abusewatch("status", "--config", config, "--json").out)["sources"]
    abusewatch("export", root / "captures/ssh-login-attack/capture.pcap", "--to", source["listens"][0])
    fired = process.until(lambda: (ran := abusewatch(*ask, "--rule", "ssh-login-attack", "--json")).code == 1 and ran)
    (account,) = map(json.loads, fired.lines)
    assert account["verdict"] == "fired"
    assert account["best"]["group"]["src"] == "198.51.100.10"
    assert len(abusewatch(*ask, "--json").lines) == len(abusewatch("rules", "list").lines) - 1
    assert "in none of the networks named as ours" in abusewatch(*ask[:-1], "203.0.113.10").refused()
    assert "no rule 'nonsense'" in abusewatch(*ask, "--rule", "nonsense").refused()
    assert "name the files to read" in abusewatch(*ask, "some.pcap").refused()


def test_a_reload_with_faults_changes_nothing(daemon, abusewatch, config):
    process = daemon()
    process.logged("ready")
    good = config.read_text()
    config.write_text(
        good.replace("[network]", "[network]\nnonsense = 1").replace("[store]", '[mail]\nmode = "send"\n[store]')
    )
    process.popen.send_signal(signal.SIGHUP)
    process.logged("reload refused, the old configuration stays")
    config.write_text(good)
    assert json.loads(abusewatch("status", "--config", config, "--json").out)["mode"] == "shadow"
    config.write_text(good + '[mail]\nmode = "send"\n')
    process.popen.send_signal(signal.SIGHUP)
    process.logged("reloaded")
    assert json.loads(abusewatch("status", "--config", config, "--json").out)["mode"] == "send"


def test_a_second_daemon_ends_with_75_and_the_first_goes_on(daemon, abusewatch, config):
    first = daemon()
    first.logged("ready")
    second = daemon()
    assert second.popen.wait(30) == 75
    assert second.log.read_text().count("\n") == 1
    assert abusewatch("status", "--config", config).code == 0


def test_systemd_is_told_ready_alive_and_stopping(daemon, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(20)
        process = daemon(NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="400000")
        told = [manager.recv(4096).decode() for _ in range(3)]
        assert told[0].startswith("READY=1\nSTATUS=1 source(s), ")
        assert all(text.startswith("WATCHDOG=1") for text in told[1:])
        process.popen.send_signal(signal.SIGTERM)
        while not (text := manager.recv(4096).decode()).startswith("STOPPING=1"):
            assert text.startswith("WATCHDOG=1")
        assert process.popen.wait(30) == 0


def test_a_secret_reaches_neither_log_nor_status_nor_process_list(daemon, abusewatch, config, tmp_path):
    (tmp_path / "smtp-password").write_text("hunter2-canary")
    config.write_text(config.read_text() + '[mail]\nsmarthost = "localhost"\nusername = "me"\n')
    process = daemon(CREDENTIALS_DIRECTORY=str(tmp_path))
    process.logged("ready")
    proc = Path(f"/proc/{process.popen.pid}")
    shown = (
        abusewatch("status", "--config", config, "--json").out + abusewatch("check", "--config", config, "--show").out
    )
    for text in (shown, (proc / "cmdline").read_text(), (proc / "environ").read_text(), process.log.read_text()):
        assert "hunter2-canary" not in text


def test_the_customers_page_listens_where_it_is_told(daemon, config):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config.write_text(config.read_text() + f'[customer_page]\nlisten = "127.0.0.1:{port}"\nurl = "https://abuse.hosting.example/case/"\n')
    daemon().logged("ready")
    with pytest.raises(urllib.error.HTTPError) as answer:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/nothing", timeout=5)
    assert answer.value.code == 404
    answer.value.close()
    assert (config.parent / "store/customer-page.key").stat().st_mode & 0o777 == 0o600


def test_a_configuration_with_faults_does_not_start(abusewatch, root):
    ran = abusewatch("run", "--config", root / "tests/config/bad/five-faults.toml")
    assert ran.code == 2
    assert len(ran.err.splitlines()) == 7
    assert "Traceback" not in ran.err


def test_a_configuration_without_source_is_one_line(abusewatch, root):
    assert "[[source]]" in abusewatch("run", "--config", root / "tests/config/good/minimal.toml").refused()


def test_a_port_that_is_taken_is_one_line(abusewatch, config):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        config.write_text(
            re.sub(r"listen = .*", f'listen = "127.0.0.1:{other.getsockname()[1]}"', config.read_text(), count=1)
        )
        line = abusewatch("run", "--config", config).refused()
    assert "in use" in line


def test_status_without_a_daemon_is_one_line(abusewatch, config):
    assert "no daemon answers" in abusewatch("status", "--config", config).refused()
