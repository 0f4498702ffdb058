"""Packets of a capture to flow batches: a packet is a flow record of one packet."""

from collections import Counter
from typing import Any

import numpy as np

from abusewatch.model.flow import I64, FlowBatch, batch_of, concat
from abusewatch.wire import packet
from abusewatch.wire.frames import Frames
from abusewatch.wire.packet import Headers


def headers_of(frames: Frames, counts: Counter[str]) -> list[tuple[I64, Headers]]:
    """Parse the packets, a group of rows for each link type that occurs, and count what was not whole."""
    first = frames.linktype[0]
    if (frames.linktype == first).all():
        groups = [(int(first), np.arange(len(frames)))]
    else:
        groups = [(int(kind), np.flatnonzero(frames.linktype == kind)) for kind in np.unique(frames.linktype)]
    parsed = []
    for kind, rows in groups:
        whole = len(rows) == len(frames)
        offset, captured, original = (
            column if whole else column[rows] for column in (frames.offset, frames.captured, frames.original)
        )
        headers = packet.parse(frames.buffer, offset, captured, kind, original)
        counts.update(headers.counts())
        parsed.append((rows, headers))
    return parsed


def flows_of(frames: Frames, counts: Counter[str]) -> FlowBatch:
    """Turn packets into flow records of one packet each, in file order."""
    parsed = headers_of(frames, counts)
    if len(parsed) == 1:
        return _batch(frames, *parsed[0])
    rows = np.concatenate([rows[headers.is_ip] for rows, headers in parsed])
    batches = [_batch(frames, rows, headers) for rows, headers in parsed]
    return concat(batches).take(np.argsort(rows, kind="stable"))


def _batch(frames: Frames, rows: I64, headers: Headers) -> FlowBatch:
    keep: Any = slice(None) if headers.is_ip.all() else headers.is_ip
    rows = rows[keep]
    time_us = frames.time_us[rows]
    names = ("src_hi", "src_lo", "dst_hi", "dst_lo", "src_port", "dst_port", "protocol", "flags", "bytes")
    columns = {name: getattr(headers, name)[keep] for name in names}
    return batch_of(len(rows), headers.family, start_us=time_us, end_us=time_us, frame=frames.number[rows], **columns)
