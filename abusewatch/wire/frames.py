"""Frames found in a capture: where each lies in a buffer, and when it was seen. What pcap and pcapng have in common."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from abusewatch.model.flow import I64, U8, U16
from abusewatch.wire.errors import Reason, WireError
from abusewatch.wire.gather import MARGIN

CAPTURED_LIMIT = 262_144
"""Most bytes of one frame, as libpcap's MAXIMUM_SNAPLEN."""


@dataclass(frozen=True, slots=True)
class Frames:
    """Columns (n,) of frames that lie in `buffer`, which ends with MARGIN zero bytes.

    `captured` bytes of each are there from `offset` on, of `original` on the wire. `time_us` counts microseconds since
    the epoch. `linktype` is the LINKTYPE_ number, `number` the frame's place in its file, from 1.
    """

    buffer: U8
    offset: I64
    captured: I64
    original: I64
    time_us: I64
    linktype: U16
    number: I64

    def __len__(self) -> int:
        """Count the frames."""
        return len(self.offset)


class Window:
    """The part of a stream in hand: grows by chunks at its end, is given back at its front, knows where it is."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks: Iterator[bytes] = iter(chunks)
        self.data = bytes(MARGIN)
        self.end = 0
        self.consumed = 0

    def more(self, used: int = 0) -> bool:
        """Forget the first `used` bytes and take the next chunk; False when the stream has ended."""
        self.consumed += used
        chunk = next(self._chunks, b"")
        self.data = b"".join((memoryview(self.data)[used : self.end], chunk, bytes(MARGIN)))
        self.end += len(chunk) - used
        return bool(chunk)

    def fill(self, wanted: int) -> bool:
        """Take chunks until `wanted` bytes are in hand; False when the stream has fewer."""
        while self.end < wanted:
            if not self.more():
                return False
        return True

    def bytes(self) -> U8:
        """Show the bytes in hand, and the margin behind them, as an array."""
        return np.frombuffer(self.data, np.uint8)

    def fault(self, reason: Reason, position: int, what: str) -> WireError:
        """Make the error for something wrong at `position` of the bytes in hand."""
        return WireError(reason, f"{what} at byte {self.consumed + position}")
