"""A network of our own: a namespace with one cable between two interfaces, where only the test speaks."""

import os
import subprocess
import sys
import time

import pytest

from tests.needs import need, unable


class Cable:
    """`sent` on one end is what the helper sees on the other."""

    def __init__(self, name):
        self.name = name

    def run(self, *command, **options):
        return subprocess.run(["ip", "netns", "exec", self.name, *map(str, command)], check=True, capture_output=True, text=True, **options)

    def start(self, *command):
        return subprocess.Popen(["ip", "netns", "exec", self.name, *map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def helper(self, feed, interface="awb0", *options):
        return self.start(sys.executable, "-m", "abusewatch.cli", "capture-helper", "--interface", interface, "--feed", feed, *options)

    def send(self, folder, frames, per_second, interface="awa0"):
        """Send frames evenly; returns when the last is out."""
        path = folder / f"frames-{time.monotonic_ns()}"
        path.write_bytes(b"".join(len(frame).to_bytes(4, "little") + frame for frame in frames))
        self.run(sys.executable, "-c", SENDER, path, per_second, interface)


SENDER = """
import socket, sys, time
data, at, frames = open(sys.argv[1], "rb").read(), 0, []
while at < len(data):
    n = int.from_bytes(data[at : at + 4], "little")
    frames.append(data[at + 4 : at + 4 + n])
    at += 4 + n
out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
out.bind((sys.argv[3], 0))
begun, pace = time.monotonic(), float(sys.argv[2])
for n, frame in enumerate(frames):
    if n % 8 == 0:
        time.sleep(max(0, begun + n / pace - time.monotonic()))
    out.send(frame)
"""


@pytest.fixture
def cable():
    need("ip")
    if os.geteuid() != 0:
        unable("making an interface takes root")
    cable = Cable(f"aw-test-{os.getpid()}")
    made = subprocess.run(["ip", "netns", "add", cable.name], capture_output=True, text=True, check=False)
    if made.returncode:
        unable(f"no network namespaces here: {made.stderr.strip()}")
    try:
        entered = subprocess.run(["ip", "netns", "exec", cable.name, "true"], capture_output=True, text=True, check=False)
        if entered.returncode:  # as in a chroot, whose root is no mount
            unable(f"no network namespace can be entered here: {entered.stderr.strip()}")
        cable.run("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1")
        for n in (0, 1):
            cable.run("ip", "link", "add", f"awa{n}", "type", "veth", "peer", "name", f"awb{n}")
            for end in "ab":
                cable.run("ip", "link", "set", f"aw{end}{n}", "up", "arp", "off")
        yield cable
    finally:
        subprocess.run(["ip", "netns", "del", cable.name], check=False)
