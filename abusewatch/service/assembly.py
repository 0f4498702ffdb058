"""The parts of the daemon, made of what a setup names: sources, pipeline, desk, contacts, and who writes."""

import socket
import sqlite3
from collections.abc import Callable, Mapping

from abusewatch import retention
from abusewatch.casework import Casework
from abusewatch.config.assemble import Setup
from abusewatch.config.forms import endpoint
from abusewatch.config.load import Credentials
from abusewatch.config.model import Config, Source
from abusewatch.contacts import ContactChain, ContactSettings, lookups
from abusewatch.contacts.lookup import Lookup
from abusewatch.contacts.refusals import Refusals
from abusewatch.digests import Digests
from abusewatch.model.finding import Detection
from abusewatch.outbox import Delivery
from abusewatch.pipeline import Pipeline, Sink
from abusewatch.reports.compose import Composer
from abusewatch.reports.digest import DigestComposer
from abusewatch.reports.links import Links
from abusewatch.reports.settings import ReportSettings
from abusewatch.service import memory
from abusewatch.service.correlator import Silence
from abusewatch.service.desk import LANE_BATCH, Desk, now_us
from abusewatch.service.feed import Feed
from abusewatch.service.intake import Intake
from abusewatch.service.returns import Returns
from abusewatch.service.transport import transport_of, verp_of
from abusewatch.shards.crew import Crew
from abusewatch.sources.activation import inherited_sockets
from abusewatch.sources.live.source import CaptureSettings, CaptureSource
from abusewatch.sources.tcp import TcpSettings, TcpSource
from abusewatch.sources.udp import UdpSettings, UdpSource
from abusewatch.storage import SqliteStore, StorageError
from abusewatch.storage.contact_cache import SqliteContacts
from abusewatch.storage.keys import key_of
from abusewatch.storage.sqlite_exceptions import SqliteExceptions
from abusewatch.telemetry import Telemetry
from abusewatch.usage.meter import Meter


class Assembly:
    """Makes them for the first setup and for each that a reload brings. What outlives a reload it keeps: the customers' links, look-ups with their budgets."""

    def __init__(self, config: Config, store: SqliteStore, telemetry: Telemetry, own: Callable[[str], bool]) -> None:
        """Take what all parts share; `own` asks the inventory in force."""
        self.store = store
        self.exceptions = SqliteExceptions(store.database)
        self.telemetry = telemetry
        self.links = _links(config)
        self._own = own
        self._lookups: tuple[ContactSettings, tuple[Lookup, ...]] = ContactSettings(), ()

    def desk(self, setup: Setup) -> Desk:
        """Make the case side: who is told, what is written, and how it leaves."""
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

    def silence(self, setup: Setup) -> Silence:
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

    def intake(self, setup: Setup, sink: Sink) -> Intake:
        """Make the flow side: the sources, each with what it remembers, and the pipeline behind them."""
        passed = inherited_sockets()
        feeds = [
            Feed(_source(source, passed), source.sampling, number) for number, source in enumerate(setup.config.source)
        ]
        for feed in feeds:
            memory.recall(setup.config.store.path, feed, now_us())
        return Intake(feeds, self.pipeline(setup, sink), self.telemetry)

    def pipeline(self, setup: Setup, sink: Sink) -> Pipeline:
        """Make what turns flows into findings, in as many processes as the setup says."""
        workers = setup.config.engine.workers
        crew = Crew(setup.rules, setup.inventory, workers) if workers > 1 else None
        pipeline = Pipeline(setup.rules, setup.inventory, sink, decider=crew)
        pipeline.meter = Meter(setup.inventory)
        return pipeline


def _source(source: Source, passed: Mapping[str, tuple[socket.socket, ...]]) -> UdpSource | TcpSource | CaptureSource:
    if source.type == "capture":
        return CaptureSource(CaptureSettings(source.interface or "", source.feed_path), source.name)
    address, port = endpoint(source.listen or "")
    if source.type == "ipfix-tcp":
        return TcpSource(TcpSettings(address, port, source.exporters or ()), source.name)
    settings = UdpSettings(address, port, allow=source.exporters or ())
    return UdpSource(settings, source.name, sockets=passed.get(source.name, ()))


def _links(config: Config) -> Links | None:
    """Make what makes the customers' links; None without a page."""
    page = config.customer_page
    if page.url is None:
        return None
    secret = Credentials().customer_page_key
    given = secret.get_secret_value() if secret else None
    return Links(page.url, key_of(config.store.path, "customer-page", page.key_file, given), page.days)
