"""The life of the daemon: what a setup names is started in order, stopped in reverse, swapped as a whole; `assembly` makes it."""

import asyncio
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Protocol

import structlog

from abusewatch import retention
from abusewatch.config.assemble import Setup, SetupError, assemble
from abusewatch.config.forms import endpoint
from abusewatch.config.load import evidence_key
from abusewatch.inventory import Inventory
from abusewatch.outbox import Maildir
from abusewatch.reports.links import Links
from abusewatch.reports.settings import ReportSettings
from abusewatch.service import memory
from abusewatch.service.answers import Answers
from abusewatch.service.assembly import Assembly
from abusewatch.service.control import Control, control_path
from abusewatch.service.correlator import Correlator
from abusewatch.service.desk import now_us
from abusewatch.service.endpoint import Endpoint
from abusewatch.service.notify import notify, watchdog_secs
from abusewatch.service.transport import transport_of
from abusewatch.sources.live.source import CaptureSource
from abusewatch.storage import SqliteStore, lock_state
from abusewatch.telemetry import Telemetry

GRACE_SECS = 20.0
"""For what is in the rings when we are asked to stop; the unit allows 30 s in all."""
STUCK_SECS = 10.0
"""A worker that has not gone round for this long does not move; systemd is then told nothing and restarts us."""
FIXED = ("source", "store", "metrics", "customer_page")
"""Sections that take a restart: sockets and files that are open."""


class Part(Protocol):
    """Something that listens."""

    async def start(self) -> int | None:
        """Listen; the port, where it has one. OSError when that cannot be."""

    async def stop(self) -> None:
        """Close it."""


