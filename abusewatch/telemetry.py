"""What moves is counted, what happens is said: the metrics and the log of one process.

Rules obeyed here: prefix `abusewatch_`, base units, counters end in `_total`, moments are timestamps and never ages,
every failure has its attempts beside it, series exist before anything happens. Labels are closed lists or names from
the configuration (sources, rules); no address, customer or mail address is ever a label, and in the log they stand only
under `PERSONAL_KEYS`.
"""

import hashlib
import logging
import sys
from collections.abc import Callable, MutableMapping
from typing import Any, Literal, TextIO

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

import abusewatch
from abusewatch.model.kinds import KINDS

PREFIX = "abusewatch_"

OUTCOMES = ("decoded", "rejected", "unlisted")
REJECTS = (
    "empty", "unknown_version", "truncated", "bad_length", "bad_set", "missing_template", "bad_template", "template_limit",
    "template_changed", "template_held", "template_evicted", "pending_dropped", "record_limit", "bad_record", "bad_sample", "bad_frame", "reserved_set",
    "sampler_limit", "not_a_flow", "counter_sample", "trailing_bytes", "clock", "duplicate", "exported_twice",
    "not_a_capture", "bad_block", "bad_linktype", "bad_compression", "too_large",
)  # fmt: skip
"""`wire.errors.Reason`, said again because decoders know no metrics; a test holds the two together."""
DROPS = ("kernel", "oversized", "exporters_full", "shutdown")
STATUSES = ("sandbox", "observe", "stable")
INCIDENT_STATES = ("open", "active", "quiet", "resolved", "reopened", "closed")
AUDIENCES = ("operator", "customer", "desk", "complainant")
MESSAGE_STATES = ("queued", "held", "retrying", "sent", "parked", "expired", "folded", "cancelled", "blocked")
REPLIES = ("4xx", "5xx", "none")
DETECTOR_FAULTS = ("raised", "overran", "died", "output", "pause", "disabled")
"""`detect.coded.detector.REASONS`, said again because stages know no metrics; a test holds the two together."""
TABLES = ("conversations", "marks", "followed", "windows", "episodes", "panes", "slots")
LOOKUPS = ("rdap", "dns")
LOOKUP_OUTCOMES = (
    "asked", "found", "nobody", "undeliverable", "budget", "paused", "throttled", "failed", "refused", "unreadable",
)  # fmt: skip
"""`contacts.lookup.OUTCOMES`, said again because stages know no metrics; a test of the desk holds the two together."""
PAGE_OUTCOMES = ("shown", "fixed", "noted", "refused", "limited", "unknown", "expired", "failed")
REPLY_OUTCOMES = ("fixed", "note", "stop", "late", "people", "unknown", "automatic")
SILENCES = ("policy", "exception")
STAGES = ("decode", "detect", "casework", "delivery")


