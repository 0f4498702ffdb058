"""IPFIX over TCP (RFC 7011 10.4): one listening socket, any listed exporter, a session each whose templates die with it.

While the worker is busy nothing is read, so TCP itself has the exporter wait: nothing that reached us is dropped. Offers what `UdpSource` offers, and
`ended` besides.
"""

import asyncio
import socket
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Coroutine
from dataclasses import dataclass

import numpy as np

from abusewatch.model import address
from abusewatch.sources.exporters import AllowList, Strangers
from abusewatch.sources.udp import Taken, UdpCounts

IPFIX, HEADER_OCTETS = 10, 16
BODY_SECS = 60
"""For the rest of a message once its header is here; an exporter that stops in its middle holds a session otherwise."""
NUMBERS = 1 << 20
"""Sessions are numbered below this, which is what the daemon leaves for the exporters of one source."""
NAMES = 65_536
"""Sessions whose exporter is remembered, those that are over included."""


@dataclass(frozen=True, slots=True)
class TcpSettings:
    """Where to listen and to whom; `allow` lists the prefixes of exporters, empty means nobody.

    `waiting` messages are held for the worker, at most 64 KiB each; then reading pauses. `sessions` at once, all exporters together.
    """

    address: str = "127.0.0.1"
    port: int = 4739
    allow: tuple[str, ...] = ()
    sessions: int = 64
    waiting: int = 256


class Sessions:
    """Which exporter a session is of, by the session's number: in flow records it stands where an exporter's number does."""

    def __init__(self, limit: int) -> None:
        """At most `limit` at once."""
        self._limit = limit
        self._live: set[int] = set()
        self._names: OrderedDict[int, str] = OrderedDict()
        self._last = 0

    def __len__(self) -> int:
        """Count those that have not been forgotten."""
        return len(self._live)

    def text(self, index: int) -> str:
        """Write the address of a session's exporter, also when it is over: its records wait in windows. LookupError for none."""
        return self._names[index]

    def begin(self, name: str) -> int | None:
        """Number a session; None when there are too many."""
        if len(self._live) >= self._limit:
            return None
        self._last = self._last % (NUMBERS - 1) + 1
        while self._last in self._live:
            self._last = self._last % (NUMBERS - 1) + 1
        self._live.add(self._last)
        self._names[self._last] = name
        self._names.move_to_end(self._last)
        if len(self._names) > NAMES:
            self._names.popitem(last=False)
        return self._last

    def forget(self, index: int) -> None:
        """Free the number of a session whose last record has been decoded."""
        self._live.discard(index)


