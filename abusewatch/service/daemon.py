"""The composition root: what a setup names becomes objects, started in order, stopped in reverse, swapped as a whole."""

import asyncio
import os
import signal
import socket
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import msgspec
import structlog

import abusewatch
from abusewatch import retention
from abusewatch.casework import Casework
from abusewatch.config.assemble import Setup, SetupError, assemble
from abusewatch.config.load import Credentials, evidence_key
from abusewatch.config.model import Config, Source, endpoint
from abusewatch.contacts import ContactChain, ContactSettings, lookups
from abusewatch.contacts.lookup import Lookup
from abusewatch.contacts.refusals import Refusals
from abusewatch.detect.explain import Account, in_order
from abusewatch.detect.rule import Rule
from abusewatch.digests import Digests
from abusewatch.inventory import Inventory
from abusewatch.model import address
from abusewatch.model.finding import Detection, iso
from abusewatch.outbox import Delivery, Maildir
from abusewatch.pipeline import Pipeline
from abusewatch.reports.compose import Composer
from abusewatch.reports.digest import DigestComposer
from abusewatch.reports.links import Links
from abusewatch.reports.settings import ReportSettings
from abusewatch.service import captured, memory
from abusewatch.service.control import Control, control_path
from abusewatch.service.correlator import Correlator, Silence
from abusewatch.service.desk import LANE_BATCH, Desk, now_us
from abusewatch.service.endpoint import Endpoint
from abusewatch.service.exporters import report
from abusewatch.service.feed import Feed
from abusewatch.service.intake import Intake
from abusewatch.service.notify import notify, watchdog_secs
from abusewatch.service.returns import Returns
from abusewatch.service.transport import transport_of, verp_of
from abusewatch.shards.crew import Crew
from abusewatch.sources.activation import inherited_sockets
from abusewatch.sources.live.source import CaptureSettings, CaptureSource
from abusewatch.sources.tcp import TcpSettings, TcpSource
from abusewatch.sources.udp import UdpSettings, UdpSource
from abusewatch.storage import SqliteStore, StorageError, lock_state
from abusewatch.storage.contact_cache import SqliteContacts
from abusewatch.storage.keys import key_of
from abusewatch.storage.sqlite_exceptions import SqliteExceptions
from abusewatch.telemetry import Telemetry

