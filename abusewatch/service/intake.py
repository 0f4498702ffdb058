"""The flow side of the daemon: one worker thread takes datagrams from every source, decodes them and feeds the pipeline."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any

import structlog
from prometheus_client import Counter

from abusewatch.model.flow import FlowBatch
from abusewatch.pipeline import Pipeline
from abusewatch.service import captured
from abusewatch.service.captured import Metered
from abusewatch.service.feed import SOURCE_BITS, Feed
from abusewatch.sources.live.source import CaptureSource
from abusewatch.sources.tcp import TcpSource
from abusewatch.sources.udp import Taken, UdpCounts, UdpSource
from abusewatch.telemetry import Meter, Telemetry
from abusewatch.wire.errors import REJECTIONS
from abusewatch.wire.gaps import share

DATAGRAMS = 2048
"""Taken at a time: the decoder's cost a record falls up to about here, and a stop never waits long."""
GATHER_SECS = 0.04
"""A small batch costs more a record than a large one, and no verdict is in such a hurry; the ring holds half a second at full rate."""
WAIT_SECS = 0.1
IDLE_US = 1_000_000
"""Silence after which event time goes on by the clock, so that the last pane before a pause is judged too."""
LOG_EVERY_SECS = 10.0
COUNT_SECS = 1.0
ANSWER_SECS = 0.02
"""What questions may take of the worker between two batches; the one begun is finished."""
MOST_QUESTIONS = 256


