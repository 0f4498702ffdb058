"""Columns of any layout become flow batches: addresses, ports, counters, both directions of a biflow."""

from dataclasses import dataclass, fields, replace
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from abusewatch.model.flow import I64, U8, U16, U32, U64, FlowBatch, batch_of
from abusewatch.wire import packet, times
from abusewatch.wire.errors import Reason
from abusewatch.wire.layout import PAIRS, SECTIONS, Columns, Layout, columns_of
from abusewatch.wire.metering import Metering
from abusewatch.wire.refusals import Refusals
from abusewatch.wire.sampling import RateTable

MAPPED = np.uint64(0xFFFF_0000_0000)
LINKTYPES = {"frame": 1, "packet": 101}
"""LINKTYPE_ numbers of a dataLinkFrameSection (Ethernet) and of an ipHeaderPacketSection (raw IP)."""
ICMP, ICMPV6 = 1, 58

Column = NDArray[np.generic]


@dataclass(frozen=True, slots=True)
class Rows:
    """Records of one layout, `layout.span` octets each: where they begin (`at`) in `flat`, and what their messages say of each; all of shape (n,)."""

    layout: Layout
    flat: U8
    at: I64
    slot: I64
    exporter: U32
    rate: U32
    export_us: I64
    uptime_ms: I64
    rates: RateTable
    metering: Metering
    shift_us: I64 | None = None
    """How much too late the clock was by which the exporter told its times."""
    latest_us: int | None = None
    """When the newest can have ended; None where nobody knows when they came."""

    def take(self, kept: NDArray[np.intp]) -> "Rows":
        """Select records by index."""
        columns = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in {"layout", "flat", "rates", "metering", "latest_us"}}
        return replace(self, **{name: column[kept] for name, column in columns.items() if column is not None})


def flows(rows: Rows, counts: Refusals) -> list[FlowBatch]:
    """Make a batch of the rows that say who sent to whom, and another of the opposite directions where any are counted.

    What is passed over or mended is added to `counts`.
    """
    columns = columns_of(rows.layout, rows.flat, rows.at)
    if not _has_addresses(columns):
        rows, columns = _read_sections(rows, columns, counts)
    rows, columns = _once(rows, columns, counts)
    count = len(rows.slot)
    start, end = _times(columns, rows, counts)
    addresses, family = _addresses(columns)
    src_port, dst_port = _ports(columns)
    plain = {name: columns[name] for name in ("protocol", "input_if", "output_if") if name in columns}
    forward = batch_of(
        count, family, start_us=start, end_us=end, **addresses, **plain, src_port=src_port, dst_port=dst_port,
        flags=_flags(columns, "", count), packets=_packets(columns, count), bytes=_bytes(columns, count),
        sampling_rate=_rate(columns, rows), exporter=rows.exporter,
    )  # fmt: skip
    reverse = _reverse(forward, columns)
    return [forward] if reverse is None else [forward, reverse]


def _times(columns: Columns, rows: Rows, counts: Refusals) -> tuple[I64, I64]:
    """Find when each flow was by our clock, as far as its exporter's is known."""
    start, end, mended = times.spans(columns, rows.export_us, rows.uptime_ms)
    if mended is not None:
        counts.charge(Reason.CLOCK, rows.exporter[mended])
    if rows.shift_us is not None:
        start, end = start - rows.shift_us, end - rows.shift_us
    if rows.latest_us is not None and end.max(initial=0) > rows.latest_us:
        # The header's clock is right, the record's is not: a local time taken for UTC, or another card's.
        over = end > rows.latest_us
        counts.charge(Reason.CLOCK, rows.exporter[over])
        early = np.where(over, end - rows.export_us + (0 if rows.shift_us is None else rows.shift_us), 0)
        start, end = start - early, end - early
    return start, end


def _once(rows: Rows, columns: Columns, counts: Refusals) -> tuple[Rows, Columns]:
    """Leave out what its exporter counted on the way in as well."""
    if "direction" not in columns or "input_if" not in columns:
        return rows, columns
    again = rows.metering.again(rows.exporter, columns["direction"].astype(np.uint64), columns["input_if"].astype(np.uint64), rows.export_us)
    if again is None:
        return rows, columns
    counts.charge(Reason.EXPORTED_TWICE, rows.exporter[again])
    kept = np.flatnonzero(~again)
    return rows.take(kept), {name: column[kept] for name, column in columns.items()}


