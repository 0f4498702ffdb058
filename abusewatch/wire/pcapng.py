"""The block-structured capture file (draft-ietf-opsawg-pcapng): sections, each with its byte order and interfaces.

Only the walk from block to block is a loop; interfaces are a small table, packets are columns.
"""

from collections.abc import Iterable, Iterator
from struct import Struct

import numpy as np
from numpy.typing import NDArray

from abusewatch.model.compiled import kernel
from abusewatch.model.flow import I64, U8, U64
from abusewatch.wire.errors import Reason, WireError
from abusewatch.wire.frames import CAPTURED_LIMIT, Frames, Window
from abusewatch.wire.gather import gather, native
from abusewatch.wire.interfaces import Interfaces

KERNEL = kernel("abusewatch.wire._packets")
ROWS = 65_536
"""Frames of a batch at most, when the walk is compiled."""
LEFT = 256
"""Blocks that the compiled walk has left to the other one before it is tried again."""
BLOCK_LIMIT = 16 << 20
"""Octets of the longest block, as Wireshark's MAX_BLOCK_SIZE; it bounds what is held while waiting for one."""

SECTION, INTERFACE, OLD_PACKET, SIMPLE_PACKET, ENHANCED_PACKET = 0x0A0D0D0A, 1, 2, 3, 6
SECTION_MAGIC = b"\x0a\x0d\x0d\x0a"
ORDERS = {b"\x1a\x2b\x3c\x4d": ">", b"\x4d\x3c\x2b\x1a": "<"}
SHORTEST = {SECTION: 28, INTERFACE: 20, OLD_PACKET: 32, SIMPLE_PACKET: 16, ENHANCED_PACKET: 32}
PACKET_DATA, SIMPLE_DATA, TRAILER = 28, 12, 4


def frames(chunks: Iterable[bytes]) -> Iterator[Frames]:
    """Find the frames of a capture given in chunks of any size, at most a batch a chunk and section.

    WireError(NOT_A_CAPTURE) for another file, TRUNCATED when the last block is not whole, BAD_BLOCK for a block that
    contradicts itself, TOO_LARGE for one beyond the limits; the frames before it have been given by then.
    """
    window = Window(chunks)
    if not window.fill(12) or window.data[:4] != SECTION_MAGIC or window.data[8:12] not in ORDERS:
        raise WireError(Reason.NOT_A_CAPTURE, "no pcapng section header")
    walk = _Walk(window)
    while True:
        yield from walk.batches()
        if walk.fault is not None:
            raise walk.fault
        if not window.more(walk.position):
            break
        walk.position = 0
    if window.end:
        raise window.fault(Reason.TRUNCATED, 0, f"the block after packet {walk.number - 1} is cut")


