"""Packets on a cable to findings in the daemon, through the real kernel, a real helper process and its feed."""

import contextlib
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from abusewatch.cli.inputs import Inputs
from abusewatch.cli.judge import judge, taken
from abusewatch.config.assemble import rule_set
from abusewatch.inventory import of_prefixes
from abusewatch.pipeline import Pipeline
from abusewatch.service.feed import Feed
from abusewatch.service.intake import Intake
from abusewatch.sources.live.source import CaptureSettings, CaptureSource
from abusewatch.telemetry import Telemetry
from tests.needs import need
from tests.wire import frames_by_hand as hand

OWN = "198.51.100.0/24"
MARKER = b"PAYLOAD-THAT-MUST-NOT-TRAVEL"


def until(true, secs=15):
    end = time.monotonic() + secs
    while not true():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.02)


@contextlib.contextmanager
def daemon(*sources, rules=()):
    found = []
    intake = Intake([Feed(source, 0, n) for n, source in enumerate(sources)], Pipeline(rules, of_prefixes([OWN]), found.extend), Telemetry())
    intake.start()
    try:
        yield intake, found
    finally:
        intake.stop(20)


def source(tmp_path, interface="awb0"):
    return CaptureSource(CaptureSettings(interface, tmp_path / f"{interface}.sock"), interface)


@contextlib.contextmanager
def running(process):
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
        process.communicate()


def udp(n, payload=MARKER):
    return hand.ethernet(hand.ipv4(hand.udp(40000, 1 + n % 60000, payload), 17, src=f"198.51.100.{n % 200 + 1}"))


def flood(count):
    """UDP to one host, a SYN each to many hosts, and their refusals."""
    frames = []
    for n in range(count):
        frames.append(hand.ethernet(hand.ipv4(hand.udp(40000, 7777, MARKER * 8), 17)))
        if n % 4 == 0:
            target = f"203.0.{113 + n // 900}.{n // 4 % 250 + 1}"
            frames.append(hand.ethernet(hand.ipv4(hand.tcp(50000 + n % 999, 23, 2), src="198.51.100.9", dst=target)))
            frames.append(hand.ethernet(hand.ipv4(hand.tcp(23, 50000 + n % 999, 20), src=target, dst="198.51.100.9")))
    return frames


def plain(detections):
    """A finding without its microseconds, which two readers of one interface do not share, and without frames, which a live one has not."""
    found = {}
    for detection in detections:
        told = json.loads(json.dumps({name: getattr(detection.finding, name) for name in (
            "rule", "offender", "targets", "flows", "packets", "bytes", "severity", "basis", "target_ports", "coverage")}))  # fmt: skip
        found[told["rule"], told["offender"]] = told
    return found


def test_findings_are_those_of_a_replay_of_the_same_packets(cable, tmp_path):
    """tcpdump reads the same interface at the same time; its file is then replayed."""
    need("tcpdump")
    rules, _ = rule_set(None, (), [])
    capture = source(tmp_path)
    dump = cable.start("tcpdump", "-i", "awb0", "-U", "--immediate-mode", "-B", "65536", "-w", tmp_path / "same.pcap")
    with running(dump), daemon(capture, rules=rules) as (_, found), running(cable.helper(capture.settings.feed)):
        until(lambda: capture.connected and (tmp_path / "same.pcap").exists())
        frames = flood(4000)
        cable.send(tmp_path, frames, 1500)
        until(lambda: capture.counts().captured >= len(frames))
        time.sleep(0.5)
    verdict = judge(taken(Inputs([str(tmp_path / "same.pcap")])), rules, of_prefixes([OWN]))
    assert capture.counts().captured == len(frames)
    assert plain(found) == plain(verdict.detections)
    assert {"udp-flood"} <= {rule for rule, _ in plain(found)}


def test_everything_sent_is_captured_or_counted(cable, tmp_path):
    """A ring of one block and a daemon that does not take: what the kernel and the helper give up is known to the packet."""
    capture = source(tmp_path)
    frames = [udp(n) for n in range(60_000)]
    with daemon(capture), running(cable.helper(capture.settings.feed, "awb0", "--ring-mb", "1")) as helper:
        until(lambda: capture.connected)
        helper.send_signal(signal.SIGSTOP)
        cable.send(tmp_path, frames, 1e9)
        helper.send_signal(signal.SIGCONT)
        until(lambda: capture.counts().captured + capture.counts().ring_lost == len(frames))
        assert capture.counts().ring_lost > 1000
        assert capture.counts().feed_lost == 0


