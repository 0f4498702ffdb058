"""A clock that nobody sets: how long this machine has been up. The wall clock may jump; budgets must not be freed by it."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

_BOOT = Path("/proc/sys/kernel/random/boot_id")


class Moment(NamedTuple):
    """Which start of the machine, and microseconds since it (suspended time included)."""

    boot: str
    up_us: int


Uptime = Callable[[], Moment]


def uptime() -> Moment:
    """Read it."""
    return Moment(_BOOT.read_text("ascii").strip(), time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000)


def elapsed_us(before: Moment, before_wall_us: int, now: Moment, now_wall_us: int) -> int:
    """Tell how much time has passed: by the machine's own count, or after a reboot by the wall clock; never negative."""
    if before.boot == now.boot:
        return max(0, now.up_us - before.up_us)
    return max(0, now_wall_us - before_wall_us)
