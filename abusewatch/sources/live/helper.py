"""The helper: the only process that sees frames. It has one capability (CAP_NET_RAW), no network socket, and one place to talk to: the daemon's feed.

Blocks of the kernel's ring go in, columns of header fields go out. While the daemon is away or behind, the ring fills and the kernel counts what is
lost; what the helper itself gives up is counted beside it. It ends when the interface goes or when it is asked to; it outlives the daemon.
"""

import contextlib
import socket
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from abusewatch.model.flow import FlowBatch, batch_of
from abusewatch.sources.capture_file import flows_of
from abusewatch.sources.live.feed import ROWS, Counts, message
from abusewatch.sources.live.ring import PacketRing
from abusewatch.wire.packet import REASONS

WAIT_MS = 100
PATIENCE_SECS = 2.0
"""For the daemon to take a message; the ring holds about as long. Then the block is given up, so that what comes after is of now."""
RETRY_SECS = 0.5
TELL_SECS = 1.0
SEND_BUFFER = 1 << 20
NO_PACKETS = batch_of(0)


class Helper:
    """Carries packets from an interface to a feed. `alive` is told in each round, for the one who watches."""

    def __init__(self, ring: PacketRing, feed: Path, alive: Callable[[], None] = lambda: None) -> None:
        """Connect to nothing yet."""
        self._ring, self._feed, self._alive = ring, feed, alive
        self._daemon: socket.socket | None = None
        self._tried = self._told = float("-inf")
        self._captured = self._given_up = self._ring_lost = 0
        self._reasons: Counter[str] = Counter()
        self._stopping = False

    @property
    def connected(self) -> bool:
        """Whether a daemon listens."""
        return self._daemon is not None

    def stop(self) -> None:
        """Ask `run` to end."""
        self._stopping = True

    def run(self) -> None:
        """Carry until asked to stop; OSError when the interface has gone."""
        while not self._stopping:
            self._connect()
            moved = False
            for frames in self._ring.blocks():
                moved = True
                self._captured += len(frames)
                self._carry(flows_of(frames, self._reasons))
            self._tell()
            self._alive()
            if not moved:
                self._ring.wait(WAIT_MS)
        self._tell(now=True)
        self._disconnect()

    def _carry(self, packets: FlowBatch) -> None:
        """Send all of it, or give up the rest: also while no daemon is there, so that the next one is told of now and not of then."""
        for first in range(0, len(packets), ROWS):
            part = packets.take(slice(first, first + ROWS))
            if not self._send(message(self._ring.interface, self._counts(), part)):
                self._given_up += len(packets) - first
                return

    def _tell(self, *, now: bool = False) -> None:
        """Tell the counts now and then, also when nothing comes."""
        if self._daemon is not None and (now or time.monotonic() - self._told > TELL_SECS):
            self._told = time.monotonic()
            self._ring_lost = self._ring.statistics()[1]
            self._send(message(self._ring.interface, self._counts(), NO_PACKETS))

    def _counts(self) -> Counts:
        return Counts(self._captured, self._ring_lost, self._given_up, tuple(self._reasons[name] for name in REASONS[1:]))

    def _send(self, data: bytes) -> bool:
        if self._daemon is None:
            return False
        try:
            self._daemon.send(data)
        except TimeoutError:
            return False
        except OSError:
            self._disconnect()
            return False
        return True

    def _connect(self) -> None:
        if self._daemon is not None or time.monotonic() - self._tried < RETRY_SECS:
            return
        self._tried = time.monotonic()
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)
        sock.settimeout(PATIENCE_SECS)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        try:
            sock.connect(str(self._feed))
        except OSError:
            sock.close()
            return
        self._daemon, self._told = sock, float("-inf")

    def _disconnect(self) -> None:
        if self._daemon is not None:
            with contextlib.suppress(OSError):
                self._daemon.close()
            self._daemon = None