class Telemetry:
    """All metrics of one process, in a registry of its own so that two services in one test never share a number."""

    def __init__(self) -> None:
        """Create every series whose labels are known before anything has happened."""
        self.registry = CollectorRegistry()
        c, g = self._counter, self._gauge
        self.build = g("build_info", "Constant 1; the version is in the label", ("version",))
        self.build.labels(abusewatch.__version__).set(1)
        self.started = g("start_time_seconds", "When this process started, Unix time")
        self.datagrams = c("datagrams", "Export datagrams received and what became of them", ("source", "outcome"))
        self.records = c("records", "Flow records or packets decoded", ("source",))
        self.received = g(
            "source_last_received_timestamp_seconds", "Newest datagram of a source, Unix time", ("source",)
        )
        self.lost = c("exporter_lost", "Records or datagrams missing by the exporters' sequence numbers", ("source",))
        self.duplicates = c("exporter_duplicates", "Records or datagrams that came twice by those numbers", ("source",))
        self.restarts = c("exporter_restarts", "Leaps of those numbers: exporters that began anew", ("source",))
        self.exporters = g("exporters", "Exporters of a source that were heard", ("source",))
        self._capture(c)
        self.clock_ahead = g("exporter_clock_ahead_seconds", "The exporters' clock that is off furthest against ours", ("source",))
        self.rejected = c("rejected", "Datagrams, sets or frames not decoded", ("reason",), REJECTS)
        self.dropped = c("dropped", "Datagrams or rows given up for want of room", ("reason",), DROPS)
        self.late = c("late_records", "Records that came after their pane had closed")
        self.watermark = g("watermark_timestamp_seconds", "Event time up to which rules were evaluated, Unix time")
        self.shed = c("shed", "Keys or rows given up because a bounded table was full", ("table",), TABLES)
        self.bugs = c("bugs", "Inputs or turns given up for a fault of this program", ("stage",), STAGES)
        self._engine(c)
        self.findings = c("findings", "Findings begun, by rule and its status", ("rule", "status"))
        self.detector_faults = c(
            "detector_faults", "Turns of a coded detector that gave nothing, by rule and reason", ("rule", "reason")
        )
        self.silenced = c("findings_silenced", "Findings that made no case, by what kept them from it", ("by",), SILENCES)
        self.incidents = c("incidents", "Incidents entering a state", ("kind", "state"))
        self.messages = c("messages", "Messages entering a state", ("audience", "state"))
        self.smtp_attempts = c("smtp_attempts", "Deliveries tried")
        self.smtp_failures = c("smtp_failures", "Deliveries that failed, by class of the answer", ("reply",), REPLIES)
        self.leak_checks = c("leak_checks", "Finished messages checked for what their reader may not see")
        self.leak_blocks = c("leak_blocks", "Messages stopped by that check")
        self.contact_lookups = c(
            "contact_lookups", "Questions about other networks, and what came of them", ("source", "outcome")
        )
        for source in LOOKUPS:
            for outcome in LOOKUP_OUTCOMES:
                self.contact_lookups.labels(source, outcome)
        self.page_requests = c(
            "page_requests", "Requests to the customer's page, and what came of them", ("outcome",), PAGE_OUTCOMES
        )
        self.replies = c("mail_replies", "Answers to our mail, and what came of them", ("outcome",), REPLY_OUTCOMES)
        self.store_attempts = c("store_attempts", "Saves of incidents tried")
        self.store_failures = c("store_failures", "Saves that failed; the findings are kept and saved again")
        self.casework_attempts = c("casework_attempts", "Turns of the casework task")
        self.casework_failures = c("casework_failures", "Turns of the casework task that failed and are repeated")
        self.reload_attempts = c("reload_attempts", "Reloads asked for")
        self.reload_failures = c("reload_failures", "Reloads refused for faults in what was to be loaded")
        self.loaded = g("config_loaded_timestamp_seconds", "When the configuration in force was loaded, Unix time")
        self.clock_jumps = c("clock_jumps", "Wall clock jumps of more than a minute")
        self.waiting = g("datagrams_waiting", "Datagrams in the ring of a source", ("source",))
        self.breaker = g("breaker_open", "1 while no mail to an audience leaves until the desk has looked", ("audience",), AUDIENCES[:2])
        self.outbox = g("outbox_messages", "Messages in the outbox", ("state",), MESSAGE_STATES[:-1])
        self.incidents_open = g("incidents_open", "Incidents that are not closed")
        self.ready = g("ready", "1 while the pipeline moves, 0 while starting, draining or stuck")
        for kind in KINDS:
            self.incidents.labels(kind, "open")
        for audience in AUDIENCES[:2]:
            for state in MESSAGE_STATES:
                self.messages.labels(audience, state)

    def _capture(self, c: Callable[..., Counter]) -> None:
        """What the sources say that take packets of an interface."""
        self.packets = c("captured_packets", "Packets of an interface that its helper read", ("source",))
        self.packets_lost = c(
            "captured_packets_lost", "Packets of an interface given up: in the kernel's ring, or by the helper", ("source", "where")
        )
        self.packets_partial = c("captured_packets_partial", "Packets of an interface that are no IP, or whose headers are not whole", ("source",))
        self.helpers = c("capture_helpers", "Connections of capture helpers: more than one is a restart", ("source",))

    def _engine(self, c: Callable[..., Counter]) -> None:
        """What becomes of the processes of `[engine] workers`."""
        self.engine_ends = c("engine_ends", "Engine processes that ended by themselves; another began with empty windows")
        self.engine_lost_rows = c("engine_lost_rows", "Rows that were with such a process, or came while there was none")

    def _counter(self, name: str, text: str, labels: tuple[str, ...] = (), values: tuple[str, ...] = ()) -> Counter:
        counter = Counter(PREFIX + name, text, labels, registry=self.registry)
        for value in values:
            counter.labels(value)
        return counter

    def _gauge(self, name: str, text: str, labels: tuple[str, ...] = (), values: tuple[str, ...] = ()) -> Gauge:
        gauge = Gauge(PREFIX + name, text, labels, registry=self.registry)
        for value in values:
            gauge.labels(value)
        return gauge

    def declare_source(self, source: str) -> None:
        """Create the series of a source that the configuration names."""
        for outcome in OUTCOMES:
            self.datagrams.labels(source, outcome)
        self.records.labels(source)
        for counter in (self.lost, self.duplicates, self.restarts):
            counter.labels(source)

    def declare_rule(self, rule: str, status: str) -> None:
        """Create the series of a rule that was loaded."""
        self.findings.labels(rule, status)

    def declare_detector(self, rule: str) -> None:
        """Create the series of a rule that a coded detector serves."""
        for reason in DETECTOR_FAULTS:
            self.detector_faults.labels(rule, reason)

    def exposition(self) -> bytes:
        """Write all series in the text format of Prometheus."""
        return generate_latest(self.registry)


