"""NetFlow v5 and v9 tell the time of a flow in milliseconds since the exporter booted, in 32 bits: which boot time serves which records.

The header's wall clock has whole seconds (v9), so the boot time is a whole second too; then every event time survives
to the millisecond.
"""

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from abusewatch.model.flow import FlowBatch

SPAN_MS = 604_800_000
"""A week. One boot time serves all flows that start in it and end within 24 days of the boot."""
LAST_MS = 2**31 - 2000
"""Collectors subtract uptimes as signed 32-bit numbers to survive the wrap; room is left for the header's own uptime, rounded up."""


class Clock(NamedTuple):
    """An exporter's header times: uptime and wall clock at the moment it sends."""

    uptime_ms: int
    unix_secs: int


def by_boot(batch: FlowBatch, skipped: Counter[str]) -> Iterator[tuple[int, FlowBatch]]:
    """Group the rows by the boot time (ms since the epoch) that serves them; rows that none serves are counted."""
    span = batch.start_us // (SPAN_MS * 1000)
    fits = (batch.end_us // 1000 - span * SPAN_MS <= LAST_MS) & (span >= 0) & (batch.end_us >= batch.start_us)
    if not fits.all():
        skipped["times that NetFlow cannot say"] += int(np.count_nonzero(~fits))
    for number in np.unique(span[fits]).tolist():
        yield number * SPAN_MS, batch.take(fits & (span == number))


def clock(newest_us: int, boot_ms: int) -> Clock:
    """Read the exporter's clock at the first whole second after the newest record."""
    secs = -(-newest_us // 1_000_000)
    return Clock(secs * 1000 - boot_ms, secs)
