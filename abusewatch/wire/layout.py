"""Where the wanted fields lie in a record: a template's layout, and the columns read from many records of one layout.

Templates of different ids and exporters with the same layout share one, so records are grouped by layout, not by template.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from abusewatch.model.compiled import kernel
from abusewatch.model.flow import I64, U8, U64
from abusewatch.wire.elements import CERT, IANA_REVERSE, NETFLOW9

KERNEL = kernel("abusewatch.wire._records")

FRAME_OCTETS = 160
"""How much of a packet section is looked at when its length varies: link and network headers with room for extension headers."""

WANTED: dict[tuple[int, int], str] = {
    (0, 8): "src4", (0, 12): "dst4", (0, 27): "src6", (0, 28): "dst6",
    (0, 225): "nat_src4", (0, 226): "nat_dst4", (0, 281): "nat_src6", (0, 282): "nat_dst6",
    (NETFLOW9, 40001): "nat_src4", (NETFLOW9, 40002): "nat_dst4",
    (0, 60): "ip_version", (0, 4): "protocol",
    (0, 7): "src_port", (0, 180): "src_port", (0, 182): "src_port", (0, 227): "nat_src_port",
    (0, 11): "dst_port", (0, 181): "dst_port", (0, 183): "dst_port", (0, 228): "nat_dst_port",
    (0, 32): "icmp4", (0, 139): "icmp6",
    (0, 176): "icmp4_type", (0, 177): "icmp4_code", (0, 178): "icmp6_type", (0, 179): "icmp6_code",
    (0, 6): "flags", (CERT, 14): "flags_first", (CERT, 15): "flags_rest",
    (0, 2): "packets", (0, 24): "packets_out", (0, 86): "packets_total", (0, 172): "packets_post_total", (0, 298): "packets_initiator",
    (0, 1): "bytes", (0, 23): "bytes_out", (0, 85): "bytes_total", (0, 171): "bytes_post_total", (0, 231): "bytes_initiator",
    (0, 352): "bytes_layer2", (0, 353): "bytes_layer2_total", (0, 312): "frame_octets",
    (0, 299): "reverse_packets", (0, 232): "reverse_bytes",
    (IANA_REVERSE, 2): "reverse_packets", (IANA_REVERSE, 86): "reverse_packets",
    (IANA_REVERSE, 1): "reverse_bytes", (IANA_REVERSE, 85): "reverse_bytes",
    (IANA_REVERSE, 6): "reverse_flags", (CERT, 16398): "reverse_flags_first", (CERT, 16399): "reverse_flags_rest",
    (0, 61): "direction", (0, 10): "input_if", (0, 252): "input_if", (0, 14): "output_if", (0, 253): "output_if",
    (0, 22): "start_uptime", (0, 21): "end_uptime", (0, 150): "start_s", (0, 151): "end_s", (0, 152): "start_ms", (0, 153): "end_ms",
    (0, 154): "start_ntp", (0, 155): "end_ntp", (0, 156): "start_ntp", (0, 157): "end_ntp", (0, 158): "start_delta", (0, 159): "end_delta",
    (0, 160): "boot_ms", (0, 161): "duration_ms", (0, 162): "duration_us",
    (0, 322): "seen_s", (0, 323): "seen_ms", (0, 324): "seen_ntp", (0, 325): "seen_ntp",
    (0, 34): "rate", (0, 305): "rate_taken", (0, 306): "rate_skipped", (0, 48): "sampler", (0, 302): "sampler",
    (0, 315): "frame", (0, 104): "frame", (0, 313): "packet",
}  # fmt: skip
"""Element to column. Where several elements mean one column, the first in the record is taken."""

ADDRESS_OCTETS = {
    "src4": 4, "dst4": 4, "nat_src4": 4, "nat_dst4": 4, "src6": 16, "dst6": 16, "nat_src6": 16, "nat_dst6": 16,
    "start_ntp": 8, "end_ntp": 8, "seen_ntp": 8,
}  # fmt: skip
"""Columns that exist in one size only; numbers may be of reduced size (RFC 7011 6.2)."""
SECTIONS = ("frame", "packet")
PAIRS = (("src4", "dst4"), ("src6", "dst6"), ("nat_src4", "nat_dst4"), ("nat_src6", "nat_dst6"))

Columns = dict[str, NDArray[np.unsignedinteger]]


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the wanted fields lie in a record of `record_length` octets: (column, offset, octets), sorted.

    Records of variable length are first packed into this form (`packer`): `sources` then gives, for each column, the place of its field in the template.
    """

    record_length: int
    columns: tuple[tuple[str, int, int], ...]
    sources: tuple[int, ...] = ()

    @property
    def is_flow(self) -> bool:
        """Whether a record says who sent to whom."""
        names = {name for name, _, _ in self.columns}
        return any(src in names and dst in names for src, dst in PAIRS) or not names.isdisjoint(SECTIONS)

    @property
    def span(self) -> tuple[int, int]:
        """The part of a record that holds the wanted fields: its first octet and its length."""
        first = min(offset for _, offset, _ in self.columns)
        return first, max(offset + octets for _, offset, octets in self.columns) - first


