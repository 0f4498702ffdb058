"""Flow exports from UDP sockets: one receiver thread fills a ring, one worker thread takes from it.

Everything that arrives is accounted for: sent = received + kernel_drops, received = taken + unlisted + oversized +
exporters_full + waiting.
"""

import contextlib
import select
import socket
import struct
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from abusewatch.model.flow import U8, U32, U64
from abusewatch.sources.exporters import DENIED, FULL, LIMIT, AllowList, Exporters, Strangers
from abusewatch.sources.ring import Ring

BATCH = 1024
"""Datagrams a system call may return; UIO_MAXIOV is the kernel's own limit."""
COALESCE_SECS = 0.004
"""Pause after a short batch. Waking for every datagram costs three times the processor time (benchmarks/README.md)."""
IDLE_MS = 100
"""Longest sleep in poll(2), which bounds how long stop() takes."""

_SO_RCVBUFFORCE = 33  # <asm-generic/socket.h>; Python has no names for these two
_SO_MEMINFO = 55
_SK_MEMINFO_DROPS = 8  # <linux/sock_diag.h>


@dataclass(frozen=True, slots=True)
class UdpSettings:
    """Where to listen, to whom, and how much to hold while the worker is busy.

    `allow` lists the prefixes of exporters, empty means nobody. `rcvbuf_bytes` is asked of the kernel, which gives at
    most net.core.rmem_max unless we have CAP_NET_ADMIN. The ring takes up to `ring_slots` x `slot_bytes`, in practice
    1.5 KiB a slot (`ring.NEAR`). The default slot holds a jumbo frame; a longer datagram is counted as oversized. Fixed by
    measurement: 16,384 slots are 0.2 s at 80,000 datagrams a second.
    """

    address: str = "127.0.0.1"
    port: int = 2055
    allow: tuple[str, ...] = ()
    rcvbuf_bytes: int = 64 << 20
    ring_slots: int = 16_384
    slot_bytes: int = 9216
    max_exporters: int = LIMIT


@dataclass(frozen=True, slots=True)
class Taken:
    """Datagrams for the decoder: `ring` (n, slot) uint8, `lengths` and `exporter` (n,) uint32.

    Views: valid until `release`.
    """

    ring: U8
    lengths: U32
    exporter: U32
    received_us: int

    def __len__(self) -> int:
        """Count the datagrams."""
        return len(self.lengths)


@dataclass(frozen=True, slots=True)
class UdpCounts:
    """Totals in datagrams since the start, but `kernel_drops` since the socket was opened (maybe by systemd).

    `ring_full` counts the rounds in which the worker's delay kept us from reading; `waiting` is what lies in the ring
    now.
    """

    received: int = 0
    received_bytes: int = 0
    unlisted: int = 0
    oversized: int = 0
    exporters_full: int = 0
    kernel_drops: int = 0
    ring_full: int = 0
    waiting: int = 0