def _has_addresses(columns: Columns) -> bool:
    return any(f"{src}{part}" in columns and f"{dst}{part}" in columns for src, dst in PAIRS for part in ("", "_lo"))


def _read_sections(rows: Rows, columns: Columns, counts: Refusals) -> tuple[Rows, Columns]:
    """Read the headers of packets that were exported as they are (elements 104, 313, 315); rows without any are left out."""
    name, offset, octets = next(column for column in rows.layout.columns if column[0] in SECTIONS)
    first, _ = rows.layout.span
    count = len(rows.at)
    captured = columns[f"{name}_captured"] if f"{name}_captured" in columns else np.full(count, octets)
    headers = packet.parse(rows.flat, rows.at + (offset - first), captured.astype(np.int64), LINKTYPES[name])
    kept = np.flatnonzero(headers.is_ip)
    counts.charge(Reason.BAD_FRAME, rows.exporter[~headers.is_ip])
    found = {name: column[kept] for name, column in columns.items()}
    for name in ("src_hi", "src_lo", "dst_hi", "dst_lo", "src_port", "dst_port", "protocol", "flags"):
        found[name] = getattr(headers, name)[kept]
    found.setdefault("frame_octets", headers.bytes[kept])
    found["one"] = np.ones(len(kept), np.uint8)
    return rows.take(kept), found


def _addresses(columns: Columns) -> tuple[dict[str, Column], int]:
    """Widen the addresses to two halves; where a record has fields of both families, the one that is filled counts."""
    if "src_hi" in columns:
        return {name: columns[name] for name in ("src_hi", "src_lo", "dst_hi", "dst_lo")}, 0
    has4, has6 = "src4" in columns and "dst4" in columns, "src6_lo" in columns and "dst6_lo" in columns
    if not has4 and not has6:
        # Only translated addresses: a record of a NAT event. They are what the outside sees.
        columns = {name.removeprefix("nat_"): column for name, column in columns.items() if name.startswith("nat_")}
        has4, has6 = "src4" in columns and "dst4" in columns, "src6_lo" in columns and "dst6_lo" in columns
    v4: dict[str, Column] = {}
    if has4:
        v4 = {f"{edge}_lo": columns[f"{edge}4"] | MAPPED for edge in ("src", "dst")}
        if not has6:
            return v4, 4
    v6: dict[str, Column] = {f"{edge}_{half}": columns[f"{edge}6_{half}"] for edge in ("src", "dst") for half in ("hi", "lo")}
    if not has4:
        return v6, 6
    is6 = (columns["src4"] == 0) & (columns["dst4"] == 0)
    if "ip_version" in columns:
        is6 = (columns["ip_version"] == 6) | is6 & (columns["ip_version"] != 4)
    return {name: np.where(is6, column, v4.get(name, np.uint64(0))) for name, column in v6.items()}, 0


def _number(columns: Columns, name: str, count: int) -> U64:
    """Take a counter, zero where the record has none."""
    column = columns.get(name)
    return np.zeros(count, np.uint64) if column is None else column.astype(np.uint64, copy=False)


def _first(columns: Columns, names: tuple[str, ...], count: int) -> U64:
    """Take the first counter the record has; a pair of incoming and outgoing counters fills in for each other."""
    for name in names:
        if name in columns:
            return _number(columns, name, count)
    return np.zeros(count, np.uint64)


def _counter(columns: Columns, name: str, others: tuple[str, ...], count: int) -> U64:
    """Element 1 or 2, where it is zero 23 or 24 (the same flow counted on its way out); without either, what else counts."""
    taken, out = columns.get(name), columns.get(f"{name}_out")
    if taken is None or out is None:
        return _first(columns, (name, f"{name}_out", *others), count)
    return np.where(taken == 0, out, taken).astype(np.uint64, copy=False)


def _packets(columns: Columns, count: int) -> U64:
    return _counter(columns, "packets", ("packets_total", "packets_post_total", "packets_initiator", "one"), count)


