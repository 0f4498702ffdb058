"""What Linux knows about a process tree and about a UDP port, whoever owns it: loss is measured the same way for every program."""

import os
import time
from pathlib import Path
from typing import NamedTuple

TICKS = os.sysconf("SC_CLK_TCK")


class Port(NamedTuple):
    """A bound UDP port: octets waiting in its sockets and datagrams the kernel had to drop there."""

    waiting: int
    drops: int


def port(number: int) -> Port | None:
    """Read /proc/net/udp and udp6; None when nobody has bound the port."""
    found = []
    for table in ("udp", "udp6"):
        for line in Path("/proc/net", table).read_text().splitlines()[1:]:
            fields = line.split()
            if int(fields[1].rpartition(":")[2], 16) == number:
                found.append(Port(int(fields[4].rpartition(":")[2], 16), int(fields[-1])))
    return Port(sum(p.waiting for p in found), sum(p.drops for p in found)) if found else None


def wait_for_port(number: int, secs: float = 15) -> bool:
    deadline = time.monotonic() + secs
    while time.monotonic() < deadline:
        if port(number):
            return True
        time.sleep(0.05)
    return False


def tree(pid: int) -> list[int]:
    """A process and all below it."""
    pids = [pid]
    for task in Path("/proc", str(pid), "task").glob("*"):
        for child in (task / "children").read_text().split():
            pids += tree(int(child))
    return pids


def cpu_secs(pid: int) -> float:
    total = 0
    for member in tree(pid):
        fields = Path("/proc", str(member), "stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def peak_rss_mb(pid: int) -> int:
    total = 0
    for member in tree(pid):
        for line in Path("/proc", str(member), "status").read_text().splitlines():
            if line.startswith("VmHWM"):
                total += int(line.split()[1])
    return total // 1024


def machine() -> str:
    """Name the machine in one line."""
    model = next((line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), "unknown")
    memory = int(Path("/proc/meminfo").read_text().split()[1]) // 1024
    load = os.getloadavg()[0]
    return f"{os.cpu_count()} x {model}, {memory} MB, Linux {os.uname().release}, load {load:.1f} at the start"
