"""The daemon's end of a feed: listens for the helper of one interface and hands its packets to the worker.

One helper at a time; one that comes anew takes the place of the one before, which died or will be told by its closed socket. When the worker is behind,
nothing is read and the helper waits, its ring fills, and the kernel counts: nothing is dropped here.
"""

import contextlib
import socket
import threading
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from abusewatch.model.flow import FlowBatch
from abusewatch.sources.live.feed import LONGEST, Counts, FeedError, Message, read

WAITING = 256
"""Messages held for the worker, half a million packets; then reading pauses."""
IDLE_SECS = 0.1
AWAY_SECS = 10.0
"""A helper tells its counts every second; after so long without one there is none."""
RECEIVE_BUFFER = 4 << 20


@dataclass(frozen=True, slots=True)
class CaptureSettings:
    """Which interface, and the path of the socket on which its helper is awaited."""

    interface: str
    feed: Path


@dataclass(frozen=True, slots=True)
class CaptureCounts:
    """Totals in packets since the start of the daemon, over all helpers; `bad` in messages, `helpers` in connections."""

    captured: int = 0
    ring_lost: int = 0
    feed_lost: int = 0
    partial: int = 0
    bad: int = 0
    helpers: int = 0


class CaptureSource:
    """One interface. `take` belongs to one worker thread, everything else to the thread that started it."""

    def __init__(self, settings: CaptureSettings, name: str = "capture") -> None:
        """Open nothing yet."""
        self.settings = settings
        self.name = name
        self.failure: OSError | None = None
        self.connected = False
        self._listening: socket.socket | None = None
        self._messages: deque[tuple[FlowBatch, int]] = deque()
        self._room = threading.Event()
        self._arrived = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._before = Counts()  # of helpers that are gone
        self._now = Counts()
        self._bad = self._helpers = 0
        self._heard = time.monotonic()

    def start(self) -> None:
        """Listen; OSError when that cannot be."""
        path = self.settings.feed
        path.parent.mkdir(parents=True, exist_ok=True)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)
        try:
            with contextlib.suppress(FileNotFoundError):
                path.unlink()  # a daemon that died left it; the store's lock says that there is no other
            listening.bind(str(path))
            path.chmod(0o660)  # the helper is another user, of the folder's group
            listening.listen(1)
        except OSError as error:
            listening.close()
            raise OSError(error.errno, f"{path}: {error.strerror}") from None
        listening.settimeout(IDLE_SECS)
        self._listening = listening
        self._thread = threading.Thread(target=self._run, args=(listening,), name=f"receive-{self.name}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop reading and go. What was read can still be taken."""
        self._stopping = True
        self._room.set()
        if self._thread is not None:
            self._thread.join()
        if self._listening is not None:
            self._listening.close()
            with contextlib.suppress(OSError):
                self.settings.feed.unlink()
        self._arrived.set()

    def wait(self, seconds: float) -> bool:
        """Sleep until packets arrive or the time is over; say whether any wait to be taken."""
        self._arrived.wait(seconds)
        return bool(self._messages)

    def take(self, most: int) -> tuple[list[FlowBatch], int] | None:
        """Take up to so many waiting messages, and say when the last of them came (us since 1970); None when there are none."""
        self._arrived.clear()
        found = [self._messages.popleft() for _ in range(min(most, len(self._messages)))]
        self._room.set()
        return ([packets for packets, _ in found], found[-1][1]) if found else None

    @property
    def waiting(self) -> int:
        """Messages that wait."""
        return len(self._messages)

    @property
    def trouble(self) -> str:
        """Say that nobody captures; empty while a helper is heard of."""
        if time.monotonic() - self._heard < AWAY_SECS:
            return ""
        return f"{self.name}: no capture helper for {self.settings.interface} (systemctl status abusewatch-capture@{self.settings.interface})"

    def counts(self) -> CaptureCounts:
        """Say what has come and what was lost."""
        all_of_them = _sum(self._before, self._now)
        return CaptureCounts(*all_of_them[:3], sum(all_of_them.partial), self._bad, self._helpers)

    def _run(self, listening: socket.socket) -> None:
        helper: socket.socket | None = None
        try:
            while not self._stopping:
                newer = self._accepted(listening, wait=helper is None)
                if newer is not None:
                    self._forget(helper)
                    helper = newer
                elif helper is not None and not self._receive(helper):
                    self._forget(helper)
                    helper = None
        except OSError as error:  # the owner sees `failure` and decides; what was read stays takeable
            self.failure = error
        finally:
            self._forget(helper)

    def _accepted(self, listening: socket.socket, *, wait: bool) -> socket.socket | None:
        listening.settimeout(IDLE_SECS if wait else 0)
        try:
            helper, _ = listening.accept()
        except (TimeoutError, BlockingIOError):
            return None
        helper.settimeout(IDLE_SECS)
        helper.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        self._helpers += 1
        self.connected = True
        return helper

    def _forget(self, helper: socket.socket | None) -> None:
        if helper is None:
            return
        helper.close()
        self.connected = False
        self._before, self._now = _sum(self._before, self._now), Counts()

    def _receive(self, helper: socket.socket) -> bool:
        """Read what is there; False when the helper has gone or says what is none of ours."""
        for _ in range(WAITING):
            while len(self._messages) >= WAITING:
                if self._stopping:
                    return True
                self._room.clear()
                self._room.wait(IDLE_SECS)
            try:
                data = helper.recv(LONGEST + 1)
            except TimeoutError:
                return True
            except OSError:
                return False
            if not data or not self._believed(data):
                return False
        return True

    def _believed(self, data: bytes) -> bool:
        try:
            message: Message | None = read(data)
        except FeedError:
            message = None
        if message is None or message.interface != self.settings.interface:
            self._bad += 1
            return False
        self._now = message.counts
        self._heard = time.monotonic()
        if len(message.packets):
            self._messages.append((message.packets, time.time_ns() // 1_000))
            self._arrived.set()
        return True


def _sum(one: Counts, other: Counts) -> Counts:
    partial = tuple(a + b for a, b in zip(one.partial, other.partial, strict=True))
    return Counts(one.captured + other.captured, one.ring_lost + other.ring_lost, one.feed_lost + other.feed_lost, partial)
