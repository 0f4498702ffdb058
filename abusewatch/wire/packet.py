"""Packets to header columns, many at once: link layer, IPv4 and IPv6, ports, TCP flags, ICMP type and code.

Payload has no column, so it ends here. A packet quoted inside an ICMP error is payload too: it is not a flow. Nothing
in a packet raises; what cannot be read has a reason instead (REASONS), and a row whose IP header could be read is a row
even when its transport header could not.
"""

from dataclasses import dataclass, replace

import numpy as np

from abusewatch.model.compiled import kernel
from abusewatch.model.flow import I64, U8, U16, U32, U64, Bool
from abusewatch.wire import transport
from abusewatch.wire.gather import gather, native, padded
from abusewatch.wire.linktypes import IPV4, IPV6, LINK_TYPES, SHIMS, network_headers

REASONS = ("ok", "link_type", "not_ip", "too_many_shims", "cut", "malformed", "transport_cut", "too_many_headers")
"""Why a row is less than whole, by number. Rows with "transport_cut" and "too_many_headers" are still IP rows,
without ports.
"""
OK, LINK_TYPE, NOT_IP, TOO_MANY_SHIMS, CUT, MALFORMED, TRANSPORT_CUT, TOO_MANY_HEADERS = range(len(REASONS))

KERNEL = kernel("abusewatch.wire._packets")
"""The compiled twin of what is below `parse`, ten times as fast; None where it was not built."""

MAPPED = np.uint64(0xFFFF_0000_0000)

V4 = np.dtype([
    ("version_ihl", "u1"), ("tos", "u1"), ("total_length", ">u2"), ("id", ">u2"), ("fragment", ">u2"), ("ttl", "u1"),
    ("protocol", "u1"), ("checksum", ">u2"), ("src", ">u4"), ("dst", ">u4"),
])  # RFC 791 section 3.1  # fmt: skip
V6 = np.dtype([
    ("version_flow", ">u4"), ("payload_length", ">u2"), ("next_header", "u1"), ("hop_limit", "u1"),
    ("src_hi", ">u8"), ("src_lo", ">u8"), ("dst_hi", ">u8"), ("dst_lo", ">u8"),
])  # RFC 8200 section 3  # fmt: skip


@dataclass(frozen=True, slots=True)
class Headers:
    """Columns of n packets, each of shape (n,), in `FlowBatch`'s terms.

    `bytes` is the length of the IP packet (header included) as the packet itself says. `reason` indexes REASONS. Rows
    outside `is_ip` hold zeros. `family` is 4 or 6 when all IP rows are of that family, else 0.
    """

    src_hi: U64
    src_lo: U64
    dst_hi: U64
    dst_lo: U64
    src_port: U16
    dst_port: U16
    protocol: U8
    flags: U8
    bytes: U32
    is_ip: Bool
    reason: U8
    family: int

    def counts(self) -> dict[str, int]:
        """Count the rows by reason, leaving out those that are whole."""
        seen = np.bincount(self.reason, minlength=len(REASONS)).tolist()
        return {name: n for name, n in zip(REASONS[1:], seen[1:], strict=True) if n}


COLUMNS = {
    "src_hi": "u8", "src_lo": "u8", "dst_hi": "u8", "dst_lo": "u8", "src_port": "u2", "dst_port": "u2",
    "protocol": "u1", "flags": "u1", "bytes": "u4", "is_ip": "?", "reason": "u1",
}  # fmt: skip


def _empty(rows: int) -> Headers:
    return Headers(**{name: np.zeros(rows, dtype) for name, dtype in COLUMNS.items()}, family=0)


def parse(buffer: U8, offset: I64, captured: I64, linktype: int, original: I64 | None = None) -> Headers:
    """Read the headers of the packets that start at `offset` in `buffer` and of which `captured` bytes are there.

    `linktype` is a LINKTYPE_ number (EN10MB 1, RAW 101, ...). `original` is the length of each packet on the wire,
    used where the IP header leaves its own length zero (segmentation offload); without it the captured length stands
    in.
    """
    offset, captured = offset.astype(np.int64, copy=False), captured.astype(np.int64, copy=False)
    out = _empty(len(offset))
    if linktype not in LINK_TYPES:
        out.reason[:] = LINK_TYPE
        return out
    if not len(offset):
        return out
    end = offset + captured
    buffer = padded(buffer, int(end.max()))
    if KERNEL is not None:
        return _compiled(buffer, offset, captured, linktype, original, out)
    place, kind, cut = network_headers(buffer, offset, end, linktype)
    wire_end = end if original is None else offset + np.maximum(original, captured)
    out.reason[:] = np.where(kind == IPV4, OK, np.where(kind == IPV6, OK, NOT_IP)) if (kind != IPV4).any() else OK
    if out.reason.any():
        out.reason[np.isin(kind, SHIMS)] = TOO_MANY_SHIMS
    out.reason[cut] = CUT
    v4, v6 = (kind == IPV4) & ~cut, (kind == IPV6) & ~cut
    if v4.any():
        _ipv4(buffer, np.flatnonzero(v4), place, end, wire_end, out)
    if v6.any():
        _ipv6(buffer, np.flatnonzero(v6), place, end, wire_end, out)
    return _with_family(out, v4, v6)


