"""Programs of others as tests use them: Debian's collectors, exporters and readers, on loopback or on files."""

import json
import os
import socket
import subprocess
import threading
import time
from contextlib import contextmanager
from pathlib import Path

from tests.needs import PATHS, need

ENVIRONMENT = os.environ | {"PATH": PATHS, "TZ": "UTC", "LC_ALL": "C.UTF-8"}
"""They print times of the zone and words of the language that they are told."""


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def run(*command):
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=20, check=True, env=ENVIRONMENT).stdout


@contextmanager
def collector(folder, *options, program="nfcapd"):
    """Run nfcapd or sfcapd; yields its port. When the block ends, what came is in `folder`."""
    need(program, "nfdump")
    folder.mkdir(exist_ok=True)
    port = free_port()
    # The largest socket buffer it takes: the feeders do not wait for it.
    command = [program, "-p", port, "-w", folder, "-t", "3600", "-b", "127.0.0.1", "-B", "4000000", *options]
    process = subprocess.Popen([str(c) for c in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=ENVIRONMENT)
    try:
        deadline = time.monotonic() + 10
        while f":{port:04X} " not in Path("/proc/net/udp").read_text() and time.monotonic() < deadline:
            time.sleep(0.02)
        yield port
        settle(port)
    finally:
        process.terminate()
        process.wait(20)


def settle(port):
    """Wait until the collector has taken all from its socket."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        rows = [line.split() for line in Path("/proc/net/udp").read_text().splitlines() if f":{port:04X} " in line]
        if all(int(row[4].split(":")[1], 16) == 0 for row in rows):
            break
        time.sleep(0.02)
    time.sleep(0.1)


def written(folder):
    files = sorted(folder.glob("nfcapd.2*"))
    assert len(files) == 1, files
    return files[0]


def said(path):
    """What nfdump reads in a file: one dictionary a record."""
    text = run("nfdump", "-r", path, "-o", "json")
    return json.loads(text) if text.strip() else []


def softflowd(capture, port, version, *options):
    """Meter a capture and export it; softflowd ends by itself, unless it has a control socket to wait at."""
    need("softflowd")
    run("softflowd", "-r", capture, "-n", f"127.0.0.1:{port}", "-v", version, "-c", "none", "-p", "none", "-d", *options)


def softflowd_of(paths, version):
    """What softflowd sends of captures, one after the other: each datagram and when it came (us)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(0.05)
        got, done = [], threading.Event()

        def receive():
            while True:
                try:
                    got.append((sock.recv(65536), int(time.time() * 1e6)))
                except TimeoutError:
                    if done.is_set():
                        return

        thread = threading.Thread(target=receive)
        thread.start()
        try:
            for path in paths:
                softflowd(path, sock.getsockname()[1], version)
        finally:
            done.set()
            thread.join()
    return got