class Meter:
    """Feeds a counter from a total that somebody else keeps: `advance(total)` adds what is new since the last call."""

    def __init__(self, counter: Counter) -> None:
        """Start from zero, as the counter does."""
        self._counter = counter
        self._seen = 0

    def advance(self, total: int) -> int:
        """Add the difference; a total that went back began anew at zero. Returns what was added."""
        added = total - self._seen if total >= self._seen else total
        self._seen = total
        if added:
            self._counter.inc(added)
        return added


PERSONAL_KEYS = frozenset({"offender", "target", "address", "customer", "recipient"})
"""The only keys under which an address, a customer or a mail address may be logged."""

Personal = Literal["keep", "pseudonym", "drop"]
PERSONAL_CHOICES: tuple[Personal, ...] = ("keep", "pseudonym", "drop")


class PersonalKeys:
    """The one log processor that knows personal keys: keeps, drops or replaces them by a keyed hash."""

    def __init__(self, choice: Personal, key: bytes = b"") -> None:
        """`key` is secret and should live no longer than the log; empty for `keep` and `drop`."""
        if choice == "pseudonym" and not key:
            raise ValueError("pseudonyms need a key: a plain hash of an IPv4 address is undone in seconds (RFC 6235)")
        self._choice = choice
        self._key = key[:32]

    def __call__(self, _logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """Apply the choice to one event."""
        if self._choice == "keep":
            return event
        for name in PERSONAL_KEYS & event.keys():
            if self._choice == "drop":
                del event[name]
            else:
                digest = hashlib.blake2s(str(event[name]).encode(), key=self._key, digest_size=6)
                event[name] = f"~{digest.hexdigest()}"
        return event


def _one_line(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Escape control characters in text: a terminal obeys them, and a newline would forge a second line."""
    for name, value in event.items():
        if isinstance(value, str) and not value.isprintable():
            event[name] = value.encode("unicode_escape").decode("ascii")
    return event


def configure_log(
    stream: TextIO = sys.stderr,
    *,
    json: bool | None = None,
    level: str = "info",
    personal: PersonalKeys | None = None,
) -> None:
    """Send events to `stream`: JSON lines for a service (the default when nobody watches), readable on a terminal."""
    as_json = not stream.isatty() if json is None else json
    renderer: Any = structlog.processors.JSONRenderer()
    if not as_json:
        renderer = structlog.dev.ConsoleRenderer(colors=stream.isatty(), sort_keys=False)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            personal or PersonalKeys("keep"),
            structlog.processors.dict_tracebacks if as_json else structlog.processors.format_exc_info,
            _one_line,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )
