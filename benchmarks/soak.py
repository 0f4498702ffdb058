"""A daemon under steady traffic for a while: memory, descriptors and counts must not creep.

`python -m benchmarks.soak --minutes 30`. Sends every shipped capture over and over, moved to now, to a daemon of its own on loopback;
ends with 1 when resident memory or descriptors grew after the first quarter, or when a datagram is unaccounted for.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

from abusewatch.cli.demo import CONFIG, OPERATORS
from abusewatch.cli.inputs import Inputs
from abusewatch.config.shipped import shipped
from abusewatch.model.flow import FlowBatch
from abusewatch.service.control import NAME, ControlError, ask
from abusewatch.sources.encode import encode
from abusewatch.sources.export import send

GROWTH = 1.10
"""Resident memory at the end against the end of the first quarter."""


def moved(capture: Path, to_us: int) -> Iterator[FlowBatch]:
    """The packets of a capture, as if its first one came at `to_us`."""
    shift = None
    for batch in Inputs([str(capture)]).batches():
        shift = to_us - int(batch.start_us.min()) if shift is None else shift
        yield batch.with_columns(start_us=batch.start_us + shift, end_us=batch.end_us + shift)


def prepared(folder: Path) -> Path:
    own = {
        p for path in shipped("captures").glob("*/expect.toml") for p in tomllib.loads(path.read_text()).get("own", [])
    }
    text = CONFIG.replace('inventory = "inventory.toml"', f"prefixes = {sorted(own)}")
    (folder / "abusewatch.toml").write_text(text)
    (folder / "operators.csv").write_text(OPERATORS)
    return folder / "abusewatch.toml"


def used(pid: int) -> tuple[int, int]:
    """Resident memory in kB, and open descriptors."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]), len(list(Path(f"/proc/{pid}/fd").iterdir()))


def status(folder: Path) -> dict:
    give_up = time.monotonic() + 30
    while True:
        try:
            return ask(folder / "store" / NAME, "status")
        except ControlError:
            if time.monotonic() > give_up:
                raise
            time.sleep(0.2)


def soak(minutes: float, folder: Path) -> int:
    command = [sys.executable, "-m", "abusewatch.cli", "run", "--config", str(prepared(folder)), "--log-level", "error"]
    daemon = subprocess.Popen(command, cwd=folder)
    try:
        port = int(status(folder)["sources"][0]["listens"][0].rpartition(":")[2])
        begun, quarter, sent, shown = time.monotonic(), None, 0, 0.0
        captures = sorted(shipped("captures").glob("*/capture.pcap"))
        while (gone := time.monotonic() - begun) < minutes * 60:
            for capture in captures:
                sent += send(encode(moved(capture, time.time_ns() // 1000), "netflow9"), ("127.0.0.1", port)).datagrams
            if gone > minutes * 15 and quarter is None:
                quarter = used(daemon.pid)
            if gone - shown >= 60 or not shown:
                shown = gone or 0.1
                memory, descriptors = used(daemon.pid)
                print(
                    json.dumps({"seconds": round(gone), "sent": sent, "rss_kb": memory, "descriptors": descriptors}),
                    flush=True,
                )
        time.sleep(2)
        (source,) = status(folder)["sources"]
        memory, descriptors = used(daemon.pid)
        lost = sent - source["received"]
        quarter = quarter or (memory, descriptors)
        print(json.dumps({"sent": sent, "received": source["received"], "dropped": source["dropped"], "rss_kb": memory, "rss_quarter_kb": quarter[0],
                          "descriptors": descriptors}))  # fmt: skip
        return int(memory > quarter[0] * GROWTH or descriptors > quarter[1] + 2 or lost != source["dropped"])
    finally:
        daemon.terminate()
        daemon.wait(40)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    with tempfile.TemporaryDirectory(prefix="abusewatch-soak-") as name:
        sys.exit(soak(parser.parse_args().minutes, Path(name)))
