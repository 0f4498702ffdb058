"""Fixed slots that the kernel fills with datagrams, many a system call (recvmmsg(2)): none becomes a Python object.

Measured (benchmarks/README.md): reading a full socket buffer costs about 1.4 us a datagram this way, 55 us with
asyncio's DatagramProtocol.
"""

import ctypes
import errno
import mmap
import os
import socket

import numpy as np
from numpy.typing import NDArray

from abusewatch.model.address import MAPPED
from abusewatch.model.flow import U8, U32, U64, Bool

NEAR = 1536
"""Octets of a slot that lie side by side with those of its neighbours; datagrams of usual Ethernet (an MTU of 1500) are no longer. The rest of a slot, for
jumbo frames, lies apart: memory that nobody writes to is never taken from the machine, but a page would be for each slot that is longer than half of one."""
SOCKADDR_BYTES = 28
"""sizeof(struct sockaddr_in6), the longer of the two forms."""

_MMSGHDR = np.dtype({
    "names": ["name", "namelen", "iov", "iovlen", "control", "controllen", "flags", "len"],
    "formats": ["u8", "u4", "u8", "u8", "u8", "u8", "i4", "u4"],
    "offsets": [0, 8, 16, 24, 32, 40, 48, 56],
    "itemsize": 64,
})  # fmt: skip
"""struct mmsghdr of recvmmsg(2) on 64-bit Linux, where every port of it has this layout."""

_libc = ctypes.CDLL(None, use_errno=True)
_recvmmsg = _libc.recvmmsg
_recvmmsg.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int, ctypes.c_void_p]
_recvmmsg.restype = ctypes.c_int


class Ring:
    """Memory for `slots` datagrams of up to `slot_bytes` each, with columns beside it.

    `lengths` and `exporter` have shape (slots,), uint32.
    """

    def __init__(self, slots: int, slot_bytes: int) -> None:
        """Reserve the memory; a page is only taken from the machine when a datagram first touches it."""
        if ctypes.sizeof(ctypes.c_void_p) != 8:
            raise OSError("the receive ring knows 64-bit Linux only")
        self.slots = slots
        self.slot_bytes = slot_bytes
        self._near, self._far = _memory(slots, min(slot_bytes, NEAR)), _memory(slots, max(slot_bytes - NEAR, 0))
        self.lengths: U32 = np.zeros(slots, np.uint32)
        self.exporter: U32 = np.zeros(slots, np.uint32)
        self._names: U8 = np.zeros((slots, SOCKADDR_BYTES), np.uint8)
        self._iov: U64 = np.zeros((slots, 4), np.uint64)
        self._headers = np.zeros(slots, _MMSGHDR)
        self._point()

    def _point(self) -> None:
        place = np.arange(self.slots, dtype=np.uint64)
        for at, part in ((0, self._near), (2, self._far)):
            self._iov[:, at] = _pointer(part) + place * np.uint64(part.shape[1])
            self._iov[:, at + 1] = part.shape[1]
        self._headers["name"] = _pointer(self._names) + place * np.uint64(SOCKADDR_BYTES)
        self._headers["iov"] = _pointer(self._iov) + place * np.uint64(32)
        self._headers["iovlen"] = 2 if self.slot_bytes > NEAR else 1

    def look(self, part: slice) -> U8:
        """The octets of some slots, (n, width): as they lie there, unless one of their datagrams is longer than what lies side by side.

        What is behind a datagram's length is what an older one left there, or nothing.
        """
        near = self._near[part]
        longest = int(self.lengths[part].max(initial=0))
        if longest <= NEAR:
            return near
        out: U8 = np.zeros((len(near), min(longest, self.slot_bytes)), np.uint8)
        out[:, :NEAR] = near
        long = np.flatnonzero(self.lengths[part] > NEAR)
        out[long, NEAR:] = self._far[part][long, : out.shape[1] - NEAR]
        return out

    def receive(self, descriptor: int, first: int, count: int) -> int:
        """Read up to `count` waiting datagrams into the slots from `first` on, and return how many came.

        Never waits; OSError when the socket is broken.
        """
        headers = self._headers[first : first + count]
        headers["namelen"] = SOCKADDR_BYTES  # the kernel wrote the length of the last sender there
        place = _pointer_int(headers)
        got = int(_recvmmsg(descriptor, place, len(headers), socket.MSG_DONTWAIT, None))
        if got >= 0:
            self.lengths[first : first + got] = headers["len"][:got]
            return got
        code = ctypes.get_errno()
        if code in {errno.EAGAIN, errno.EINTR}:
            return 0
        raise OSError(code, os.strerror(code))

    def truncated(self, first: int, count: int) -> Bool:
        """Say for each slot whether its datagram was longer than the slot."""
        cut: Bool = (self._headers["flags"][first : first + count] & socket.MSG_TRUNC) != 0
        return cut

    def senders(self, first: int, count: int, family: socket.AddressFamily) -> tuple[U64, U64]:
        """Give the source addresses of datagrams from a socket of that family as two halves (`model.address`)."""
        names = self._names[first : first + count]
        if family == socket.AF_INET6:
            halves = np.ascontiguousarray(names[:, 8:24]).view(">u8").astype(np.uint64)
            return halves[:, 0], halves[:, 1]
        low = np.ascontiguousarray(names[:, 4:8]).view(">u4")[:, 0].astype(np.uint64)
        return np.zeros(count, np.uint64), low | np.uint64(MAPPED)

    def keep(self, first: int, rows: NDArray[np.intp], exporter: U32) -> None:
        """Move the datagrams `rows` (counted from `first`, rising) together at `first` and name their exporters."""
        end = first + len(rows)
        moved = rows + first
        stay = int(np.count_nonzero(rows == np.arange(len(rows))))
        if stay < len(rows):
            width = int(self.lengths[moved[stay:]].max())
            self._near[first + stay : end, :width] = self._near[moved[stay:], :width]
            if width > NEAR:
                self._far[first + stay : end, : width - NEAR] = self._far[moved[stay:], : width - NEAR]
            self.lengths[first + stay : end] = self.lengths[moved[stay:]]
        self.exporter[first:end] = exporter


def _memory(slots: int, octets: int) -> U8:
    memory = mmap.mmap(-1, max(slots * octets, 1))
    # A huge page would take 2 MB from the machine for the first byte of a slot.
    memory.madvise(mmap.MADV_NOHUGEPAGE)
    return np.frombuffer(memory, np.uint8)[: slots * octets].reshape(slots, octets)


def _pointer_int(array: NDArray[np.generic]) -> int:
    return int(array.__array_interface__["data"][0])


def _pointer(array: NDArray[np.generic]) -> np.uint64:
    return np.uint64(_pointer_int(array))