def _compiled(buffer: U8, offset: I64, captured: I64, linktype: int, original: I64 | None, out: Headers) -> Headers:
    """All of it in one pass."""
    assert KERNEL is not None  # noqa: S101  the caller has looked
    wire = np.zeros(0, np.int64) if original is None else original.astype(np.int64, copy=False)
    rows = (np.ascontiguousarray(column) for column in (buffer, offset, captured, wire))
    columns = (getattr(out, name).view(np.uint8) if name == "is_ip" else getattr(out, name) for name in COLUMNS)
    any4, any6 = KERNEL.parse(*rows, linktype, *columns)
    return replace(out, family=0 if not out.is_ip.any() else 6 if not any4 else 4 if not any6 else 0)


def _with_family(out: Headers, v4: Bool, v6: Bool) -> Headers:
    family = 0 if not out.is_ip.any() else 6 if not v4.any() else 4 if not v6.any() else 0
    return replace(out, family=family)


def _keep(rows: I64, good: Bool, short: Bool, out: Headers) -> I64:
    """Give bad rows their reason and return the others."""
    if good.all():
        return rows
    out.reason[rows[~good]] = np.where(short[~good], CUT, MALFORMED)
    return rows[good]


def _ipv4(buffer: U8, rows: I64, place: I64, end: I64, wire_end: I64, out: Headers) -> None:
    at = place[rows]
    short = at + V4.itemsize > end[rows]
    head = gather(buffer, at, V4)
    header = (head["version_ihl"] & 15).astype(np.int64) * 4
    total = head["total_length"].astype(np.int64)
    total = np.where(total == 0, wire_end[rows] - at, total)
    good = ~short & (head["version_ihl"] >> 4 == 4) & (header >= V4.itemsize) & (total >= header)
    kept = _keep(rows, good, short, out)
    if len(kept) != len(rows):
        rows, at, head, header, total = kept, at[good], head[good], header[good], total[good]
    out.is_ip[rows] = True
    out.src_lo[rows], out.dst_lo[rows] = native(head["src"]) | MAPPED, native(head["dst"]) | MAPPED
    out.protocol[rows], out.bytes[rows] = head["protocol"], total
    first = head["fragment"] & 0x1FFF == 0  # later fragments have no transport header
    _transport(buffer, rows[first], (at + header)[first], np.minimum(end[rows], at + total)[first], out)


def _ipv6(buffer: U8, rows: I64, place: I64, end: I64, wire_end: I64, out: Headers) -> None:
    at = place[rows]
    short = at + V6.itemsize > end[rows]
    head = gather(buffer, at, V6)
    total = head["payload_length"].astype(np.int64) + V6.itemsize
    # a zero length is a jumbogram (RFC 2675) or offload, except where there is no next header either
    unsaid = (total == V6.itemsize) & (head["next_header"] != transport.NO_NEXT_HEADER)
    total = np.where(unsaid, np.maximum(wire_end[rows] - at, V6.itemsize), total)
    good = ~short & (head["version_flow"] >> 28 == 6)
    kept = _keep(rows, good, short, out)
    if len(kept) != len(rows):
        rows, at, head, total = kept, at[good], head[good], total[good]
    out.is_ip[rows] = True
    for name in ("src_hi", "src_lo", "dst_hi", "dst_lo"):
        getattr(out, name)[rows] = head[name]
    out.bytes[rows] = total
    stop = np.minimum(end[rows], at + total)
    chain = transport.after_extensions(buffer, at + V6.itemsize, stop, head["next_header"].copy())
    out.protocol[rows] = chain.protocol
    out.reason[rows[chain.cut]], out.reason[rows[chain.endless]] = TRANSPORT_CUT, TOO_MANY_HEADERS
    _transport(buffer, rows[chain.whole], chain.place[chain.whole], stop[chain.whole], out)


def _transport(buffer: U8, rows: I64, at: I64, stop: I64, out: Headers) -> None:
    ports = transport.ports(buffer, at, stop, out.protocol[rows])
    out.src_port[rows], out.dst_port[rows], out.flags[rows] = ports.src_port, ports.dst_port, ports.flags
    out.reason[rows[ports.cut]] = TRANSPORT_CUT