class Intake:
    """Owns the pipeline while it runs. `beat` is the monotonic time at which the worker last went round."""

    def __init__(self, feeds: Sequence[Feed], pipeline: Pipeline, telemetry: Telemetry) -> None:
        """Take the parts; nothing is opened before `start`."""
        self.feeds = tuple(feeds)
        self.beat = time.monotonic()
        self.newest_us = 0
        self._pipeline = pipeline
        pipeline.decider.coverage = self.coverage
        self._telemetry = telemetry
        self._next: Callable[[Pipeline], Pipeline] | None = None
        self._stopping = threading.Event()
        self._moved = time.monotonic()
        self._logged = self._counted = 0.0
        self._meters: dict[str, Meter] = {}
        self._asked: deque[tuple[Callable[[], Any], Future[Any]]] = deque()
        self._thread = threading.Thread(target=self._run, name="detect", daemon=True)
        self._metered = {feed.number: Metered(feed.source) for feed in self.feeds if isinstance(feed.source, CaptureSource)}
        self._log = structlog.get_logger()

    def start(self) -> None:
        """Open all sources and begin. OSError when one cannot be opened; those before it are closed again."""
        opened: list[UdpSource | TcpSource | CaptureSource] = []
        try:
            for feed in self.feeds:
                self._telemetry.declare_source(feed.source.name)
                feed.source.start()
                opened.append(feed.source)
        except OSError:
            for source in opened:
                source.stop()
            raise
        self._thread.start()

    def stop(self, grace_secs: float) -> bool:
        """Close the sources, work off what they hold, decide what is open; False when that took longer than allowed."""
        for feed in self.feeds:
            feed.source.stop()
        self._stopping.set()
        self._thread.join(grace_secs)
        return not self._thread.is_alive()

    def swap(self, change: Callable[[Pipeline], Pipeline]) -> None:
        """Have the worker put another pipeline in the place of its own, between two batches."""
        self._next = change

    def coverage(self, exporters: Iterable[int], first_us: int, last_us: int) -> float:
        """The part of what some exporters, as numbered in records, sent from one time to another that reached us."""
        mine: dict[int, list[int]] = {}
        for exporter in exporters:
            mine.setdefault(exporter >> SOURCE_BITS, []).append(exporter & ((1 << SOURCE_BITS) - 1))
        found = [self.feeds[feed].decoder.gaps.between(numbers, first_us, last_us) for feed, numbers in mine.items()]
        return share(sum(came for came, _ in found), sum(missing for _, missing in found))

    def ask(self, question: Callable[[Sequence[Feed]], Any]) -> Future[Any]:
        """Have the worker answer a question about its feeds between two batches, since what they count is its own."""
        return self._put(lambda: question(self.feeds))

    def look(self, question: Callable[[Pipeline], Any]) -> Future[Any]:
        """Have the worker answer a question about its pipeline between two batches. RuntimeError when too many wait."""
        return self._put(lambda: question(self._pipeline))

    def _put(self, question: Callable[[], Any]) -> Future[Any]:
        if len(self._asked) >= MOST_QUESTIONS:
            raise RuntimeError("too many questions wait for an answer")
        answer: Future[Any] = Future()
        self._asked.append((question, answer))
        return answer

    @property
    def failed(self) -> str:
        """Name the source that broke, and why; empty when all is well."""
        return next((f"{f.source.name}: {f.source.failure}" for f in self.feeds if f.source.failure), "")

    @property
    def troubles(self) -> list[str]:
        """Name the interfaces that nobody captures, and the engine processes that were lost."""
        found = [feed.source.trouble for feed in self.feeds if isinstance(feed.source, CaptureSource)]
        return [trouble for trouble in (*found, self._pipeline.decider.trouble) if trouble]

    def _count(self) -> None:
        """Bring the metrics up to what the parts have counted; by the worker, since the parts are its own."""
        telemetry, pipeline = self._telemetry, self._pipeline
        self._counted = time.monotonic()
        telemetry.watermark.set(self.newest_us / 1e6)
        counted = {
            "twins": (telemetry.rejected.labels("exported_twice"), pipeline.twins.dropped),
            "late": (telemetry.late, pipeline.panes.late_rows),
            "panes": (telemetry.shed.labels("panes"), pipeline.panes.split_panes),
            "slots": (telemetry.shed.labels("slots"), pipeline.inventory.slots.refused),
        }
        counted |= {
            "ends": (telemetry.engine_ends, pipeline.decider.ends),
            "lost rows": (telemetry.engine_lost_rows, pipeline.decider.lost_rows),
        }
        counted |= {table: (telemetry.shed.labels(table), total) for table, total in pipeline.decider.shed.items()}
        for rule, faults in pipeline.decider.faults.items():
            for reason, total in faults.items():
                counted[f"{rule} {reason}"] = (telemetry.detector_faults.labels(rule, reason), total)
        for key, (counter, total) in counted.items():
            self._meters.setdefault(key, Meter(counter)).advance(total)
        for feed in self.feeds:
            if isinstance(feed.source, CaptureSource):
                captured.count(feed, feed.source, telemetry)
                continue
            name, counts = feed.source.name, feed.source.counts()
            datagrams = telemetry.datagrams
            _advance(feed, datagrams.labels(name, "unlisted"), "unlisted", counts.unlisted)
            _advance(feed, datagrams.labels(name, "decoded"), "decoded", feed.decoded)
            _advance(feed, telemetry.records.labels(name), "records", feed.records)
            totals = feed.decoder.totals
            feed.lost = max(feed.lost, totals.lost)  # what comes late after all is not taken back: a counter only rises
            _advance(feed, telemetry.lost.labels(name), "lost", feed.lost)
            _advance(feed, telemetry.duplicates.labels(name), "duplicates", totals.duplicates)
            _advance(feed, telemetry.restarts.labels(name), "restarts", totals.restarts)
            telemetry.exporters.labels(name).set(feed.decoder.exporters)
            telemetry.clock_ahead.labels(name).set(feed.decoder.worst_skew_us / 1e6)
            feed.decoder.company = sum(other.decoder.exporters for other in self.feeds) > 1
            for reason, total in _drops(counts).items():
                _advance(feed, telemetry.dropped.labels(reason), reason, total)
            telemetry.waiting.labels(name).set(counts.waiting)
            if feed.received_us:
                telemetry.received.labels(name).set(feed.received_us / 1e6)

    def _run(self) -> None:
        while not self._stopping.is_set():
            moved = [feed for feed in self.feeds if self._take(feed)]
            if not moved:
                self._rest()
            elif not any(feed.full for feed in moved):
                self._stopping.wait(GATHER_SECS)
            self._change()
            self._answer()
            self.beat = time.monotonic()
            if self.beat - self._counted > COUNT_SECS:
                self._count()
        while any(self._take(feed) for feed in self.feeds):
            self.beat = time.monotonic()
        for feed in self.feeds:
            if feed.number in self._metered:
                self._guarded("detect", partial(self._flows, feed, self._metered[feed.number].flush()))
        self._guarded("detect", self._pipeline.flush)
        self._count()
        self._pipeline.decider.stop()

    def _rest(self) -> None:
        if self.feeds:
            self.feeds[0].source.wait(WAIT_SECS)
        else:
            self._stopping.wait(WAIT_SECS)
        self._guarded("detect", self._pipeline.settle)
        silent_us = int((time.monotonic() - self._moved) * 1e6)
        if self.newest_us and silent_us > IDLE_US:
            self._guarded("detect", partial(self._pipeline.advance, self.newest_us + silent_us))

    def _take(self, feed: Feed) -> bool:
        if isinstance(feed.source, CaptureSource):
            return self._take_packets(feed)
        if isinstance(feed.source, TcpSource):
            for session in feed.source.ended():
                feed.decoder.forget(session)
        taken = feed.source.take(DATAGRAMS)
        if taken is None:
            return False
        feed.received_us, feed.full = taken.received_us, len(taken) >= DATAGRAMS
        self._guarded("decode", partial(self._decode, feed, taken))
        feed.source.release(len(taken))
        self._moved = time.monotonic()
        return True

    def _take_packets(self, feed: Feed) -> bool:
        ended: list[FlowBatch | None] = []
        self._guarded("decode", lambda: ended.append(self._metered[feed.number].take(feed)))
        flows = ended[0] if ended else None
        if flows is None:
            return False
        self._flows(feed, flows)
        self._moved = time.monotonic()
        return True

    def _flows(self, feed: Feed, flows: FlowBatch) -> None:
        if len(flows):
            feed.records += len(flows)
            self.newest_us = max(self.newest_us, int(flows.end_us.max()))
            self._guarded("detect", partial(self._feed, feed, flows))

    def _decode(self, feed: Feed, taken: Taken) -> None:
        decoded = feed.decoder.decode(taken.ring, taken.lengths, taken.exporter, taken.received_us)
        feed.decoded += decoded.datagrams
        feed.records += decoded.records
        for reason, count in decoded.counts.items():
            self._telemetry.rejected.labels(reason.value).inc(count)
        refused = sum(count for reason, count in decoded.counts.items() if reason in REJECTIONS)
        if refused:
            self._telemetry.datagrams.labels(feed.source.name, "rejected").inc(refused)
        for batch in decoded.batches:
            if len(batch):
                self.newest_us = max(self.newest_us, int(batch.end_us.max()))
                self._guarded("detect", partial(self._feed, feed, batch))

    def _feed(self, feed: Feed, batch: FlowBatch) -> None:
        self._pipeline.feed(feed.completed(batch), self._exporter_name)

    def _exporter_name(self, number: int) -> str:
        feed = self.feeds[number >> SOURCE_BITS]
        if isinstance(feed.source, CaptureSource):
            return feed.source.settings.interface
        return feed.source.exporters.text(number & ((1 << SOURCE_BITS) - 1))

    def _change(self) -> None:
        if self._next is not None:
            change, self._next = self._next, None
            self._guarded("detect", self._pipeline.flush)
            self._pipeline.decider.stop()
            self._pipeline = change(self._pipeline)
            self._pipeline.decider.coverage = self.coverage

    def _answer(self) -> None:
        until = time.monotonic() + ANSWER_SECS
        while self._asked and time.monotonic() < until:
            question, answer = self._asked.popleft()
            if answer.set_running_or_notify_cancel():
                try:
                    answer.set_result(question())
                except Exception as error:  # noqa: BLE001  # who asked is told, and the flow side goes on
                    answer.set_exception(error)

    def _guarded(self, stage: str, step: Callable[[], None]) -> None:
        """Run one step; what is wrong in this program costs one batch, is counted, and stops neither thread nor daemon."""
        try:
            step()
        except Exception as error:  # noqa: BLE001  # the edge of the flow side: thread and daemon survive it
            self._telemetry.bugs.labels(stage).inc()
            if time.monotonic() - self._logged > LOG_EVERY_SECS:
                self._logged = time.monotonic()
                self._log.error("batch given up", stage=stage, error=type(error).__name__, exc_info=True)


def _advance(feed: Feed, counter: Counter, name: str, total: int) -> None:
    if name not in feed.meters:
        feed.meters[name] = Meter(counter)
    feed.meters[name].advance(total)


def _drops(counts: UdpCounts) -> dict[str, int]:
    return {"kernel": counts.kernel_drops, "oversized": counts.oversized, "exporters_full": counts.exporters_full}
