"""Packets of an interface from a ring that the kernel fills (packet(7), TPACKET_V3): a block of some thousand frames at a time, without a system call each.

A block is handed over when it is full or after RETIRE_MS; it is read in place and given back. What did not fit is counted by the kernel.
"""

import ctypes
import fcntl
import mmap
import select
import socket
import struct
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from abusewatch.model.compiled import kernel
from abusewatch.model.flow import I64, U8
from abusewatch.sources.live import filter as cut
from abusewatch.wire import linktypes
from abusewatch.wire.frames import Frames

KERNEL = kernel("abusewatch.wire._packets")

BLOCK = 1 << 20
BLOCKS = 64
"""64 MiB: with headers only, some 600,000 packets, over a second of a busy link."""
FRAME = 2048
RETIRE_MS = 20

# <linux/if_packet.h>, <linux/if_arp.h>, <asm-generic/socket.h>; Python has no names for these
SOL_PACKET, PACKET_ADD_MEMBERSHIP, PACKET_RX_RING, PACKET_STATISTICS, PACKET_VERSION = 263, 1, 5, 6, 10
PACKET_MR_PROMISC, TPACKET_V3 = 1, 2
SO_ATTACH_FILTER = 26
ETH_P_ALL = 3
SIOCGIFHWADDR = 0x8927
ARPHRD_ETHER, ARPHRD_LOOPBACK, RAW_IP = 1, 772, (512, 519, 65534)
STATUS_KERNEL, STATUS_USER = 0, 1

_HEAD = struct.Struct("=IIIII")  # version, offset of the private area, then status, number of frames, offset of the first
_FRAME = struct.Struct("=IIIIIIH")
STATUS_AT = 8


class PacketRing:
    """One interface. OSError when it cannot be opened: no such interface, no CAP_NET_RAW, a kind of link that is not known."""

    def __init__(self, interface: str, *, promiscuous: bool = True, blocks: int = BLOCKS) -> None:
        """Open it; from now on the kernel collects."""
        self.interface = interface
        self._blocks = blocks
        self._next = 0
        self._dropped = self._passed = 0
        # Bound to no protocol until the filter stands, so that no whole frame ever comes in.
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        try:
            self.linktype = self._linktype()
            self._filter(cut.program(cut.ETHERNET if self.linktype == linktypes.EN10MB else cut.RAW))
            self._socket.setsockopt(SOL_PACKET, PACKET_VERSION, TPACKET_V3)
            request = struct.pack("=7I", BLOCK, blocks, FRAME, BLOCK // FRAME * blocks, RETIRE_MS, 0, 0)
            self._socket.setsockopt(SOL_PACKET, PACKET_RX_RING, request)
            self._memory = mmap.mmap(self._socket.fileno(), BLOCK * blocks)
            self._socket.bind((interface, ETH_P_ALL))
            if promiscuous:
                membership = struct.pack("=iHH8s", socket.if_nametoindex(interface), PACKET_MR_PROMISC, 0, b"")
                self._socket.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, membership)
        except OSError:
            self._socket.close()
            raise
        self._bytes: U8 = np.frombuffer(self._memory, np.uint8)
        self._ready = select.poll()
        self._ready.register(self._socket, select.POLLIN | select.POLLERR)

    def _linktype(self) -> int:
        asked = fcntl.ioctl(self._socket, SIOCGIFHWADDR, struct.pack("=16s24x", self.interface.encode()[:15]))
        (kind,) = struct.unpack_from("=H", asked, 16)
        if kind in {ARPHRD_ETHER, ARPHRD_LOOPBACK}:
            return linktypes.EN10MB
        if kind in RAW_IP:
            return linktypes.RAW
        raise OSError(f"{self.interface} is no Ethernet and no plain IP link (hardware type {kind})")

    def _filter(self, program: bytes) -> None:
        held = ctypes.create_string_buffer(program, len(program))
        self._socket.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(held)))

    def wait(self, ms: int) -> None:
        """Sleep until a block may be ready. OSError when the interface has gone."""
        for _, event in self._ready.poll(ms):
            if event & select.POLLERR:
                code = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if code:
                    raise OSError(code, f"{self.interface} has gone down")

    def blocks(self) -> Iterator[Frames]:
        """Give the blocks that are ready, each to be read before the next is asked for; it goes back to the kernel then."""
        for _ in range(self._blocks):
            start = self._next * BLOCK
            _, _, status, count, first = _HEAD.unpack_from(self._memory, start)
            if not status & STATUS_USER:
                return
            if count:
                yield self._frames(start, first, count)
            struct.pack_into("=I", self._memory, start + STATUS_AT, STATUS_KERNEL)
            self._next = (self._next + 1) % self._blocks

    def _frames(self, start: int, first: int, count: int) -> Frames:
        block = self._bytes[start : start + BLOCK]
        found = walk(block, first, count)
        offset, captured, original, time_us = found
        here = np.broadcast_to(np.uint16(self.linktype), offset.shape)
        return Frames(block, offset, captured, original, time_us, here, np.zeros(len(offset), np.int64))

    def statistics(self) -> tuple[int, int]:
        """How many frames passed the filter since the start, and how many of them the kernel had no room for."""
        passed, dropped, _ = struct.unpack("=3I", self._socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 12))
        self._passed += passed  # reading sets the kernel's counters to zero
        self._dropped += dropped
        return self._passed, self._dropped

    def close(self) -> None:
        """Let go of the interface."""
        self._socket.close()


def walk(block: U8, first: int, count: int) -> NDArray[np.int64]:
    """Columns (4, n) of the frames of a block: offset, captured, original, time_us."""
    out = np.empty((4, count), np.int64)
    if KERNEL is not None:
        return out[:, : KERNEL.block(block, first, count, out)]
    places: list[tuple[int, int, int, int]] = []
    position, data = first, block.data
    for _ in range(count):
        if position + 48 > len(block):
            break
        following, seconds, nanos, captured, original, _, mac = _FRAME.unpack_from(data, position)
        if position + mac + captured > len(block):
            break
        places.append((position + mac, captured, original, seconds * 1_000_000 + nanos // 1000))
        position += following
    found: I64 = np.array(places, np.int64).reshape(-1, 4).T
    return found