class Daemon:
    """One running daemon. `ports` and `endpoint_port` are real once it is ready, also where 0 was configured."""

    def __init__(
        self,
        setup: Setup,
        reassemble: Callable[[], Setup] | None = None,
        fronts: Sequence[Callable[["Daemon"], Part | None]] = (),
    ) -> None:
        """Take a checked setup and how to get the next one (a reload); nothing is opened yet.

        `fronts` make what stands above the daemon and talks to people: pages. Each may say that it is not wanted.
        """
        self.setup = setup
        self.telemetry = Telemetry()
        self.telemetry.started.set_to_current_time()
        self.endpoint_port = 0
        self.ready = asyncio.Event()
        self.front_ports: list[int] = []
        self.links: Links | None = None
        self._fronts = fronts
        self._reassemble = reassemble
        self._stop = asyncio.Event()
        self._reload = asyncio.Event()
        self._log = structlog.get_logger()

    def stop(self) -> None:
        """Ask for a stop; it is not inflicted."""
        self._stop.set()

    def reload(self) -> None:
        """Ask for a reload."""
        self._reload.set()

    @property
    def ports(self) -> tuple[int, ...]:
        """The UDP ports of the sources, in the order of the configuration."""
        return tuple(
            address[1] for feed in self.intake.feeds if not isinstance(feed.source, CaptureSource) for address in feed.source.addresses
        )

    async def run(self) -> None:
        """Run until stopped. OSError when something cannot be opened, StateLocked when another daemon holds the store."""
        async with AsyncExitStack() as stack:
            config = self.setup.config
            stack.enter_context(lock_state(config.store.path))
            path, key = config.store.path / "cases.db", evidence_key(config.store.key_file)
            self.store = SqliteStore(path, retention.limits(), config.budgets.limits(), key=key)
            stack.callback(self.store.close)
            self.store.vault.require()
            await asyncio.to_thread(self.store.recover, now_us())
            self.assembly = Assembly(config, self.store, self.telemetry, self._own)
            self.links, self.exceptions = self.assembly.links, self.assembly.exceptions
            self.correlator = Correlator(self.store, self.telemetry, self.assembly.silence(self.setup))
            self.desk = self.assembly.desk(self.setup)
            self.intake = self.assembly.intake(self.setup, self.correlator)
            answers = Answers(self)
            commands = {"status": answers.status, "sources": answers.sources, "reload": self._reload_now}
            control = Control(control_path(config.store.path), commands, {"explain": answers.explain, "top": answers.top})
            http = Endpoint(*endpoint(config.metrics.listen), self.telemetry, self.problems)
            for part in (http, control):
                port = await part.start()
                stack.push_async_callback(part.stop)
                self.endpoint_port = port or self.endpoint_port
            for front in [made for make in self._fronts if (made := make(self))]:
                self.front_ports.append(await front.start() or 0)
                stack.push_async_callback(front.stop)
            self.intake.start()
            await self._serve()

    async def _serve(self) -> None:
        """Hold the tasks; the first that dies ends the service with its name, a stop ends them in order."""
        self._declare()
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(work(), name=work.__name__)
                for work in (
                    self.desk.write,
                    self.desk.learn,
                    self.desk.deliver,
                    self.desk.keep,
                    self._reloading,
                    self._watch,
                )
            ]
            self.ready.set()
            self.telemetry.ready.set(1)
            notify("READY=1", f"STATUS={self._words()}")
            self._log.info("ready", sources=len(self.intake.feeds), rules=len(self.setup.rules), mode=self._mode)
            await self._stop.wait()
            notify("STOPPING=1", "STATUS=draining")
            self.telemetry.ready.set(0)
            for task in tasks:
                task.cancel()
        await self._drain()

    async def _drain(self) -> None:
        """Stop intake, decide what is open, write and hand over what follows from it."""
        in_time = await asyncio.to_thread(self.intake.stop, GRACE_SECS)
        if not in_time:
            self._log.error("intake overran its time to stop", seconds=GRACE_SECS)
        else:
            for feed in self.intake.feeds:
                memory.keep(self.setup.config.store.path, feed, now_us())
        await self.desk.write_turn()
        if isinstance(transport_of(self.setup.config), Maildir):
            await self.desk.deliver_turn()  # a smart host is asked again after the next start; a folder takes no time
        self._log.info("stopped")

    def problems(self) -> list[str]:
        """List what is wrong now, for health and status; empty when all is well."""
        found = [self.correlator.failing, self.desk.failing, self.desk.broken, self.intake.failed, *self.intake.troubles]
        if not self.ready.is_set() or self._stop.is_set():
            found.append("starting or stopping")
        if not self._moving:
            found.append(f"detection has not moved for {STUCK_SECS:g} s")
        return [text for text in found if text]

    @property
    def _moving(self) -> bool:
        return time.monotonic() - self.intake.beat < STUCK_SECS

    @property
    def _mode(self) -> str:
        return self.setup.config.mail.mode

    async def _watch(self) -> None:
        """Tell systemd that we live, only while the worker that decides really goes round."""
        period = watchdog_secs()
        while True:
            await asyncio.sleep(min(period or 5.0, 5.0))
            self.telemetry.ready.set(1 if self._moving else 0)
            if self._moving:
                notify("WATCHDOG=1", f"STATUS={self._words()}")

    async def _reloading(self) -> None:
        while True:
            await self._reload.wait()
            self._reload.clear()
            await self._reload_now()

    async def _reload_now(self) -> dict[str, Any]:
        """Read everything anew; swap all of it, or nothing at any fault."""
        if self._reassemble is None:
            return {"error": "this daemon has no configuration to read again"}
        self.telemetry.reload_attempts.inc()
        notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
        faults: list[str] = []
        try:
            setup = await asyncio.to_thread(self._reassemble)
        except SetupError as error:
            faults = list(error.faults)
        else:
            self._swap(setup)
        notify("READY=1", f"STATUS={self._words()}")
        if faults:
            self.telemetry.reload_failures.inc()
            self._log.error("reload refused, the old configuration stays", faults=len(faults), first=faults[0])
        return {"reloaded": not faults, "faults": faults}

    def _swap(self, setup: Setup) -> None:
        old, self.setup = self.setup, setup
        waits = [name for name in FIXED if getattr(old.config, name) != getattr(setup.config, name)]
        desk = self.assembly.desk(setup)
        self.desk.casework, self.desk.delivery, self.desk.returns = desk.casework, desk.delivery, desk.returns
        self.desk.contacts, self.desk.digests = desk.contacts, desk.digests
        self.store.budgets = setup.config.budgets.limits()
        self.correlator.silenced_by = self.assembly.silence(setup)
        if (setup.rules, setup.config.engine) != (old.rules, old.config.engine) or not _same(setup.inventory, old.inventory):
            self.intake.swap(lambda _: self.assembly.pipeline(setup, self.correlator))
        self._declare()
        self._log.info(
            "reloaded", rules=len(setup.rules), customers=len(setup.inventory.customers), needs_restart=waits
        )

    def _declare(self) -> None:
        self.telemetry.loaded.set_to_current_time()
        for rule in self.setup.rules:
            self.telemetry.declare_rule(rule.id, rule.status)
            if rule.program:
                self.telemetry.declare_detector(rule.id)

    def _own(self, address: str) -> bool:
        """Ask the inventory in force, also after a reload."""
        return self.setup.inventory.contains(address)

    def report_settings(self, setup: Setup) -> ReportSettings:
        """Say who writes: for the mails, and for the pages."""
        return self.assembly.report_settings(setup)

    async def status(self) -> dict[str, Any]:
        """What `abusewatch status` shows."""
        return await Answers(self).status()

    def _words(self) -> str:
        wrong = self.problems() if self.ready.is_set() else []
        sources, rules = len(self.intake.feeds), len(self.setup.rules)
        return wrong[0] if wrong else f"{sources} source(s), {rules} rules, mail mode {self._mode}"

async def serve(path: Path, fronts: Sequence[Callable[[Daemon], Part | None]] = ()) -> None:
    """Run the daemon of a configuration until SIGTERM or SIGINT; SIGHUP reloads. SetupError when it has faults."""
    daemon = Daemon(assemble(path), lambda: assemble(path), fronts)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, daemon.stop)
    loop.add_signal_handler(signal.SIGHUP, daemon.reload)
    await daemon.run()


def _same(one: Inventory, other: Inventory) -> bool:
    return (one.customers, one.prefixes, one.ports) == (other.customers, other.prefixes, other.ports)