def _bytes(columns: Columns, count: int) -> U64:
    others = ("bytes_total", "bytes_post_total", "bytes_layer2", "bytes_layer2_total", "bytes_initiator", "frame_octets")
    return _counter(columns, "bytes", others, count)


def _flags(columns: Columns, direction: str, count: int) -> U8:
    """TCP flags; YAF gives those of the first packet and of the rest. Of the 16 bits of element 6 (RFC 7125) the lower 8 are kept."""
    told = [columns[direction + name].astype(np.uint8, copy=False) for name in ("flags", "flags_first", "flags_rest") if direction + name in columns]
    return reduce(np.bitwise_or, told) if told else np.zeros(count, np.uint8)


def _port(columns: Columns, names: tuple[str, str], count: int) -> U16:
    told = next((columns[name] for name in names if name in columns), None)
    return np.zeros(count, np.uint16) if told is None else told.astype(np.uint16, copy=False)


def _ports(columns: Columns) -> tuple[U16, U16]:
    """Ports; for ICMP and ICMPv6 0 and type * 256 + code, wherever the exporter put those."""
    count = len(next(iter(columns.values())))
    src, dst = (_port(columns, (f"{edge}_port", f"nat_{edge}_port"), count) for edge in ("src", "dst"))
    protocol = columns.get("protocol")
    if protocol is None:
        return src, dst
    for number, name in ((ICMP, "icmp4"), (ICMPV6, "icmp6")):
        mine = protocol == number
        if mine.any():
            told = _number(columns, name, count).astype(np.uint16)
            is_told = told > 0  # of type and code in one, zero may mean that they stand in the port
            if f"{name}_type" in columns:
                # Type and code of their own hold when they are zero as well: the port is the identifier of an echo then (Cisco ASA).
                told |= (_number(columns, f"{name}_type", count) << np.uint64(8) | _number(columns, f"{name}_code", count)).astype(np.uint16)
                is_told = np.ones(count, np.bool_)
            src = np.where(mine, np.uint16(0), src)
            dst = np.where(mine & is_told, told, dst)
    return src, dst


def _rate(columns: Columns, rows: Rows) -> U32:
    """Prefer what the record itself says of its sampling to what its domain has told."""
    if "rate" in columns:
        return np.where(columns["rate"] > 0, columns["rate"], rows.rate).astype(np.uint32)
    if "rate_taken" in columns:
        taken = np.maximum(columns["rate_taken"], 1).astype(np.float64)
        rate = (taken + _number(columns, "rate_skipped", len(rows.slot))) / taken
        return np.clip(np.where(columns["rate_taken"] > 0, rate, rows.rate), 1, 0xFFFF_FFFF).astype(np.uint32)
    sampler, input_if = (columns[name].astype(np.uint64) if name in columns else None for name in ("sampler", "input_if"))
    return rows.rates.apply(rows.rate, rows.slot, sampler, input_if)


def _reverse(forward: FlowBatch, columns: Columns) -> FlowBatch | None:
    """Turn the opposite direction of biflows (RFC 5103, and elements 232 and 299) into records of their own."""
    if "reverse_packets" not in columns and "reverse_bytes" not in columns:
        return None
    count = len(forward)
    packets, octets = (_number(columns, f"reverse_{name}", count) for name in ("packets", "bytes"))
    rows = np.flatnonzero((packets > 0) | (octets > 0))
    if not len(rows):
        return None
    there = forward.take(rows)
    icmp = (there.protocol == ICMP) | (there.protocol == ICMPV6)
    return there.with_columns(
        src_hi=there.dst_hi, src_lo=there.dst_lo, dst_hi=there.src_hi, dst_lo=there.src_lo,
        # The type of an ICMP answer is not told; 0 is that of the commonest, the echo reply.
        src_port=np.where(icmp, np.uint16(0), there.dst_port), dst_port=np.where(icmp, np.uint16(0), there.src_port),
        input_if=there.output_if, output_if=there.input_if,
        packets=packets[rows], bytes=octets[rows], flags=_flags(columns, "reverse_", count)[rows],
    )  # fmt: skip