GRACE_SECS = 20.0
"""For what is in the rings when we are asked to stop; the unit allows 30 s in all."""
STUCK_SECS = 10.0
"""A worker that has not gone round for this long does not move; systemd is then told nothing and restarts us."""
ANSWER_SECS = 5.0
"""For the worker to answer a question; who asks over the local socket waits ten."""
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
        self._lookups: tuple[ContactSettings, tuple[Lookup, ...]] = ContactSettings(), ()
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
            self.links = _links(config)
            self.exceptions = SqliteExceptions(self.store.database)
            self.correlator = Correlator(self.store, self.telemetry, self._silence(self.setup))
            self.desk = self._desk(self.setup)
            self.intake = self._intake(self.setup)
            commands = {"status": self.status, "sources": self._sources, "reload": self._reload_now}
            control = Control(control_path(config.store.path), commands, {"explain": self._explain})
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
        desk = self._desk(setup)
        self.desk.casework, self.desk.delivery, self.desk.returns = desk.casework, desk.delivery, desk.returns
        self.desk.contacts, self.desk.digests = desk.contacts, desk.digests
        self.store.budgets = setup.config.budgets.limits()
        self.correlator.silenced_by = self._silence(setup)
        if (setup.rules, setup.config.engine) != (old.rules, old.config.engine) or not _same(setup.inventory, old.inventory):
            self.intake.swap(lambda _: self._pipeline(setup))
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

    def _desk(self, setup: Setup) -> Desk:
        config, owners = setup.config, setup.inventory
        contacts, policy, settings = self._contacts(setup), config.policy.settings(), self.report_settings(setup)
        casework = Casework(
            self.store,
            owners,
            contacts,
            Composer(settings),
            hold=None if config.mail.mode == "send" else "shadow",
            policy=policy,
        )
        digests = Digests(self.store, owners, contacts, DigestComposer(settings), policy)
        returns = self._returns(config, contacts)
        delivery = Delivery(self.store, transport_of(config), now_us, LANE_BATCH)
        return Desk(
            self.store, casework, delivery, self.telemetry, returns=returns, contacts=contacts, digests=digests
        )

    def _returns(self, config: Config, contacts: ContactChain) -> Returns | None:
        """Make the reader of bounces and answers; None when there is no folder for either."""
        folders = [folder for folder in (config.mail.bounces, config.mail.replies) if folder]
        verp = verp_of(config) if config.mail.bounces else None
        key = key_of(config.store.path, "message-id")
        return Returns(folders, self.store, key, verp=verp, opted_out=contacts.opted_out) if folders else None

    def report_settings(self, setup: Setup) -> ReportSettings:
        """Say who writes: for the mails, and for the pages."""
        config = setup.config
        return ReportSettings(
            config.network.organisation,
            config.sender,
            key_of(config.store.path, "message-id"),
            retention.days("evidence"),
            domain=config.network.domain,
            phone=config.network.phone,
            language=config.policy.language,
            templates=config.mail.templates,
            links=self.links,
            replies=config.mail.replies is not None,
        )

    def _silence(self, setup: Setup) -> Silence:
        """Say of a finding what keeps it from making a case: the policy, a temporary exception, or nothing."""
        policy = setup.config.policy.settings()

        def silenced_by(detection: Detection) -> str:
            if not policy.makes_case(detection):
                return "policy"
            finding = detection.finding
            try:
                return "exception" if self.exceptions.covers(finding.offender, finding.rule, now_us()) else ""
            except (sqlite3.Error, StorageError):  # a failing disk silences nothing; that it fails is told when saving
                return ""

        return silenced_by

    def _own(self, address: str) -> bool:
        """Ask the inventory in force, also after a reload."""
        return self.setup.inventory.contains(address)

    def _contacts(self, setup: Setup) -> ContactChain:
        """Make the chain. Look-ups are kept over a reload that does not touch them, with their budgets and pauses."""
        wanted = setup.config.contacts.settings()
        stored = SqliteContacts(self.store.database)
        if wanted != self._lookups[0]:
            self._lookups = wanted, lookups(wanted, self._own, stored)
        return ContactChain(
            setup.table,
            setup.inventory.contains,
            cache=stored,
            health=Refusals(stored, setup.config.policy.never),
            lookups=self._lookups[1],
            kept_us=retention.days("contact") * retention.DAY_US,
        )

    def _intake(self, setup: Setup) -> Intake:
        passed = inherited_sockets()
        feeds = [
            Feed(_source(source, passed), source.sampling, number) for number, source in enumerate(setup.config.source)
        ]
        for feed in feeds:
            memory.recall(setup.config.store.path, feed, now_us())
        return Intake(feeds, self._pipeline(setup), self.telemetry)

    def _pipeline(self, setup: Setup) -> Pipeline:
        workers = setup.config.engine.workers
        crew = Crew(setup.rules, setup.inventory, workers) if workers > 1 else None
        return Pipeline(setup.rules, setup.inventory, self.correlator, decider=crew)

    def _words(self) -> str:
        wrong = self.problems() if self.ready.is_set() else []
        sources, rules = len(self.intake.feeds), len(self.setup.rules)
        return wrong[0] if wrong else f"{sources} source(s), {rules} rules, mail mode {self._mode}"

    async def status(self) -> dict[str, Any]:
        """What `abusewatch status` shows; no address and no customer."""
        store = self.store
        counts, incidents, exceptions = await asyncio.to_thread(
            lambda: (store.counts(), store.open_incidents(), self.exceptions.in_force(now_us()))
        )
        return {
            "version": abusewatch.__version__,
            "pid": os.getpid(),
            "mode": self._mode,
            "problems": self.problems(),
            "sources": [_source_status(feed) for feed in self.intake.feeds],
            "rules": [{"id": rule.id, "status": rule.status} for rule in self.setup.rules],
            "exceptions": [
                {"rule": one.rule, "until": iso(one.until_us), "author": one.author, "reason": one.reason}
                for one in exceptions
            ],
            "incidents": len(incidents),
            "outbox": counts,
            "metrics_port": self.endpoint_port,
        }

    async def _sources(self) -> dict[str, Any]:
        """What `abusewatch sources` shows: the exporters by address, which are routers of the provider's own."""
        try:
            async with asyncio.timeout(ANSWER_SECS):
                return {"sources": await asyncio.wrap_future(self.intake.ask(report))}
        except TimeoutError:
            return {"error": f"detection has not moved for {ANSWER_SECS:g} s, so nobody knows how the exporters are"}

    async def _explain(self, words: Mapping[str, str]) -> dict[str, Any]:
        """What `abusewatch rules explain --live` shows: how each rule stands towards an address, asked of the worker rule by rule between its batches."""
        setup, offender = self.setup, words.get("offender", "")
        try:
            hi, lo = address.parse(offender)
        except ValueError:
            return {"error": f"{offender!r} is no address"}
        if not setup.inventory.contains(offender):
            return {"error": f"{offender} is in none of the networks named as ours"}

        def stands(rule: Rule, pipeline: Pipeline) -> Account:
            slot = pipeline.inventory.slots.find(hi, lo)
            return pipeline.decider.standing(rule, offender, slot)

        rules = [rule for rule in setup.rules if words.get("rule", rule.id) == rule.id]
        try:
            async with asyncio.timeout(ANSWER_SECS):
                asked = [asyncio.wrap_future(self.intake.look(partial(stands, rule))) for rule in rules]
                return {"accounts": msgspec.to_builtins(in_order(await asyncio.gather(*asked)))}
        except TimeoutError:
            return {"error": f"detection has not answered for {ANSWER_SECS:g} s; it is busy or stuck, see `abusewatch status`"}
        except RuntimeError as error:
            return {"error": str(error)}


