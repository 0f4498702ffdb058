"""Reliability row 12: what the network drops between exporter and daemon is what the sequence numbers say, within five hundredths."""

import json
import os
import re
import subprocess
import sys

import pytest

from tests.needs import need, unable

COUNT = 5_000
LOSSY = """ip link set lo up && nft add table ip t && nft add chain ip t c '{{ type filter hook prerouting priority 0; }}' && {rule} {run} && nft list table ip t"""


@pytest.fixture(scope="module")
def able():
    need("unshare", "nft", "ip")
    tried = subprocess.run(["unshare", "-n", "nft", "add", "table", "ip", "t"], capture_output=True, check=False)
    if os.geteuid() != 0 or tried.returncode != 0:
        unable("needs root, a network namespace and nftables in the kernel")


@pytest.mark.usefixtures("able")
@pytest.mark.parametrize("percent", [0, 1, 5, 30])
@pytest.mark.parametrize("form", ["netflow5", "netflow9", "ipfix"])
def test_loss_on_the_way_is_counted(root, form, percent):
    rule = f"nft add rule ip t c udp dport 2055 numgen random mod 100 '<' {percent} counter drop &&" if percent else ""
    command = LOSSY.format(rule=rule, run=f"{sys.executable} -m tests.service.lossy_path {form} {COUNT}")
    done = subprocess.run(["unshare", "-n", "sh", "-c", command], cwd=root, capture_output=True, text=True, timeout=120, check=True)
    told, end = json.JSONDecoder().raw_decode(done.stdout)
    dropped = int(re.search(r"counter packets (\d+)", done.stdout[end:])[1]) if percent else 0
    assert told["received"] + dropped == COUNT
    assert (told["kernel"], told["restarts"]) == (0, 0)
    assert told["lost"] == pytest.approx(dropped, rel=0.05, abs=2)  # nothing comes after the last one, so nobody knows of it
    assert told["coverage"] == pytest.approx(told["received"] / COUNT, abs=0.005)