class UdpSource:
    """One listening address (or the sockets systemd passed for it) and its ring.

    Constructing it does nothing; `start` opens and listens.

    `take` and `release` belong to one worker thread, everything else to the thread that started it.
    """

    def __init__(
        self,
        settings: UdpSettings,
        name: str = "udp",
        exporters: Exporters | None = None,
        sockets: Sequence[socket.socket] = (),
    ) -> None:
        """Keep the settings.

        `sockets` are adopted instead of opening one; ValueError for a prefix in `allow` that is none.
        """
        self.settings = settings
        self.name = name
        self.exporters = exporters or Exporters(AllowList(settings.allow), settings.max_exporters)
        self.strangers = Strangers()
        self.failure: OSError | None = None
        self._sockets = tuple(sockets)
        self._ring: Ring | None = None
        self._head = self._tail = 0  # ever received into, ever released from the ring; the difference is what waits
        self._origin = 0  # what the first slot was last counted as
        self._received = self._bytes = self._unlisted = self._oversized = self._exporters_full = self._ring_full = 0
        self._kernel_drops = 0
        self._received_us = 0
        self._stopping = False
        self._arrived = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def addresses(self) -> tuple[tuple[str, int], ...]:
        """Name the addresses and ports listened on; a port of 0 in the settings is a real one here."""
        return tuple(s.getsockname()[:2] for s in self._sockets)

    def start(self) -> None:
        """Open the socket (OSError if it cannot be), take the ring's memory and start receiving."""
        self._sockets = self._sockets or (_listen(self.settings),)
        for sock in self._sockets:
            _enlarge(sock, self.settings.rcvbuf_bytes)
        self._ring = Ring(self.settings.ring_slots, self.settings.slot_bytes)
        self._thread = threading.Thread(target=self._receive, name=f"receive-{self.name}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop receiving and close the sockets. What is in the ring can still be taken."""
        self._stopping = True
        if self._thread:
            self._thread.join()
        self._kernel_drops = self._drops()
        for sock in self._sockets:
            sock.close()
        self._sockets = ()
        self._arrived.set()

    def wait(self, seconds: float) -> bool:
        """Sleep until datagrams arrive or the time is over; say whether any wait to be taken."""
        self._arrived.wait(seconds)
        return self._head > self._tail

    def take(self, max_datagrams: int) -> Taken | None:
        """Look at the oldest datagrams, None if there are none. The same ones come again until they are released."""
        self._arrived.clear()
        count = min(self._head - self._tail, max_datagrams)
        if count <= 0 or self._ring is None:
            return None
        first = (self._tail - self._origin) % self._ring.slots
        part = slice(first, min(first + count, self._ring.slots))
        return Taken(self._ring.look(part), self._ring.lengths[part], self._ring.exporter[part], self._received_us)

    def release(self, count: int) -> None:
        """Give the oldest `count` slots back to the receiver."""
        self._tail += count

    def counts(self) -> UdpCounts:
        """Say what has come and what became of it."""
        return UdpCounts(
            received=self._received,
            received_bytes=self._bytes,
            unlisted=self._unlisted,
            oversized=self._oversized,
            exporters_full=self._exporters_full,
            kernel_drops=self._drops(),
            ring_full=self._ring_full,
            waiting=self._head - self._tail,
        )

    def _drops(self) -> int:
        # The counter that SO_RXQ_OVFL reports, read directly: with RXQ_OVFL the drops after the last datagram stay
        # unseen until another one comes.
        if not self._sockets:
            return self._kernel_drops
        raw = (sock.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, 36) for sock in self._sockets)
        return sum(struct.unpack("=9I", values)[_SK_MEMINFO_DROPS] for values in raw)

    def _receive(self) -> None:
        ready = select.poll()
        for sock in self._sockets:
            ready.register(sock, select.POLLIN)
        try:
            while not self._stopping:
                got = max(self._receive_from(sock) for sock in self._sockets)
                if not got:
                    ready.poll(IDLE_MS)
                if got < BATCH:
                    time.sleep(COALESCE_SECS)
        except OSError as error:
            # A socket that fails once fails for good. The owner sees `failure` and decides; what was received stays
            # takeable.
            self.failure = error

    def _receive_from(self, sock: socket.socket) -> int:
        """Read one batch and return how many datagrams the kernel gave, kept or not."""
        ring = self._ring
        if ring is None:
            return 0
        if self._head == self._tail:
            # Nobody looks at any slot: begin anew with those that were used last, which the processor still has at hand.
            # A worker that keeps up then needs a few of them, and the memory of the others is never taken.
            self._origin = self._head
        first = (self._head - self._origin) % ring.slots
        room = min(BATCH, ring.slots - first, ring.slots - (self._head - self._tail))
        if room <= 0:
            self._ring_full += 1
            return 0
        got = ring.receive(sock.fileno(), first, room)
        if got:
            self._received_us = time.time_ns() // 1000
            self._head += self._sift(ring, first, got, sock.family)
            self._arrived.set()
        return got if got < room else BATCH

    def _sift(self, ring: Ring, first: int, got: int, family: socket.AddressFamily) -> int:
        """Drop what nobody may decode, before anything reads its content, and return how many stay."""
        hi, lo = ring.senders(first, got, family)
        exporter = self.exporters.index_of(hi, lo)
        cut = ring.truncated(first, got)
        self._received += got
        self._bytes += int(ring.lengths[first : first + got].sum())
        listed = exporter < FULL
        kept = np.flatnonzero(listed & ~cut)
        if len(kept) < got:
            self._note_unlisted(np.flatnonzero(exporter == DENIED), hi, lo)
            self._exporters_full += int(np.count_nonzero(exporter == FULL))
            self._oversized += int(np.count_nonzero(cut & listed))
        ring.keep(first, kept, exporter[kept])
        return len(kept)

    def _note_unlisted(self, rows: NDArray[np.intp], hi: U64, lo: U64) -> None:
        """Count them, and remember one: a flood of forged senders must cost no more than that."""
        self._unlisted += len(rows)
        if len(rows):
            self.strangers.add((int(hi[rows[0]]), int(lo[rows[0]])), self._received_us)


def _listen(settings: UdpSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.bind((settings.address, settings.port))
    except OSError:
        sock.close()
        raise
    return sock


def _enlarge(sock: socket.socket, size: int) -> None:
    """Ask for a receive buffer beyond net.core.rmem_max, and take what is given without the privilege for it.

    Never shrinks one that systemd enlarged.
    """
    if sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) >= 2 * size:  # the kernel doubles what it is asked for
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
    with contextlib.suppress(PermissionError):
        sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, size)
