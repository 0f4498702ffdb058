"""Rows of one pane to one entry a conversation: both directions brought together by one sort.

The sort brings equal conversations together and, within each, what came in before what went out. Every sum is then taken once over (conversation,
direction) and put on its side: half the work of keeping two columns a row.
"""

import numpy as np
from numpy.typing import NDArray

from abusewatch.model import rows as r
from abusewatch.model.rows import Array, Columns
from abusewatch.windows.order import KERNEL, U64, Index, starts_of

FIN, SYN, RST, ACK = 1, 2, 4, 16
OPENING = 0x100  # a record whose flags are SYN without ACK: only the one who starts sends it
ACCEPTING = 0x200  # SYN and ACK and nothing else: only the one who answers sends it

ICMP, TCP, UDP, ICMP6 = 1, 6, 17, 58
NEVER = 1 << 62

SIDES: dict[str, tuple[str, int, type[np.generic]]] = {
    "packets_out": ("packets_out", 0, np.uint64), "packets_in": ("packets_in", 0, np.uint64),
    "bytes_out": ("bytes_out", 0, np.uint64), "bytes_in": ("bytes_in", 0, np.uint64),
    "first_out": ("first_out_us", NEVER, np.int64), "first_in": ("first_in_us", NEVER, np.int64),
    "flags_out": ("flags_out", 0, np.uint16), "flags_in": ("flags_in", 0, np.uint16),
}  # fmt: skip
"""What is told of each side: the column, its value where that side was not seen, its dtype."""
IDENTITY = ("slot", "own_hi", "own_lo", "peer_hi", "peer_lo", "own_port", "peer_port", "protocol")
ENDS = IDENTITY[1:]
SUMS = ("packets_out", "packets_in", "bytes_out", "bytes_in")
MINIMA = ("first_out_us", "first_in_us", "frame")
MAXIMA = ("last_us", "frame_last", "sampling_rate", "input_if", "exporter", "internal", "icmp", "level")
BITS = ("flags_out", "flags_in")

ECHO_REQUESTS = (8 << 8, 128 << 8)  # RFC 792; RFC 4443 4.1
ECHO_REPLIES = (0, 129 << 8)

FLAGS = np.arange(256, dtype=np.uint16)
FLAGS[(FLAGS & (SYN | ACK)) == SYN] |= OPENING
FLAGS[SYN | ACK] |= ACCEPTING
"""TCP flags of a record, marked with what they say of its sender."""


def eligible(rows: Columns) -> Columns:
    """Leave out what is no conversation: packets of nobody of ours, and ICMP other than echo (errors quote other flows)."""
    icmp = is_icmp(rows)
    fit = ~rows["transit"]
    if icmp.any():
        fit &= ~icmp | np.isin(_icmp_of(rows) & 0xFF00, (*ECHO_REQUESTS, *ECHO_REPLIES))
    return rows if fit.all() else r.take(rows, fit)


def key_of(rows: Columns) -> U64:
    """Hash both ends, the ports (ICMP has none) and the protocol of each row; both directions alike."""
    if KERNEL:
        key = np.empty(r.length(rows), np.uint64)
        KERNEL.keys(key, *(rows[name] for name in ENDS))
        return key
    own_port, peer_port = _ports(rows)
    ports = own_port.astype(np.uint64) << np.uint64(24) | peer_port.astype(np.uint64) << np.uint64(8) | rows["protocol"].astype(np.uint64)
    state = rows["own_hi"] * np.uint64(0x9E3779B97F4A7C15) ^ rows["own_lo"]
    for column in (rows["peer_hi"] * np.uint64(0xD6E8FEB86659FD93) ^ rows["peer_lo"], ports):
        state *= np.uint64(0x9E3779B97F4A7C15)
        state ^= state >> np.uint64(29)
        state ^= column
        state *= np.uint64(0xBF58476D1CE4E5B9)
        state ^= state >> np.uint64(32)
    return state


def reduced(rows: Columns) -> Columns:
    """One entry a conversation, in order of `key`, from rows that carry `key` and `level`."""
    order, key, out = _by_conversation(rows)
    whole = starts_of(key)
    one = order[whole]
    own_port, peer_port = _ports(rows)
    entry: Columns = {"key": key[whole], "own_port": own_port[one], "peer_port": peer_port[one]}
    entry |= {name: r.pick(rows[name], one) for name in IDENTITY if name not in entry}
    entry |= (_by_side_compiled if KERNEL else _by_side)(rows, order, whole, out)
    for name in ("sampling_rate", "input_if", "exporter", "internal", "level"):
        entry[name] = _greatest(rows[name], order, whole)
    frame = rows["frame"]
    entry["frame_last"] = _greatest(np.maximum(frame, rows["frame_last"]) if not r.constant(frame) else rows["frame_last"], order, whole)
    entry["frame"] = _greatest(frame, order, whole) if r.constant(frame) else np.minimum.reduceat(frame[order], whole)
    entry["icmp"] = _greatest(_asker(rows), order, whole)
    return entry


