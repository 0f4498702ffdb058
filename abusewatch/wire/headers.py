"""The headers of NetFlow v5, v9 and IPFIX, read for a whole ring of datagrams at once."""

from dataclasses import dataclass, fields

import numpy as np

from abusewatch.model.flow import I64, U8, U32, U64, Bool

VERSION_5, VERSION_9, IPFIX = 5, 9, 10

HEADERS = {
    # Cisco, NetFlow Export Datagram Format, table B-3; engine type and id together tell the slots of one router apart.
    VERSION_5: np.dtype([
        ("version", ">u2"), ("count", ">u2"), ("uptime", ">u4"), ("seconds", ">u4"), ("nanoseconds", ">u4"), ("sequence", ">u4"),
        ("domain", ">u2"), ("sampling", ">u2"),
    ]),
    # RFC 3954 5.1
    VERSION_9: np.dtype([
        ("version", ">u2"), ("count", ">u2"), ("uptime", ">u4"), ("seconds", ">u4"), ("sequence", ">u4"), ("domain", ">u4"),
    ]),
    # RFC 7011 3.1
    IPFIX: np.dtype([("version", ">u2"), ("length", ">u2"), ("seconds", ">u4"), ("sequence", ">u4"), ("domain", ">u4")]),
}  # fmt: skip
HEADER_OCTETS = {version: dtype.itemsize for version, dtype in HEADERS.items()}

CLOCK_AHEAD_US = 86_400_000_000
"""An exporter's clock may be a day ahead (a time zone taken for UTC); further ahead it is wrong, and would drag event time along."""


@dataclass(frozen=True, slots=True)
class Heads:
    """Header columns of datagrams of one version, each of shape (n,). `length` is `count` for v5 and v9, the message's octets for IPFIX.

    `ahead_us` is how far the header's time is ahead of the datagram's arrival; 0 where either is unknown.
    """

    domain: U64
    sequence: U32
    length: I64
    export_us: I64
    uptime_ms: I64
    sampling: I64
    ahead_us: I64
    clock_fault: Bool

    def take(self, rows: Bool) -> "Heads":
        """Select datagrams by mask."""
        return Heads(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})


def read(version: int, ring: U8, received_us: int) -> Heads:
    """Read the headers of `ring`, shape (n, slot), whose datagrams are all of `version` and long enough for its header.

    An export time of zero or more than a day after `received_us` is replaced by that (if it is known, that is above zero).
    """
    dtype = HEADERS[version]
    raw = np.ascontiguousarray(ring[:, : dtype.itemsize]).reshape(-1).view(dtype)
    export_us = raw["seconds"].astype(np.int64) * 1_000_000
    zeros = np.zeros(len(raw), np.int64)
    if version == VERSION_5:
        export_us += np.minimum(raw["nanoseconds"], 999_999_999).astype(np.int64) // 1_000
    wrong, ahead_us = np.zeros(len(raw), np.bool_), zeros
    if received_us > 0:
        ahead_us = np.where(export_us == 0, 0, export_us - received_us)
        wrong = (export_us == 0) | (export_us > received_us + CLOCK_AHEAD_US)
        export_us = np.where(wrong, received_us, export_us)
    return Heads(
        domain=raw["domain"].astype(np.uint64),
        sequence=raw["sequence"].astype(np.uint32),
        length=raw["length" if version == IPFIX else "count"].astype(np.int64),
        export_us=export_us,
        uptime_ms=zeros - 1 if version == IPFIX else raw["uptime"].astype(np.int64),
        # The upper two bits are the mode; the interval counts whatever they say, as nfdump and others do.
        sampling=(raw["sampling"] & 0x3FFF).astype(np.int64) if version == VERSION_5 else zeros,
        ahead_us=ahead_us,
        clock_fault=wrong,
    )
