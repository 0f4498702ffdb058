"""Packets to flow records before the engine sees them, so that what it does for a record is not done for each packet.

A flow is what the packets of one pane have in common: addresses, ports, protocol, and what their TCP flags say of the sender: a SYN alone, SYN and ACK
alone, SYN and ACK among others, or neither. So every condition on the opening of a connection holds for a flow as it held for its packets, and sums,
distinct counts and conversations come out the same. A flow ends when its pane does: when a packet of a later pane comes, when the clock of a capture
has stepped back, or when the cache is full (all are ended then, as routers do). That depends on the packets and their order, never on batches.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Protocol

import numpy as np

from abusewatch.model.compiled import kernel
from abusewatch.model.flow import DTYPES, Bool, FlowBatch, batch_of, concat
from abusewatch.model.rows import constant
from abusewatch.sources.capture_file import flows_of
from abusewatch.windows.order import U64, Index, mix, order_of, order_of_small, starts_of
from abusewatch.windows.panes import SECOND
from abusewatch.wire.frames import Frames
from abusewatch.wire.gather import padded
from abusewatch.wire.linktypes import LINK_TYPES
from abusewatch.wire.packet import REASONS

KERNEL = kernel("abusewatch.sources._flow_cache")

PANE_US = 5 * SECOND
BACK = 3
"""Panes that a packet may lie behind the newest: one more than the engine waits for. Further back the capture's clock has been set."""
LIMIT = 1 << 17
"""Flows kept open; 14 MB. A flow is told of more than once only in a pane that has more of them: at 150,000 packets a second and more."""
HELD = 2
"""Packets that wait for the sort, in multiples of the flows kept open: each sort sees what is open again."""

ADDED = ("start_us", "src_hi", "src_lo", "dst_hi", "dst_lo", "src_port", "dst_port", "protocol", "flags", "bytes", "frame")
GIVEN = (
    "start_us", "end_us", "src_hi", "src_lo", "dst_hi", "dst_lo", "src_port", "dst_port", "protocol", "flags", "packets", "bytes", "frame", "frame_last",
)  # fmt: skip
ADDRESSES = ("src_hi", "src_lo", "dst_hi", "dst_lo")
SYN, ACK = 2, 16

KINDS = np.array([0 if not f & SYN else 1 if not f & ACK else 2 if f == SYN | ACK else 3 for f in range(256)], np.uint8)


NOTHING = batch_of(0)


class Cache(Protocol):
    """What both kinds of cache do."""

    def add(self, packets: FlowBatch) -> FlowBatch:
        """Count packets, a record each, in the order in which they came; give the flows that have ended, in the order of their first packets."""

    def read(self, frames: Frames, counts: Counter[str]) -> FlowBatch:
        """The same for frames as they are, in one pass where it is compiled; `counts` gets what was not whole."""

    def flush(self) -> FlowBatch:
        """End every flow; the clock may start anywhere then."""


def cache() -> Cache:
    """A cache, compiled where it can be."""
    return Grouped() if KERNEL is None else Compiled()


def metered_frames(parts: Iterable[Frames], counts: Counter[str]) -> Iterator[FlowBatch]:
    """Give the flows of a whole capture."""
    flows = cache()
    for frames in parts:
        if len(ended := flows.read(frames, counts)):
            yield ended
    if len(ended := flows.flush()):
        yield ended


def metered(batches: Iterable[FlowBatch]) -> Iterator[FlowBatch]:
    """Give the flows of a whole stream of packets."""
    flows = cache()
    for batch in batches:
        if len(ended := flows.add(batch)):
            yield ended
    if len(ended := flows.flush()):
        yield ended


class Compiled:
    """One pass, a look-up a packet."""

    def __init__(self, limit: int = LIMIT) -> None:
        assert KERNEL is not None  # noqa: S101  `cache` has looked
        self._kernel = KERNEL.Cache(PANE_US, BACK, limit)

    def add(self, packets: FlowBatch) -> FlowBatch:
        """See `Cache`."""
        columns = (np.ascontiguousarray(getattr(packets, name)) for name in ADDED)
        return self._given(self._kernel.add(*columns))

    def read(self, frames: Frames, counts: Counter[str]) -> FlowBatch:
        """See `Cache`."""
        linktype = int(frames.linktype[0]) if len(frames) else 0
        if linktype not in LINK_TYPES or not (constant(frames.linktype) or (frames.linktype == linktype).all()):
            return self.add(flows_of(frames, counts))
        buffer = padded(frames.buffer, int((frames.offset + frames.captured).max()))
        reasons = np.zeros(len(REASONS), np.int64)
        columns = (np.ascontiguousarray(c) for c in (frames.offset, frames.captured, frames.original, frames.time_us, frames.number))
        done = self._kernel.read(buffer, *columns, linktype, reasons)
        counts.update({name: n for name, n in zip(REASONS[1:], reasons[1:].tolist(), strict=True) if n})
        return self._given(done)

    def flush(self) -> FlowBatch:
        """See `Cache`."""
        return self._given(self._kernel.flush())

    def _given(self, done: int) -> FlowBatch:
        if not done:
            return NOTHING
        columns = {name: np.empty(done, DTYPES[name]) for name in GIVEN}
        self._kernel.give(*columns.values())
        return batch_of(done, _family(columns), **columns)