def test_a_helper_may_die_and_come_back_and_there_may_be_two(cable, tmp_path):
    first, second = source(tmp_path), source(tmp_path, "awb1")
    with daemon(first, second) as (intake, _), running(cable.helper(second.settings.feed, "awb1")):
        with running(cable.helper(first.settings.feed)) as helper:
            until(lambda: first.connected and second.connected)
            cable.send(tmp_path, [udp(n) for n in range(500)], 1e9)
            until(lambda: first.counts().captured == 500)
            helper.kill()
            until(lambda: not first.connected)
        with running(cable.helper(first.settings.feed)):
            until(lambda: first.connected)
            cable.send(tmp_path, [udp(n) for n in range(300)], 1e9)
            cable.send(tmp_path, [udp(n) for n in range(200)], 1e9, "awa1")
            until(lambda: first.counts().captured == 800 and second.counts().captured == 200)
        assert first.counts().helpers == 2
        assert intake.troubles == []


def test_a_daemon_may_go_and_come_back(cable, tmp_path):
    before = source(tmp_path)
    with running(cable.helper(before.settings.feed)) as helper:
        with daemon(before):
            until(lambda: before.connected)
        cable.send(tmp_path, [udp(n) for n in range(400)], 1e9)
        time.sleep(0.5)
        after = source(tmp_path)
        with daemon(after):
            until(lambda: after.connected)
            cable.send(tmp_path, [udp(n) for n in range(300)], 1e9)
            until(lambda: after.counts().captured == 700)
            assert after.counts().feed_lost == 400  # nobody was there to take them
        assert helper.poll() is None


def test_payload_stays_with_the_kernel(cable, tmp_path):
    """The marker is in every frame; neither the helper's memory nor the feed ever has it."""
    capture = source(tmp_path)
    with daemon(capture), running(cable.helper(capture.settings.feed)) as helper:
        until(lambda: capture.connected)
        cable.send(tmp_path, [udp(n) for n in range(2000)], 1e9)
        until(lambda: capture.counts().captured == 2000)
        held = memory(helper.pid)
        assert MARKER not in held
        assert hand.ipv4(b"", 17)[12:20] in held  # addresses it has


def memory(pid):
    """All that a process holds, its ring included."""
    out = []
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as mem:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            span, rights, *_ = line.split()
            first, last = (int(part, 16) for part in span.split("-"))
            if rights.startswith("rw"):
                with contextlib.suppress(OSError, ValueError, OverflowError):
                    mem.seek(first)
                    out.append(mem.read(last - first))
    assert sum(map(len, out)) > 1 << 20
    return b"".join(out)


def test_without_the_right_or_the_interface_it_says_so(cable, tmp_path):
    with running(cable.helper(tmp_path / "x", "awb7")) as helper:
        assert helper.wait(20) == 2
        assert "cannot capture on awb7" in helper.stderr.read()
    if shutil.which("setpriv"):
        with running(cable.start("setpriv", "--bounding-set=-all", "--inh-caps=-all", *command(tmp_path / "x"))) as helper:
            assert helper.wait(20) == 2
            assert "cannot capture on awb0: needs CAP_NET_RAW" in helper.stderr.read()


@pytest.mark.needs("setpriv")
def test_that_one_right_is_all_it_needs(cable, tmp_path):
    capture = source(tmp_path)
    only = ["setpriv", "--bounding-set=-all,+net_raw", "--inh-caps=-all", "--no-new-privs"]
    with daemon(capture), running(cable.start(*only, *command(capture.settings.feed))) as helper:
        until(lambda: capture.connected)
        cable.send(tmp_path, [udp(n) for n in range(100)], 1e9)
        until(lambda: capture.counts().captured == 100)
        rights = dict(line.split(":\t") for line in Path(f"/proc/{helper.pid}/status").read_text().splitlines() if line.startswith("Cap"))
        assert int(rights["CapEff"], 16) == 1 << 13


def command(feed):
    return [sys.executable, "-m", "abusewatch.cli", "capture-helper", "--interface", "awb0", "--feed", feed]
