"""Packets a second from an interface to the daemon's decision: sent over a cable (veth) in a network namespace, captured by the helper, metered, judged.

    python -m benchmarks.live [SECONDS] [RATE...]

The sender has a core of its own; helper and daemon each have their processor time counted. A run is without loss when what was sent is what the
helper read: the kernel's and the helper's own counters of loss are both told. Needs root and gcc. RATE 0 is as fast as the sender goes.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from abusewatch.config.assemble import rule_set
from abusewatch.inventory import of_prefixes
from abusewatch.pipeline import Pipeline
from abusewatch.service.feed import Feed
from abusewatch.service.intake import Intake
from abusewatch.sources.live.source import CaptureSettings, CaptureSource
from abusewatch.telemetry import Telemetry
from benchmarks import packets, proc

RATES = (50_000, 150_000, 300_000, 0)
PACKETS = 200_000
"""In the stream that is sent round and round."""


def build(folder):
    sender = folder / "packetsender"
    subprocess.run(["gcc", "-O2", "-o", sender, Path(__file__).with_name("packetsender.c")], check=True)
    return sender


class Cable:
    """A network namespace with one cable."""

    def __enter__(self):
        self.name = f"aw-bench-{os.getpid()}"
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        self.run("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1")
        self.run("ip", "link", "add", "awa", "type", "veth", "peer", "name", "awb")
        for end in ("awa", "awb"):
            self.run("ip", "link", "set", end, "up", "arp", "off")
        return self

    def __exit__(self, *_):
        subprocess.run(["ip", "netns", "del", self.name], check=False)

    def inside(self, *command):
        return ["ip", "netns", "exec", self.name, *map(str, command)]

    def run(self, *command):
        return subprocess.run(self.inside(*command), check=True, capture_output=True, text=True).stdout


def measure(cable, sender, capture, folder, rate, seconds, rules):
    """One run: what was sent, what came, what was lost, and the processor time of both processes as a share of the sending time."""
    source = CaptureSource(CaptureSettings("awb", folder / "awb.sock"), "bench")
    pipeline = Pipeline(rules, of_prefixes([packets.OWN4, packets.OWN6]), lambda _: None)
    intake = Intake([Feed(source, 0, 0)], pipeline, Telemetry())
    intake.start()
    helper = subprocess.Popen(cable.inside(sys.executable, "-m", "abusewatch.cli", "capture-helper", "--interface", "awb", "--feed", source.settings.feed))
    try:
        while not source.connected:
            time.sleep(0.05)
        before, ours = proc.cpu_secs(helper.pid), time.process_time()
        sent, secs = cable.run("taskset", "-c", str(os.cpu_count() - 1), sender, "awa", capture, int((rate or 600_000) * seconds), rate).split()
        sent, secs = int(sent), float(secs)
        end = time.monotonic() + 10
        while source.counts().captured + source.counts().ring_lost < sent and time.monotonic() < end:
            time.sleep(0.05)
        helped = proc.cpu_secs(helper.pid) - before
        counts = source.counts()
    finally:
        helper.terminate()
        helper.wait(10)
        intake.stop(60)  # which decides every pane that is still open
    judged = time.process_time() - ours
    return {
        "rate": rate, "packets_per_sec": round(sent / secs), "sent": sent, "captured": counts.captured, "ring_lost": counts.ring_lost,
        "feed_lost": counts.feed_lost, "helper": helped / secs, "daemon": judged / secs, "flow_records": pipeline.records,
    }  # fmt: skip


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 4.0
    rates = [int(rate) for rate in sys.argv[2:]] or RATES
    if os.geteuid() != 0 or not shutil.which("gcc"):
        sys.exit("live capture is measured as root and with gcc only")
    rules, _ = rule_set(None, (), [])
    with tempfile.TemporaryDirectory() as name, Cable() as cable:
        folder = Path(name)
        capture, sender = folder / "stream.pcap", build(folder)
        packets.write(capture, PACKETS)
        for rate in rates:
            r = measure(cable, sender, capture, folder, rate, seconds, rules)
            lost = r["sent"] - r["captured"] + r["feed_lost"]
            print(
                f"live, {'as fast as it goes' if not rate else f'{rate:,}/s asked':22s} {r['packets_per_sec']:>9,d} packets/s  lost {lost / r['sent']:7.3%}"
                f" (ring {r['ring_lost']:,}, feed {r['feed_lost']:,})  core: helper {r['helper']:4.0%}, daemon with all rules {r['daemon']:4.0%}", flush=True,
            )  # fmt: skip


if __name__ == "__main__":
    main()
