"""Gather header structures from many places of one buffer at once.

A structure is a numpy dtype quoted from the RFC, a gather is one call. An array whose elements overlap (stride 1) lets
one fancy index copy a whole header a row. The copy is made as a plain void of the same size and only then given its
field names, because numpy copies a structured element field by field (64 ns a row instead of 3).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from abusewatch.model.flow import I64, U8, U16, U64

MARGIN = 64
"""Zero bytes behind the last byte of data, so that a gather at any place inside the data stays inside the buffer."""


def padded(buffer: U8, end: int) -> U8:
    """Return the buffer, or a copy that ends with MARGIN zero bytes when fewer bytes than that are behind `end`."""
    if end + MARGIN <= len(buffer):
        return buffer
    return np.concatenate((buffer[:end], np.zeros(MARGIN, np.uint8)))


def gather(buffer: U8, at: I64, structure: np.dtype[Any]) -> NDArray[Any]:
    """Copy the structure that starts at each place `at` (n,); every place plus MARGIN must lie inside the buffer."""
    size = structure.itemsize
    everywhere: NDArray[np.void] = np.ndarray((len(buffer) - size + 1,), f"V{size}", buffer, strides=(1,))
    return everywhere[at].view(structure)


def be16(buffer: U8, at: I64) -> U16:
    """Read the big-endian 16-bit number at each place."""
    high: U16 = buffer[at].astype(np.uint16) << np.uint16(8)
    return high | buffer[at + 1]


def native(column: NDArray[Any]) -> U64:
    """Widen a wire column to u64 in the machine's order, before any arithmetic."""
    return column.astype(np.uint64)