class TcpSource:
    """One listening address. `take`, `release` and `ended` belong to one worker thread, the rest to the thread that started it."""

    def __init__(self, settings: TcpSettings, name: str = "tcp") -> None:
        """Open nothing yet; ValueError for a prefix in `allow` that is none."""
        self.settings = settings
        self.name = name
        self.exporters = Sessions(settings.sessions)
        self.strangers = Strangers()
        self.failure: OSError | None = None
        self.addresses: tuple[tuple[str, int], ...] = ()
        self._allow = AllowList(settings.allow)
        self._messages: deque[tuple[int, bytes, int]] = deque()
        self._over: deque[tuple[int, int]] = deque()
        self._put = self._released = 0
        self._received = self._bytes = self._unlisted = self._malformed = self._refused = 0
        self._arrived = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        self._room = asyncio.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Listen (OSError if that cannot be) and begin to read."""
        family = socket.AF_INET6 if ":" in self.settings.address else socket.AF_INET
        listening = socket.create_server((self.settings.address, self.settings.port), family=family)
        self.addresses = (listening.getsockname()[:2],)
        self._thread = threading.Thread(target=self._run, args=(self._serve(listening),), name=f"receive-{self.name}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End all sessions. What was read can still be taken."""
        if self._thread is not None:
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join()
            self._thread = None
        self._loop.close()
        self._arrived.set()

    def wait(self, seconds: float) -> bool:
        """Sleep until messages arrive or the time is over; say whether any wait to be taken."""
        self._arrived.wait(seconds)
        return bool(self._messages)

    def take(self, max_datagrams: int) -> Taken | None:
        """Look at the oldest messages, None if there are none. The same ones come again until they are released."""
        self._arrived.clear()
        found = [self._messages[place] for place in range(min(len(self._messages), max_datagrams))]
        if not found:
            return None
        lengths = np.array([len(message) for _, message, _ in found], np.uint32)
        ring = np.zeros((len(found), int(lengths.max())), np.uint8)
        for row, (_, message, _) in zip(ring, found, strict=True):
            row[: len(message)] = np.frombuffer(message, np.uint8)
        return Taken(ring, lengths, np.array([session for session, _, _ in found], np.uint32), found[-1][2])

    def release(self, count: int) -> None:
        """Let the oldest `count` messages go."""
        for _ in range(count):
            self._messages.popleft()
        self._released += count
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._room.set)

    def ended(self) -> list[int]:
        """List the sessions that are over and whose last message was released: what they told is to be forgotten, their numbers come again."""
        found: list[int] = []
        while self._over and self._over[0][1] <= self._released:
            number, _ = self._over.popleft()
            self.exporters.forget(number)
            found.append(number)
        return found

    def counts(self) -> UdpCounts:
        """Say what has come: `unlisted` and `exporters_full` count connections that were refused, `oversized` sessions ended for what is no IPFIX."""
        return UdpCounts(
            received=self._received, received_bytes=self._bytes, unlisted=self._unlisted, oversized=self._malformed, exporters_full=self._refused,
            waiting=len(self._messages),
        )  # fmt: skip

    def _run(self, serving: Coroutine[None, None, None]) -> None:
        try:
            self._loop.run_until_complete(serving)
        except OSError as error:  # the owner sees `failure` and decides; what was read stays takeable
            self.failure = error

    async def _serve(self, listening: socket.socket) -> None:
        sessions: dict[asyncio.StreamWriter, asyncio.Task[None] | None] = {}

        async def session(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            sessions[writer] = asyncio.current_task()
            try:
                await self._session(reader, writer)
            finally:
                sessions.pop(writer)
                writer.close()

        server = await asyncio.start_server(session, sock=listening, limit=1 << 17)
        async with server:
            await self._stopping.wait()
            server.close()
            self._room.set()
            for writer in sessions:
                writer.transport.abort()
            await asyncio.gather(*(task for task in sessions.values() if task is not None))

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sender = address.parse(writer.get_extra_info("peername")[0])
        if not self._allow.allows(*(np.array([half], np.uint64) for half in sender))[0]:
            self._unlisted += 1
            self.strangers.add(sender, time.time_ns() // 1_000)
            return
        number = self.exporters.begin(address.text(*sender))
        if number is None:
            self._refused += 1
            return
        try:
            while await self._message(reader, number):
                pass
        except (OSError, asyncio.IncompleteReadError, TimeoutError):
            pass  # the exporter went away, or was told to: its session is over, whatever it meant to say
        finally:
            self._over.append((number, self._put))

    async def _message(self, reader: asyncio.StreamReader, number: int) -> bool:
        """Read one message; False when the stream is none of messages, after which nobody knows where the next one begins."""
        head = await reader.readexactly(HEADER_OCTETS)
        version, length = int.from_bytes(head[:2], "big"), int.from_bytes(head[2:4], "big")
        if version != IPFIX or length < HEADER_OCTETS:
            self._malformed += 1
            return False
        async with asyncio.timeout(BODY_SECS):
            body = await reader.readexactly(length - HEADER_OCTETS)
        while len(self._messages) >= self.settings.waiting and not self._stopping.is_set():
            self._room.clear()
            await self._room.wait()
        self._messages.append((number, head + body, time.time_ns() // 1_000))
        self._put += 1
        self._received += 1
        self._bytes += length
        self._arrived.set()
        return True
