"""The daemon with several engine processes: it finds, explains, reloads and stops as with one, and says loudly when one of them is lost."""

import json
import os
import signal
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.cli.test_run import Process


@pytest.fixture
def shared(config):
    """A daemon of two engine processes, for exporters on this machine."""
    text = config.read_text().replace('exporters = ["192.0.2.1"]', 'exporters = ["127.0.0.1"]')
    config.write_text(text + "[engine]\nworkers = 2\n")
    process = Process(config)
    process.logged("ready")
    yield process
    process.stop()


def children(process):
    pid = process.popen.pid
    found = {
        int(each) for task in Path(f"/proc/{pid}/task").iterdir() for each in (task / "children").read_text().split()
    }
    return sorted(each for each in found if b"shards.child" in Path(f"/proc/{each}/cmdline").read_bytes())


def health(status):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{status['metrics_port']}/healthz", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def metric(status, name):
    with urllib.request.urlopen(f"http://127.0.0.1:{status['metrics_port']}/metrics", timeout=5) as answer:
        (line,) = [line for line in answer.read().decode().splitlines() if line.startswith(f"abusewatch_{name}_total ")]
    return float(line.split()[1])


def test_it_finds_explains_reloads_and_stops(shared, abusewatch, config, root):
    status = json.loads(abusewatch("status", "--config", config, "--json").out)
    assert len(children(shared)) == 2
    abusewatch("export", root / "captures/ssh-login-attack/capture.pcap", "--to", status["sources"][0]["listens"][0])
    ask = (
        "rules",
        "explain",
        "--live",
        "--config",
        config,
        "--offender",
        "198.51.100.10",
        "--rule",
        "ssh-login-attack",
        "--json",
    )
    fired = shared.until(lambda: (ran := abusewatch(*ask)).code == 1 and ran)
    assert json.loads(fired.out)["best"]["group"]["src"] == "198.51.100.10"
    shared.logged("incident opened")
    before = children(shared)
    config.write_text(config.read_text().replace("workers = 2", "workers = 3"))
    shared.popen.send_signal(signal.SIGHUP)
    shared.logged("reloaded")
    shared.until(lambda: len(after := children(shared)) == 3 and not set(after) & set(before))
    config.write_text(config.read_text().replace("workers = 3", "workers = 1"))
    shared.popen.send_signal(signal.SIGHUP)
    shared.logged("reloaded", 2)
    shared.until(lambda: not children(shared))
    assert health(status) == (200, "ok\n")
    assert shared.stop() == 0


def test_what_is_open_is_decided_at_the_stop_and_nobody_is_left(shared, abusewatch, config, root):
    status = json.loads(abusewatch("status", "--config", config, "--json").out)
    sent = json.loads(
        abusewatch(
            "export",
            root / "captures/ssh-login-attack/capture.pcap",
            "--to",
            status["sources"][0]["listens"][0],
            "--json",
        ).out
    )
    shared.until(
        lambda: (
            json.loads(abusewatch("status", "--config", config, "--json").out)["sources"][0]["received"]
            == sent["datagrams"]
        )
    )
    pids = children(shared)
    assert shared.stop() == 0
    assert "incident opened" in [event["event"] for event in shared.events()]
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


@pytest.mark.parametrize("kill", [True, False])
def test_a_lost_engine_process_turns_health_red(shared, abusewatch, config, kill):
    status = json.loads(abusewatch("status", "--config", config, "--json").out)
    first = children(shared)[0]
    if kill:
        os.kill(first, signal.SIGKILL)
        shared.logged("engine process lost, its windows begin empty")
        shared.until(lambda: metric(status, "engine_ends") == 1)
        code, text = health(status)
        assert (code, "engine process" in text) == (503, True)
        (problem,) = json.loads(abusewatch("status", "--config", config, "--json").out)["problems"]
        assert "was lost" in problem
        shared.until(lambda: len(children(shared)) == 2)
        assert first not in children(shared)
    else:
        assert health(status) == (200, "ok\n")
        assert metric(status, "engine_ends") == metric(status, "engine_lost_rows") == 0
