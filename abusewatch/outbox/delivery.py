"""One turn of delivery: lease what is due, hand it to the transport, write down each outcome at once."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import NamedTuple, Protocol

import msgspec

from abusewatch.model.message import Message
from abusewatch.outbox.states import SECOND_US, Outcome, Settlement, settle

BATCH = 20
"""Messages over one connection; a new connection a batch, as a reused one may hang (aiosmtplib #243)."""
DEADLINE_SECS = 120
"""For one message, whatever the server does (threats.md T26)."""
LEASE_US = 2 * (BATCH + 1) * DEADLINE_SECS * SECOND_US
"""Longer than a whole batch can take, so that nobody else sends what we are still sending."""


class Entry(msgspec.Struct, frozen=True):
    """A message in the outbox. Times are microseconds since the epoch; `raw` of the message is empty once erased."""

    id: int
    message: Message
    state: str
    attempts: int
    created_us: int
    next_us: int
    reason: str = ""


class Outbox(Protocol):
    """What delivery needs of a store. Each call is one durable transaction."""

    def lease(self, now_us: int, limit: int, lease_us: int) -> list[Entry]:
        """Take messages that are due (queued, retrying, or leased by one that died), counting the try; oldest first.

        They are ours until `now_us + lease_us`. Each entry comes back as `leased`, with the try counted in `attempts`.
        """

    def settled(self, entry: Entry, settlement: Settlement, now_us: int) -> bool:
        """Write down the outcome of a lease; False when the lease is no longer ours and nothing was written."""


class Transport(Protocol):
    """Takes messages away."""

    def send(self, messages: Sequence[Message]) -> AsyncGenerator[Outcome, None]:
        """Yield one outcome a message, in order, each as soon as it is known.

        Raises nothing of the other side's making.
        """


class Turn(NamedTuple):
    """What one turn did."""

    outcomes: tuple[tuple[Entry, Settlement], ...]

    @property
    def taken(self) -> int:
        """Count the messages that a server took."""
        return sum(settlement.state == "sent" for _, settlement in self.outcomes)


class Delivery:
    """Moves mail from the store to the transport; any number of turns, safe to stop or kill at any point.

    Store calls block for a disk write each, so they are made in a thread.
    """

    def __init__(self, store: Outbox, transport: Transport, clock_us: Callable[[], int], batch: int = BATCH) -> None:
        """Take the store, the transport, the wall clock (microseconds since the epoch), and how many a turn takes."""
        self.batch = batch
        self._store = store
        self._transport = transport
        self._clock_us = clock_us

    async def turn(self, limit: int | None = None) -> Turn:
        """Try up to `limit` due messages; an outcome is durable before the next message is begun.

        Turns may run beside each other: what one has leased, no other takes.
        """
        entries = await asyncio.to_thread(self._store.lease, self._clock_us(), limit or self.batch, LEASE_US)
        done = []
        if entries:
            async with aclosing(self._transport.send([e.message for e in entries])) as outcomes:
                waiting = iter(entries)
                async for outcome in outcomes:
                    entry, now_us = next(waiting), self._clock_us()
                    settlement = settle(outcome, entry.attempts, entry.created_us, now_us)
                    if await asyncio.to_thread(self._store.settled, entry, settlement, now_us):
                        done.append((entry, settlement))
        return Turn(tuple(done))