class _Walk:
    """Goes from block to block and remembers what a section said."""

    def __init__(self, window: Window) -> None:
        self.window = window
        self.position = 0
        self.number = 1
        self.time_us = 0
        self.order = "<"
        self.interfaces = Interfaces()
        self.fault: WireError | None = None

    def batches(self) -> Iterator[Frames]:
        """Give the frames of all whole blocks in hand, a batch a section; stop with `fault` set at a bad block."""
        while True:
            yield from self._fast()
            before = self.position
            places, kinds = self._section()
            if len(places):
                yield from self._columns(places, kinds)
            if self.fault is not None:
                return
            if not self._new_section() and (KERNEL is None or self.position == before):
                return

    def _fast(self) -> Iterator[Frames]:
        """Give runs of enhanced packet blocks by the compiled walk, where there is one; what it leaves is for `_section` to judge."""
        while KERNEL is not None:
            out, stamp = np.empty((4, ROWS), np.int64), np.empty(ROWS, np.uint64)
            window = self.window
            found, self.position = KERNEL.pcapng(window.data, self.position, window.end, self.order == ">", len(self.interfaces), out, stamp)
            if found:
                offset, captured, original, interface = out[:, :found]
                times = self.interfaces.times_us(interface, stamp[:found])
                self.time_us = int(times[-1])
                numbers = np.arange(self.number, self.number + found)
                yield Frames(window.bytes(), offset, captured, original, times, self.interfaces.linktypes(interface), numbers)
                self.number += found
            if found < ROWS:
                return

    def _section(self) -> tuple[I64, NDArray[np.uint32]]:
        """Walk to the end of the bytes in hand or to the next section header; the places and kinds of packet blocks."""
        data, end, position = self.window.data, self.window.end, self.position
        head = Struct(self.order + "II").unpack_from
        places: list[int] = []
        kinds: list[int] = []
        last = end - 8
        tried = 0
        while position <= last and (KERNEL is None or tried < LEFT):
            tried += 1
            kind, length = head(data, position)
            if kind == SECTION:
                break
            if length < SHORTEST.get(kind, 12) or length & 3 or length > BLOCK_LIMIT:
                reason = Reason.TOO_LARGE if length > BLOCK_LIMIT else Reason.BAD_BLOCK
                self.fault = self.window.fault(reason, position, f"a block of type {kind} claims {length} bytes")
                break
            if position + length > end:
                break
            if kind in {ENHANCED_PACKET, OLD_PACKET, SIMPLE_PACKET}:
                places.append(position)
                kinds.append(kind)
            elif kind == INTERFACE:
                try:
                    self.interfaces.add(data[position : position + length], self.order)
                except WireError as error:
                    self.fault = self.window.fault(error.reason, position, f"an interface block: {error}")
                    break
            position += length
        self.position = position
        return np.array(places, np.int64), np.array(kinds, np.uint32)

    def _new_section(self) -> bool:
        """Read the section header at the position, if it is whole."""
        data, position = self.window.data, self.position
        if self.window.end - position < 12 or data[position : position + 4] != SECTION_MAGIC:
            return False
        order = ORDERS.get(data[position + 8 : position + 12])
        length = Struct((order or "<") + "I").unpack_from(data, position + 4)[0]
        if order is None or length < SHORTEST[SECTION] or length & 3 or length > BLOCK_LIMIT:
            self.fault = self.window.fault(Reason.BAD_BLOCK, position, "a section header that is none")
            return False
        if position + length > self.window.end:
            return False
        self.order, self.interfaces = order, Interfaces()
        self.position += length
        return True

    def _columns(self, places: I64, kinds: NDArray[np.uint32]) -> Iterator[Frames]:
        buffer = self.window.bytes()
        names = ("kind", "length", "interface", "high", "low", "captured", "original")
        block = gather(buffer, places, np.dtype([(name, self.order + "u4") for name in names]))
        length = block["length"].astype(np.int64)
        interface = block["interface"].astype(np.int64)
        captured, original = block["captured"].astype(np.int64), block["original"].astype(np.int64)
        offset = places + PACKET_DATA
        old, simple = kinds == OLD_PACKET, kinds == SIMPLE_PACKET
        if old.any():  # 16 bits of interface, then 16 of drop count
            interface[old] = gather(buffer, places[old] + 8, np.dtype(self.order + "u2"))
        if simple.any():
            interface[simple], original[simple] = 0, block["interface"][simple]
            offset[simple] = places[simple] + SIMPLE_DATA
            room = np.minimum(original[simple], length[simple] - SIMPLE_DATA - TRAILER)
            captured[simple] = np.minimum(room, self.interfaces.snap_length(0))
        good = self._good(places, buffer, length, interface, offset + captured - places + TRAILER, captured)
        stamp = native(block["high"]) << np.uint64(32) | block["low"]
        rows = slice(0, good)
        if good:
            time_us = self._times(interface[rows], stamp[rows], simple[rows])
            yield Frames(
                buffer=buffer,
                offset=offset[rows],
                captured=captured[rows],
                original=np.maximum(original, captured)[rows],
                time_us=time_us,
                linktype=self.interfaces.linktypes(interface[rows]),
                number=np.arange(self.number, self.number + good),
            )
            self.number += good

    def _good(self, places: I64, buffer: U8, length: I64, interface: I64, needed: I64, captured: I64) -> int:
        """Count the packets before the first bad block, and remember what is wrong with that one."""
        trailer = gather(buffer, places + length - TRAILER, np.dtype(self.order + "u4"))
        wrong = {
            "its two lengths differ": trailer != length,
            "it names an interface that was not described": interface >= len(self.interfaces),
            f"it claims more than {CAPTURED_LIMIT} bytes of packet": captured > CAPTURED_LIMIT,
            "its packet is longer than the block": needed > length,
        }
        any_wrong = np.logical_or.reduce(list(wrong.values()))
        if not any_wrong.any():
            return len(places)
        first = int(np.argmax(any_wrong))
        why = next(text for text, mask in wrong.items() if mask[first])
        self.fault = self.window.fault(Reason.BAD_BLOCK, int(places[first]), f"packet {self.number + first}: {why},")
        return first

    def _times(self, interface: I64, stamp: U64, simple: NDArray[np.bool_]) -> I64:
        """Turn time stamps to microseconds; a simple packet has none and takes that of the packet before it."""
        times = self.interfaces.times_us(interface, stamp)
        if simple.any():
            before = np.maximum.accumulate(np.where(simple, -1, np.arange(len(times))))
            times = np.where(before >= 0, times[before], self.time_us)
        self.time_us = int(times[-1])
        return times
