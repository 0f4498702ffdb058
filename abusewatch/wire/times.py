"""When a flow was, from whichever of the many time elements its exporter fills; exporters' clocks are not trusted.

One nfdump release printed a duration of 18446744073709552 seconds from such fields: here every pair of times comes out ordered and near its export.
"""

import numpy as np

from abusewatch.model.flow import I64, Bool
from abusewatch.wire.layout import Columns

DAY_US = 86_400_000_000
MAX_AGE_US = 31 * DAY_US
"""Longer than any active timeout; connections that a firewall reports only at their end do last weeks."""
LATEST_US = 1 << 54
"""The year 2540."""
NTP_TO_UNIX = 2_208_988_800
UNKNOWN = -1

Stamp = tuple[I64, Bool | None]
"""Times in microseconds since 1970 and where they mean anything (None: everywhere)."""


def spans(columns: Columns, export_us: I64, uptime_ms: I64) -> tuple[I64, I64, Bool | None]:
    """Find start and end of each record in microseconds since 1970, and say which records' times had to be mended (None: no record's).

    `export_us` and `uptime_ms` are of each record's message: its time and how long its exporter had run then, UNKNOWN where nobody said.
    """
    if "boot_ms" in columns:
        told = (columns["boot_ms"] & np.uint64(LATEST_US - 1)).astype(np.int64)
        uptime_ms = np.where(told > 0, export_us // 1_000 - told, uptime_ms)
    start = _absolute("start", columns) or _relative("start", columns, export_us, uptime_ms)
    end = _absolute("end", columns) or _relative("end", columns, export_us, uptime_ms) or _absolute("seen", columns)
    if start is None and end is None:
        return export_us, export_us, None
    known_end = export_us if end is None else end[0] if end[1] is None else np.where(end[1], end[0], export_us)
    if start is None:
        known_start = known_end - _duration(columns, export_us)
    else:
        known_start = start[0] if start[1] is None else np.where(start[1], start[0], known_end)
        if end is None:
            known_end = known_start + _duration(columns, export_us)
    return _mend(known_start, known_end, export_us)


def _mend(start: I64, end: I64, export_us: I64) -> tuple[I64, I64, Bool | None]:
    """Put times more than a day after their export at the export, and starts after or a month before their end at the end."""
    if not len(end) or _all_sound(start, end, export_us):
        return start, end, None
    late = end > export_us + DAY_US
    end = np.where(late, export_us, end)
    turned = (start > end) | (end - start > MAX_AGE_US)
    return np.where(turned, end, start), end, late | turned


def _all_sound(start: I64, end: I64, export_us: I64) -> bool:
    lasted = end - start
    return bool(lasted.min() >= 0 and lasted.max() <= MAX_AGE_US and (end - export_us).max() <= DAY_US)


def _duration(columns: Columns, like: I64) -> I64:
    if "duration_ms" in columns:
        return (columns["duration_ms"] & np.uint64(0xFFFF_FFFF)).astype(np.int64) * 1_000
    if "duration_us" in columns:
        return (columns["duration_us"] & np.uint64(0xFFFF_FFFF_FFFF)).astype(np.int64)
    return np.zeros_like(like)


def _absolute(edge: str, columns: Columns) -> Stamp | None:
    """Elements 150 to 157 and 322 to 325; zero means not filled."""
    for unit, factor in (("ms", 1_000), ("s", 1_000_000)):
        raw = columns.get(f"{edge}_{unit}")
        if raw is not None:
            if len(raw) and raw.min() > 0 and raw.max() <= LATEST_US // factor:
                return raw.astype(np.int64) * factor, None
            # Later is nonsense and would overflow; as zero it falls back to the export time.
            value = np.where(raw > LATEST_US // factor, 0, raw).astype(np.int64)
            return value * factor, value > 0
    raw = columns.get(f"{edge}_ntp")
    if raw is None:
        return None
    seconds = (raw >> np.uint64(32)).astype(np.int64) - NTP_TO_UNIX
    micros = ((raw & np.uint64(0xFFFF_FFFF)) * np.uint64(1_000_000) >> np.uint64(32)).astype(np.int64)
    return seconds * 1_000_000 + micros, seconds > 0


def _relative(edge: str, columns: Columns, export_us: I64, uptime_ms: I64) -> Stamp | None:
    """Elements 21 and 22 (milliseconds of uptime, wrapping at 2^32) and 158 and 159 (microseconds before the export)."""
    raw = columns.get(f"{edge}_delta")
    if raw is not None:
        return export_us - (raw & np.uint64(0xFFFF_FFFF)).astype(np.int64), None
    raw = columns.get(f"{edge}_uptime")
    if raw is None:
        return None
    unsaid = uptime_ms == UNKNOWN
    if unsaid.any():
        # Nobody said when the exporter started (IPFIX without element 160): take the record to end with its export.
        uptime_ms = np.where(unsaid, columns.get("end_uptime", raw).astype(np.int64), uptime_ms)
    # As a signed 32-bit difference the age survives the wrap after 49.7 days.
    age_ms = (uptime_ms.astype(np.uint32) - raw.astype(np.uint32, copy=False)).view(np.int32)
    return export_us - np.multiply(age_ms, 1_000, dtype=np.int64), None
