"""The feed of a captured interface: its packets made flows for the pipeline, and what it says of itself in metrics and status."""

import time
from typing import Any

import numpy as np

from abusewatch.model.flow import FlowBatch, batch_of, concat
from abusewatch.service.feed import Feed
from abusewatch.sources.flow_cache import Cache, cache
from abusewatch.sources.live.source import CaptureSource
from abusewatch.telemetry import Meter, Telemetry

MESSAGES = 64
"""Taken at a time, up to 131,072 packets: a third of a second of a busy link."""
IDLE_SECS = 1.0
"""Silence of an interface after which its flows are ended, as nothing else would before its next packet."""


class Metered:
    """Brings the packets of one source together to flows, as a replay of the same packets would; belongs to the worker."""

    def __init__(self, source: CaptureSource) -> None:
        """Begin with none."""
        self._source = source
        self._cache: Cache = cache()
        self._open = False
        self._moved = time.monotonic()
        self._lost = 0

    def take(self, feed: Feed) -> FlowBatch | None:
        """Take what waits and give the flows that have ended; None when nothing waits and nothing is to be ended."""
        taken = self._source.take(MESSAGES)
        if taken is None:
            idle = self._open and time.monotonic() - self._moved > IDLE_SECS
            return self.flush() if idle else None
        packets, feed.received_us = taken
        feed.full = len(packets) >= MESSAGES
        self._open, self._moved = True, time.monotonic()
        arrived = concat(packets)
        self._account(feed, arrived)
        return self._cache.add(arrived)

    def flush(self) -> FlowBatch:
        """End every flow."""
        self._open = False
        return self._cache.flush() if self._cache else batch_of(0)

    def _account(self, feed: Feed, packets: FlowBatch) -> None:
        """Hold what was lost against the minute of what came, so that a finding of that time claims no more coverage than it has."""
        counts = self._source.counts()
        lost = counts.ring_lost + counts.feed_lost
        missing, self._lost = max(lost - self._lost, 0), lost
        one = np.zeros(1, np.uint32)
        feed.decoder.gaps.add(one, packets.end_us[-1:], np.array([len(packets)]), np.array([missing], np.float64))


def count(feed: Feed, source: CaptureSource, telemetry: Telemetry) -> None:
    """Bring the metrics up to what a source has counted."""
    name, counts = source.name, source.counts()
    totals = {
        "captured": (telemetry.packets.labels(name), counts.captured),
        "ring": (telemetry.packets_lost.labels(name, "ring"), counts.ring_lost),
        "feed": (telemetry.packets_lost.labels(name, "feed"), counts.feed_lost),
        "partial": (telemetry.packets_partial.labels(name), counts.partial),
        "helpers": (telemetry.helpers.labels(name), counts.helpers),
        "records": (telemetry.records.labels(name), feed.records),
        "lost": (telemetry.lost.labels(name), counts.ring_lost + counts.feed_lost),
        "bad": (telemetry.datagrams.labels(name, "rejected"), counts.bad),
    }
    for key, (counter, total) in totals.items():
        feed.meters.setdefault(key, Meter(counter)).advance(total)
    telemetry.waiting.labels(name).set(source.waiting)
    telemetry.exporters.labels(name).set(int(source.connected))
    if feed.received_us:
        telemetry.received.labels(name).set(feed.received_us / 1e6)


def status(feed: Feed) -> dict[str, Any]:
    """What `abusewatch status` shows of it, in the words of the other sources."""
    source = feed.source
    assert isinstance(source, CaptureSource)  # noqa: S101  the caller has looked
    counts = source.counts()
    lost = counts.ring_lost + counts.feed_lost
    return {
        "name": source.name,
        "listens": [f"{source.settings.interface} ({'captured' if source.connected else 'no helper'})"],
        "received": counts.captured,
        "unlisted": 0,
        "records": feed.records,
        "lost": lost,
        "dropped": lost,
        "ring_lost": counts.ring_lost,
        "feed_lost": counts.feed_lost,
        "helpers": counts.helpers,
        "waiting": source.waiting,
        "last_received_us": feed.received_us,
    }


def report(source: CaptureSource) -> dict[str, Any]:
    """What `abusewatch sources` shows of it."""
    counts = source.counts()
    return {
        "name": source.name,
        "type": "capture",
        "listens": [source.settings.interface],
        "received": counts.captured,
        "kernel_drops": counts.ring_lost,
        "feed_lost": counts.feed_lost,
        "partial": counts.partial,
        "helpers": counts.helpers,
        "unlisted": 0,
        "unlisted_senders": [],
        "oversized": 0,
        "exporters_full": 0,
        "waiting": source.waiting,
        "exporters": [],
    }