def _by_side(rows: Columns, order: Index, whole: Index, out: NDArray[np.bool_]) -> Columns:
    """What each side of a conversation sent, and when it was last seen: `whole` is where each begins in `order`, `out` the direction of each row in it."""
    first = np.zeros(len(order), np.bool_)
    first[whole] = True
    side = np.flatnonzero(first | np.concatenate(([True], out[1:] != out[:-1])))
    number = np.cumsum(first)[side] - 1
    sides = (np.flatnonzero(out[side]), np.flatnonzero(~out[side]))
    entry: Columns = {"last_us": np.maximum.reduceat(rows["end_us"][order], whole)}
    for name, column, reduce in (
        ("packets", rows["packets"], np.add), ("bytes", rows["bytes"], np.add), ("first", rows["start_us"], np.minimum),
        ("flags", FLAGS[rows["flags"]], np.bitwise_or),
    ):  # fmt: skip
        values = reduce.reduceat(column[order], side)
        for where, here in zip(("out", "in"), sides, strict=True):
            full, idle, dtype = SIDES[f"{name}_{where}"]
            entry[full] = np.full(len(whole), idle, dtype)
            entry[full][number.take(here)] = values.take(here)
    return entry


def _by_side_compiled(rows: Columns, order: Index, whole: Index, _: NDArray[np.bool_]) -> Columns:
    entry: Columns = {full: np.full(len(whole), idle, dtype) for full, idle, dtype in SIDES.values()} | {"last_us": np.empty(len(whole), np.int64)}
    columns = (rows[name] for name in ("packets", "bytes", "start_us", "end_us"))
    KERNEL.sides(order, whole, rows["outbound"].view(np.uint8), *columns, FLAGS[rows["flags"]], *entry.values())  # type: ignore[union-attr]  # it is there
    return entry


def _by_conversation(rows: Columns) -> tuple[Index, U64, NDArray[np.bool_]]:
    """Order of the rows by key and direction, with both in that order (see `order.order_of`, which cannot keep a second key).

    Where no two keys share the upper bits, which is checked, order by these is order by the whole key.
    """
    key, out = rows["key"], rows["outbound"]
    n = len(key)
    bits = max(1, (n - 1).bit_length()) if n else 1
    low = np.uint64((1 << bits) - 1)
    cut = np.uint64(bits + 1)
    packed = np.sort(key >> cut << cut | out.astype(np.uint64) << np.uint64(bits) | np.arange(n, dtype=np.uint64))
    order = (packed & low).astype(np.intp)
    ordered = key[order]
    if ((ordered[1:] != ordered[:-1]) & ((packed[1:] ^ packed[:-1]) >> cut == 0)).any():
        order = np.lexsort((out, key))
        ordered = key[order]
    return order, ordered, out[order]


def _greatest(column: Array, order: Index, whole: Index) -> Array:
    """The greatest value of each conversation; what is the same for all rows, as most of these are, costs one look."""
    if r.constant(column):
        return np.broadcast_to(column[0], whole.shape)
    return np.maximum.reduceat(column[order], whole)


def is_icmp(rows: Columns) -> NDArray[np.bool_]:
    """Which rows are ICMP of either family."""
    icmp: NDArray[np.bool_] = (rows["protocol"] == ICMP) | (rows["protocol"] == ICMP6)
    return icmp


def _icmp_of(rows: Columns) -> Array:
    """Type * 256 + code stands in the destination port, which is the peer's for what we sent and ours for what came."""
    return np.where(rows["outbound"], rows["peer_port"], rows["own_port"])


def _asker(rows: Columns) -> NDArray[np.uint8]:
    """For ICMP echo: 1 when our side asks, 2 when the other does, 0 for all else."""
    icmp = is_icmp(rows)
    if not icmp.any():
        return np.broadcast_to(np.uint8(0), icmp.shape)
    request = np.isin(_icmp_of(rows) & 0xFF00, ECHO_REQUESTS)
    return np.where(icmp, np.where(request == rows["outbound"], 1, 2), 0).astype(np.uint8)


def _ports(rows: Columns) -> tuple[Array, Array]:
    icmp = is_icmp(rows)
    if not icmp.any():
        return rows["own_port"], rows["peer_port"]
    return np.where(icmp, np.uint16(0), rows["own_port"]), np.where(icmp, np.uint16(0), rows["peer_port"])