class Grouped:
    """The same by sorting: what is open goes through the sort again with the next packets, of which as many are held back as the pane allows."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._open = batch_of(0)
        self._newest: int | None = None
        self._held: list[FlowBatch] = []

    def add(self, packets: FlowBatch) -> FlowBatch:
        """See `Cache`."""
        if self._can_wait(packets):
            self._held.append(packets)
            return batch_of(0)
        return concat([part for part in self._parts(concat([*self._released(), packets])) if len(part)])

    def read(self, frames: Frames, counts: Counter[str]) -> FlowBatch:
        """See `Cache`."""
        return self.add(flows_of(frames, counts))

    def flush(self) -> FlowBatch:
        """See `Cache`."""
        held = self._released()
        return concat([part for part in (*(self._parts(concat(held)) if held else ()), self._end()) if len(part)])

    def _can_wait(self, packets: FlowBatch) -> bool:
        """Whether none of them ends a flow by its time, and there is room to hold them."""
        if not len(packets) or self._newest is None or sum(map(len, self._held)) + len(packets) > HELD * self._limit:
            return False
        pane = packets.end_us // PANE_US
        return bool(pane.max() <= self._newest and pane.min() >= self._newest - BACK)

    def _released(self) -> list[FlowBatch]:
        held, self._held = self._held, []
        return held

    def _end(self) -> FlowBatch:
        flows, self._open, self._newest = self._open, batch_of(0), None
        return flows

    def _parts(self, packets: FlowBatch) -> Iterator[FlowBatch]:
        """Between two steps back of the clock."""
        pane = packets.end_us // PANE_US
        while len(pane):
            newest = np.maximum.accumulate(np.concatenate(([pane[0] if self._newest is None else self._newest], pane)))
            behind = newest[1:] - pane > BACK
            until = int(np.argmax(behind)) if behind.any() else len(pane)
            if until:
                yield from self._forward(packets.take(slice(until)), newest[: until + 1])
                self._newest = int(newest[until])
            if until < len(pane):
                yield self._end()
                self._newest = int(pane[until])
            packets, pane = packets.take(slice(until, None)), pane[until:]

    def _forward(self, packets: FlowBatch, newest: np.ndarray) -> Iterator[FlowBatch]:
        """Group the packets of each pane, with what is open before them; more than the limit of flows is parted there."""
        opened = len(self._open)
        rows = concat([self._open, packets]) if opened else packets
        turn = np.concatenate((np.zeros(opened, np.int64), np.cumsum(np.diff(newest) > 0)))
        key = _key(rows, turn)
        order = order_of(key)
        while (cut := self._full(order, key, turn)) is not None:
            yield _grouped(rows, order[order < cut], key)[0]
            order = order[order >= cut]  # still in the order of keys, and within a key of rows
        flows, first = _grouped(rows, order, key)
        last = turn[first] == turn[-1]
        yield flows.take(~last)
        self._open = flows.take(last)

    def _full(self, order: Index, key: U64, turn: np.ndarray) -> int | None:
        """The first row for whose flow there is no room; None when there is room for all."""
        first = np.sort(order[starts_of(key[order])])
        turns = turn[first]
        place = np.arange(len(first)) - np.searchsorted(turns, turns)  # of the flow in its turn
        over = place == self._limit
        return int(first[int(np.argmax(over))]) if over.any() else None


def _grouped(rows: FlowBatch, order: Index, key: U64) -> tuple[FlowBatch, Index]:
    """The flows of some rows in order of their first, and the place of that; `order` brings equal keys together."""
    begin = starts_of(key[order])
    first = order[begin]  # the order within equal keys is that of the rows
    rank = order_of_small(first)

    def over(how: np.ufunc, column: np.ndarray) -> np.ndarray:
        return how.reduceat(column[order], begin)[rank]

    first = first[rank]
    same = ("src_hi", "src_lo", "dst_hi", "dst_lo", "src_port", "dst_port", "protocol")
    columns = {name: getattr(rows, name)[first] for name in same}
    columns |= {
        "start_us": over(np.minimum, rows.start_us), "end_us": over(np.maximum, rows.end_us), "flags": over(np.bitwise_or, rows.flags),
        "packets": over(np.add, rows.packets), "bytes": over(np.add, rows.bytes), "frame": rows.frame[first],
        "frame_last": over(np.maximum, np.maximum(rows.frame, rows.frame_last)),
    }  # fmt: skip
    return batch_of(len(first), _family(columns), **columns), first


def _key(rows: FlowBatch, turn: np.ndarray) -> U64:
    ports = rows.src_port.astype(np.uint64) << np.uint64(32) | rows.dst_port.astype(np.uint64) << np.uint64(16)
    rest = ports | rows.protocol.astype(np.uint64) << np.uint64(8) | KINDS[rows.flags]
    time = (turn << 32) + rows.end_us // PANE_US
    hi = rows.src_hi * np.uint64(0x9E3779B97F4A7C15) ^ rows.dst_hi
    return mix(rows.src_lo, rows.dst_lo, rest, hi, time)


def _family(columns: dict[str, np.ndarray]) -> int:
    """4 or 6 when all addresses are of that family, else 0."""
    src, dst = (_mapped(columns[f"{side}_hi"], columns[f"{side}_lo"]) for side in ("src", "dst"))
    return 4 if (src & dst).all() else 0 if (src | dst).any() else 6


def _mapped(hi: U64, lo: U64) -> Bool:
    v4: Bool = (hi == 0) & (lo >> np.uint64(32) == np.uint64(0xFFFF))
    return v4