async def serve(path: Path, fronts: Sequence[Callable[[Daemon], Part | None]] = ()) -> None:
    """Run the daemon of a configuration until SIGTERM or SIGINT; SIGHUP reloads. SetupError when it has faults."""
    daemon = Daemon(assemble(path), lambda: assemble(path), fronts)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, daemon.stop)
    loop.add_signal_handler(signal.SIGHUP, daemon.reload)
    await daemon.run()


def _source(source: Source, passed: Mapping[str, tuple[socket.socket, ...]]) -> UdpSource | TcpSource | CaptureSource:
    if source.type == "capture":
        return CaptureSource(CaptureSettings(source.interface or "", source.feed_path), source.name)
    address, port = endpoint(source.listen or "")
    if source.type == "ipfix-tcp":
        return TcpSource(TcpSettings(address, port, source.exporters or ()), source.name)
    settings = UdpSettings(address, port, allow=source.exporters or ())
    return UdpSource(settings, source.name, sockets=passed.get(source.name, ()))


def _source_status(feed: Feed) -> dict[str, Any]:
    if isinstance(feed.source, CaptureSource):
        return captured.status(feed)
    counts = feed.source.counts()
    return {
        "name": feed.source.name,
        "listens": [f"{address}:{port}" for address, port in feed.source.addresses],
        "received": counts.received,
        "unlisted": counts.unlisted,
        "records": feed.records,
        "lost": feed.lost,
        "dropped": counts.kernel_drops + counts.oversized + counts.exporters_full,
        "waiting": counts.waiting,
        "last_received_us": feed.received_us,
    }


def _same(one: Inventory, other: Inventory) -> bool:
    return (one.customers, one.prefixes, one.ports) == (other.customers, other.prefixes, other.ports)


def _links(config: Config) -> Links | None:
    """Make what makes the customers' links; None without a page."""
    page = config.customer_page
    if page.url is None:
        return None
    secret = Credentials().customer_page_key
    given = secret.get_secret_value() if secret else None
    return Links(page.url, key_of(config.store.path, "customer-page", page.key_file, given), page.days)
