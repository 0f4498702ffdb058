"""Where findings become incidents that are safe on disk: the boundary between what may be dropped and what may not."""

import sqlite3
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence

import structlog

from abusewatch.incidents import IncidentStore, correlate
from abusewatch.incidents.ladder import rung
from abusewatch.model.finding import Detection
from abusewatch.storage import StorageError
from abusewatch.telemetry import Telemetry

Silence = Callable[[Detection], str]
"""What keeps a finding from making a case: `policy`, `exception`, or nothing ("")."""
REMEMBERED = 65_536
"""Episodes known by name, to count each finding once; as many as the engine itself keeps open."""


class Correlator:
    """The sink of the pipeline. While the store fails, findings wait here, newest version each, and are saved with the next.

    `silenced_by` says what keeps a finding from making a case, and may be replaced (a reload): such a one is counted and
    logged, no more.
    """

    def __init__(self, store: IncidentStore, telemetry: Telemetry, silenced_by: Silence = lambda _: "") -> None:
        """Take the store, the counters and what silences."""
        self.failing = ""
        self.silenced_by = silenced_by
        self._store = store
        self._telemetry = telemetry
        self._waiting: dict[str, Detection] = {}
        self._known: OrderedDict[str, tuple[int, int]] = OrderedDict()
        self._log = structlog.get_logger()

    def __call__(self, detections: Sequence[Detection]) -> None:
        """Take what the engine found in one pane; called by the worker thread, returns when it is durable or waits here."""
        for detection in detections:
            silenced_by = self.silenced_by(detection)
            if not silenced_by:
                self._waiting[detection.episode] = detection
            self._count(detection, silenced_by)
        if self._waiting:
            self._save()

    def _save(self) -> None:
        self._telemetry.store_attempts.inc()
        now_us = time.time_ns() // 1000
        try:
            changes = correlate(self._store.open_incidents(), self._waiting.values(), now_us, self._store.next_id)
            self._store.save(changes)
        except (sqlite3.Error, StorageError, OSError) as error:  # a full disk must not stop detection
            self._telemetry.store_failures.inc()
            if not self.failing:
                self._log.error("incidents cannot be saved", error=str(error), waiting=len(self._waiting))
            self.failing = f"incidents cannot be saved: {error}"
            return
        self.failing = ""
        self._waiting.clear()
        for incident, before in changes:
            if incident.state != before:
                self._telemetry.incidents.labels(incident.kind, incident.state).inc()
                self._log.info(
                    "incident opened"
                    if before is None
                    else "incident merged"
                    if incident.merged_into
                    else "incident changed",
                    incident=incident.id,
                    kind=incident.kind,
                    state=incident.state,
                    severity=incident.severity,
                    customer=incident.customer,
                    **({"into": incident.merged_into} if incident.merged_into else {}),
                )

    def _count(self, detection: Detection, silenced_by: str) -> None:
        finding = detection.finding
        if detection.episode in self._known:
            self._count_growth(detection)
            return
        self._known[detection.episode] = finding.packets, 0
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        self._telemetry.findings.labels(finding.rule, detection.status).inc()
        if silenced_by:
            self._telemetry.silenced.labels(silenced_by).inc()
        self._log.info(
            "finding", rule=finding.rule, kind=finding.kind, severity=finding.severity, offender=finding.offender,
            customer=finding.customer, targets=finding.targets, basis=finding.basis, status=detection.status,
            silenced_by=silenced_by,
        )  # fmt: skip

    def _count_growth(self, detection: Detection) -> None:
        """Log a finding again when it is ten, a hundred, a thousand times what it was when it was new."""
        finding = detection.finding
        first, known = self._known[detection.episode]
        now = rung(finding.packets, first)
        if now > known:
            self._known[detection.episode] = first, now
            self._log.info(
                "finding grew", rule=finding.rule, kind=finding.kind, severity=finding.severity, offender=finding.offender,
                customer=finding.customer, packets=finding.packets, times=10**now,
            )  # fmt: skip
