"""The interfaces a pcapng section describes: link type, snap length, and the unit and offset of their time stamps."""

from struct import Struct

import numpy as np

from abusewatch.model.flow import I64, U16, U64
from abusewatch.wire.errors import Reason, WireError
from abusewatch.wire.frames import CAPTURED_LIMIT

IF_TSRESOL, IF_TSOFFSET = 9, 14
FIXED, TRAILER = 16, 4
MICROSECONDS = 1_000_000
SECONDS_LIMIT = 1 << 42
"""Twice as many seconds still leave room for microseconds in 63 bits; the year 141,000 is late enough."""
INTERFACE_LIMIT = 65_536
"""Interfaces of one section: as many as the old packet block can name."""


class Interfaces:
    """A table that only grows, read by column: one row an interface, in the order described."""

    def __init__(self) -> None:
        self._linktype: list[int] = []
        self._snap: list[int] = []
        self._units: list[int] = []
        self._offset: list[int] = []

    def __len__(self) -> int:
        """Count the interfaces."""
        return len(self._linktype)

    def add(self, block: bytes, order: str) -> None:
        """Read an Interface Description Block (section 4.2); WireError when its options overrun it or mean nothing."""
        if len(self) >= INTERFACE_LIMIT:
            raise WireError(Reason.TOO_LARGE, f"more than {INTERFACE_LIMIT} interfaces in a section")
        linktype, snap = Struct(order + "HxxI").unpack_from(block, 8)
        options = _options(block, order)
        units = _units(options.get(IF_TSRESOL, b"\x06"))
        offset = options.get(IF_TSOFFSET, bytes(8))
        if len(offset) != 8:
            raise WireError(Reason.BAD_BLOCK, "if_tsoffset is not 8 bytes long")
        seconds = Struct(order + "q").unpack(offset)[0]
        self._linktype.append(linktype)
        self._snap.append(snap or CAPTURED_LIMIT)
        self._units.append(units)
        self._offset.append(max(-SECONDS_LIMIT, min(SECONDS_LIMIT, seconds)))

    def snap_length(self, interface: int) -> int:
        """How much of a frame this interface keeps."""
        return self._snap[interface] if interface < len(self._snap) else CAPTURED_LIMIT

    def linktypes(self, interface: I64) -> U16:
        """Look up the link type of each row's interface."""
        return np.array(self._linktype, np.uint16)[interface]

    def times_us(self, interface: I64, stamp: U64) -> I64:
        """Turn the stamps of each row's interface to microseconds since the epoch."""
        if set(self._units) == {MICROSECONDS} and not any(self._offset):
            plain: I64 = np.minimum(stamp, np.uint64(2**63 - 1)).astype(np.int64)
            return plain
        units = np.array(self._units, np.uint64)[interface]
        seconds, fraction = np.divmod(stamp, units)
        spare = np.maximum(units >> np.uint64(43), np.uint64(1))  # so that the product below stays within 64 bits
        micros = (fraction // spare) * np.uint64(MICROSECONDS) // (units // spare)
        whole = np.minimum(seconds, np.uint64(SECONDS_LIMIT)).astype(np.int64)
        offset: I64 = np.array(self._offset, np.int64)[interface]
        times: I64 = (whole + offset) * MICROSECONDS + micros.astype(np.int64)
        return times


def _options(block: bytes, order: str) -> dict[int, bytes]:
    """Read the options of an interface block (section 3.5): code, length, value padded to 4 bytes; 0 ends the list."""
    head = Struct(order + "HH").unpack_from
    position, end = FIXED, len(block) - TRAILER
    found: dict[int, bytes] = {}
    while position + 4 <= end:
        code, length = head(block, position)
        position += 4
        if code == 0:
            break
        if position + length > end:
            raise WireError(Reason.BAD_BLOCK, "an option is longer than its block")
        found.setdefault(code, block[position : position + length])
        position += (length + 3) & ~3
    return found


def _units(resolution: bytes) -> int:
    """How many units a second has: the highest bit chooses a power of 2 over a power of 10."""
    if len(resolution) != 1:
        raise WireError(Reason.BAD_BLOCK, "if_tsresol is not one byte long")
    exponent = resolution[0] & 0x7F
    units: int = 2**exponent if resolution[0] & 0x80 else 10**exponent
    if units >= 1 << 64:
        raise WireError(Reason.BAD_BLOCK, f"if_tsresol 0x{resolution[0]:02x} is finer than 64 bits can count")
    return units
