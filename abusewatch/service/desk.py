"""The case side of the daemon: casework, delivery and keeping times, each a task that goes round and survives its own faults."""

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable

import structlog

from abusewatch import retention
from abusewatch.casework import Casework
from abusewatch.contacts import ContactChain
from abusewatch.contacts.lookup import OUTCOMES
from abusewatch.digests import Digests
from abusewatch.incidents import expire
from abusewatch.outbox import Delivery
from abusewatch.service.returns import Returns
from abusewatch.storage import SqliteStore, StorageError
from abusewatch.telemetry import AUDIENCES, MESSAGE_STATES, Telemetry

CASEWORK_SECS = 1.0
DELIVERY_SECS = 2.0
LANES = 8
"""Deliveries beside each other (threats.md T26: 20 at most). Half of them may hang before the others wait twice as long."""
LANE_BATCH = 1
"""Mails a lane takes at a time: what stands behind one that hangs would wait with it, and budgets make mails few."""
LEARNING_SECS = 5.0
KEEPING_SECS = 60.0
PURGE_EVERY = 60
"""Turns of keeping between two purges: an hour."""
JUMP_US = 60_000_000
"""A step of the wall clock against the monotonic one that is a jump (threats.md T23)."""
PAUSE_SECS = 300.0
"""After a jump no mail leaves for this long: budgets and waiting times were reckoned by a clock that was wrong."""


def now_us() -> int:
    """Read the wall clock."""
    return time.time_ns() // 1000