def _usable(name: str, octets: int) -> bool:
    if name in ADDRESS_OCTETS:
        return octets == ADDRESS_OCTETS[name]
    return name in SECTIONS or octets <= 8


def layout_of(fields: Sequence[tuple[int, int, int]], length: int, *, variable: bool) -> Layout | None:
    """Choose the wanted fields of a template; None when its records are no flows."""
    columns: dict[str, tuple[int, int, int]] = {}
    offset = packed = 0
    for place, (enterprise, number, octets) in enumerate(fields):
        name = WANTED.get((enterprise, number))
        kept = FRAME_OCTETS if octets == 65535 else octets
        if name is not None and name not in columns and _usable(name, kept) and (octets != 65535 or name in SECTIONS):
            columns[name] = (packed if variable else offset, kept, place)
            packed += kept
            if variable and name in SECTIONS:
                columns[name + "_captured"] = (packed, 2, place)
                packed += 2
        offset += octets
    chosen = tuple(sorted((name, at, octets) for name, (at, octets, _) in columns.items()))
    sources = tuple(columns[name][2] for name, _, _ in chosen) if variable else ()
    found = Layout(packed if variable else length, chosen, sources)
    return found if chosen and found.is_flow else None


def packer(layout: Layout) -> Callable[[bytes, list[tuple[int, int]]], bytes]:
    """Give the function that copies the wanted fields of a record of variable length, given where each of its fields lies, into a row of the layout."""
    moves = [(name.endswith("_captured"), at, octets, place) for (name, at, octets), place in zip(layout.columns, layout.sources, strict=True)]

    def pack(data: bytes, record: list[tuple[int, int]]) -> bytes:
        row = bytearray(layout.record_length)
        for captured, offset, octets, place in moves:
            start, length = record[place]
            if captured:
                row[offset : offset + 2] = min(length, FRAME_OCTETS).to_bytes(2, "big")
            else:
                taken = min(octets, length)
                row[offset : offset + taken] = data[start : start + taken]
        return bytes(row)

    return pack


@lru_cache(maxsize=512)
def _dtype(layout: Layout) -> np.dtype[np.void]:
    first, span = layout.span
    names: list[str] = []
    formats: list[object] = []
    offsets: list[int] = []
    for name, offset, octets in layout.columns:
        if name in SECTIONS:
            continue
        names.append(name)
        formats.append("u1" if octets == 1 else f">u{octets}" if octets in {2, 4, 8} else (">u8", (2,)) if octets == 16 else ("u1", (octets,)))
        offsets.append(offset - first)
    return np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": span})


def columns_of(layout: Layout, flat: U8, at: I64) -> Columns:
    """Read the columns of records whose spans begin at `at` in `flat`; native byte order, addresses of 16 octets as _hi and _lo.

    IndexError for one that is not whole: a fault of ours, since the lengths that exporters tell have been checked before.
    """
    if len(at) and (int(at.min()) < 0 or int(at.max()) + layout.span[1] > len(flat)):
        raise IndexError(f"records of {layout.span[1]} octets beyond the {len(flat)} there are")
    return _where_they_lie(layout, flat, at) if KERNEL else _gathered(layout, sliding_window_view(flat, layout.span[1])[at])


def _where_they_lie(layout: Layout, flat: U8, at: I64) -> Columns:
    plan = _plan(layout)
    columns: Columns = {name: np.empty(len(at), f"u{octets}" if octets in {1, 2, 4} else np.uint64) for name, _, octets in plan}
    place = np.array([column.ctypes.data for column in columns.values()], np.uint64)
    offset, octets = np.array([each[1] for each in plan], np.int64), np.array([each[2] for each in plan], np.int32)
    KERNEL.read(place, flat, at, offset, octets)  # type: ignore[union-attr]  # it is there
    return columns


@lru_cache(maxsize=512)
def _plan(layout: Layout) -> tuple[tuple[str, int, int], ...]:
    """The numbers of a span: name, offset in it, octets."""
    found: list[tuple[str, int, int]] = []
    for name, offset, octets in layout.columns:
        begin = offset - layout.span[0]
        if octets == 16:
            found += [(f"{name}_hi", begin, 8), (f"{name}_lo", begin + 8, 8)]
        elif name not in SECTIONS:
            found.append((name, begin, octets))
    return tuple(found)


def _gathered(layout: Layout, rows: U8) -> Columns:
    records = rows.reshape(-1).view(_dtype(layout))
    columns: Columns = {}
    for name, _, octets in layout.columns:
        if name in SECTIONS:
            continue
        raw = records[name]
        if octets == 16:
            columns[name + "_hi"] = raw[:, 0].astype(np.uint64)
            columns[name + "_lo"] = raw[:, 1].astype(np.uint64)
        elif raw.ndim == 2:
            columns[name] = _fold(raw)
        else:
            columns[name] = raw.astype(raw.dtype.newbyteorder("="))
    return columns


def _fold(octets: U8) -> U64:
    """Read numbers of 3, 5, 6 or 7 octets."""
    number = np.zeros(len(octets), np.uint64)
    for place in range(octets.shape[1]):
        number = number << np.uint64(8) | octets[:, place]
    return number
