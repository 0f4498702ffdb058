"""What passes between helper and daemon: messages of one packet socket each, a head and columns of header fields. No object is ever unpacked.

    head (HEAD)       magic, rows, the interface's name, and what the helper has counted since its start
    columns (COLUMNS) one behind the other, `rows` values each, in the order of the machine: both ends are on it

A message without rows tells the counts. The daemon believes nothing: a message that is not of this form ends the connection.
"""

import struct
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from abusewatch.model.flow import FlowBatch, batch_of
from abusewatch.wire.packet import REASONS

MAGIC = 0x41574631
"""AWF1: the last figure grows with every change of the form."""
ROWS = 2048
"""Packets of a message at most: 100 KB, below net.core.wmem_max of every distribution."""
COLUMNS = {
    "start_us": "i8", "src_hi": "u8", "src_lo": "u8", "dst_hi": "u8", "dst_lo": "u8", "bytes": "u4", "src_port": "u2", "dst_port": "u2", "protocol": "u1",
    "flags": "u1",
}  # fmt: skip
ROW_BYTES = sum(np.dtype(kind).itemsize for kind in COLUMNS.values())
HEAD = struct.Struct(f"=II16s3Q{len(REASONS) - 1}Q")
LONGEST = HEAD.size + ROWS * ROW_BYTES


class FeedError(ValueError):
    """A message that is not of this form."""


class Counts(NamedTuple):
    """Packets since the helper's start: captured, lost in the kernel's ring, lost because the daemon did not take them, and not whole by reason."""

    captured: int = 0
    ring_lost: int = 0
    feed_lost: int = 0
    partial: tuple[int, ...] = (0,) * (len(REASONS) - 1)


class Message(NamedTuple):
    """One message as received."""

    interface: str
    counts: Counts
    packets: FlowBatch


def message(interface: str, counts: Counts, packets: FlowBatch) -> bytes:
    """Write one; at most ROWS packets."""
    head = HEAD.pack(MAGIC, len(packets), interface.encode(), *counts[:3], *counts.partial)
    return b"".join((head, *(np.ascontiguousarray(getattr(packets, name), kind).tobytes() for name, kind in COLUMNS.items())))


def read(data: bytes) -> Message:
    """Read one; FeedError for anything else."""
    if len(data) < HEAD.size:
        raise FeedError("shorter than its head")
    magic, rows, interface, captured, ring_lost, feed_lost, *partial = HEAD.unpack_from(data)
    if magic != MAGIC:
        raise FeedError("of another form; are helper and daemon of one version?")
    if rows > ROWS or len(data) != HEAD.size + rows * ROW_BYTES:
        raise FeedError(f"{len(data)} octets for {rows} packets")
    place = HEAD.size
    columns: dict[str, NDArray[Any]] = {}
    for name, kind in COLUMNS.items():
        columns[name] = np.frombuffer(data, kind, rows, place)
        place += columns[name].nbytes
    try:
        name = interface.rstrip(b"\0").decode("ascii")
    except UnicodeDecodeError:
        raise FeedError("an interface with an impossible name") from None
    packets = batch_of(rows, 0, end_us=columns["start_us"], **columns)
    return Message(name, Counts(captured, ring_lost, feed_lost, tuple(partial)), packets)