class Desk:
    """Everything right of the incident. `casework` may be replaced between two turns (a reload)."""

    def __init__(
        self,
        store: SqliteStore,
        casework: Casework,
        delivery: Delivery,
        telemetry: Telemetry,
        *,
        returns: Returns | None = None,
        contacts: ContactChain | None = None,
        digests: Digests | None = None,
    ) -> None:
        """Take the parts; nothing happens before the tasks run."""
        self.casework = casework
        self.delivery = delivery
        self.returns = returns
        self.contacts = contacts
        self.digests = digests
        self._failing: dict[asyncio.Task[None] | None, str] = {}
        self.broken = ""
        self._store = store
        self._telemetry = telemetry
        self._paused_until = 0.0
        self._turns = 0
        self._clock = now_us() - time.monotonic_ns() // 1000
        self._log = structlog.get_logger()

    async def write(self) -> None:
        """Work off the incidents that are due, until cancelled."""
        await self._every(CASEWORK_SECS, "casework", self.write_turn)

    async def learn(self) -> None:
        """Ask outside for contacts that casework lacked, until cancelled; a notice to a customer never waits for it."""
        await self._every(LEARNING_SECS, "casework", self.learn_turn)

    async def deliver(self) -> None:
        """Hand over mail that is due, until cancelled: in lanes, so that a recipient who hangs holds up nobody else."""
        async with asyncio.TaskGroup() as lanes:
            for number in range(LANES):
                lanes.create_task(self._every(DELIVERY_SECS, "delivery", self.deliver_turn), name=f"deliver-{number}")

    async def keep(self) -> None:
        """Move incidents whose time is over, delete what has run out, watch the clock, until cancelled."""
        await self._every(KEEPING_SECS, "casework", self.keep_turn)

    async def write_turn(self) -> None:
        """Look at every incident that changed."""
        self._telemetry.casework_attempts.inc()
        while reports := await asyncio.to_thread(self.casework.turn, now_us()):
            for report in reports:
                if report.waiting:
                    self._log.warning(
                        "operators wait for a budget", incident=report.incident.id, operators=report.waiting
                    )
                self._telemetry.leak_checks.inc(len(report.messages) + len(report.blocked))
                self._telemetry.leak_blocks.inc(sum(blocked.reason == "LeakError" for blocked in report.blocked))
                for blocked in report.blocked:
                    self._telemetry.messages.labels(blocked.audience, "blocked").inc()
                    self._log.error(
                        "message blocked", incident=report.incident.id, audience=blocked.audience, reason=blocked.reason
                    )
                for message in report.messages:
                    self._log.info("message written", incident=message.incident, audience=message.audience)
        self._gauge(await asyncio.to_thread(self._store.counts))

    async def learn_turn(self) -> None:
        """Ask once about everything that was not known; casework looks at those cases again by itself."""
        if self.contacts is None:
            return
        before = {lookup.source: lookup.counts.copy() for lookup in self.contacts.lookups}
        learned = await self.contacts.learn()
        for lookup in self.contacts.lookups:
            for outcome in OUTCOMES:
                grown = lookup.counts[outcome] - before[lookup.source][outcome]
                self._telemetry.contact_lookups.labels(lookup.source, outcome).inc(grown)
        if learned:
            self._log.info("contacts learned", addresses=len(learned))

    async def deliver_turn(self) -> None:
        """Deliver until nothing is due; nothing for a while after the clock has jumped."""
        self._watch_clock()
        while time.monotonic() >= self._paused_until:
            turn = await self.delivery.turn()
            for entry, settlement in turn.outcomes:
                message = entry.message
                self._telemetry.smtp_attempts.inc()
                self._telemetry.messages.labels(message.audience, settlement.state).inc()
                if settlement.state != "sent":
                    self._telemetry.smtp_failures.labels(_class(settlement.reason)).inc()
                self._log.info(
                    "message " + settlement.state, incident=message.incident, audience=message.audience,
                    recipient=message.recipient, reason=settlement.reason,
                )  # fmt: skip
            if len(turn.outcomes) < self.delivery.batch:
                return

    async def keep_turn(self) -> None:
        """Let time pass over the cases."""
        changes = expire(await asyncio.to_thread(self._store.open_incidents), now_us())
        if changes:
            await asyncio.to_thread(self._store.save, changes)
            for incident, _ in changes:
                self._telemetry.incidents.labels(incident.kind, incident.state).inc()
        await self._let_go()
        await self._collect()
        if self._turns % PURGE_EVERY == 0:
            purged = await asyncio.to_thread(retention.purge, self._store, now_us())
            if any(purged.values()):
                self._log.info("purged", **purged)
        self._turns += 1

    async def _collect(self) -> None:
        """Read the mail that came back: what bounced is parked, what was answered may move a case."""
        if self.returns is None:
            return
        collected = await asyncio.to_thread(self.returns.collect, now_us())
        for entry in collected.parked:
            self._telemetry.messages.labels(entry.message.audience, entry.state).inc()
            if self.contacts and entry.message.audience == "operator":
                await asyncio.to_thread(self.contacts.bounced, entry.message.recipient)
            self._log.warning("message came back", incident=entry.message.incident, recipient=entry.message.recipient)
        for outcome, times in collected.replies.items():
            self._telemetry.replies.labels(outcome).inc(times)
        for incident in collected.moved:
            self._telemetry.incidents.labels(incident.kind, incident.state).inc()
            self._log.info(
                "incident changed", incident=incident.id, kind=incident.kind, state=incident.state, by="mail"
            )

    async def _let_go(self) -> None:
        """Look at the breakers, and let mail go that was held for want of budget."""
        broken = await asyncio.to_thread(self._store.breakers)
        for breaker in broken:
            self._log.error("breaker open, no mail leaves", audience=breaker.audience, wanted=breaker.wanted)
        for audience in AUDIENCES[:2]:
            self._telemetry.breaker.labels(audience).set(any(breaker.audience == audience for breaker in broken))
        names = ", ".join(breaker.audience for breaker in broken)
        self.broken = f"breaker open, no mail to {names} leaves until the desk has looked" if names else ""
        if time.monotonic() < self._paused_until:
            return
        for folded in await asyncio.to_thread(self.digests.turn, now_us()) if self.digests else ():
            if folded.fault:
                self._telemetry.messages.labels(folded.audience, "blocked").inc()
                self._log.error("digest blocked", audience=folded.audience, reason=folded.fault)
            else:
                self._telemetry.messages.labels(folded.audience, "folded").inc(folded.cases)
                self._log.info("cases told in a digest", audience=folded.audience, cases=folded.cases)
        quiet = self.digests.quiet(now_us()) if self.digests else ()
        released = await asyncio.to_thread(lambda: self._store.release_held(now_us(), quiet=quiet))
        if released:
            self._log.info("held messages let go", messages=len(released))

    @property
    def failing(self) -> str:
        """What the last turn of some task failed with; empty when all of them do their work."""
        return next(iter(self._failing.values()), "")

    async def _every(self, seconds: float, stage: str, turn: Callable[[], Awaitable[None]]) -> None:
        me = asyncio.current_task()
        while True:
            try:
                await turn()
                self._failing.pop(me, None)
            except (sqlite3.Error, StorageError, OSError) as error:  # a full disk: nothing is marked, all is done again
                self._failed(me, stage, f"{stage}: {error}")
            except Exception as error:  # noqa: BLE001  # a fault of ours: the task survives, the turn is repeated
                self._telemetry.bugs.labels(stage).inc()
                self._failed(me, stage, f"{stage}: {type(error).__name__}")
            if me is not None and me.cancelling():  # asyncio.wait_for of Python 3.11 loses a stop that comes together with the answer it waited for
                raise asyncio.CancelledError
            await asyncio.sleep(seconds)

    def _failed(self, task: asyncio.Task[None] | None, stage: str, words: str) -> None:
        self._telemetry.casework_failures.inc()
        if words not in self._failing.values():
            self._log.error("turn failed", stage=stage, exc_info=True)
        self._failing[task] = words

    def _gauge(self, counts: dict[str, int]) -> None:
        for state in MESSAGE_STATES[:-1]:
            self._telemetry.outbox.labels(state).set(counts.get(state, 0))
        self._telemetry.incidents_open.set(len(self._store.open_incidents()))

    def _watch_clock(self) -> None:
        clock = now_us() - time.monotonic_ns() // 1000
        if abs(clock - self._clock) > JUMP_US:
            self._telemetry.clock_jumps.inc()
            self._paused_until = time.monotonic() + PAUSE_SECS
            self._log.error("wall clock jumped, mail pauses", seconds=(clock - self._clock) // 1_000_000)
        self._clock = clock


def _class(reason: str) -> str:
    """Reduce a server's answer to its class, for a label."""
    return f"{reason[0]}xx" if reason[:3].isdecimal() and reason[0] in "45" else "none"
